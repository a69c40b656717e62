"""Where the bytes are: files of a folder, one file, a list of files, or the members of a zip archive.

Every entry answers the same three questions: its name, its first bytes, its whole content. A zip member has the path
``archive.zip/inner/name``, so that a path alone is enough to find it again.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

import numpy as np

PREADV = getattr(os, "preadv", None)  # not on Windows
OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
# Real headers and pixels unpack to some ten times their packed size; small ones, up to FREE_UNPACKED, may be empty and
# unpack to more. Deflate itself can reach 1032 to 1 (RFC 1951), which makes gigabytes of a file of zeros.
MAX_INFLATE = 100
FREE_UNPACKED = 64 << 20
# The most that one zip member or one deflated file may unpack to.
MAX_MEMBER = 2 << 30
CHANGED = "changed since its header was read; scan the folder again"


class Unreadable(Exception):
    """This one file cannot be used; the text is the reason, to be shown beside its name."""


class Broken(Unreadable):
    """An image that belongs to a series, or may belong to it, but whose file is cut off or contradicts itself.

    index: which frame of the file it is, where that is known.
    """

    index: int | None = None


class FileEntry:
    """One file on disk."""

    __slots__ = ("name", "path", "stamp")

    def __init__(self, path: str, name: str):
        self.path = path
        self.name = name
        self.stamp: tuple[int, int] | None = None  # size and time of the last change, when the header was read

    def head(self, count: int) -> tuple[bytes, int]:
        """The first `count` bytes and the size of the whole content."""
        try:
            handle = os.open(self.path, OPEN_FLAGS)
        except OSError as error:
            raise Unreadable(f"cannot be opened ({os.strerror(error.errno or 0)})") from None
        kept = _OPENED.keep(self, handle)
        try:
            self.stamp = size, _ = _stamp(handle)
            return os.read(handle, min(count, size)), size  # a larger count would be allocated, however short the file
        except OSError as error:
            raise Unreadable(f"cannot be read ({os.strerror(error.errno or 0)})") from None
        finally:
            if not kept:
                os.close(handle)

    def read_into(self, words: np.ndarray, offset: int) -> int:
        """Fill a contiguous array with the bytes from `offset` on; how many there were."""
        try:
            handle = _OPENED.files.get(self)
            if handle is not None:
                return _read_at(handle, words, offset)
            handle = self._again()
            try:
                return _read_at(handle, words, offset)
            finally:
                os.close(handle)
        except OSError as error:
            raise Unreadable(f"cannot be read ({os.strerror(error.errno or 0)})") from None

    def read(self, offset: int, count: int) -> bytes:
        """Up to `count` bytes from `offset` on; fewer at the end of the file."""
        try:
            handle = _OPENED.files.get(self)
            if handle is not None:
                return os.pread(handle, count, offset)
            with os.fdopen(self._again(), "rb", buffering=0) as file:
                file.seek(offset)
                return file.read(count)
        except OSError as error:
            raise Unreadable(f"cannot be read ({os.strerror(error.errno or 0)})") from None

    def _again(self) -> int:
        """The file opened once more; Broken when it is not the one whose header was read."""
        handle = os.open(self.path, OPEN_FLAGS)
        if self.stamp not in (None, _stamp(handle)):
            os.close(handle)
            raise Broken(CHANGED)
        return handle


def _stamp(file: int | str) -> tuple[int, int]:
    """Size and time of the last change of an open file, or of one with this path."""
    facts = os.stat(file)  # noqa: PTH116 (of a handle, too)
    return facts.st_size, facts.st_mtime_ns


def _read_at(handle: int, words: np.ndarray, offset: int) -> int:
    """Fill a contiguous array from `offset` on; how many bytes there were."""
    if PREADV is None:
        os.lseek(handle, offset, os.SEEK_SET)
        with os.fdopen(handle, "rb", closefd=False) as file:
            return file.readinto(words)
    got = count = PREADV(handle, (words,), offset)
    while count and got < words.nbytes:
        count = PREADV(handle, (memoryview(words).cast("B")[got:],), offset + got)
        got += count
    return got


def _room() -> int:
    """How many plain files may stay open: half of what this process may have, and not more than 512.

    None where reading moves a position that all who share the handle would share.
    """
    if PREADV is None:
        return 0
    import resource  # there on every system that has preadv

    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return 512 if most == resource.RLIM_INFINITY else min(512, most // 2)


class _Opened:
    """Files that stay open for a while: an archive, so that its table of contents is read once and not for every
    member, and the first plain files, so that whoever reads the pixels after the header need not open them again.
    """

    def __init__(self) -> None:
        self.lock, self.inside = threading.Lock(), 0
        self.archives: dict[str, zipfile.ZipFile] = {}
        self.files: dict[FileEntry, int] = {}
        self.room = _room()

    def __enter__(self) -> None:
        with self.lock:
            self.inside += 1

    def __exit__(self, *exception: object) -> None:
        with self.lock:
            self.inside -= 1
            if not self.inside:
                while self.archives:
                    self.archives.popitem()[1].close()
                while self.files:
                    os.close(self.files.popitem()[1])

    def keep(self, entry: FileEntry, handle: int) -> bool:
        """True when the handle of a plain file stays open until the last one is out; else its owner closes it."""
        if not self.inside or len(self.files) >= self.room or entry in self.files:
            return False
        self.files[entry] = handle
        return True

    @contextlib.contextmanager
    def open(self, path: str, stamp: tuple[int, int]) -> Iterator[zipfile.ZipFile]:
        """The archive, kept for the next one who asks while anybody is inside; its members may be read by threads.

        Raises Broken when it is not the one whose table of contents was read.
        """
        with self:
            with self.lock:
                if path not in self.archives:
                    if stamp != _stamp(path):
                        raise Broken(CHANGED)
                    self.archives[path] = zipfile.ZipFile(path)
                archive = self.archives[path]
            yield archive


_OPENED = _Opened()


def stay_open() -> _Opened:
    """A context in which archives, and some plain files, stay open once they were opened."""
    return _OPENED


def most_unpacked(packed: int) -> int:
    """To how many bytes something packed may unpack."""
    return min(max(packed * MAX_INFLATE, FREE_UNPACKED), MAX_MEMBER)


class ZipEntry:
    """One member of a zip archive; unpacked in memory when it is asked for."""

    __slots__ = ("archive", "info", "name", "path", "size", "stamp")

    def __init__(self, archive: str, info: zipfile.ZipInfo, name: str, stamp: tuple[int, int]):
        self.archive = archive
        self.stamp = stamp  # of the archive, when its table of contents was read
        self.info = info  # not its name: an archive may hold two members of one name
        self.size = info.file_size
        self.path = f"{archive}/{info.filename.lstrip('/')}"  # Path would leave the archive for "/name"
        self.name = name
        if info.file_size > most_unpacked(info.compress_size):
            raise Unreadable("said to unpack to more bytes than can be meant")

    def _unpack(self, count: int, to_end: bool = False) -> bytes:
        """The first `count` bytes. to_end: go on to the end of the member, where its checksum is compared."""
        try:
            with _OPENED.open(self.archive, self.stamp) as archive, archive.open(self.info) as file:
                data = file.read(count)
                while to_end and file.read(1 << 20):
                    pass
                return data
        except FileNotFoundError:
            raise Broken("the archive is not there any more") from None
        except (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, KeyError):
            raise Broken("cannot be unpacked: the archive is damaged, encrypted or of an unknown method") from None

    def head(self, count: int) -> tuple[bytes, int]:
        return self._unpack(count), self.size

    def read(self, offset: int, count: int) -> bytes:
        return self._unpack(min(offset + count, self.size), to_end=True)[offset:]


Entry = FileEntry | ZipEntry
Skipped = list[tuple[str, str]]


def _shown(name: str) -> str:
    """A file name that can be printed: bytes that are no UTF-8 (old discs) are written as \\udc.. codes."""
    return name if name.isascii() else name.encode("utf-8", "backslashreplace").decode("utf-8")


def _walk(folder: str, prefix: str, depth: int, entries: list[Entry], skipped: Skipped) -> None:
    try:
        with os.scandir(folder) as listing:
            children = sorted(listing, key=lambda child: child.name)
    except OSError as error:
        skipped.append((prefix or ".", f"folder cannot be opened ({os.strerror(error.errno or 0)})"))
        return
    for child in children:
        name = prefix + _shown(child.name)
        try:
            if child.is_dir(follow_symlinks=False):
                if depth > 64:
                    skipped.append((name, "folders nested more than 64 deep are not followed"))
                else:
                    _walk(child.path, name + "/", depth + 1, entries, skipped)
            elif child.is_file():
                if child.name.lower().endswith(".zip"):
                    _add_zip(child.path, name + "/", entries, skipped)
                else:
                    entries.append(FileEntry(child.path, name))
            elif child.is_dir():
                skipped.append((name, "a link to a folder is not followed; give that folder itself"))
            else:
                # Opening a pipe or a device could wait for ever.
                skipped.append((name, "not a regular file"))
        except OSError as error:
            skipped.append((name, f"cannot be looked at ({os.strerror(error.errno or 0)})"))


def _add_zip(path: str, prefix: str, entries: list[Entry], skipped: Skipped) -> None:
    try:
        stamp = _stamp(path)
        with zipfile.ZipFile(path) as archive:
            members = sorted(archive.infolist(), key=lambda info: info.filename)
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError, EOFError, RuntimeError, UnicodeError):
        skipped.append((prefix.rstrip("/"), "not a readable zip archive"))
        return
    for info in members:
        if not info.filename:
            skipped.append((prefix.rstrip("/") or Path(path).name, "holds a member without a name"))
            continue
        if info.is_dir():
            continue
        try:
            entries.append(ZipEntry(path, info, prefix + info.filename, stamp))
        except Unreadable as error:
            skipped.append((prefix + info.filename, str(error)))


def at_home(path: str | os.PathLike) -> Path:
    """A path whose ``~`` stands for the user's home; a file may be called ~something, too."""
    try:
        return Path(path).expanduser()
    except RuntimeError:  # no such user
        return Path(path)


def check_exists(path: Path) -> None:
    """Raises FileNotFoundError or PermissionError, in a sentence, when there is neither such a file nor such a member
    of an archive, or when it may not be looked at.
    """
    try:
        path.stat()
    except PermissionError:
        raise PermissionError(f"{path.name} may not be looked at: the rights of a folder above forbid it.") from None
    except (OSError, ValueError):  # a name that is too long, or that no file can have
        if _archive_of(path) is None:
            text = f"{_shown(path.name)} does not exist; give a folder, a zip archive or a DICOM file."
            raise FileNotFoundError(text) from None


def _archive_of(path: Path) -> Path | None:
    """The file above a path that leads into it."""
    return next((parent for parent in path.parents if os.path.isfile(parent)), None)  # noqa: PTH113 (never raises)


def _entry(path: Path, name: str, entries: list[Entry], skipped: Skipped) -> None:
    """One named file, or a member of an archive, appended to `entries`."""
    try:
        mode = path.stat().st_mode
    except PermissionError:
        skipped.append((name, "may not be looked at"))
        return
    except (OSError, ValueError):
        archive = _archive_of(path)
        if archive is None:
            skipped.append((name, "no such file"))
            return
        member = PurePosixPath(*path.relative_to(archive).parts).as_posix()
        found: list[Entry] = []
        _add_zip(str(archive), archive.name + "/", found, skipped)
        chosen = [entry for entry in found if PurePosixPath(entry.info.filename.lstrip("/")).as_posix() == member]
        entries.extend(chosen)
        if not chosen:
            skipped.append((name, "no such member in the archive"))
        return
    if stat.S_ISDIR(mode):
        _walk(str(path), name + "/", 0, entries, skipped)
    elif not stat.S_ISREG(mode):
        skipped.append((name, "not a regular file"))
    elif path.suffix.lower() == ".zip" and zipfile.is_zipfile(path):
        _add_zip(str(path), "", entries, skipped)
    else:
        entries.append(FileEntry(str(path), name))


def list_entries(source: str | os.PathLike | Iterable[str | os.PathLike]) -> tuple[list[Entry], Skipped]:
    """All files of a source, in the order of their names, and what is no file with the reason.

    source: a folder (searched with its sub-folders), a zip archive, one file, or a list of these.
    """
    entries: list[Entry] = []
    skipped: Skipped = []
    if isinstance(source, str | os.PathLike):
        path = at_home(source)
        if path.is_dir():
            _walk(str(path), "", 0, entries, skipped)
        else:
            _entry(path, _shown(path.name), entries, skipped)
        return entries, skipped
    paths = [at_home(item) for item in source]
    names = [path.name for path in paths]
    doubled = len(set(names)) < len(names)
    seen: set[str] = set()
    for path in paths:
        name = f"{path.parent.name}/{path.name}" if doubled else path.name
        key = str(path)
        if key not in seen:  # the same path given twice is one file
            seen.add(key)
            _entry(path, _shown(name), entries, skipped)
    return entries, skipped
