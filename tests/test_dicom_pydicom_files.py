"""The files pydicom brings for its own tests: odd encodings, damage. The same pixels as pydicom, or a reason."""

import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest

from helpers.dicom import DicomSeriesError, fast, read_series, scan_folder

FOLDER = Path(pydicom.__file__).parent / "data" / "test_files"
FILES = sorted(path for path in FOLDER.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc", ".json"))


def test_every_file_gives_pydicoms_values_or_a_reason(monkeypatch):
    read = refused = 0
    for path in FILES:
        results = []
        for enabled in (True, False):
            monkeypatch.setattr(fast, "enabled", enabled)
            try:
                results.append(read_series(path).hu)
            except DicomSeriesError as error:
                results.append(str(error))
        assert type(results[0]) is type(results[1]), path.name
        if isinstance(results[0], str):
            assert results[0] == results[1], path.name
            refused += 1
            continue
        assert results[0].dtype == results[1].dtype and np.array_equal(*results), path.name
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ds = pydicom.dcmread(path, force=True)
            truth = pydicom.pixels.apply_rescale(ds.pixel_array, ds)
        np.testing.assert_allclose(results[0].reshape(truth.shape), truth, rtol=1e-7, err_msg=path.name)
        read += 1
    assert read >= 25 and refused >= 40


@pytest.mark.parametrize(
    ("name", "slices"), [("77654033/CT2", None), ("98892003/MR1", None), ("77654033/CR1", 1), ("98892001/CT5N", 5)]
)
def test_sets_of_the_bundled_dicomdir(name, slices):
    folder = FOLDER / "dicomdirtests" / name
    if not folder.is_dir():
        pytest.skip(f"this pydicom brings no {name}")
    if slices is None:
        with pytest.raises(DicomSeriesError):
            read_series(folder)
    else:
        volume = read_series(folder)
        assert len(volume.hu) == slices


def test_ct5n_is_sorted_by_position():
    folder = FOLDER / "dicomdirtests" / "98892001" / "CT5N"
    volume = read_series(folder)
    positions = [volume.position((k, 0, 0))[2] for k in range(5)]
    np.testing.assert_allclose(positions, np.arange(5) * 2.5 - 1.2375, atol=1e-3)


def test_scan_of_everything_lists_everything():
    series = scan_folder(FOLDER)
    used = {str(path) for info in series for path in info.files}
    assert len(used) + len(series.skipped) >= len(FILES)


def test_a_table_of_contents_is_called_one():
    """Its class stands in the file meta information only."""
    with pytest.raises(DicomSeriesError, match="DICOMDIR is a DICOMDIR: a table of contents"):
        read_series(FOLDER / "dicomdirtests" / "DICOMDIR")
