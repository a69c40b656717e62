"""What a compressed picture says about itself, before a decoder is let near it.

Decoders written in C believe the size in the code stream: one that lies makes them allocate gigabytes, or abort. The
bytes that matter are few: SOF of JPEG and JPEG-LS (ITU-T T.81 B.2.2, T.87 C.2.2), SIZ of JPEG 2000 (T.800 A.5.1).
"""

from __future__ import annotations

from collections.abc import Iterator

from helpers.dicom.sources import Broken

END = b"\xff\xd9"
ITEM, DELIMITER = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
# Start-of-frame markers: baseline, extended, lossless and so on (not DHT C4, JPG C8, DAC CC), and JPEG-LS.
FRAME_MARKERS = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7})


def fragments(data: bytes) -> Iterator[memoryview]:
    """The items of compressed pixel data (PS3.5 section A.4), offset table first; Broken where the chain is cut."""
    position, view = 0, memoryview(data)
    while data[position : position + 4] == ITEM:
        length = int.from_bytes(data[position + 4 : position + 8], "little")
        if position + 8 + length > len(data):
            break
        yield view[position + 8 : position + 8 + length]
        position += 8 + length
    if data[position : position + 4] != DELIMITER:
        raise Broken("truncated: the end of the compressed pixel data is missing")


def check(data: bytes, rows: int, columns: int) -> None:
    """Raises Broken when a code stream has another size than `rows` x `columns`, or is cut; or the chain of items is.

    Decoders fill what is cut off with something likely and say nothing, so the end is looked for here.
    """
    stream: list[memoryview] = []
    for fragment in fragments(data):
        size = picture_size(fragment)
        if size is not None:
            check_end(stream)
            stream = []
            if size != (rows, columns):
                found = f"{size[0]} x {size[1]}"
                raise Broken(f"the compressed picture is {found} where Rows and Columns say {rows} x {columns}")
        if size is not None or stream:
            stream.append(fragment)
    check_end(stream)


def check_end(stream: list[memoryview]) -> None:
    """Raises Broken when the fragments of one picture do not end with its end marker, or lack bytes on the way."""
    if not stream:
        return
    # Coded data never hold this marker; behind it stands the padding to an even length, whatever byte that is.
    if END not in bytes(stream[-1][-16:]):
        raise Broken("truncated: the compressed picture has no end")
    if stream[0][:2] == b"\xff\x4f":
        whole = stream[0] if len(stream) == 1 else memoryview(b"".join(stream))
        check_tiles(whole)


def check_tiles(stream: memoryview) -> None:
    """The tile-parts of JPEG 2000 say how long they are (T.800 A.4.2): together they must lead to the end marker."""
    position = 2
    while bytes(stream[position : position + 2]) != b"\xff\x90":  # main header, segment by segment, up to SOT
        length = int.from_bytes(bytes(stream[position + 2 : position + 4]), "big")
        if stream[position : position + 1] != b"\xff" or length < 2:
            raise Broken("damaged: the header of the compressed picture cannot be followed")
        position += 2 + length
    while bytes(stream[position : position + 2]) == b"\xff\x90":
        length = int.from_bytes(bytes(stream[position + 6 : position + 10]), "big")
        if length == 0:  # the last one may leave its length open
            return
        if length < 14:
            raise Broken("damaged: a tile of the compressed picture has no length")
        position += length
    if bytes(stream[position : position + 2]) != END:
        raise Broken("truncated: the compressed picture lacks bytes, or has too many")


def irreversible(data: bytes) -> bool:
    """True when the first JPEG 2000 stream in `data` names the wavelet that rounds (T.800 A.6.1).

    data: the beginning of compressed pixel data, up to the first tile.
    """
    position = data.find(b"\xff\x4f\xff\x51") + 2
    marker = data[position : position + 2] if position > 1 else b""
    while marker[:1] == b"\xff" and marker not in (b"\xff\x52", b"\xff\x90"):  # up to COD, or SOT
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        marker = data[position : position + 2]
    return marker == b"\xff\x52" and data[position + 13 : position + 14] == b"\0"


def near_lossless(data: bytes) -> bool:
    """True when the first JPEG-LS stream in `data` allows errors: NEAR in its scan header (T.87 C.2.3) is not 0."""
    start = data.find(b"\xff\xd8\xff")
    jpeg_ls = False
    for marker, position in _segments(memoryview(data)[start:] if start >= 0 else memoryview(b"")):
        jpeg_ls = jpeg_ls or marker == 0xF7
        if marker == 0xDA:
            near = start + position + 5 + 2 * data[start + position + 4]
            return jpeg_ls and data[near : near + 1] not in (b"", b"\0")
    return False


def signed(data: bytes) -> bool | None:
    """Whether the samples of the first JPEG 2000 stream in `data` have a sign (T.800 A.5.1); None without one."""
    position = data.find(b"\xff\x4f\xff\x51")
    depth = data[position + 42 : position + 43] if position >= 0 else b""
    return bool(depth[0] & 0x80) if depth else None


def picture_size(stream: memoryview) -> tuple[int, int] | None:
    """(rows, columns) of a code stream; None for what is none, or has no size before its data."""
    head = bytes(stream[:4])
    if head == b"\xff\x4f\xff\x51":  # SOC and SIZ
        siz = bytes(stream[4:40])
        width, height, left, top = (int.from_bytes(siz[k : k + 4], "big") for k in (4, 8, 12, 16))
        return height - top, width - left
    if head[:3] == b"\xff\xd8\xff":
        return _frame_size(stream)
    return None


def _frame_size(stream: memoryview) -> tuple[int, int] | None:
    """From the frame header of JPEG or JPEG-LS."""
    for marker, position in _segments(stream):
        if marker in FRAME_MARKERS:
            size = bytes(stream[position + 5 : position + 9])
            return int.from_bytes(size[:2], "big"), int.from_bytes(size[2:], "big")
    return None


def _segments(stream: memoryview) -> Iterator[tuple[int, int]]:
    """(marker, offset) of the segments of JPEG or JPEG-LS before the coded data."""
    position = 2
    while position + 9 <= len(stream) and stream[position] == 0xFF:
        marker = stream[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        yield marker, position
        position += 2 + int.from_bytes(bytes(stream[position + 2 : position + 4]), "big")
