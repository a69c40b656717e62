"""The published numbers of VGG16 and VGG19, from the plan alone."""

import numpy as np
import pytest

from helpers.vgg_plan import MEAN_RGB, plan, preprocess, receptive_field, weight_shapes


def test_published_numbers_of_weights():
    weights = {name: sum(layer.weights for layer in plan(name)) for name in ("VGG16", "VGG19")}
    assert weights == {"VGG16": 138_357_544, "VGG19": 143_667_240}
    assert sum(layer.weights for layer in plan("VGG16", top=False)) == 14_714_688
    assert {layer.name: layer.weights for layer in plan()}["fc1"] == 102_764_544


def test_layers_sides_and_work():
    layers = plan("VGG16")
    kinds = [layer.kind for layer in layers]
    assert (kinds.count("convolution"), kinds.count("dense"), kinds.count("pooling")) == (13, 3, 5)
    assert [layer.output[0] for layer in layers if layer.kind == "pooling"] == [112, 56, 28, 14, 7]
    assert sum(layer.flops for layer in layers) / 1e9 == pytest.approx(30.9, abs=0.05)
    assert sum(layer.flops for layer in plan("VGG19")) / 1e9 == pytest.approx(39.3, abs=0.05)


def test_receptive_field_by_a_picture_with_one_changed_pixel():
    """Count it: which outputs of three stacked windows see a single input pixel."""
    assert receptive_field(until="block1_conv1") == 3
    assert receptive_field(until="block1_conv2") == 5
    assert receptive_field(until="block1_pool") == 6
    assert receptive_field() == 212
    assert receptive_field("VGG19") == 268
    line = np.zeros(41)
    line[20] = 1
    for _ in range(2):  # two convolutions: a value reaches 5 positions
        line = np.convolve(line, np.ones(3), "same")
    assert np.count_nonzero(line) == receptive_field(until="block1_conv2")


def test_preprocessing_of_constant_pictures():
    red = np.zeros((1, 2, 2, 3))
    red[..., 0] = 255
    assert np.allclose(preprocess(red)[0, 0, 0], [-103.939, -116.779, 255 - 123.68], atol=1e-4)
    assert np.allclose(preprocess(np.full((2, 2, 3), MEAN_RGB)), 0, atol=1e-5)


def test_other_networks_are_refused():
    with pytest.raises(ValueError, match="VGG16"):
        plan("VGG11")
    with pytest.raises(ValueError, match="block5_pool"):
        receptive_field(until="fc1")
    assert list(weight_shapes(top=False))[-1] == "block5_conv3"
