"""A data set without its patient: the Basic Application Level Confidentiality Profile of PS3.15 annex E.

The profile's table names several hundred elements to remove, and new ones come with every edition. So this goes the
other way round: only what is technical stays (pixels, geometry, acquisition numbers and codes); everything else goes.
Pixels are not looked at: a name burned into the picture stays there, and a warning says when that is to be feared.

Why not a library: each of the 620 tags of table E.1-1 was marked in a CT header, alone, and again inside an item of the
functional groups. Of dicom-anonymizer 2.1.0 (BSD) none stayed at the top, but 616 of 619 inside the item, and the file
meta; of deid 0.4.13 with its own recipe (MIT) 323 stayed in either place, of dicognito 0.19.0 (MIT) 395 and 396, and
private elements. Here none stays.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import warnings
from collections.abc import Callable, Iterable, MutableSequence
from datetime import datetime, timedelta
from typing import NamedTuple

from pydicom import DataElement, Dataset
from pydicom.datadict import dictionary_has_tag, dictionary_keyword, dictionary_VR
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.tag import BaseTag
from pydicom.uid import UID

from helpers.dicom import tags
from helpers.dicom.header import quiet
from helpers.dicom.tags import without_identity

SESSION_KEY = secrets.token_bytes(32)

PLAIN_NUMBERS = frozenset(["DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV"])
# What stays in a technical group: numbers, codes, and sequences of them.
TECHNICAL_VRS = PLAIN_NUMBERS | {"AT", "CS", "OB", "OD", "OF", "OL", "OV", "OW", "SQ"}
# Groups in which numbers and codes are technical: acquisition, image position, image presentation, functional groups.
TECHNICAL_GROUPS = frozenset({0x0018, 0x0020, 0x0028, 0x5200})
KEPT = frozenset(
    [
        "SpecificCharacterSet",
        "ImageType",
        "SOPClassUID",
        "Modality",
        "Manufacturer",
        "ManufacturerModelName",
        "PixelData",
        "ConvolutionKernel",
        "FilterType",
        "FrameType",
        "PixelPresentation",
        "VolumetricProperties",
        "VolumeBasedCalculationTechnique",
        "ComplexImageComponent",
        "AcquisitionContrast",
        "RescaleType",
        "ContentQualification",
        "StackID",
        "SharedFunctionalGroupsSequence",
        "PerFrameFunctionalGroupsSequence",
        "ExtendedOffsetTable",
        "ExtendedOffsetTableLengths",
        "FloatPixelData",
        "DoubleFloatPixelData",
        "CTImageFrameTypeSequence",
        "MRImageFrameTypeSequence",
        "PixelPaddingValue",
        "BodyPartExamined",
        "KVP",
        "PresentationLUTShape",
    ]
)
# Numbers and codes of the technical groups that the profile removes all the same.
REMOVED = frozenset(
    [
        "ModifyingDeviceID",
        "PatientBodyMassIndex",
        "AcquisitionDeviceProcessingDescription",
        "DateOfSecondaryCapture",
        "TimeOfSecondaryCapture",
        "ContrastBolusStartTime",
        "ContrastBolusStopTime",
        "PregnancyStatus",
        "InstanceCreatorUID",
        "ItemInInventory",
        "OtherStudyNumbers",
        "ImageComments",
        "FrameComments",
        "IssuerDate",
    ]
)
DATES, TIMES = frozenset({"DA", "DT"}), frozenset({"TM"})
# Anything else in an element of these kinds is a text (PS3.5 section 6.2); of a date the day has to be there.
DAY, TIME = re.compile(r"\d{8} *"), re.compile(r"\d\d(\d\d(\d\d(\.\d{1,6})?)?)? *")
DATE_TIME = re.compile(r"\d{8}(\d\d(\d\d(\d\d(\.\d{1,6})?)?)?)?([+-]\d{4})? *")
# The defined terms of SpecificCharacterSet (PS3.3 C.12.1.1.2); the year 2022 in a patient's number is no part of them.
CHARACTER_SET = re.compile(r"(ISO_IR \d{1,3}|ISO 2022 IR \d{1,3}|GB18030|GBK|) *")
# Texts that stay: of scanner and protocol, but people write names into them.
TEXTS = frozenset({"CS", "LO", "LT", "SH", "ST", "UC", "UT"})
# Elements an image must have even when it knows nothing (type 2 of PS3.3 C.7.1.1 and C.7.2.1).
EMPTY = (
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
)


class BurnedInWarning(UserWarning):
    """The picture itself may show the patient's identity."""


def deidentify(dataset: Dataset, *, shift_days: int | None = None, key: bytes | None = None) -> Dataset:
    """A copy without patient identity; the given data set stays as it is.

    shift_days: None removes dates and times; a number moves all dates by as many days (times stay), so that intervals
    keep their meaning (Retain Longitudinal Temporal Information With Modified Dates). Use one secret number a patient.
    key: UIDs and the patient's number are replaced by ones computed from it; the same key keeps files of a series
    together, and without it they cannot be traced back. Default: a key that lasts as long as this Python process.

    Warns (BurnedInWarning) when the header says that the picture shows annotations, or does not deny it where that is
    usual (secondary captures, ultrasound).
    """
    key = SESSION_KEY if key is None else key
    with quiet():  # pydicom's warnings quote values
        doubtful = _may_show_identity(dataset)
        names, numbers = ("\\".join(_texts(dataset, words)) for words in (tags.NAMES, tags.PATIENT_NUMBERS))
        days = [tags.short_days(text.encode("latin-1", "replace")) for text in _texts(dataset, tags.DAYS)]
        clean = _clean(dataset, Rules(shift_days, key, names, "\\".join([numbers, *days])))
        number = hmac.new(key, str(dataset.get("PatientID", "")).encode(), hashlib.sha256).hexdigest()[:12]
    if doubtful:
        text = "The picture itself may show names or numbers (BurnedInAnnotation); look at it before you pass it on."
        warnings.warn(text, BurnedInWarning, stacklevel=2)
    clean.PatientID = clean.PatientName = f"ANON-{number}"
    for keyword in EMPTY:
        if keyword not in clean:
            setattr(clean, keyword, "")
    clean.PatientIdentityRemoved = "YES"
    clean.DeidentificationMethod = "PS3.15 Basic Profile, keeping technical elements only"
    clean.DeidentificationMethodCodeSequence = [_code("113100", "Basic Application Confidentiality Profile")]
    clean.LongitudinalTemporalInformationModified = "REMOVED" if shift_days is None else "MODIFIED"
    if shift_days is not None:
        modified = "Retain Longitudinal Temporal Information Modified Dates Option"
        clean.DeidentificationMethodCodeSequence.append(_code("113107", modified))
    return _as_file(dataset, clean)


def new_uid(uid: str, key: bytes) -> UID:
    """A UID that stands for `uid`: the same for the same key, and not to be turned back (PS3.5 annex B.2 form)."""
    digest = hmac.new(key, str(uid).encode(), hashlib.sha256).digest()
    return UID(f"2.25.{int.from_bytes(digest[:16], 'big')}")


def _may_show_identity(dataset: Dataset) -> bool:
    """Whether the header admits burned-in annotations, or does not deny them where they are usual."""
    said = str(dataset.get("BurnedInAnnotation", "")).upper()
    screen = str(dataset.get("SOPClassUID", "")).startswith(("1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.5.1.4.1.1.6"))
    screen = screen or "SECONDARY" in str(dataset.get("ImageType", "")).upper() or "ConversionType" in dataset
    return said == "YES" or (screen and said != "NO")


def _texts(dataset: Dataset, words: Iterable[int]) -> list[str]:
    """The values of some elements, several values parted by backslashes."""
    values = (_read(dataset, BaseTag(tag)).value or "" for tag in words if tag in dataset)
    return ["\\".join(map(str, value)) if isinstance(value, MutableSequence) else str(value) for value in values]


class Rules(NamedTuple):
    """How to treat what stays, and what must not stand in it."""

    shift_days: int | None
    key: bytes
    name: str
    number: str


def _clean(dataset: Dataset, rules: Rules) -> Dataset:
    """The technical elements of one data set or sequence item; the others are not even read."""
    clean = Dataset()
    for tag in sorted(dataset.keys()):
        vr = _kept_as(tag, dated=rules.shift_days is not None)
        element = _read(dataset, tag) if vr else None
        # A text that calls itself a number or a code, whatever the dictionary says, is no technical element.
        if element is not None and (element.VR in vr.split(" or ") or {element.VR, vr} <= PLAIN_NUMBERS):
            clean.add(_treated(element, rules))
    return clean


def _kept_as(tag: BaseTag, dated: bool) -> str:
    """The VR in the dictionary of an element that stays, or stays in part; empty for one that goes."""
    if not dictionary_has_tag(tag):  # private, or of a newer edition
        return ""
    vr, keyword = dictionary_VR(tag), dictionary_keyword(tag)
    if not keyword or keyword in REMOVED:
        return ""
    if vr in DATES | TIMES:
        # Dates and times of the patient's life (group 0010) and of procedures go even when others are moved.
        return vr if dated and tag.group in (0x0008, 0x0018, 0x0020) else ""
    technical = tag.group in TECHNICAL_GROUPS and TECHNICAL_VRS.issuperset(vr.split(" or "))
    return vr if technical or vr == "UI" or keyword in KEPT else ""


def _read(dataset: Dataset, tag: BaseTag) -> DataElement:
    """A copy of one element, so that pydicom reads its value now. Raises ValueError without quoting it."""
    try:
        element = dataset[tag]
        return element if element.VR == "SQ" else DataElement(tag, element.VR, element.value)
    except Exception:  # its words quote the value
        raise ValueError(f"{dictionary_keyword(tag)} {tag} cannot be read: the data set is damaged") from None


def _treated(element: DataElement, rules: Rules) -> DataElement:
    """What remains of an element that stays."""
    tag, vr, value = element.tag, element.VR, element.value
    if vr == "UI":
        return _treated_uid(element, rules.key)
    if vr == "SQ":
        return DataElement(tag, vr, [_clean(item, rules) for item in value])
    if vr in DATES:
        return DataElement(tag, vr, _each(value, lambda text: _shifted(text, rules.shift_days, vr)))
    if vr in TIMES:
        return DataElement(tag, vr, _each(value, lambda text: text if TIME.fullmatch(text) else ""))
    if tag == tags.CHARACTER_SET:
        return DataElement(tag, vr, _each(value, lambda text: text if CHARACTER_SET.fullmatch(text) else ""))
    if vr in TEXTS:
        return DataElement(tag, vr, _each(value, lambda text: without_identity(text, rules.name, rules.number)))
    return element


def _each(value: object, change: Callable[[str], str]) -> str | list[str]:
    """The texts of an element, of which there may be several, changed one by one."""
    if value is not None and not isinstance(value, str) and hasattr(value, "__iter__"):
        return [change(str(part)) for part in value]
    return change(str(value or ""))


def _treated_uid(element: DataElement, key: bytes) -> DataElement:
    """UIDs that the standard defines stay (classes, syntaxes); those of objects are replaced."""
    values = [element.value] if isinstance(element.value, str) else list(element.value or [])
    known = [value if UID(value).name != value else new_uid(value, key) for value in values if value]
    return DataElement(element.tag, "UI", known[0] if len(known) == 1 else known or "")


def _shifted(text: str, days: int, vr: str) -> str:
    """A date, or a date with time, moved by some days; empty where it cannot be read."""
    if not (DATE_TIME if vr == "DT" else DAY).fullmatch(text):
        return ""
    try:
        moved = datetime.strptime(text[:8], "%Y%m%d") + timedelta(days=days)
    except (ValueError, OverflowError):
        return ""
    return moved.strftime("%Y%m%d") + (text[8:] if vr == "DT" else "")


def _code(value: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, "DCM", meaning
    return code


def _as_file(original: Dataset, clean: Dataset) -> Dataset:
    """The copy with a file meta of its own (no source titles, an empty preamble), if the original was a file."""
    meta = getattr(original, "file_meta", None)
    if meta is None:
        return clean
    new = FileMetaDataset()
    if "TransferSyntaxUID" in meta:
        new.TransferSyntaxUID = meta.TransferSyntaxUID
    for keyword in ("SOPClassUID", "SOPInstanceUID"):
        if keyword in clean:
            setattr(new, f"MediaStorage{keyword}", clean[keyword].value)
    implicit, little = original.original_encoding if isinstance(original, FileDataset) else (None, None)
    copy = FileDataset(None, clean, preamble=b"\0" * 128, file_meta=new)
    copy.set_original_encoding(implicit, little, clean.get("SpecificCharacterSet"))
    if "PixelData" in copy and "PixelData" in original:
        copy["PixelData"].is_undefined_length = original["PixelData"].is_undefined_length
    return copy
