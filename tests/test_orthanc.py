"""helpers.pacs against an archive that somebody else wrote: Debian's Orthanc, in a network namespace of its own."""

from __future__ import annotations

import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file

from helpers.pacs import MessageLog, PacsError, TransferInterrupted, echo, find, get, store
from tests.orthanc_process import Orthanc, why_not
from tests.pacs_series import NAME, PATIENT_ID, contents, ct_series

REASON = why_not()
pytestmark = [
    pytest.mark.orthanc,
    pytest.mark.skipif(bool(REASON), reason=f"NOT TESTED AGAINST A REAL ARCHIVE: {REASON}"),
]
BUNDLED = Path(get_testdata_file("CT_small.dcm")).parent


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One Orthanc for the tests that do not harm it."""
    orthanc = Orthanc(tmp_path_factory.mktemp("orthanc"))
    orthanc.start()
    yield orthanc
    orthanc.close()


@pytest.fixture
def archive(server):
    """Its address; the test runs inside the server's namespace."""
    with server.inside():
        yield server.archive


def test_it_cannot_be_reached_from_outside(server):
    """Every interface of its namespace is the loopback of that namespace, so "all interfaces" reaches nobody."""
    with pytest.raises(PacsError) as caught:
        echo(replace(server.archive, connect_timeout=1))
    assert caught.value.reason == "unreachable"


def test_echo(archive):
    assert 0 < echo(archive) < 5


def test_refusals(archive, tmp_path):
    ct_series(tmp_path, n=1, seed=90)
    foreign = replace(archive, calling="FOREIGN")
    calls = [
        lambda: echo(foreign),
        lambda: store(foreign, tmp_path),
        lambda: find(foreign),
        lambda: get(foreign, tmp_path / "back", PatientName="*"),
    ]
    for call in calls:
        with pytest.raises(PacsError, match="administrator has to add") as caught:
            call()
        assert caught.value.reason == "calling_ae"
    with pytest.raises(PacsError, match="own title") as caught:
        echo(replace(archive, ae_title="OTHER"))
    assert caught.value.reason == "called_ae"
    with pytest.raises(PacsError, match="check host, port") as caught:
        echo(replace(archive, port=archive.port + 7))
    assert caught.value.reason == "unreachable"


@pytest.mark.slow
def test_five_hundred_slices_and_nothing_lost(archive, tmp_path):
    uid = ct_series(tmp_path / "mine", n=500, seed=1)
    sent = store(archive, tmp_path / "mine")
    assert sent["status"].value_counts().to_dict() == {"stored": 500}
    found = find(archive, "series", SeriesInstanceUID=uid)
    assert found["NumberOfSeriesRelatedInstances"].tolist() == [500]
    get(archive, tmp_path / "back", SeriesInstanceUID=uid)
    assert len(contents(tmp_path / "back")) == 500
    assert contents(tmp_path / "back") == contents(tmp_path / "mine")
    for path in sorted((tmp_path / "back").rglob("*.dcm"))[::3]:
        path.unlink()
    log = MessageLog()
    get(archive, tmp_path / "back", log=log, SeriesInstanceUID=uid)
    assert contents(tmp_path / "back") == contents(tmp_path / "mine")
    assert log.table()["message"].tolist().count("C-STORE-RQ") == 167  # the missing ones, not all


def test_patients_studies_series_by_wildcard_and_date(archive):
    discs = BUNDLED / "dicomdirtests"
    assert store(archive, discs)["status"].value_counts()["stored"] == 81
    assert store(archive, discs)["status"].value_counts()["already there"] == 81
    assert set(find(archive, "patient", PatientName="doe*")["PatientID"]) == {"77654033", "98890234"}
    assert len(find(archive, "study", PatientName="DOE^A?chi*")) == 2
    assert len(find(archive, "study", PatientID="98890234", StudyDate=("2003-01-01", "2003-12-31"))) == 3
    assert len(find(archive, "study", PatientID="77654033", StudyDate=(None, "1999-12-31"))) == 1
    assert len(find(archive, "study", PatientName="Doe*", ModalitiesInStudy="CR")) == 1
    assert len(find(archive, "series", PatientName="Doe^P*", Modality="CT")) == 2
    assert len(find(archive, "image", PatientName="Doe^P*", Modality="CT")) == 7
    assert find(archive, "study", PatientName="nobody").empty


def test_compressed_images_come_back_as_they_went(archive, tmp_path):
    names = ["JPEG2000.dcm", "MR_small_RLE.dcm", "JPEG-lossy.dcm", "examples_jpeg2k.dcm", "J2K_pixelrep_mismatch.dcm"]
    for name in names:
        original = dcmread(BUNDLED / name)
        assert store(archive, BUNDLED / name)["status"].tolist() == ["stored"]
        folder = get(archive, tmp_path / name, SOPInstanceUID=str(original.SOPInstanceUID))
        (path,) = folder.rglob("*.dcm")
        copy = dcmread(path)
        assert copy.file_meta.TransferSyntaxUID == original.file_meta.TransferSyntaxUID, name
        assert copy.PixelData == original.PixelData, name


def test_two_clients_at_once(archive, tmp_path):
    seeds = (21, 22)
    uids = {seed: ct_series(tmp_path / f"mine{seed}", n=60, seed=seed) for seed in seeds}
    failures = []

    def work(seed: int) -> None:
        try:
            store(archive, tmp_path / f"mine{seed}")
            get(archive, tmp_path / f"back{seed}", SeriesInstanceUID=uids[seed])
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in seeds]  # they inherit the namespace
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not failures
    for seed in seeds:
        assert contents(tmp_path / f"back{seed}") == contents(tmp_path / f"mine{seed}")


def test_the_log_of_a_real_archive_holds_no_identity(archive, tmp_path):
    uid = ct_series(tmp_path / "mine", n=3, seed=30)
    log = MessageLog()
    store(archive, tmp_path / "mine", log=log)
    find(archive, log=log, PatientName=NAME)
    get(archive, tmp_path / "back", log=log, SeriesInstanceUID=uid)
    text = log.table().to_csv()
    assert text.count("C-STORE-RQ") == 6
    for secret in (NAME, "Mustermann", PATIENT_ID, "20240229", uid):
        assert secret not in text


def killed_at(orthanc: Orthanc, count: int):
    """A progress function that pulls the server's plug after that many files."""

    def progress(done: int, total: int) -> None:
        if done == count:
            orthanc.stop(signal.SIGKILL)

    return progress


def test_killed_in_the_middle_and_restarted(tmp_path):
    uid = ct_series(tmp_path / "mine", n=100, seed=40)
    orthanc = Orthanc(tmp_path / "server")
    orthanc.start()
    try:
        once = replace(orthanc.archive, retries=1, pause=0.05)
        with orthanc.inside(), pytest.raises(TransferInterrupted, match="were not sent") as caught:
            store(once, tmp_path / "mine", progress=killed_at(orthanc, 40))
        results = caught.value.results["status"].value_counts()
        assert 40 <= results["stored"] <= 42
        assert results["stored"] + results["not sent"] == 100

        orthanc.start()
        with orthanc.inside():
            there = len(find(once, "image", SeriesInstanceUID=uid))
            assert there >= results["stored"]  # what was confirmed has survived the kill
            second = store(once, tmp_path / "mine")["status"].value_counts().to_dict()
            assert second == {"already there": there, "stored": 100 - there}
            with pytest.raises(TransferInterrupted, match="are missing") as caught:
                get(once, tmp_path / "back", SeriesInstanceUID=uid, progress=killed_at(orthanc, 30))
        arrived = contents(tmp_path / "back")
        assert 30 <= len(arrived) < 100
        assert arrived.items() <= contents(tmp_path / "mine").items()  # each of them whole

        orthanc.start()
        with orthanc.inside():
            get(once, tmp_path / "back", SeriesInstanceUID=uid)
        assert contents(tmp_path / "back") == contents(tmp_path / "mine")
    finally:
        orthanc.close()


def test_restarted_while_the_transfer_waits(tmp_path):
    """The retries bridge a restart: the caller notices nothing."""
    ct_series(tmp_path / "mine", n=60, seed=50)
    orthanc = Orthanc(tmp_path / "server")
    orthanc.start()
    back = threading.Event()

    def restart() -> None:
        back.wait(30)
        orthanc.start()

    helper = threading.Thread(target=restart)
    helper.start()
    try:

        def progress(done: int, total: int) -> None:
            if done == 20:
                orthanc.stop(signal.SIGKILL)
                back.set()

        with orthanc.inside():
            patient = replace(orthanc.archive, retries=6, pause=0.2)
            start = time.monotonic()
            assert (
                store(patient, tmp_path / "mine", progress=progress)["status"].isin(["stored", "already there"]).all()
            )
            assert time.monotonic() - start < 60
            assert len(find(patient, "image", PatientID=f"{PATIENT_ID}-50")) == 60
    finally:
        back.set()
        helper.join(40)
        orthanc.close()
