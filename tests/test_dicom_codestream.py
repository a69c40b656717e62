"""A compressed picture that lost bytes is refused wherever the cut is: decoders themselves often say nothing."""

import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate, generate_frames

from helpers.dicom import DicomSeriesError, pixels, read_series
from helpers.dicom.codestream import picture_size
from tests.zoo.cases import CASES

SYNTAXES = ("rle", "jpeg_ls", "jpeg_2000", "jpeg_lossless")


def one_file(name, folder):
    """A compressed slice, its path and its code stream."""
    CASES[name](folder)
    path = sorted(folder.glob("*.dcm"))[0]
    ds = pydicom.dcmread(path)
    return ds, path, next(generate_frames(ds.PixelData, number_of_frames=1))


def rewrite(ds, path, stream):
    ds.PixelData = encapsulate([stream + b"\0" * (len(stream) % 2)])
    ds["PixelData"].is_undefined_length = True
    ds.save_as(path)


@pytest.mark.parametrize("name", SYNTAXES)
def test_a_cut_is_noticed_at_any_place(name, tmp_path):
    ds, path, stream = one_file(name, tmp_path)
    whole = read_series(path).hu
    for place in np.linspace(2, len(stream) - 4, 25).astype(int):
        rewrite(ds, path, stream[:place])
        with pytest.raises(DicomSeriesError, match=path.name):
            read_series(path)
    rewrite(ds, path, stream)
    assert np.array_equal(read_series(path).hu, whole)


@pytest.mark.parametrize("name", SYNTAXES[1:])
def test_several_fragments_are_one_picture(name, tmp_path):
    ds, path, stream = one_file(name, tmp_path)
    whole = read_series(path).hu
    third = len(stream) // 6 * 2
    pieces = [stream[:third], stream[third : 2 * third], stream[2 * third :]]
    items = b"".join(b"\xfe\xff\x00\xe0" + len(p).to_bytes(4, "little") + p for p in pieces)
    ds.PixelData = b"\xfe\xff\x00\xe0\0\0\0\0" + items
    ds["PixelData"].is_undefined_length = True
    ds.save_as(path)
    assert np.array_equal(read_series(path).hu, whole)


@pytest.mark.parametrize("name", SYNTAXES[1:])
def test_the_size_in_the_stream_is_read(name, tmp_path):
    ds, _, stream = one_file(name, tmp_path)
    assert picture_size(memoryview(stream)) == (ds.Rows, ds.Columns)
    for length in range(0, 60, 3):
        picture_size(memoryview(stream[:length]))  # never an error of Python


def test_a_missing_decoder_is_named(tmp_path, monkeypatch):
    answer = CASES["jpeg_ls"](tmp_path)

    class Nothing:
        is_available = False
        UID = pydicom.uid.JPEGLSLossless

    monkeypatch.setattr(pixels, "get_decoder", lambda uid: Nothing)
    pixels.find_decoder.cache_clear()
    with pytest.raises(DicomSeriesError, match="pip install pyjpegls"):
        read_series(answer.source(tmp_path))
    pixels.find_decoder.cache_clear()


@pytest.mark.parametrize("name", SYNTAXES)
def test_the_decoder_is_the_default_installs(name, tmp_path):
    ds, _, _ = one_file(name, tmp_path)
    decoder = pixels.find_decoder(str(ds.file_meta.TransferSyntaxUID))
    assert pixels.plugin(ds.file_meta.TransferSyntaxUID)[0] in decoder.available_plugins
