"""Stored values -> Hounsfield units, the field outside the scan circle, windows, and what tissues measure.

Nothing here knows of files: arrays in, arrays out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

INT16 = np.iinfo(np.int16)


class Tissue(NamedTuple):
    """A material and the Hounsfield units it usually has (low to high, at 120 kV, without contrast agent)."""

    name: str
    low: float
    high: float


class Preset(NamedTuple):
    """A usual display window: centre and width in HU, and the tissues it is made to tell apart."""

    centre: float
    width: float
    tissues: str


# Usual ranges of the textbooks (Hofer, CT Teaching Manual; Bushberg et al., The Essential Physics of Medical Imaging).
TISSUES = (
    Tissue("air", -1000, -1000),
    Tissue("lung", -950, -700),
    Tissue("fat", -120, -60),
    Tissue("water", 0, 0),
    Tissue("cerebrospinal fluid", 0, 15),
    Tissue("kidney", 20, 45),
    Tissue("white matter", 20, 32),
    Tissue("grey matter", 35, 45),
    Tissue("blood", 35, 60),
    Tissue("muscle", 35, 60),
    Tissue("liver", 45, 70),
    Tissue("clotted blood", 55, 90),
    Tissue("spongy bone", 150, 400),
    Tissue("compact bone", 700, 2000),
)

WINDOWS = {
    "lung": Preset(-600, 1500, "air, lung, vessels"),
    "mediastinum": Preset(50, 350, "fat, muscle, blood"),
    "bone": Preset(400, 1800, "spongy bone, compact bone"),
    "brain": Preset(40, 80, "white matter, grey matter, clotted blood"),
    "liver": Preset(60, 160, "liver, blood, muscle"),
}


def to_hu(stored: np.ndarray, slope: float = 1.0, intercept: float = 0.0) -> np.ndarray:
    """Stored values -> Hounsfield units, value x slope + intercept (PS3.3 C.11.1.1.2); same shape.

    int16 when slope and intercept are whole numbers and every result fits, else float32. Nothing is clipped.
    """
    stored = np.asarray(stored)
    exact = stored.dtype.kind in "iu" and float(slope).is_integer() and float(intercept).is_integer()
    if exact and stored.size and abs(slope) < 2**31 and abs(intercept) < 2**31:
        ends = [int(end) * int(slope) + int(intercept) for end in (stored.min(), stored.max())]
        if INT16.min <= min(ends) and max(ends) <= INT16.max:
            return (stored.astype(np.int64) * int(slope) + int(intercept)).astype(np.int16)
    return (stored.astype(np.float64) * slope + intercept).astype(np.float32)


def window(hu: np.ndarray | float, centre: float, width: float, function: str = "LINEAR") -> np.ndarray:
    """Hounsfield units -> brightness 0..1 (float64, same shape), as PS3.3 C.11.2.1.2 and C.11.2.1.3 define it.

    function: LINEAR (the standard's default: a window of `width` whole values), LINEAR_EXACT or SIGMOID.
    Raises ValueError for another function, and for a width the standard forbids (LINEAR below 1, others not above 0).
    """
    x = np.asarray(hu, np.float64)
    if function == "LINEAR":
        if not width >= 1:
            raise ValueError(f"A LINEAR window needs a width of at least 1, not {width:g} (PS3.3 C.11.2.1.2).")
        if width == 1:
            return (x > centre - 0.5).astype(np.float64)
        return np.clip((x - (centre - 0.5)) / (width - 1) + 0.5, 0.0, 1.0)
    if function not in ("LINEAR_EXACT", "SIGMOID"):
        raise ValueError(f"Window function {function!r} is not known; use LINEAR, LINEAR_EXACT or SIGMOID.")
    if not width > 0:
        raise ValueError(f"A {function} window needs a width above 0, not {width:g} (PS3.3 C.11.2.1.3).")
    if function == "LINEAR_EXACT":
        return np.clip((x - centre) / width + 0.5, 0.0, 1.0)
    # The hyperbolic tangent is the same curve as 1 / (1 + exp(-4 (x - c) / w)) and cannot overflow.
    return 0.5 + 0.5 * np.tanh(2.0 * (x - centre) / width)


def apply_preset(hu: np.ndarray, name: str, function: str = "LINEAR") -> np.ndarray:
    """`window` with the centre and width of one of WINDOWS."""
    if name not in WINDOWS:
        raise ValueError(f"Window {name!r} is not known; choose one of {', '.join(WINDOWS)}.")
    return window(hu, WINDOWS[name].centre, WINDOWS[name].width, function)


def padding_mask(stored: np.ndarray, value: int, limit: int | None = None) -> np.ndarray:
    """True where a stored value is padding: equal to `value`, or between `value` and `limit` (PS3.3 C.7.5.1.1.2)."""
    if limit is None:
        return np.asarray(stored) == value
    low, high = sorted((value, limit))
    return (np.asarray(stored) >= low) & (np.asarray(stored) <= high)


def articles_hu(stored: np.ndarray, slope: float = 1.0, intercept: float = 0.0, filler: int = -2000) -> np.ndarray:
    """The recipe of many tutorials: filler set to 0, then rescaled. The outside becomes `intercept` HU.

    That is air only where the intercept happens to be about -1000: with intercept 0 the outside turns into water.
    """
    return to_hu(np.where(np.asarray(stored) == filler, np.asarray(stored).dtype.type(0), stored), slope, intercept)


@dataclass(frozen=True)
class Padding:
    """How to find the field outside the scan circle in HU.

    ranges: for every slice the (low, high) HU, ends included, that mean "not measured"; a slice may have several.
    beyond: for fillers that real air can reach as well (-1024 HU): only pixels farther than this from the centre of
    the image count, in pixels; None where the value alone decides.
    """

    ranges: tuple[tuple[tuple[float, float], ...], ...]
    beyond: float | None = None

    def mask(self, hu: np.ndarray) -> np.ndarray:
        """True outside the field; shape of `hu` (slices, rows, columns)."""
        found = np.zeros(hu.shape, bool)
        for image, out, ranges in zip(hu, found, self.ranges, strict=True):
            for low, high in ranges:
                out |= (image == low) if low == high else (image >= low) & (image <= high)
        if self.beyond is not None:
            found &= radius(*hu.shape[1:]) > self.beyond
        return found


def radius(rows: int, columns: int) -> np.ndarray:
    """Distance of every pixel from the middle of the image, in pixels; shape (rows, columns)."""
    y, x = np.ogrid[:rows, :columns]
    return np.hypot(y - (rows - 1) / 2, x - (columns - 1) / 2)
