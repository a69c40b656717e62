"""helpers.pacs against the practice archive: what is sent comes back bit by bit, every failure is a sentence."""

from __future__ import annotations

import datetime
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pynetdicom.acse import ACSE
from pynetdicom.sop_class import CTImageStorage, MRImageStorage

from helpers.pacs import Archive, MessageLog, PacsError, TransferInterrupted, echo, find, get, local_server, store
from helpers.pacs.archive import associate
from helpers.pacs.files import safe_uid, write_atomically
from tests.pacs_series import NAME, PATIENT_ID, contents, ct_series

BUNDLED = Path(get_testdata_file("CT_small.dcm")).parent
ARCHIVED = BUNDLED / "dicomdirtests"


@pytest.fixture(scope="module")
def bundled():
    """An archive that holds pydicom's bundled discs: 81 images of 3 patients."""
    with local_server(ARCHIVED) as archive:
        yield archive


def test_echo_takes_a_moment(bundled):
    assert 0 < echo(bundled) < 5


def test_a_series_goes_and_comes_back_bit_by_bit(tmp_path):
    uid = ct_series(tmp_path / "mine")
    steps = []
    with local_server() as archive:
        sent = store(archive, tmp_path / "mine", progress=lambda done, total: steps.append((done, total)))
        assert list(sent.columns) == ["file", "status", "message"]
        assert sent["status"].tolist() == ["stored"] * 12
        assert steps == [(n, 12) for n in range(1, 13)]
        assert store(archive, tmp_path / "mine")["status"].unique().tolist() == ["already there"]
        assert store(archive, tmp_path / "mine", skip_existing=False)["status"].unique().tolist() == ["stored"]
        series = find(archive, "series", Modality="CT")
        assert series["SeriesInstanceUID"].tolist() == [uid]
        assert series["NumberOfSeriesRelatedInstances"].tolist() == [12]
        back = get(archive, tmp_path / "back", SeriesInstanceUID=uid)
    assert back == tmp_path / "back"
    assert contents(back) == contents(tmp_path / "mine")
    assert len(contents(back)) == 12
    mine = dcmread(tmp_path / "mine" / "slice0003.dcm")
    same = dcmread(back / uid / f"{mine.SOPInstanceUID}.dcm")
    assert mine == same  # every element, not the pixels alone
    np.testing.assert_array_equal(mine.pixel_array * 1.0, same.pixel_array * 1.0)
    assert not list(back.rglob("*.part"))


@pytest.mark.parametrize(
    "name", ["JPEG2000.dcm", "MR_small_RLE.dcm", "JPEG-lossy.dcm", "MR_small_jpeg_ls_lossless.dcm"]
)
def test_compressed_images_are_not_touched(tmp_path, name):
    original = dcmread(BUNDLED / name)
    with local_server() as archive:
        assert store(archive, BUNDLED / name)["status"].tolist() == ["stored"]
        folder = get(archive, tmp_path, SOPInstanceUID=str(original.SOPInstanceUID))
    (path,) = folder.rglob("*.dcm")
    copy = dcmread(path)
    assert copy.file_meta.TransferSyntaxUID == original.file_meta.TransferSyntaxUID
    assert copy.PixelData == original.PixelData


@pytest.mark.parametrize(
    ("level", "wanted", "rows"),
    [
        ("patient", {}, 3),
        ("study", {}, 7),
        ("study", {"PatientName": "doe^a*"}, 2),
        ("study", {"PatientName": "DOE^P?ter"}, 4),
        ("study", {"PatientName": "Doe"}, 0),
        ("study", {"StudyDate": "2001-01-01"}, 2),
        ("study", {"StudyDate": datetime.date(1995, 9, 3)}, 1),
        ("study", {"StudyDate": (None, "1999-12-31")}, 1),
        ("study", {"StudyDate": ("2001-01-01", None)}, 6),
        ("study", {"StudyDate": (datetime.date(2003, 1, 1), "20031231")}, 3),
        ("study", {"ModalitiesInStudy": "CR"}, 1),
        ("series", {"Modality": "CT"}, 4),
        ("series", {"Modality": "CT", "PatientName": "Doe*"}, 3),
        ("image", {"Modality": "CT", "PatientName": "Doe*"}, 11),
        ("image", {"SeriesInstanceUID": "1.3.6.1.4.1.5962.1.1.0.0.0.1196530851.28319.0.2"}, 4),
    ],
)
def test_find_counts(bundled, level, wanted, rows):
    assert len(find(bundled, level, **wanted)) == rows


def test_find_knows_its_types_and_extra_columns(bundled):
    table = find(bundled, "study", also=["StudyTime"], PatientID="77654033")
    assert table["StudyDate"].tolist() == [pd.Timestamp("2001-01-01"), pd.Timestamp("1995-09-03")]
    assert table["NumberOfStudyRelatedInstances"].tolist() == [3, 4]
    assert {"StudyTime", "StudyDescription"} <= set(table.columns)
    assert find(bundled, "patient", PatientName="Doe^A*")["NumberOfPatientRelatedStudies"].tolist() == [2]
    assert find(bundled, "study", PatientName="nobody").shape[0] == 0


def test_find_speaks_other_alphabets(tmp_path):
    path = tmp_path / "name.dcm"
    dataset = dcmread(get_testdata_file("CT_small.dcm"))
    dataset.SpecificCharacterSet, dataset.PatientName = "ISO_IR 192", "Müller^Żaneta"
    dataset.save_as(path)
    with local_server(tmp_path) as archive:
        assert find(archive, "study", PatientName="mü*")["PatientName"].tolist() == ["Müller^Żaneta"]


@pytest.mark.parametrize(
    ("level", "wanted", "words"),
    [
        ("study", {"PatientNam": "x"}, "Did you mean PatientName"),
        ("study", {"Modality": "CT"}, "ModalitiesInStudy"),
        ("study", {"StudyDate": "31.1.2020"}, "StudyDate is no date"),
        ("study", {"StudyDate": ("2020-01-01",)}, "pair"),
        ("slice", {}, "is no level"),
    ],
)
def test_a_wrong_question_is_answered_here(bundled, level, wanted, words):
    with pytest.raises(ValueError, match=words):
        find(bundled, level, **wanted)


def test_each_refusal_names_its_remedy():
    with local_server(allow=["FRIEND"]) as archive:
        assert echo(replace(archive, calling="FRIEND")) > 0
        cases = [
            (archive, "calling_ae", "administrator"),
            (replace(archive, ae_title="OTHER"), "called_ae", "own title"),
        ]
        for wrong, reason, remedy in cases:
            with pytest.raises(PacsError, match=remedy) as caught:
                echo(wrong)
            assert caught.value.reason == reason
    with pytest.raises(PacsError, match="check host, port") as caught:
        echo(archive)
    assert caught.value.reason == "unreachable"


def test_a_rejection_that_hangs_up_at_once(monkeypatch):
    """The line is closed again before pynetdicom looks whether it is open: the answer counts nevertheless."""
    ask = ACSE.send_request
    monkeypatch.setattr(ACSE, "send_request", lambda self: (ask(self), time.sleep(0.5)))
    with local_server(allow=["FRIEND"]) as archive:
        with pytest.raises(PacsError, match="administrator") as caught:
            echo(archive)
        assert caught.value.reason == "calling_ae"


def test_a_port_that_speaks_no_dicom():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        wrong = Archive(port=silent.getsockname()[1], timeout=0.3)
        with pytest.raises(PacsError, match="wrong port") as caught:
            echo(wrong)
    assert caught.value.reason == "not_dicom"


@pytest.mark.parametrize(
    "bad", [{"port": 0}, {"port": 70000}, {"ae_title": ""}, {"calling": "X" * 17}, {"calling": "a\\b"}]
)
def test_impossible_addresses_are_refused(bad):
    with pytest.raises(ValueError, match="is no"):
        Archive(**({"port": 104} | bad))


def test_each_file_has_its_own_result(tmp_path):
    ct_series(tmp_path, n=3)
    (tmp_path / "notes.txt").write_text("not an image")
    whole = (tmp_path / "slice0001.dcm").read_bytes()
    (tmp_path / "slice0001.dcm").write_bytes(whole[:-100])
    (tmp_path / "twin.dcm").write_bytes((tmp_path / "slice0000.dcm").read_bytes())
    (tmp_path / "head.dcm").write_bytes(whole[:200])
    (tmp_path / "mr.dcm").write_bytes((BUNDLED / "MR_small.dcm").read_bytes())
    with local_server(sop_classes=[CTImageStorage]) as archive:
        result = store(archive, tmp_path).set_index("file")["status"].to_dict()
        assert len(find(archive, "image")) == 2
    assert result == {
        "head.dcm": "damaged",
        "mr.dcm": "no such SOP class",
        "notes.txt": "not DICOM",
        "slice0000.dcm": "stored",
        "slice0001.dcm": "damaged",
        "slice0002.dcm": "stored",
        "twin.dcm": "duplicate",
    }


def test_nothing_this_archive_takes(tmp_path):
    ct_series(tmp_path, n=2)
    with local_server(sop_classes=[MRImageStorage]) as archive:
        result = store(archive, tmp_path)
    assert result["status"].tolist() == ["no such SOP class"] * 2
    assert "CT Image Storage" in result["message"][0]


def test_a_cut_line_is_taken_up_again(tmp_path):
    uid = ct_series(tmp_path / "mine")
    with local_server(cut_after=5) as archive:
        assert store(replace(archive, pause=0.01), tmp_path / "mine")["status"].value_counts().to_dict() == {
            "stored": 12
        }
    with local_server(tmp_path / "mine", cut_after=5) as archive:
        get(replace(archive, pause=0.01), tmp_path / "back", SeriesInstanceUID=uid)
    assert contents(tmp_path / "back") == contents(tmp_path / "mine")


def test_what_arrived_stays_and_a_second_run_finishes(tmp_path):
    uid = ct_series(tmp_path / "mine")
    with local_server(tmp_path / "archive", cut_after=5) as archive:
        once = replace(archive, retries=0)
        with pytest.raises(TransferInterrupted, match=r"7 of 12 files were not sent \(slice0005.dcm") as caught:
            store(once, tmp_path / "mine")
        assert caught.value.results["status"].value_counts().to_dict() == {"stored": 5, "not sent": 7}
        assert len(contents(tmp_path / "archive")) == 5
        assert store(once, tmp_path / "mine")["status"].value_counts().to_dict() == {"stored": 7, "already there": 5}
    with local_server(tmp_path / "archive", cut_after=5) as archive:
        once = replace(archive, retries=0)
        with pytest.raises(TransferInterrupted, match="7 of 12 images are missing") as caught:
            get(once, tmp_path / "back", SeriesInstanceUID=uid)
        assert caught.value.results["status"].value_counts().to_dict() == {"received": 5, "missing": 7}
        assert len(contents(tmp_path / "back")) == 5
        log = MessageLog()
        get(once, tmp_path / "back", log=log, SeriesInstanceUID=uid)
    assert contents(tmp_path / "back") == contents(tmp_path / "mine")
    assert log.table()["message"].tolist().count("C-STORE-RQ") == 7  # the five were not fetched twice


def test_a_damaged_file_in_the_target_is_fetched_again(tmp_path):
    uid = ct_series(tmp_path / "mine", n=3)
    with local_server(tmp_path / "mine") as archive:
        folder = get(archive, tmp_path / "back", SeriesInstanceUID=uid)
        victim = sorted(folder.rglob("*.dcm"))[1]
        victim.write_bytes(victim.read_bytes()[:-50])
        (victim.parent / "left.dcm.1-1.part").write_bytes(b"half")
        get(archive, tmp_path / "back", SeriesInstanceUID=uid)
    assert contents(folder) == contents(tmp_path / "mine")
    assert not list(folder.rglob("*.part"))


def test_a_killed_server_and_its_successor(tmp_path):
    """The server is another process here, and is really killed."""
    ct_series(tmp_path / "mine", n=40)
    code = (
        "import sys, time; from helpers.pacs import local_server\n"
        "with local_server(sys.argv[1]) as archive:\n    print(archive.port, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "archive")]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        archive = Archive(port=int(server.stdout.readline()), ae_title="PRACTICE", retries=1, pause=0.05)

        def pull(done: int, total: int) -> None:
            if done == 15:
                server.kill()

        with pytest.raises(TransferInterrupted) as caught:
            store(archive, tmp_path / "mine", progress=pull)
    finally:
        server.kill()
        server.wait(10)
        server.stdout.close()
    stored = (caught.value.results["status"] == "stored").sum()
    assert 15 <= stored <= 17
    assert all(len(pixels) == 512 for pixels in contents(tmp_path / "archive").values())
    with local_server(tmp_path / "archive") as archive:
        status = store(archive, tmp_path / "mine")["status"].value_counts()
        assert status["already there"] >= stored
        assert status.sum() == 40
    assert contents(tmp_path / "archive") == contents(tmp_path / "mine")


def test_no_answer_is_lost_to_the_background_thread(bundled):
    """pynetdicom's reactor could drop the response that a caller waits for; here it has 50 turns to try."""
    with associate(bundled) as association:
        association.dimse.msg_queue.put((1, "an answer"))
        time.sleep(0.05)
        assert association.dimse.get_msg(block=True) == (1, "an answer")
        assert association.is_established


def test_two_clients_at_once(tmp_path):
    uids = [ct_series(tmp_path / f"mine{seed}", n=20, seed=seed) for seed in (1, 2)]
    failures = []

    def work(archive: Archive, seed: int) -> None:
        try:
            store(archive, tmp_path / f"mine{seed}")
            get(archive, tmp_path / f"back{seed}", SeriesInstanceUID=uids[seed - 1])
        except Exception as error:
            failures.append(error)

    with local_server() as archive:
        threads = [threading.Thread(target=work, args=(archive, seed)) for seed in (1, 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert not failures
    for seed in (1, 2):
        assert contents(tmp_path / f"back{seed}") == contents(tmp_path / f"mine{seed}")


def test_log_and_errors_hold_no_identity(tmp_path):
    uid = ct_series(tmp_path / "mine", n=6)
    log, inside = MessageLog(), MessageLog()
    with local_server(cut_after=3, log=inside) as archive:
        with pytest.raises(TransferInterrupted) as caught:
            store(replace(archive, retries=0), tmp_path / "mine", log=log)
        store(archive, tmp_path / "mine", log=log)
        find(archive, "study", log=log, PatientName=NAME)
        get(archive, tmp_path / "back", log=log, PatientID=f"{PATIENT_ID}-0")
    text = f"{log.table().to_csv()} {log.summary().to_csv()} {inside.table().to_csv()} {caught.value} "
    text += caught.value.results.to_csv()
    for secret in (NAME, "Mustermann", PATIENT_ID, "20240229", uid):
        assert secret not in text


def test_log_tells_the_conversation_in_order(tmp_path):
    ct_series(tmp_path, n=4)
    log = MessageLog()
    with local_server() as archive:
        store(archive, tmp_path, skip_existing=False, log=log)
    told = log.summary()
    assert told["message"].tolist() == [
        *("A-ASSOCIATE-RQ", "A-ASSOCIATE-AC", "C-STORE-RQ", "C-STORE-RSP", "A-RELEASE-RQ", "A-RELEASE-RP")
    ]
    assert told["sender"].tolist() == ["client", "archive"] * 3
    assert told["times"].tolist() == [1, 1, 4, 4, 1, 1]
    assert told["bytes"][2] > 4 * 512
    assert log.table()["seconds"].is_monotonic_increasing


def test_the_practice_archive_listens_on_the_loopback_only(bundled):
    assert urlsplit(f"//{bundled.host}:{bundled.port}").hostname == "127.0.0.1"
    own = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for address in own - {"127.0.0.1"}:
        with pytest.raises(OSError), socket.create_connection((address, bundled.port), timeout=0.5):
            pass


def test_a_peer_cannot_choose_where_files_go():
    for evil in ("../../etc/passwd", "1.2/../3", "", "1." * 40 + "1", "1.2\n", "C:\\x", "1..2"):
        with pytest.raises(ValueError, match="no UID"):
            safe_uid(evil)
    assert safe_uid("1.2.840.10008.1") == "1.2.840.10008.1"


def test_no_half_file_under_its_own_name(tmp_path, monkeypatch):
    target = tmp_path / "image.dcm"

    def full(self: Path, data: bytes) -> int:
        with self.open("wb") as handle:
            handle.write(data[: len(data) // 2])
        raise OSError("disk full")

    monkeypatch.setattr(Path, "write_bytes", full)
    target.write_text("whole and older")
    with pytest.raises(OSError, match="disk full"):
        write_atomically(target, b"0123456789")
    assert [path.name for path in tmp_path.iterdir()] == ["image.dcm"]
    assert target.read_text() == "whole and older"


def test_get_asks_for_a_condition_and_says_when_nothing_matches(bundled, tmp_path):
    with pytest.raises(ValueError, match="condition"):
        get(bundled, tmp_path)
    with pytest.raises(PacsError, match="no image that matches"):
        get(bundled, tmp_path, PatientName="nobody")
    with pytest.raises(FileNotFoundError, match="check the path"):
        store(bundled, tmp_path / "missing")
