"""Downloads that go wrong in every way we could think of leave nothing half done and say why."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
import types
import zipfile
from pathlib import Path

import pytest

from helpers import datasets
from helpers.datasets import DatasetError, downloads, fetching, manifest
from helpers.datasets.manifest import Address
from tests.bad_server import BadServer, serving
from tests.dataset_tools import CONTENT, SHA256, empty_cache, good_and_bad_server, known, left_behind, small_set  # noqa: F401 (fixtures)

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
    assert time.monotonic() - start < 15  # the silent server answers after 30 s, the slow one needs 20


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


def test_a_copy_that_lacks_its_last_line_end_is_completed_and_then_compared(server, tmp_path):
    whole = CONTENT + b"\n"
    known_as = {"size": len(whole), "checksum": f"sha256:{hashlib.sha256(whole).hexdigest()}", "pauses": ()}
    downloads.download([Address(server.url("good"), append="\n")], tmp_path / "out", **known_as)
    assert (tmp_path / "out").read_bytes() == whole
    for behaviour in ("wrong", "cut-unannounced", "long"):
        with pytest.raises(downloads.DownloadFailed):
            downloads.download([Address(server.url(behaviour), append="\n")], tmp_path / "no", **known_as)


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


def test_fetch_into_another_folder_asks_once_too(server, cache, tmp_path, monkeypatch):
    known(monkeypatch, small_set(server.url("good")))
    path = datasets.fetch("small", root=tmp_path / "other", progress=False)
    assert path == tmp_path / "other" / "small" / "small.bin" and datasets.find("small") is None
    assert datasets.fetch("small", root=tmp_path / "other", progress=False) == path and server.asked["good"] == 1


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
    assert says in sentence and "\n" not in sentence and time.monotonic() - start < 10
    assert (datasets.find("small") is not None) == (behaviour == "good")
    assert capsys.readouterr() == ("", "")
    if behaviour == "good":
        assert "there already" in fetching.fetch_quietly("small", 1.5) and server.asked["good"] == 1


def test_the_quiet_fetch_survives_a_broken_manifest_and_a_name_server_that_hangs(cache, monkeypatch):
    monkeypatch.setattr(fetching, "_try_once", lambda *_: time.sleep(30))
    start = time.monotonic()
    assert "no answer in time" in datasets.fetch_sonar_quietly(0.2) and time.monotonic() - start < 15
    monkeypatch.setattr(manifest, "load", lambda: {}[1])
    assert "not fetched" in datasets.fetch_sonar_quietly(0.2)
