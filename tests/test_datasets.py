"""Data sets: what is present, what a parameter means, and downloads that go wrong in every way we could think of."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import types
import zipfile
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from helpers import datasets
from helpers.datasets import DatasetError, archives, downloads, fetching, idc, manifest, presence
from helpers.datasets.__main__ import main
from helpers.datasets.manifest import Address, DataSet
from tests.bad_server import BadServer, serving

CONTENT = bytes(range(256)) * 80
SHA256 = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving(CONTENT) as running:
        yield running


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, with a space and accents in its name, and no MEDIMG_DATA."""
    folder = tmp_path / "caché für Daten"
    folder.mkdir()
    monkeypatch.setenv("MEDIMG_CACHE", str(folder))
    monkeypatch.delenv("MEDIMG_DATA", raising=False)
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


# --- the manifest -----------------------------------------------------------------------------------------------------


def test_every_entry_says_all_that_a_reader_needs():
    for dataset in manifest.load().values():
        assert dataset.title and dataset.licence and dataset.citation and dataset.used_by and dataset.confirmed
        assert dataset.kind == "own" or dataset.cache, dataset.name
        assert dataset.kind == "own" or dataset.addresses or dataset.where, dataset.name
        assert all(address.url.startswith("https://") for address in dataset.addresses), dataset.name
        if dataset.kind in ("file", "archive"):
            assert dataset.checksum or dataset.bytes, dataset.name
        if dataset.checksum:
            algorithm, value = dataset.checksum.split(":")
            assert len(bytes.fromhex(value)) == {"sha256": 32, "md5": 16}[algorithm], dataset.name
        if dataset.kind == "archive":
            assert dataset.layout and dataset.unpacked_limit > dataset.bytes, dataset.name


def test_weights_have_the_addresses_and_checksums_of_the_installed_keras():
    sources = Path(find_spec("keras").origin).parent / "src" / "applications"
    for name, module in [
        ("vgg16", "vgg16.py"),
        ("vgg16_notop", "vgg16.py"),
        ("vgg19", "vgg19.py"),
        ("vgg19_notop", "vgg19.py"),
        ("imagenet_classes", "imagenet_utils.py"),
    ]:
        text = (sources / module).read_text(encoding="utf-8")
        dataset = manifest.lookup(name)
        assert dataset.md5 in text, name
        url = dataset.addresses[0].url
        joined = text.replace('"\n    "', "")
        assert url in joined, name


def test_names_are_found_whatever_the_hyphens_and_capitals():
    assert manifest.lookup(" LIDC_0001 ").name == "lidc-0001"
    with pytest.raises(DatasetError, match=r"'pet'; known are sonar, .*pets"):
        datasets.find("pet")


def test_the_manifest_missing_is_one_sentence(tmp_path):
    with pytest.raises(DatasetError, match="make setup"):
        manifest.load(tmp_path / "manifest.json")


def test_sizes_are_readable():
    assert [manifest.readable(n) for n in (12, 87776, 68606236, 1.5e9)] == ["12 bytes", "87.8 kB", "68.6 MB", "1.5 GB"]


# --- find: half and wrong files are never present ---------------------------------------------------------------------


def test_own_copy_before_cache_and_never_a_damaged_one(cache, tmp_path, monkeypatch):
    known(monkeypatch, small_set())
    own, cached = tmp_path / "own" / "small" / "small.bin", cache / "small" / "small.bin"
    own.parent.mkdir(parents=True)
    cached.parent.mkdir()
    assert datasets.find("small") is None
    cached.write_bytes(CONTENT)
    assert datasets.find("small") == cached
    own.write_bytes(CONTENT)
    monkeypatch.setenv("MEDIMG_DATA", str(tmp_path / "own"))
    assert datasets.find("small") == own
    own.write_bytes(CONTENT[:-1])
    assert datasets.find("small") == cached
    cached.write_bytes(b"x" + CONTENT[1:])
    assert datasets.find("small") is None
    cached.unlink()
    cached.mkdir()
    assert datasets.find("small") is None


def test_a_large_file_is_hashed_once_until_it_changes(cache, monkeypatch):
    known(monkeypatch, small_set())
    monkeypatch.setattr(presence, "LARGE", 1000)
    hashed = []
    digest = hashlib.file_digest
    monkeypatch.setattr(presence.hashlib, "file_digest", lambda *a: hashed.append(1) or digest(*a))
    file = cache / "small" / "small.bin"
    file.parent.mkdir()
    file.write_bytes(CONTENT)
    assert datasets.find("small") and datasets.find("small") and len(hashed) == 1
    changed = file.stat().st_mtime_ns + 1_000_000_000
    file.write_bytes(bytes(reversed(CONTENT)))
    os.utime(file, ns=(changed, changed))
    assert datasets.find("small") is None and len(hashed) == 2
    assert datasets.find("small") is None and len(hashed) == 3  # a wrong file is not remembered as right


# --- resolve: None, a name, a path ------------------------------------------------------------------------------------


def test_nothing_given_means_the_default():
    assert datasets.resolve(None, expects="photo") is None
    assert datasets.resolve("  ", expects="series") is None
    with pytest.raises(ValueError, match="expects"):
        datasets.resolve(None, expects="picture")


def test_a_named_set_that_is_missing_says_everything(cache):
    with pytest.raises(DatasetError) as caught:
        datasets.resolve("cats_and_dogs_microsoft", expects="pets")
    parts = ["824,887,076 bytes", "https://download.microsoft.com/", "sha256:b7974bd0", "make data SET=", str(cache)]
    assert [part for part in parts if part not in str(caught.value)] == []
    with pytest.raises(DatasetError, match="MEDIMG_DATA"):
        datasets.resolve("faces", expects="faces")


def test_a_damaged_copy_is_named_with_its_fault(cache):
    (cache / "sonar").mkdir()
    (cache / "sonar" / "sonar.all-data").write_bytes(b"0.02,")
    with pytest.raises(DatasetError, match="does not count: 5 bytes instead of 87,776"):
        datasets.resolve("sonar", expects="sonar")


def test_a_set_of_another_kind_is_refused(cache):
    with pytest.raises(DatasetError, match=r"sonar does not fit here.*DICOM.*lidc-0001"):
        datasets.resolve("sonar", expects="series")


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home folder of a reader with one thing of each kind."""
    home = tmp_path / "home of Zoë"
    (home / "scan" / "deep").mkdir(parents=True)
    (home / "scan" / "deep" / "1").write_bytes(b"x")
    (home / "me.jpg").write_bytes(b"\xff\xd8\xff")
    (home / "table.csv").write_text("\n" + ",".join(["0.1"] * 60) + ",R\n", encoding="utf-8")
    (home / "pets" / "a").mkdir(parents=True)
    (home / "pets" / "a" / "1.JPG").write_bytes(b"x")
    (home / "faces" / "images").mkdir(parents=True)
    (home / "faces" / "annotations.csv").write_text("image,x,y,w,h\n", encoding="utf-8")
    (home / "w.h5").write_bytes(b"\x89HDF\r\n\x1a\n123")
    (home / "w.keras").write_bytes(b"PK\x03\x04123")
    (home / "hollow").mkdir()
    (home / "nothing.jpg").touch()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.chdir(home)
    return home


@pytest.mark.parametrize(
    ("value", "expects"),
    [
        ("~/me.jpg", "photo"),
        ("~/scan", "series"),
        ("./me.jpg", "series"),
        ("table.csv", "sonar"),
        ("./pets", "pets"),
        ("faces/../faces/", "faces"),
        ("w.h5", "vgg16_weights"),
        ("w.keras", "vgg16_weights"),
    ],
)
def test_own_paths_are_taken_and_made_absolute(own, value, expects):
    path = datasets.resolve(value, expects=expects)
    assert path.is_absolute() and path.exists() and path.is_relative_to(own.resolve())
    assert datasets.resolve(Path(value), expects=expects) == path


@pytest.mark.parametrize(
    ("value", "expects", "says"),
    [
        ("~/nobody.jpg", "photo", "~/nobody.jpg does not exist; expected was a picture file"),
        ("nobody.jpg", "photo", "does not exist in home of Zoë, the folder this runs in"),
        ("scan", "photo", "scan is a folder"),
        ("nothing.jpg", "photo", "is empty"),
        ("hollow", "series", "folder without files; expected was a folder, zip file or file with DICOM"),
        ("nothing.jpg", "series", "is empty"),
        ("me.jpg", "sonar", "no line of 60 numbers"),
        ("scan", "pets", "without pictures"),
        ("me.jpg", "pets", "is not a folder"),
        ("pets/a", "faces", "has no images and no annotations.csv"),
        ("me.jpg", "vgg16_weights", "holds no Keras weights"),
    ],
)
def test_wrong_own_paths_end_in_one_sentence(own, value, expects, says):
    with pytest.raises(DatasetError) as caught:
        datasets.resolve(value, expects=expects)
    assert says in str(caught.value) and "\n" not in str(caught.value) and value in str(caught.value)


def test_a_binary_file_is_no_table(own):
    (own / "t.csv").write_bytes(b"0.1,\0" * 100)
    with pytest.raises(DatasetError, match="not a text file"):
        datasets.resolve("t.csv", expects="sonar")


# --- downloads --------------------------------------------------------------------------------------------------------


def get(server: BadServer, target: Path, *behaviours: str, **options) -> None:
    options = {"size": len(CONTENT), "checksum": SHA256, "pauses": (0.01, 0.01), "timeout": 5} | options
    downloads.download([Address(server.url(each)) for each in behaviours], target, **options)


@pytest.mark.parametrize(("behaviour", "asked"), [("good", 1), ("moved", 1), ("cut-once", 2), ("busy-once", 2)])
def test_the_file_arrives_after_trying_again_where_that_helps(server, tmp_path, behaviour, asked):
    get(server, tmp_path / "new" / "file", behaviour)
    assert (tmp_path / "new" / "file").read_bytes() == CONTENT
    assert server.asked[behaviour] == asked
    assert left_behind(tmp_path) == []


BAD = [
    ("cut", 3, "cut off"),
    ("cut-unannounced", 3, "cut off"),
    ("long", 1, "announces 20,485 bytes instead of 20,480"),
    ("short", 1, "announces 20,475 bytes instead of 20,480"),
    ("endless", 1, "sends more than 20,480 bytes"),
    ("page", 1, "web page"),
    ("page-as-file", 1, "web page"),
    ("wrong", 1, "sha256 is not the one in the manifest"),
    ("gone", 1, "status 404"),
]


@pytest.mark.parametrize(("behaviour", "asked", "says"), BAD)
def test_a_bad_download_changes_nothing_and_says_why(server, tmp_path, behaviour, asked, says):
    target = tmp_path / "file"
    target.write_bytes(b"as it was")
    with pytest.raises(downloads.DownloadFailed) as caught:
        get(server, target, behaviour)
    assert says in caught.value.reasons[0] and "127.0.0.1" in caught.value.reasons[0]
    assert server.asked[behaviour] == asked
    assert target.read_bytes() == b"as it was" and left_behind(tmp_path) == []


def test_the_next_address_is_tried_and_all_reasons_are_told(server, tmp_path):
    get(server, tmp_path / "file", "wrong", "gone", "page", "good")
    assert (tmp_path / "file").read_bytes() == CONTENT
    with pytest.raises(downloads.DownloadFailed) as caught:
        get(server, tmp_path / "other", "wrong", "gone")
    assert len(caught.value.reasons) == 2 and not (tmp_path / "other").exists()


def test_without_a_checksum_the_size_decides_and_without_a_size_the_checksum(server, tmp_path):
    get(server, tmp_path / "a", "wrong", checksum=None)
    with pytest.raises(downloads.DownloadFailed):
        get(server, tmp_path / "b", "cut-unannounced", checksum=None, pauses=())
    with pytest.raises(downloads.DownloadFailed, match="sha256"):
        get(server, tmp_path / "c", "wrong", size=None)
    with pytest.raises(downloads.DownloadFailed, match="more than 5,000 bytes"):
        get(server, tmp_path / "d", "good", size=None, limit=5000)


def test_a_silent_or_slow_server_is_given_up(server, tmp_path):
    start = time.monotonic()
    with pytest.raises(downloads.DownloadFailed, match="no answer in time"):
        get(server, tmp_path / "a", "silent", timeout=0.2, pauses=())
    with pytest.raises(downloads.DownloadFailed, match="too slow"):
        get(server, tmp_path / "b", "slow", deadline=time.monotonic() + 0.5)
    assert time.monotonic() - start < 6


def test_nobody_listening_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    with pytest.raises(downloads.DownloadFailed, match="no connection"):
        downloads.download([Address("http://127.0.0.1:9/x")], tmp_path / "x", size=1, checksum=None, pauses=())


def test_one_member_of_a_zip_file(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with zipfile.ZipFile(tmp_path / "made.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("readme", "text")
        archive.writestr("table", CONTENT)
    with serving((tmp_path / "made.zip").read_bytes()) as server:
        known_as = {"size": len(CONTENT), "checksum": SHA256, "pauses": ()}
        downloads.download([Address(server.url("good"), "table")], tmp_path / "out", **known_as)
        assert (tmp_path / "out").read_bytes() == CONTENT
        for behaviour, member, says in [
            ("good", "absent", "no zip file with absent"),
            ("good", "readme", "readme has 4 bytes"),
            ("cut", "table", "cut off"),
            ("wrong", "table", "no zip file"),
        ]:
            with pytest.raises(downloads.DownloadFailed, match=says):
                downloads.download([Address(server.url(behaviour), member)], tmp_path / "no", **known_as)
    assert not (tmp_path / "no").exists() and left_behind(tmp_path) == []


def test_progress_is_shown_and_its_line_ended_when_a_transfer_fails(server, tmp_path, capsys):
    get(server, tmp_path / "file", "good", progress=True)
    shown = capsys.readouterr().err
    assert "100%" in shown and "20.5k" in shown
    with pytest.raises(downloads.DownloadFailed):
        get(server, tmp_path / "other", "cut", progress=True, pauses=())
    assert capsys.readouterr().err.endswith("\n")


def test_leftovers_of_earlier_days_go_and_those_of_other_processes_stay(server, tmp_path):
    old, young = tmp_path / ".file-abc.part", tmp_path / ".file-def.part"
    old.write_bytes(b"half")
    young.write_bytes(b"half")
    os.utime(old, (1, 1))
    get(server, tmp_path / "file", "good")
    assert not old.exists() and young.exists()


FETCH_ONE = """
import sys, hashlib
from pathlib import Path
from helpers.datasets import downloads
from helpers.datasets.manifest import Address
for _ in range(10):
    downloads.download([Address(sys.argv[1])], Path(sys.argv[2]), size=int(sys.argv[3]), checksum=sys.argv[4])
"""


def test_two_processes_do_not_harm_each_other(server, tmp_path):
    target = tmp_path / "file"
    command = [sys.executable, "-c", FETCH_ONE, server.url("good"), str(target), str(len(CONTENT)), SHA256]
    runs = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    while any(run.poll() is None for run in runs):
        assert not target.exists() or target.read_bytes() == CONTENT
        time.sleep(0.002)
    assert [run.communicate()[1] for run in runs] == ["", ""]
    assert target.read_bytes() == CONTENT and left_behind(tmp_path) == []


# --- fetch ------------------------------------------------------------------------------------------------------------


def test_fetch_brings_a_set_once(server, cache, monkeypatch):
    known(monkeypatch, small_set(server.url("good")))
    path = datasets.fetch("small", progress=False)
    assert path == datasets.find("small") == cache / "small" / "small.bin"
    assert datasets.fetch("small", progress=False) == path and server.asked["good"] == 1
    path.write_bytes(CONTENT[:100])
    assert datasets.fetch("small", progress=False).read_bytes() == CONTENT and server.asked["good"] == 2


def test_fetch_failing_tells_how_to_get_the_set_by_hand(server, cache, monkeypatch):
    known(monkeypatch, small_set(server.url("page"), server.url("gone")))
    with pytest.raises(DatasetError) as caught:
        datasets.fetch("small", progress=False)
    for part in ("web page", "404", "20,480 bytes", server.url("gone"), SHA256, str(cache), "small.bin", "SET=small"):
        assert part in str(caught.value)
    assert datasets.find("small") is None


def test_a_full_disk_is_said_before_the_transfer(server, cache, monkeypatch):
    known(monkeypatch, small_set(server.url("good")))
    monkeypatch.setattr(fetching.shutil, "disk_usage", lambda _: types.SimpleNamespace(free=10))
    with pytest.raises(DatasetError, match="only 10 bytes are free"):
        datasets.fetch("small", progress=False)
    assert not server.asked


def test_a_cache_that_cannot_be_made_is_one_sentence(server, cache, monkeypatch):
    known(monkeypatch, small_set(server.url("good")))
    (cache / "small").write_text("a file where the folder should be", encoding="utf-8")
    with pytest.raises(DatasetError, match="small cannot be written into"):
        datasets.fetch("small", progress=False)


def test_own_sets_are_not_fetched(cache):
    with pytest.raises(DatasetError, match=r"faces cannot be fetched.*MEDIMG_DATA"):
        datasets.fetch("faces")


@pytest.mark.parametrize(
    ("behaviour", "says"), [("good", "fetched (20.5 kB"), ("page", "web page"), ("gone", "404"), ("slow", "slow")]
)
def test_the_quiet_fetch_says_one_sentence_and_never_raises(server, cache, monkeypatch, capsys, behaviour, says):
    known(monkeypatch, small_set(server.url(behaviour)))
    start = time.monotonic()
    sentence = fetching.fetch_quietly("small", 1.5)
    assert says in sentence and "\n" not in sentence and time.monotonic() - start < 2
    assert (datasets.find("small") is not None) == (behaviour == "good")
    assert capsys.readouterr() == ("", "")
    if behaviour == "good":
        assert "there already" in fetching.fetch_quietly("small", 1.5) and server.asked["good"] == 1


def test_the_quiet_fetch_survives_a_broken_manifest_and_a_name_server_that_hangs(cache, monkeypatch):
    monkeypatch.setattr(fetching, "_try_once", lambda *_: time.sleep(5))
    start = time.monotonic()
    assert "no answer in time" in datasets.fetch_sonar_quietly(0.2) and time.monotonic() - start < 2
    monkeypatch.setattr(manifest, "load", lambda: {}[1])
    assert "not fetched" in datasets.fetch_sonar_quietly(0.2)


# --- archives ---------------------------------------------------------------------------------------------------------


def make_zip(path: Path, members: dict[str, bytes], **options) -> Path:
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


PETS = {f"top/{part}/{kind}/{n}.jpg": bytes([n]) * 9 for part in ("train", "val") for kind in "ab" for n in range(3)}
LAYOUT = {f"{part}/{kind}": 3 for part in ("train", "val") for kind in "ab"}


def pets_set(archive: Path, *urls: str) -> DataSet:
    content = archive.read_bytes()
    return small_set(
        *urls,
        kind="archive",
        cache="pets",
        inner="top",
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        layout=LAYOUT,
        unpacked_limit=1000,
    )


def test_an_archive_is_fetched_unpacked_and_then_watched(cache, tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    archive = make_zip(tmp_path / "pets.zip", PETS)
    with serving(archive.read_bytes()) as server:
        known(monkeypatch, pets_set(archive, server.url("good")))
        path = datasets.fetch("small", progress=False)
    assert path == cache / "pets" / "top" == datasets.find("small")
    assert (path / "val" / "b" / "2.jpg").read_bytes() == bytes([2]) * 9
    assert sorted(entry.name for entry in cache.iterdir()) == ["pets"]  # no zip file, no leftovers
    (path / "val" / "b" / "2.jpg").write_bytes(b"short")
    assert datasets.find("small") is None
    (path / "val" / "b" / "2.jpg").unlink()
    assert datasets.find("small") is None


def test_an_archive_put_there_by_hand_is_unpacked_without_a_network_and_kept(cache, tmp_path, monkeypatch):
    archive = make_zip(cache / "pets.zip", PETS)
    known(monkeypatch, pets_set(archive))
    assert datasets.find("small") is None
    assert datasets.fetch("small", progress=False).is_dir() and archive.exists()


def test_a_half_unpacked_folder_is_never_present(cache, tmp_path, monkeypatch):
    archive = make_zip(cache / "pets.zip", PETS)
    known(monkeypatch, pets_set(archive))
    written = []

    def dies(opened, member, target):
        written.append(target)
        if len(written) == len(PETS):
            raise KeyboardInterrupt
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(opened.read(member))

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(archives, "_write", dies)
        datasets.fetch("small", progress=False)
    assert datasets.find("small") is None and not (cache / "pets").exists() and left_behind(cache) == []
    (cache / "pets" / "top" / "train").mkdir(parents=True)  # what an older, careless program might have left
    assert datasets.find("small") is None
    assert datasets.fetch("small", progress=False) == datasets.find("small")


def test_a_whole_folder_of_a_faster_process_is_not_replaced(cache, monkeypatch):
    archive = make_zip(cache / "pets.zip", PETS)
    known(monkeypatch, pets_set(archive))
    path = datasets.fetch("small", progress=False)
    number = path.stat().st_ino
    archives.unpack(archive, path.parent, most_bytes=1000, whole=lambda: True)
    assert path.stat().st_ino == number and left_behind(cache) == []
    archives.unpack(archive, path.parent, most_bytes=1000)
    assert path.stat().st_ino != number and datasets.find("small") == path


def link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, (0o120777 << 16)
    return info


@pytest.mark.parametrize(
    ("member", "says"),
    [
        ("../evil.txt", "outside"),
        ("a/../../evil.txt", "outside"),
        ("/evil.txt", "outside"),
        ("..\\evil.txt", "outside"),
        ("C:\\evil.txt", "outside"),
        ("C:evil.txt", "outside"),
        (link("link"), "link or a device"),
    ],
)
def test_members_that_would_leave_the_folder_are_refused(tmp_path, member, says):
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("good.txt", "good")
        archive.writestr(member, "/etc/passwd")
    with pytest.raises(DatasetError, match=f"evil.zip is not unpacked.*{says}"):
        archives.unpack(tmp_path / "evil.zip", tmp_path / "in" / "out", most_bytes=1000)
    assert sorted(file.name for file in tmp_path.rglob("*")) == ["evil.zip", "in"]


def test_too_much_too_many_twice_and_damaged_are_refused(tmp_path):
    out = tmp_path / "out"
    bomb = make_zip(tmp_path / "bomb.zip", {"zeros": bytes(5_000_000)}, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(DatasetError, match="1 files and 5 MB, more than"):
        archives.unpack(bomb, out, most_bytes=1_000_000)
    many = make_zip(tmp_path / "many.zip", {f"{n}": b"" for n in range(20)})
    with pytest.raises(DatasetError, match="20 files"):
        archives.unpack(many, out, most_bytes=1000, most_files=19)
    with pytest.raises(DatasetError, match="there twice"):
        archives.unpack(make_zip(tmp_path / "two.zip", {"A": b"1", "a": b"2"}), out, most_bytes=1000)
    with pytest.raises(DatasetError, match="damaged"):
        archives.unpack(make_zip(tmp_path / "nest.zip", {"a": b"1", "a/b": b"2"}), out, most_bytes=1000)
    whole = make_zip(tmp_path / "whole.zip", {"a": CONTENT, "b": CONTENT}).read_bytes()
    for number, broken in enumerate([whole[:-30], whole[: len(whole) // 2], whole.replace(CONTENT, CONTENT[::-1], 1)]):
        (tmp_path / f"{number}.zip").write_bytes(broken)
        with pytest.raises(DatasetError, match="damaged or no zip file"):
            archives.unpack(tmp_path / f"{number}.zip", out, most_bytes=100_000)
    assert not out.exists() and left_behind(tmp_path) == []


def test_a_member_that_lies_about_its_size_does_not_get_more(tmp_path):
    content = make_zip(tmp_path / "z.zip", {"zeros": bytes(500_000)}, compression=zipfile.ZIP_DEFLATED).read_bytes()
    (tmp_path / "z.zip").write_bytes(content.replace((500_000).to_bytes(4, "little"), (50).to_bytes(4, "little")))
    with pytest.raises(DatasetError, match="damaged"):
        archives.unpack(tmp_path / "z.zip", tmp_path / "out", most_bytes=1000)


# --- the Imaging Data Commons, by a stand-in for its package ----------------------------------------------------------


def stand_in(monkeypatch: pytest.MonkeyPatch, files: list[Path], *, subfolder: str = "", fails: str = "") -> list[dict]:
    """A module `idc_index` whose client copies `files`, with the signature of idc-index 0.13; returns the calls."""
    calls: list[dict] = []

    class IDCClient:
        def download_dicom_series(
            self,
            seriesInstanceUID,
            downloadDir,
            dry_run=False,
            quiet=True,
            show_progress_bar=True,
            use_s5cmd_sync=False,
            dirTemplate="%collection_id/%PatientID",
        ):
            calls.append({"uid": seriesInstanceUID, "template": dirTemplate})
            if fails:
                raise RuntimeError(fails)
            target = Path(downloadDir) / subfolder
            target.mkdir(exist_ok=True)
            for file in files:
                shutil.copy(file, target)

    package, module = types.ModuleType("idc_index"), types.ModuleType("idc_index.index")
    package.index, module.IDCClient = module, IDCClient
    monkeypatch.setitem(sys.modules, "idc_index", package)
    monkeypatch.setitem(sys.modules, "idc_index.index", module)
    monkeypatch.setattr(idc, "_reach", lambda: None)
    return calls


def slices(folder: Path, count: int = 3) -> tuple[list[Path], DataSet]:
    """A small series as DICOM files and the entry of the manifest that describes it."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    folder.mkdir()
    uids = [f"1.2.3.{number}" for number in range(1, count + 1)]
    for uid in uids:
        image = Dataset()
        image.file_meta = FileMetaDataset()
        image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        image.SOPClassUID, image.SOPInstanceUID, image.SeriesInstanceUID = "1.2.840.10008.5.1.4.1.1.2", uid, "1.2.3"
        image.PixelData = bytes(512 * 512 * 2)
        image["PixelData"].VR = "OW"
        image.save_as(folder / f"{uid}.dcm", enforce_file_format=True)
    dataset = replace(
        manifest.lookup("lidc-0001"),
        files=count,
        series_uid="1.2.3",
        instances_sha256=hashlib.sha256("\n".join(uids).encode()).hexdigest(),
    )
    return sorted(folder.iterdir()), dataset


def test_the_series_comes_whole_into_one_folder(cache, tmp_path, monkeypatch):
    files, dataset = slices(tmp_path / "idc")
    known(monkeypatch, dataset)
    calls = stand_in(monkeypatch, files)
    path = datasets.fetch("lidc-0001", progress=False)
    assert path == cache / "lidc-0001" == datasets.find("lidc-0001")
    assert calls == [{"uid": "1.2.3", "template": None}]
    assert sorted(file.name for file in path.iterdir()) == [file.name for file in files]
    assert datasets.fetch("lidc-0001") == path and len(calls) == 1
    half = (path / files[0].name).read_bytes()[:300_000]
    (path / files[0].name).write_bytes(half)
    assert datasets.find("lidc-0001") is None


@pytest.mark.parametrize(
    ("count", "fails", "says"),
    [(2, "", "2 whole slices of the series instead of 3"), (0, "", "0 whole slices"), (3, "no bucket", "no bucket")],
)
def test_an_incomplete_series_is_not_kept(cache, tmp_path, monkeypatch, count, fails, says):
    files, dataset = slices(tmp_path / "idc")
    known(monkeypatch, dataset)
    stand_in(monkeypatch, files[:count], fails=fails)
    with pytest.raises(DatasetError, match=says) as caught:
        datasets.fetch("lidc-0001", progress=False)
    assert dataset.series_uid in str(caught.value)
    assert list(cache.glob("*lidc*")) == [] and list(cache.glob(".lidc*")) == []


def test_without_idc_index_one_sentence_names_the_command(cache, monkeypatch):
    monkeypatch.setitem(sys.modules, "idc_index", None)
    with pytest.raises(DatasetError, match=r"pip install 'medimg-course\[idc\]'"):
        datasets.fetch("lidc-0001")


def test_without_a_network_idc_index_is_not_even_started(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    with pytest.raises(DatasetError, match=r"127\.0\.0\.1, where the series lies, does not answer"):
        idc._reach("http://127.0.0.1:9")


@pytest.mark.real_data
def test_the_shared_copies_are_whole_and_what_the_manifest_says(cache, medimg_data, monkeypatch):
    for name in ("sonar", "yunet", "lidc-0001", "pets", "faces"):
        monkeypatch.setenv("MEDIMG_DATA", str(medimg_data))
        assert datasets.find(name) == (medimg_data / manifest.lookup(name).own_copy).resolve(), name
    series = medimg_data / manifest.lookup("lidc-0001").own_copy
    strays = [*sorted(series.iterdir())[1:], medimg_data / "dicom" / "chest-lidc-0001-strays" / "000001.dcm"]
    monkeypatch.delenv("MEDIMG_DATA")
    stand_in(monkeypatch, strays, subfolder="deeper")
    with pytest.raises(DatasetError, match="132 whole slices"):
        datasets.fetch("lidc-0001", progress=False)


# --- the command ------------------------------------------------------------------------------------------------------


def test_the_command_lists_and_fetches(server, cache, monkeypatch, capsys):
    assert main([]) == 0
    table = capsys.readouterr().out
    assert all(name in table for name in datasets.names()) and "825 MB" in table and "CC BY 3.0" in table
    known(monkeypatch, small_set(server.url("good")))
    assert main(["small"]) == 0 and "small.bin" in capsys.readouterr().out
    assert main(["smal"]) == 1 and "There is no data set 'smal'" in capsys.readouterr().err


def test_the_command_offline_ends_with_status_1_and_the_way_by_hand(cache, monkeypatch, capsys):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setattr(downloads.time, "sleep", lambda _: None)
    assert main(["imagenet_classes"]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.count("no connection") == 2
    assert "35,363 bytes" in err and "md5:c2c37ea5" in err and str(cache) in err


def test_the_module_runs_as_a_command(tmp_path):
    environment = os.environ | {"MEDIMG_CACHE": str(tmp_path), "MEDIMG_DATA": ""}
    command = [sys.executable, "-m", "helpers.datasets"]
    run = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0 and run.stderr == "" and "lidc-0001" in run.stdout


def test_the_table_shows_damage_and_a_wrong_medimg_data(cache, monkeypatch, capsys):
    (cache / "sonar").mkdir()
    (cache / "sonar" / "sonar.all-data").write_bytes(b"half")
    monkeypatch.setenv("MEDIMG_DATA", str(cache / "nowhere"))
    assert main(["--details"]) == 0
    shown = capsys.readouterr().out
    assert "damaged in" in shown and "MEDIMG_DATA names no folder" in shown and "doi:10.24432/C5T01Q" in shown


def test_importing_the_module_does_not_import_what_only_fetching_needs():
    code = "import sys, helpers.datasets; print({'pooch', 'requests', 'pydicom', 'keras'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"


def test_the_manifest_is_plain_json_that_others_can_read():
    entries = json.loads((manifest.REPOSITORY / "data" / "manifest.json").read_text(encoding="utf-8"))["sets"]
    assert entries["sonar"]["bytes"] == 87776 and entries["yunet"]["bytes"] == 232589
