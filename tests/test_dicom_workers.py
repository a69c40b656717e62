"""Threads, processes and progress give the same volume as one thread; a bad slice is named whoever meets it."""

import threading

import numpy as np
import pytest
from pydicom.uid import JPEG2000Lossless, RLELossless

from helpers.dicom import DicomSeriesError, codestream, decoding, fast, load, read_series, scan_folder
from tests.zoo.answer import tweaked
from tests.zoo.enhanced import enhanced
from tests.zoo.writer import LARGER, Series, name, picture, save


def compressed(folder, syntax):
    return tweaked(folder, lambda ds, k: ds.compress(syntax, generate_instance_uid=False), LARGER)


@pytest.fixture
def eager(monkeypatch):
    """Processes even for these small series; this one leaves all the work to them."""
    monkeypatch.setattr(decoding, "WORTH_A_PROCESS", 0.0)
    monkeypatch.setattr(decoding, "_here", lambda *_: pytest.fail("not by a worker"))
    real = decoding._by_processes

    def waiting(volume, jobs, workers, unclean):
        # One more than asked for, and none here: the queue is emptied only by workers.
        worker = decoding.Worker()
        todo, done = decoding.queue.SimpleQueue(), decoding.queue.SimpleQueue()
        for job in jobs:
            todo.put(job)
        decoding._serve(worker, volume, unclean, todo, done, decoding.threading.Event())
        worker.close()
        while not done.empty():
            result = done.get()
            if isinstance(result, Exception):
                raise result
            yield result

    monkeypatch.setattr(decoding, "_by_processes", waiting)
    return real


@pytest.mark.parametrize("dtype", [None, np.float32, np.float64])
def test_a_worker_decodes_the_same(tmp_path, eager, dtype):
    compressed(tmp_path / "a", RLELossless)
    two = read_series(tmp_path / "a", workers=2, dtype=dtype)
    np.testing.assert_array_equal(two.hu, LARGER.hu)


def test_a_worker_names_the_bad_slice(tmp_path, eager):
    compressed(tmp_path, JPEG2000Lossless)
    path = tmp_path / name(4)
    data = bytearray(path.read_bytes())
    start = data.index(b"\xff\x93") + 2  # behind the start of the coded data
    data[start + 20 : start + 40] = b""
    item = data.rindex(b"\xfe\xff\x00\xe0") + 4
    data[item : item + 4] = (int.from_bytes(data[item : item + 4], "little") - 20).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(DicomSeriesError, match=name(4)):
        read_series(tmp_path, workers=2)


def test_processes_and_this_one_together(tmp_path, monkeypatch):
    monkeypatch.setattr(decoding, "WORTH_A_PROCESS", 0.0)
    compressed(tmp_path / "a", RLELossless)
    np.testing.assert_array_equal(read_series(tmp_path / "a", workers=3).hu, LARGER.hu)
    save(enhanced(Series()), tmp_path / "b" / "all.dcm")
    np.testing.assert_array_equal(read_series(tmp_path / "b", workers=3).hu, Series().hu)


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("dtype", [None, np.float32])
def test_threads_read_the_same(tmp_path, workers, dtype):
    series = tweaked(tmp_path, lambda ds, k: None)
    seen = []

    def progress(items, total):
        seen.append(total)
        for item in items:
            seen.append(item)
            yield item

    volume = read_series(tmp_path, workers=workers, dtype=dtype, progress=progress)
    np.testing.assert_array_equal(volume.hu, series.hu)
    assert seen[0] == 10 and sorted(seen[1:]) == list(range(10))


@pytest.mark.parametrize("dtype", [None, np.float32])
def test_neighbours_of_other_formats_are_read_by_their_own(tmp_path, dtype):
    stored = Series().stored % 2000
    stored[5] -= 1500  # a signed slice among unsigned ones of twelve bits

    def change(ds, k):
        ds.PixelRepresentation = int(k == 5)
        if k != 5:
            ds.BitsStored, ds.HighBit = 12, 11

    series = tweaked(tmp_path, change, Series(stored=stored))
    volume = read_series(tmp_path, dtype=dtype)
    np.testing.assert_array_equal(volume.hu, series.hu)
    assert volume.findings == []


def test_only_the_slice_with_bits_to_clean_is_named(tmp_path):
    def change(ds, k):
        ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 12, 11, 0
        words = (Series().stored[k] % 2000).astype(np.uint16)
        ds.PixelData = (words | (0xA000 if k == 6 else 0)).astype(np.uint16).tobytes()

    tweaked(tmp_path, change)
    volume = read_series(tmp_path)
    np.testing.assert_array_equal(volume.hu, Series().stored % 2000 - 1024)
    (finding,) = volume.findings
    assert finding.kind == "bits" and finding.files == (name(6),)


def test_two_threads_work_at_the_same_time(tmp_path, monkeypatch):
    series = tweaked(tmp_path, lambda ds, k: None)
    monkeypatch.setattr(load, "AT_A_TIME", 5)
    read, together = fast.read_direct, threading.Barrier(2, timeout=20)

    def meet(frame, slot):
        together.wait()
        read(frame, slot)

    monkeypatch.setattr(fast, "read_direct", meet)
    np.testing.assert_array_equal(read_series(tmp_path, workers=2).hu, series.hu)


@pytest.mark.parametrize("gone", range(10))
def test_a_file_that_went_away_is_named_whichever_thread_meets_it(tmp_path, monkeypatch, gone):
    tweaked(tmp_path, lambda ds, k: None)
    monkeypatch.setattr(load, "AT_A_TIME", 1)
    info, threads = scan_folder(tmp_path)[0], threading.active_count()
    (tmp_path / name(gone)).unlink()
    with pytest.raises(DicomSeriesError, match=name(gone)):
        read_series(info, workers=3)
    assert threading.active_count() == threads


def test_a_reader_who_stops_early_stops_the_threads(tmp_path, monkeypatch):
    tweaked(tmp_path, lambda ds, k: None)
    monkeypatch.setattr(load, "AT_A_TIME", 1)
    threads = threading.active_count()

    def impatient(items, total):
        yield next(iter(items))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read_series(tmp_path, workers=3, progress=impatient)
    assert threading.active_count() == threads


def test_tqdm_is_such_a_progress(tmp_path):
    from tqdm import tqdm

    tweaked(tmp_path, lambda ds, k: None)
    assert len(read_series(tmp_path, progress=tqdm).hu) == 10


def test_out_is_filled_in_place(tmp_path):
    series = tweaked(tmp_path, lambda ds, k: None)
    out = np.empty(series.stored.shape, np.int16)
    assert read_series(tmp_path, out=out).hu is out and np.array_equal(out, series.hu)
    for wrong in (np.empty((1, 2, 3), np.int16), np.empty(series.stored.shape, np.uint8), out[:, :, ::-1], [1]):
        with pytest.raises(ValueError, match="out must be"):
            read_series(tmp_path, out=wrong)


def test_types_that_would_round_are_refused(tmp_path):
    tweaked(tmp_path, lambda ds, k: setattr(ds, "RescaleSlope", "1.5"))
    with pytest.raises(DicomSeriesError, match="float32"):
        read_series(tmp_path, dtype=np.int16)
    with pytest.raises(ValueError, match="dtype"):
        read_series(tmp_path, dtype=np.uint8)
    with pytest.raises(ValueError, match="gaps"):
        read_series(tmp_path, gaps="ignore")


def test_errors_can_be_pickled(tmp_path):
    import pickle

    with pytest.raises(DicomSeriesError) as caught:
        read_series(tmp_path)
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value) and again.findings == caught.value.findings


def test_frames_are_looked_for_once_and_a_bad_one_is_named(tmp_path, monkeypatch):
    ds = enhanced(Series(stored=picture(40, 36, 40)), np.arange(40))
    ds.compress(JPEG2000Lossless, generate_instance_uid=False)
    save(ds, tmp_path / "all.dcm")
    real, calls = codestream.pictures, []
    monkeypatch.setattr(codestream, "pictures", lambda *given: calls.append(1) or real(*given))
    info = scan_folder(tmp_path)[0]
    np.testing.assert_array_equal(read_series(info).hu, Series(stored=picture(40, 36, 40)).hu)
    assert len(calls) == 1  # not for every few frames that are decoded together
    data = bytearray((tmp_path / "all.dcm").read_bytes())
    position = 0
    for _ in range(24):
        position = data.index(b"\xff\x4f\xff\x51", position + 1)
    data[position + 11] ^= 1  # its width
    (tmp_path / "all.dcm").write_bytes(data)
    with pytest.raises(DicomSeriesError, match=r"all.dcm frame 24: the compressed picture is 36 x 41"):
        read_series(tmp_path)
