"""How a stored value sits in its word: sign, width, and bits above BitsStored."""

from __future__ import annotations

import numpy as np

from tests.zoo.answer import Answer, case, found, plain, tweaked
from tests.zoo.writer import BRIGHT, COLUMNS, ROWS, SLICES, Series, picture


@case
def unsigned(folder):
    return Answer(plain(folder, Series(stored=picture().astype(np.uint16))))


@case
def unsigned_above_32767(folder):
    stored = picture().astype(np.uint16)
    stored[BRIGHT] = 60000
    return Answer(plain(folder, Series(stored=stored)), dtype="float32")


@case
def unsigned_above_32767_that_fits(folder):
    stored = (picture().astype(np.int32) + 32768).astype(np.uint16)
    return Answer(plain(folder, Series(stored=stored, intercept=-32768 - 1024)))


@case
def signed_that_overflows(folder):
    stored = picture()
    stored[BRIGHT] = -32768
    return Answer(plain(folder, Series(stored=stored)), dtype="float32")


def _twelve(ds, k):
    ds.BitsStored, ds.HighBit = 12, 11


@case
def twelve_bits(folder):
    return Answer(tweaked(folder, _twelve, Series(stored=picture().astype(np.uint16))))


@case
def garbage_above_twelve_bits(folder):
    series = Series(stored=picture().astype(np.uint16))

    def change(ds, k):
        _twelve(ds, k)
        ds.PixelData = (series.stored[k] | np.uint16((k % 15 + 1) << 12)).tobytes()

    return Answer(tweaked(folder, change, series), found("bits"))


@case
def twelve_bits_signed_without_spread_sign(folder):
    series = Series(stored=(picture() - np.int16(1300)), intercept=0)

    def change(ds, k):
        _twelve(ds, k)
        ds.PixelData = (series.stored[k] & np.int16(0x0FFF)).tobytes()

    return Answer(tweaked(folder, change, series), found("bits"))


@case
def eight_bits(folder):
    stored = (np.arange(SLICES * ROWS * COLUMNS).reshape(SLICES, ROWS, COLUMNS) % 199).astype(np.uint8)
    return Answer(plain(folder, Series(stored=stored)))


@case
def thirty_two_bits(folder):
    return Answer(plain(folder, Series(stored=picture().astype(np.int32))))
