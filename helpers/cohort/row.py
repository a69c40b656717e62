"""What one series is worth: a row of facts without the patient, or a row that says why there are none."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from helpers.dicom import DicomSeriesError, SeriesInfo, SeriesList, read_series, scan_folder
from helpers.lungs import LungError, lung_volumes_ml, segment_lungs
from helpers.volume import CTVolume

COLUMNS = {
    "id": "string",  # keyed hash of the series UID: the same series twice has the same id
    "place": "string",  # keyed hash of where it lay: the same id at two places is a copy
    "of": "Int64",  # rows that its source (folder, file or archive) gives in all
    "modality": "string",
    "slices": "Int64",
    "rows": "Int64",
    "columns": "Int64",
    "dz": "float64",  # mm, along the slice normal
    "dy": "float64",
    "dx": "float64",
    "tilt": "float64",  # degrees
    "hu_min": "float64",  # inside the scan circle
    "hu_max": "float64",
    "outside": "float64",  # share of voxels outside the scan circle
    "right_lung_ml": "float64",
    "left_lung_ml": "float64",
    "findings": "string",  # kinds, separated by blanks; no_lungs where none were found
    "seconds": "float64",
    "error": "string",  # empty: none
}


@dataclass(frozen=True)
class Job:
    """Work for one task: a source to look through, or one series of it that is already known.

    have: ids of this source that the table holds already. of: how many rows the source gives in all.
    """

    source: str
    key: bytes
    lungs: bool = True
    have: frozenset[str] = frozenset()
    info: SeriesInfo | None = None
    of: int = 1
    lost: str = ""  # why files of this series could not be used


def hashed(key: bytes, *parts: object) -> str:
    """16 hex digits that nobody without the key can connect to a UID or path, not even with a list of all of them.

    A plain hash would not do: whoever has the hospital's list of UIDs hashes them all and looks up the patient. With
    HMAC (RFC 2104) that takes the key too, and deleting the key cuts the connection for good.
    """
    text = "\0".join(str(part) for part in parts)
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:16]


def place_of(key: bytes, source: str) -> str:
    """The hashed place of a source."""
    return hashed(key, "place", Path(source).absolute().as_posix())


def do(job: Job) -> tuple[list[dict], list[Job]]:
    """Run one task in a worker: the rows it gives, and further tasks it has found. Never raises for what a file holds.

    A source with a single series, the usual case, is finished at once; of several the first is read here, and the
    others become tasks of their own, so that a folder of many series is shared out among all workers.
    """
    if job.info is not None:
        return [_row(job)], []
    start = time.perf_counter()
    try:
        found = scan_folder(job.source)
    except Exception as error:  # a folder that has gone, a share that does not answer
        return [_error_row(job, _said(error, job.source, []), start)], []
    bad = _not_volumes(found)
    of = len(found) + len(bad) or 1
    job = replace(job, of=of)
    rows = [_error_row(job, _clean(text, job.source, _names(found)), start, uid) for uid, text in bad.items()]
    if not found and not bad:
        rows = [_error_row(job, _clean(_reasons(found.skips), job.source, _names(found)), start)]
    todo = [replace(job, info=info, lost=_lost(found, info)) for info in found if _id(job, info) not in job.have]
    rows += [_row(job) for job in todo[:1]]
    return rows, todo[1:]


def died(job: Job) -> dict:
    """The row for a task whose worker was lost, by lack of memory or by a crash."""
    row = _error_row(job, "the worker died on it: out of memory, or a decoder crashed", time.perf_counter())
    if job.info is not None:
        row |= {"id": _id(job, job.info)} | _header_facts(job.info)
    return row


def _row(job: Job) -> dict:
    """Everything about one series that can be read."""
    start, info = time.perf_counter(), job.info
    row = _empty(job) | {"id": _id(job, info)} | _header_facts(info)
    try:
        volume = read_series(info)
        row |= _volume_facts(volume)
        if job.lungs and info.modality == "CT":
            row |= _lung_facts(volume, row["findings"])
    except Exception as error:  # whatever it is, the other series go on
        row["error"] = f"{job.lost} {_said(error, job.source, [path.name for path in info.files])}".strip()
    row["seconds"] = time.perf_counter() - start
    return row


def _header_facts(info: SeriesInfo) -> dict:
    dz, dy, dx = info.spacing
    slices, rows, columns = info.shape
    facts = {"modality": info.modality, "slices": slices, "rows": rows, "columns": columns}
    return facts | {"dz": dz, "dy": dy, "dx": dx, "tilt": info.tilt, "findings": _kinds(info.findings)}


def _volume_facts(volume: CTVolume) -> dict:
    inside = True if volume.outside is None else ~volume.outside
    limits = np.iinfo(volume.hu.dtype) if volume.hu.dtype.kind == "i" else np.finfo(volume.hu.dtype)
    return {
        "hu_min": float(np.min(volume.hu, where=inside, initial=limits.max)),
        "hu_max": float(np.max(volume.hu, where=inside, initial=limits.min)),
        "outside": 0.0 if volume.outside is None else float(volume.outside.mean()),
        "findings": _kinds(volume.findings),
    }


def _lung_facts(volume: CTVolume, findings: str) -> dict:
    try:
        volumes = lung_volumes_ml(segment_lungs(volume), volume)
    except LungError:  # a head has none
        return {"findings": f"{findings} no_lungs".strip()}
    return {"right_lung_ml": volumes["right"], "left_lung_ml": volumes["left"]}


def _not_volumes(found: SeriesList) -> dict[str, str]:
    """Series of which not one file belongs to a volume: uid -> why not."""
    whole = {info.uid for info in found}
    uids = dict.fromkeys(skip.uid for skip in found.skips if skip.uid and skip.uid not in whole)
    return {uid: _reasons([skip for skip in found.skips if skip.uid == uid]) for uid in uids}


def _lost(found: SeriesList, info: SeriesInfo) -> str:
    """Why files of a series that can be read in part cannot be used; "" when none is lost."""
    broken = [skip for skip in found.skips if skip.uid == info.uid and skip.kind == "broken"]
    return _clean(f"{_reasons(broken, 'left out')}.", "", _names(found)) if broken else ""


def _reasons(skips: Iterable, what: str = "no volume here") -> str:
    """Why files were left out, most frequent reason first."""
    counts = Counter(skip.reason for skip in skips)
    told = "; ".join(f"{count} x {reason}" for reason, count in counts.most_common(3))
    return f"{what}: {told}" if told else "no file here"


def _said(error: Exception, source: str, names: list[str]) -> str:
    """An error as a sentence without names: those of this project are kept, of others only the kind."""
    if isinstance(error, (DicomSeriesError, LungError, FileNotFoundError)):
        return _clean(str(error), source, names)
    return f"unexpected {type(error).__name__}"


def _clean(text: str, source: str, names: Iterable[str]) -> str:
    """The text with every file and folder name in it replaced: people name those after patients."""
    parts = {
        part for name in [*names, *Path(source).parts] for part in (name, *re.split(r"[/\\]", name), Path(name).stem)
    }
    for part in sorted((part for part in parts if len(part) > 1), key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(part)}(?!\w)", "(file)", text)
    return text


def _names(found: SeriesList) -> list[str]:
    return [skip.name for skip in found.skips] + [path.name for info in found for path in info.files]


def _kinds(findings: Iterable) -> str:
    return " ".join(dict.fromkeys(finding.kind for finding in findings))


def _id(job: Job, info: SeriesInfo) -> str:
    return hashed(job.key, "series", info.uid, info.part)


def _empty(job: Job) -> dict:
    return dict.fromkeys(COLUMNS) | {"place": place_of(job.key, job.source), "of": job.of, "findings": "", "error": ""}


def _error_row(job: Job, text: str, start: float, uid: str = "") -> dict:
    identity = hashed(job.key, "series", uid, "") if uid else hashed(job.key, "source", os.fspath(job.source))
    return _empty(job) | {"id": identity, "error": text, "seconds": time.perf_counter() - start}
