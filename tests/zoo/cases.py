"""The edge cases. Each function writes files into a folder and returns what a loader must make of them."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from tests.zoo import writer
from tests.zoo.writer import (
    BRIGHT,
    COLUMNS,
    ROOT,
    ROWS,
    SLICES,
    Series,
    dataset,
    datasets,
    name,
    picture,
    save,
    save_all,
)


@dataclass
class Answer:
    """What is right. hu: in the writer's order, slices `kept` of it; kinds: findings that must be there, and no other.

    error: a word that the message of the refusal must hold; then there is no volume.
    """

    series: Series = field(default_factory=Series)
    kinds: frozenset[str] = frozenset()
    error: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    kept: list[int] | None = None
    dtype: str = "int16"
    source: Callable[[Path], Any] = lambda folder: folder


CASES: dict[str, Callable[[Path], Answer]] = {}


def case(function: Callable[[Path], Answer]) -> Callable[[Path], Answer]:
    CASES[function.__name__] = function
    return function


def found(*kinds: str) -> frozenset[str]:
    return frozenset(kinds)


def tweaked(folder: Path, change: Callable, series: Series | None = None) -> Series:
    """A series written with `change(data set, k)` applied to every slice."""
    series = series or Series()
    slices = datasets(series)
    for k, ds in enumerate(slices):
        change(ds, k)
    save_all(slices, folder)
    return series


def plain(folder: Path, series: Series | None = None) -> Series:
    return tweaked(folder, lambda ds, k: None, series)


def rotated(angle: float) -> tuple[tuple, tuple, tuple]:
    """Row, column and normal of an oblique stack, turned about two axes."""
    a, b = np.radians(angle), np.radians(20.0)
    turn_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    turn_z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    axes = turn_z @ turn_x
    return tuple(axes[:, 0]), tuple(axes[:, 1]), tuple(axes[:, 2])


# ---------------------------------------------------------------------------------------------------- order and place
@case
def clean(folder):
    return Answer(plain(folder))


@case
def rising_instance_numbers_against_z(folder):
    return Answer(tweaked(folder, lambda ds, k: setattr(ds, "InstanceNumber", SLICES - k)))


@case
def instance_number_absent(folder):
    return Answer(tweaked(folder, lambda ds, k: delattr(ds, "InstanceNumber")))


@case
def instance_number_all_equal(folder):
    return Answer(tweaked(folder, lambda ds, k: setattr(ds, "InstanceNumber", 1)))


@case
def sagittal(folder):
    return Answer(plain(folder, Series(row=(0, 1, 0), column=(0, 0, -1), step=(-2.5, 0, 0))))


@case
def coronal(folder):
    return Answer(plain(folder, Series(row=(1, 0, 0), column=(0, 0, -1), step=(0, 2.5, 0))))


@case
def oblique(folder):
    row, column, normal = rotated(30)
    return Answer(plain(folder, Series(row=row, column=column, step=tuple(2.5 * np.array(normal)))))


@case
def prone(folder):
    return Answer(plain(folder, Series(row=(-1, 0, 0), column=(0, -1, 0))))


@case
def decubitus(folder):
    return Answer(plain(folder, Series(row=(0, -1, 0), column=(1, 0, 0))))


@case
def normal_points_to_the_feet(folder):
    return Answer(plain(folder, Series(row=(-1, 0, 0), column=(0, 1, 0))))


@case
def overlapping_slices(folder):
    return Answer(tweaked(folder, lambda ds, k: setattr(ds, "SliceThickness", "5")))


@case
def gantry_tilt(folder):
    angle = np.radians(18.0)
    series = Series(column=(0, np.cos(angle), np.sin(angle)))
    return Answer(plain(folder, series), found("tilt"))


@case
def tilt_tag_without_tilt(folder):
    return Answer(tweaked(folder, lambda ds, k: setattr(ds, "GantryDetectorTilt", "18")))


@case
def anisotropic_pixels(folder):
    return Answer(plain(folder, Series(spacing=(1.9, 0.3))))


@case
def far_spread_thickness(folder):
    return Answer(tweaked(folder, lambda ds, k: setattr(ds, "SliceThickness", "1.0")), found("sparse"))


@case
def single_slice(folder):
    series = Series(stored=picture(1))
    return Answer(plain(folder, series), found("single_slice"))


@case
def single_slice_without_thickness(folder):
    series = Series(stored=picture(1), step=(0, 0, 1.0))
    return Answer(tweaked(folder, lambda ds, k: delattr(ds, "SliceThickness"), series), found("single_slice"))


@case
def no_positions(folder):
    return Answer(tweaked(folder, lambda ds, k: delattr(ds, "ImagePositionPatient")), error="no order")


@case
def no_orientation(folder):
    return Answer(tweaked(folder, lambda ds, k: delattr(ds, "ImageOrientationPatient")), error="no order")


@case
def positions_empty(folder):
    return Answer(tweaked(folder, lambda ds, k: setattr(ds, "ImagePositionPatient", None)), error="no order")


# ------------------------------------------------------------------------------------- missing, uneven, doubled slices
def _without(folder: Path, gone: int) -> Series:
    series = Series()
    for k, ds in enumerate(datasets(series)):
        if k != gone:
            save(ds, folder / name(k))
    return series


@case
def missing_slice(folder):
    return Answer(_without(folder, 4), error="missing between 02.dcm and 05.dcm, at (-30, -20, 110) mm")


@case
def missing_slice_kept(folder):
    series = _without(folder, 4)
    kept = [k for k in range(SLICES) if k != 4]
    return Answer(series, found("missing_slice"), options={"gaps": "keep"}, kept=kept)


@case
def missing_slice_filled(folder):
    return Answer(_without(folder, 4), found("missing_slice"), options={"gaps": "fill"})


@case
def uneven_spacing(folder):
    def change(ds, k):
        ds.ImagePositionPatient = [-30, -20, 100 + 2.5 * k + (1.2 if k > 5 else 0)]

    return Answer(tweaked(folder, change), error="distances run from 2.5 to 3.7")


@case
def two_zones_of_spacing(folder):
    def change(ds, k):
        ds.ImagePositionPatient = [-30, -20, 100 + (2.5 * k if k < 5 else 12.5 + 5 * (k - 5))]

    return Answer(tweaked(folder, change), error="missing")


@case
def slices_shifted_sideways(folder):
    def change(ds, k):
        ds.ImagePositionPatient = [-30 + (5 if k == 4 else 0), -20, 100 + 2.5 * k]

    return Answer(tweaked(folder, change), error="beside")


@case
def duplicate_slice(folder):
    series = plain(folder)
    shutil.copy(folder / name(3), folder / "copy.dcm")
    return Answer(series, found("duplicate"))


@case
def duplicate_with_another_uid(folder):
    series = plain(folder)
    ds = dataset(series, 3)
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"{ROOT}.2.99"
    ds.InstanceNumber, ds.AcquisitionTime = 99, "101010"
    save(ds, folder / "again.dcm")
    return Answer(series, found("duplicate"))


@case
def same_place_other_pixels(folder):
    series = plain(folder)
    ds = dataset(series, 3, series.stored[3] + np.int16(1))
    ds.SOPInstanceUID = f"{ROOT}.2.99"
    save(ds, folder / "other.dcm")
    return Answer(series, error="02.dcm and other.dcm have the same position but different pixels")


@case
def same_place_other_slope(folder):
    series = plain(folder)
    ds = dataset(series, 3)
    ds.RescaleSlope = "2"
    save(ds, folder / "other.dcm")
    return Answer(series, error="different pixels")


@case
def every_slice_twice(folder):
    series = plain(folder)
    plain(folder / "again", series)
    return Answer(series, found("duplicate"))


# ------------------------------------------------------------------------------------------------- several in a folder
@case
def two_series(folder):
    plain(folder / "a")
    plain(folder / "b", Series(uid=f"{ROOT}.3"))
    return Answer(error="2 series")


@case
def one_of_two_series(folder):
    plain(folder / "a")
    series = Series(stored=picture() + np.int16(7), uid=f"{ROOT}.3")
    plain(folder / "b", series)
    return Answer(series, options={"series_uid": f"{ROOT}.3"})


@case
def localizer_of_another_matrix(folder):
    series = plain(folder)
    ds = dataset(Series(row=(1, 0, 0), column=(0, 0, -1)), 0, np.zeros((30, 20), np.int16))
    ds.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    save(ds, folder / "scout.dcm")
    return Answer(series, found("localizer"))


@case
def localizer_of_equal_matrix(folder):
    series = plain(folder)
    ds = dataset(series, 0, np.zeros((ROWS, COLUMNS), np.int16))
    ds.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    ds.ImagePositionPatient = [-30, -20, 95]
    save(ds, folder / "scout.dcm")
    return Answer(series, found("localizer"))


@case
def unmarked_localizer(folder):
    series = plain(folder)
    ds = dataset(Series(row=(1, 0, 0), column=(0, 0, -1)), 0)
    ds.SOPInstanceUID = f"{ROOT}.2.98"
    save(ds, folder / "scout.dcm")
    return Answer(series, error="2 series or parts")


@case
def two_times_in_one_series(folder):
    for time in (1, 2):
        series = Series(stored=picture() + np.int16(time))
        tweaked(folder / str(time), lambda ds, k, time=time: setattr(ds, "TemporalPositionIdentifier", time), series)
    return Answer(error="time 2 of 2")


@case
def two_times_told_by_clock_only(folder):
    for time in (1, 2):
        series = Series(stored=picture() + np.int16(time))
        tweaked(folder / str(time), lambda ds, k, time=time: setattr(ds, "AcquisitionTime", f"10100{time}"), series)
    return Answer(error="acquisition time 2 of 2")


@case
def two_echoes(folder):
    for echo in ("4.6", "9.2"):
        tweaked(folder / echo, lambda ds, k, echo=echo: setattr(ds, "EchoTime", echo))
    return Answer(error="echo time 2 of 2")


@case
def two_kernels_in_one_series(folder):
    plain(folder / "a")
    tweaked(folder / "b", lambda ds, k: setattr(ds, "ConvolutionKernel", "B70"))
    return Answer(error="part 2 of 2")


@case
def one_slice_of_another_kernel(folder):
    change = lambda ds, k: setattr(ds, "ConvolutionKernel", "B70" if k == 5 else "B30")  # noqa: E731
    return Answer(tweaked(folder, change), error="part 2 of 2")


@case
def two_matrices_in_one_series(folder):
    plain(folder / "a")
    plain(folder / "b", Series(stored=picture(rows=14), origin=(-30, -20, 300)))
    return Answer(error="part 2 of 2")


@case
def two_pixel_spacings_in_one_series(folder):
    plain(folder / "a")
    plain(folder / "b", Series(spacing=(0.6, 0.6), origin=(-30, -20, 300)))
    return Answer(error="part 2 of 2")


@case
def own_frame_of_reference_for_every_slice(folder):
    change = lambda ds, k: setattr(ds, "FrameOfReferenceUID", f"{ROOT}.5.{k}")  # noqa: E731
    return Answer(tweaked(folder, change), found("frame_of_reference"))


@case
def stray_files(folder):
    series = plain(folder)
    (folder / "notes.txt").write_text("not an image")
    (folder / ".DS_Store").write_bytes(b"\x00\x00\x00\x01Bud1")
    (folder / "empty.dcm").write_bytes(b"")
    return Answer(series, found("skipped"))


@case
def dicomdir(folder):
    from pydicom.fileset import FileSet

    def change(ds, k):
        ds.StudyID, ds.StudyDate, ds.StudyTime, ds.SeriesNumber, ds.AccessionNumber = "1", "20000101", "1010", 1, "1"

    series = tweaked(folder / "in", change)
    files = FileSet()
    for path in sorted((folder / "in").iterdir()):
        files.add(path)
    files.write(folder / "set")
    shutil.rmtree(folder / "in")
    return Answer(series, found("skipped"))


@case
def colour_screen(folder):
    series = plain(folder)
    ds = dataset(series, 0, np.zeros((ROWS, COLUMNS), np.uint8))
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PlanarConfiguration = 3, "RGB", 0
    ds.PixelData = bytes(3 * ROWS * COLUMNS)
    save(ds, folder / "screen.dcm")
    return Answer(series, found("skipped"))


@case
def secondary_capture(folder):
    series = plain(folder)
    ds = dataset(series, 0)
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    save(ds, folder / "capture.dcm")
    return Answer(series, found("skipped"))


@case
def structured_report(folder):
    series = plain(folder)
    ds = dataset(series, 0)
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.88.67"
    for keyword in ("PixelData", "Rows", "Columns"):
        delattr(ds, keyword)
    ds.Modality = "SR"
    save(ds, folder / "dose.dcm")
    return Answer(series, found("skipped"))


@case
def mosaic(folder):
    change = lambda ds, k: setattr(ds, "ImageType", ["ORIGINAL", "PRIMARY", "M", "MOSAIC"])  # noqa: E731
    return Answer(tweaked(folder, change), error="mosaic")


@case
def dotted_names(folder):
    series = Series()
    for k, ds in enumerate(datasets(series)):
        save(ds, folder / f".{name(k)}")
    return Answer(series)


@case
def sub_folders(folder):
    series = Series()
    for k, ds in enumerate(datasets(series)):
        save(ds, folder / f"part{k % 3}" / "deep" / name(k))
    return Answer(series)


@case
def zip_archive(folder):
    series = plain(folder / "in")
    with zipfile.ZipFile(folder / "series.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted((folder / "in").iterdir()):
            archive.write(path, f"study/{path.name}")
    shutil.rmtree(folder / "in")
    return Answer(series, source=lambda folder: folder / "series.zip")


@case
def list_of_files(folder):
    series = plain(folder)
    return Answer(series, source=lambda folder: sorted(folder.iterdir(), reverse=True))


# ----------------------------------------------------------------------------------------------------------- rescaling
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


# ---------------------------------------------------------------------------------------------------- bits and syntaxes
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


def _saved_as(folder: Path, syntax: str, series: Series | None = None) -> Series:
    series = series or Series()
    for k, ds in enumerate(datasets(series)):
        ds.file_meta.TransferSyntaxUID = syntax
        if syntax == ExplicitVRBigEndian:
            ds.PixelData = series.stored[k].astype(series.stored.dtype.newbyteorder(">")).tobytes()
        save(ds, folder / name(k))
    return series


@case
def implicit_vr(folder):
    return Answer(_saved_as(folder, ImplicitVRLittleEndian))


@case
def big_endian(folder):
    return Answer(_saved_as(folder, ExplicitVRBigEndian))


@case
def big_endian_eight_bits(folder):
    stored = (np.arange(SLICES * 5 * 7).reshape(SLICES, 5, 7) % 199).astype(np.uint8)
    series = Series(stored=stored)
    for k, ds in enumerate(datasets(series)):
        ds.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
        ds.PixelData += b"\0"
        save(ds, folder / name(k))
    return Answer(series)


@case
def deflated(folder):
    return Answer(_saved_as(folder, DeflatedExplicitVRLittleEndian))


def _compressed(folder: Path, syntax: str, series: Series | None = None, **options) -> Series:
    return tweaked(folder, lambda ds, k: ds.compress(syntax, generate_instance_uid=False, **options), series)


# JPEG 2000 halves a picture five times and wants one that is large enough.
LARGER = Series(stored=picture(rows=36, columns=40))


@case
def jpeg_lossless(folder):
    import gdcm

    series = plain(folder / "in", LARGER)
    for path in (folder / "in").iterdir():
        reader, writer, change = gdcm.ImageReader(), gdcm.ImageWriter(), gdcm.ImageChangeTransferSyntax()
        reader.SetFileName(str(path))
        assert reader.Read()
        change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
        change.SetInput(reader.GetImage())
        assert change.Change()
        writer.SetFileName(str(folder / path.name))
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        assert writer.Write()
    shutil.rmtree(folder / "in")
    return Answer(series)


@case
def rle(folder):
    return Answer(_compressed(folder, RLELossless))


@case
def jpeg_ls(folder):
    return Answer(_compressed(folder, JPEGLSLossless, Series(stored=picture().astype(np.uint16))))


@case
def jpeg_2000(folder):
    return Answer(_compressed(folder, JPEG2000Lossless, LARGER))


@case
def mixed_syntaxes(folder):
    syntaxes = (RLELossless, JPEG2000Lossless, None)

    def change(ds, k):
        if syntaxes[k % 3]:
            ds.compress(syntaxes[k % 3], generate_instance_uid=False)

    return Answer(tweaked(folder, change, LARGER))


@case
def unknown_syntax(folder):
    series = plain(folder)
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.9\0"))
    return Answer(series, error="decoder")


@case
def lossy_flag(folder):
    return Answer(tweaked(folder, lambda ds, k: setattr(ds, "LossyImageCompression", "01")), found("lossy"))


# ---------------------------------------------------------------------------------------------------- odd headers
@case
def no_preamble(folder):
    series = plain(folder)
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes()[132:])
    return Answer(series)


@case
def no_preamble_no_meta(folder):
    series = _saved_as(folder, ImplicitVRLittleEndian)
    for path in folder.iterdir():
        data = path.read_bytes()
        path.write_bytes(data[data.index(b"\x08\x00\x05\x00") :])
    return Answer(series)


@case
def long_private_header(folder):
    def change(ds, k):
        block = ds.private_block(0x0011, "ZOO", create=True)
        block.add_new(1, "OB", bytes(200_001 + k))
        block.add_new(2, "UN", b"\x10\x00\xe0\x7f" * 50)

    return Answer(tweaked(folder, change))


@case
def sequences_of_undefined_length(folder):
    from pydicom.dataset import Dataset

    def change(ds, k):
        inner, outer = Dataset(), Dataset()
        inner.CodeValue, inner.CodeMeaning = str(k), "x" * k
        inner.PixelSpacing = [9, 9]
        outer.ContentSequence = [inner, inner]
        ds.ProcedureCodeSequence = [outer]
        ds["ProcedureCodeSequence"].is_undefined_length = True
        outer["ContentSequence"].is_undefined_length = True
        inner.is_undefined_length_sequence_item = outer.is_undefined_length_sequence_item = True

    return Answer(tweaked(folder, change))


@case
def pixel_data_inside_a_sequence(folder):
    def change(ds, k):
        icon = dataset(Series(), 0, np.zeros((4, 4), np.uint8))
        icon.file_meta = None
        ds.IconImageSequence = [icon]

    return Answer(tweaked(folder, change))


@case
def trailing_padding_element(folder):
    return Answer(tweaked(folder, lambda ds, k: ds.add_new(0xFFFCFFFC, "OB", b"\0" * 64)))


@case
def elements_differ_from_slice_to_slice(folder):
    def change(ds, k):
        if k % 2:
            ds.ImageComments = "odd " * k
        if k % 3 == 0:
            ds.WindowCenter, ds.WindowWidth = ["40", "-600"], ["400", "1500"]

    return Answer(tweaked(folder, change))


# ----------------------------------------------------------------------------------------------------- lies and damage
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


# ------------------------------------------------------------------------------------------------------------- padding
def _cornered(filler: int, rows: int = 40, columns: int = 40) -> np.ndarray:
    """Slices with a constant value outside a circle, as a reconstruction leaves them."""
    y, x = np.mgrid[:rows, :columns]
    k = np.arange(SLICES)[:, None, None]
    values = (900 + 20 * k + 3 * (y % 20) + x % 17).astype(np.int16)
    values[:, np.hypot(y - (rows - 1) / 2, x - (columns - 1) / 2) > rows / 2] = filler
    values[BRIGHT[0], 20, 21] = writer.BRIGHT_HU + 1024
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
