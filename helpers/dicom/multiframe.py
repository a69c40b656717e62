"""Multi-frame objects: place and rescale of every frame from the functional groups (PS3.3 C.7.6.16).

A macro stands either once in the shared groups or in the group of every frame; a frame's own one counts.
"""

from __future__ import annotations

from typing import Any

from pydicom import Dataset

from helpers.dicom import tags
from helpers.dicom.frames import (
    LOCALIZER_WORDS,
    Broken,
    Frame,
    Geometry,
    Localizer,
    check_scale,
    frame_count,
    geometry_of,
    scale_in,
    single_frame,
    spacing_of,
    type_words,
)
from helpers.dicom.header import Header, quiet
from helpers.dicom.sources import Unreadable
from helpers.findings import Finding

PLANE_POSITION, PLANE_ORIENTATION, MEASURES = 0x00209113, 0x00209116, 0x00289110
TRANSFORM, FRAME_CONTENT, MR_ECHO, MR_DIFFUSION, CARDIAC = 0x00289145, 0x00209111, 0x00189114, 0x00189117, 0x00189118
EFFECTIVE_ECHO_TIME, STACK_ID, TEMPORAL_INDEX, ACQUISITION_NUMBER = 0x00189082, 0x00209056, 0x00209128, 0x00209156
FRAME_DATETIME, TEMPORAL_POSITION, TIME_OFFSET, DIMENSIONS = 0x00189074, 0x00209310, 0x0020930D, 0x00209157
CT_RECONSTRUCTION, CT_X_RAY = 0x00189314, 0x00189325
CT_TYPE, MR_TYPE, FRAME_TYPE = 0x00189329, 0x00189226, 0x00089007
# For every label that `groups` may split by: the macro and the element it stands in.
LABELS = {
    tags.TEMPORAL_POSITION: (FRAME_CONTENT, TEMPORAL_INDEX),
    tags.ACQUISITION_NUMBER: (FRAME_CONTENT, ACQUISITION_NUMBER),
    tags.ECHO_TIME: (MR_ECHO, EFFECTIVE_ECHO_TIME),
    tags.B_VALUE: (MR_DIFFUSION, tags.B_VALUE),
    tags.CARDIAC_PHASE: (CARDIAC, tags.CARDIAC_PHASE),
    tags.KERNEL: (CT_RECONSTRUCTION, tags.KERNEL),
    tags.KVP: (CT_X_RAY, tags.KVP),
    tags.ACQUISITION_DATETIME: (FRAME_CONTENT, FRAME_DATETIME),
    tags.TRIGGER_TIME: (TEMPORAL_POSITION, TIME_OFFSET),
}
# What decides about the place of a frame and its values: the macro, the element in it, and its name.
DECIDING = (
    (PLANE_POSITION, tags.POSITION, "ImagePositionPatient"),
    (PLANE_ORIENTATION, tags.ORIENTATION, "ImageOrientationPatient"),
    (MEASURES, tags.PIXEL_SPACING, "PixelSpacing"),
    (TRANSFORM, tags.SLOPE, "RescaleSlope"),
    (TRANSFORM, tags.INTERCEPT, "RescaleIntercept"),
)
CONCATENATION, CONCATENATION_NUMBER, CONCATENATION_TOTAL = 0x00209161, 0x00209162, 0x00209163
TYPE_MACROS = (CT_TYPE, MR_TYPE)
# Enhanced CT, MR, MR colour-free legacy conversions and PET: their frames are slices of a volume (PS3.4 annex B).
ENHANCED = frozenset(f"1.2.840.10008.5.1.4.1.1.{end}" for end in ("2.1", "2.2", "4.1", "4.4", "128.1", "130"))
MAX_FRAMES = 100_000


def multiframe(header: Header) -> list[Frame]:
    """All frames of a multi-frame file. Raises Broken when the groups are missing or do not fit the frames."""
    count = frame_count(header)
    if count > MAX_FRAMES:
        raise Broken(f"{count} frames are more than can be meant")
    try:
        with quiet():
            shared = _items(header.dataset, tags.SHARED_GROUPS)
            own = _items(header.dataset, tags.FRAME_GROUPS)
            if not shared and not own:
                return _ungrouped(header, count)
            if own and len(own) != count:
                raise Broken(f"{len(own)} functional groups for {count} frames")
            shared, own = shared[0] if shared else Dataset(), own or [Dataset()] * count
            header.contested = _contested(header.dataset, shared, own)
            return _frames(header, shared, own)
    except Unreadable:
        raise
    except Exception:
        # Values of the wrong kind inside the sequences; pydicom's words might quote them.
        raise Broken("the functional groups are damaged") from None


def _ungrouped(header: Header, count: int) -> list[Frame]:
    """A file without functional groups: one frame is an ordinary slice; several have an order but no places."""
    if count == 1:
        header.dataset = None
        return [single_frame(header)]
    if tags.text(header.raw.get(tags.SOP_CLASS)) not in ENHANCED:
        raise Broken(f"{count} frames without functional groups: where each of them lies is not said")
    raw = header.raw.get
    geometry = Geometry(None, spacing_of(raw(tags.PIXEL_SPACING)))
    slope, intercept = scale_in(header)
    check_scale(slope, intercept)
    depth = tags.number(raw(tags.SPACING_BETWEEN)) or tags.number(raw(tags.SLICE_THICKNESS))
    return [Frame(header, index, None, geometry, slope, intercept, depth) for index in range(count)]


def incomplete(frames: list[Frame], everything: list[Frame]) -> list[Finding]:
    """A concatenation (PS3.3 C.7.6.16.2.2.4) is one object cut into several files: are all of them there?

    frames: those of one volume; everything: those of the folder, where the other files may have become another volume.
    """
    wanted = {_value(frame.header.dataset, CONCATENATION) for frame in frames} - {None, ""}
    if not wanted:
        return []
    found = {id(frame.header): frame.header.dataset for frame in everything if frame.header.dataset is not None}
    parts = [dataset for dataset in found.values() if _value(dataset, CONCATENATION) in wanted]
    numbers = {(_value(part, CONCATENATION), _value(part, CONCATENATION_NUMBER)) for part in parts}
    totals: dict[str, int] = {}
    for part in parts:
        uid = _value(part, CONCATENATION)
        stated = [_value(part, CONCATENATION_NUMBER), _value(part, CONCATENATION_TOTAL)]
        totals[uid] = max(totals.get(uid, 1), *(number for number in (1, *stated) if isinstance(number, int)))
    promised = sum(totals.values())
    if promised <= len(numbers):
        return []
    text = f"{len(numbers)} of the {promised} files of a concatenation are here: frames are missing."
    return [Finding("incomplete", text)]


def _items(dataset: Dataset, tag: int) -> list[Dataset]:
    return list(dataset[tag].value or []) if tag in dataset else []


def _macro(own: Dataset, shared: Dataset, tag: int) -> Dataset | None:
    for group in (own, shared):
        items = _items(group, tag)
        if items:
            return items[0]
    return None


def _value(macro: Dataset | None, tag: int) -> Any:
    return None if macro is None or tag not in macro else macro[tag].value


def _contested(top: Dataset, shared: Dataset, own: list[Dataset]) -> tuple[str, ...]:
    """Names of deciding elements that the file gives several times, with different values: in two items of one macro,
    for the frame and for all, or outside the groups, too."""
    found = []
    for macro, element, name in DECIDING:
        common = [*_items(shared, macro), *([top] if element in top else [])]
        for group in own:
            items = [*_items(group, macro), *common]
            if len(items) > 1 and len({_floats(_value(item, element)) for item in items if element in item}) > 1:
                found.append(name)
                break
    return tuple(found)


def _floats(value: Any) -> tuple[float, ...]:
    if value is None or value == "":
        return ()
    return tuple(
        float(part) for part in (value if hasattr(value, "__len__") and not isinstance(value, str) else [value])
    )


def _numbers(value: Any, count: int) -> tuple[float, ...] | None:
    found = _floats(value)
    if not found:
        return None
    if len(found) != count or not all(abs(part) < 1e12 for part in found):
        raise Broken("a functional group holds numbers that cannot be meant")
    return found


def _frames(header: Header, shared: Dataset, own: list[Dataset]) -> list[Frame]:
    top = header.dataset
    slice_gap, top_scale = tags.number(header.raw.get(tags.SPACING_BETWEEN)), scale_in(header)
    known: dict[Geometry, Geometry] = {}  # equal geometries become one object
    frames = []
    for index, group in enumerate(own):
        position = _numbers(_value(_macro(group, shared, PLANE_POSITION), tags.POSITION), 3)
        turned = _numbers(_value(_macro(group, shared, PLANE_ORIENTATION), tags.ORIENTATION), 6)
        measures = _macro(group, shared, MEASURES)
        spacing = _numbers(_value(measures, tags.PIXEL_SPACING), 2) or spacing_of(header.raw.get(tags.PIXEL_SPACING))
        if spacing is not None and not all(1e-6 < step < 1e6 for step in spacing):
            raise Broken("PixelSpacing holds no two lengths above 0")
        thickness = _numbers(_value(measures, tags.SLICE_THICKNESS), 1)
        geometry = geometry_of(turned, spacing)
        geometry = known.setdefault(geometry, geometry)
        transform = _macro(group, shared, TRANSFORM)
        slope = _scale(transform, tags.SLOPE, top_scale[0])
        intercept = _scale(transform, tags.INTERCEPT, top_scale[1])
        check_scale(slope, intercept)
        depth = thickness[0] if thickness else slice_gap
        labels = _labels(group, shared, top, transform)
        frames.append(Frame(header, index, position, geometry, slope, intercept, depth, labels))
    if any(type_words(frame.labels[tags.IMAGE_TYPE]) & LOCALIZER_WORDS for frame in frames):
        raise Localizer("a localizer (scout view), says FrameType: projections, not slices")
    return frames


def _scale(transform: Dataset | None, tag: int, top: float | None) -> float | None:
    """Slope or intercept from the frame's transformation macro, else from the top level."""
    found = _numbers(_value(transform, tag), 1)
    return found[0] if found else top


def _labels(group: Dataset, shared: Dataset, top: Dataset, transform: Dataset | None) -> dict[int, str]:
    """What may tell this frame's volume from another at the same place."""
    labels = {tag: str(_value(_macro(group, shared, macro), element) or "") for tag, (macro, element) in LABELS.items()}
    types = next((_value(_macro(group, shared, macro), FRAME_TYPE) for macro in TYPE_MACROS), None)
    labels[tags.IMAGE_TYPE] = types if isinstance(types, str) else "\\".join(types or ())
    # Negative: the frame's place in each dimension of the file (PS3.3 C.7.6.17), whatever it is: an energy, a time.
    dimensions = _value(_macro(group, shared, FRAME_CONTENT), DIMENSIONS)
    labels |= {-k: str(place) for k, place in enumerate(_floats(dimensions), start=1)}
    labels[tags.STACK] = str(_value(_macro(group, shared, FRAME_CONTENT), STACK_ID) or "")
    labels[tags.RESCALE_TYPE] = str(_value(transform, tags.RESCALE_TYPE) or "")
    return labels
