"""DICOM files on their way: which can be sent, and how received ones are written so that none is ever half there."""

from __future__ import annotations

import os
import re
import threading
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import MediaStorageDirectoryStorage

_TAGS = ["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "InstanceNumber"]


@dataclass(frozen=True)
class Outgoing:
    """A file to send: where it is, its name in the results, and what an association has to be able to carry."""

    path: Path
    name: str
    sop_class: str
    syntax: str
    instance: str
    series: str
    study: str


def outgoing(source: object) -> tuple[list[Outgoing], list[tuple[str, str, str]]]:
    """The files of a folder, file, list of files or series (anything with `.files`) that can be sent, and the others.

    Returns the files in name order and, for those left out, (name, status, message): not DICOM, damaged, duplicate.
    """
    good: list[Outgoing] = []
    bad: list[tuple[str, str, str]] = []
    seen: dict[str, str] = {}
    for path, name in _named(source):
        entry = _look(path, name)
        if isinstance(entry, Outgoing) and entry.instance in seen:
            entry = (name, "duplicate", f"has the SOP instance UID of {seen[entry.instance]}, which is sent")
        if isinstance(entry, Outgoing):
            seen[entry.instance] = name
            good.append(entry)
        else:
            bad.append(entry)
    return good, bad


def _named(source: object) -> list[tuple[Path, str]]:
    """Paths with names for people: relative to the folder given, else the file's own name."""
    files = getattr(source, "files", source)
    if isinstance(files, (str, os.PathLike)):
        root = Path(files).expanduser()
        if not root.exists():
            raise FileNotFoundError(f"There is no file or folder {root.name}: check the path.")
        if root.is_dir():
            found = sorted(path for path in root.rglob("*") if path.is_file())
            return [(path, path.relative_to(root).as_posix()) for path in found]
        files = [root]
    if not isinstance(files, Iterable):
        raise TypeError("The source to send has to be a folder, a file, a list of files or a series.")
    return [(Path(path), Path(path).name) for path in files]


def _look(path: Path, name: str) -> Outgoing | tuple[str, str, str]:
    try:
        header = _quiet_read(path, stop_before_pixels=True, specific_tags=_TAGS)
        syntax = header.file_meta.get("TransferSyntaxUID")
        values = [str(header.get(tag) or "") for tag in _TAGS]
    except InvalidDicomError:
        return name, "not DICOM", "has no DICM mark at byte 128"
    except Exception as error:  # a damaged header can fail in any part of the parser
        return name, "damaged", f"its header cannot be read ({type(error).__name__})"
    sop_class, instance, study, series, _ = values
    if sop_class == MediaStorageDirectoryStorage or header.file_meta.get("MediaStorageSOPClassUID") == (
        MediaStorageDirectoryStorage
    ):
        return name, "not an object", "is the directory of a disc (DICOMDIR), which is not sent"
    if not (sop_class and instance and series and study and syntax):
        return name, "damaged", "lacks a UID or the transfer syntax that sending needs"
    return Outgoing(path, name, sop_class, str(syntax), instance, series, study)


def _quiet_read(path: Path, **how) -> Dataset:
    """dcmread without its warnings: they quote values, which may be the patient's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return dcmread(path, **how)


def read_whole(path: Path) -> Dataset:
    """The data set of a file whose pixel data is complete; ValueError when it was cut short."""
    dataset = _quiet_read(path)
    wanted = _pixel_bytes(dataset)
    if wanted is not None and len(dataset.PixelData) < wanted:
        raise ValueError("its pixel data is cut short")
    return dataset


def _pixel_bytes(dataset: Dataset) -> int | None:
    """The bytes that uncompressed pixels take (PS3.5, 8.1.1); None for compressed or missing pixels, or odd headers."""
    if "PixelData" not in dataset or dataset.file_meta.TransferSyntaxUID.is_compressed:
        return None
    try:
        if dataset.get("PhotometricInterpretation") == "YBR_FULL_422":
            return None
        frames = int(dataset.get("NumberOfFrames") or 1)
        bits = dataset.Rows * dataset.Columns * frames * dataset.SamplesPerPixel * dataset.BitsAllocated
        return bits // 8
    except (AttributeError, TypeError, ValueError):
        return None


def safe_uid(uid: object) -> str:
    """The UID if it is one (PS3.5, 9.1), so that what a network peer sends can name a file; ValueError otherwise."""
    text = str(uid)
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)*", text) or len(text) > 64:
        raise ValueError("The peer sent something that is no UID where a file needs its name.")
    return text


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that, at any moment, either the whole of it is there under its name or nothing.

    Written beside under another name, then renamed: a process killed in between leaves at most a `.part` file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def clean_parts(folder: Path) -> None:
    """Remove what a killed process left half written in this folder (its files, not those of folders inside)."""
    for part in folder.glob("*.part"):
        part.unlink(missing_ok=True)


def is_whole(path: Path, instance: str) -> bool:
    """Whether this file is there, readable to its end, and the instance it should be."""
    try:
        return path.is_file() and read_whole(path).SOPInstanceUID == instance
    except Exception:  # any damage means: fetch it again
        return False


def few(names: Sequence[str]) -> str:
    """The first names of a list, for a sentence."""
    return ", ".join(names[:3]) + (" ..." if len(names) > 3 else "")
