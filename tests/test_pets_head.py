"""A new last layer on the small network's features, the learning curve, and Grad-CAM."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import skimage.data

from helpers.evaluation import stratified_splits
from helpers.folders import FolderError
from helpers.gradcam import grad_cam
from helpers.pets import ask, squash
from helpers.pets_drawings import draw_pets, write_drawn_folder
from helpers.pets_head import fit_head, folder_features, head_curve, scratch_curve
from helpers.pets_neither import fit_reference, strangeness
from helpers.pets_network import LAST_CONVOLUTION, WIDTHS, load_network


@pytest.fixture(scope="module")
def drawn():
    pictures, labels = draw_pets(120, seed=5)
    return pictures, labels, ask(pictures).features


def test_new_head_tells_drawings_apart(drawn):
    _, labels, features = drawn
    head = fit_head(features[:60], labels[:60])
    assert head.score(features[60:], labels[60:]) >= 0.95
    assert head.predict_proba(features[:3]).shape == (3, 2)
    with pytest.raises(ValueError, match="two classes"):
        fit_head(features, np.ones(len(features)))


def test_learning_curves_have_one_column_per_size(drawn):
    pictures, labels, features = drawn
    splits = stratified_splits(labels, seeds=(0, 1))
    head = head_curve(features, labels, splits, sizes=(4, 40))
    scratch = scratch_curve(pictures, labels, splits[:1], sizes=(4, 40), steps=20)
    assert head.shape == (2, 2) and scratch.shape == (1, 2)
    assert head[40].mean() > 0.9
    assert ((scratch >= 0) & (scratch <= 1)).all(axis=None)
    again = scratch_curve(pictures, labels, splits[:1], sizes=(4, 40), steps=20)
    np.testing.assert_allclose(again, scratch, atol=0.05)


def test_folder_features_of_any_two_classes(tmp_path: Path):
    folder = write_drawn_folder(tmp_path / "animals", 8)
    (folder / "dogs").rename(folder / "wolves")
    (folder / "wolves" / "bad.png").write_bytes(b"no picture")
    found = folder_features(folder)
    assert found.class_names == ["cats", "wolves"] and found.labels.tolist() == [0] * 4 + [1] * 4
    assert found.features.shape == (8, WIDTHS[-1]) and len(found.files) == 8
    assert [Path(s.file).name for s in found.skipped] == ["bad.png"]
    np.testing.assert_allclose(found.features, ask(found.files).features, atol=1e-3)
    for file in (folder / "wolves").iterdir():
        file.unlink()
    (folder / "wolves").rmdir()
    with pytest.raises(FolderError, match="one class only"):
        folder_features(folder)


def two_map_model():
    """Two maps: the red channel and the blue one; class 0 likes red, class 1 likes blue and dislikes red."""
    import keras
    from keras import layers

    inputs = keras.Input((8, 8, 3))
    maps = layers.Conv2D(2, 1, use_bias=False, name="maps")(inputs)
    score = layers.Dense(2, use_bias=False)(layers.GlobalAveragePooling2D()(maps))
    model = keras.Model(inputs, score)
    kernel = np.zeros((1, 1, 3, 2), np.float32)
    kernel[0, 0, 0, 0] = kernel[0, 0, 2, 1] = 1
    model.set_weights([kernel, np.array([[1, -1], [0, 1]], np.float32)])
    return model


def test_grad_cam_finds_what_speaks_for_each_class():
    picture = np.zeros((8, 8, 3), np.float32)
    picture[1:3, 1:3, 0] = 10  # red square
    picture[5:7, 4:7, 2] = 10  # blue square
    model = two_map_model()
    red, blue = (grad_cam(model, picture, "maps", k) for k in (0, 1))
    np.testing.assert_allclose(red, picture[..., 0] / 10, atol=1e-6)
    np.testing.assert_allclose(blue, picture[..., 2] / 10, atol=1e-6)


def test_grad_cam_refuses_what_it_cannot_do():
    model, picture = two_map_model(), np.zeros((8, 8, 3))
    with pytest.raises(ValueError, match="no layer 'map'"):
        grad_cam(model, picture, "map", 0)
    with pytest.raises(ValueError, match="layer of maps"):
        grad_cam(model, picture, model.layers[-1].name, 0)
    with pytest.raises(ValueError, match="2 classes"):
        grad_cam(model, picture, "maps", 2)
    assert grad_cam(model, picture, "maps", 0).max() == 0, "a black picture speaks for nothing"


def test_grad_cam_of_the_shipped_network_is_the_weighted_sum_of_its_last_maps():
    """After a mean over the maps the gradient is the dense layer's weights, so the heat map is known (Zhou 2016)."""
    import keras

    network, picture = load_network(), squash(skimage.data.chelsea())
    heat = grad_cam(network, picture, LAST_CONVOLUTION, 0)
    maps = keras.Model(network.inputs, network.get_layer(LAST_CONVOLUTION).output)([picture[None].astype(np.float32)])
    raw = np.maximum(keras.ops.convert_to_numpy(maps)[0] @ network.get_layer("head").get_weights()[0][:, 0], 0)
    assert heat.shape == (96, 96) and heat.min() >= 0 and heat.max() <= 1
    place = np.array(np.unravel_index(raw.argmax(), raw.shape))
    hottest = np.array(np.unravel_index(heat.argmax(), heat.shape))
    assert np.abs(hottest / 16 - 0.5 - place).max() <= 1


# --- "neither", on made-up features where the answer is known


@pytest.fixture(scope="module")
def reference():
    """Pets point into one half of the feature space, have a texture around 5 and logits about 4 apart."""
    rng = np.random.default_rng(3)

    def pets(n):
        features = np.abs(rng.normal(1, 0.3, (n, 20))) * (np.arange(20) < 10) + rng.normal(0, 0.02, (n, 20))
        return rng.normal(5, [1, 0.1, 2], (n, 3)), features, np.c_[np.zeros(n), rng.normal(4, 1, n)]

    texture, features, _ = pets(600)
    return fit_reference((texture, features), pets(1000)), pets(1000)


def test_one_pet_in_twenty_is_refused(reference):
    fitted, fresh = reference
    assert 0.03 < np.mean(strangeness(*fresh, fitted) > 1) < 0.08


def test_each_of_the_three_signs_can_refuse(reference):
    fitted, (texture, features, logits) = reference
    pet = texture[:50], features[:50], logits[:50]
    normal = strangeness(*pet, fitted).mean()
    away = features[:50, ::-1]  # another direction
    odd = texture[:50] + np.array([0, 3, 0])  # far out only in units of that small spread
    unsure = np.c_[logits[:50, 1], logits[:50, 1]]
    for changed in ((texture[:50], away, logits[:50]), (odd, features[:50], logits[:50])):
        assert (strangeness(*changed, fitted) > 1).all()
    assert strangeness(texture[:50], features[:50], unsure, fitted).mean() > normal + 0.5
    assert np.isfinite(strangeness(texture[:1], 0 * features[:1], logits[:1], fitted)).all()
