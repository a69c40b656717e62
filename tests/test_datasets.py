"""Data sets: the manifest, what is present, what a parameter means, and the command."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from helpers import datasets
from helpers.datasets import DatasetError, downloads, manifest, origin, presence
from helpers.datasets.__main__ import main
from tests.dataset_tools import CONTENT, empty_cache, good_and_bad_server, known, small_set  # noqa: F401 (fixtures)

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


def test_weights_that_keras_has_fetched_itself_are_found_when_they_are_right(cache, tmp_path, monkeypatch):
    weights = manifest.lookup("imagenet")
    assert weights.name == "vgg16" and datasets.find("vgg16") is None
    known(monkeypatch, small_set(keras_file=True))
    folder = tmp_path / "keras" / "models"
    folder.mkdir(parents=True)
    (folder / "small.bin").write_bytes(CONTENT[:-9])
    assert datasets.find("small") is None
    (folder / "small.bin").write_bytes(CONTENT)
    assert datasets.find("small") == folder / "small.bin"


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


def test_pictures_of_a_set_name_their_source():
    assert origin(None, "drawn", "mine") == origin(" ", "drawn", "mine") == ("bundled", "drawn")
    assert origin("LIDC_0001", "drawn", "mine") == ("fetched", "LIDC-IDRI-0001, CC BY 3.0")
    assert origin("./lidc-0001", "drawn", "mine") == origin(Path("lidc-0001"), "drawn", "mine") == ("own", "mine")
    kind, words = origin("sonar", "drawn", "mine")
    assert kind == "fetched" and words.endswith("CC BY 4.0")


def test_a_named_set_that_is_missing_says_everything(cache):
    with pytest.raises(DatasetError) as caught:
        datasets.resolve("cats_and_dogs_microsoft", expects="pets")
    parts = ["824,887,076 bytes", "https://download.microsoft.com/", "sha256:b7974bd0", "make data SET=", str(cache)]
    assert [part for part in parts if part not in str(caught.value)] == []
    with pytest.raises(DatasetError, match="MEDIMG_DATA"):
        datasets.resolve("faces", expects="faces")


def test_addresses_that_need_a_hand_say_so(cache):
    with pytest.raises(DatasetError) as caught:
        datasets.resolve("sonar", expects="sonar")
    assert "rocks.zip  (a zip file that holds sonar.all-data)" in str(caught.value)
    assert "sonar.csv  (lacks its last line end)" in str(caught.value)


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
        ("me.jpg", "sonar", "has no columns"),
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


def test_the_quiet_command_never_fails(cache, monkeypatch, capsys):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    assert main(["sonar", "no such set", "--quiet"]) == 0
    out, err = capsys.readouterr()
    assert err == "" and len(out.splitlines()) == 2 and "sonar table was not fetched" in out


def test_relative_folders_mean_the_same_in_a_kernel(tmp_path, monkeypatch):
    monkeypatch.setattr(manifest, "REPOSITORY", tmp_path)
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "mine").mkdir()
    monkeypatch.setenv("MEDIMG_DATA", "mine")
    monkeypatch.setenv("MEDIMG_CACHE", "kept")
    for folder in (tmp_path, tmp_path / "notebooks"):
        monkeypatch.chdir(folder)
        assert manifest.own_root() == tmp_path / "mine" and manifest.cache_root() == tmp_path / "kept"
    monkeypatch.setenv("MEDIMG_DATA", "")
    monkeypatch.setenv("MEDIMG_CACHE", " ")
    assert manifest.own_root() is None and manifest.cache_root() == tmp_path / "data"


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
