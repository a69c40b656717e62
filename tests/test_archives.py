"""Unpacking what others made, and a CT series through a stand-in for idc-index: whole, or nothing."""

from __future__ import annotations

import hashlib
import shutil
import sys
import types
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import pytest

from helpers import datasets
from helpers.datasets import DatasetError, archives, fetching, idc, manifest, presence
from helpers.datasets.manifest import DataSet
from tests.bad_server import serving
from tests.dataset_tools import CONTENT, empty_cache, good_and_bad_server, known, left_behind, make_zip, small_set  # noqa: F401 (fixtures)

# --- archives ---------------------------------------------------------------------------------------------------------


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


def test_an_own_copy_counts_only_with_enough_files_in_each_folder(cache, tmp_path, monkeypatch):
    dataset = pets_set(make_zip(tmp_path / "pets.zip", PETS))
    known(monkeypatch, dataset)
    monkeypatch.setenv("MEDIMG_DATA", str(tmp_path / "own"))
    folder = tmp_path / "own" / dataset.own_copy
    for name, content in PETS.items():
        file = folder / Path(name).relative_to("top")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    assert datasets.find("small") == folder.resolve()
    (folder / "val" / "b" / "1.jpg").unlink()
    assert datasets.find("small") is None


def test_a_whole_folder_of_a_faster_process_is_not_replaced(cache, monkeypatch):
    archive = make_zip(cache / "pets.zip", PETS)
    known(monkeypatch, pets_set(archive))
    path = datasets.fetch("small", progress=False)
    number = path.stat().st_ino
    archives.unpack(archive, path.parent, most_bytes=1000, whole=lambda: True)
    assert path.stat().st_ino == number and left_behind(cache) == []
    archives.unpack(archive, path.parent, most_bytes=1000)
    assert path.stat().st_ino != number and datasets.find("small") == path


def test_several_that_unpack_at_once_all_get_the_whole_folder(cache, monkeypatch):
    archive = make_zip(cache / "pets.zip", PETS)
    dataset = pets_set(archive)
    for _ in range(20):
        start = Barrier(4)

        def fetch(start=start) -> str | None:
            start.wait()
            return presence.fault(dataset, fetching.fetch_into(dataset, cache, progress=False))

        with ThreadPoolExecutor(4) as pool:
            assert [run.result() for run in [pool.submit(fetch) for _ in range(4)]] == [None] * 4
        assert left_behind(cache) == []
        shutil.rmtree(cache / "pets")


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


def test_other_slices_under_the_number_of_the_series_are_refused(cache, tmp_path, monkeypatch):
    files, dataset = slices(tmp_path / "idc")
    known(monkeypatch, replace(dataset, instances_sha256="0" * 64))
    stand_in(monkeypatch, files)
    with pytest.raises(DatasetError, match="its slices are not those in the manifest"):
        datasets.fetch("lidc-0001", progress=False)


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
