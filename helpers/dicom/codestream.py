"""What a compressed picture says about itself, before a decoder is let near it.

Decoders written in C believe the size in the code stream: one that lies makes them allocate gigabytes, or abort. The
bytes that matter are few: SOF of JPEG and JPEG-LS (ITU-T T.81 B.2.2, T.87 C.2.2), SIZ of JPEG 2000 (T.800 A.5.1).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator

from helpers.dicom.sources import Broken
from helpers.findings import plural

END = b"\xff\xd9"
END_SEARCH = re.compile(END)  # looks into a memoryview, where `bytes.find` needs a copy
ITEM, DELIMITER = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
CLOSING = DELIMITER + bytes(4)  # the delimiter, and its length
MOST_ITEMS = 200_000  # fragments of one file
Read = Callable[[int, int], bytes]  # (offset, count) -> bytes of the pixel element
Span = tuple[int, int]  # offset and length in it
# Start-of-frame markers: those with Huffman coding (C4 is DHT), with arithmetic coding (CC is DAC), and JPEG-LS.
HUFFMAN = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7})
FRAME_MARKERS = HUFFMAN | {0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7}
LOSSLESS_FRAMES = frozenset({0xC3, 0xC7, 0xCB, 0xCF, 0xF7})
SOD = b"\xff\x93"
WAVELET_AT = {b"\xff\x52": 13, b"\xff\x53": 10}  # in COD and (of few components) COC, from the marker on


def items(read: Read) -> list[Span]:
    """The items of compressed pixel data (PS3.5 section A.4), offset table first; Broken where the chain is cut."""
    position, found = 0, []
    head = read(0, 8)
    while head[:4] == ITEM and len(found) <= MOST_ITEMS:
        length = int.from_bytes(head[4:], "little")
        found.append((position + 8, length))
        position += 8 + length
        head = read(position, 8)
    if head[:4] != DELIMITER:
        raise Broken("truncated: the end of the compressed pixel data is missing")
    return found


def pictures(read: Read, count: int) -> list[list[Span]]:
    """Where the fragments of each of `count` compressed pictures lie. Raises Broken when there are more or fewer.

    One fragment each, or the fragments from one beginning of a code stream to the next. The offset table is not needed
    for that: frames lie in their order, and tables that contradict it are wrong.
    """
    fragments = [span for span in items(read)[1:] if span[1]]
    if len(fragments) == count:
        return [[span] for span in fragments]
    found: list[list[Span]] = []
    for start, length in fragments:
        if not found or picture_size(bare(memoryview(read(start, min(length, 1 << 12))))) is not None:
            found.append([])
        found[-1].append((start, length))
    if len(found) != count:
        raise Broken(f"{len(fragments)} pieces of compressed data that do not make up {plural(count, 'frame')}")
    return found


def check(stream: memoryview, rows: int, columns: int, allocated: int) -> None:
    """Raises Broken for a code stream of JPEG, JPEG-LS or JPEG 2000 that cannot be followed, has another size than
    `rows` x `columns` or more than one component, does not end with its end marker, or lacks bytes on the way.

    Decoders fill what is cut off with something likely and say nothing, and abort the process on some broken headers,
    so header and end are looked at here.
    """
    stream = bare(stream)
    size = picture_size(stream)
    if size is None:
        raise Broken("damaged: the compressed picture does not begin as one, or does not say its size")
    if size != (rows, columns):
        found = f"{size[0]} x {size[1]}"
        raise Broken(f"the compressed picture is {found} where Rows and Columns say {rows} x {columns}")
    data = check_tiles(stream) if stream[:2] == b"\xff\x4f" else check_segments(stream, allocated)
    if stream[:2] == b"\xff\x4f" and re.search(rb"\0{%d}" % most_zeros(stream), stream[40:]):
        raise Broken("damaged: a hole of zero bytes in the compressed picture")
    # Coded data never hold this marker; behind it stands the padding to an even length, whatever byte that is.
    end = END_SEARCH.search(stream, data)
    if end is None:
        raise Broken("truncated: the compressed picture has no end")
    if end.start() < len(stream) - 16:
        raise Broken("damaged: the compressed picture ends before its data do")


def check_segments(stream: memoryview, allocated: int) -> int:
    """Where the coded data of JPEG or JPEG-LS begin. Raises Broken when the segments before (T.81 B.2) do not lead
    there, or do not name one component of at most `allocated` bits and, for Huffman coding, a sound table for it."""
    tables: dict[int, bytes] = {}
    frame = 0
    for marker, body, end in bodies(stream):
        if marker in FRAME_MARKERS:
            if frame or len(body) != 9 or body[5] != 1 or not 2 <= body[0] <= allocated:
                raise Broken("the compressed picture has several components, or a damaged frame header")
            frame = marker
        elif marker == 0xC4:
            tables |= code_lengths(body)
        elif marker == 0xDA:
            if not frame or len(body) != 6 or body[0] != 1:
                break
            if frame in HUFFMAN and body[2] >> 4 not in tables:
                break
            if frame in (0xC3, 0xC7) and not 1 <= body[3] <= 7:  # the predictor of lossless coding
                break
            return end
    raise Broken("damaged: the header of the compressed picture cannot be followed")


def code_lengths(body: bytes) -> dict[int, bytes]:
    """The tables for DC, or lossless, coding in a DHT segment (T.81 B.2.4.2): number -> how many bits the code of each
    of the 17 categories of differences has, 0 for none."""
    found, position = {}, 0
    while position < len(body):
        kind, counts = body[position], body[position + 1 : position + 17]
        room = 1 << 16
        for length, count in enumerate(counts, start=1):
            room -= count << 16 - length
        symbols = body[position + 17 : position + 17 + sum(counts)]
        position += 17 + sum(counts)
        if len(counts) < 16 or position > len(body) or not any(counts) or room < 0 or kind & 0xEC:
            raise Broken("damaged: a Huffman table of the compressed picture is none")
        if kind < 0x10:
            spelled = dict(zip(symbols, (length for length, count in enumerate(counts, start=1) for _ in range(count))))
            found[kind] = bytes(spelled.get(category, 0) for category in range(17))
    return found


def check_tiles(stream: memoryview) -> int:
    """Where the tiles of JPEG 2000 end. Their parts say how long they are (T.800 A.4.2): together they must lead to the
    end marker, and each tile of the grid that SIZ draws (T.800 B.3) must be among them."""
    siz = bytes(stream[8:42])
    if len(siz) < 34:
        raise Broken("truncated: the compressed picture has no end")
    width, height, _, _, wide, high, left, top, components = struct.unpack(">8IH", siz)
    if components != 1 or not wide or not high or left >= width or top >= height:
        raise Broken("the compressed picture has several components, or tiles of no size")
    wanted = -(-(width - left) // wide) * -(-(height - top) // high)
    position = 2
    while bytes(stream[position : position + 2]) != b"\xff\x90":  # main header, segment by segment, up to SOT
        length = _number(stream, position + 2)
        if stream[position : position + 1] != b"\xff" or length < 2:
            raise Broken("damaged: the header of the compressed picture cannot be followed")
        position += 2 + length
    found = set()
    while bytes(stream[position : position + 2]) == b"\xff\x90":
        found.add(_number(stream, position + 4))
        length = _number(stream, position + 6, 4)
        if length == 0:  # the last one may leave its length open
            break
        if length < 14:
            raise Broken("damaged: a tile of the compressed picture has no length")
        position += length
    if length and bytes(stream[position : position + 2]) != END:
        raise Broken("truncated: the compressed picture lacks bytes, or has too many")
    if len(found) != wanted or max(found, default=0) >= wanted:
        raise Broken(f"truncated: {len(found)} of {plural(wanted, 'tile')} of the compressed picture are there")
    return position


def most_zeros(stream: memoryview) -> int:
    """So many zero bytes in a row are a hole in JPEG 2000 data. An empty packet is one (T.800 B.10.3), and there is one
    for each layer and resolution of a tile, or more where precincts are small; bits that bypass the coder may be zeros,
    too, and so may those of HTJ2K: then only a long run is a hole."""
    position = 2
    while stream[position + 1] not in (0x50, 0x52, 0x90):  # CAP (of HTJ2K), COD, SOT; `check_tiles` went this way
        position += 2 + _number(stream, position + 2)
    if stream[position + 1] != 0x52 or stream[position + 4] & 1 or stream[position + 12] & 1:
        return 4096
    layers, levels = _number(stream, position + 6), stream[position + 9]
    return layers * (levels + 1) + 8


def payload(data: bytes) -> bytes:
    """What the items at the beginning of compressed pixel data hold, without the offset table; without items `data`."""
    position, parts = 0, []
    while data[position : position + 4] == ITEM:
        length = int.from_bytes(data[position + 4 : position + 8], "little")
        parts.append(data[position + 8 : position + 8 + length])
        position += 8 + length
    return b"".join(parts[1:]) or data


def bare(stream: memoryview) -> memoryview:
    """A code stream without the boxes of a JP2 file (T.800 annex I) and without fill bytes before it."""
    if bytes(stream[4:8]) == b"jP  ":
        position = 0
        while position + 8 <= len(stream):
            length = _number(stream, position, 4)
            if bytes(stream[position + 4 : position + 8]) == b"jp2c":
                return stream[position + 8 : position + length if length > 8 else None]
            if length < 8:
                break
            position += length
    start = 0
    while bytes(stream[start : start + 3]) in (b"\xff\xff\xff", b"\xff\xff\xd8"):
        start += 1
    return stream[start:]


def irreversible(data: bytes) -> bool:
    """True when the first JPEG 2000 stream in `data` names the wavelet that rounds (T.800 A.6.1 and A.6.2), in its main
    header or in that of its first tile.

    data: the beginning of compressed pixel data.
    """
    position = data.find(b"\xff\x4f\xff\x51") + 2
    marker = data[position : position + 2] if position > 1 else b""
    while marker[:1] == b"\xff" and marker != SOD:
        wavelet = WAVELET_AT.get(marker)
        if wavelet and data[position + wavelet : position + wavelet + 1] == b"\0":
            return True
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        marker = data[position : position + 2]
    return False


def rounds(data: bytes) -> bool:
    """True when the first JPEG or JPEG-LS stream in `data` loses something: one of cosines, one with a point transform
    (T.81 H.1.2.1), or one that allows errors: NEAR in the scan header of JPEG-LS (T.87 C.2.3) is not 0."""
    jpeg_ls = False
    for marker, body, _ in bodies(_first_jpeg(data)):
        jpeg_ls = jpeg_ls or marker == 0xF7
        if marker in FRAME_MARKERS - LOSSLESS_FRAMES:
            return True
        if marker == 0xDA and len(body) > 3:
            return bool(body[-1] & 15 or (jpeg_ls and body[-3]))
    return False


def precision(data: bytes) -> int | None:
    """How many bits the samples of the first JPEG or JPEG-LS stream in `data` have (T.81 B.2.2); None without one."""
    frames = (body[0] for marker, body, _ in bodies(_first_jpeg(data)) if marker in FRAME_MARKERS and body)
    return next(frames, None)


def _first_jpeg(data: bytes) -> memoryview:
    start = data.find(b"\xff\xd8\xff")
    return memoryview(data)[start:] if start >= 0 else memoryview(b"")


def signed(data: bytes) -> bool | None:
    """Whether the samples of the first JPEG 2000 stream in `data` have a sign (T.800 A.5.1); None without one."""
    position = data.find(b"\xff\x4f\xff\x51")
    depth = data[position + 42 : position + 43] if position >= 0 else b""
    return bool(depth[0] & 0x80) if depth else None


def picture_size(stream: memoryview) -> tuple[int, int] | None:
    """(rows, columns) of a bare code stream; None for what is none, or has no size before its data."""
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


def _number(stream: memoryview, position: int, size: int = 2) -> int:
    return int.from_bytes(bytes(stream[position : position + size]), "big")


def bodies(stream: memoryview) -> Iterator[tuple[int, bytes, int]]:
    """(marker, content, offset of what follows) of the segments of JPEG or JPEG-LS before the coded data."""
    for marker, position in _segments(stream):
        end = position + 2 + _number(stream, position + 2)
        yield marker, bytes(stream[position + 4 : end]), end


def _segments(stream: memoryview) -> Iterator[tuple[int, int]]:
    """(marker, offset) of the segments of JPEG or JPEG-LS before the coded data."""
    position = 2
    while position + 9 <= len(stream) and stream[position] == 0xFF:
        marker = stream[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        yield marker, position
        position += 2 + _number(stream, position + 2)
