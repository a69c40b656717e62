"""Fetch one file over HTTP, or leave nothing behind: several addresses, retries, size and checksum, atomic replace."""

from __future__ import annotations

import filecmp
import os
import shutil
import tempfile
import time
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pooch
import requests
from tqdm import tqdm

from helpers.datasets.manifest import Address

#: Seconds until a connection, or the next piece of a file, is given up.
TIMEOUT = 10
#: Seconds to wait before the second and the third try at one address.
PAUSES = (1.0, 4.0)
#: The largest zip file that is fetched for the sake of one small member, where its size is not known.
ZIP_LIMIT = 10_000_000
_PART = ".part"
_CHUNK = 1 << 16
_SMALL_CHUNK = 1 << 10


class DownloadFailed(Exception):
    """No address gave the right file; `reasons` has one sentence for each address tried."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__(" ".join(reasons))
        self.reasons = reasons


class WrongContent(Exception):
    """What an address serves is not the file; asking it again would not help."""


class OutOfTime(Exception):
    """The whole attempt took longer than the caller allows."""


class Guard:
    """A file to write to that refuses a web page, more bytes than there should be, and going on after the deadline."""

    def __init__(self, file, limit: int | None, deadline: float | None) -> None:
        self.file, self.limit, self.deadline, self.count = file, limit, deadline, 0

    def write(self, chunk: bytes) -> None:
        if self.count == 0 and chunk.lstrip()[:14].lower().startswith((b"<!doctype html", b"<html")):
            raise WrongContent("it serves a web page instead of the file")
        self.count += len(chunk)
        if self.limit is not None and self.count > self.limit:
            raise WrongContent(f"it sends more than {self.limit:,} bytes")
        if self.deadline is not None and time.monotonic() > self.deadline:
            raise OutOfTime("it is too slow")
        self.file.write(chunk)

    def flush(self) -> None:
        self.file.flush()


def download(
    addresses: Iterable[Address],
    target: Path,
    *,
    size: int | None,
    checksum: str | None,
    limit: int = 0,
    pauses: tuple[float, ...] = PAUSES,
    timeout: float = TIMEOUT,
    progress: bool = False,
    deadline: float | None = None,
) -> None:
    """Put the file at `target`, whole and right, or raise DownloadFailed and leave `target` as it was.

    `size` in bytes and `checksum` ("sha256:..." or "md5:...") are compared where they are known; `limit` bounds a
    download of unknown size. `deadline` is a moment of `time.monotonic` after which no more is tried. Two processes may
    fetch the same target at once: each writes a file of its own and the last one wins.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    clear_stale(target.parent)
    reasons = []
    for address in addresses:
        with _temporary(target) as part:
            try:
                _persist(address, part, size, limit, pauses, timeout, progress, deadline)
                _compare(part, size, checksum)
                replace(part, target)
                return
            except (WrongContent, OutOfTime, requests.RequestException) as error:
                reasons.append(f"{urlsplit(address.url).hostname}: {_sentence(error)}.")
    raise DownloadFailed(reasons)


def replace(part: Path, target: Path) -> None:
    """Give the finished file its name; on Windows that fails while another process reads the same, right file."""
    try:
        part.replace(target)
    except PermissionError:
        if not (target.is_file() and filecmp.cmp(part, target, shallow=False)):
            raise


def clear_stale(folder: Path, older_than: float = 86_400) -> None:
    """Remove what an interrupted attempt of an earlier day left behind."""
    for part in folder.glob(f".*{_PART}"):
        with suppress(OSError):
            if time.time() - part.stat().st_mtime > older_than:
                shutil.rmtree(part) if part.is_dir() else part.unlink()


@contextmanager
def _temporary(target: Path) -> Iterator[Path]:
    """A file of a name of its own beside the target, gone at the end whatever happens."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-", suffix=_PART)
    os.close(handle)
    part = Path(name)
    part.chmod(0o644)
    try:
        yield part
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _persist(address, part, size, limit, pauses, timeout, progress, deadline) -> None:
    """Try one address until it answers, at most once more than there are pauses."""
    for pause in (*pauses, None):
        try:
            return _once(address, part, size, limit, timeout, progress, deadline)
        except requests.RequestException as error:
            late = deadline is not None and time.monotonic() + (pause or 0) > deadline
            if pause is None or late or not _worth_another_try(error):
                raise
        time.sleep(pause)


def _once(address, part, size, limit, timeout, progress, deadline) -> None:
    if deadline is not None:
        timeout = min(timeout, max(deadline - time.monotonic(), 0.1))
    expected = None if address.zip_member or size is None else size - len(address.append)
    bound = expected or (ZIP_LIMIT if address.zip_member else limit) or None
    # The bar is made here and not by pooch so that it ends its line when the transfer fails.
    look = {"total": expected or 1, "unit": "B", "unit_scale": True, "ncols": 79}
    with part.open("wb") as file, tqdm(disable=not progress, **look) as bar:
        downloader = pooch.HTTPDownloader(
            progressbar=bar if progress else False,
            chunk_size=_CHUNK if deadline is None else _SMALL_CHUNK,
            timeout=timeout,
            headers={"Accept-Encoding": "identity"},
            hooks={"response": _header_check(expected)},
        )
        downloader(address.url, Guard(file, bound, deadline), None)
    if expected is not None and part.stat().st_size < expected:
        raise requests.ConnectionError("cut off")
    if address.zip_member:
        _take_member(part, address.zip_member, size)
    if address.append:
        with part.open("ab") as file:
            file.write(address.append.encode("ascii"))


def _header_check(expected: int | None):
    def check(response: requests.Response, **_) -> None:
        """Refuse by the headers alone what cannot be the file, before its bytes travel."""
        if response.status_code != 200:
            return
        if response.headers.get("Content-Type", "").lower().startswith("text/html"):
            raise WrongContent("it serves a web page instead of the file")
        stated = response.headers.get("Content-Length", "")
        plain = response.headers.get("Content-Encoding", "identity") == "identity"
        if expected is not None and plain and stated.isdigit() and int(stated) != expected:
            raise WrongContent(f"it announces {int(stated):,} bytes instead of {expected:,}")

    return check


def _take_member(part: Path, member: str, size: int | None) -> None:
    """Replace a downloaded zip file by the one member that is wanted."""
    try:
        with zipfile.ZipFile(part) as archive:
            info = archive.getinfo(member)
            if info.file_size != size:
                raise WrongContent(f"its {member} has {info.file_size:,} bytes instead of {size:,}")
            content = archive.read(info)
    except (zipfile.BadZipFile, KeyError, RuntimeError, NotImplementedError) as error:
        raise WrongContent(f"it serves no zip file with {member}") from error
    part.write_bytes(content)


def _compare(part: Path, size: int | None, checksum: str | None) -> None:
    found = part.stat().st_size
    if size is not None and found != size:
        raise WrongContent(f"it sent {found:,} bytes instead of {size:,}")
    if checksum is not None:
        algorithm, wanted = checksum.split(":")
        if pooch.file_hash(str(part), alg=algorithm) != wanted:
            raise WrongContent(f"it sent other bytes: their {algorithm} is not the one in the manifest")


def _worth_another_try(error: requests.RequestException) -> bool:
    """Not where the server says no, nor where its name is unknown (no network)."""
    if isinstance(error, requests.HTTPError):
        return error.response.status_code in (408, 429) or error.response.status_code >= 500
    return "NameResolution" not in repr(error) and "getaddrinfo" not in repr(error)


def _sentence(error: Exception) -> str:
    """The error in words for a reader; the libraries' own texts are long and name objects of theirs."""
    if isinstance(error, WrongContent | OutOfTime):
        return str(error)
    if isinstance(error, requests.HTTPError):
        return f"it answers with status {error.response.status_code}"
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not accepted"
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if not _worth_another_try(error):
        return "no such address, or no network"
    if isinstance(error, requests.exceptions.ChunkedEncodingError) or "cut off" in str(error):
        return "the transfer was cut off"
    return "no connection"
