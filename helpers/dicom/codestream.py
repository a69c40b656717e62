"""What a compressed picture says about itself, before a decoder is let near it.

Decoders written in C believe the size in the code stream: one that lies makes them allocate gigabytes, or abort. The
bytes that matter are few: SOF of JPEG and JPEG-LS (ITU-T T.81 B.2.2, T.87 C.2.2), SIZ of JPEG 2000 (T.800 A.5.1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from helpers.dicom.sources import Broken
from helpers.findings import plural

END = b"\xff\xd9"
ITEM, DELIMITER = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
MOST_ITEMS = 200_000  # fragments of one file
Read = Callable[[int, int], bytes]  # (offset, count) -> bytes of the pixel element
Span = tuple[int, int]  # offset and length in it
# Start-of-frame markers: baseline, extended, lossless and so on (not DHT C4, JPG C8, DAC CC), and JPEG-LS.
FRAME_MARKERS = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7})


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
        if not found or picture_size(memoryview(read(start, min(length, 1 << 12)))) is not None:
            found.append([])
        found[-1].append((start, length))
    if len(found) != count:
        raise Broken(f"{len(fragments)} pieces of compressed data that do not make up {plural(count, 'frame')}")
    return found


def check(stream: memoryview, rows: int, columns: int) -> None:
    """Raises Broken when a code stream has another size than `rows` x `columns`, or does not end with its end marker,
    or lacks bytes on the way.

    Decoders fill what is cut off with something likely and say nothing, so the end is looked for here.
    """
    size = picture_size(stream)
    if size is None:
        return
    if size != (rows, columns):
        found = f"{size[0]} x {size[1]}"
        raise Broken(f"the compressed picture is {found} where Rows and Columns say {rows} x {columns}")
    # Coded data never hold this marker; behind it stands the padding to an even length, whatever byte that is.
    if END not in bytes(stream[-16:]):
        raise Broken("truncated: the compressed picture has no end")
    if stream[:2] == b"\xff\x4f":
        check_tiles(stream)


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
