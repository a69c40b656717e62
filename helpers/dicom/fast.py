"""The quick way to headers and pixels, used only where its conditions hold; everything else goes through pydicom.

Headers: the files of a series differ in a dozen elements. The first file is walked element by element; from the second
on, what was equal so far is compared as whole runs of bytes, and only the elements that differ are parsed again. Equal
bytes at the start of an element can only mean equal elements, so nothing is guessed; any difference leads back to the
full walk, and any oddity of the full walk to pydicom.

Pixels: little-endian, uncompressed, 16 bits, in a plain file: the bytes are read straight into their slot.
"""

from __future__ import annotations

import sys

import numpy as np

from helpers.dicom import tags
from helpers.dicom.frames import Broken, Frame
from helpers.dicom.header import Header, Shared, once, read_slowly
from helpers.dicom.sources import Entry, FileEntry
from helpers.dicom.walk import (
    IMPLICIT_LE,
    LONG,
    PIXEL_TAGS,
    PLAIN,
    Element,
    Puzzling,
    file_meta,
    find_start,
    true_syntax,
    walk,
)

# Read by pydicom from the first byte on: their data sets are not little endian or not to be read as they stand.
FOREIGN = frozenset({"1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"})
HEADS = (8 << 10, 64 << 10, 1 << 20, 16 << 20)
MULTI = frozenset({tags.FRAMES, tags.SHARED_GROUPS, tags.FRAME_GROUPS})

enabled = True  # tests and benchmarks switch it off to compare with pydicom


class Template:
    """The header of a series as runs of bytes that never changed, and the elements between them that did."""

    def __init__(self, data: bytes, elements: list[Element], syntax: str):
        self.layout = [(element.tag, element.vr) for element in elements]
        self.syntax = syntax
        self.begins = [element.begin for element in elements]
        self.chunks = [data[a:b] for a, b in zip(self.begins, [*self.begins[1:], elements[-1].start])]
        self.elements = elements
        self.changing: set[int] = set()
        self.data = data
        self.pixel_vr = elements[-1].vr.decode() or "OW"
        self._build()

    def learn(self, data: bytes, elements: list[Element]) -> None:
        """Take note of which elements of another file with the same layout differ."""
        ends = [element.begin for element in elements[1:]] + [elements[-1].start]
        for k, (element, end) in enumerate(zip(elements, ends)):
            if self.chunks[k] != data[element.begin : end]:
                self.changing.add(k)
        self._build()

    def _build(self) -> None:
        """Steps: the bytes expected next (a run, then tag and VR of a changing element), and how to read that one."""
        self.constant: dict[int, bytes] = {}
        self.steps: list[tuple[bytes, int, bool, int]] = []
        run = b""
        explicit_body = self.syntax != IMPLICIT_LE
        for k, element in enumerate(self.elements):
            tag, vr, _, start, length = element
            if k in self.changing and tag not in PIXEL_TAGS:
                explicit = explicit_body or tag >> 16 == 2
                prefix = self.chunks[k][: 6 if explicit else 4]
                width = 8 if explicit and vr in LONG else 4 if not explicit else 2
                kept = tag if tag in tags.WANTED or tag in tags.SEQUENCES else 0
                self.steps.append((run + prefix, len(run) + len(prefix), width, kept))
                run = b""
                if tag == tags.PADDING:
                    self.constant[tags.PADDING_VR] = vr or b"US"
            else:
                run += self.chunks[k]
                if tag in PIXEL_TAGS:
                    self.fixed_pixels = k not in self.changing
                elif tag in tags.WANTED or tag in tags.SEQUENCES:
                    put(self.constant, tag, vr, self.data[start : start + length])
        self.tail = run
        self.shared = Shared(frozenset(self.elements[k].tag for k in self.changing))
        self.odd = any(self.elements[k].vr not in (b"", *expected_vr(self.elements[k].tag)) for k in self.changing)
        self.odd |= tags.TRANSFER_SYNTAX in self.shared.changing  # it would then be that of the first file for all

    def match(self, data: bytes, entry: Entry, size: int) -> Header | None:
        """The header of another file, or None where it differs in more than the values of the changing elements."""
        if self.odd or not self.fixed_pixels:
            return None
        position = self.begins[0]
        raw = self.constant.copy()
        try:
            for expected, skip, width, tag in self.steps:
                if not data.startswith(expected, position):
                    return None
                position += skip
                if width == 2:
                    length = data[position] | data[position + 1] << 8
                    position += 2
                elif width == 4:
                    length = int.from_bytes(data[position : position + 4], "little")
                    position += 4
                else:
                    length = int.from_bytes(data[position + 2 : position + 6], "little")
                    position += 6
                if tag:
                    raw[tag] = data[position : position + length]
                position += length
        except IndexError:
            return None
        if not data.startswith(self.tail, position):
            return None
        position += len(self.tail)
        last = self.elements[-1]
        return Header(
            entry, raw, self.syntax, size, position, last.length, last.tag, self.pixel_vr, None, None, self.shared
        )


def expected_vr(tag: int) -> tuple[bytes, ...]:
    """The value representations whose bytes are already in the normal form."""
    if tag not in tags.WANTED:
        return tuple(SHORT_AND_LONG)
    return (b"US", b"SS", b"UN") if tag in tags.NUMBERS else TEXT_VRS


TEXT_VRS = (
    b"AE",
    b"AS",
    b"CS",
    b"DA",
    b"DS",
    b"DT",
    b"IS",
    b"LO",
    b"LT",
    b"PN",
    b"SH",
    b"ST",
    b"TM",
    b"UI",
    b"UN",
    b"UT",
)
SHORT_AND_LONG = LONG | frozenset(b"AE AS AT CS DA DS DT FL FD IS LO LT PN SH SL SS ST TM UI UL US".split())


def put(raw: dict[int, bytes], tag: int, vr: bytes, value: bytes) -> None:
    """Keep one element in its normal form."""
    if tag in tags.SEQUENCES:
        raw[tag] = b""
        return
    raw[tag] = value if vr in (b"", *expected_vr(tag)) else tags.normal_form(tag, vr.decode(), value)
    if tag == tags.PADDING:
        raw[tags.PADDING_VR] = vr or b"UN"


class Reader:
    """Reads the headers of many files; what it learned from one helps with the next."""

    def __init__(self) -> None:
        self.templates: list[Template] = []
        self.count = 0  # bytes that a header of this kind needs; unknown before the first

    def read(self, entry: Entry) -> Header:
        """The header of one file; raises Unreadable with the reason."""
        if not enabled:
            return read_slowly(entry)
        data, size = entry.head(self.count or HEADS[0])
        for template in self.templates:
            header = template.match(data, entry, size)
            if header is not None:
                return header
        return self._walk(entry, data, size)

    def _walk(self, entry: Entry, data: bytes, size: int) -> Header:
        start = find_start(data)
        for count in HEADS:
            if count > len(data) and len(data) < size:
                data, size = entry.head(count)
            try:
                syntax, elements, body = file_meta(data, start)
                syntax = true_syntax(syntax, data, body)
                if syntax in FOREIGN or not syntax:
                    break
                elements = elements + walk(data, body, syntax != IMPLICIT_LE)
            except Puzzling:
                if len(data) >= size:
                    break
                continue
            if not elements or elements[-1].tag not in PIXEL_TAGS:
                break
            if any(element.tag in MULTI for element in elements):
                break
            self.count = max(self.count, min(elements[-1].start + 512, HEADS[1]))
            return self._learned(entry, data, size, elements, syntax)
        return read_slowly(entry)

    def _learned(self, entry: Entry, data: bytes, size: int, elements: list[Element], syntax: str) -> Header:
        layout = [(element.tag, element.vr) for element in elements]
        known = next((t for t in self.templates if t.layout == layout and t.syntax == syntax), None)
        if known is not None:
            known.learn(data, elements)
        else:
            self.templates = [Template(data, elements, syntax), *self.templates[:7]]
        raw: dict[int, bytes] = {}
        for tag, vr, _, begin, length in elements:
            if tag in tags.WANTED or tag in tags.SEQUENCES:
                put(raw, tag, vr, data[begin : begin + length])
        last = elements[-1]
        return Header(entry, raw, syntax, size, last.start, last.length, last.tag, last.vr.decode() or "OW")


def direct(frame: Frame) -> bool:
    """True when the pixels of a frame may be read straight into a 16-bit slot."""
    return enabled and sys.byteorder == "little" and _direct(frame.header)


@once(tags.BITS_ALLOCATED)
def _direct(header: Header) -> bool:
    plain = header.syntax in PLAIN or header.inflated is not None
    return plain and tags.unsigned(header.raw.get(tags.BITS_ALLOCATED)) == 16


def read_direct(frame: Frame, slot: np.ndarray) -> None:
    """The raw 16-bit words of one frame into `slot` (int16, C order); raises Broken when the file ends before."""
    header, needed = frame.header, slot.nbytes
    offset = frame.index * needed
    if header.inflated is None and type(header.entry) is FileEntry:
        got = header.entry.read_into(slot, header.pixel_offset + offset)
    else:
        data = header.pixel_bytes(offset, needed)
        got = len(data)
        if got == needed:
            memoryview(slot).cast("B")[:] = data
    if got != needed:
        raise Broken(f"truncated: {got} bytes of pixel data where {needed} are needed")


def tidy(words: np.ndarray, low: int, high: int) -> tuple[np.ndarray, list[int]]:
    """The stored values of some slices: (view of the right sign, slices with bits to clean).

    words: (slices, rows, columns) raw words. low, high: the ends of `stored_range`. Bits above BitsStored are removed
    in place and the sign bit is spread, as pydicom does.
    """
    kind = "i" if low else "u"
    values = words if words.dtype.kind == kind else words.view(words.dtype.str.replace(words.dtype.kind, kind))
    bits = 8 * values.itemsize
    if high - low == (1 << bits) - 1 or _within(values, low, high):
        return values, []
    unclean = [k for k, one in enumerate(values) if not _within(one, low, high)]
    unused = bits - (high - low).bit_length()
    np.left_shift(values, unused, out=values)
    np.right_shift(values, unused, out=values)
    return values, unclean


def _within(values: np.ndarray, low: int, high: int) -> bool:
    return values.max() <= high and (not low or values.min() >= low)
