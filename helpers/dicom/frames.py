"""One header -> the frames it holds, each with its place in the patient and its rescale; or why it has none."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

from helpers.dicom import codestream, tags
from helpers.dicom.header import NATIVE, UNDEFINED, Header, once
from helpers.dicom.sources import Broken, FileEntry, Unreadable
from helpers.dicom.walk import elements_only

# What is no slice of a volume, by the beginning of its SOP class UID (PS3.4 annex B, PS3.6 annex A).
OTHER_CLASSES = {
    "1.2.840.10008.1.3.10": "a DICOMDIR: a table of contents, not an image",
    "1.2.840.10008.5.1.4.1.1.7": "a secondary capture: a picture of a screen, not a slice",
    "1.2.840.10008.5.1.4.1.1.88": "a structured report, not an image",
    "1.2.840.10008.5.1.4.1.1.11": "a presentation state, not an image",
    "1.2.840.10008.5.1.4.1.1.104": "an encapsulated document, not an image",
    "1.2.840.10008.5.1.4.1.1.66": "a segmentation, registration or raw data object, not an image series",
    "1.2.840.10008.5.1.4.1.1.481": "a radiotherapy object, not an image series",
    "1.2.840.10008.5.1.4.1.1.9": "a waveform, not an image",
    "1.2.840.10008.5.1.4.1.1.6": "an ultrasound picture, not a slice of a volume",
    "1.2.840.10008.5.1.4.1.1.3": "an ultrasound clip, not a slice of a volume",
}
# CT, MR and PET images, enhanced ones included.
SLICE_CLASSES = ("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.128")
# The defined terms of PS3.3 C.7.3.1.1.1, older ones too; anything else may be a name.
_MODALITIES = (
    "ANN AR AS ASMT AU BDUS BI BMD CD CF CFM CP CR CS CT CTPROTOCOL DD DF DG DM DMS DOC DS DX EC ECG EEG EMG EOG "
    "EPS ES FA FID FS GM HC HD IO IOL IVOCT IVUS KER KO LEN LP LS M3D MA MG MR MS NM OAM OCT OP OPM OPR OPT "
    "OPTBSV OPTENF OPV OSS OT PA PLAN POS PR PT PX REG RESP RF RG RTDOSE RTIMAGE RTINTENT RTPLAN RTRAD RTRECORD "
    "RTSEGANN RTSTRUCT RWV SEG SM SMR SR SRF ST STAIN TEXTUREMAP TG US VA VF XA XAPROTOCOL XC"
)
MODALITIES = frozenset(_MODALITIES.split())
# PS3.3 C.7.6.3.1.2; other words are not repeated.
COLOURS = ("RGB", "PALETTE COLOR", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT", "XYB")
LOCALIZER_WORDS = frozenset({"LOCALIZER", "SCOUT", "TOPOGRAM", "SURVIEW", "SCANOGRAM", "SCANOSCOPE"})
# A compressed picture of nothing can be very small; above this many bytes the file must hold them in earnest.
FREE_BYTES = 4 << 20
MAX_COMPRESSION = 1000


class Geometry(NamedTuple):
    """What slices of a stack share: direction cosines along a row and down a column, (row, column) spacing in mm.

    bent: how far the two directions had to be moved to be perpendicular unit vectors, in mm per mm.
    """

    orientation: tuple[float, ...] | None
    spacing: tuple[float, float] | None
    bent: tuple[float, float] = (0.0, 0.0)


@dataclass(slots=True)
class Frame:
    """One slice: frame number `index` of a file. position: LPS mm of its first pixel; None where the file has none."""

    header: Header
    index: int
    position: tuple[float, float, float] | None
    geometry: Geometry
    slope: float | None
    intercept: float | None
    thickness: float | None = None
    labels: dict[int, str] | None = None  # what tells times and echoes apart, multi-frame only

    @property
    def name(self) -> str:
        return self.header.name if self.header.dataset is None else f"{self.header.name} frame {self.index + 1}"

    def label(self, tag: int) -> str:
        """The text of an element that may tell one volume from another at the same place."""
        return self.labels[tag] if self.labels and tag in self.labels else tags.text(self.header.raw.get(tag))


class Localizer(Unreadable):
    """A scout view: a projection, not a slice."""


class Mosaic(Unreadable):
    """Many slices tiled into one picture."""


def geometry_of(cosines: tuple[float, ...] | None, spacing: tuple[float, float] | None) -> Geometry:
    """From six direction cosines, made exactly perpendicular unit vectors; Broken when that is impossible."""
    if not cosines:
        return Geometry(None, spacing)
    if len(cosines) != 6:
        raise Broken("ImageOrientationPatient has not six numbers")
    tidied = _tidy_orientation(cosines)
    return Geometry(tidied, spacing, (math.dist(cosines[:3], tidied[:3]), math.dist(cosines[3:], tidied[3:])))


def _tidy_orientation(cosines: tuple[float, ...]) -> tuple[float, ...]:
    row, column = cosines[:3], cosines[3:]
    lengths = math.sqrt(sum(c * c for c in row)), math.sqrt(sum(c * c for c in column))
    if max(abs(length - 1) for length in lengths) > 0.01:
        raise Broken("ImageOrientationPatient holds no unit vectors")
    row, column = [c / lengths[0] for c in row], [c / lengths[1] for c in column]
    slant = sum(a * b for a, b in zip(row, column))
    if abs(slant) > 0.01:
        raise Broken("ImageOrientationPatient: row and column are not perpendicular")
    column = [b - slant * a for a, b in zip(row, column)]
    length = math.sqrt(sum(c * c for c in column))
    return (*row, *(c / length for c in column))


@lru_cache(maxsize=4096)
def spacing_of(value: bytes | None) -> tuple[float, float] | None:
    """(between rows, between columns) in mm; None when absent; Broken when not above 0."""
    found = tags.stated(value, "PixelSpacing")
    if not found:
        return None
    if len(found) != 2 or not all(1e-6 < step < 1e6 for step in found):
        raise Broken("PixelSpacing is not two lengths above 0")
    return found[0], found[1]


@lru_cache(maxsize=4096)
def _geometry(orientation: bytes | None, spacing: bytes | None) -> Geometry:
    return geometry_of(tags.stated(orientation, "ImageOrientationPatient"), spacing_of(spacing))


def position_of(value: bytes | None) -> tuple[float, float, float] | None:
    """The three numbers of ImagePositionPatient; None when absent; Broken when there is anything else."""
    found = tags.stated(value, "ImagePositionPatient")
    if len(found) != 3 and found:
        raise Broken("ImagePositionPatient has not three numbers")
    return found or None


class Plain(NamedTuple):
    """What an ordinary frame takes over from its header. needed: bytes of pixels, 0 when compressed."""

    geometry: Geometry
    slope: float | None
    intercept: float | None
    needed: int
    excess: bool


def frames_of(header: Header) -> list[Frame]:
    """All frames of one file. Raises Unreadable (or a kind of it) with the reason when it is no part of a volume."""
    if header.dataset is None:
        return [single_frame(header)]
    from helpers.dicom.multiframe import multiframe

    check_kind(header)
    check_size(header)
    look_behind(header)
    return multiframe(header)


def single_frame(header: Header) -> Frame:
    """The frame of an ordinary file."""
    plain = _plain(header)
    if not plain.needed or plain.excess or header.size - header.pixel_offset < plain.needed:
        check_size(header)
    if header.size != header.pixel_offset + header.pixel_length:
        look_behind(header)
    position = position_of(header.raw.get(tags.POSITION))
    return Frame(header, 0, position, plain.geometry, plain.slope, plain.intercept)


@once(
    tags.SOP_CLASS, tags.MEDIA_CLASS, tags.IMAGE_TYPE, tags.MODALITY, tags.PRIVATE_CREATOR, tags.ROWS, tags.COLUMNS,
    tags.MOSAIC_COUNT, tags.PHOTOMETRIC, tags.SAMPLES, tags.ORIENTATION, tags.PIXEL_SPACING, tags.SLOPE, tags.INTERCEPT,
    tags.BITS_ALLOCATED, tags.BITS_STORED, tags.HIGH_BIT, tags.SIGNED,
)  # fmt: skip
def _plain(header: Header) -> Plain:
    """Everything that a series says the same way in each file, checked."""
    check_kind(header)
    check_size(header)
    raw = header.raw.get
    geometry = _geometry(raw(tags.ORIENTATION), raw(tags.PIXEL_SPACING))
    slope, intercept = scale_in(header)
    check_scale(slope, intercept)
    rows, columns, allocated, _, _ = image_format(header)
    needed = rows * columns * allocated // 8 if header.syntax in NATIVE else 0
    return Plain(geometry, slope, intercept, needed, header.excess > 0)


def scale_in(header: Header) -> tuple[float | None, float | None]:
    """RescaleSlope and RescaleIntercept, None where absent; Broken when one is there but is not one number."""
    pairs = (tags.SLOPE, "RescaleSlope"), (tags.INTERCEPT, "RescaleIntercept")
    slopes, intercepts = (tags.stated(header.raw.get(tag), name) for tag, name in pairs)
    if len(set(slopes)) > 1 or len(set(intercepts)) > 1:
        raise Broken("RescaleSlope or RescaleIntercept holds several numbers")
    return next(iter(slopes), None), next(iter(intercepts), None)


def check_scale(slope: float | None, intercept: float | None) -> None:
    """Raises Broken for a rescale that would wipe out every value."""
    if (slope is not None and not 1e-12 < abs(slope) < 1e12) or (intercept is not None and abs(intercept) > 1e12):
        raise Broken("RescaleSlope or RescaleIntercept is no number that could be meant")


@lru_cache(maxsize=4096)
def _class_reason(uid: bytes | None) -> str | None:
    name = tags.text(uid)
    return next((why for prefix, why in OTHER_CLASSES.items() if of_class(name, (prefix,))), None)


def of_class(uid: str, classes: Iterable[str]) -> bool:
    """Whether a SOP class is one of `classes`, or a kind of one: 1.2.3.4 is one of 1.2.3, and 1.2.30 is not."""
    return any(uid == one or uid.startswith(f"{one}.") for one in classes)


@lru_cache(maxsize=4096)
def type_words(image_type: bytes | str | None) -> frozenset[str]:
    """The values of ImageType; however long it is, as none of them is shown."""
    values = (image_type if isinstance(image_type, str) else (image_type or b"").decode("latin-1")).split("\\")
    return frozenset(value.strip(" \0").upper() for value in values)


def check_kind(header: Header) -> None:
    """Raises Unreadable when the object is no grey image of a volume."""
    raw = header.raw.get
    reason = _class_reason(raw(tags.SOP_CLASS)) or _class_reason(raw(tags.MEDIA_CLASS))
    if reason:
        raise Unreadable(reason)
    words = type_words(raw(tags.IMAGE_TYPE))
    modality = tags.text(raw(tags.MODALITY))
    if words & LOCALIZER_WORDS and modality in ("CT", ""):
        raise Localizer("a localizer (scout view): a projection, not a slice")
    if header.pixel_tag in (tags.FLOAT_PIXELS, tags.DOUBLE_PIXELS):
        raise Unreadable("floating-point pixels, not stored values")
    if tags.ROWS not in header.raw or tags.COLUMNS not in header.raw:
        if of_class(tags.text(raw(tags.SOP_CLASS) or raw(tags.MEDIA_CLASS)), SLICE_CLASSES):
            raise Broken("damaged: an image without Rows and Columns, cut off perhaps")
        raise Unreadable(f"no image ({modality if modality in MODALITIES else 'no modality'})")
    # (0019,100A) is a private element: others than Siemens' MR keep other things there.
    siemens = tags.text(raw(tags.PRIVATE_CREATOR)).upper().startswith("SIEMENS MR")
    if "MOSAIC" in words or (siemens and (tags.unsigned(raw(tags.MOSAIC_COUNT)) or 0) > 1):
        raise Mosaic("a Siemens mosaic: many slices tiled into one picture; convert it with dcm2niix first")
    if header.pixel_tag != tags.PIXELS:
        raise Broken("no pixel data (cut off, or left out)")
    photometric = tags.text(raw(tags.PHOTOMETRIC)).upper()
    if not photometric and (raw(tags.PHOTOMETRIC) or b"").strip(b" \0"):
        raise Broken("PhotometricInterpretation is there, but is no word")
    if tags.unsigned(raw(tags.SAMPLES)) not in (None, 1) or photometric not in ("MONOCHROME1", "MONOCHROME2", ""):
        kind = photometric if photometric in COLOURS else "several samples per pixel, or an unknown kind"
        raise Unreadable(f"a colour picture ({kind}), not a slice")


def frame_count(header: Header) -> int:
    """NumberOfFrames; 1 when absent. Raises Broken for a number below 1."""
    if tags.FRAMES not in header.raw:
        return 1
    counts = tags.stated(header.raw[tags.FRAMES], "NumberOfFrames")
    if not counts:
        return 1
    count = counts[0]
    if len(set(counts)) > 1 or count < 1 or count != int(count):
        raise Broken("NumberOfFrames is no whole number above 0")
    return int(count)


FORMAT = (tags.ROWS, tags.COLUMNS, tags.BITS_ALLOCATED, tags.BITS_STORED, tags.HIGH_BIT, tags.SIGNED)


@once(*FORMAT)
def image_format(header: Header) -> tuple[int, int, int, int, bool]:
    """(rows, columns, bits allocated, bits stored, signed) of one frame. Raises Broken when they cannot be true."""
    raw = header.raw.get
    rows, columns, allocated = (tags.unsigned(raw(tag)) for tag in (tags.ROWS, tags.COLUMNS, tags.BITS_ALLOCATED))
    if rows is None or columns is None or allocated is None:
        raise Broken("Rows, Columns or BitsAllocated is missing")
    stored, sign = tags.unsigned(raw(tags.BITS_STORED)), tags.unsigned(raw(tags.SIGNED))
    if stored is None or sign is None:
        raise Broken("BitsStored or PixelRepresentation is missing: how to read the pixels is not said")
    if any(any(raw(tag)[2:]) for tag in FORMAT if tag in header.raw):
        raise Broken("Rows, Columns, BitsStored or another number of the pixels' layout stands there several times")
    if not rows or not columns:
        raise Broken("an image without rows or columns")
    if allocated not in (8, 16, 32) or not 1 <= stored <= allocated or sign > 1:
        raise Broken(f"{stored} bits stored in {allocated} allocated is no format of a CT or MR image")
    high = tags.unsigned(raw(tags.HIGH_BIT))
    if high is not None and high != stored - 1:
        raise Broken(f"HighBit {high} does not fit {stored} bits stored")
    return rows, columns, allocated, stored, bool(sign)


@once(*FORMAT)
def stored_range(header: Header) -> tuple[int, int]:
    """The lowest and the highest stored value that BitsStored and the sign allow."""
    _, _, _, stored, signed = image_format(header)
    return (-(1 << stored - 1), (1 << stored - 1) - 1) if signed else (0, (1 << stored) - 1)


def look_behind(header: Header) -> None:
    """Note in the header when pixels are followed by what is no data element: bytes may have been put in."""
    if header.syntax == ExplicitVRBigEndian:
        return
    end = header.pixel_offset + header.pixel_length if header.syntax in NATIVE else _compressed_end(header)
    if header.size <= end:
        return
    count = min(header.size - end, 1 << 20)
    tail = header.entry.read(end, count) if header.inflated is None else header.inflated[end : end + count]
    header.behind = not elements_only(tail, header.syntax != ImplicitVRLittleEndian, end + count == header.size)


def _compressed_end(header: Header) -> int:
    """Where compressed pixel data end; the end of the file where it closes them, as nearly all do, or nothing is sure.

    Within archives only the former could be said cheaply; there it is not looked for.
    """
    if type(header.entry) is not FileEntry or header.entry.read(header.size - 8, 8) == codestream.CLOSING:
        return header.size
    try:
        start, length = codestream.items(header.pixel_bytes)[-1]
    except (Broken, IndexError):  # a decoder will be asked for these data, and that says what is wrong
        return header.size
    return header.pixel_offset + start + length + len(codestream.CLOSING)


def check_size(header: Header) -> None:
    """Raises Broken when the file cannot hold the pixels it claims, or holds a row or more too many."""
    rows, columns, allocated, _, _ = image_format(header)
    count = frame_count(header)
    present = max(header.size - header.pixel_offset, 0)
    if header.syntax not in NATIVE:
        if present < 16 * count:
            raise Broken("truncated: the compressed pixel data are cut off")
        if rows * columns * allocated // 8 > max(FREE_BYTES, present // count * MAX_COMPRESSION):
            raise Broken(f"{present} bytes cannot hold {count} x {rows} x {columns} pixels in earnest")
        return
    if header.pixel_length == UNDEFINED:
        raise Broken("uncompressed pixel data of undefined length")
    needed = rows * columns * count * allocated // 8
    if min(present, header.pixel_length) < needed:
        have = min(present, header.pixel_length)
        raise Broken(f"truncated: {have} bytes of pixel data where {rows} x {columns} x {count} need {needed}")
    header.excess = header.pixel_length - needed - needed % 2
    if header.excess > 0 and any(header.pixel_bytes(needed, 1 << 20)):
        # A row too many, or rows of another length: nothing tells which pixels belong where.
        raise Broken(f"{header.pixel_length} bytes of pixel data where {rows} x {columns} x {count} need {needed}")
