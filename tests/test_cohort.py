"""helpers.cohort: a row for every series whatever its state, nothing lost by a kill, nobody's name in the table."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from distributed import Client

from helpers.cohort import COLUMNS, subfolders, summarise
from helpers.cohort.__main__ import main
from helpers.cohort.row import Job, do, hashed
from helpers.cohort.run import LOCAL
from helpers.phantom import chest_phantom, write_series

SHAPE = (24, 64, 64)
KEY = b"a key for the tests only"
NAME = "MUSTERMANN_ERIKA"


@pytest.fixture(scope="module")
def phantoms():
    return [chest_phantom(seed=k, shape=SHAPE) for k in range(3)]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory, phantoms):
    """Folders in every state, named after a patient as people do."""
    root = tmp_path_factory.mktemp("cohort")
    for k, phantom in enumerate(phantoms):
        write_series(phantom, root / f"{NAME}_{k}", seed=k, patient="MUSTERMANN^ERIKA", patient_id=f"SECRET-{k}")
    write_series(phantoms[0], root / f"{NAME}_gap", awkward=("gap",), seed=10)
    write_series(phantoms[0], root / f"{NAME}_cut", awkward=("truncated",), seed=11)
    write_series(phantoms[0], root / f"{NAME}_tilt", awkward=("tilt",), seed=12)
    write_series(phantoms[0], root / f"{NAME}_two", awkward=("mixed",), seed=13)
    (root / f"{NAME}_empty").mkdir()
    (root / f"{NAME}_text").mkdir()
    (root / f"{NAME}_text" / f"{NAME}.txt").write_text("no image")
    (root / f"{NAME}_rubbish").mkdir()
    head = next((root / f"{NAME}_0").glob("*.dcm")).read_bytes()
    for k in range(3):
        (root / f"{NAME}_rubbish" / f"{NAME}{k}.dcm").write_bytes(head[: 700 + 50 * k])
    return root


@pytest.fixture(scope="module")
def table(cohort):
    return summarise(subfolders(cohort), workers=2, key=KEY)


def row_of(table: pd.DataFrame, folder: Path) -> pd.Series:
    """The one row of a source."""
    rows = table[table["place"] == hashed(KEY, "place", folder.absolute().as_posix())]
    assert len(rows) == 1
    return rows.iloc[0]


def test_every_source_has_its_rows(table, cohort):
    assert len(table) == 11  # ten folders, one of them with two series
    assert list(table.columns) == list(COLUMNS)
    assert {name: str(kind) for name, kind in table.dtypes.items()} == COLUMNS
    assert table["place"].nunique() == 10
    assert (table["error"] != "").sum() == 5


def test_a_good_series_is_what_the_phantom_is(table, cohort, phantoms):
    for k, phantom in enumerate(phantoms):
        row = row_of(table, cohort / f"{NAME}_{k}")
        assert (row["slices"], row["rows"], row["columns"]) == SHAPE
        np.testing.assert_allclose(row[["dz", "dy", "dx"]].astype(float), phantom.spacing, rtol=1e-5)
        inside = phantom.hu[~phantom.outside]
        assert (row["hu_min"], row["hu_max"]) == (inside.min(), inside.max())
        assert row["outside"] == pytest.approx(phantom.outside.mean(), abs=1e-6)
        voxel_ml = np.prod(phantom.spacing) / 1000
        for side, label in (("right", 1), ("left", 2)):
            truth = (phantom.lungs == label).sum() * voxel_ml
            assert row[f"{side}_lung_ml"] == pytest.approx(truth, rel=0.06)  # voxels are 6 x 6 x 12 mm here
        assert (row["modality"], row["error"], row["tilt"]) == ("CT", "", 0)
        assert row["seconds"] > 0


def test_each_damage_is_a_row_with_its_reason(table, cohort):
    for state, words in {
        "gap": "1 slice missing",
        "cut": "truncated",
        "empty": "no file here",
        "text": "not a DICOM file",
        "rubbish": "3 x",
    }.items():
        assert words in row_of(table, cohort / f"{NAME}_{state}")["error"], state
    gap = row_of(table, cohort / f"{NAME}_gap")
    assert gap["slices"] == SHAPE[0] - 1  # what the headers say is kept
    assert "missing_slice" in gap["findings"]
    assert row_of(table, cohort / f"{NAME}_tilt")["tilt"] == pytest.approx(15, abs=0.01)


def test_nobody_is_in_the_table(table, cohort):
    text = table.to_csv()
    for secret in ("MUSTERMANN", "ERIKA", "SECRET", cohort.name, "1.2.826", "2020"):
        assert secret not in text


def test_ids_need_the_key_and_show_copies(cohort, phantoms, tmp_path):
    first = cohort / f"{NAME}_0"
    shutil.copytree(first, tmp_path / "copy")
    same = summarise([first, tmp_path / "copy"], workers=1, key=KEY, lungs=False)
    assert same["id"].nunique() == 1
    assert same["place"].nunique() == 2
    other = summarise(first, workers=1, lungs=False)
    again = summarise(first, workers=1, lungs=False)
    assert len({same["id"][0], other["id"][0], again["id"][0]}) == 3  # a random key each time


def test_a_folder_of_many_series_is_shared_out(tmp_path, phantoms):
    for k in range(5):
        write_series(phantoms[0], tmp_path / "all" / str(k), seed=k)
    rows, more = do(Job(str(tmp_path / "all"), KEY))
    assert (len(rows), len(more)) == (1, 4)
    table = summarise(tmp_path / "all", workers=2, lungs=False)
    assert len(table) == 5
    assert table["of"].tolist() == [5] * 5
    assert table["id"].nunique() == 5


def test_a_head_has_no_lungs_and_that_is_no_error(tmp_path):
    from pydicom.data import get_testdata_file

    shutil.copy(get_testdata_file("CT_small.dcm"), tmp_path / "head.dcm")
    (row,) = do(Job(str(tmp_path), KEY))[0]
    assert row["error"] == ""
    assert "no_lungs" in row["findings"]
    assert row["right_lung_ml"] is None


def test_processes_and_threads_agree(cohort, table):
    with Client(n_workers=2, threads_per_worker=1, set_as_default=False, **LOCAL) as client:
        done = []
        other = summarise(subfolders(cohort), client, key=KEY, progress=lambda n, total: done.append((n, total)))
    pd.testing.assert_frame_equal(table.drop(columns="seconds"), other.drop(columns="seconds"))
    assert done[-1] == (11, 11)
    assert [n for n, _ in done] == sorted(n for n, _ in done)


def test_a_lost_worker_costs_no_series(cohort, table, tmp_path):
    """The engine starts another worker; the run goes on."""
    with Client(n_workers=1, threads_per_worker=1, set_as_default=False, **LOCAL) as client:
        (pid,) = client.run(os.getpid).values()

        def kill_once(n: int, total: int) -> None:
            if n == 2:
                os.kill(pid, 9)

        survived = summarise(subfolders(cohort), client, key=KEY, progress=kill_once)
        assert list(client.run(os.getpid).values()) != [pid]
    pd.testing.assert_frame_equal(table.drop(columns="seconds"), survived.drop(columns="seconds"))


def test_never_more_tasks_than_the_workers_can_chew(cohort, monkeypatch):
    """Memory is bounded by the worker threads: no more tasks than that run, and the queue behind is short."""
    from helpers.cohort import run

    handed, most = [0], [0]

    class Counting(run.Client):
        def submit(self, *arguments, **keywords):
            handed[0] += 1
            most[0] = max(most[0], handed[0])
            future = super().submit(*arguments, **keywords)
            return future

    real = run.Results.add
    monkeypatch.setattr(run.Results, "add", lambda self, rows: (handed.__setitem__(0, handed[0] - 1), real(self, rows)))
    with Counting(processes=False, n_workers=1, threads_per_worker=2, **LOCAL) as client:
        summarise(subfolders(cohort), client, lungs=False)
    assert most[0] <= run.AHEAD * 2


def test_a_table_on_disk_is_taken_up_again(cohort, tmp_path):
    out = tmp_path / "sub" / "table.parquet"
    places = list(subfolders(cohort))

    def stop(n: int, total: int) -> None:
        if n == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        summarise(places, workers=1, out=out, lungs=False, progress=stop)
    assert not out.exists()
    kept = pd.concat(pd.read_parquet(path) for path in out.parent.glob("*.parts/*.parquet"))
    assert 3 <= len(kept) <= 4
    seen = []
    table = summarise(places, workers=1, out=out, lungs=False, progress=lambda n, total: seen.append(n))
    assert len(seen) <= 11 - len(kept)
    assert len(table) == 11
    assert not table.duplicated(["place", "id"]).any()
    assert set(kept["id"]) <= set(table["id"])
    pd.testing.assert_frame_equal(pd.read_parquet(out).astype(COLUMNS), table)
    assert sorted(path.name for path in out.parent.iterdir()) == ["table.parquet", "table.parquet.key"]
    again = summarise(places, workers=1, out=out, progress=lambda n, total: pytest.fail("nothing was left to do"))
    pd.testing.assert_frame_equal(again, table)
    assert (out.parent / "table.parquet.key").stat().st_mode & 0o077 == 0 or sys.platform == "win32"


def test_errors_are_tried_again_on_request(tmp_path, phantoms):
    folder, out = tmp_path / "series", tmp_path / "table.parquet"
    write_series(phantoms[0], folder, awkward=("truncated",))
    assert "truncated" in summarise(folder, workers=1, out=out, lungs=False)["error"][0]
    write_series(phantoms[0], folder)
    assert "truncated" in summarise(folder, workers=1, out=out, lungs=False)["error"][0]
    mended = summarise(folder, workers=1, out=out, lungs=False, retry_errors=True)
    assert mended["error"].tolist() == [""]
    assert mended["slices"].tolist() == [SHAPE[0]]


def test_what_is_no_table_is_left_alone(cohort, tmp_path):
    out = tmp_path / "table.parquet"
    out.write_text("my notes")
    with pytest.raises(ValueError, match="is no table of this program"):
        summarise(cohort / f"{NAME}_0", out=out)
    assert out.read_text() == "my notes"
    out.unlink()
    summarise(cohort / f"{NAME}_0", workers=1, out=out, lungs=False)
    (tmp_path / "table.parquet.key").unlink()
    with pytest.raises(ValueError, match="key its ids were made with is gone"):
        summarise(cohort / f"{NAME}_1", workers=1, out=out, lungs=False)


@pytest.mark.slow
def test_the_command_killed_and_run_again(cohort, tmp_path):
    """SIGKILL in the middle; the second run of the same command ends with one row for everything."""
    out = tmp_path / "table.parquet"
    for k in range(30):
        shutil.copytree(cohort / f"{NAME}_{k % 3}", tmp_path / "many" / f"copy{k:02d}")
    command = [sys.executable, "-m", "helpers.cohort", str(tmp_path / "many"), "--out", str(out), "--workers", "1"]
    root = Path(__file__).parents[1]
    code = (
        "import sys, helpers.cohort.table as table\n"
        "from helpers.cohort.__main__ import main\n"
        "if __name__ == '__main__':\n    table.FLUSH_ROWS = 3\n    sys.exit(main(sys.argv[1:]))"
    )
    first = subprocess.Popen([sys.executable, "-c", code, *command[3:]], cwd=root, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not list(tmp_path.glob("*.parts/*.parquet")):
        time.sleep(0.02)
    first.kill()
    first.wait(10)
    first.stderr.close()
    kept = sum(len(pd.read_parquet(path)) for path in tmp_path.glob("*.parts/*.parquet"))
    assert 1 <= kept < 30
    second = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120)
    assert second.returncode == 0, second.stderr
    assert second.stdout == "30 series in table.parquet, 0 of them with an error.\n"
    table = pd.read_parquet(out)
    assert len(table) == 30
    assert table["id"].nunique() == 3
    assert table["place"].nunique() == 30


def test_the_command_says_what_is_wrong(tmp_path, capsys):
    assert main([str(tmp_path / "nowhere"), "--out", str(tmp_path / "t.parquet")]) == 2
    assert "is no folder" in capsys.readouterr().err


def test_subfolders(tmp_path):
    assert list(subfolders(tmp_path)) == [tmp_path]
    (tmp_path / "a.dcm").write_bytes(b"")
    assert list(subfolders(tmp_path)) == [tmp_path]
    (tmp_path / "b").mkdir()
    assert list(subfolders(tmp_path)) == [tmp_path / "b", tmp_path / "a.dcm"]


@pytest.mark.real_data
def test_real_series(medimg_data):
    places = [
        medimg_data / "dicom" / name for name in ("head-tilt-mixed", "chest-siemens-two-kernels", "ct-broken-j2k")
    ]
    table = summarise(places, workers=1, key=KEY)
    good = table[table["error"] == ""]
    assert (good["slices"] == 8).sum() == 2
    tilted = good[good["slices"] == 12].iloc[0]
    assert tilted["tilt"] == pytest.approx(18.5, abs=0.02)
    assert (tilted["hu_min"], tilted["hu_max"]) == (-1024, 791)
    broken = table[table["place"] == hashed(KEY, "place", places[2].absolute().as_posix())]
    assert broken["error"].str.len().gt(0).all()
