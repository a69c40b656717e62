"""Stored values -> Hounsfield units, and what the headers say about that: is there a scale, is it one for all?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from helpers.dicom import tags
from helpers.dicom.codestream import irreversible, precision, rounds, signed
from helpers.dicom.frames import MODALITIES, SLICE_CLASSES, Frame, image_format, of_class, type_words
from helpers.dicom.header import Header, once
from helpers.dicom.jpeg_lossless import LOSSLESS
from helpers.dicom.pixels import beginnings
from helpers.dicom.sources import Unreadable
from helpers.findings import DicomSeriesError, Finding, plural, some
from helpers.hounsfield import INT16


def _names(frames: list[Frame], all_frames: list[Frame]) -> tuple[str, ...]:
    return () if len(frames) == len(all_frames) else tuple(frame.name for frame in frames)


def _count(frames: list[Frame], all_frames: list[Frame]) -> str:
    """'12 slices' where it is all of them, else with their names."""
    names = _names(frames, all_frames)
    return plural(len(frames), "slice") + (f" ({some(names)})" if names else "")


class Facts(NamedTuple):
    """What one header says about the meaning of its numbers."""

    rescale_type: str
    table: bool
    inverted: bool
    lossy: bool
    other_syntax: bool
    other_sign: bool
    narrow: bool
    derived: bool
    burned_in: bool


def _all_facts(frames: list[Frame]) -> list[Facts]:
    """For every frame; the pictures of a file are asked once."""
    asked = {
        id(header): _asked(_facts(header), header)
        for header in {id(frame.header): frame.header for frame in frames}.values()
        if header.syntax in ASKED
    }
    return [_frame_facts(frame, asked.get(id(frame.header))) for frame in frames]


def _frame_facts(frame: Frame, facts: Facts | None) -> Facts:
    facts = facts or _facts(frame.header)
    if not frame.labels:
        return facts
    own, kind = (frame.labels.get(tag, "").upper() for tag in (tags.RESCALE_TYPE, tags.IMAGE_TYPE))
    derived = facts.derived or not type_words(kind).isdisjoint(DERIVED_WORDS)
    return facts._replace(rescale_type=own or facts.rescale_type, derived=derived)


@once(
    tags.RESCALE_TYPE, tags.MODALITY_LUT, tags.PHOTOMETRIC, tags.LOSSY, tags.LOSSY_RATIO, tags.LOSSY_METHOD,
    tags.TRANSFER_SYNTAX, tags.IMAGE_TYPE, tags.BURNED_IN,
)  # fmt: skip
def _facts(header: Header) -> Facts:
    raw = header.raw.get
    return Facts(
        tags.text(raw(tags.RESCALE_TYPE)).upper(),
        tags.MODALITY_LUT in header.raw,
        tags.text(raw(tags.PHOTOMETRIC)).upper() == "MONOCHROME1",
        _said_lossy(header) or header.syntax in LOSSY_SYNTAXES,
        tags.text(raw(tags.TRANSFER_SYNTAX)) not in ("", header.syntax),
        False,
        False,
        not type_words(raw(tags.IMAGE_TYPE)).isdisjoint(DERIVED_WORDS),
        tags.text(raw(tags.BURNED_IN)).upper() == "YES",
    )


def _said_lossy(header: Header) -> bool:
    """LossyImageCompression (PS3.3 C.7.6.1.1.5), or what only a picture has that lost something: a ratio, a method."""
    flag = tags.text(header.raw.get(tags.LOSSY))
    ratio, method = (tags.text(header.raw.get(tag)) for tag in (tags.LOSSY_RATIO, tags.LOSSY_METHOD))
    return flag not in ("", "00") or (not flag and bool(ratio or method))


def _asked(facts: Facts, header: Header) -> Facts:
    """Pictures know whether they were rounded, their bits and (JPEG 2000) their sign; headers may say otherwise."""
    heads = beginnings(header)
    _, _, _, stored, sign = image_format(header)
    lossy = facts.lossy or any(irreversible(head) or rounds(head) for head in heads)
    # JPEG-LS and JPEG 2000 are given their sign by pydicom, from the bits of the picture.
    narrow = sign and header.syntax in LOSSLESS and any((precision(head) or stored) < stored for head in heads)
    return facts._replace(lossy=lossy, narrow=narrow, other_sign=bool(set(map(signed, heads)) - {None, sign}))


@once(tags.FRAME_OF_REFERENCE, tags.PATIENT_ID, tags.STUDY_UID)
def _own(header: Header) -> tuple[str, ...]:
    """What OWN has words for."""
    return tuple(tags.text(header.raw.get(tag)) for tag in (tags.FRAME_OF_REFERENCE, tags.PATIENT_ID, tags.STUDY_UID))


def header_findings(frames: list[Frame]) -> list[Finding]:
    """Findings about rescale, photometric interpretation and lossy compression; one of each kind at most."""
    modality = tags.text(frames[0].header.raw.get(tags.MODALITY))
    facts = _all_facts(frames)
    different = set(facts)  # of a clean series one: then the frames need not be gone through again
    scales = {(frame.slope, frame.intercept) for frame in frames}
    findings: list[Finding] = []
    missing = [frame for frame in frames if _absent(frame)] if any(None in scale for scale in scales) else []
    if missing:
        which = {part for frame in missing for part in _absent(frame)}
        text = f"{' and '.join(sorted(which))} missing in {_count(missing, frames)}: these values are not HU."
        if len(which) == 1:
            text = f"{which.pop()} is missing in {_count(missing, frames)}; whether the values are HU is open."
        findings.append(Finding("no_rescale", text, _names(missing, frames)))
    kinds = {fact.rescale_type for fact in different} - {"", "HU"}
    if modality != "CT":
        shown = modality if modality in MODALITIES else "unknown"
        findings.append(Finding("not_hu", f"Modality {shown}: the values are not Hounsfield units."))
    elif kinds:
        names = ", ".join(sorted({kind if kind in RESCALE_TYPES else "of another unit" for kind in kinds}))
        findings.append(Finding("not_hu", f"RescaleType {names}: the values are not Hounsfield units."))
    for kind, attribute, text in SENTENCES:
        if any(getattr(fact, attribute) for fact in different):
            those = [frame for frame, fact in zip(frames, facts) if getattr(fact, attribute)]
            findings.append(Finding(kind, f"{_count(those, frames)} {text}", _names(those, frames)))
    long = [frame for frame in frames if frame.header.excess > 0]
    if long:
        text = f"{plural(len(long), 'slice')} with more bytes of pixel data than needed; the rest is zero and left out."
        findings.append(Finding("excess", text, _names(long, frames)))
    behind = [frame for frame in frames if frame.header.behind]
    if behind:
        text = (
            f"{_count(behind, frames)} with bytes behind the pixels that are no data elements: left out. If they were "
            "put in before the pixels or among them, these are shifted."
        )
        findings.append(Finding("behind", text, _names(behind, frames)))
    findings += _contested(frames, modality)
    if len(scales) > 1 and not missing:
        texts = [f"x {slope:g} {intercept:+g}" for slope, intercept in sorted(scales)]
        text = f"Slope and intercept differ from slice to slice ({some(texts)}); each slice was rescaled by its own."
        findings.append(Finding("rescale_varies", text))
    findings += _same_instances(frames)
    for (kind, word), values in zip(OWN, zip(*{_own(frame.header) for frame in frames})):
        if len(set(values)) > 1:
            text = f"Not every slice names the same {word} (some de-identifiers do that); taken as one and the same."
            findings.append(Finding(kind, text))
    return findings


def _contested(frames: list[Frame], modality: str) -> list[Finding]:
    """What a file says twice and not the same."""
    texts = []
    names = dict.fromkeys(name for frame in frames for name in frame.header.contested)
    if names:
        text = "given several times, with different values: the frame's own, or the first, one counts."
        texts.append(f"{' and '.join(names)} {text}")
    kind = tags.text(frames[0].header.raw.get(tags.SOP_CLASS))  # one group, one class
    if modality == "CT" and of_class(kind, OTHER_THAN_CT):
        texts.append("Modality says CT, SOPClassUID says another kind of image: taken as CT.")
    return [Finding("contested", text) for text in texts]


def _same_instances(frames: list[Frame]) -> list[Finding]:
    """Slices at different places with one SOPInstanceUID, which is to be unique (PS3.3 C.12.1.1)."""
    places: dict[bytes, list[Frame]] = {}
    for frame in frames:
        uid = frame.header.raw.get(tags.SOP_INSTANCE)
        if uid and frame.header.dataset is None:
            places.setdefault(uid, []).append(frame)
    shared = [same for same in places.values() if len(same) > 1 and len({frame.position for frame in same}) > 1]
    if not shared:
        return []
    names = tuple(frame.name for same in shared for frame in same)
    text = f"{plural(len(names), 'slice')} share a SOPInstanceUID with another one ({some(names)}); all were kept."
    return [Finding("instance", text, names)]


def _absent(frame: Frame) -> list[str]:
    pairs = (("RescaleSlope", frame.slope), ("RescaleIntercept", frame.intercept))
    return [name for name, value in pairs if value is None]


# The defined terms of PS3.3 C.11.1.1.2; anything else may be a text that was typed in, and is not repeated.
RESCALE_TYPES = frozenset(["OD", "HU", "US", "MGML", "Z_EFF", "ED", "EDW", "HU_MOD", "PCT"])
SENTENCES = (
    ("not_hu", "table", "with a modality look-up table in the place of slope and intercept; not applied: not HU."),
    (
        "monochrome1",
        "inverted",
        "of MONOCHROME1: 0 is shown white. Values are kept; only a display has to be inverted.",
    ),
    (
        "sign",
        "other_sign",
        "where PixelRepresentation and the JPEG 2000 picture disagree about the sign; the former was taken.",
    ),
    (
        "sign",
        "narrow",
        "where the compressed picture has fewer bits than BitsStored, and PixelRepresentation says signed: what was "
        "below 0 comes out above it.",
    ),
    (
        "syntax",
        "other_syntax",
        "where the data set is written implicitly and the file meta information says explicitly, or the other way "
        "round; it was read as it is written.",
    ),
    (
        "derived",
        "derived",
        "whose ImageType says that they were computed from others (a projection, a difference, a rendering, a map of "
        "one material): such values need not be HU.",
    ),
    (
        "burned_in",
        "burned_in",
        "with texts burned into the pixels, says BurnedInAnnotation; they may name the patient.",
    ),
    ("lossy", "lossy", "went through lossy compression: the values are only near the measured ones."),
)
# Of ImageType, by the standard (PS3.3 C.8.15.3, C.8.16.1) and by makers of scanners: values that no tissue has.
_DERIVED = (
    "MIP MINIP MAX_IP MIN_IP MAXIMUM MINIMUM VOLUME_RENDER VOLUME_RENDERED VOLREN VRT SURFACE_RENDER SSD SUBTRACTION "
    "DIVISION MULTIPLICATION STD_DEVIATION QUANTITY IODINE IODINE_MAP EFF_Z"
)
DERIVED_WORDS = frozenset(_DERIVED.split()) | {"PROJECTION IMAGE", "VOLUME RENDERING"}
OTHER_THAN_CT = SLICE_CLASSES[1:]
OWN = (("frame_of_reference", "frame of reference"), ("identity", "patient"), ("identity", "study"))
# Transfer syntaxes that always lose something (PS3.5 section 10): JPEG baseline and extended, JPEG-LS near-lossless.
LOSSY_SYNTAXES = frozenset({"1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.81"})

# Lossless JPEG, JPEG 2000, HTJ2K and JPEG-LS, whatever the syntax promises.
ASKED = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in (57, 70, 80, 81, 90, 91, 201, 202, 203))


LOWEST, HIGHEST = INT16.min, INT16.max


class Overflow(Exception):
    """A value does not fit int16: everything has to be read as float32."""


def scale_of(frame: Frame) -> tuple[float, float]:
    """(slope, intercept) of a frame, 1 and 0 where they are missing (which is a finding)."""
    return 1.0 if frame.slope is None else frame.slope, 0.0 if frame.intercept is None else frame.intercept


def rescale_words(
    target: np.ndarray, values: np.ndarray, slope: float, intercept: float, ends: tuple[int, int] | None = None
) -> None:
    """HU of 16-bit stored values as int16. Raises Overflow when int16 cannot hold one, before anything is written.

    values: of the file's own sign; they may be the very memory of `target`. ends: what no value lies beyond, where that
    is known; only an end that the intercept may push out of int16 is looked for.
    """
    if slope != 1 or not LOWEST <= intercept <= HIGHEST:
        return _rescale_wide(target, values, int(slope), int(intercept))
    shift = int(intercept)
    low, high = ends or ((0, 0xFFFF) if values.dtype.kind == "u" else (LOWEST, HIGHEST))
    if (low + shift < LOWEST and int(values.min()) < LOWEST - shift) or (
        high + shift > HIGHEST and int(values.max()) > HIGHEST - shift
    ):
        raise Overflow
    if shift or not np.may_share_memory(target, values):
        # Sums beyond the signed half of 16 bits come back into it: the result fits.
        np.add(values.view(np.int16), np.int16(shift), out=target)
    return None


def _rescale_wide(target: np.ndarray, values: np.ndarray, slope: int, intercept: int) -> None:
    ends = [int(end) * slope + intercept for end in (values.min(), values.max())]
    if min(ends) < LOWEST or max(ends) > HIGHEST:
        raise Overflow
    # In pieces, by numpy: only the last result has to fit, what lies between may run over 16 bits and back.
    np.multiply(values, slope, out=target, dtype=np.int64, casting="unsafe")
    np.add(target, intercept, out=target, dtype=np.int64, casting="unsafe")


def unreadable(frame: Frame, error: Unreadable) -> DicomSeriesError:
    """The error of one file as an error of the series."""
    return DicomSeriesError(f"{frame.name}: {error}.", [Finding("broken", f"{frame.name}: {error}.", (frame.name,))])


def rescale_into(target: np.ndarray, stored: np.ndarray, slope: float, intercept: float) -> None:
    """HU of one slice into `target`, rounded once at most. Raises Overflow when int16 cannot hold a value."""
    if target.dtype == np.int16 and stored.dtype.itemsize == 2 and stored.dtype.isnative:
        rescale_words(target, stored, slope, intercept)
    elif target.dtype == np.int16:
        _rescale_wide(target, stored, int(slope), int(intercept))
    elif slope == 1 and stored.dtype.itemsize < 4 and float(intercept).is_integer() and abs(intercept) < 1 << 23:
        target[...] = stored
        target += target.dtype.type(intercept)
    else:
        target[...] = stored.astype(np.float64) * slope + intercept
