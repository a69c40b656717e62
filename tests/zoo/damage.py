"""Files that are cut off, or say what cannot be true."""

from __future__ import annotations

from pydicom.uid import JPEG2000Lossless

from tests.zoo.answer import Answer, case, found, plain, tweaked
from tests.zoo.writer import LARGER, Series, name


@case
def truncated_pixels(folder):
    series = plain(folder)
    path = folder / name(9)
    path.write_bytes(path.read_bytes()[:-100])
    return Answer(series, error=f"{name(9)}: truncated")


@case
def cut_inside_the_header(folder):
    series = plain(folder)
    path = folder / name(4)
    path.write_bytes(path.read_bytes()[:600])
    return Answer(series, error=name(4))


@case
def fewer_rows_than_pixels(folder):
    return Answer(tweaked(folder, lambda ds, k: setattr(ds, "Rows", 10)), error="need")


@case
def zeros_behind_the_pixels(folder):
    change = lambda ds, k: setattr(ds, "PixelData", ds.PixelData + bytes(64))  # noqa: E731
    return Answer(tweaked(folder, change), found("excess"))


@case
def more_columns_than_pixels(folder):
    return Answer(tweaked(folder, lambda ds, k: setattr(ds, "Columns", 17)), error="truncated")


@case
def enormous_claim(folder):
    def change(ds, k):
        ds.Rows = ds.Columns = 65535

    return Answer(tweaked(folder, change), error="truncated")


@case
def enormous_compressed_claim(folder):
    def change(ds, k):
        ds.compress(JPEG2000Lossless, generate_instance_uid=False)
        ds.Rows = ds.Columns = 65535

    return Answer(tweaked(folder, change, LARGER), error="in earnest")


@case
def compressed_of_another_size(folder):
    def change(ds, k):
        ds.compress(JPEG2000Lossless, generate_instance_uid=False)
        ds.Rows = 72

    return Answer(tweaked(folder, change, LARGER), error=".dcm")


@case
def broken_orientation(folder):
    change = lambda ds, k: setattr(ds, "ImageOrientationPatient", [1, 0, 0, 1, 0, 0])  # noqa: E731
    return Answer(tweaked(folder, change), error="perpendicular")


@case
def spacing_zero(folder):
    return Answer(tweaked(folder, lambda ds, k: setattr(ds, "PixelSpacing", [0, 0.7])), error="PixelSpacing")


@case
def spacing_absent(folder):
    series = Series(spacing=(1.0, 1.0))
    return Answer(tweaked(folder, lambda ds, k: delattr(ds, "PixelSpacing"), series), found("no_geometry"))


@case
def left_justified_bits(folder):
    def change(ds, k):
        ds.BitsStored, ds.HighBit = 12, 15

    return Answer(tweaked(folder, change), error="HighBit")
