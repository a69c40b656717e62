"""The volume's geometry against NumPy by hand, nibabel, SimpleITK and, where they are right, the converters."""

import importlib.util
import shutil
import subprocess

import nibabel
import numpy as np
import pytest

from helpers.dicom import read_series
from helpers.volume import CTVolume
from tests.zoo.answer import plain
from tests.zoo.geometry import rotated
from tests.zoo.writer import Series, picture

SPACING = (2.5, 0.8, 0.7)


def volume(shape=(5, 6, 7), **options):
    hu = np.arange(np.prod(shape), dtype=np.int16).reshape(shape)
    return CTVolume.from_spacing(hu, SPACING, origin=(-30.0, -20.0, 100.0), **options)


def tilted():
    built = volume((8, 20, 24))
    built.affine[1, 0] = 0.8
    return built


def test_positions():
    built = volume()
    np.testing.assert_allclose(built.position((0, 0, 0)), (-30, -20, 100))
    np.testing.assert_allclose(built.position((2, 3, 4)), (-30 + 4 * 0.7, -20 + 3 * 0.8, 105))
    index = np.random.default_rng(0).random((50, 3)) * 5
    np.testing.assert_allclose(built.index_of(built.position(index)), index, atol=1e-12)
    assert built.spacing == pytest.approx(SPACING) and built.voxel_ml == pytest.approx(np.prod(SPACING) / 1000)


def test_spacing_of_a_tilted_stack_is_along_the_normal():
    built = tilted()
    assert np.prod(built.spacing) == pytest.approx(abs(np.linalg.det(built.affine[:3, :3])))
    assert built.spacing[0] == pytest.approx(2.5) and built.tilt == pytest.approx(np.degrees(np.arctan(0.8 / 2.5)))
    assert volume().tilt == 0


def test_bad_shapes_are_refused():
    with pytest.raises(ValueError, match="3 axes"):
        CTVolume(np.zeros((2, 2)))
    with pytest.raises(ValueError, match="4 x 4"):
        CTVolume(np.zeros((2, 2, 2)), np.eye(3))


def test_outside_is_filled_in_a_copy():
    built = volume()
    assert built.outside is None and np.array_equal(built.filled().hu, built.hu)
    mask = np.zeros(built.shape, bool)
    mask[0, 0, 0] = True
    built = CTVolume(built.hu, built.affine, padding=mask)
    assert built.filled(-1000).hu[0, 0, 0] == -1000 and built.hu[0, 0, 0] == 0
    assert built.filled().hu.dtype == np.int16
    assert built.filled(-32768).hu.min() == -32768
    for wrong in (-1000.6, 1e9, np.nan, -np.inf):
        with pytest.raises(ValueError, match="whole numbers that fit"):
            built.filled(wrong)


@pytest.mark.parametrize("index", [None, 0, 3])
def test_planes_look_as_radiologists_expect(index):
    built = volume()
    axial, coronal, sagittal = (built.plane(name, index) for name in ("axial", "coronal", "sagittal"))
    k = {None: 2, 0: 0, 3: 3}[index]
    assert np.array_equal(axial.image, built.hu[k])  # front above, the patient's right on the left
    assert np.array_equal(coronal.image, built.hu[::-1, 3 if index is None else index])  # head above
    assert np.array_equal(sagittal.image, built.hu[::-1, :, 3 if index is None else index])  # front on the left
    assert axial.aspect == pytest.approx(0.8 / 0.7)
    assert coronal.aspect == pytest.approx(2.5 / 0.7) and sagittal.aspect == pytest.approx(2.5 / 0.8)
    np.testing.assert_allclose(axial.extent, (-30.35, -30.35 + 4.9, -20.4 + 4.8, -20.4))
    np.testing.assert_allclose(coronal.extent, (-30.35, -30.35 + 4.9, 98.75, 111.25))


def test_planes_of_a_sagittal_stack_are_the_same_patient(tmp_path):
    axial = read_series_of(tmp_path / "a", Series())
    built = read_series_of(tmp_path / "s", Series(row=(0, 1, 0), column=(0, 0, -1), step=(-2.5, 0, 0)))
    assert built.array_axes() == {"sagittal": 0, "axial": 1, "coronal": 2}
    for name in ("axial", "coronal", "sagittal"):
        left, right, bottom, top = built.plane(name).extent
        assert left < right and (bottom > top if name == "axial" else bottom < top), name
    assert axial.array_axes() == {"axial": 0, "coronal": 1, "sagittal": 2}


def read_series_of(folder, series):
    plain(folder, series)
    return read_series(folder)


def test_unknown_plane():
    with pytest.raises(ValueError, match="coronal"):
        volume().plane("oblique")


# -------------------------------------------------------------------------------------------------------- resampling
def ramp(affine_of: CTVolume) -> CTVolume:
    """Values that are a linear function of the patient position, which linear interpolation must give back exactly."""
    index = np.moveaxis(np.indices(affine_of.shape), 0, -1)
    affine_of.hu = (affine_of.position(index) @ (3.0, -2.0, 5.0)).astype(np.float32)
    return affine_of


@pytest.mark.parametrize("built", [volume((6, 9, 11)), tilted()], ids=["straight", "tilted"])
@pytest.mark.parametrize("mm", [1.0, (1.0, 0.5, 0.9), 3.0])
def test_resampling_keeps_every_place(built, mm):
    built = ramp(built)
    new = built.resample(mm)
    np.testing.assert_allclose(new.spacing, np.broadcast_to(mm, 3))
    assert new.tilt < 1e-6
    index = np.moveaxis(np.indices(new.shape), 0, -1)
    expected = new.position(index) @ (3.0, -2.0, 5.0)
    there = built.index_of(new.position(index))
    within = ((there > 1e-6) & (there < np.array(built.shape) - 1 - 1e-6)).all(axis=-1)
    assert within.any()
    np.testing.assert_allclose(new.hu[within], expected[within], atol=1e-2)
    assert new.hu.dtype == built.hu.dtype


@pytest.mark.parametrize("mm", [1.0, (1.3, 0.9, 1.1)])
def test_resampling_marks_what_lies_beside_a_tilted_stack(mm):
    built = tilted()
    new = built.resample(mm, fill=-2000)
    there = built.index_of(new.position(np.moveaxis(np.indices(new.shape), 0, -1)))
    beside = ((there < -1e-3) | (there > np.array(built.shape) - 1 + 1e-3)).any(axis=-1)
    assert beside.any() and not beside.all()
    assert np.array_equal(new.outside, beside) and np.array_equal(new.hu == -2000, beside)
    assert volume().resample(1.0).outside is None


def test_resampling_leaves_no_holes_where_the_positions_in_the_file_are_rounded(tmp_path):
    built = ramp(read_series_of(tmp_path, double_oblique_series()))
    new = built.resample((1.3, 0.9, 1.1))
    expected = new.position(np.moveaxis(np.indices(new.shape), 0, -1)) @ (3.0, -2.0, 5.0)
    assert new.outside is None
    np.testing.assert_allclose(new.hu, expected, atol=0.01)


@pytest.mark.parametrize("mm", [0, -1, np.nan, 1e-9, (1, 2), "two", None])
def test_impossible_voxel_sizes(mm):
    with pytest.raises(ValueError, match=r"mm"):
        volume().resample(mm)


# ---------------------------------------------------------------------------------------------------------- round trips
def oblique_series():
    row, column, normal = rotated(30)
    return Series(row=row, column=column, step=tuple(2.5 * np.array(normal)))


def double_oblique_series():
    """Turned about all three axes; the cosines have no end, so what stands in the files is rounded."""
    first, second, third = np.radians([17, -23, 41])
    row = np.array([np.cos(second) * np.cos(third), np.cos(second) * np.sin(third), -np.sin(second)])
    beside = np.array([-np.sin(third), np.cos(third), 0])
    column = np.cos(first) * beside + np.sin(first) * np.cross(row, beside)
    return Series(row=tuple(row), column=tuple(column), step=tuple(2.5 * np.cross(row, column)))


ROUND_TRIPS = {
    "axial": Series(),
    "oblique": oblique_series(),
    "sagittal": Series(row=(0, 1, 0), column=(0, 0, -1), step=(-1.5, 0, 0)),
    "double_oblique": double_oblique_series(),
}


@pytest.mark.parametrize("series", ROUND_TRIPS.values(), ids=ROUND_TRIPS)
def test_nifti_keeps_every_position(series, tmp_path):
    built = read_series_of(tmp_path / "in", series)
    built.to_nifti(tmp_path / "out.nii.gz")
    image = nibabel.load(tmp_path / "out.nii.gz")
    assert image.get_data_dtype() == np.int16 and image.header.get_xyzt_units()[0] == "mm"
    index = np.array([[2, 3, 5], [6, 9, 13]])
    ras = nibabel.affines.apply_affine(image.affine, index[:, ::-1])
    np.testing.assert_allclose(ras * (-1, -1, 1), built.position(index), atol=1e-3)
    assert np.array_equal(np.asarray(image.dataobj).transpose(2, 1, 0), built.hu)
    np.testing.assert_allclose(image.get_qform(), image.affine, atol=1e-3)
    assert b"Zebra" not in (tmp_path / "out.nii.gz").read_bytes()


def test_nifti_of_a_tilted_stack_has_no_quaternion():
    image = tilted().to_nifti()
    assert image.get_qform(coded=True)[1] == 0 and image.get_sform(coded=True)[1] == 1
    np.testing.assert_allclose(image.affine[:3, 2], (0, -0.8, 2.5), atol=1e-6)


@pytest.mark.parametrize("series", ROUND_TRIPS.values(), ids=ROUND_TRIPS)
def test_simpleitk_agrees(series, tmp_path):
    sitk = pytest.importorskip("SimpleITK", reason="SimpleITK is an optional extra (bench)")
    built = read_series_of(tmp_path, series)
    image = built.to_sitk()
    for index in ((0, 0, 0), (6, 9, 13)):
        there = image.TransformIndexToPhysicalPoint([int(i) for i in index[::-1]])
        np.testing.assert_allclose(there, built.position(index), atol=1e-6)
        assert image[tuple(int(i) for i in index[::-1])] == built.hu[index]
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(tmp_path))
    theirs = sitk.ReadImage(names)
    np.testing.assert_allclose(theirs.TransformIndexToPhysicalPoint((13, 9, 6)), built.position((6, 9, 13)), atol=1e-3)
    assert np.array_equal(sitk.GetArrayFromImage(theirs), built.hu)
    with pytest.raises(ValueError, match="shear"):
        tilted().to_sitk()


def same_voxels(theirs: nibabel.Nifti1Image, ours: CTVolume) -> None:
    """Each of our voxels has the same value at the same place of the other image."""
    image = ours.to_nifti()
    there = np.linalg.inv(theirs.affine) @ image.affine
    index = np.indices(image.shape).reshape(3, -1)
    place = there[:3, :3] @ index + there[:3, 3:]
    nearest = np.rint(place).astype(int)
    assert np.abs(place - nearest).max() < 0.01
    values = np.asarray(theirs.dataobj)[tuple(nearest)]
    assert np.array_equal(values, np.asarray(image.dataobj).ravel())


@pytest.mark.parametrize("series", ROUND_TRIPS.values(), ids=ROUND_TRIPS)
def test_dcm2niix_agrees(series, tmp_path):
    program = shutil.which("dcm2niix")
    if program is None and importlib.util.find_spec("dcm2niix"):
        import dcm2niix

        program = dcm2niix.bin
    if program is None:
        pytest.skip("dcm2niix is not installed")
    built = read_series_of(tmp_path / "in", series)
    (tmp_path / "out").mkdir()
    subprocess.run(
        [program, "-b", "n", "-z", "n", "-o", tmp_path / "out", tmp_path / "in"], check=True, capture_output=True
    )
    same_voxels(nibabel.load(next((tmp_path / "out").glob("*.nii"))), built)


@pytest.mark.parametrize("series", [Series(stored=picture(rows=16, columns=16))], ids=["axial"])
def test_dicom2nifti_agrees(series, tmp_path):
    converter = pytest.importorskip("dicom2nifti", reason="dicom2nifti is not installed")
    built = read_series_of(tmp_path / "in", series)
    converter.dicom_series_to_nifti(tmp_path / "in", tmp_path / "out.nii", reorient_nifti=False)
    same_voxels(nibabel.load(tmp_path / "out.nii"), built)


@pytest.mark.parametrize("built", [volume((6, 20, 24)), tilted()])
def test_resampled_values_inside_hold_no_share_of_the_outside(built):
    outside = np.zeros(built.shape, bool)
    outside[:, :6] = True
    hu = np.where(outside, -2000, 40).astype(np.int16)
    mixed = CTVolume(hu, built.affine, [], {}, outside).resample((1.1, 0.55, 0.6))
    assert (mixed.hu[~mixed.outside] == 40).all() and 0.4 < (~mixed.outside).mean() < 0.75


def test_what_a_volume_cannot_hold_or_show_is_refused():
    built = volume()
    with pytest.raises(ValueError, match="whole numbers that fit"):
        tilted().resample(1.0, fill=-1000.5)
    with pytest.raises(ValueError, match="choose larger ones"):
        built.resample(1e-7)
    with pytest.raises(IndexError, match="axial planes, from 0 on"):
        built.plane("axial", 9999)
    with pytest.raises(TypeError):
        built.plane("axial", 2.5)


def test_filling_the_field_keeps_interpolated_slices():
    outside = np.zeros((3, 4, 4), bool)
    outside[:, 0, 0] = outside[1] = True
    filled = CTVolume(np.full((3, 4, 4), 7, np.int16), np.eye(4), [], {}, outside, (1,)).filled(-1000)
    assert (filled.hu == np.where(outside[[0, 0, 2]], -1000, 7)).all()
    np.testing.assert_array_equal(filled.outside, outside)
