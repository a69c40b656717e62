"""Filler outside the scan circle, and tags that tell of it, rightly or wrongly."""

from __future__ import annotations

import numpy as np

from tests.zoo.answer import Answer, case, found, plain, tweaked
from tests.zoo.writer import BRIGHT, BRIGHT_HU, SLICES, Series


def _cornered(filler: int, rows: int = 40, columns: int = 40) -> np.ndarray:
    """Slices with a constant value outside a circle, as a reconstruction leaves them."""
    y, x = np.mgrid[:rows, :columns]
    k = np.arange(SLICES)[:, None, None]
    values = (900 + 20 * k + 3 * (y % 20) + x % 17).astype(np.int16)
    values[:, np.hypot(y - (rows - 1) / 2, x - (columns - 1) / 2) > rows / 2] = filler
    values[BRIGHT[0], 20, 21] = BRIGHT_HU + 1024
    return values


@case
def padding_tag(folder):
    series = Series(stored=_cornered(-2000))
    return Answer(tweaked(folder, lambda ds, k: setattr(ds, "PixelPaddingValue", -2000), series), found("padding"))


@case
def padding_tag_of_the_wrong_sign(folder):
    def change(ds, k):
        ds.add_new(0x00280120, "US", 63536)

    return Answer(tweaked(folder, change, Series(stored=_cornered(-2000))), found("padding"))


@case
def padding_tag_disagrees(folder):
    series = Series(stored=_cornered(-1024))
    return Answer(tweaked(folder, lambda ds, k: setattr(ds, "PixelPaddingValue", -2000), series), found("padding"))


@case
def padding_without_tag(folder):
    return Answer(plain(folder, Series(stored=_cornered(-2000))), found("padding"))


@case
def padding_range(folder):
    stored = _cornered(-2000)
    stored[:, 0, 0] = -1990

    def change(ds, k):
        ds.PixelPaddingValue, ds.PixelPaddingRangeLimit = -2000, -1985

    return Answer(tweaked(folder, change, Series(stored=stored)), found("padding"))


@case
def padding_that_air_may_reach(folder):
    return Answer(plain(folder, Series(stored=_cornered(0))), found("padding"))
