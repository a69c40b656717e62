"""Bring a data set into the cache folder, or say how to get it by hand."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path

from helpers.datasets import archives, downloads, idc
from helpers.datasets.manifest import DataSet, DatasetError, cache_root, how_to_get, lookup, readable, shown
from helpers.datasets.presence import download_fault, fault


def fetch_into(dataset: DataSet, root: Path, *, progress: bool = True, **options) -> Path:
    """The path of the set below `root`, downloaded where it is not whole there yet.

    `options` go to `downloads.download`. Raises DatasetError; what was there before stays as it was.
    """
    target = root / dataset.cache / dataset.inner
    if dataset.kind == "own":
        raise DatasetError(f"{dataset.name} cannot be fetched. {how_to_get(dataset)}")
    if fault(dataset, target) is None:
        return target
    try:
        _room(dataset, root)
        _FETCH[dataset.kind](dataset, root, progress, options)
    except downloads.DownloadFailed as failed:
        reasons = "\n".join(f"  tried     {reason}" for reason in failed.reasons)
        raise DatasetError(f"{dataset.name} could not be fetched.\n{reasons}\n{how_to_get(dataset, root)}") from failed
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise DatasetError(f"{dataset.name} cannot be written into {shown(root)}: {reason}.") from error
    wrong = fault(dataset, target)
    if wrong:
        raise DatasetError(f"{dataset.name} was fetched but is not what the manifest describes: {wrong}.")
    return target


def _room(dataset: DataSet, root: Path) -> None:
    """Refuse before the transfer what the disk cannot hold."""
    root.mkdir(parents=True, exist_ok=True)
    needed = (dataset.bytes or dataset.download_limit) * (2 if dataset.kind == "archive" else 1)
    free = shutil.disk_usage(root).free
    if free < needed:
        raise DatasetError(f"{dataset.name} needs {readable(needed)} in {shown(root)}; only {readable(free)} are free.")


def _fetch_file(dataset: DataSet, root: Path, progress: bool, options: dict) -> None:
    known = {"size": dataset.bytes, "checksum": dataset.checksum, "limit": dataset.download_limit}
    downloads.download(dataset.addresses, root / dataset.cache, progress=progress, **known, **options)


def _fetch_archive(dataset: DataSet, root: Path, progress: bool, options: dict) -> None:
    """Download the zip file, unless it lies there (put by hand, say), and unpack it."""
    folder = root / dataset.cache
    archive = folder.with_name(dataset.download_name)
    by_hand = download_fault(dataset, archive) is None
    if not by_hand:
        known = {"size": dataset.bytes, "checksum": dataset.checksum}
        downloads.download(dataset.addresses, archive, progress=progress, **known, **options)
    inner = folder / dataset.inner
    archives.unpack(archive, folder, most_bytes=dataset.unpacked_limit, whole=lambda: fault(dataset, inner) is None)
    if not by_hand:
        archive.unlink(missing_ok=True)


def _fetch_series(dataset: DataSet, root: Path, progress: bool, options: dict) -> None:
    try:
        idc.fetch_series(dataset, root / dataset.cache, progress=progress)
    except DatasetError as error:
        raise DatasetError(f"{error}\n{how_to_get(dataset, root)}") from error


_FETCH = {"file": _fetch_file, "archive": _fetch_archive, "series": _fetch_series}


def fetch_quietly(name: str, limit: float) -> str:
    """One try at each address of a small set, without output; a sentence about what happened within `limit` seconds."""
    try:
        dataset = lookup(name)
        said: list[str] = []
        worker = threading.Thread(target=_try_once, args=(dataset, time.monotonic() + limit - 1, said), daemon=True)
        worker.start()
        worker.join(limit)  # a name server that does not answer cannot be interrupted: the thread is left behind
        return said[0] if said else _not_fetched(dataset, "no answer in time")
    except Exception as error:
        return f"The data set {name} was not fetched ({type(error).__name__})."


def _try_once(dataset: DataSet, deadline: float, said: list[str]) -> None:
    from helpers.datasets import find

    try:
        if find(dataset.name) is not None:
            said.append(f"The {dataset.name} table is there already: nothing was fetched.")
            return
        fetch_into(dataset, cache_root(), progress=False, pauses=(), timeout=4, deadline=deadline)
        said.append(f"The {dataset.name} table was fetched ({readable(dataset.bytes or 0)}, checksum right).")
    except DatasetError as error:
        cause = error.__cause__
        reason = cause.reasons[0] if isinstance(cause, downloads.DownloadFailed) and cause.reasons else str(error)
        said.append(_not_fetched(dataset, reason.splitlines()[0].rstrip(".")))
    except Exception as error:
        said.append(_not_fetched(dataset, type(error).__name__))


def _not_fetched(dataset: DataSet, reason: str) -> str:
    return (
        f"The {dataset.name} table was not fetched ({reason}); the course goes on without it. "
        f"To try again: make data SET={dataset.name}"
    )
