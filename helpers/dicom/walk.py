"""The headers of little-endian files, element by element: a data element is a tag, maybe a VR, a length and a value.

PS3.5 section 7.1 fixes the layout. Only tags and lengths are looked at until a wanted element comes by; nothing is
guessed: whatever does not follow the rules ends in `Puzzling`, and pydicom's parser takes that file.
"""

from __future__ import annotations

from struct import Struct
from struct import error as StructError
from typing import NamedTuple

from helpers.dicom import tags
from helpers.dicom.sources import Broken, Unreadable

IMPLICIT_LE, EXPLICIT_LE = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
PLAIN = frozenset({IMPLICIT_LE, EXPLICIT_LE})
UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
# Value representations with a two-byte length; all others have two reserved bytes and a four-byte length.
SHORT = frozenset(b"AE AS AT CS DA DS DT FL FD IS LO LT PN SH SL SS ST TM UI UL US".split())
LONG = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
EXPLICIT = Struct("<HH2sH").unpack_from
IMPLICIT = Struct("<HHI").unpack_from
LENGTH = Struct("<I").unpack_from
PIXEL_TAGS = frozenset({tags.PIXELS, tags.FLOAT_PIXELS, tags.DOUBLE_PIXELS})
PIXELS_END = max(PIXEL_TAGS)
DEEPEST = 16
MOST_ELEMENTS = 100_000  # at the top of one file; each becomes an object a hundred times its size


class Puzzling(Exception):
    """The bytes do not follow the simple rules (or are cut off): a more patient parser is needed."""


class Element(NamedTuple):
    """One top-level data element: where it begins, where its value begins, and the value's length in bytes."""

    tag: int
    vr: bytes
    begin: int
    start: int
    length: int


def find_start(data: bytes) -> int:
    """Where the first element stands: behind the preamble, or at 0 where a file has none (PS3.10 section 7.1)."""
    if data[128:132] == b"DICM":
        return 132
    # A file without preamble begins with group 2 or 8, and then a value representation or a small length.
    plausible = len(data) >= 16 and data[:2] in (b"\x02\x00", b"\x08\x00") and data[3] == 0
    if plausible and (data[4:6] in SHORT or int.from_bytes(data[4:8], "little") < 256):
        return 0
    if data[:4] == b"PK\x03\x04":
        raise Unreadable("an archive, not a DICOM file; unpack it first if it holds a series")
    if data[:2] == b"\x1f\x8b":
        raise Unreadable("compressed with gzip; unpack it first")
    raise Unreadable("not a DICOM file")


def file_meta(data: bytes, start: int) -> tuple[str, list[Element], int]:
    """Transfer syntax, elements and end of group 2, which is always explicit little endian (PS3.10 section 7.1)."""
    syntax, position, elements = "", start, []
    try:
        while data[position : position + 2] == b"\x02\x00":
            begin = position
            _, number, vr, length = EXPLICIT(data, position)
            position += 8
            if vr in LONG:
                (length,) = LENGTH(data, position)
                position += 4
            elif vr not in SHORT:
                raise Puzzling
            if number == 0x0010:
                syntax = tags.text(data[position : position + length])
            elements.append(Element(0x00020000 | number, vr, begin, position, length))
            position += length
    except StructError:
        raise Puzzling from None
    if position > len(data):
        raise Puzzling
    return syntax, elements, position


def true_syntax(syntax: str, data: bytes, body: int) -> str:
    """The transfer syntax a plain data set is written in, whatever the file meta information says: implicit elements
    have no value representation behind the first tag, and the length of a first element never looks like one.
    """
    if syntax not in PLAIN or len(data) < body + 8:
        return syntax
    return EXPLICIT_LE if data[body + 4 : body + 6] in SHORT | LONG else IMPLICIT_LE


def twice(data: bytes, body: int, explicit: bool) -> bool:
    """True when an element that a volume needs stands there twice with different values: parsers keep the last one."""
    try:
        elements = walk(data, body, explicit, ordered=False)
    except Puzzling:
        return False
    values: dict[int, bytes] = {}
    for tag, _, _, start, length in elements:
        value = data[start : start + length]
        if tag in tags.WANTED | tags.SEQUENCES and values.setdefault(tag, value) != value:
            return True
    return False


def elements_only(tail: bytes, explicit: bool, whole: bool) -> bool:
    """True when what stands behind the pixel element are data elements (padding, signatures) up to the end.

    whole: `tail` reaches to the end of the file; else only its beginning is looked at.
    """
    position, last = 0, PIXELS_END
    while position < len(tail):
        piece = tail[position : position + 12]
        if len(piece) < 8:
            return False
        tag = int.from_bytes(piece[:2], "little") << 16 | int.from_bytes(piece[2:4], "little")
        length, size = int.from_bytes(piece[4:8], "little"), 8
        if explicit and piece[4:6] in LONG:
            length, size = int.from_bytes(piece[8:12], "little"), 12
        elif explicit:
            length >>= 16
            if piece[4:6] not in SHORT:
                return False
        if tag <= last:
            return False
        if length == UNDEFINED:
            return True
        position, last = position + size + length, tag
    return position == len(tail) or not whole


def _skip_sequence(data: bytes, position: int, explicit: bool, depth: int) -> int:
    """The offset behind a sequence of undefined length whose first item stands at `position`."""
    while True:
        group, number, length = IMPLICIT(data, position)
        tag = group << 16 | number
        position += 8
        if tag == SEQUENCE_END:
            return position
        if tag != ITEM:
            raise Puzzling
        if length != UNDEFINED:
            position += length
        else:
            position = _skip_item(data, position, explicit, depth)


def _skip_item(data: bytes, position: int, explicit: bool, depth: int) -> int:
    if depth > DEEPEST:
        raise Puzzling
    while True:
        group, number, length = IMPLICIT(data, position)
        tag = group << 16 | number
        if tag == ITEM_END:
            return position + 8
        position += 8
        inner = explicit
        if explicit:
            vr = data[position - 4 : position - 2]
            if vr in SHORT:
                length >>= 16
            elif vr in LONG:
                (length,) = LENGTH(data, position)
                position += 4
                inner = vr != b"UN"  # PS3.5 section 6.2.2: UN of undefined length holds implicit elements
            else:
                raise Puzzling
        if length != UNDEFINED:
            position += length
        else:
            position = _skip_sequence(data, position, inner, depth + 1)


def walk(data: bytes, position: int, explicit: bool, ordered: bool = True) -> list[Element]:
    """All top-level elements up to and with PixelData. Raises Puzzling where the simple rules do not suffice.

    data: the beginning of the content; every element before the pixels must lie within it. ordered: tags must rise.
    """
    elements: list[Element] = []
    add, end, last = elements.append, len(data), 0
    try:
        while position < end:
            begin = position
            if explicit:
                group, number, vr, length = EXPLICIT(data, position)
                position += 8
                if vr in LONG:
                    (length,) = LENGTH(data, position)
                    position += 4
                elif vr not in SHORT:
                    raise Puzzling
            else:
                group, number, length = IMPLICIT(data, position)
                vr = b""
                position += 8
            tag = group << 16 | number
            if tag <= last and ordered:  # the standard wants rising tags; anything else may be a slip of a length
                raise Puzzling
            last = tag
            add(Element(tag, vr, begin, position, length))
            if tag in PIXEL_TAGS:
                return elements
            if len(elements) > MOST_ELEMENTS:
                raise Broken("more data elements than can be meant")
            if length != UNDEFINED:
                position += length
            elif vr in (b"SQ", b"UN", b""):
                position = _skip_sequence(data, position, explicit and vr != b"UN", 0)
            else:
                raise Puzzling
    except StructError:
        raise Puzzling from None
    if position != end:
        raise Puzzling
    return elements
