"""The elements that matter for a volume, and how their values are written (PS3.5 section 6.2, PS3.6)."""

from __future__ import annotations

import math
import re
import struct
import unicodedata
from functools import lru_cache

from pydicom.charset import TEXT_VR_DELIMS, convert_encodings, decode_bytes

from helpers.dicom.sources import Broken

MEDIA_CLASS = 0x00020002
TRANSFER_SYNTAX = 0x00020010
CHARACTER_SET = 0x00080005
IMAGE_TYPE = 0x00080008
SOP_CLASS = 0x00080016
SOP_INSTANCE = 0x00080018
STUDY_DATE = 0x00080020
ACQUISITION_TIME = 0x00080032
CONTENT_TIME = 0x00080033
ACQUISITION_DATETIME = 0x0008002A
ACCESSION_NUMBER = 0x00080050
MODALITY = 0x00080060
MANUFACTURER = 0x00080070
SERIES_DESCRIPTION = 0x0008103E
MODEL = 0x00081090
PATIENT_NAME = 0x00100010
PATIENT_ID = 0x00100020
BIRTH_DATE = 0x00100030
OTHER_IDS = 0x00101000
OTHER_NAMES = 0x00101001
BIRTH_NAME = 0x00101005
BODY_PART = 0x00180015
SLICE_THICKNESS = 0x00180050
CONTRAST_AGENT = 0x00180010
KVP = 0x00180060
ECHO_TIME = 0x00180081
ECHO_NUMBER = 0x00180086
SPACING_BETWEEN = 0x00180088
TRIGGER_TIME = 0x00181060
KERNEL = 0x00181210
PATIENT_POSITION = 0x00185100
B_VALUE = 0x00189087
PRIVATE_CREATOR = 0x00190010
MOSAIC_COUNT = 0x0019100A
STUDY_UID = 0x0020000D
SERIES_UID = 0x0020000E
SERIES_NUMBER = 0x00200011
ACQUISITION_NUMBER = 0x00200012
INSTANCE_NUMBER = 0x00200013
POSITION = 0x00200032
ORIENTATION = 0x00200037
FRAME_OF_REFERENCE = 0x00200052
STACK = 0x00209056
TEMPORAL_POSITION = 0x00200100
IMAGES_IN_ACQUISITION = 0x00201002
CARDIAC_PHASE = 0x00209241
SAMPLES = 0x00280002
PHOTOMETRIC = 0x00280004
PLANAR = 0x00280006
FRAMES = 0x00280008
ROWS = 0x00280010
COLUMNS = 0x00280011
PIXEL_SPACING = 0x00280030
BITS_ALLOCATED = 0x00280100
BITS_STORED = 0x00280101
HIGH_BIT = 0x00280102
SIGNED = 0x00280103
PADDING = 0x00280120
PADDING_LIMIT = 0x00280121
BURNED_IN = 0x00280301
WINDOW_CENTRE = 0x00281050
WINDOW_WIDTH = 0x00281051
INTERCEPT = 0x00281052
SLOPE = 0x00281053
RESCALE_TYPE = 0x00281054
LOSSY = 0x00282110
LOSSY_RATIO = 0x00282112
LOSSY_METHOD = 0x00282114
MODALITY_LUT = 0x00283000
SHARED_GROUPS = 0x52009229
FRAME_GROUPS = 0x52009230
FLOAT_PIXELS = 0x7FE00008
DOUBLE_PIXELS = 0x7FE00009
PIXELS = 0x7FE00010

# Not an element: the value representation that PixelPaddingValue was written with (US and SS mean different numbers).
PADDING_VR = -1

NUMBERS = frozenset(
    {
        SAMPLES,
        PLANAR,
        ROWS,
        COLUMNS,
        BITS_ALLOCATED,
        BITS_STORED,
        HIGH_BIT,
        SIGNED,
        PADDING,
        PADDING_LIMIT,
        MOSAIC_COUNT,
    }
)
WANTED = NUMBERS | frozenset(
    {
        MEDIA_CLASS, TRANSFER_SYNTAX, CHARACTER_SET, IMAGE_TYPE, SOP_CLASS, SOP_INSTANCE, ACQUISITION_TIME,
        CONTENT_TIME, ACQUISITION_DATETIME, MODALITY, MANUFACTURER, SERIES_DESCRIPTION, MODEL, BODY_PART,
        PATIENT_NAME, OTHER_NAMES, BIRTH_NAME, PATIENT_ID, OTHER_IDS, ACCESSION_NUMBER, BIRTH_DATE, STUDY_DATE,
        PRIVATE_CREATOR,
        CONTRAST_AGENT, SLICE_THICKNESS, KVP, ECHO_TIME, ECHO_NUMBER, SPACING_BETWEEN, TRIGGER_TIME, KERNEL,
        PATIENT_POSITION, B_VALUE,
        STUDY_UID, SERIES_UID, SERIES_NUMBER, ACQUISITION_NUMBER, INSTANCE_NUMBER, POSITION, ORIENTATION,
        FRAME_OF_REFERENCE, TEMPORAL_POSITION, IMAGES_IN_ACQUISITION, CARDIAC_PHASE, PHOTOMETRIC, FRAMES,
        PIXEL_SPACING, BURNED_IN, WINDOW_CENTRE, WINDOW_WIDTH, INTERCEPT, SLOPE, RESCALE_TYPE, LOSSY,
        LOSSY_RATIO, LOSSY_METHOD,
    }
)  # fmt: skip
# What must not stand in a text: the patient's names, numbers and days.
NAMES = (PATIENT_NAME, OTHER_NAMES, BIRTH_NAME)
PATIENT_NUMBERS = (PATIENT_ID, OTHER_IDS, ACCESSION_NUMBER)
DAYS = (BIRTH_DATE, STUDY_DATE)
SEQUENCES = frozenset({MODALITY_LUT, SHARED_GROUPS, FRAME_GROUPS})

# A day, or a month of a year, as people write them; one pattern a line, {parts} from the table below.
DATES = (
    r"{Y}({s}?){MM}\1{DD}([T_ ]?\d{{4}}(\d\d)?)?",  # 20190312, 2019-03-12, with a time perhaps
    r"{Y}{s}{M}{s}{D}",  # 2019/3/12
    r"{Y}{s}*{MON}({s}*{D})?",  # 2019-Mar-12
    r"{D}({s}){D}\1{Y}",  # 12.3.2019, 3/12/2019
    r"{D}([-./]){D}\1\d\d",  # 12.03.19, 3/12/19
    r"{Y}[^\d\s]{{1,3}}\s?{M}[^\d\s]{{1,3}}\s?{D}",  # 2019年3月12日
    r"({MM}{DD}|{DD}{MM}){Y}",  # 12032019
    r"{D}(st|nd|rd|th)?{s}*{MON}{s}*({Y}|\d\d)",  # 12 Mar 2019, 12-MAR-19
    r"{MON}[-./_, ]*({D}(st|nd|rd|th)?[-./_, ]+)?{Y}",  # March 12th, 2019
    r"{Y}[-./_]?{MM}|{M}[-./_]{Y}",  # 2019-03, 3/2019
    r"({D}(\.|o|º)?{s}*)?(de{s}+)?{MOIS}[-./_, ]*(de{s}+)?{Y}",  # 12 luglio 2019, 12 de marzo de 2019
    r"\d{{1,2}}\s?年\s?{M}\s?月(\s?{D}\s?日)?",  # 31年3月12日, of an emperor's era
)
PARTS = {
    "s": "[-./_ ]",
    "Y": r"(?:19|20)\d\d",
    "M": "(?:0?[1-9]|1[0-2])",
    "MM": "(?:0[1-9]|1[0-2])",
    "D": r"(?:0?[1-9]|[12]\d|3[01])",
    "DD": r"(?:0[1-9]|[12]\d|3[01])",
    "MON": r"(?:jan|feb|fév|mar|mär|apr|avr|may|mai|jun|juin|jul|juil|aug|aoû|sep|oct|okt|nov|dec|dez|déc)[^\W\d_]*",
    # The same in Italian, Spanish, Portuguese, Dutch, Polish, Turkish and Russian.
    "MOIS": r"(?<![^\W\d_])(?:genn|ene|abr|mag|giu|lug|ago|set|ott|out|dic|dez|fev|feb|mrt|mar|mei|sty|lut|kwi|maj|"
    r"cze|lip|sie|wrz|paź|lis|gru|oca|şub|nis|haz|tem|ağu|eyl|eki|kas|ara|янв|фев|мар|апр|ма[йя]|июн|июл|авг|сен|окт|"
    r"ноя|дек)[^\W\d_]*",
}
DATE = [re.compile(rf"(?<!\d)(?:{pattern.format(**PARTS)})(?!\d)", re.IGNORECASE) for pattern in DATES]
# Several values of a code string, or a generous description; longer ones are damage.
LONGEST_TEXT = 256
BINARY_FORMATS = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d"}


@lru_cache(maxsize=8192)
def text(value: bytes | None) -> str:
    """The characters of an element without the padding of PS3.5; empty when it is absent or no text.

    A damaged length makes a value swallow the elements behind it, a patient's name among them. Their tags hold control
    characters, which no text may: such a value is not shown.
    """
    found = "" if value is None else value.decode("latin-1").strip(" \0")
    return found if found.isprintable() and len(found) <= LONGEST_TEXT else ""


def numbers(value: bytes | None) -> tuple[float, ...]:
    """The finite numbers of a DS or IS element; empty when the element is absent, blank or holds anything else."""
    if not value:
        return ()
    try:
        found = tuple(map(float, value.strip(b" \0").split(b"\\")))
    except ValueError:
        return ()
    return found if math.isfinite(sum(found)) and b"_" not in value else ()


def stated(value: bytes | None, name: str) -> tuple[float, ...]:
    """`numbers` of an element that decides about geometry or scale: Broken when it is there but cannot be read."""
    found = numbers(value)
    if not found and value and value.strip(b" \0"):
        raise Broken(f"{name} is there, but holds no numbers as the standard writes them")
    return found


def number(value: bytes | None) -> float | None:
    """The first number of a DS or IS element, or None."""
    found = numbers(value)
    return found[0] if found else None


def unsigned(value: bytes | None) -> int | None:
    """A US element (two bytes, little endian), or None."""
    return value[0] | value[1] << 8 if value is not None and len(value) >= 2 else None


def normal_form(tag: int, vr: str, value: bytes, big_endian: bool = False) -> bytes:
    """The bytes of an element as this package keeps them: texts for DS, IS, CS..., two little-endian bytes for US.

    vr is the value representation that stands in the file; some writers use another than the standard's.
    """
    code = BINARY_FORMATS.get(vr)
    if code is not None:
        size = struct.calcsize(code)
        if len(value) % size:
            raise Broken(f"damaged: an element of type {vr} has {len(value)} bytes, where each value has {size}")
        values = struct.unpack(f"{'>' if big_endian else '<'}{len(value) // size}{code}", value)
        if tag in NUMBERS:
            return b"".join((int(v) & 0xFFFF).to_bytes(2, "little") for v in values)
        return "\\".join(repr(v) for v in values).encode()
    if tag in NUMBERS and vr in ("DS", "IS"):
        return b"".join((int(v) & 0xFFFF).to_bytes(2, "little") for v in numbers(value))
    if tag in NUMBERS and big_endian:
        return value[1::-1] if len(value) >= 2 else value
    return value


def decoded(value: bytes | None, character_set: bytes | None) -> str:
    """A free text in the character set the file names (PS3.5 section 6.1); odd bytes become question marks."""
    names = text(character_set).split("\\")
    try:
        encodings = convert_encodings([name.strip() for name in names])
        found = decode_bytes(value or b"", encodings, TEXT_VR_DELIMS).strip(" \0")
        return found if found.isprintable() and len(found) <= LONGEST_TEXT else ""
    except Exception:
        return text(value).encode("ascii", "replace").decode()


def without_identity(shown: str, name: str, number: str) -> str:
    """A free text without the patient's name and number, and without dates, which some people write into it too.

    name, number: several are parted by ``=`` or backslashes. All parts of a name go where its family name stands; a
    given name alone may be a word of its own.
    """
    shown = _plain_signs(shown)
    for pattern in DATE:
        shown = pattern.sub("...", shown)
    words = list(_numbers_in(number))
    for parts, telling in _spellings(name):
        words += parts if any(word.search(shown) for word in telling) else ()
    for word in words:
        shown = word.sub("...", shown)
    return shown


Words = list[re.Pattern[str]]


@lru_cache(maxsize=32)  # one patient has many texts
def _spellings(name: str) -> list[tuple[Words, Words]]:
    """`_parts_of` every name, in letters, in characters, as it is spoken (PS3.5 section 6.2), in every spelling."""
    found = []
    for group in dict.fromkeys(re.split(r"[=\\]", _plain_signs(name))):
        spelled = dict.fromkeys((group, *map(group.translate, SPELLINGS), _without_accents(group)))
        found += [_parts_of(one) for one in spelled]
    return found


@lru_cache(maxsize=32)
def _numbers_in(number: str) -> Words:
    """A patient's number in any punctuation, and the longer rows of digits in it."""
    words = []
    for one in dict.fromkeys(number.split("\\")):
        tokens = re.findall(r"[^\W_]+", one)
        if len("".join(tokens)) > 3:
            words.append(_word(r"[\W_]*".join(map(re.escape, tokens)), tokens[0], tokens[-1]))
    return words + [_word(token, token, token) for token in dict.fromkeys(re.findall(r"\d{4,}", number))]


def short_days(value: bytes | None) -> str:
    """A date as people write it in six digits, in the three orders, parted by backslashes."""
    day = text(value).replace(".", "").replace("-", "")
    if len(day) != 8 or not day.isdecimal():
        return ""
    y, m, d = day[2:4], day[4:6], day[6:]
    return f"{y}{m}{d}\\{d}{m}{y}\\{m}{d}{y}"


def _plain_signs(shown: str) -> str:
    """Composed letters; digits and letters of full width, and the digits of other scripts, as in ASCII."""
    shown = unicodedata.normalize("NFC", shown)
    if shown.isascii():
        return shown
    signs = (str(unicodedata.decimal(sign)) if sign.isdecimal() else sign for sign in shown)
    return "".join(chr(ord(sign) - 0xFEE0) if "！" <= sign <= "～" else sign for sign in signs)


def _parts_of(name: str) -> tuple[Words, Words]:
    """The parts of a name that have to go from a text, longer ones first; and those of which one must be there."""
    wholes = [tokens for part in re.split(r"[\^,]+", name) if (tokens := re.findall(r"[^\W_]+", part))]
    parts = [part for tokens in wholes for part in tokens if len(part) > 1 + part.isascii()]
    if not parts:
        return [], []
    everything = [[token for tokens in order for token in tokens] for order in (wholes, wholes[::-1])]
    joined = [_in_a_row(tokens) for tokens in (*everything, *wholes) if len(tokens) > 1 and len("".join(tokens)) > 3]
    family = [part for part in wholes[0] if part in parts and len(part) > 3 * part.isascii()] or parts[:1]
    words, telling = ([*joined, *(_word(re.escape(part), part, part) for part in some)] for some in (parts, family))
    return words, telling  # Berg tells, not van or der


def _in_a_row(tokens: list[str]) -> re.Pattern[str]:
    """Words with whatever punctuation, blanks or nothing between them."""
    return _word(r"[\W_]*".join(map(re.escape, tokens)), tokens[0], tokens[-1])


def _both_cases(table: dict[str, str]) -> dict[int, str]:
    return str.maketrans(table | {sign.upper(): plain.capitalize() for sign, plain in table.items() if sign != "ß"})


# How letters are written where the keyboard lacks them: two ways of some.
SPELLINGS = (
    _both_cases({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "ø": "oe", "å": "aa", "æ": "ae", "œ": "oe"}),
    _both_cases({"ß": "s", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th"}),
)


def _without_accents(text: str) -> str:
    plain = text.translate(SPELLINGS[1])
    return "".join(sign for sign in unicodedata.normalize("NFD", plain) if not unicodedata.combining(sign))


def _word(pattern: str, first: str, last: str) -> re.Pattern[str]:
    """A word by itself: no letter beside a letter, no digit beside a digit. Characters are written without blanks."""
    before, after = (r"\d" if sign.isdigit() else r"[^\W\d_]" for sign in (first[0], last[-1]))
    latin = all("LATIN" in unicodedata.name(sign, "") or sign.isdigit() for sign in (first[0], last[-1]))
    ending = "" if last[-1].isdigit() else "s?"  # of the genitive
    return re.compile(rf"(?<!{before}){pattern}{ending}(?!{after})" if latin else pattern, re.IGNORECASE)
