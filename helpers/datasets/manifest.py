"""What is known about each optional data set: size, checksum, addresses, licence, and where it lies on this machine."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath

REPOSITORY = Path(__file__).resolve().parents[2]


class DatasetError(ValueError):
    """A data set or a path is not there, not whole or not of the expected kind; the message says what helps."""


@dataclass(frozen=True)
class Address:
    """One place on the net that serves the file, or a zip file that has it as the member `zip_member`.

    `append` is what a copy lacks at its end, such as the last line end; the checksum is that of the whole.
    """

    url: str
    zip_member: str | None = None
    append: str = ""

    @property
    def by_hand(self) -> str:
        """The address with what somebody who uses a browser has to know."""
        hints = [f"a zip file that holds {self.zip_member}"] if self.zip_member else []
        hints += ["lacks its last line end"] if self.append else []
        return f"{self.url}  ({', '.join(hints)})" if hints else self.url


@dataclass(frozen=True)
class DataSet:
    """One entry of ``data/manifest.json``; see `about` there for the meaning of the paths.

    `kind`: "file" (one file), "archive" (a zip file that is unpacked), "series" (a CT from the Imaging Data Commons)
    or "own" (never downloaded). `bytes` and `checksum` describe the download: the file or the zip file itself.
    `layout` maps a folder or file of the unpacked set to the smallest number of files there. `credit`: name and
    licence, to stand beside pictures of it.
    """

    name: str
    title: str
    kind: str
    expects: str
    bytes: int | None
    own_copy: str
    used_by: str
    licence: str
    citation: str
    confirmed: str
    cache: str = ""
    addresses: tuple[Address, ...] = ()
    sha256: str | None = None
    md5: str | None = None
    inner: str = ""
    layout: dict[str, int] = field(default_factory=dict)
    unpacked_limit: int = 0
    download_limit: int = 0
    where: str = ""
    files: int = 0
    series_uid: str = ""
    instances_sha256: str = ""
    aliases: tuple[str, ...] = ()
    keras_file: bool = False
    credit: str = ""

    @property
    def checksum(self) -> str | None:
        """ "sha256:..." or "md5:...", in the form that pooch takes; None where no checksum is published."""
        if self.sha256:
            return f"sha256:{self.sha256}"
        return f"md5:{self.md5}" if self.md5 else None

    @property
    def download_name(self) -> str:
        """Name of the downloaded file; for an archive that of the zip file beside its folder."""
        return f"{PurePosixPath(self.cache).name}.zip" if self.kind == "archive" else PurePosixPath(self.cache).name

    @property
    def size(self) -> str:
        """The size in bytes and in a unit for people."""
        if self.bytes is None:
            return "size not stated"
        return f"{self.bytes:,} bytes ({readable(self.bytes)})"


def readable(count: int) -> str:
    """A number of bytes in the decimal unit that suits it: 87776 -> "88 kB"."""
    for unit, step in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= step:
            return f"{count / step:.3g} {unit}"
    return f"{count} bytes"


@lru_cache(maxsize=4)
def load(path: Path = REPOSITORY / "data" / "manifest.json") -> dict[str, DataSet]:
    """All sets by name, in the order of the manifest."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["sets"]
    except (OSError, ValueError, KeyError) as error:
        raise DatasetError(
            "The table of data sets, data/manifest.json, cannot be read: install the package from a clone of the "
            "repository (make setup, or pip install -e .) so that it stands beside helpers/."
        ) from error
    return {name: _entry(name, fields) for name, fields in entries.items()}


def _entry(name: str, fields: dict) -> DataSet:
    addresses = tuple(Address(**address) for address in fields["addresses"])
    return DataSet(name=name, **{**fields, "addresses": addresses})


def lookup(name: str) -> DataSet:
    """The set of that name; hyphens and underscores, capitals and small letters count as the same."""
    known = _by_name()
    if _plain(name) not in known:
        raise DatasetError(f"There is no data set {name!r}; known are {', '.join(load())}.")
    return known[_plain(name)]


def is_name(value: str) -> bool:
    """Whether the manifest has a set of that name."""
    return _plain(value) in _by_name()


def _by_name() -> dict[str, DataSet]:
    return {_plain(name): dataset for dataset in load().values() for name in (dataset.name, *dataset.aliases)}


def _plain(name: str) -> str:
    return name.strip().casefold().replace("_", "-")


def cache_root() -> Path:
    """The folder for fetched sets: the one named by MEDIMG_CACHE (relative: to the repository), else data/ there."""
    named = os.environ.get("MEDIMG_CACHE", "").strip()
    return (REPOSITORY / Path(named or "data").expanduser()).resolve()


def own_root() -> Path | None:
    """The folder named by MEDIMG_DATA, or None where the variable is unset or names no folder.

    A relative name is tried from the working folder and then from the repository, because kernels run in notebooks/.
    """
    named = os.environ.get("MEDIMG_DATA", "").strip()
    tried = [Path(named).expanduser(), REPOSITORY / Path(named).expanduser()] if named else []
    return next((folder.resolve() for folder in tried if folder.is_dir()), None)


def keras_folder() -> Path:
    """Where Keras keeps the weights that it has downloaded itself."""
    return Path(os.environ.get("KERAS_HOME", "").strip() or Path.home() / ".keras").expanduser() / "models"


def shown(path: Path) -> str:
    """A path for messages: relative to the repository where it lies inside."""
    return path.relative_to(REPOSITORY).as_posix() if path.is_relative_to(REPOSITORY) else str(path)


def how_to_get(dataset: DataSet, root: Path | None = None) -> str:
    """The lines that tell where the set comes from, how to check it, and where to put it by hand."""
    if dataset.kind == "own":
        return (
            f"It is not a download: put your copy into the folder {dataset.own_copy!r} below the one named by the "
            "environment variable MEDIMG_DATA, or give the path of your folder instead of the name."
        )
    lines = [f"  size      {dataset.size}"]
    lines += [f"  address   {address.by_hand}" for address in dataset.addresses] or [f"  from      {dataset.where}"]
    if dataset.kind == "series":
        lines += [f"  series    {dataset.series_uid} ({dataset.files} files)"]
    else:
        lines += [f"  checksum  {dataset.checksum or 'none is published; the size and the number of files decide'}"]
    lines += [f"  folder    put it by hand into {_by_hand(dataset, root or cache_root())}"]
    lines += [f"  command   make data SET={dataset.name}   (or: python -m helpers.datasets {dataset.name})"]
    return "\n".join(lines)


def _by_hand(dataset: DataSet, root: Path) -> str:
    target = root / dataset.cache
    if dataset.kind == "file":
        return f"{shown(target.parent)} as {target.name}"
    if dataset.kind == "archive":
        return f"{shown(target.parent)} as {dataset.download_name}, then run the command, which unpacks it"
    return shown(target)
