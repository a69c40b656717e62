"""One file -> the few elements a volume needs, as raw bytes, and where its pixels lie. No pixel is read here."""

from __future__ import annotations

import contextlib
import logging
import threading
import warnings
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import wraps
from io import BytesIO
from typing import Any

import pydicom
from pydicom.filereader import data_element_generator
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from helpers.dicom import tags
from helpers.dicom.sources import Broken, Entry, most_unpacked
from helpers.dicom.walk import LONG, PIXEL_TAGS, UNDEFINED, Puzzling, file_meta, find_start, true_syntax, twice

NATIVE = (
    str(ImplicitVRLittleEndian),
    str(ExplicitVRLittleEndian),
    str(ExplicitVRBigEndian),
    str(DeflatedExplicitVRLittleEndian),
)
# A header longer than this is not read; the longest real ones (many private blocks) have a few megabytes.
MAX_HEADER = 64 << 20
MOST_PATIENTS = 50  # of one series, whose names are looked for in texts
ITEM, MOST_ITEMS = b"\xfe\xff\x00\xe0", 200_000


class Shared:
    """What many headers have in common: every element but the `changing` ones is byte for byte the same in them."""

    __slots__ = ("changing", "memo")

    def __init__(self, changing: frozenset[int] = frozenset()):
        self.changing = changing
        self.memo: dict[Callable, Any] = {}

    def __reduce__(self):
        return Shared, (self.changing,)


def once(*needed: int) -> Callable:
    """For functions of a header that look only at the elements `needed`: called once for all headers alike in them."""
    elements = frozenset(needed)

    def decorate(function: Callable) -> Callable:
        @wraps(function)
        def remembered(header: Header) -> Any:
            shared = header.shared
            if shared is None:
                return function(header)
            if function in shared.memo:
                return shared.memo[function]
            value = function(header)
            if elements.isdisjoint(shared.changing):
                shared.memo[function] = value
            return value

        return remembered

    return decorate


@dataclass(slots=True)
class Header:
    """What one file says about itself.

    raw: element -> value bytes in the normal form of `tags.normal_form`; absent elements are absent.
    pixel_offset, pixel_length: where the value of PixelData starts in the content and how many bytes it claims.
    dataset: the parsed header, kept for multi-frame files only (their geometry lies in nested sequences).
    """

    entry: Entry
    raw: dict[int, bytes] = field(repr=False)
    syntax: str
    size: int
    pixel_offset: int | None = None
    pixel_length: int = 0
    pixel_tag: int = 0
    pixel_vr: str = "OW"
    dataset: pydicom.Dataset | None = None
    inflated: bytes | None = field(default=None, repr=False)
    shared: Shared | None = field(default=None, repr=False)
    spans: list | None = field(default=None, repr=False)  # where compressed frames lie, once that was looked for
    excess: int = 0  # zero bytes behind the pixels that are more than the usual padding to an even number
    behind: bool = False  # bytes behind the pixel element that are no data elements
    contested: tuple[str, ...] = ()  # elements that a multi-frame file gives several times, with different values

    @property
    def name(self) -> str:
        return self.entry.name

    def decoded(self, tag: int) -> str:
        """A text in the character set of the file."""
        return tags.decoded(self.raw.get(tag), self.raw.get(tags.CHARACTER_SET))

    def free_text(self, tag: int, identity: tuple[str, str]) -> str:
        """A text that people type in, without the patient's names and numbers, which `identity_of` gives."""
        with quiet():  # pydicom quotes what it takes for the name of a character set
            return tags.without_identity(self.decoded(tag), *identity)

    def pixel_bytes(self, offset: int = 0, count: int | None = None) -> bytes:
        """Bytes of the pixel element from `offset` within it; all of them by default, never more than the file has."""
        start = (self.pixel_offset or 0) + offset
        left = max(self.size - start, 0)
        if self.pixel_length != UNDEFINED:
            left = max(min(left, self.pixel_length - offset), 0)
        count = left if count is None else min(count, left)
        if self.inflated is not None:
            return self.inflated[start : start + count]
        return self.entry.read(start, count)


def identity_of(headers: Iterable[Header]) -> tuple[str, str]:
    """Names, and numbers and days, that any of the headers gives the patient: some may be anonymous, others not."""
    with quiet():
        people = list(dict.fromkeys(map(_identity, headers)))[:MOST_PATIENTS]
    return "=".join(names for names, _ in people), "\\".join(numbers for _, numbers in people)


@once(tags.CHARACTER_SET, *tags.NAMES, *tags.PATIENT_NUMBERS, *tags.DAYS)
def _identity(header: Header) -> tuple[str, str]:
    numbers = [header.decoded(tag) for tag in tags.PATIENT_NUMBERS]
    numbers += [tags.short_days(header.raw.get(tag)) for tag in tags.DAYS]
    return "=".join(map(header.decoded, tags.NAMES)), "\\".join(numbers)


class _Quiet(logging.Handler):
    """pydicom's warnings and log quote values, a patient's name among them: nothing of that is shown meanwhile.

    Both belong to the whole process, so the first thread in changes them and the last one out restores them. Entering
    gives the list into which the messages of this thread go from then on.
    """

    def __init__(self) -> None:
        super().__init__()
        self.guard, self.inside, self.heard = threading.Lock(), 0, threading.local()

    def __enter__(self) -> list[str]:
        with self.guard:
            self.inside += 1
            if self.inside == 1:
                self.caught = warnings.catch_warnings()
                self.caught.__enter__()
                warnings.simplefilter("ignore")
                self.before = LOGGER.level, LOGGER.propagate, LOGGER.handlers
                LOGGER.setLevel(logging.WARNING)
                LOGGER.propagate, LOGGER.handlers = False, [self]
        self.heard.said = said = []
        return said

    def emit(self, record: logging.LogRecord) -> None:
        """Whoever asked for quiet in this thread may read what pydicom said."""
        getattr(self.heard, "said", []).append(record.getMessage())

    def __exit__(self, *exception: object) -> None:
        with self.guard:
            self.inside -= 1
            if not self.inside:
                self.caught.__exit__(None, None, None)
                level, LOGGER.propagate, LOGGER.handlers = self.before
                LOGGER.setLevel(level)


LOGGER = logging.getLogger("pydicom")
_QUIET = _Quiet()


def quiet() -> _Quiet:
    """A context in which pydicom says nothing, but to the list it gives."""
    return _QUIET


def inflate(data: bytes) -> bytes:
    """A deflated data set (PS3.5 section A.5) unpacked, if that is not more than can be meant."""
    most = most_unpacked(len(data))
    try:
        content = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, most + 1)
    except zlib.error:
        raise Broken("the deflated data set is damaged") from None
    if len(content) > most:
        raise Broken("the deflated data set unpacks to more bytes than can be meant")
    return content


def read_slowly(entry: Entry) -> Header:
    """The header by pydicom: every syntax, every odd file. Raises Unreadable (or Broken) with the reason."""
    content, size = entry.head(MAX_HEADER)
    start = find_start(content)
    try:
        syntax, meta, body = file_meta(content, start)
    except Puzzling:
        raise Broken("damaged: the file meta information cannot be read") from None
    media = {e.tag: content[e.start : e.start + e.length] for e in meta if e.tag in tags.WANTED}
    syntax = true_syntax(syntax, content, body)
    header = Header(entry, media, syntax, size)
    if syntax == DeflatedExplicitVRLittleEndian:
        header.inflated = content = inflate(entry.read(body, size))
        header.size, start = len(content), -1
        body = 0
    if _twice(content, body, syntax):
        raise Broken("an element that matters stands there twice, with different values")
    if content.count(ITEM) > MOST_ITEMS:  # each becomes an object a hundred times its size
        raise Broken("more sequence items than can be meant")
    dataset, position = _parse(content, force=start <= 0)
    _collect(dataset, header.raw)
    header.syntax = syntax or _guess_syntax(dataset)
    _find_pixels(header, content, position)
    if header.raw.keys() & {tags.FRAMES} or dataset.keys() & {tags.FRAME_GROUPS, tags.SHARED_GROUPS}:
        header.dataset = dataset
    return header


def _twice(content: bytes, body: int, syntax: str) -> bool:
    """Whether an element that matters is there twice, with different values: pydicom keeps the last one."""
    if syntax != ExplicitVRBigEndian:
        return twice(content, body, syntax != ImplicitVRLittleEndian)
    values: dict[int, Any] = {}
    with quiet(), contextlib.suppress(Exception):  # what cannot be parsed is told by `_parse`
        elements = data_element_generator(BytesIO(content[body:]), False, False, lambda tag, *_: tag in PIXEL_TAGS)
        for element in elements:
            if element.tag in tags.WANTED and values.setdefault(element.tag, element.value) != element.value:
                return True
    return False


def _parse(content: bytes, force: bool) -> tuple[pydicom.Dataset, int]:
    """The data set before the pixels and the offset at which reading stopped."""
    stream = BytesIO(content)
    try:
        with quiet():
            return pydicom.dcmread(stream, stop_before_pixels=True, force=force), stream.tell()
    except RecursionError:
        raise Broken("damaged: sequences nested without end") from None
    except Exception:
        # Whatever pydicom says here may quote a value.
        raise Broken("damaged: the data elements cannot be told apart") from None


def _guess_syntax(dataset: pydicom.Dataset) -> str:
    implicit, little = dataset.original_encoding
    if not little:
        return str(ExplicitVRBigEndian)
    return str(ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian)


def _collect(dataset: pydicom.Dataset, raw: dict[int, bytes]) -> None:
    big_endian = not dataset.original_encoding[1]
    for tag in dataset.keys() & (tags.WANTED | tags.SEQUENCES):
        try:
            element = dataset.get_item(tag)
            value, vr = element.value, str(element.VR or "UN")
            if tag in tags.SEQUENCES:
                raw[int(tag)] = b""
            elif isinstance(value, bytes):
                raw[int(tag)] = tags.normal_form(tag, vr, value, big_endian)
            elif value is not None:
                raw[int(tag)] = str(value).encode("latin-1", "replace")
        except Broken:
            raise
        except Exception:
            raise Broken("damaged: a data element cannot be read") from None
        if tag == tags.PADDING:
            raw[tags.PADDING_VR] = vr.encode()


def _find_pixels(header: Header, content: bytes, position: int) -> None:
    """Tag, offset and length of the pixel element that stands at `position`, if there is one."""
    implicit = header.syntax == ImplicitVRLittleEndian
    order = "big" if header.syntax == ExplicitVRBigEndian else "little"
    piece = content[position : position + 12]
    if len(piece) < 8:
        return
    tag = int.from_bytes(piece[0:2], order) << 16 | int.from_bytes(piece[2:4], order)
    if tag not in PIXEL_TAGS:
        return
    long_form = not implicit and piece[4:6] in LONG
    if not implicit and not long_form:
        raise Broken("damaged: the pixel element has an impossible value representation")
    header.pixel_tag = tag
    header.pixel_vr = piece[4:6].decode() if long_form else "OW"
    header.pixel_offset = position + (12 if long_form else 8)
    header.pixel_length = int.from_bytes(piece[8:12] if long_form else piece[4:8], order)
