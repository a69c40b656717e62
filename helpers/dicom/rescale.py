"""Stored values -> Hounsfield units, and what the headers say about that: is there a scale, is it one for all?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from helpers.dicom import tags
from helpers.dicom.codestream import irreversible
from helpers.dicom.frames import Frame
from helpers.dicom.header import Header, once
from helpers.dicom.sources import Unreadable
from helpers.findings import DicomSeriesError, Finding, plural, some
from helpers.hounsfield import INT16


def _names(frames: list[Frame], all_frames: list[Frame]) -> tuple[str, ...]:
    return () if len(frames) == len(all_frames) else tuple(frame.name for frame in frames)


class Facts(NamedTuple):
    """What one header says about the meaning of its numbers."""

    rescale_type: str
    table: bool
    inverted: bool
    lossy: bool


def _frame_facts(frame: Frame) -> Facts:
    facts = _facts(frame.header)
    own = frame.labels.get(tags.RESCALE_TYPE, "").upper() if frame.labels else ""
    return facts._replace(rescale_type=own) if own else facts


@once(tags.RESCALE_TYPE, tags.MODALITY_LUT, tags.PHOTOMETRIC, tags.LOSSY)
def _facts(header: Header) -> Facts:
    raw = header.raw.get
    return Facts(
        tags.text(raw(tags.RESCALE_TYPE)).upper(),
        tags.MODALITY_LUT in header.raw,
        tags.text(raw(tags.PHOTOMETRIC)) == "MONOCHROME1",
        tags.text(raw(tags.LOSSY)) == "01" or header.syntax in LOSSY_SYNTAXES or _rounds(header),
    )


def _rounds(header: Header) -> bool:
    """JPEG 2000 that may be lossy is asked itself: not every writer sets LossyImageCompression."""
    return header.syntax in EITHER_SYNTAXES and irreversible(header.pixel_bytes(0, 1 << 16))


def header_findings(frames: list[Frame]) -> list[Finding]:
    """Findings about rescale, photometric interpretation and lossy compression; one of each kind at most."""
    modality = tags.text(frames[0].header.raw.get(tags.MODALITY))
    facts = [_frame_facts(frame) for frame in frames]
    different = set(facts)  # of a clean series one: then the frames need not be gone through again
    scales = {(frame.slope, frame.intercept) for frame in frames}
    findings: list[Finding] = []
    missing = [frame for frame in frames if _absent(frame)] if any(None in scale for scale in scales) else []
    if missing:
        which = {part for frame in missing for part in _absent(frame)}
        text = f"{' and '.join(sorted(which))} missing in {plural(len(missing), 'slice')}: these values are not HU."
        if len(which) == 1:
            text = f"{which.pop()} is missing in {plural(len(missing), 'slice')}; whether the values are HU is open."
        findings.append(Finding("no_rescale", text, _names(missing, frames)))
    kinds = {fact.rescale_type for fact in different} - {"", "HU"}
    if modality != "CT":
        findings.append(Finding("not_hu", f"Modality {modality or 'unknown'}: the values are not Hounsfield units."))
    elif kinds:
        names = ", ".join(sorted({kind if kind in RESCALE_TYPES else "of another unit" for kind in kinds}))
        findings.append(Finding("not_hu", f"RescaleType {names}: the values are not Hounsfield units."))
    for kind, attribute, text in SENTENCES:
        if any(getattr(fact, attribute) for fact in different):
            those = [frame for frame, fact in zip(frames, facts) if getattr(fact, attribute)]
            findings.append(Finding(kind, f"{plural(len(those), 'slice')} {text}", _names(those, frames)))
    long = [frame for frame in frames if frame.header.excess > 0]
    if long:
        text = f"{plural(len(long), 'slice')} with more bytes of pixel data than needed; the rest is zero and left out."
        findings.append(Finding("excess", text, _names(long, frames)))
    if len(scales) > 1 and not missing:
        texts = [f"x {slope:g} {intercept:+g}" for slope, intercept in sorted(scales)]
        text = f"Slope and intercept differ from slice to slice ({some(texts)}); each slice was rescaled by its own."
        findings.append(Finding("rescale_varies", text))
    for kind, tag, word in OWN:
        if len({frame.header.raw.get(tag) for frame in frames}) > 1:
            text = f"Not every slice names the same {word} (some de-identifiers do that); taken as one and the same."
            findings.append(Finding(kind, text))
    return findings


def _absent(frame: Frame) -> list[str]:
    pairs = (("RescaleSlope", frame.slope), ("RescaleIntercept", frame.intercept))
    return [name for name, value in pairs if value is None]


# The defined terms of PS3.3 C.11.1.1.2; anything else may be a text that was typed in, and is not repeated.
RESCALE_TYPES = frozenset(["OD", "HU", "US", "MGML", "Z_EFF", "ED", "EDW", "HU_MOD", "PCT"])
SENTENCES = (
    ("not_hu", "table", "with a modality look-up table in the place of slope and intercept; not applied: not HU."),
    ("monochrome1", "inverted", "MONOCHROME1: 0 is shown white. Values are kept; only a display has to be inverted."),
    ("lossy", "lossy", "went through lossy compression: the values are only near the measured ones."),
)
OWN = (
    ("frame_of_reference", tags.FRAME_OF_REFERENCE, "frame of reference"),
    ("identity", tags.PATIENT_ID, "patient"),
    ("identity", tags.STUDY_UID, "study"),
)
# Transfer syntaxes that always lose something (PS3.5 section 10): JPEG baseline and extended, JPEG-LS near-lossless.
LOSSY_SYNTAXES = frozenset({"1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.81"})

EITHER_SYNTAXES = frozenset({"1.2.840.10008.1.2.4.91", "1.2.840.10008.1.2.4.203"})


class Overflow(Exception):
    """A value does not fit int16: everything has to be read as float32."""


def scale_of(frame: Frame) -> tuple[float, float]:
    """(slope, intercept) of a frame, 1 and 0 where they are missing (which is a finding)."""
    return 1.0 if frame.slope is None else frame.slope, 0.0 if frame.intercept is None else frame.intercept


def rescale_in_place(target: np.ndarray, values: np.ndarray, slope: float, intercept: float) -> None:
    """HU over the stored values of the same 16-bit memory. Raises Overflow when int16 cannot hold a value.

    values: `target` seen with the file's own sign. Only the end that the intercept can push out is looked for.
    """
    if slope == 1 and INT16.min <= intercept <= INT16.max:
        shift = int(intercept)
        if (shift < 0 and values.dtype.kind == "i" and int(values.min()) + shift < INT16.min) or (
            (shift > 0 or values.dtype.kind == "u") and int(values.max()) + max(shift, 0) > INT16.max
        ):
            return _rescale_wide(target, values, 1, shift)
        if shift:
            target += np.int16(shift)
        return None
    return _rescale_wide(target, values, int(slope), int(intercept))


def _rescale_wide(target: np.ndarray, values: np.ndarray, slope: int, intercept: int) -> None:
    ends = [int(end) * slope + intercept for end in (values.min(), values.max())]
    if min(ends) < INT16.min or max(ends) > INT16.max:
        raise Overflow
    target[...] = values.astype(np.int64) * slope + intercept


def unreadable(frame: Frame, error: Unreadable) -> DicomSeriesError:
    """The error of one file as an error of the series."""
    return DicomSeriesError(f"{frame.name}: {error}.", [Finding("broken", f"{frame.name}: {error}.", (frame.name,))])


def rescale_into(target: np.ndarray, stored: np.ndarray, slope: float, intercept: float) -> None:
    """HU of one slice into `target`, rounded once at most. Raises Overflow when int16 cannot hold a value."""
    if target.dtype == np.int16 and stored.dtype.itemsize == 2 and stored.dtype.isnative:
        words = target.view(stored.dtype)
        np.copyto(words, stored)
        rescale_in_place(target, words, slope, intercept)
    elif target.dtype == np.int16:
        _rescale_wide(target, stored, int(slope), int(intercept))
    elif slope == 1 and stored.dtype.itemsize < 4 and float(intercept).is_integer() and abs(intercept) < 1 << 23:
        target[...] = stored
        target += target.dtype.type(intercept)
    else:
        target[...] = stored.astype(np.float64) * slope + intercept
