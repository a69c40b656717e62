"""A compressed picture that lost bytes is refused wherever the cut is: decoders themselves often say nothing."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate, generate_frames

from helpers.dicom import DicomSeriesError, pixels, read_series
from helpers.dicom.codestream import irreversible, picture_size
from helpers.dicom.jpeg_lossless import check_bits
from helpers.dicom.sources import Broken
from tests.zoo.answer import tweaked
from tests.zoo.cases import CASES
from tests.zoo.lossless_jpeg import encode
from tests.zoo.writer import LARGER, Series, dataset, htj2k_picture

SYNTAXES = ("rle", "jpeg_ls", "jpeg_2000", "jpeg_lossless")


STORED = {
    "lossless_signed": ("201", np.int16),
    "lossless_rpcl_unsigned": ("202", np.uint16),
    "lossy_signed": ("203", np.int16),
}


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


def htj2k_file(name, folder):
    """A slice whose code stream is a stored one, its path, the stream and the values it was made of."""
    syntax, dtype = STORED[name]
    stream = (Path(__file__).parent / "zoo" / "htj2k" / f"{name}.j2c").read_bytes()
    truth = htj2k_picture(dtype)
    ds, path = dataset(Series(stored=truth[None]), 0), folder / f"{name}.dcm"
    ds.file_meta.TransferSyntaxUID = f"1.2.840.10008.1.2.4.{syntax}"
    rewrite(ds, path, stream)
    return ds, path, stream, truth.astype(int) - 1024


def test_a_cut_header_of_a_stream_tells_nothing_of_its_wavelet():
    stream = (Path(__file__).parent / "zoo" / "htj2k" / "lossy_signed.j2c").read_bytes()
    cod = stream.index(b"\xff\x52")
    assert irreversible(b"\xfe\xff\x00\xe0" + bytes(4) + stream)
    assert not any(irreversible(stream[:k]) for k in range(cod + 13))


@pytest.mark.parametrize("name", STORED)
def test_htj2k_gives_the_values_it_was_made_of(name, tmp_path):
    ds, path, stream, truth = htj2k_file(name, tmp_path)
    volume, lossy = read_series(path), name.startswith("lossy")
    assert np.abs(volume.hu - truth).max() <= (100 if lossy else 0)
    assert ("lossy" in {finding.kind for finding in volume.findings}) is lossy  # no file says LossyImageCompression
    for place in (*np.linspace(2, len(stream) - 4, 25).astype(int), len(stream) - 2):
        rewrite(ds, path, stream[:place])
        with pytest.raises(DicomSeriesError, match=path.name):
            read_series(path)


@pytest.mark.parametrize("name", STORED)
def test_htj2k_is_decoded_by_the_default_install(name):
    syntax = f"1.2.840.10008.1.2.4.{STORED[name][0]}"
    assert pixels.plugin(syntax)[0] in pixels.find_decoder(syntax).available_plugins


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


@pytest.mark.parametrize(
    ("encoded", "called", "options"),
    [("91", "90", {"j2k_cr": [3]}), ("81", "80", {"jls_error": 3}), ("90", "90", {}), ("80", "80", {})],
)
def test_loss_is_said_whatever_the_syntax_promises(tmp_path, encoded, called, options):
    def change(ds, k):
        ds.PixelRepresentation = 0
        ds.compress(f"1.2.840.10008.1.2.4.{encoded}", generate_instance_uid=False, **options)
        ds.file_meta.TransferSyntaxUID = f"1.2.840.10008.1.2.4.{called}"
        if "LossyImageCompression" in ds:
            del ds.LossyImageCompression

    series = tweaked(tmp_path, change, LARGER)
    volume = read_series(tmp_path)
    assert np.array_equal(volume.hu, series.hu) == (not options)
    assert [finding.kind for finding in volume.findings] == (["lossy"] if options else [])


@pytest.mark.parametrize("shift", [0, 2])
@pytest.mark.parametrize("precision", [8, 12, 16])
@pytest.mark.parametrize("predictor", range(1, 8))
def test_the_bits_of_lossless_jpeg_are_counted_for_every_predictor(predictor, precision, shift):
    """The pixels of an encoder that follows the standard word by word need just the bits it wrote."""
    rng = np.random.default_rng(predictor)
    pixels = rng.integers(0, 1 << precision, (9, 13)) >> shift << shift
    stream = encode(pixels, precision, predictor, shift)
    check_bits(memoryview(stream), pixels.astype(np.uint16))
    check_bits(memoryview(stream), pixels.astype(np.uint16).view(np.int16))  # of signed pixels
    coded = stream.index(b"\xff\xda") + 10
    with pytest.raises(Broken, match="fewer bits"):
        check_bits(memoryview(stream[:coded] + stream[coded + 2 :]), pixels.astype(np.uint16))
    with pytest.raises(Broken, match="more bits"):
        check_bits(memoryview(stream[:coded] + bytes(6) + stream[coded:]), pixels.astype(np.uint16))


@pytest.mark.parametrize("every", [1, 2, 4])
def test_the_bits_of_each_interval_are_counted(every):
    pixels = np.random.default_rng(0).integers(0, 4096, (10, 6)).astype(np.uint16)
    stream = encode(pixels, 12, 5, every=every)
    check_bits(memoryview(stream), pixels)
    last = stream.rindex(b"\xff", 0, -2) - 1
    with pytest.raises(Broken, match="intervals"):
        check_bits(memoryview(stream[: last + 1] + stream[last + 3 :]), pixels)
    first = stream.index(b"\xff\xda") + 10
    with pytest.raises(Broken, match="fewer bits"):  # of the first interval, whatever the others hold
        check_bits(memoryview(stream[:first] + stream[first + 4 : -2] + bytes(4) + stream[-2:]), pixels)
