"""Real series of other people's scanners against their known answers (see the README beside the data)."""

import nibabel
import numpy as np
import pydicom
import pytest

from helpers.dicom import DicomSeriesError, fast, read_series, scan_folder

pytestmark = pytest.mark.real_data


@pytest.fixture
def zoo(medimg_data):
    return medimg_data / "dicom"


def kinds(volume):
    return {finding.kind for finding in volume.findings}


def z_range(volume):
    return volume.position((0, 0, 0))[2], volume.position((len(volume.hu) - 1, 0, 0))[2]


def test_whole_chest(zoo):
    volume = read_series(zoo / "chest-lidc-0001")
    assert volume.shape == (133, 512, 512) and volume.hu.dtype == np.int16
    np.testing.assert_allclose(volume.spacing, (2.5, 0.703125, 0.703125), rtol=1e-6)
    np.testing.assert_allclose(z_range(volume), (-340.0, -10.0), atol=1e-6)
    assert (volume.hu.min(), volume.hu.max()) == (-2048, 3071)
    # The tag says -2000 (as 63536, of the wrong sign) and masks nothing; the corners say -2048 HU.
    assert abs(volume.outside.mean() - 0.213) < 0.001
    assert np.array_equal(volume.outside, volume.hu == -2048)
    (padding,) = [finding for finding in volume.findings if finding.kind == "padding"]
    assert "63536" in padding.message and "-2048" in padding.message
    air = (volume.hu < -400) & ~volume.outside
    assert volume.filled().hu.min() > -1100 and air.sum() * volume.voxel_ml > 3800


def test_the_strays_are_copies(zoo):
    folders = [zoo / "chest-lidc-0001", zoo / "chest-lidc-0001-strays"]
    both, alone = read_series(folders), read_series(folders[0])
    assert np.array_equal(both.hu, alone.hu) and np.array_equal(both.affine, alone.affine)
    (finding,) = [finding for finding in both.findings if finding.kind == "duplicate"]
    assert len(finding.files) == 2
    two = read_series(folders[1])
    assert len(two.hu) == 2 and abs(two.spacing[0] - 70) < 1e-6 and "sparse" in kinds(two)


def test_overlapping_slices_with_filler(zoo):
    volume = read_series(zoo / "chest-ge-overlap-pad2000")
    assert len(volume.hu) == 16 and abs(volume.spacing[0] - 0.8) < 1e-6
    np.testing.assert_allclose(z_range(volume), (-248.0, -236.0), atol=1e-6)
    assert (volume.hu.min(), volume.hu.max()) == (-3024, 1376)
    assert np.array_equal(volume.outside, volume.hu == -3024)
    assert volume.meta["patient_position"] == "FFS"


def test_two_kernels_are_two_series(zoo):
    folder = zoo / "chest-siemens-two-kernels"
    with pytest.raises(DicomSeriesError, match="2 series"):
        read_series(folder)
    volumes = {info.description.split()[-1]: read_series(info) for info in scan_folder(folder)}
    for kernel, most in (("B70f", 1762), ("B40f", 1358)):
        volume = volumes[kernel]
        assert len(volume.hu) == 8 and abs(volume.spacing[0] - 8) < 1e-6
        np.testing.assert_allclose(z_range(volume), (176.0, 232.0), atol=1e-6)
        assert (volume.hu.min(), volume.hu.max()) == (-1024, most)
        assert volume.outside is None and volume.findings == []


def test_tilted_head_without_localizer_and_screen(zoo):
    volume = read_series(zoo / "head-tilt-mixed")
    assert volume.shape == (12, 512, 512)
    assert abs(volume.tilt - 18.5) < 0.01 and abs(volume.spacing[0] - 2.371) < 0.001
    np.testing.assert_allclose(volume.affine[:3, 0], (0, 0, 2.5), atol=1e-4)
    np.testing.assert_allclose(np.abs(volume.normal), (0, 0.3173, 0.9483), atol=1e-4)
    assert (volume.hu.min(), volume.hu.max()) == (-1024, 791)
    assert {"tilt", "localizer", "skipped"} <= kinds(volume)
    straight = volume.resample(1.0)
    assert straight.tilt < 1e-6 and straight.outside.any()
    series = scan_folder(zoo / "head-tilt-mixed")
    assert len(series) == 1 and len(series.skipped) == 3


def test_missing_slice_is_found_by_position(zoo):
    folder = zoo / "ct-missing-slice"
    with pytest.raises(DicomSeriesError, match=r"1 slice missing .*33\.107"):
        read_series(folder)
    kept = read_series(folder, gaps="keep")
    assert len(kept.hu) == 4 and np.allclose(z_range(kept), (18.1075, 38.1075))
    filled = read_series(folder, gaps="fill")
    assert len(filled.hu) == 5 and filled.invented == (3,) and abs(filled.spacing[0] - 5) < 1e-4
    assert filled.outside[3].all() and not filled.outside[2].any()
    said = next(finding.message for finding in filled.findings if finding.kind == "filled")
    assert "1 slice (3) interpolated" in said


@pytest.mark.parametrize("name", ["UNC", "J2KR", "JLSL", "RLE", "JPLL", "JLSN", "J2KI"])
def test_seven_encodings_of_one_slice(zoo, name):
    volume = read_series(zoo / "ct-codecs-ct1" / f"CT1_{name}")
    stored = volume.hu.astype(int) + 1024
    plain = read_series(zoo / "ct-codecs-ct1" / "CT1_UNC").hu.astype(int) + 1024
    difference = {"JLSN": 4, "J2KI": 352}.get(name, 0)
    assert np.abs(stored - plain).max() == difference if name != "J2KI" else np.abs(stored - plain).max() <= difference
    if not difference:
        assert stored.sum() == 40028413 and (stored.min(), stored.max()) == (-2000, 2278)
        assert (volume.hu.min(), volume.hu.max()) == (-3024, 1254)
        assert (volume.outside is not None) and "lossy" not in kinds(volume)
    else:
        assert "lossy" in kinds(volume)


def test_seven_encodings_make_no_volume(zoo):
    with pytest.raises(DicomSeriesError):
        read_series(zoo / "ct-codecs-ct1")
    assert all(info.n_slices == 1 for info in scan_folder(zoo / "ct-codecs-ct1"))


def test_unrelated_single_slices(zoo):
    folder = zoo / "chest-tcga-singles"
    with pytest.raises(DicomSeriesError, match="5 series"):
        read_series(folder)
    truth = {
        "0000": (-1024, 894, None),
        "0005": (-1024, 2000.738, None),
        "0031": (-3024, 1165, -3024),
        "0050": (-2048, 1379, -2048),
        "0052": (-1024, 1339, -1024),
    }
    for info in scan_folder(folder):
        low, high, filler = truth[info.files[0].name.split("_")[1]]
        volume = read_series(info)
        assert abs(volume.hu.min() - low) < 1e-3 and abs(volume.hu.max() - high) < 1e-3
        assert "single_slice" in kinds(volume)
        if filler is None:
            assert volume.outside is None
        else:
            assert 0.2 < volume.outside.mean() < 0.23 and (volume.hu[volume.outside] == filler).all()


def test_positions_of_prone_and_decubitus(zoo):
    turned = {path.name.split("_")[1]: read_series(path) for path in (zoo / "chest-tcga-singles").iterdir()}
    np.testing.assert_allclose(turned["0050"].affine[:3, 2] / turned["0050"].spacing[2], (-1, 0, 0), atol=1e-6)
    np.testing.assert_allclose(turned["0050"].affine[:3, 1] / turned["0050"].spacing[1], (0, -1, 0), atol=1e-6)
    np.testing.assert_allclose(turned["0052"].affine[:3, 2] / turned["0052"].spacing[2], (0, -1, 0), atol=1e-6)
    np.testing.assert_allclose(turned["0052"].affine[:3, 1] / turned["0052"].spacing[1], (1, 0, 0), atol=1e-6)


def test_monochrome1_is_not_inverted(zoo):
    volume = read_series(zoo / "cr-monochrome1")
    assert (volume.hu.min(), volume.hu.max()) == (0, 979)
    assert {"monochrome1", "no_rescale", "not_hu", "no_geometry"} <= kinds(volume)


def test_broken_code_stream_names_the_file(zoo):
    (info,) = scan_folder(zoo / "ct-broken-j2k")
    assert info.n_slices == 3 and abs(info.spacing[0] - 0.4) < 1e-4
    with pytest.raises(DicomSeriesError, match=r"00030\d\.dcm"):
        read_series(zoo / "ct-broken-j2k")


def test_unknown_representations(zoo):
    volume = read_series(zoo / "ct-un-vr-j2k")
    assert (volume.hu.min(), volume.hu.max()) == (-1024, 1186)
    np.testing.assert_allclose(volume.normal, (0, 0, -1), atol=1e-6)


def test_five_times_are_five_series(zoo):
    folder = zoo / "mr-4d-ge"
    series = scan_folder(folder)
    assert len(series) == 5 and len(series.skipped) == 2
    truth = nibabel.load(next(folder.glob("*.nii")))
    array = np.asarray(truth.dataobj)
    assert array.shape == (64, 64, 10, 5)
    for time, info in enumerate(series):
        volume = read_series(info)
        assert volume.shape == (10, 64, 64) and {"no_rescale", "not_hu"} <= kinds(volume)
        np.testing.assert_allclose(z_range(volume), (-11.1, 15.9), atol=1e-3)
        # dcm2niix stored the rows the other way round; through both affines each voxel is the same one.
        image = volume.to_nifti()
        to_truth = np.linalg.inv(truth.affine) @ image.affine
        index = np.indices(image.shape).reshape(3, -1)
        there = np.rint(to_truth[:3, :3] @ index + to_truth[:3, 3:]).astype(int)
        assert np.array_equal(np.asarray(image.dataobj).ravel(), array[there[0], there[1], there[2], time])
    low, high = array.min(), array.max()
    assert (low, high) == (0, 9325)


def test_enhanced_in_both_byte_orders(zoo):
    folder = zoo / "mr-enhanced-small"
    little, big = (read_series(folder / name) for name in ("emri_small.dcm", "emri_small_big_endian.dcm"))
    assert little.shape == (10, 64, 64) and (little.hu.min(), little.hu.max()) == (0, 467)
    assert np.array_equal(little.hu, big.hu) and abs(little.spacing[0] - 1.2) < 1e-6
    assert "no_geometry" in kinds(little)
    with pytest.raises(DicomSeriesError, match="too_short"):
        read_series(folder / "emri_small_jpeg_2k_lossless_too_short.dcm")


def test_every_file_is_pydicoms_own_rescale_and_fast_is_slow(zoo, monkeypatch):
    count = 0
    for path in sorted(zoo.rglob("*")):
        if not path.is_file():
            continue
        results = []
        for enabled in (True, False):
            monkeypatch.setattr(fast, "enabled", enabled)
            try:
                results.append(read_series(path).hu)
            except DicomSeriesError as error:
                results.append(str(error))
        assert type(results[0]) is type(results[1])
        if isinstance(results[0], str):
            assert results[0] == results[1]
            continue
        assert results[0].dtype == results[1].dtype and np.array_equal(*results)
        ds = pydicom.dcmread(path)
        truth = pydicom.pixels.apply_rescale(ds.pixel_array, ds).reshape(results[0].shape)
        np.testing.assert_allclose(results[0], truth, rtol=1e-7)
        count += 1
    assert count > 240


def test_the_whole_collection_at_once(zoo):
    series = scan_folder(zoo)
    assert len(series) > 15
    reasons = " ".join(reason for _, reason in series.skipped)
    assert "not a DICOM file" in reasons and "localizer" in reasons and "secondary capture" in reasons
