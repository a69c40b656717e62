"""Patches, measurements, classifiers and FROC of the nodule part."""

import numpy as np
import pytest

from helpers.diagnostics import auc_interval, roc
from helpers.nodule_models import FEATURES, build_cnn, classical_model, cnn_scores, measure, train_cnn
from helpers.nodules import (
    KINDS,
    PatchError,
    ScanCandidates,
    cut_patch,
    draw_scan,
    draw_slab,
    froc,
    load_patches,
    many_patches,
    scan_candidates,
)


@pytest.fixture(scope="module")
def training():
    return many_patches(range(30, 42))


@pytest.fixture(scope="module")
def test():
    return many_patches(range(60, 66))


def ball(radius=6.0, spacing=(2.0, 1.0, 1.5), shape=(30, 60, 40), centre=(15, 30, 20)):
    z, y, x = (((np.arange(n) - c) * s) for n, c, s in zip(shape, centre, spacing))
    far = np.sqrt(z[:, None, None] ** 2 + y[:, None] ** 2 + x**2)
    return -850 + 850 * np.clip((radius - far) / 1.5 + 0.5, 0, 1)  # partial volume at the edge


def test_a_ball_is_a_disc_of_its_size_in_all_planes_whatever_the_voxels():
    for spacing, shape, centre in [((2, 1, 1.5), (30, 60, 40), (15, 30, 20)), ((1, 1, 1), (60, 60, 60), (30, 30, 30))]:
        patch = cut_patch(ball(6.0, spacing, shape, centre), spacing, centre)
        assert patch.shape == (24, 24, 3) and patch.dtype == np.float32
        areas = (patch > 0.45).sum((0, 1)) * 1.5**2
        assert np.allclose(areas, np.pi * 36, rtol=0.2)


def test_planes_are_axial_coronal_sagittal():
    hu = np.full((40, 40, 40), -1000.0)
    hu[20, 20, 26] = hu[20, 20, 27] = 300.0  # towards the patient's left (columns)
    patch = cut_patch(hu, (1.5, 1.5, 1.5), (20, 20, 20))
    for k, plane in enumerate(patch.transpose(2, 0, 1)):
        bright = np.argwhere(plane > 0.2)
        if k < 2:
            assert len(bright) and bright[:, 1].min() > 14 and np.abs(bright[:, 0] - 11.5).max() < 2
        else:
            assert not len(bright)
    hu[:] = -1000
    hu[30, 20, 20] = 300.0  # towards the head: up in the coronal and the sagittal plane
    patch = cut_patch(hu, (1.5, 1.5, 1.5), (20, 20, 20))
    assert not (patch[..., 0] > 0.2).any()
    assert all(np.argwhere(patch[..., k] > 0.2)[:, 0].max() < 4 for k in (1, 2))


def test_patches_hold_what_they_are_called(training):
    assert training.values.min() >= 0 and training.values.max() <= 1
    assert set(training.kinds) == set(KINDS) and len(set(training.patients)) == 12
    assert np.array_equal(training.truth == 1, training.diameters > 0)
    centre = training.values[:, 10:14, 10:14].mean((1, 2, 3))
    means = {kind: centre[training.kinds == kind].mean() for kind in KINDS}
    assert means["nodule"] > 0.4


def test_same_seed_same_patient():
    one, two = draw_slab(3), draw_slab(3)
    assert np.array_equal(one.hu, two.hu) and one.nodules == two.nodules
    assert all(n.index is not None and 0 <= n.index[0] < one.hu.shape[0] for n in one.nodules)


def test_measurements_of_a_ball_and_of_a_tube():
    round_one = cut_patch(ball(), (2, 1, 1.5), (15, 30, 20))
    tube = np.full((60, 60, 60), -850.0)
    y, x = np.meshgrid(np.arange(60) - 30, np.arange(60) - 30, indexing="ij")
    tube[:, np.hypot(y, x) < 4] = 0
    values = measure(np.stack([round_one, cut_patch(tube, (1, 1, 1), (30, 30, 30))]))
    names = {name: column for name, column in zip(FEATURES, values.T)}
    assert values.shape == (2, len(FEATURES)) and np.isfinite(values).all()
    assert names["least roundness"][0] > 0.8 > 0.4 > names["least roundness"][1]
    assert names["smallest area"][0] == pytest.approx(np.pi * 36, rel=0.25)
    assert names["largest area"][1] > 3 * names["smallest area"][1]
    assert names["reaches the edge"].tolist()[0] == 0 < names["reaches the edge"][1]
    assert np.isfinite(measure(np.zeros((1, 24, 24, 3), np.float32))).all()


def test_both_classifiers_beat_chance_on_other_patients_and_nothing_on_shuffled_labels(training, test):
    features, others = measure(training.values), measure(test.values)
    line = classical_model().fit(features, training.truth)
    assert auc_interval(test.truth, line.predict_proba(others)[:, 1], test.patients).low > 0.8
    cnn = train_cnn(training, epochs=12)
    scores = cnn_scores(cnn, test.values)
    assert auc_interval(test.truth, scores, test.patients).value > 0.8
    assert np.isfinite(scores).all() and scores.shape == (len(test.values),)
    rng, blind = np.random.default_rng(0), []
    for _ in range(12):  # one shuffle may point the right way by luck, a dozen do not
        model = classical_model().fit(features, rng.permutation(training.truth))
        blind.append(roc(test.truth, model.predict_proba(others)[:, 1]).auc)
    assert 0.25 < np.mean(blind) < 0.75


def test_network_is_small_and_empty_input_is_no_error():
    model = build_cnn()
    assert model.count_params() < 30_000
    assert cnn_scores(model, np.empty((0, 24, 24, 3), np.float32)).shape == (0,)


def test_candidates_of_a_whole_scan_hit_its_nodules():
    volume, nodules = draw_scan(3)
    found = scan_candidates(volume, nodules)
    assert found.nodules == len(nodules) == 6 and len(found.values) == len(found.hits)
    assert len(set(found.hits[found.hits >= 0])) >= 3
    assert (scan_candidates(volume).hits == -1).all()


def test_froc_by_hand():
    empty = np.zeros((3, 24, 24, 3), np.float32)
    scans = [ScanCandidates(empty, np.array([0, -1, 0]), 2), ScanCandidates(empty, np.array([-1, 0, -1]), 1)]
    curve = froc(scans, [np.array([0.9, 0.8, 0.7]), np.array([0.6, 0.5, 0.1])])
    assert np.allclose(curve.sensitivity, [0, 1 / 3, 1 / 3, 1 / 3, 1 / 3, 2 / 3, 2 / 3])
    assert np.allclose(curve.false_per_scan, [0, 0, 0.5, 0.5, 1, 1, 1.5])
    assert curve.ceiling == pytest.approx(2 / 3)
    with pytest.raises(PatchError, match="known nodule"):
        froc([ScanCandidates(empty, np.array([-1] * 3), 0)], [np.zeros(3)])


def test_own_patches_and_medmnist_layout(tmp_path):
    cubes = np.zeros((4, 28, 28, 28), np.uint8)
    cubes[:, 10:18, 10:18, 10:18] = 255
    np.savez(tmp_path / "nodulemnist3d.npz", test_images=cubes, test_labels=np.array([[1], [0], [1], [0]]))
    found = load_patches(tmp_path / "nodulemnist3d.npz")
    assert found.values.shape == (4, 24, 24, 3) and found.values.max() <= 1 and found.truth.tolist() == [1, 0, 1, 0]
    assert found.values[0, 12, 12].tolist() == [1, 1, 1] and found.values[0, 2, 2].tolist() == [0, 0, 0]
    np.savez(tmp_path / "own.npz", images=np.zeros((2, 24, 24, 3), np.float32), labels=[0, 1], patients=[7, 8])
    assert load_patches(tmp_path / "own.npz").patients.tolist() == [7, 8]
    np.savez(tmp_path / "wrong.npz", images=np.zeros((2, 24)), labels=[0, 1])
    (tmp_path / "text.npz").write_text("no")
    for name in ("wrong.npz", "text.npz", "absent.npz"):
        with pytest.raises(PatchError, match=name):
            load_patches(tmp_path / name)
