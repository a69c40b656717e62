"""The phantom: is the answer that it claims to know the one in its voxels, and in its files?"""

from __future__ import annotations

from hashlib import sha256

import numpy as np
import pydicom
import pytest

from helpers.dicom import DicomSeriesError, read_series
from helpers.phantom import AWKWARD, FILLER, LABELS, Nodule, chest_phantom, write_series
from helpers.volume import CTVolume

SMALL = (28, 112, 112)


@pytest.fixture(scope="module")
def phantom():
    return chest_phantom(seed=3)


@pytest.fixture(scope="module")
def small():
    return chest_phantom(seed=5, shape=SMALL)


def test_a_seed_gives_the_same_patient_and_another_seed_another(small):
    again, other = chest_phantom(seed=5, shape=SMALL), chest_phantom(seed=6, shape=SMALL)
    assert np.array_equal(small.hu, again.hu) and np.array_equal(small.labels, again.labels)
    assert not np.array_equal(small.hu, other.hu)
    assert small.nodules[0].position != other.nodules[0].position


@pytest.mark.parametrize(
    ("name", "hu"), [("fat", -95), ("muscle", 50), ("water", 0), ("airway", -970), ("right lung", -850)]
)
def test_tissues_have_their_hounsfield_units(phantom, name, hu):
    inside = (phantom.labels == LABELS[name]) & ~phantom.outside
    assert abs(np.median(phantom.hu[inside]) - hu) < 20


def test_a_nodule_has_the_size_place_and_density_it_says():
    ball = Nodule(24.0, 60.0, "solid", "left")
    phantom = chest_phantom(seed=1, dose=0, nodules=[ball])
    (nodule,) = phantom.nodules
    index = tuple(round(i) for i in nodule.index)
    assert abs(phantom.hu[index] - 60) <= 2
    assert phantom.lungs[index] == 2
    assert np.allclose(phantom.affine[:3, :3] @ nodule.index + phantom.affine[:3, 3], nodule.position, atol=1e-6)
    # the same patient with the nodule as dense as lung: the difference is the nodule and nothing else
    ghost = chest_phantom(seed=1, dose=0, nodules=[Nodule(24.0, -860.0, "solid", "left", nodule.position)])
    change = (phantom.hu.astype(float) - ghost.hu).sum() / (60 + 860) * np.prod(phantom.spacing)
    assert abs(change / nodule.volume - 1) < 0.02


def test_a_nodule_at_the_pleura_touches_the_wall_from_inside(phantom):
    nodule = next(n for n in phantom.nodules if n.kind == "juxta-pleural")
    z, y, x = np.indices(phantom.hu.shape, sparse=True)
    away = np.sqrt(sum(((g - i) * s) ** 2 for g, i, s in zip((z, y, x), nodule.index, phantom.spacing)))
    shell = (away > nodule.diameter / 2) & (away < nodule.diameter / 2 + 3)
    in_lung = (phantom.lungs[shell] > 0).mean()
    assert 0.6 < in_lung < 0.98


def test_noise_falls_with_the_root_of_the_dose():
    still = chest_phantom(seed=2, shape=SMALL, dose=0).hu.astype(float)
    liver = chest_phantom(seed=2, shape=SMALL, dose=0).labels == LABELS["liver"]
    noise = [np.std((chest_phantom(seed=2, shape=SMALL, dose=d).hu - still)[liver]) for d in (1.0, 4.0)]
    assert 1.8 < noise[0] / noise[1] < 2.2
    assert 3 < noise[0] < 25


def test_the_sides_are_the_patients_and_the_airways_are_no_lung(phantom):
    x = phantom.affine[0, 2] * np.arange(phantom.hu.shape[2]) + phantom.affine[0, 3]
    means = [np.average(x, weights=(phantom.lungs == k).sum(axis=(0, 1))) for k in (1, 2)]
    assert means[0] < 0 < means[1]  # LPS: x grows to the left
    windpipe = (phantom.labels == LABELS["airway"]) & (np.arange(phantom.hu.shape[0])[:, None, None] > 42)
    assert windpipe.sum() > 200 and not phantom.lungs[windpipe].any()


def test_a_fifth_of_the_square_lies_outside_the_circle(phantom):
    assert abs(phantom.outside.mean() - (1 - np.pi / 4)) < 0.005
    assert (phantom.hu[phantom.outside] == FILLER).all() and phantom.hu[~phantom.outside].min() >= -1024


def test_patients_differ_and_stay_human():
    litres = []
    for seed in range(6):
        patient = chest_phantom(seed=seed, shape=(24, 96, 96), variation=1.0)
        litres.append([(patient.lungs == k).sum() * np.prod(patient.spacing) / 1e6 for k in (1, 2)])
        assert len(patient.nodules) == 4
    assert np.min(litres) > 1.0 and np.max(litres) < 4.0
    assert np.ptp(np.sum(litres, axis=1)) > 0.3


def test_more_nodules_on_request_and_none(small):
    assert len(chest_phantom(seed=1, shape=SMALL, nodules=7).nodules) == 7
    clear = chest_phantom(seed=1, shape=SMALL, nodules=[])
    assert not (clear.labels == LABELS["nodule"]).any() and (small.labels == LABELS["nodule"]).any()


@pytest.mark.parametrize(
    "wrong", [{"shape": (3, 3)}, {"variation": 2}, {"dose": -1}, {"nodules": [Nodule(150.0, 0.0)]}]
)
def test_what_cannot_be_drawn_is_said(wrong):
    with pytest.raises(ValueError):
        chest_phantom(**{"shape": SMALL, **wrong})


EXACT = ["localizer", "duplicate", "thickness", "monochrome1", "fractional_slope", "no_padding_tag",
         "wrong_padding_tag", "stranger", "implicit", "big_endian", "rle", "jpegls", "jpeg2000"]  # fmt: skip
REFUSED = ["gap", "conflict", "uneven", "mixed", "truncated"]


@pytest.mark.parametrize("difficulty", ["", *EXACT])
def test_what_is_written_is_read_back_to_the_voxel(small, tmp_path, difficulty):
    write_series(small, tmp_path, awkward=(difficulty,) if difficulty else ())
    volume = read_series(tmp_path)
    inside = ~small.outside  # with another slope the filler -2000 means another HU
    assert np.array_equal(np.asarray(volume.hu)[inside], small.hu[inside])
    assert np.array_equal(volume.outside, small.outside)
    assert np.abs(volume.affine - small.affine).max() < 1e-3


@pytest.mark.parametrize("difficulty", REFUSED)
def test_what_is_no_volume_is_refused(small, tmp_path, difficulty):
    write_series(small, tmp_path, awkward=(difficulty,))
    with pytest.raises(DicomSeriesError):
        read_series(tmp_path)


@pytest.mark.parametrize("difficulty", ["unsigned", "high_bits", "feet_first", "slope_per_slice"])
def test_positions_and_values_survive_the_other_difficulties(small, tmp_path, difficulty):
    write_series(small, tmp_path, awkward=(difficulty,))
    volume = read_series(tmp_path)
    tidy = CTVolume(small.hu, small.affine)
    points = np.argwhere(~small.outside)[::997]
    there = np.rint(volume.index_of(tidy.position(points))).astype(int)
    assert np.abs(volume.hu[tuple(there.T)] - small.hu[tuple(points.T)].astype(float)).max() <= 1


def test_in_a_tilted_series_the_nodule_is_where_it_was(tmp_path):
    phantom = chest_phantom(seed=5, shape=(70, 96, 96), dose=0, nodules=[Nodule(24.0, 40.0)])
    write_series(phantom, tmp_path, awkward=("tilt",))
    volume = read_series(tmp_path)
    assert abs(volume.tilt - 15) < 0.01
    (nodule,) = phantom.nodules
    index = np.rint(volume.index_of(nodule.position)).astype(int)
    box = tuple(slice(i - r, i + r + 1) for i, r in zip(index, (4, 4, 4)))
    dense = np.argwhere(volume.hu[box] > -300) + [s.start for s in box]
    assert np.linalg.norm(volume.position(dense.mean(axis=0)) - nodule.position) < 2.0
    without_shear = CTVolume(volume.hu, phantom.affine).position(dense.mean(axis=0))
    assert np.linalg.norm(without_shear - nodule.position) > 3.0


def test_missing_rescale_means_stored_values(small, tmp_path):
    write_series(small, tmp_path, awkward=("no_rescale",))
    volume = read_series(tmp_path)
    assert "no_rescale" in [f.kind for f in volume.findings]
    assert np.array_equal(volume.hu[~small.outside] - 1024, small.hu[~small.outside])


def test_files_are_shuffled_and_the_same_each_time(small, tmp_path):
    first = write_series(small, tmp_path / "a")
    second = write_series(small, tmp_path / "b")
    digest = [[sha256(f.read_bytes()).hexdigest() for f in files] for files in (first, second)]
    assert digest[0] == digest[1]
    z = [float(pydicom.dcmread(f, stop_before_pixels=True).ImagePositionPatient[2]) for f in first]
    assert z != sorted(z) and z != sorted(z, reverse=True)


def test_patients_can_be_told_apart_in_the_files(small, tmp_path):
    headers = []
    for name in ("A^A", "B^B"):
        file = write_series(small, tmp_path / name[0], patient=name, patient_id=name, awkward=())[0]
        headers.append(pydicom.dcmread(file, stop_before_pixels=True))
    assert headers[0].PatientID != headers[1].PatientID
    assert headers[0].SeriesInstanceUID != headers[1].SeriesInstanceUID


def test_an_unknown_difficulty_is_named(small, tmp_path):
    with pytest.raises(ValueError, match="ghost"):
        write_series(small, tmp_path, awkward=("ghost",))
    assert all(AWKWARD.values())


@pytest.mark.slow
def test_a_clinical_size_holds_the_same_chest(phantom):
    large = chest_phantom(seed=3, shape=(64, 512, 512))
    here, there = ((p.lungs > 0).sum() * np.prod(p.spacing) / 1e6 for p in (phantom, large))
    assert there == pytest.approx(here, rel=0.03)
    assert [n.position for n in large.nodules] == [n.position for n in phantom.nodules]
