"""Transfer syntaxes, and headers that are legal but rare."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from tests.zoo.answer import Answer, case, found, plain, tweaked
from tests.zoo.writer import LARGER, SLICES, Series, dataset, datasets, name, picture, save


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
def jpeg_2000_of_another_sign_in_two_slices(folder):
    def change(ds, k):
        ds.PixelRepresentation = int(k not in (3, 7))  # what the encoder writes into its own header
        ds.compress(JPEG2000Lossless, generate_instance_uid=False)
        ds.PixelRepresentation = 1

    return Answer(tweaked(folder, change, LARGER), found("sign"))


@case
def private_element_in_the_place_of_a_mosaic_count(folder):
    def change(ds, k):
        ds.private_block(0x0019, "TOSHIBA_MEC_CT_1.0", create=True).add_new(0x0A, "US", 3)

    return Answer(tweaked(folder, change))


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


def _other_meta(folder: Path, written: str, told: str, first: int = 0) -> Answer:
    """Files from `first` on whose meta information names another syntax than their data set is written in."""
    series = _saved_as(folder, written)
    for k in range(first, SLICES):
        path = folder / name(k)
        path.write_bytes(path.read_bytes().replace(_syntax_element(written), _syntax_element(told), 1))
    return Answer(series, found("syntax"))


def _syntax_element(uid: str) -> bytes:
    value = uid.encode() + b"\0" * (len(uid) % 2)
    return b"\x02\x00\x10\x00UI" + len(value).to_bytes(2, "little") + value


@case
def implicit_under_explicit_meta(folder):
    return _other_meta(folder, ImplicitVRLittleEndian, ExplicitVRLittleEndian)


@case
def explicit_under_implicit_meta(folder):
    return _other_meta(folder, ExplicitVRLittleEndian, ImplicitVRLittleEndian)


@case
def some_files_under_another_meta(folder):
    return _other_meta(folder, ExplicitVRLittleEndian, ImplicitVRLittleEndian, first=6)


@case
def an_unknown_syntax_behind_two_known_ones(folder):
    series = plain(folder)
    for number, path in enumerate(sorted(folder.iterdir())):
        told = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, "1.2.840.10008.1.2.9")[min(number // 2, 2)]
        element = _syntax_element(ExplicitVRLittleEndian)
        path.write_bytes(path.read_bytes().replace(element, _syntax_element(told), 1))
    return Answer(series, error="decoder")


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
