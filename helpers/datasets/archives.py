"""Unpack a zip file that somebody else made: inside the folder, within limits, whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path, PurePosixPath

from helpers.datasets.manifest import DatasetError, readable
from helpers.datasets.presence import STAMP

MOST_FILES = 100_000


def unpack(
    archive: Path,
    folder: Path,
    *,
    most_bytes: int,
    most_files: int = MOST_FILES,
    whole: Callable[[], bool] = lambda: False,
) -> None:
    """Unpack `archive` as the new `folder`, which exists afterwards only when every member arrived whole.

    Refused with a DatasetError: members outside the folder (absolute, drive letter, ``..``), links and devices,
    encrypted members, the same name twice, more than `most_files` members or `most_bytes` bytes, damaged members.
    An older folder of the same name is replaced, unless `whole` says that it is right (another process was faster).
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-", suffix=".part"))
    try:
        with zipfile.ZipFile(archive) as opened:
            members = checked_members(opened, archive.name, most_bytes=most_bytes, most_files=most_files)
            for member in members:
                _write(opened, member, temporary / member.filename)
        note = {"files": len(members), "bytes": sum(member.file_size for member in members)}
        (temporary / STAMP).write_text(json.dumps(note), encoding="utf-8")
        temporary.chmod(0o755)
        move_in_place(temporary, folder, whole)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, FileExistsError, NotADirectoryError) as error:
        raise DatasetError(f"{archive.name} is damaged or no zip file; delete it and fetch it again.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def checked_members(opened: zipfile.ZipFile, name: str, *, most_bytes: int, most_files: int) -> list[zipfile.ZipInfo]:
    """The files of an opened zip file; DatasetError when one of them must not be unpacked."""
    members = [member for member in opened.infolist() if not member.is_dir()]
    total = sum(member.file_size for member in members)
    if len(members) > most_files or total > most_bytes:
        raise DatasetError(
            f"{name} would unpack to {len(members):,} files and {readable(total)}, more than the "
            f"{most_files:,} files and {readable(most_bytes)} allowed; it is not the expected archive."
        )
    seen: set[str] = set()
    for member in members:
        problem = _problem(member, seen)
        if problem:
            raise DatasetError(f"{name} is not unpacked: its member {member.orig_filename[:80]!r} {problem}.")
        seen.add(member.filename.casefold())
    return members


def _problem(member: zipfile.ZipInfo, seen: set[str]) -> str | None:
    name = member.orig_filename
    parts = PurePosixPath(name.replace("\\", "/"))
    mode = stat.S_IFMT(member.external_attr >> 16)
    if "\0" in name or ":" in name or parts.is_absolute() or ".." in parts.parts:
        return "points outside the folder"
    if mode not in (0, stat.S_IFREG):
        return "is a link or a device"
    if member.flag_bits & 0x1:
        return "is encrypted"
    return "is there twice" if member.filename.casefold() in seen else None


def _write(opened: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    """Copy one member; `zipfile` reads no more than the stated size and compares the CRC at the end."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with opened.open(member) as source, target.open("xb") as sink:
        shutil.copyfileobj(source, sink, 1 << 20)
    if target.stat().st_size != member.file_size:
        raise zipfile.BadZipFile(f"{member.filename} is cut short")


def move_in_place(temporary: Path, folder: Path, whole: Callable[[], bool]) -> None:
    """Give a finished folder its name at once; an older folder of that name goes, unless it is `whole` by now."""
    for _ in range(3):
        if folder.exists():
            if whole():
                return
            old = folder.with_name(f".{folder.name}-{os.getpid()}-old.part")
            with suppress(FileNotFoundError):
                folder.rename(old)
            shutil.rmtree(old, ignore_errors=True)
        with suppress(OSError):
            temporary.rename(folder)
            return
    raise DatasetError(f"The folder {folder.name} cannot be replaced: close the programs that use it and try again.")
