"""The viewer reacts to its controls; the figures of notebook 02 draw what they are given."""

from __future__ import annotations

from io import BytesIO

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from helpers.figures import ct, dicom, hounsfield
from helpers.figures.surface import surfaces
from helpers.figures.viewer import slice_png, slice_viewer
from helpers.hounsfield import WINDOWS
from helpers.lungs import nodule_candidates
from helpers.phantom import chest_phantom
from helpers.volume import CTVolume


@pytest.fixture(scope="module")
def chest():
    phantom = chest_phantom(shape=(24, 96, 96))
    return phantom, CTVolume(phantom.hu, phantom.affine, padding=np.asarray(phantom.outside))


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def parts(box):
    (plane, window, tint), slider, picture = box.children[0].children, box.children[1], box.children[2]
    return plane, window, tint, slider, picture


def test_the_viewer_redraws_for_every_control(chest):
    phantom, volume = chest
    plane, window, tint, slider, picture = parts(slice_viewer(volume, phantom.lungs))
    seen = [picture.value]
    for part, value in ((slider, 3), (window, "bone"), (plane, "coronal"), (tint, False), (slider, 20)):
        part.value = value
        assert picture.value != seen[-1]
        seen.append(picture.value)
    assert slider.max == volume.shape[1] - 1
    plane.value = "axial"
    assert slider.max == volume.shape[0] - 1 and slider.value == slider.max // 2


def test_the_viewer_offers_every_preset_and_plane(chest):
    plane, window, tint, *_ = parts(slice_viewer(chest[1]))
    assert list(window.options) == list(WINDOWS) and set(plane.options) == {"axial", "coronal", "sagittal"}
    assert tint.disabled


def test_a_cut_has_its_proportions_in_millimetres(chest):
    _, volume = chest
    image = Image.open(BytesIO(slice_png(volume, "coronal", 40, "lung", height=300)))
    dz, _, dx = volume.spacing
    assert image.height == 300
    assert abs(image.width / image.height - (volume.shape[2] * dx) / (volume.shape[0] * dz)) < 0.02


def test_labels_are_tinted_where_they_are(chest):
    phantom, volume = chest
    plain = np.asarray(Image.open(BytesIO(slice_png(volume, "axial", 12, "lung", height=96))).convert("RGB"), int)
    tinted = slice_png(volume, "axial", 12, "lung", phantom.lungs, height=96)
    tinted = np.asarray(Image.open(BytesIO(tinted)).convert("RGB"), int)
    changed = np.abs(tinted - plain).max(axis=2) > 3
    assert changed[phantom.lungs[12] > 0].mean() > 0.9 and changed[phantom.lungs[12] == 0].mean() < 0.05


def test_planes_share_one_scale_and_cross_in_the_point(chest):
    _, volume = chest
    figure = ct.planes(volume, "title", at=(10.0, -30.0, -100.0))
    for ax, (across, up) in zip(figure.axes, ((10, -30), (10, -100), (-30, -100))):
        lines = [line.get_data() for line in ax.lines]
        assert lines[0][0][0] == across and lines[1][1][0] == up
        assert ax.get_aspect() == 1.0


def test_a_patient_who_lies_on_the_belly_is_shown_as_any_other(chest):
    """The same patient with rows and columns the other way round: the same picture."""
    _, volume = chest
    turned = volume.hu[:, ::-1, ::-1]
    affine = volume.affine @ np.diag([1.0, -1.0, -1.0, 1.0])
    affine[:3, 3] = volume.position((0, volume.shape[1] - 1, volume.shape[2] - 1))
    prone = CTVolume(np.ascontiguousarray(turned), affine)
    for k in (3, 12):
        image, aspect = ct.cut(prone, k)
        assert np.array_equal(image, ct.cut(volume, k)[0]) and np.array_equal(image, volume.hu[k])
        assert abs(aspect - volume.spacing[1] / volume.spacing[2]) < 1e-9


def test_planes_of_a_tilted_stack_are_straightened(chest):
    _, volume = chest
    affine = volume.affine.copy()
    affine[1, 0] = 0.3 * volume.spacing[0]
    assert ct.planes(CTVolume(volume.hu, affine), "title").get_suptitle() == "title (tilt straightened)"
    assert ct.planes(volume, "title").get_suptitle() == "title"


def test_every_figure_draws(chest):
    phantom, volume = chest
    image, spots = volume.hu[12].astype(float), nodule_candidates(volume, phantom.lungs)[:2]
    plt.rcParams["figure.max_open_warning"] = 0
    drawn = [
        ct.slices({"a": image, "b": image}, "t"),
        ct.brightness({"a": image, "b": image}, "t", 0, 1, "u"),
        ct.aspect_pair(volume.hu[:, 48], 4.0, 1.0, "t"),
        ct.positions(np.array([3.0, 1.0, 2.0]), "t"),
        ct.stacked_wrong(volume.hu[::-1, 48], volume.hu[:, 48], 3.0, "t"),
        ct.disc_in_square(image, None, "t"),
        ct.lungs_over(volume, phantom.lungs, [3, 12], "t"),
        ct.spots(volume, spots, "t"),
        ct.spots(volume, [], "t"),
        ct.phantom_tour(phantom, "t"),
        ct.montage(volume, ["lung", "bone"], [3, 12], "t"),
        hounsfield.attenuation_line(0.02),
        hounsfield.scale({"fat": -100.0}),
        hounsfield.scale(),
        hounsfield.histogram(volume.hu.ravel(), "t", 0.2, ["air", "fat"]),
        hounsfield.window_curves(),
        hounsfield.windows(image, ["lung"], "t"),
        hounsfield.outside_as({"a": image, "b": image}, "t"),
        hounsfield.sinogram(image, image, "t"),
        dicom.timeline([(1985, "a"), (1993, "b")]),
        dicom.services(),
        dicom.file_bytes([("a", b"0123456789ABCDEF", "b", 8)]),
        dicom.licence_ladder([("a", "b", (True, False))], ["x", "y"]),
        dicom.patient_axes(),
        surfaces([(phantom.lungs == 1, phantom.affine, "#0072B2", 1.0)], "t"),
    ]
    assert all(isinstance(figure, Figure) for figure in drawn)


def test_surfaces_lie_where_the_patient_lies(chest):
    phantom, _ = chest
    mask = phantom.lungs == 1
    turned = phantom.affine @ np.array([[1, 0, 0, 0], [0, -1, 0, mask.shape[1] - 1], [0, 0, -1, mask.shape[2] - 1],
                                        [0, 0, 0, 1.0]])  # fmt: skip
    supine, prone = (
        surfaces([(part, affine, "#0072B2", 1.0)], "t").axes[0]
        for part, affine in ((mask, phantom.affine), (mask[:, ::-1, ::-1], turned))
    )
    voxels = np.argwhere(mask) @ phantom.affine[:3, :3].T + phantom.affine[:3, 3]
    for axis, (low, high) in enumerate(zip(voxels.min(axis=0), voxels.max(axis=0))):
        limits = [(ax.get_xlim, ax.get_ylim, ax.get_zlim)[axis]() for ax in (supine, prone)]
        assert np.allclose(limits[0], limits[1], atol=0.1)
        assert np.allclose(limits[0], (low, high), atol=1.5 * max(phantom.spacing))


def test_candidates_of_a_patient_who_lies_on_the_belly_look_as_any_other(chest):
    phantom, volume = chest
    affine = volume.affine @ np.diag([1.0, -1.0, -1.0, 1.0])
    affine[:3, 3] = volume.position((0, volume.shape[1] - 1, volume.shape[2] - 1))
    prone = CTVolume(np.ascontiguousarray(volume.hu[:, ::-1, ::-1]), affine)
    drawn = [
        ct.spots(one, nodule_candidates(one, labels)[:2], "t").axes[0]
        for one, labels in ((volume, phantom.lungs), (prone, np.ascontiguousarray(phantom.lungs[:, ::-1, ::-1])))
    ]
    np.testing.assert_allclose(*(ax.images[0].get_array() for ax in drawn), atol=1e-6)
    np.testing.assert_allclose(*(ax.patches[0].center for ax in drawn), atol=1e-3)
    assert drawn[0].images[0].get_array().mean() > 0  # and there is something in it


def test_a_histogram_says_how_many_voxels_it_leaves_out():
    values = np.array([0, 40, 1500, 2900, 3000, -2000])
    assert hounsfield.histogram(values, "t").axes[0].get_xlabel() == "Hounsfield units (3 voxels lie beyond)"
    assert hounsfield.histogram(values[:3], "t").axes[0].get_xlabel() == "Hounsfield units"


def test_a_single_slice_is_shown_in_its_own_plane_only(chest):
    _, volume = chest
    figure = ct.planes(CTVolume(volume.hu[12:13], volume.affine), "title")
    assert [ax.get_title() for ax in figure.axes] == ["axial"]
    assert len(ct.planes(volume, "title").axes) == 3
