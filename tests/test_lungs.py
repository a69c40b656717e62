"""Classical lung segmentation and nodule candidates, against the phantom's truth and on one real chest."""

from __future__ import annotations

import numpy as np
import pytest

from helpers import lungs
from helpers.airways import follow_airways
from helpers.dicom import read_series, scan_folder
from helpers.findings import Finding
from helpers.phantom import LABELS, Nodule, chest_phantom, write_series
from helpers.volume import CTVolume


def as_volume(phantom) -> CTVolume:
    return CTVolume(phantom.hu, phantom.affine, padding=np.asarray(phantom.outside))


@pytest.fixture(scope="module")
def chest():
    phantom = chest_phantom(seed=0)
    volume = as_volume(phantom)
    return phantom, volume, lungs.segment_lungs(volume)


def test_both_lungs_agree_with_the_truth(chest):
    phantom, volume, labels = chest
    assert labels.dtype == np.uint8 and labels.shape == volume.shape
    for side in (1, 2):
        assert lungs.dice(labels == side, phantom.lungs == side) >= 0.985
    truth = (phantom.lungs == 1).sum() * volume.voxel_ml
    assert abs(lungs.lung_volumes_ml(labels, volume)["right"] / truth - 1) < 0.02


def test_an_interpolated_slice_does_not_cut_the_lungs(chest, tmp_path):
    """It counts as not measured; filled with air it would part each lung in two."""
    phantom, volume, labels = chest
    write_series(phantom, tmp_path, awkward=("gap",))
    filled = read_series(tmp_path, gaps="fill")
    assert filled.invented and filled.outside[filled.invented[0]].all()
    whole, found = (lungs.lung_volumes_ml(*pair) for pair in ((labels, volume), (lungs.segment_lungs(filled), filled)))
    assert all(abs(found[side] / whole[side] - 1) < 0.01 for side in ("right", "left"))


@pytest.mark.parametrize("seed", range(1, 6))
def test_so_do_other_patients(seed):
    phantom = chest_phantom(seed=seed, shape=(40, 160, 160), variation=1.0)
    labels = lungs.segment_lungs(as_volume(phantom))
    assert min(lungs.dice(labels == side, phantom.lungs == side) for side in (1, 2)) >= 0.98


def test_airways_gas_room_and_corners_are_left_out(chest):
    phantom, _, labels = chest
    high = np.arange(len(labels))[:, None, None] > 36
    windpipe = (phantom.labels == LABELS["airway"]) & high & (phantom.lungs == 0)
    assert windpipe.sum() > 500 and (labels[windpipe] > 0).mean() < 0.01
    for name in ("gas", "table"):
        assert (labels[phantom.labels == LABELS[name]] > 0).mean() < 0.001
    assert not labels[phantom.outside].any()


def test_the_windpipe_is_followed_to_the_bronchi_and_no_farther(chest):
    phantom, volume, _ = chest
    air = (volume.filled(-1000).hu < -400) & ((phantom.labels == LABELS["airway"]) | (phantom.lungs > 0))
    found = follow_airways(air, volume.hu.astype(np.float32), volume.spacing, -400)
    windpipe = (phantom.labels == LABELS["airway"]) & (phantom.lungs == 0) & (volume.hu < -800)
    assert found[windpipe].mean() > 0.9
    assert found.sum() * volume.voxel_ml < 90  # and it has not leaked into the lungs, which hold four litres


def test_nodules_and_vessels_inside_are_kept(chest):
    phantom, _, labels = chest
    for nodule in phantom.nodules:
        ball = phantom.labels == LABELS["nodule"]
        index = tuple(round(i) for i in nodule.index)
        assert labels[index] == phantom.lungs[index] > 0
    inside = ball & (phantom.lungs > 0)
    assert (labels[inside] > 0).mean() > 0.95
    vessels = (phantom.labels == LABELS["vessel"]) & (phantom.lungs > 0)
    assert (labels[vessels] > 0).mean() > 0.93


TURNS = {
    "head first, top down": ((0, 1, 2), (-1, 1, 1)),
    "feet first, prone": ((0, 1, 2), (1, -1, -1)),
    "mirrored columns": ((0, 1, 2), (1, 1, -1)),
    "coronal stack": ((1, 0, 2), (1, -1, 1)),
    "sagittal stack": ((2, 0, 1), (1, -1, 1)),
}


@pytest.mark.parametrize("turn", TURNS)
def test_sides_come_from_the_affine_not_from_the_array(turn):
    phantom = chest_phantom(seed=2, shape=(40, 128, 128))
    order, signs = TURNS[turn]
    flips = tuple(slice(None, None, s) for s in signs)
    affine = phantom.affine[:, [*order, 3]].copy()
    for axis, (sign, n) in enumerate(zip(signs, np.array(phantom.hu.shape)[list(order)])):
        if sign < 0:
            affine[:3, 3] += affine[:3, axis] * (n - 1)
            affine[:3, axis] *= -1
    turned = CTVolume(phantom.hu.transpose(order)[flips], affine, padding=phantom.outside.transpose(order)[flips])
    truth = phantom.lungs.transpose(order)[flips]
    labels = lungs.segment_lungs(turned)
    assert min(lungs.dice(labels == side, truth == side) for side in (1, 2)) >= 0.98


def test_a_feet_first_series_keeps_its_sides(tmp_path):
    phantom = chest_phantom(seed=4, shape=(40, 128, 128))
    write_series(phantom, tmp_path, awkward=("feet_first",))
    volume = read_series(tmp_path)
    labels = lungs.segment_lungs(volume)
    assert lungs.dice(labels[:, ::-1, ::-1] == 1, phantom.lungs == 1) > 0.98


def test_a_part_of_the_lungs_is_known_as_such():
    labels = np.zeros((3, 4, 5), np.uint8)
    labels[1], labels[:, 2] = 1, 1
    coronal = np.array([[0, 0, 1, 0], [1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1.0]])  # slices along y, rows along -z
    assert lungs.cut_off(labels, CTVolume(labels.astype(np.int16), np.eye(4)[[2, 1, 0, 3]]))
    labels[[0, 2]] = 0
    assert not lungs.cut_off(labels, CTVolume(labels.astype(np.int16), np.eye(4)[[2, 1, 0, 3]]))
    assert lungs.cut_off(labels, CTVolume(labels.astype(np.int16), coronal))


def test_lungs_that_touch_are_parted():
    phantom = chest_phantom(seed=1, shape=(40, 128, 128), nodules=[])
    hu = phantom.hu.copy()
    columns = np.nonzero(phantom.lungs[20].any(axis=0))[0]
    hu[16:24, 40:44, columns[0] + 20 : columns[-1] - 20] = -850  # a bridge in front of the heart
    labels = lungs.segment_lungs(CTVolume(hu, phantom.affine, padding=np.asarray(phantom.outside)))
    assert min(lungs.dice(labels == side, phantom.lungs == side) for side in (1, 2)) > 0.95


def test_one_lung_alone_is_named_by_its_side():
    phantom = chest_phantom(seed=1, shape=(40, 128, 128), nodules=[])
    hu = phantom.hu.copy()
    hu[phantom.lungs == 2] = 30  # an effusion fills the left one
    labels = lungs.segment_lungs(CTVolume(hu, phantom.affine, padding=np.asarray(phantom.outside)))
    assert not (labels == 2).any() and lungs.dice(labels == 1, phantom.lungs == 1) > 0.97


def test_where_there_is_no_lung_it_says_so():
    with pytest.raises(lungs.LungError, match="No lungs"):
        lungs.segment_lungs(CTVolume.from_spacing(np.zeros((10, 64, 64), np.int16), (5, 3, 3)))


@pytest.mark.parametrize("where", [slice(24, 25), slice(36, 37), slice(20, 32, 2)])
def test_a_single_slice_and_the_ends_of_a_slab_are_whole(chest, where):
    phantom, volume, _ = chest
    affine = volume.affine @ np.diag([where.step or 1, 1, 1, 1.0])
    slab = CTVolume(phantom.hu[where], affine, padding=np.asarray(phantom.outside)[where])
    labels = lungs.segment_lungs(slab)
    for k, truth in ((0, phantom.lungs[where][0]), (-1, phantom.lungs[where][-1])):
        assert min(lungs.dice(labels[k] == side, truth == side) for side in (1, 2)) >= 0.97


def test_the_foam_of_a_table_is_no_lung():
    hu = np.full((6, 128, 128), -1000, np.int16)
    hu[:, 20:80, 30:100] = 40  # a body without air, 210 mm wide
    hu[:, 90:106, 10:118] = 300  # the shell of a table
    hu[:, 92:104, 12:116] = -900  # and its foam, 312 x 36 mm
    with pytest.raises(lungs.LungError, match="No lungs"):
        lungs.segment_lungs(CTVolume.from_spacing(hu, (5, 3, 3)))


def test_dice_of_known_masks():
    a = np.array([1, 1, 0, 0])
    assert lungs.dice(a, a) == 1 and lungs.dice(a, 1 - a) == 0
    assert lungs.dice(a, np.array([1, 0, 0, 0])) == pytest.approx(2 / 3)
    assert lungs.dice(np.zeros(4), np.zeros(4)) == 1
    with pytest.raises(ValueError, match="shape"):
        lungs.dice(a, a[:2])


def test_every_nodule_has_a_candidate_of_its_size_and_density(chest):
    phantom, volume, labels = chest
    found = lungs.nodule_candidates(volume, labels)
    assert len(found) <= 15
    for nodule in phantom.nodules:
        best = min(found, key=lambda c: np.linalg.norm(np.subtract(c.position, nodule.position)))
        assert np.linalg.norm(np.subtract(best.position, nodule.position)) < 3
        assert abs(best.diameter / nodule.diameter - 1) < 0.125
        assert abs(best.hu - nodule.hu) < 40
        assert best.side == nodule.side
        assert np.allclose(volume.position(best.index), best.position)


@pytest.mark.parametrize("slices", [93, 56])  # of 3 mm and of 5 mm
def test_the_volume_of_a_nodule_is_right_within_five_per_cent(slices):
    errors = []
    for seed in range(6):
        phantom = chest_phantom(seed=seed, shape=(slices, 192, 192), nodules=[Nodule(18.0, 30.0)])
        volume = as_volume(phantom)
        found = lungs.nodule_candidates(volume, phantom.lungs)
        (nodule,) = phantom.nodules
        best = min(found, key=lambda c: np.linalg.norm(np.subtract(c.position, nodule.position)))
        errors.append(best.volume / nodule.volume - 1)
    print(np.round(errors, 3))
    assert np.abs(errors).max() < 0.05


def test_a_lung_without_nodules_has_few_large_round_spots():
    phantom = chest_phantom(seed=7, nodules=[])
    found = lungs.nodule_candidates(as_volume(phantom), phantom.lungs)
    assert sum(c.diameter > 11 for c in found) <= 2


def test_candidates_want_labels_of_the_same_shape(chest):
    _, volume, labels = chest
    with pytest.raises(ValueError, match="shape"):
        lungs.nodule_candidates(volume, labels[1:])
    assert lungs.nodule_candidates(volume, np.zeros_like(labels)) == []


@pytest.mark.real_data
def test_a_real_chest_has_two_lungs_of_plausible_size(medimg_data):
    volume = read_series(medimg_data / "dicom" / "chest-lidc-0001")
    labels = lungs.segment_lungs(volume)
    right, left = lungs.lung_volumes_ml(labels, volume).values()
    assert 3300 < right + left < 4100 and 1.0 < right / left < 1.4  # all enclosed air: about 3.8 l
    assert -880 < volume.hu[labels > 0].mean() < -780
    x = volume.position(np.argwhere(labels == 1)[::5000])[:, 0]
    assert x.mean() < volume.position(np.argwhere(labels == 2)[::5000])[:, 0].mean()
    for windpipe in ((110, 230, 230), (105, 248, 230), (98, 257, 228)):
        assert volume.hu[windpipe] < -900 and labels[windpipe] == 0  # only a thin wall parts it from the right lung
    spots = lungs.nodule_candidates(volume, labels)
    assert 18 < spots[0].diameter < 28 and spots[0].side == "left"  # the tumour in the left lung, slice 90


@pytest.mark.real_data
def test_a_slab_cut_by_the_scan_circle_keeps_both_lungs(medimg_data):
    volume = read_series(medimg_data / "dicom" / "chest-ge-overlap-pad2000")
    labels = lungs.segment_lungs(volume)
    right, left = lungs.lung_volumes_ml(labels, volume).values()
    assert 100 < right < 150 and 180 < left < 230


def part(volume: CTVolume, rows=slice(None), columns=slice(None)) -> CTVolume:
    """The same patient in a smaller picture."""
    affine = volume.affine.copy()
    affine[:3, 3] = volume.position((0, rows.start or 0, columns.start or 0))
    return CTVolume(volume.hu[:, rows, columns], affine, padding=np.asarray(volume.outside)[:, rows, columns])


@pytest.fixture(scope="module")
def small():
    phantom = chest_phantom(seed=1, shape=(48, 192, 192))
    return phantom, as_volume(phantom)


@pytest.mark.parametrize("columns", [slice(48, None), slice(0, -48)])
def test_a_lung_cut_by_the_border_is_found(small, columns):
    phantom, volume = small
    labels, truth = lungs.segment_lungs(part(volume, columns=columns)), phantom.lungs[:, :, columns]
    assert min(lungs.dice(labels == side, truth == side) for side in (1, 2)) > 0.98


@pytest.mark.parametrize("columns", [slice(0, 96), slice(96, None)])
def test_half_a_body_shows_the_lung_of_its_own_side(small, columns):
    phantom, volume = small
    labels, truth = lungs.segment_lungs(part(volume, columns=columns)), phantom.lungs[:, :, columns]
    side = 1 if columns.start == 0 else 2
    assert lungs.dice(labels == side, truth == side) > 0.98 and not (labels == 3 - side).any()


@pytest.mark.real_data
def test_a_hollow_head_has_no_lungs(medimg_data):
    head = next(info for info in scan_folder(medimg_data / "dicom" / "head-tilt-mixed") if info.n_slices > 8)
    with pytest.raises(lungs.LungError, match="No lungs found"):
        lungs.segment_lungs(read_series(head))


def test_values_that_are_no_hu_are_refused(small):
    _, volume = small
    other = CTVolume(volume.hu, volume.affine, [Finding("not_hu", "Modality MR: the values are not Hounsfield units.")])
    with pytest.raises(lungs.LungError, match="looked for in Hounsfield units"):
        lungs.segment_lungs(other)


def test_lungs_with_an_interpolated_slice_keep_their_size_on_other_grids(chest):
    phantom = chest[0]
    outside = phantom.outside.copy()
    outside[20] = True
    built = CTVolume(phantom.hu, phantom.affine, [], {}, outside, (20,))
    whole = sum(lungs.lung_volumes_ml(lungs.segment_lungs(built), built).values())
    dz, dy, dx = built.spacing
    for other in (built.filled(), built.resample((dz, dy, dx)), built.resample((dz / 2, 2 * dy, 2 * dx))):
        assert sum(lungs.lung_volumes_ml(lungs.segment_lungs(other), other).values()) == pytest.approx(whole, rel=0.03)
