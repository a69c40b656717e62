"""What the tests of the data sets share: a small set, an empty cache, a server."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from helpers.datasets import manifest
from helpers.datasets.manifest import Address, DataSet
from tests.bad_server import serving

CONTENT = bytes(range(256)) * 80
SHA256 = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


@pytest.fixture(name="server")
def good_and_bad_server(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving(CONTENT) as running:
        yield running


@pytest.fixture(name="cache")
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, with a space and accents in its name, no MEDIMG_DATA and no folder of Keras."""
    folder = tmp_path / "caché für Daten"
    folder.mkdir()
    monkeypatch.setenv("MEDIMG_CACHE", str(folder))
    monkeypatch.delenv("MEDIMG_DATA", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return folder


def small_set(*urls: str, **changes) -> DataSet:
    """A set of one small file, as the manifest would describe it."""
    basis = DataSet(
        name="small",
        title="a small file",
        kind="file",
        expects="sonar",
        bytes=len(CONTENT),
        sha256=SHA256.removeprefix("sha256:"),
        own_copy="small/small.bin",
        cache="small/small.bin",
        addresses=tuple(Address(url) for url in urls),
        used_by="a test",
        licence="none",
        citation="none",
        confirmed="",
    )
    return replace(basis, **changes)


def known(monkeypatch: pytest.MonkeyPatch, *sets: DataSet) -> None:
    """Replace the manifest by these sets."""
    monkeypatch.setattr(manifest, "load", lambda: {each.name: each for each in sets})


def left_behind(folder: Path) -> list[str]:
    return [file.name for file in folder.rglob("*.part")]


def make_zip(path: Path, members: dict[str, bytes], **options) -> Path:
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path
