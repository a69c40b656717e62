"""The stored values of one frame, decoded by pydicom's decoders; never more memory than the file's bytes can fill."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from pydicom.pixels import get_decoder
from pydicom.pixels.decoders.base import Decoder
from pydicom.uid import UID

from helpers.dicom import codestream, tags
from helpers.dicom.frames import Broken, Frame, frame_count, image_format
from helpers.dicom.header import NATIVE, Header, quiet

# Which plug-in of pydicom decodes what, and the package it comes from. Only one is used for each: the next in line
# would be GDCM, which ends the whole process on some damaged JPEG 2000 streams.
PLUGINS = {
    **dict.fromkeys(("4.50", "4.51", "4.57", "4.70"), ("gdcm", "python-gdcm")),
    **dict.fromkeys(("4.80", "4.81"), ("pyjpegls", "pyjpegls")),
    **dict.fromkeys(("4.90", "4.91", "4.201", "4.202", "4.203"), ("pylibjpeg", "pylibjpeg pylibjpeg-openjpeg")),
    "5": ("pydicom", "pydicom"),
}


def plugin(syntax: str) -> tuple[str, str]:
    """(plug-in, package to install) for a compressed transfer syntax; empty texts where none is preferred."""
    return PLUGINS.get(syntax.removeprefix("1.2.840.10008.1.2."), ("", ""))


def decode(header: Header, indices: list[int]) -> list[np.ndarray]:
    """The stored values of some frames of one file: arrays (rows, columns) of the file's own integer type.

    Bits above BitsStored are cleaned and the sign respected, as pydicom does. Raises Broken with the reason.
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
        photometric_interpretation=tags.text(header.raw.get(tags.PHOTOMETRIC)) or "MONOCHROME2",
        pixel_keyword="PixelData",
        number_of_frames=count,
    )
    preferred = plugin(header.syntax)[0]
    if preferred in decoder.available_plugins:
        options["decoding_plugin"] = preferred
    if header.syntax in NATIVE:
        return [_native(header, index, decoder, options) for index in indices]
    data = header.pixel_bytes()
    codestream.check(data, rows, columns)
    return _decoded(decoder, data, indices, count, options)


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
        with quiet():
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
    return arrays


@lru_cache(maxsize=64)
def find_decoder(syntax: str) -> Decoder:
    """pydicom's decoder of a transfer syntax; Broken names what to install, or says that nothing can read it."""
    try:
        decoder = get_decoder(UID(syntax))
    except NotImplementedError:
        raise Broken(f"no decoder exists here for transfer syntax {syntax[:64]}") from None
    except Exception:
        raise Broken("the transfer syntax is not a valid one") from None
    if not decoder.is_available:
        package = plugin(syntax)[1]
        remedy = f"`pip install {package}` adds one" if package else "none is known to this package"
        raise Broken(f"no decoder for {decoder.UID.name} is installed; {remedy}")
    return decoder


def stored_values(frame: Frame) -> np.ndarray:
    """(rows, columns) stored values of one frame."""
    return decode(frame.header, [frame.index])[0]
