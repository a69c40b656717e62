"""From the name of a data set, or the reader's own path, to a place on this machine.

Order: the reader's path, the folder named by MEDIMG_DATA, the cache under data/. Nothing is downloaded unless `fetch`
is called, which ``make data SET=...`` does; a half or wrong file is never taken for the set.

>>> from helpers.datasets import find, resolve
>>> resolve(None, expects="series") is None  # the built-in default
True
"""

from __future__ import annotations

import os
from pathlib import Path

from helpers.datasets.manifest import (
    DataSet,
    DatasetError,
    cache_root,
    how_to_get,
    is_name,
    keras_folder,
    load,
    lookup,
    own_root,
    shown,
)
from helpers.datasets.own import WANTED, own_path
from helpers.datasets.presence import fault

__all__ = ["DatasetError", "fetch", "fetch_sonar_quietly", "find", "names", "origin", "places", "resolve"]


def names() -> list[str]:
    """The names of all sets in the manifest."""
    return list(load())


def places(name: str) -> list[tuple[str, Path, str | None]]:
    """Where the set may lie: (words for the place, path, what is wrong there; None when the whole set is there)."""
    dataset = lookup(name)
    found = []
    if own_root() is not None:
        path = own_root() / dataset.own_copy
        found.append(("MEDIMG_DATA", path, fault(dataset, path)))
    if dataset.cache:
        path = in_cache(dataset, cache_root())
        found.append((shown(cache_root()), path, fault(dataset, path)))
    if dataset.keras_file:
        path = keras_folder() / dataset.download_name
        found.append(("Keras' folder", path, fault(dataset, path)))
    return found


def in_cache(dataset: DataSet, root: Path) -> Path:
    """The path of a set (for an archive: of the folder that its users want) below the cache folder `root`."""
    return root / dataset.cache / dataset.inner


def find(name: str) -> Path | None:
    """The file or folder of a set that is whole, or None. Never downloads.

    Looked for below MEDIMG_DATA first, then in the cache, and for weights in the folder of Keras as well; size and
    checksum are compared (once for large files, then remembered as long as the file does not change). Raises
    DatasetError when the manifest has no such name.
    """
    return next((path for _, path, wrong in places(name) if wrong is None), None)


def resolve(value: str | os.PathLike | None, *, expects: str) -> Path | None:
    """Turn the value of a notebook's parameter into a path, or None for the built-in default.

    `value`: None or an empty string; a name from the manifest; or a path of the reader's own (``~`` works; write
    ``./sonar`` for a file or folder that has the name of a set). `expects`: "photo", "series", "sonar", "pets",
    "vgg16_weights" or "faces". Raises DatasetError with size, address, checksum, folder and command when a named set is
    not there, or in one sentence when a path does not exist or is not what is expected.
    """
    if expects not in WANTED:
        raise ValueError(f"expects is {expects!r}; choose one of {', '.join(WANTED)}.")
    if value is None or not str(value).strip():
        return None
    if not (isinstance(value, str) and is_name(value)):
        return own_path(value.strip() if isinstance(value, str) else value, expects)
    dataset = lookup(value)
    if dataset.expects != expects:
        fitting = [each.name for each in load().values() if each.expects == expects]
        raise DatasetError(
            f"The data set {dataset.name} does not fit here; expected was {WANTED[expects]}"
            f"{' or one of the sets ' + ', '.join(fitting) if fitting else ''}."
        )
    path = find(dataset.name)
    if path is None:
        raise DatasetError(missing(dataset))
    return path


def origin(value: str | os.PathLike | None, default: str, own: str) -> tuple[str, str]:
    """What a notebook's parameter brings in, for `helpers.course.data_note`: (kind, words).

    ("bundled", default) without a value, ("own", own) for a path of the reader's, and for a set of the manifest
    ("fetched", its credit: name and licence, as must stand beside its pictures).
    """
    if value is None or not str(value).strip():
        return "bundled", default
    if isinstance(value, str) and is_name(value):
        dataset = lookup(value)
        return "fetched", dataset.credit or f"{dataset.title}, {dataset.licence}"
    return "own", own


def missing(dataset: DataSet) -> str:
    """Say that a set is not there (or not whole, and why) and how to get it."""
    damaged = [
        f"{shown(path)} does not count: {wrong}." for _, path, wrong in places(dataset.name) if wrong != "missing"
    ]
    return "\n".join([f"The data set {dataset.name} is not on this machine.", *damaged, how_to_get(dataset)])


def fetch(name: str, *, root: Path | None = None, progress: bool = True) -> Path:
    """The path of the set, downloaded into the cache folder (or `root`) unless it is whole somewhere already.

    Raises DatasetError with what went wrong at each address, and how to get the set by hand.
    """
    from helpers.datasets.fetching import fetch_into

    dataset = lookup(name)
    present = find(name) if root is None else None
    return present or fetch_into(dataset, root or cache_root(), progress=progress)


def fetch_sonar_quietly(limit: float = 15.0) -> str:
    """Try once to get the 88 kB sonar table; say in one sentence what happened. Never raises, ends within `limit` s."""
    from helpers.datasets.fetching import fetch_quietly

    return fetch_quietly("sonar", limit)
