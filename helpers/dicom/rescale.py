"""Stored values -> Hounsfield units, and what the headers say about that: is there a scale, is it the same everywhere?"""

from __future__ import annotations

import numpy as np

from helpers.dicom import tags
from helpers.dicom.frames import Frame
from helpers.dicom.sources import Unreadable
from helpers.findings import DicomSeriesError, Finding, plural, some
from helpers.hounsfield import INT16


def _names(frames: list[Frame], all_frames: list[Frame]) -> tuple[str, ...]:
    return () if len(frames) == len(all_frames) else tuple(frame.name for frame in frames)


def header_findings(frames: list[Frame]) -> list[Finding]:
    """Findings about rescale, photometric interpretation and lossy compression; one of each kind at most."""
    first = frames[0].header.raw
    modality = tags.text(first.get(tags.MODALITY))
    kinds = {tags.text(frame.header.raw.get(tags.RESCALE_TYPE)).upper() for frame in frames} - {"", "HU"}
    findings: list[Finding] = []
    missing = [frame for frame in frames if frame.slope is None or frame.intercept is None]
    if missing:
        text = (
            f"RescaleSlope or RescaleIntercept is missing in {plural(len(missing), 'slice')}: these values are not HU."
        )
        findings.append(Finding("no_rescale", text, _names(missing, frames)))
    if modality != "CT":
        findings.append(Finding("not_hu", f"Modality {modality or 'unknown'}: the values are not Hounsfield units."))
    elif kinds:
        findings.append(
            Finding("not_hu", f"RescaleType {', '.join(sorted(kinds))}: the values are not Hounsfield units.")
        )
    tables = [frame for frame in frames if tags.MODALITY_LUT in frame.header.raw]
    if tables:
        text = "A modality look-up table stands in the place of slope and intercept; it was not applied: not HU."
        findings.append(Finding("not_hu", text, _names(tables, frames)))
    inverted = [frame for frame in frames if tags.text(frame.header.raw.get(tags.PHOTOMETRIC)) == "MONOCHROME1"]
    if inverted:
        text = "MONOCHROME1: 0 is shown white. The values are kept as they are; only a display has to be inverted."
        findings.append(Finding("monochrome1", text, _names(inverted, frames)))
    lossy = [frame for frame in frames if tags.text(frame.header.raw.get(tags.LOSSY)) == "01" or is_lossy(frame)]
    if lossy:
        text = (
            f"{plural(len(lossy), 'slice')} went through lossy compression: the values are near the measured ones only."
        )
        findings.append(Finding("lossy", text, _names(lossy, frames)))
    scales = {(frame.slope, frame.intercept) for frame in frames}
    if len(scales) > 1 and not missing:
        texts = [f"x {slope:g} {intercept:+g}" for slope, intercept in sorted(scales)]
        text = f"Slope and intercept differ from slice to slice ({some(texts)}); each slice was rescaled by its own."
        findings.append(Finding("rescale_varies", text))
    places = {tags.text(frame.header.raw.get(tags.FRAME_OF_REFERENCE)) for frame in frames}
    if len(places) > 1:
        text = "Every slice names its own frame of reference (some de-identifiers do that); taken as one and the same."
        findings.append(Finding("frame_of_reference", text))
    return findings


# Transfer syntaxes that always lose something (PS3.5 section 10): JPEG baseline and extended, JPEG-LS near-lossless.
LOSSY_SYNTAXES = frozenset({"1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.81"})


def is_lossy(frame: Frame) -> bool:
    """True when the transfer syntax itself is a lossy one."""
    return frame.header.syntax in LOSSY_SYNTAXES


class Overflow(Exception):
    """A value does not fit int16: everything has to be read as float32."""


def scale_of(frame: Frame) -> tuple[float, float]:
    """(slope, intercept) of a frame, 1 and 0 where they are missing (which is a finding)."""
    return 1.0 if frame.slope is None else frame.slope, 0.0 if frame.intercept is None else frame.intercept


def rescale_in_place(
    target: np.ndarray, values: np.ndarray, low: int, high: int, slope: float, intercept: float
) -> None:
    """HU over the stored values of the same memory; int16 arithmetic where no intermediate result can leave it."""
    slope, intercept = int(slope), int(intercept)
    ends = low * slope + intercept, high * slope + intercept
    if min(ends) < INT16.min or max(ends) > INT16.max:
        raise Overflow
    if slope == 1 and high <= INT16.max and INT16.min <= intercept <= INT16.max:
        if intercept:
            target += np.int16(intercept)
    else:
        target[...] = values.astype(np.int64) * slope + intercept


def unreadable(frame: Frame, error: Unreadable) -> DicomSeriesError:
    """The error of one file as an error of the series."""
    return DicomSeriesError(f"{frame.name}: {error}.", [Finding("broken", f"{frame.name}: {error}.", (frame.name,))])


def rescale_into(target: np.ndarray, stored: np.ndarray, slope: float, intercept: float) -> None:
    """HU of one slice into `target`, rounded once at most. Raises Overflow when int16 cannot hold a value."""
    if target.dtype == np.int16:
        ends = [int(end) * int(slope) + int(intercept) for end in (stored.min(), stored.max())]
        if min(ends) < INT16.min or max(ends) > INT16.max:
            raise Overflow
        wide = stored.astype(np.int64) if stored.dtype.itemsize > 1 or slope != 1 else stored.astype(np.int32)
        target[...] = wide * int(slope) + int(intercept)
    elif slope == 1 and stored.dtype.itemsize < 4 and float(intercept).is_integer() and abs(intercept) < 1 << 23:
        target[...] = stored
        target += target.dtype.type(intercept)
    else:
        target[...] = stored.astype(np.float64) * slope + intercept
