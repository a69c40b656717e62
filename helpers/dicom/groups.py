"""Frames -> groups that may become one volume each: same series, orientation, matrix, spacing, kernel, time, echo."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from helpers.dicom import tags
from helpers.dicom.frames import Frame, Geometry
from helpers.dicom.header import Header, once
from helpers.dicom.stack import SAME_PLACE, distances, has_geometry
from helpers.findings import Finding

# Elements that must be equal within a group: texts, padding aside, and numbers.
SAME_TEXTS, SAME_SIZES = (tags.SERIES_UID, tags.MODALITY, tags.KERNEL), (tags.ROWS, tags.COLUMNS)
# What tells volumes at the same positions apart, the most telling first. The strong ones split even when one volume is
# incomplete; the weak ones (every slice may have its own) only when each value covers all positions.
STRONG = {
    tags.TEMPORAL_POSITION: "time",
    tags.ECHO_NUMBER: "echo",
    tags.ECHO_TIME: "echo time",
    tags.B_VALUE: "b-value",
    tags.CARDIAC_PHASE: "cardiac phase",
    tags.IMAGE_TYPE: "image type",
}
WEAK = {
    tags.ACQUISITION_NUMBER: "acquisition",
    tags.TRIGGER_TIME: "trigger time",
    tags.KVP: "tube voltage",
    tags.SERIES_DESCRIPTION: "description",
    tags.ACQUISITION_DATETIME: "acquisition time",
    tags.ACQUISITION_TIME: "acquisition time",
    tags.CONTENT_TIME: "content time",
    tags.RESCALE_TYPE: "rescale type",
}

# What makes slices look different at the same place: worth a word where it changes within one volume.
CONTRAST = STRONG | {tags.KVP: WEAK[tags.KVP]}
# What one scan has in common: no reason to refuse, but a sign that slices of two scans may have come together.
COMMON = {
    tags.SLICE_THICKNESS: "slice thickness",
    tags.PATIENT_POSITION: "patient position",
    tags.MANUFACTURER: "manufacturer",
    tags.MODEL: "scanner model",
    tags.SERIES_DESCRIPTION: "description",
    tags.CONTRAST_AGENT: "contrast agent",
}
# Slices of different ones are no volume, whatever their series UID says (some de-identifiers give one to all).
APART = {
    tags.PATIENT_ID: "patient",
    tags.STUDY_UID: "study",
    tags.FRAME_OF_REFERENCE: "frame of reference",
    tags.SERIES_NUMBER: "series number",
}
# What tells two scans of one kind apart; where their slices lie between one another, that is worth a word.
TURNS = {
    tags.ACQUISITION_NUMBER: "acquisition number",
    tags.ACQUISITION_TIME: "acquisition time",
    tags.TRIGGER_TIME: "trigger time",
}
# What rises or falls along one scan.
RUNS = {
    tags.INSTANCE_NUMBER: "instance number",
    tags.ACQUISITION_TIME: "acquisition time",
    tags.CONTENT_TIME: "content time",
}


@dataclass
class Group:
    """Frames that may form one volume. part: what tells it from its sisters of the same series, in words."""

    frames: list[Frame]
    part: str = ""
    sisters: int = field(default=1)


def group(frames: list[Frame]) -> list[Group]:
    """All groups, in the order in which their first frame came."""
    by_text: dict[tuple, list[Frame]] = defaultdict(list)
    for frame in frames:
        by_text[_series_key(frame.header), frame.labels and frame.labels[tags.KERNEL]].append(frame)
    groups = [
        part
        for same in by_text.values()
        for alike in _by_geometry(same)
        for one in _apart(alike)
        for part in _times_of(one)
    ]
    series: dict[str, list[Group]] = defaultdict(list)
    for member in groups:
        series[tags.text(member.frames[0].header.raw.get(tags.SERIES_UID))].append(member)
    for members in series.values():
        for number, member in enumerate(members):
            member.sisters = len(members)
            member.part = member.part or (f"part {number + 1} of {len(members)}" if len(members) > 1 else "")
    return groups


@once(*SAME_TEXTS, *SAME_SIZES, tags.SOP_CLASS, tags.MEDIA_CLASS, tags.SERIES_NUMBER)
def _series_key(header: Header) -> tuple:
    """What is equal within a series; where its UID was taken away, its number tells it from others."""
    raw = header.raw.get
    number = None if tags.text(raw(tags.SERIES_UID)) else tags.number(raw(tags.SERIES_NUMBER))
    texts, sizes = (tags.text(raw(tag)) for tag in SAME_TEXTS), (tags.unsigned(raw(tag)) for tag in SAME_SIZES)
    return (*texts, *sizes, tags.text(raw(tags.SOP_CLASS)) or tags.text(raw(tags.MEDIA_CLASS)), number)


def _by_geometry(frames: list[Frame]) -> list[list[Frame]]:
    """Frames of equal orientation and pixel spacing, within the rounding of the tags."""
    found: list[tuple[Geometry, list[Frame]]] = []
    known: dict[int, list[Frame]] = {}  # most frames share one Geometry object
    for frame in frames:
        home = known.get(id(frame.geometry))
        if home is None:
            home = next((members for geometry, members in found if _alike(geometry, frame.geometry)), None)
            if home is None:
                home = []
                found.append((frame.geometry, home))
            known[id(frame.geometry)] = home
        home.append(frame)
    return [members for _, members in found]


def _alike(a: Geometry, b: Geometry) -> bool:
    if (a.orientation is None) != (b.orientation is None) or (a.spacing is None) != (b.spacing is None):
        return False
    turned = a.orientation is not None and max(abs(x - y) for x, y in zip(a.orientation, b.orientation)) > 1e-3
    scaled = a.spacing is not None and max(abs(x / y - 1) for x, y in zip(a.spacing, b.spacing)) > 1e-3
    return not turned and not scaled


def _apart(frames: list[Frame]) -> list[Group]:
    """Frames of different patients, studies or frames of reference: their positions cannot be compared.

    Some de-identifiers give every slice its own (LIDC-IDRI its own frame of reference): where all positions differ in
    it, it tells nothing. Nor does a value that some slices lack.
    """
    if not has_geometry(frames):
        return [Group(members) for members in _by_file(frames)]
    if len({_whereabouts(frame.header) for frame in frames}) == 1 and not frames[0].labels:
        return [Group(frames)]
    found = [Group(frames)]
    for tag, word in APART.items():
        found = [part for member in found for part in _apart_by(tag, word, member)]
    return found


def _apart_by(tag: int, word: str, member: Group) -> list[Group]:
    parts: dict[str, list[Frame]] = defaultdict(list)
    for frame in member.frames:
        label = frame.label(tag)
        parts[label.lstrip("0") or label if tag == tags.SERIES_NUMBER else label].append(frame)
    alone = all(len({frame.position for frame in members}) == 1 for members in parts.values())
    if alone or len(parts.keys() - {""}) < 2:
        return [member]
    words = (f"{member.part} {word} {number} of {len(parts)}".strip() for number in range(1, len(parts) + 1))
    return [Group(members, part) for members, part in zip(parts.values(), words)]


@once(*APART)
def _whereabouts(header: Header) -> tuple[str, ...]:
    return tuple(tags.text(header.raw.get(tag)) for tag in APART)


def _times_of(member: Group) -> list[Group]:
    return [Group(part.frames, f"{member.part} {part.part}".strip()) for part in split_times(member.frames)]


def _by_file(frames: list[Frame]) -> list[list[Frame]]:
    """Frames without a place: those of one multi-frame file have at least an order, so each such file is a stack."""
    parts: dict[int, list[Frame]] = defaultdict(list)
    for frame in frames:
        parts[0 if frame.header.dataset is None else id(frame.header)].append(frame)
    return list(parts.values())


def split_times(frames: list[Frame]) -> list[Group]:
    """One group per time, echo or phase where several volumes share their positions; else one group."""
    if len(frames) < 2 or not has_geometry(frames):
        return [Group(frames)]
    stacks = {frame.label(tags.STACK) if frame.labels else "" for frame in frames}
    if len(stacks) > 1:  # frames of different stacks never belong together (PS3.3 C.7.6.16.2.2), wherever they lie
        parts = [
            [frame for frame in frames if frame.label(tags.STACK) == name] for name in sorted(stacks, key=_sort_key)
        ]
        return [
            Group(part.frames, f"stack {i + 1} of {len(parts)} {part.part}".strip())
            for i, members in enumerate(parts)
            for part in split_times(members)
        ]
    places = _place_numbers(frames)
    if places.max() == len(frames) - 1:  # no two in one plane
        return [Group(frames)]
    dimensions = {tag: f"dimension {-tag}" for tag in frames[0].labels or () if tag < 0}
    for tag, word in (STRONG | WEAK | dimensions).items():
        parts: dict[str, list[int]] = defaultdict(list)
        for number, frame in enumerate(frames):
            parts[frame.label(tag)].append(number)
        if len(parts) > 1 and _fits(parts, places, complete=tag not in STRONG):
            ordered = sorted(parts, key=_sort_key)
            return [
                Group([frames[i] for i in parts[value]], f"{word} {i + 1} of {len(parts)}")
                for i, value in enumerate(ordered)
            ]
    return [Group(frames)]


def contrast_findings(frames: list[Frame]) -> list[Finding]:
    """Slices of several times, echoes or scanners that share no position: one volume, but not one kind of slices."""
    findings = []
    looks = {
        _looks(frame.header) if not frame.labels else (_labelled(frame), (frame.thickness, *_common(frame.header)[1:]))
        for frame in frames
    }
    for kind, names, values in zip(("contrast_varies", "header_varies"), (CONTRAST, COMMON), zip(*looks)):
        if len(set(values)) > 1:
            different = [word for word, *column in zip(names.values(), *values) if len(set(column)) > 1]
            text = f"The slices differ in {' and '.join(different)}; they were taken as one volume"
            findings.append(Finding(kind, f"{text} as no two share a position."))
    if tags.text(frames[0].header.raw.get(tags.MODALITY)) == "CT":
        findings += [Finding("interleaved", text) for text in _in_turns(frames)]
    return findings


def _in_turns(frames: list[Frame]) -> list[str]:
    """Whether slices of several acquisitions take turns along a stack: what is one scan comes in one piece."""
    found = []
    for tag, word in TURNS.items():
        if not frames[0].labels and len({frame.header.raw.get(tag) for frame in frames}) == 1:
            continue  # as in nearly every series
        values = [frame.label(tag) for frame in frames]
        counts = Counter(values)
        if len(counts) > 1 and min(counts.values()) > 1 and sum(a != b for a, b in pairwise(values)) >= len(counts):
            found.append(f"Slices of {len(counts)} {word}s lie between one another: two scans in one series, perhaps.")
    for tag, word in RUNS.items():
        values = _floats(frames, tag)
        if len(values) > 7 and _two_runs(values):
            found.append(f"By {word}, every second slice belongs to another run: two scans in one series, perhaps.")
            break
    return found


def missing_by_number(frames: list[Frame]) -> list[Finding]:
    """What numbers tell of slices that are not here, where positions cannot: those of an end, or every second one.

    Numbers that would want far more slices than there are count something else.
    """
    found, most = [], 20 * len(frames)
    numbers = _floats(frames, tags.INSTANCE_NUMBER)
    if len(set(numbers)) == len(numbers) > 1:
        skipped = max(numbers) - min(numbers) + 1 - len(numbers)
        if 1 <= skipped <= most:
            found.append(f"InstanceNumber skips {skipped:.0f} between the lowest and the highest")
    said = tags.number(frames[0].header.raw.get(tags.IMAGES_IN_ACQUISITION)) or 0
    if len(frames) < said <= most and len({frame.label(tags.ACQUISITION_NUMBER) for frame in frames}) == 1:
        found.append(f"ImagesInAcquisition says {said:.0f}, {len(frames)} are here")
    return [Finding("incomplete", f"{text}: slices may be missing where positions cannot tell.") for text in found]


def _floats(frames: list[Frame], tag: int) -> list[float]:
    """A number of every slice; none where one of them lacks it."""
    try:
        return [float(frame.header.raw[tag]) for frame in frames]
    except (KeyError, ValueError):
        return []


def _two_runs(values: list[float]) -> bool:
    """Whether even and odd places are a rising or falling run each, and all together are none."""
    steps, halves = np.diff(values), [np.diff(values[start::2]) for start in (0, 1)]
    one_way = [bool((run > 0).all() or (run < 0).all()) for run in (steps, *halves)]
    return one_way == [False, True, True] and set(values[::2]).isdisjoint(values[1::2])


@once(*COMMON)
def _common(header: Header) -> tuple[str | float | None, ...]:
    raw = header.raw.get
    return (tags.number(raw(tags.SLICE_THICKNESS)), *(tags.text(raw(tag)) for tag in list(COMMON)[1:]))


def _labelled(frame: Frame) -> tuple[str, ...]:
    return tuple(frame.label(tag) for tag in CONTRAST)


@once(*CONTRAST, *COMMON)
def _looks(header: Header) -> tuple[tuple, tuple]:
    return tuple(tags.text(header.raw.get(tag)) for tag in CONTRAST), _common(header)


def _place_numbers(frames: list[Frame]) -> np.ndarray:
    """For every frame the number of its position along the normal; equal numbers: same plane."""
    along = distances(frames)
    order = np.argsort(along, kind="stable")
    numbers = np.empty(len(frames), int)
    numbers[order] = np.concatenate([[0], np.cumsum(np.diff(along[order]) > SAME_PLACE)])
    return numbers


def _fits(parts: dict[str, list[int]], places: np.ndarray, complete: bool) -> bool:
    """Is this a split into volumes: no position twice in a part, and (for the weak ones) all positions in each?

    A copy of a file is no second volume: two parts are never told apart by files of the same SOPInstanceUID, because
    equal objects have equal elements.
    """
    everywhere = places.max() + 1
    for members in parts.values():
        here = len(set(places[members].tolist()))
        if here < len(members) or (complete and here < everywhere):
            return False
    return True


def _sort_key(value: str) -> tuple:
    """Numbers by size, other texts behind them by letter."""
    try:
        return (0, float(value), value)
    except ValueError:
        return (1, 0.0, value)
