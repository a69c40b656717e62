"""Is what lies at a path the whole data set? A half or wrong file is never "present"."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from helpers.datasets.manifest import DataSet, cache_root, readable

#: Written into an unpacked folder before it gets its name: number of files and of bytes.
STAMP = ".medimg-complete.json"
#: From this size on a verified file is not hashed again while size and time of change stay the same.
LARGE = 4_000_000
_PIXEL_BYTES = 512 * 512 * 2


def fault(dataset: DataSet, path: Path) -> str | None:
    """What is wrong with the copy of `dataset` at `path`; None when it is whole, "missing" when nothing is there.

    `path` is the file itself, or the folder that holds the series or the `layout` of the set.
    """
    if not path.exists():
        return "missing"
    if dataset.kind == "file":
        return _file_fault(path, dataset.bytes, dataset.checksum)
    return _series_fault(dataset, path) if dataset.kind == "series" else _folder_fault(dataset, path)


def download_fault(dataset: DataSet, path: Path) -> str | None:
    """What is wrong with the downloaded file (for an archive: the zip file) at `path`, or None."""
    return _file_fault(path, dataset.bytes, dataset.checksum) if path.is_file() else "missing"


def _file_fault(path: Path, size: int | None, checksum: str | None) -> str | None:
    if not path.is_file():
        return "not a file"
    found = path.stat().st_size
    if size is not None and found != size:
        return f"{found:,} bytes instead of {size:,}"
    if checksum is None or _remembered(path, checksum):
        return None
    algorithm, wanted = checksum.split(":")
    with path.open("rb") as file:
        found_hash = hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()
    if found_hash != wanted:
        return f"its {algorithm} differs from the one in the manifest"
    _remember(path, checksum)
    return None


def _folder_fault(dataset: DataSet, folder: Path) -> str | None:
    for part, least in dataset.layout.items():
        place = folder / part
        if not place.exists():
            return f"{part} is missing"
        found = sum(entry.is_file() for entry in os.scandir(place)) if place.is_dir() else 1
        if found < least:
            return f"{part} has {found} files instead of {least}"
    return _stamp_fault(folder.parent if dataset.inner else folder)


def _stamp_fault(folder: Path) -> str | None:
    """Compare an unpacked folder with the numbers noted when it was unpacked (a copy of the reader's has none)."""
    try:
        noted = json.loads((folder / STAMP).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return "its note of completeness cannot be read"
    files, total = tally(folder)
    if (files, total) != (noted.get("files"), noted.get("bytes")):
        return f"{files:,} files ({readable(total)}) instead of {noted.get('files'):,}"
    return None


def tally(folder: Path) -> tuple[int, int]:
    """Number of files below `folder` and the sum of their bytes, without the note of completeness."""
    sizes = [file.stat().st_size for file in folder.rglob("*") if file.is_file() and file.name != STAMP]
    return len(sizes), sum(sizes)


def _series_fault(dataset: DataSet, folder: Path) -> str | None:
    if not folder.is_dir():
        return "not a folder"
    files = sorted(file for file in folder.rglob("*") if file.is_file() and not file.name.startswith("."))
    listing = "\n".join(f"{file.name} {file.stat().st_size} {file.stat().st_mtime_ns}" for file in files)
    token = hashlib.sha256(f"{dataset.instances_sha256}\n{listing}".encode()).hexdigest()
    if _remembered(folder, token):
        return None
    uids = {uid for file in files if (uid := _instance(file, dataset.series_uid)) is not None}
    if len(uids) != dataset.files:
        return f"{len(uids)} whole slices of the series instead of {dataset.files}"
    if hashlib.sha256("\n".join(sorted(uids)).encode()).hexdigest() != dataset.instances_sha256:
        return "its slices are not those in the manifest"
    _remember(folder, token)
    return None


def _instance(file: Path, series_uid: str) -> str | None:
    """SOP instance UID of a file that belongs to the series and is long enough for its pixels, else None."""
    import pydicom

    try:
        header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=["SOPInstanceUID", "SeriesInstanceUID"])
    except (OSError, pydicom.errors.InvalidDicomError):
        return None
    whole = file.stat().st_size > _PIXEL_BYTES
    return str(header.SOPInstanceUID) if whole and header.get("SeriesInstanceUID") == series_uid else None


def _note(path: Path) -> Path:
    return cache_root() / ".verified" / f"{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:32]}.json"


def _state(path: Path, checksum: str) -> dict:
    seen = path.stat()
    return {"checksum": checksum, "bytes": seen.st_size, "changed": seen.st_mtime_ns}


def _remembered(path: Path, checksum: str) -> bool:
    """Whether this very file, unchanged since, was found right before."""
    try:
        return json.loads(_note(path).read_text(encoding="utf-8")) == _state(path, checksum)
    except (OSError, ValueError):
        return False


def _remember(path: Path, checksum: str) -> None:
    """Note that `path` was found right; a cache folder that cannot be written only costs time."""
    if path.is_file() and path.stat().st_size < LARGE:
        return
    note = _note(path)
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        part = note.with_name(f"{note.name}.{os.getpid()}.part")
        part.write_text(json.dumps(_state(path, checksum)), encoding="utf-8")
        part.replace(note)
    except OSError:
        pass
