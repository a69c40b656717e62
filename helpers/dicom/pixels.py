"""The stored values of one frame, decoded by pydicom's decoders; never more memory than the file's bytes can fill."""

from __future__ import annotations

import contextlib
import re
from functools import lru_cache

import numpy as np
from pydicom.encaps import encapsulate
from pydicom.pixels import get_decoder
from pydicom.pixels.decoders.base import Decoder
from pydicom.uid import UID

from helpers.dicom import codestream, tags
from helpers.dicom.fast import tidy
from helpers.dicom.frames import Broken, Frame, frame_count, image_format, stored_range
from helpers.dicom.header import NATIVE, Header, quiet
from helpers.dicom.jpeg_lossless import LOSSLESS, check_bits
from helpers.dicom.sources import FileEntry, Unreadable

# Which plug-in of pydicom decodes what, and the package it comes from. Only one is used for each: the next in line
# would be GDCM, which ends the whole process on some damaged JPEG 2000 streams.
PLUGINS = {
    **dict.fromkeys(("4.50", "4.51", "4.57", "4.70"), ("gdcm", "python-gdcm")),
    **dict.fromkeys(("4.80", "4.81"), ("pyjpegls", "pyjpegls")),
    **dict.fromkeys(("4.90", "4.91", "4.201", "4.202", "4.203"), ("pylibjpeg", "pylibjpeg pylibjpeg-openjpeg")),
    "5": ("pydicom", "pydicom"),
}


RLE, EXTENDED = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.51"


def plugin(syntax: str) -> tuple[str, str]:
    """(plug-in, package to install) for a compressed transfer syntax; empty texts where none is preferred."""
    return PLUGINS.get(syntax.removeprefix("1.2.840.10008.1.2."), ("", ""))


def decode(header: Header, indices: list[int]) -> list[np.ndarray]:
    """The stored values of some frames of one file: arrays (rows, columns) of the file's own integer type.

    The sign is respected, as pydicom does; bits above BitsStored are as they are in the file. Raises Broken with the
    reason, and with the `index` of the frame where it is one of several.
    """
    rows, columns, allocated, stored, signed = image_format(header)
    count = frame_count(header)
    decoder = find_decoder(header.syntax)
    options = dict(
        rows=rows,
        columns=columns,
        bits_allocated=allocated,
        bits_stored=stored,
        pixel_representation=int(signed),
        samples_per_pixel=1,
        photometric_interpretation=tags.text(header.raw.get(tags.PHOTOMETRIC)).upper() or "MONOCHROME2",
        pixel_keyword="PixelData",
        number_of_frames=count,
        correct_unused_bits=False,  # here, so that it can be said
    )
    if header.syntax == EXTENDED and stored > 8:
        raise Broken("12-bit lossy JPEG, which no decoder here can read; dcmdjpeg of DCMTK can unpack it")
    preferred = plugin(header.syntax)[0]
    if preferred in decoder.available_plugins:
        options["decoding_plugin"] = preferred
    if header.syntax in NATIVE:
        return [_native(header, index, decoder, options) for index in indices]
    streams, few = _streams(header, indices), len(indices)
    try:
        data = encapsulate(streams, has_bot=False)
        arrays = _decoded(decoder, data, list(range(few)), few, options | {"number_of_frames": few})
        if header.syntax in LOSSLESS:
            for stream, array in zip(streams, arrays):
                check_bits(memoryview(stream), array)
        return arrays
    except Broken as error:
        if len(indices) > 1:  # which one is it?
            for index in indices:
                decode(header, [index])
        error.index = indices[0]
        raise


def _streams(header: Header, indices: list[int]) -> list[bytes]:
    """The code streams of these frames (PS3.5 section A.4), none of which is cut off or of another size."""
    rows, columns, allocated, *_ = image_format(header)
    read, single = _reader(header), frame_count(header) == 1
    spans = codestream.pictures(read, 1) if single else frame_spans(header)
    streams = []
    for index in indices:
        parts = [read(*span) for span in spans[index]]
        stream = parts[0] if len(parts) == 1 else b"".join(parts)
        try:
            if header.syntax != RLE:
                codestream.check(memoryview(stream), rows, columns, allocated)
        except Broken as error:
            error.index = index
            raise
        streams.append(stream)
    return streams


def _reader(header: Header) -> codestream.Read:
    """How to get at bytes of the pixel element: all in memory, or for larger ones of plain files each when wanted."""
    if type(header.entry) is FileEntry and frame_count(header) > 1:
        return header.pixel_bytes
    data = header.pixel_bytes()
    return lambda offset, count: data[offset : offset + count]


def frame_spans(header: Header) -> list[list[codestream.Span]]:
    """Where the compressed frames of a multi-frame file lie; looked for once."""
    if header.spans is None:
        header.spans = codestream.pictures(_reader(header), frame_count(header))
    return header.spans


def beginnings(header: Header, most: int = 1 << 12) -> list[bytes]:
    """The first bytes of every compressed picture of a file; of a damaged file those of its pixel element."""
    if frame_count(header) > 1:
        with contextlib.suppress(Unreadable):
            read = _reader(header)
            return [read(start, min(length, most)) for (start, length), *_ in frame_spans(header)]
    return [codestream.payload(header.pixel_bytes(0, 1 << 14))]


def _native(header: Header, index: int, decoder: Decoder, options: dict) -> np.ndarray:
    """One frame of uncompressed pixels; only its own bytes are read."""
    length = options["rows"] * options["columns"] * options["bits_allocated"] // 8
    odd = length % 2 and options["bits_allocated"] == 8 and header.syntax == "1.2.840.10008.1.2.2"
    if odd or header.raw.get(tags.FRAMES) is None:
        start, index_here, count = 0, index, options["number_of_frames"]
        data = header.pixel_bytes()
    else:
        start, index_here, count = index * length, 0, 1
        data = header.pixel_bytes(start, length)
    if len(data) < length:
        raise Broken(f"truncated: {len(data)} bytes of pixel data where {length} are needed")
    vr = "OB" if options["bits_allocated"] == 8 and header.pixel_vr == "OB" else "OW"
    return _decoded(decoder, data, [index_here], count, options | {"number_of_frames": count, "pixel_vr": vr})[0]


def _decoded(decoder: Decoder, data: bytes, indices: list[int], count: int, options: dict) -> list[np.ndarray]:
    shape = options["rows"], options["columns"]
    try:
        with quiet() as said:
            if len(indices) == count and indices == list(range(count)):
                arrays = [array for array, _ in decoder.iter_array(data, raw=True, **options)]
            else:
                arrays = [decoder.as_array(data, raw=True, index=index, **options)[0] for index in indices]
    except MemoryError:
        raise Broken("the pixel data need more memory than there is") from None
    except Exception:
        raise Broken("the pixel data cannot be decoded: damaged, or cut off") from None
    if len(arrays) != len(indices) or any(array.shape != shape for array in arrays):
        raise Broken("the compressed picture has another size than Rows and Columns claim, or frames are missing")
    if any(_surplus(text) > 1 for text in said):
        raise Broken("the compressed picture holds more pixels than Rows and Columns say")
    return arrays


def _surplus(text: str) -> int:
    """How many bytes pydicom's RLE decoder found beyond the picture and left out; one may be padding."""
    found = re.search(r"RLE segment .* (\d+) vs. (\d+) bytes", text)
    return int(found[1]) - int(found[2]) if found else 0


@lru_cache(maxsize=64)
def find_decoder(syntax: str) -> Decoder:
    """pydicom's decoder of a transfer syntax; Broken names what to install, or says that nothing can read it."""
    try:
        decoder = get_decoder(UID(syntax))
    except NotImplementedError:
        shown = syntax if re.fullmatch(r"[0-9.]{1,64}", syntax) else "of another name than the standard's"
        raise Broken(f"no decoder exists here for transfer syntax {shown}") from None
    except Exception:
        raise Broken("the transfer syntax is not a valid one") from None
    if not decoder.is_available:
        package = plugin(syntax)[1]
        remedy = f"`pip install {package}` adds one" if package else "none is known to this package"
        raise Broken(f"no decoder for {decoder.UID.name} is installed; {remedy}")
    return decoder


def stored_values(frame: Frame) -> np.ndarray:
    """(rows, columns) stored values of one frame, without bits above BitsStored."""
    return tidy(decode(frame.header, [frame.index])[0][None], *stored_range(frame.header))[0][0]
