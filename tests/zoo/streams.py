"""Compressed pictures whose own headers lie or are cut; elements that stand there twice; padding that means nothing."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image
from pydicom import dcmread
from pydicom.encaps import generate_frames
from pydicom.uid import (
    JPEG2000,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    JPEG2000Lossless,
    JPEGLossless,
    JPEGLSLossless,
    RLELossless,
)

from helpers.dicom.walk import file_meta
from tests.zoo.answer import Answer, case, found, plain, tweaked
from tests.zoo.encodings import jpeg_lossless
from tests.zoo.lossless_jpeg import encode
from tests.zoo.writer import LARGER, Series, picture

INTERCEPT = b"\x28\x00\x52\x10DS\x06\x00-1024 "
ANOTHER = b"\x28\x00\x52\x10DS\x04\x00-24 "


def _stream(ds) -> bytes:
    return next(generate_frames(ds.PixelData, number_of_frames=1))


def _put(ds, *fragments, table=b"") -> None:
    """Encapsulated pixel data of these fragments, with an offset table."""
    items = [table, *(part + b"\0" * (len(part) % 2) for part in fragments)]
    data = b"".join(b"\xfe\xff\x00\xe0" + struct.pack("<I", len(part)) + part for part in items)
    ds.PixelData = data + b"\xfe\xff\xdd\xe0\0\0\0\0"
    ds["PixelData"].is_undefined_length = True


def _with_stream(folder, syntax, change, series=LARGER):
    """Slice 4 has a changed code stream."""

    def one(ds, k):
        ds.compress(syntax, generate_instance_uid=False)
        if k == 4:
            _put(ds, change(_stream(ds)))

    return tweaked(folder, one, series)


def _of_size(size: int):
    """JPEG 2000 that claims so many rows and columns."""

    def change(stream):
        data = bytearray(stream)
        data[8:16] = data[24:32] = struct.pack(">II", size, size)
        return bytes(data)

    return change


def _boxes(stream: bytes, size: int = 40) -> bytes:
    """A JP2 file around a code stream (T.800 annex I)."""

    def box(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", 8 + len(data)) + kind + data

    head = box(b"ihdr", struct.pack(">IIHBBBB", 36, size, 1, 0x8F, 7, 0, 0))
    head += box(b"colr", b"\1\0\0" + struct.pack(">I", 17))
    start = box(b"jP  ", b"\r\n\x87\n") + box(b"ftyp", b"jp2 \0\0\0\0jp2 ")
    return start + box(b"jp2h", head) + box(b"jp2c", stream)


@case
def jpeg_2000_in_the_boxes_of_a_file(folder):
    return Answer(_with_stream(folder, JPEG2000Lossless, _boxes))


@case
def jpeg_2000_in_boxes_that_claims_more(folder):
    series = _with_stream(folder, JPEG2000Lossless, lambda stream: _boxes(_of_size(20000)(stream)))
    return Answer(series, error="20000 x 20000 where Rows and Columns say")


@case
def jpeg_2000_of_a_thousand_components(folder):
    def change(stream):
        length, many = int.from_bytes(stream[4:6], "big"), 1000
        siz = struct.pack(">H", 38 + 3 * many) + stream[6:40] + struct.pack(">H", many) + stream[42:45] * many
        return stream[:4] + siz + stream[4 + length :]

    return Answer(_with_stream(folder, JPEG2000Lossless, change), error="several components")


@case
def jpeg_2000_of_tiny_tiles(folder):
    def change(stream):
        return stream[:24] + struct.pack(">II", 2, 2) + stream[32:]

    return Answer(_with_stream(folder, JPEG2000Lossless, change), error="1 of 360 tiles")


def _tiled(folder, keep):
    """Four tiles a slice; of slice 4 the first `keep`."""
    series = Series(stored=picture(rows=64, columns=64).astype(np.uint16))

    def change(ds, k):
        file = io.BytesIO()
        Image.fromarray(series.stored[k]).save(file, "JPEG2000", no_jp2=True, tile_size=(64, 16), irreversible=False)
        stream = file.getvalue()
        starts = [stream.index(b"\xff\x90")]
        while stream[starts[-1] : starts[-1] + 2] == b"\xff\x90":
            starts.append(starts[-1] + int.from_bytes(stream[starts[-1] + 6 : starts[-1] + 10], "big"))
        ds.file_meta.TransferSyntaxUID = JPEG2000Lossless
        _put(ds, stream[: starts[keep if k == 4 else 4]] + stream[starts[4] :])

    return tweaked(folder, change, series)


@case
def jpeg_2000_in_four_tiles(folder):
    return Answer(_tiled(folder, 4))


@case
def jpeg_2000_without_its_last_tile(folder):
    return Answer(_tiled(folder, 3), error="3 of 4 tiles")


@case
def jpeg_ls_behind_fill_bytes_claims_more(folder):
    def change(stream):
        data = bytearray(stream)
        start = data.index(b"\xff\xf7")
        data[start + 5 : start + 9] = struct.pack(">HH", 20000, 20000)
        return b"\xff" + bytes(data)

    return Answer(_with_stream(folder, JPEGLSLossless, change), error="20000 x 20000 where Rows and Columns say")


@case
def jpeg_ls_that_is_something_else(folder):
    return Answer(
        _with_stream(folder, JPEGLSLossless, lambda stream: b"GIF89a" + stream[6:]), error="does not begin as one"
    )


def _lossless_with(folder, change):
    """JPEG lossless, one file of which has other bytes from its code stream's beginning to its end."""
    series = jpeg_lossless(folder).series
    path = sorted(folder.glob("*.dcm"))[3]
    data = path.read_bytes()
    start, end = data.index(b"\xff\xd8\xff\xc3"), data.rindex(b"\xff\xd9") + 2
    new = change(data[start:end])
    assert len(new) == end - start
    path.write_bytes(data[:start] + new + data[end:])
    return series


def _lossless_with_byte(folder, marker, offset, value):
    """One byte of the header is another: so far behind a marker."""

    def change(stream):
        at = stream.index(marker) + offset
        return stream[:at] + value + stream[at + 1 :]

    return _lossless_with(folder, change)


@case
def jpeg_lossless_without_table(folder):
    """GDCM ends the whole process on it."""
    series = _lossless_with_byte(folder, b"\xff\xc4", 0, b"\x04")
    return Answer(series, error="header of the compressed picture cannot be followed")


@case
def jpeg_lossless_with_the_number_of_no_table(folder):
    series = _lossless_with_byte(folder, b"\xff\xda", 6, b"\x30")
    return Answer(series, error="header of the compressed picture cannot be followed")


@case
def jpeg_lossless_of_too_many_bits(folder):
    """And on this one."""
    return Answer(_lossless_with_byte(folder, b"\xff\xc3", 4, b"\x80"), error="damaged frame header")


@case
def jpeg_lossless_with_an_impossible_table(folder):
    return Answer(_lossless_with_byte(folder, b"\xff\xc4", 5, b"\xff"), error="Huffman table")


@case
def jpeg_lossless_that_ends_in_the_middle(folder):
    def change(stream):
        half = len(stream) // 2
        return stream[:half] + b"\xff\xd9" + stream[half + 2 :]

    return Answer(_lossless_with(folder, change), error="ends before its data do")


def _lossless_rewritten(folder, change):
    """JPEG lossless, one slice of which has another code stream, of any length."""
    series = jpeg_lossless(folder).series
    path = sorted(folder.glob("*.dcm"))[3]
    ds = dcmread(path)
    _put(ds, change(_stream(ds).rstrip(b"\0")))
    ds.save_as(path)
    return series


@case
def jpeg_lossless_cut_and_closed(folder):
    """The decoder makes up what is missing, and says nothing."""
    series = _lossless_rewritten(folder, lambda stream: stream[: -len(stream) // 4] + b"\xff\xd9")
    return Answer(series, error="fewer bits than its pixels need")


@case
def jpeg_lossless_with_bytes_put_in(folder):
    def change(stream):
        return stream[:-300] + bytes(100) + stream[-300:]

    return Answer(_lossless_rewritten(folder, change), error="more bits than its pixels need")


@case
def jpeg_lossless_with_fill_bytes_before_its_end(folder):
    return Answer(_lossless_rewritten(folder, lambda stream: stream[:-2] + b"\xff\xff" + stream[-2:]))


def _encoded(folder, series, encoder, *known, **options):
    """Slices whose code streams `encoder(pixels, k)` gives, under the name of lossless JPEG."""

    def change(ds, k):
        ds.file_meta.TransferSyntaxUID = JPEGLossless
        _put(ds, encoder(series.stored[k], k))

    return Answer(tweaked(folder, change, series), found(*known), **options)


@case
def jpeg_lossless_by_another_writer(folder):
    series = Series(stored=picture().astype(np.uint16))
    return _encoded(folder, series, lambda pixels, k: encode(pixels, 16, predictor=1 + k % 7, every=k))


@case
def fragments_each_with_its_offset(folder):
    """A table with one entry for each fragment of a single picture: a known fault of writers, and harmless."""

    def change(ds, k):
        ds.compress(JPEG2000Lossless, generate_instance_uid=False)
        stream = _stream(ds)
        _put(ds, stream[:40], stream[40:], table=struct.pack("<2I", 0, 48))

    return Answer(tweaked(folder, change, LARGER))


def _files(folder, change, series=None, alter=lambda ds, k: None):
    """A series, and `change(bytes)` of every second file."""
    series = tweaked(folder, alter, series)
    for path in sorted(folder.glob("*.dcm"))[::2]:
        data = path.read_bytes()
        new = change(data)
        assert new != data
        path.write_bytes(new)
    return series


@case
def intercept_twice_in_a_deflated_file(folder):
    def change(data):
        body = file_meta(data, 132)[2]
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        packed = (
            packer.compress(zlib.decompress(data[body:], -15).replace(INTERCEPT, INTERCEPT + ANOTHER)) + packer.flush()
        )
        return data[:body] + packed + b"\0" * (len(packed) % 2)

    def deflate(ds, k):
        ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian

    return Answer(_files(folder, change, alter=deflate), error="stands there twice")


@case
def intercept_twice_in_a_big_endian_file(folder):
    def swap(ds, k):
        ds.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
        ds.PixelData = Series().stored[k].astype(">i2").tobytes()

    def change(data):
        element = b"\x00\x28\x10\x52DS\x00\x06-1024 "
        return data.replace(element, element + b"\x00\x28\x10\x52DS\x00\x04-24 ")

    return Answer(_files(folder, change, alter=swap), error="stands there twice")


@case
def intercept_behind_compressed_pixels(folder):
    def compress(ds, k):
        ds.compress(RLELossless, generate_instance_uid=False)

    return Answer(_files(folder, lambda data: data + ANOTHER, LARGER, compress), found("behind"))


@case
def intercept_of_half_a_number(folder):
    change = lambda data: data.replace(INTERCEPT, b"\x28\x00\x52\x10FL\x06\x00-1024 ")  # noqa: E731
    return Answer(_files(folder, change), error="each value has 4")


@case
def padding_is_no_difference(folder):
    """Kernel and series UID padded by NUL here and by a blank there, a series number with a zero before it."""

    def change(data):
        data = data.replace(b"\x18\x00\x10\x12SH\x04\x00B30 ", b"\x18\x00\x10\x12SH\x04\x00B30\0")
        data = data.replace(b"\x20\x00\x11\x00IS\x02\x002 ", b"\x20\x00\x11\x00IS\x02\x0002")
        return data.replace(b"UI\x08\x001.2.3.4\0", b"UI\x08\x001.2.3.4 ")

    def alter(ds, k):
        ds.SeriesInstanceUID = ds.FrameOfReferenceUID = ds.StudyInstanceUID = "1.2.3.4"
        ds.ConvolutionKernel, ds.SeriesNumber = "B30", 2

    return Answer(_files(folder, change, alter=alter))


@case
def empty_is_absent(folder):
    def change(ds, k):
        for keyword in ("ConvolutionKernel", "PatientID", "SeriesNumber"):
            if k % 2:
                setattr(ds, keyword, "")
            elif keyword in ds:
                delattr(ds, keyword)

    return Answer(tweaked(folder, change))


@case
def one_instance_number_for_all(folder):
    def change(ds, k):
        ds.SOPInstanceUID = "1.2.3"

    return Answer(tweaked(folder, change), found("instance"))


@case
def lossy_by_its_ratio_only(folder):
    def change(ds, k):
        ds.LossyImageCompressionRatio = "12"

    return Answer(tweaked(folder, change), found("lossy"))


@case
def photometric_with_a_control_character(folder):
    change = lambda data: data.replace(b"MONOCHROME2 ", b"MONOCHROME1\t")  # noqa: E731
    return Answer(_files(folder, change), error="PhotometricInterpretation is there, but is no word")


@case
def number_of_frames_is_no_number(folder):
    def change(ds, k):
        ds.add_new(0x00280008, "LO", "abc")

    return Answer(tweaked(folder, change), error="NumberOfFrames")


@case
def rows_there_twice(folder):
    rows, twice = (b"\x28\x00\x10\x00US" + value for value in (b"\2\0\x0c\0", b"\4\0\x0c\0\x09\0"))
    return Answer(_files(folder, lambda data: data.replace(rows, twice)), error="stands there several times")


@case
def far_more_to_fill_than_there_is(folder):
    series = plain(folder, Series(step=(0.0, 0.0, 1.0)))
    moved = Series(step=(0.0, 0.0, 1.0), origin=(-30.0, -20.0, 220.0))
    plain(folder / "far", moved)
    return Answer(series, error="more to invent than there is", options={"gaps": "fill"})


@case
def jpeg_lossless_with_a_point_transform(folder):
    series = Series(stored=(picture().astype(np.uint16) >> 3) << 3)
    return _encoded(folder, series, lambda pixels, k: encode(pixels, 16, shift=3), "lossy")


@case
def jpeg_lossless_of_fewer_bits_than_signed_pixels(folder):
    series = Series(stored=np.abs(picture()) % 1000)
    return _encoded(folder, series, lambda pixels, k: encode(pixels.astype(np.uint16), 12), "sign")


@case
def jpeg_2000_whose_first_tile_rounds(folder):
    """The header of the picture promises the other wavelet; COD of the tile counts."""

    def change(stream):
        cod, sot = stream.index(b"\xff\x52"), stream.index(b"\xff\x90")
        length = 2 + int.from_bytes(stream[cod + 2 : cod + 4], "big")
        tile = stream[cod : cod + length]
        main = stream[:cod] + tile[:13] + b"\1" + tile[14:] + stream[cod + length : sot]
        size = int.from_bytes(stream[sot + 6 : sot + 10], "big")
        start = stream[sot : sot + 6] + (size + length).to_bytes(4, "big") + stream[sot + 10 : sot + 12]
        return main + start + tile + stream[sot + 12 :]

    def one(ds, k):
        ds.compress(JPEG2000, j2k_cr=[2], generate_instance_uid=False)
        _put(ds, change(_stream(ds)))
        ds.file_meta.TransferSyntaxUID = JPEG2000Lossless
        for keyword in ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod"):
            ds.pop(keyword, None)

    return Answer(tweaked(folder, one, LARGER), found("lossy"), within=500)


@case
def jpeg_2000_with_a_hole(folder):
    """Twenty zero bytes among coded ones: a decoder makes a picture of them all the same."""

    def change(stream):
        middle = (stream.index(b"\xff\x93") + len(stream)) // 2
        return stream[:middle] + bytes(20) + stream[middle + 20 :]

    return Answer(_with_stream(folder, JPEG2000Lossless, change), error="a hole of zero bytes")


@case
def jpeg_2000_of_nothing(folder):
    """Empty packets are zero bytes, and no hole."""
    series = Series(stored=np.zeros((10, 64, 64), np.int16))
    return Answer(tweaked(folder, lambda ds, k: ds.compress(JPEG2000Lossless, generate_instance_uid=False), series))


@case
def jpeg_lossless_with_one_byte_put_in(folder):
    """So few bits too many that a padding could have them, were they ones."""

    def change(stream):
        return stream[:-200] + b"\0" + stream[-200:]

    return Answer(_lossless_rewritten(folder, change), error="bits than its pixels need")


@case
def jpeg_lossless_with_a_byte_of_zeros_behind(folder):
    return Answer(_lossless_rewritten(folder, lambda stream: stream[:-2] + b"\0" + stream[-2:]))


@case
def jpeg_lossless_with_a_byte_of_ones_behind(folder):
    return Answer(_lossless_rewritten(folder, lambda stream: stream[:-2] + b"\xff\0" + stream[-2:]))


@case
def lossy_jpeg_under_the_name_of_a_lossless_one(folder):
    def cosines(pixels, k):
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "JPEG", quality=90)
        return stream.getvalue()

    series = Series(stored=(LARGER.stored[:4] % 251).astype(np.uint8))  # so few that no brightest voxel is looked for
    return _encoded(folder, series, cosines, "lossy", within=250)
