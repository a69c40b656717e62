"""Every edge case: the right volume in the right place, or a refusal that names the cause. Never a wrong one."""

import numpy as np
import pytest

from helpers.dicom import DicomSeriesError, fast, read_series, scan_folder
from tests.zoo.cases import CASES
from tests.zoo.writer import SECRET


def expected_volume(answer):
    """Truth in the loader's order: rising along row direction x column direction."""
    series = answer.series
    kept = answer.kept or list(range(len(series.stored)))
    rising = np.array(series.step) @ np.cross(series.row, series.column) > 0
    return (kept if rising else kept[::-1]), series.hu


def check_volume(volume, answer):
    order, hu = expected_volume(answer)
    assert volume.hu.dtype == answer.dtype
    filled = set(volume.invented)
    for k, original in enumerate(order):
        if k not in filled:
            np.testing.assert_allclose(volume.hu[k], hu[original], rtol=1e-7, atol=answer.within, err_msg=f"slice {k}")
    if answer.kept is None:  # with a slice left out no affine can be right for all slices; the finding says so
        for index in ((0, 0, 0), (0, 3, 5), (len(order) - 1, 1, 2), (len(order) // 2, 0, 7)):
            true = answer.series.place((order[index[0]], *index[1:]))
            np.testing.assert_allclose(volume.position(index), true, atol=answer.near)
            np.testing.assert_allclose(volume.index_of(true), index, atol=2 * answer.near)


def check_bright(volume, answer):
    """The one bright voxel lies where the writer put it."""
    if len(answer.series.stored) > 6 and answer.kept is None:
        _, hu = expected_volume(answer)
        extreme = np.argmax if answer.series.slope > 0 else np.argmin
        seen = np.unravel_index(extreme(volume.hu), volume.shape)
        true = np.unravel_index(extreme(hu), hu.shape)
        np.testing.assert_allclose(volume.position(seen), answer.series.place(true), atol=answer.near)


@pytest.mark.parametrize("name", CASES)
def test_case(name, tmp_path):
    answer = CASES[name](tmp_path)
    source = answer.source(tmp_path)
    if answer.error is not None:
        with pytest.raises(DicomSeriesError) as caught:
            read_series(source, **answer.options)
        assert answer.error in str(caught.value)
        assert SECRET not in str(caught.value) and SECRET not in str(caught.value.findings)
        return
    volume = read_series(source, **answer.options)
    assert {finding.kind for finding in volume.findings} == answer.kinds, volume.findings
    check_volume(volume, answer)
    check_bright(volume, answer)
    assert SECRET not in str((volume, volume.findings, volume.meta))


@pytest.mark.parametrize("name", CASES)
def test_fast_path_is_identical_to_pydicom(name, tmp_path, monkeypatch):
    answer = CASES[name](tmp_path)
    source = answer.source(tmp_path)
    results = []
    for enabled in (True, False):
        monkeypatch.setattr(fast, "enabled", enabled)
        try:
            volume = read_series(source, **answer.options)
            kinds = {finding.kind for finding in volume.findings} - {"bits"}  # pydicom cleans without a word
            results.append((volume.hu, volume.affine, kinds))
        except DicomSeriesError as error:
            results.append((np.array(0), np.array(0), str(error)))
    (hu, affine, said), (true_hu, true_affine, true_said) = results
    assert hu.dtype == true_hu.dtype and np.array_equal(hu, true_hu)
    assert np.array_equal(affine, true_affine)
    assert said == true_said


@pytest.mark.parametrize("name", CASES)
def test_scan_never_raises_and_shows_no_identity(name, tmp_path):
    answer = CASES[name](tmp_path)
    series = scan_folder(answer.source(tmp_path))
    shown = repr(series) + series._repr_html_() + str(series.skipped) + "".join(map(repr, series))
    assert SECRET not in shown and "ZQ-4711" not in shown and "19500102" not in shown
    if answer.error is None and not answer.options:
        (info,) = series
        volume = read_series(info)
        assert info.shape == volume.shape and info.n_slices == len(info.shape and volume.hu)
        np.testing.assert_allclose(info.spacing, volume.spacing, rtol=1e-6)
        assert abs(info.tilt - volume.tilt) < 1e-6 or volume.tilt < 0.1
        assert {finding.kind for finding in info.findings} <= {finding.kind for finding in volume.findings}


def test_there_are_enough_cases():
    assert len(CASES) >= 33
