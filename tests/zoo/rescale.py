"""Stored values and Hounsfield units: slope, intercept, their type, and pictures shown inverted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from pydicom.dataset import Dataset

from tests.zoo.answer import Answer, case, found, plain, tweaked
from tests.zoo.writer import SLICES, Series, datasets, save_all


@case
def slope_differs_by_slice(folder):
    series = Series()
    slices = datasets(series)
    for k, ds in enumerate(slices):
        if k % 2:  # the same HU, stored with another slope and intercept
            ds.RescaleSlope, ds.RescaleIntercept = "2", "-2048"
            ds.PixelData = ((series.stored[k].astype(int) - 1024 + 2048) // 2).astype(np.int16).tobytes()
    save_all(slices, folder)
    odd = np.arange(SLICES) % 2 == 1
    halved = (series.stored.astype(int) + 1024) // 2 * 2 - 2048
    stored = np.where(odd[:, None, None], halved + 1024, series.stored)
    return Answer(replace(series, stored=stored), found("rescale_varies"))


@case
def intercept_differs_by_slice(folder):
    def change(ds, k):
        ds.RescaleIntercept = str(-1024 - 10 * k)
        ds.PixelData = (series.stored[k] + np.int16(10 * k)).tobytes()

    series = Series()
    return Answer(tweaked(folder, change, series), found("rescale_varies"))


@case
def intercept_of_one_slice_differs(folder):
    def change(ds, k):
        if k == 5:  # of equal length, after several files in which it never changed
            ds.RescaleIntercept = "-1034"
            ds.PixelData = (series.stored[k] + np.int16(10)).tobytes()

    series = Series()
    return Answer(tweaked(folder, change, series), found("rescale_varies"))


@case
def fractional_slope(folder):
    return Answer(plain(folder, Series(slope=1.0002441, intercept=-1024.5)), dtype="float32")


@case
def negative_slope(folder):
    return Answer(plain(folder, Series(slope=-1, intercept=1024)))


@case
def padded_numbers(folder):
    def change(ds, k):
        ds["RescaleSlope"].value, ds["RescaleIntercept"].value = "001.000000E+00", "-01.024000E+03"

    return Answer(tweaked(folder, change))


@case
def slope_absent(folder):
    return Answer(tweaked(folder, lambda ds, k: delattr(ds, "RescaleSlope")), found("no_rescale"))


@case
def slope_empty(folder):
    return Answer(tweaked(folder, lambda ds, k: setattr(ds, "RescaleSlope", None)), found("no_rescale"))


@case
def rescale_absent(folder):
    def change(ds, k):
        del ds.RescaleSlope, ds.RescaleIntercept

    return Answer(tweaked(folder, change, Series(intercept=0)), found("no_rescale"))


@case
def slope_zero(folder):
    return Answer(tweaked(folder, lambda ds, k: setattr(ds, "RescaleSlope", "0")), error="RescaleSlope")


@case
def not_hounsfield(folder):
    return Answer(tweaked(folder, lambda ds, k: setattr(ds, "RescaleType", "Z_EFF")), found("not_hu"))


@case
def monochrome1(folder):
    change = lambda ds, k: setattr(ds, "PhotometricInterpretation", "MONOCHROME1")  # noqa: E731
    return Answer(tweaked(folder, change), found("monochrome1"))


def _overwritten(folder, old: bytes, new: bytes) -> Series:
    """Bytes of the value changed in the finished files: what a data set object would refuse to hold."""
    series = plain(folder)
    for path in folder.iterdir():
        content = path.read_bytes()
        assert content.count(old) == 1
        path.write_bytes(content.replace(old, new))
    return series


@case
def sign_absent(folder):
    return Answer(
        tweaked(folder, lambda ds, k: delattr(ds, "PixelRepresentation")), error="PixelRepresentation is missing"
    )


@case
def tables_of_another_length_in_every_slice(folder):
    def change(ds, k):
        if k in (2, 3, 7):
            table = Dataset()
            table.LUTExplanation, table.ModalityLUTType = "x" * (2 * k), "HU"
            ds.ModalityLUTSequence = [table]

    return Answer(tweaked(folder, change), found("not_hu"))


@case
def slope_of_two_numbers(folder):
    return Answer(tweaked(folder, lambda ds, k: setattr(ds, "RescaleSlope", ["1", "2"])), error="several numbers")


@case
def intercept_with_decimal_comma(folder):
    return Answer(_overwritten(folder, b"-1024", b"-10,4"), error="RescaleIntercept is there")


@case
def spacing_with_decimal_commas(folder):
    return Answer(_overwritten(folder, b"0.8\\0.7", b"0,8\\0,7"), error="PixelSpacing is there")
