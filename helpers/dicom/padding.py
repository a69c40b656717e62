"""Which values mean "outside the scan circle": what the tag says, what the corners show, and where they disagree."""

from __future__ import annotations

import numpy as np

from helpers.dicom import tags
from helpers.dicom.frames import Frame, image_format
from helpers.dicom.header import Header, once
from helpers.dicom.rescale import scale_of
from helpers.findings import Finding
from helpers.hounsfield import Padding, radius

LOWEST_AIR = -1024  # HU; scanners clip air here, so a constant of this value may be air or filler
CORNER = 4  # pixels: a filler is constant over a square of this size in a corner


def find_padding(hu: np.ndarray, frames: list[Frame]) -> tuple[Padding | None, list[Finding]]:
    """The rule for the field outside, and a finding that says where it comes from; (None, []) when all was measured.

    hu: the volume in the order of `frames`. Only the corners, and where needed a few whole slices, are looked at.
    """
    if tags.text(frames[0].header.raw.get(tags.MODALITY)) != "CT":
        return None, []
    tagged = [_tagged_range(frame.header) for frame in frames]
    constants = _corner_constants(hu)
    scaled = {key: _scaled(*key, hu.dtype) for key in {(pair, scale_of(frame)) for pair, frame in zip(tagged, frames)}}
    from_tag = [scaled[pair, scale_of(frame)] for pair, frame in zip(tagged, frames)]
    explained = [
        value is not None and pair is not None and pair[0] <= value <= pair[1]
        for value, pair in zip(constants, from_tag)
    ]
    fillers = [None if known else value for value, known in zip(constants, explained)]
    beyond = None
    values = {value for value in fillers if value is not None}
    if values and max(values) > LOWEST_AIR:
        fillers = [value if value is not None and value <= LOWEST_AIR else None for value in fillers]
    if LOWEST_AIR in values:
        beyond = _circle(hu, fillers)
        if beyond is None:
            fillers = [None if value == LOWEST_AIR else value for value in fillers]
    # A tag that no corner shows is believed only where it means something below all tissue.
    believed = [
        pair if pair is not None and (known or pair[1] <= -950) else None for pair, known in zip(from_tag, explained)
    ]
    found = {(pair, value): _both(pair, value) for pair, value in zip(believed, fillers)}
    ranges = tuple(map(found.__getitem__, zip(believed, fillers)))
    findings = _say(frames, tagged, from_tag, believed, explained, fillers)
    if not any(ranges):
        return None, findings
    if any(pair is not None for pair in believed):
        beyond = beyond if any(explained) is False and beyond is not None else None
    return Padding(ranges, beyond), findings


@once(tags.PADDING, tags.PADDING_LIMIT, tags.SIGNED)
def _tagged_range(header: Header) -> tuple[int, int] | None:
    """PixelPaddingValue up to its range limit, as stored values; the bits are read by the sign of the pixels.

    A value written as US for signed pixels (63536 for -2000) is the same two bytes, so it comes out right.
    """
    value = tags.unsigned(header.raw.get(tags.PADDING))
    if value is None:
        return None
    limit = tags.unsigned(header.raw.get(tags.PADDING_LIMIT))
    ends = [value, value if limit is None else limit]
    if image_format(header)[4]:
        ends = [end - 65536 if end > 32767 else end for end in ends]
    return min(ends), max(ends)


Range = tuple[float, float]


def _both(tagged: Range | None, filler: float | None) -> tuple[Range, ...]:
    """The ranges of one slice that lie outside: what its tag says, and what its corners show."""
    return tuple(part for part in (tagged, None if filler is None else (filler, filler)) if part is not None)


def _scaled(pair: tuple[int, int] | None, scale: tuple[float, float], dtype: np.dtype) -> Range | None:
    """The same range in HU, rounded the way the volume is."""
    if pair is None:
        return None
    ends = [
        float(dtype.type(end * scale[0] + scale[1])) if dtype.kind == "f" else end * scale[0] + scale[1] for end in pair
    ]
    return min(ends), max(ends)


def _corner_constants(hu: np.ndarray) -> list[float | None]:
    """For every slice the lowest value that fills one of its corners; None where no corner is constant."""
    size = min(CORNER, hu.shape[1], hu.shape[2])
    rows, columns = (np.array([range(size), range(count - size, count)]) for count in hu.shape[1:])
    corners = hu[:, rows[:, None, :, None], columns[None, :, None, :]].reshape(len(hu), 4, -1)
    constant = (corners == corners[:, :, :1]).all(axis=2)
    lowest = np.where(constant, corners[:, :, 0].astype(np.float64), np.inf).min(axis=1)
    return [value if value < np.inf else None for value in lowest.tolist()]


def _circle(hu: np.ndarray, fillers: list[float | None]) -> float | None:
    """The radius beyond which everything is filler, if that is a circle as a scanner cuts it; else None."""
    distance = radius(*hu.shape[1:])
    radii = []
    for k in sorted({0, len(hu) // 2, len(hu) - 1}):
        if fillers[k] is None:
            return None
        other = hu[k] != fillers[k]
        radii.append(float(distance[other].max()) if other.any() else 0.0)
    half = min(hu.shape[1:]) / 2
    return max(radii) if 0.7 * half < max(radii) < 1.1 * half else None


def _say(frames, tagged, from_tag, believed, explained, fillers) -> list[Finding]:
    """One finding that tells which rule was used and whether the tag and the image agree."""
    parts = []
    shown = next((k for k, pair in enumerate(tagged) if pair is not None), None)
    if shown is not None:
        (low, high), (hu_low, hu_high) = tagged[shown], from_tag[shown]
        what = f"{low}" if low == high else f"{low} to {high}"
        parts.append(f"PixelPaddingValue {what} (= {hu_low:g}{'' if low == high else f' to {hu_high:g}'} HU)")
        if frames[shown].header.raw.get(tags.PADDING_VR) == b"US" and low < 0:
            parts[-1] += f", written as {low + 65536} with the wrong sign"
        if not any(explained):
            parts[-1] += ", which no corner shows" + ("" if believed[shown] else " and which was not used")
    values = sorted({value for value in fillers if value is not None})
    if values:
        parts.append(f"constant {', '.join(f'{value:g}' for value in values)} HU in the corners")
    if not parts:
        return []
    return [Finding("padding", f"Outside the scan circle: {'; '.join(parts)}.")]
