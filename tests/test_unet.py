"""The U-Net: geometry of its canvas, what its masks are worth on drawn and on real chests, files good and bad."""

import numpy as np
import pytest

from helpers.phantom.patients import draw_patient
from helpers.unet import (
    WEIGHTS,
    UnetError,
    build_unet,
    dice_per_slice,
    from_canvas,
    large_pieces,
    load_unet,
    mask_to_canvas,
    overlap_loss,
    save_weights,
    segment_slices,
    segment_volume,
    to_canvas,
)
from helpers.unet_training import blow_bubbles, phantom_slices, train, vary


@pytest.fixture(scope="module")
def shipped():
    return load_unet()


@pytest.mark.parametrize(("matrix", "spacing"), [(128, (2.9, 2.9)), (512, (0.7, 0.7)), ((300, 400), (1.3, 0.9))])
def test_a_disc_keeps_its_place_and_size_through_the_canvas(matrix, spacing):
    rows, columns = (matrix, matrix) if isinstance(matrix, int) else matrix
    y = (np.arange(rows) - (rows - 1) / 2)[:, None] * spacing[0]
    x = (np.arange(columns) - (columns - 1) / 2) * spacing[1]
    disc = (np.hypot(y - 20, x + 40) < 50)[None]
    small = mask_to_canvas(disc, spacing)
    assert small.sum() * 9 == pytest.approx(np.pi * 50**2, rel=0.02)
    centre = np.array(np.nonzero(small[0, ..., 0])).mean(1)
    assert np.allclose(centre, [(127 / 2) + 20 / 3, (127 / 2) - 40 / 3], atol=0.4)
    back = from_canvas(small, (rows, columns), spacing) >= 0.5
    assert dice_per_slice(back, disc)[0] > 0.97


def test_input_values():
    hu = np.array([-3024, -1000, -300, 400, 3000])[None, :, None].repeat(5, 2)
    flat = to_canvas(np.repeat(np.full((1, 40, 40), -300), 1, 0), (9.6, 9.6))
    assert flat[0, 64, 64, 0] == pytest.approx(0.5) and flat.dtype == np.float32
    picture = to_canvas(hu, (3.0, 3.0), side=5)[0, :, 2, 0]
    assert picture[0] == picture[1] == 0 and picture[-1] == 1 and np.isfinite(to_canvas(hu * np.nan, (3, 3))).all()
    assert to_canvas(hu, (3.0, 3.0))[0, 0, 0, 0] == 0  # outside is air
    for shape, spacing in (((5, 5), (1, 1)), ((1, 5, 5), (0, 1)), ((1, 5, 5), (1, np.nan))):
        with pytest.raises(UnetError):
            to_canvas(np.zeros(shape), spacing)


def test_fine_noise_is_averaged_not_sampled():
    noisy = np.random.default_rng(0).normal(-300, 200, (1, 512, 512))
    assert to_canvas(noisy, (0.7, 0.7))[0, 20:-20, 20:-20, 0].std() < 0.4 * 200 / 1400


def test_shape_and_numbers_of_the_network():
    model = build_unet((8, 16, 24), 64)
    assert model.output_shape == (None, 64, 64, 1) and model.count_params() == 23_697
    with pytest.raises(UnetError, match="halved"):
        build_unet((8, 16, 24, 32), 100)
    first, second = build_unet((4, 8), 32, seed=3).get_weights(), build_unet((4, 8), 32, seed=3).get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(first, second))


def test_dice_per_slice():
    a, b = np.zeros((3, 4, 4), bool), np.zeros((3, 4, 4), bool)
    a[0, :2], b[0, 1:3] = True, True
    a[1, 0] = True
    found = dice_per_slice(a, b)
    assert found[0] == 0.5 and found[1] == 0 and np.isnan(found[2])
    with pytest.raises(UnetError, match="one shape"):
        dice_per_slice(a, b[:2])


def test_loss_is_small_only_for_the_truth():
    truth = np.zeros((1, 8, 8, 1), np.float32)
    truth[0, 2:6, 2:6] = 1
    good, empty = float(overlap_loss(truth, np.clip(truth, 0.01, 0.99))), float(overlap_loss(truth, truth * 0 + 0.01))
    assert good < 0.05 < 1 < empty


def test_patients_are_different_and_repeatable():
    data = phantom_slices([5, 6], slices=6, matrix=64)
    again = phantom_slices([5], slices=6, matrix=64)
    assert data.pictures.shape == (12, 128, 128, 1) and list(data.patients) == [5] * 6 + [6] * 6
    assert np.array_equal(data.of([5]).pictures, again.pictures)
    assert not np.array_equal(data.of([5]).masks, data.of([6]).masks)
    assert 0.02 < data.masks.mean() < 0.3
    inside = data.pictures[data.masks > 0]
    assert np.median(inside) < 0.25 < np.median(data.pictures[(data.masks == 0) & (data.pictures > 0.3)])


def test_variation_moves_picture_and_mask_together():
    data = phantom_slices([7], slices=8, matrix=64)
    pictures, masks = vary(data.pictures, data.masks, np.random.default_rng(0))
    assert pictures.min() >= 0 and pictures.max() <= 1 and set(np.unique(masks)) <= {0, 1}
    assert not np.array_equal(masks, data.masks)
    full = masks.sum((1, 2, 3)) > 300
    dark = [np.median(p[m > 0]) < np.median(p[(m == 0) & (p > 0.3)]) for p, m in zip(pictures[full], masks[full])]
    assert all(dark)  # lungs stay darker than the body


def test_bubbles_are_dark_and_never_in_the_lung():
    data = phantom_slices([7], slices=8, matrix=64)
    out = blow_bubbles(data.pictures, data.masks, np.random.default_rng(1))
    changed = np.abs(out - data.pictures) > 0.2
    assert changed.sum() > 50 and (out <= data.pictures + 1e-6)[changed].all()
    assert not (changed & (data.masks > 0)).any() and out.min() >= 0


def test_training_learns_and_goes_on_where_it_stopped():
    data = phantom_slices([1, 2, 3], slices=8, matrix=64, side=32, pixel=12.0)
    model, seen = build_unet((6, 12), 32, seed=1), []
    losses = train(
        model, data, 6, rate=2e-2, batch_size=6, varied=False, after_epoch=lambda epoch, loss: seen.append(epoch)
    )
    assert losses[-1] < 0.6 * losses[0] and seen == [1, 2, 3, 4, 5, 6]
    assert len(train(model, data, 6, start=5, bubbles_from=0)) == 1


def test_saved_weights_come_back_and_bad_files_are_refused(tmp_path):
    model = build_unet((4, 8, 12), 32, seed=2)
    save_weights(model, tmp_path / "net.npz")
    other = load_unet(tmp_path / "net.npz")
    picture = np.random.default_rng(0).random((1, 32, 32, 1), np.float32)
    assert np.allclose(model.predict(picture, verbose=0), other.predict(picture, verbose=0), atol=5e-3)
    assert [p.name for p in tmp_path.iterdir()] == ["net.npz"]
    with pytest.raises(UnetError, match=r"training.train_unet"):
        load_unet(tmp_path / "absent.npz")
    (tmp_path / "half.npz").write_bytes((tmp_path / "net.npz").read_bytes()[:400])
    with pytest.raises(UnetError, match=r"half.npz is damaged"):
        load_unet(tmp_path / "half.npz")
    content = dict(np.load(tmp_path / "net.npz"))
    np.savez(tmp_path / "foreign.npz", **(content | {"w000": np.zeros((5, 5, 1, 4), np.float16)}))
    with pytest.raises(UnetError, match="another network"):
        load_unet(tmp_path / "foreign.npz")


def test_shipped_network_on_drawn_patients_never_trained_on(shipped):
    """The test patients of training/train_unet.py begin at 3000; these are others still."""
    assert WEIGHTS.stat().st_size < 2e6
    for seed in (8000, 8001):
        phantom = draw_patient(seed, 1.0, slices=24, matrix=192)
        found = dice_per_slice(segment_slices(shipped, phantom.hu, phantom.spacing), phantom.lungs > 0)
        assert np.nanmedian(found) > 0.96 and np.nanquantile(found, 0.1) > 0.8


def test_small_pieces_apart_are_dropped_two_lungs_and_thin_tips_stay():
    mask = np.zeros((8, 20, 20), bool)
    mask[2:6, 4:12, 2:8] = mask[2:6, 4:10, 12:18] = True  # two lungs
    mask[6, 6, 6] = True  # the tip of one, a single pixel that its neighbour slice vouches for
    lungs = mask.copy()
    mask[0, 5:8, 5:8] = mask[7, 15:17, 9] = True  # gas
    assert np.array_equal(large_pieces(mask), lungs)
    assert np.array_equal(
        large_pieces(mask, share=0.9), mask & (np.arange(20) < 9) & (np.arange(8) > 1)[:, None, None] & lungs
    )
    assert not large_pieces(np.zeros((2, 3, 3), bool)).any()


def test_large_pieces_cost_nothing_on_a_drawn_patient(shipped):
    phantom = draw_patient(8003, 1.0, slices=24, matrix=128)
    raw, kept = (segment(shipped, phantom.hu, phantom.spacing) for segment in (segment_slices, segment_volume))
    assert not (kept & ~raw).any() and np.nanmean(dice_per_slice(kept, phantom.lungs > 0)) > 0.9
    assert kept.sum() > 0.99 * raw.sum()


def test_mirrored_patients_and_other_spacings_make_no_difference(shipped):
    phantom = draw_patient(8002, 1.0, slices=10, matrix=192)
    found = segment_slices(shipped, phantom.hu, phantom.spacing)
    mirrored = segment_slices(shipped, phantom.hu[..., ::-1].copy(), phantom.spacing)[..., ::-1]
    assert np.nanmedian(dice_per_slice(found, mirrored)) > 0.97
    finer = segment_slices(shipped, phantom.hu.repeat(2, 1).repeat(2, 2), [s / 2 for s in phantom.spacing])
    assert np.nanmedian(dice_per_slice(found, finer[:, ::2, ::2])) > 0.97


@pytest.mark.real_data
@pytest.mark.slow
def test_agreement_with_the_classical_method_on_a_real_chest(medimg_data, shipped):
    """The classical mask is a reference, not the truth; the card gives the same number."""
    import json

    from helpers.dicom import read_series
    from helpers.lungs import segment_lungs

    volume = read_series(medimg_data / "dicom" / "chest-lidc-0001")
    raw = segment_slices(shipped, volume.filled(-1000).hu, volume.spacing)
    reference = segment_lungs(volume) > 0
    holds = reference.any((1, 2))
    said = json.loads(WEIGHTS.with_suffix(".json").read_text(encoding="utf-8"))
    for name, found in (("shipped", raw), ("shipped, large pieces", large_pieces(raw))):
        numbers = said[name]["real"]
        assert np.mean(dice_per_slice(found, reference)[holds]) == pytest.approx(numbers["mean"], abs=0.02)
        marked = np.sum(found.any((1, 2)) & ~holds)
        assert marked == pytest.approx(numbers["of these with something marked"], abs=2)
