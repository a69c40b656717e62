"""Activations against Keras, derivatives against differences, random ones against their distributions."""

from __future__ import annotations

import numpy as np
import pytest

from helpers import activations as act
from helpers.frameworks import keras

X = np.linspace(-6, 6, 241)[np.abs(np.linspace(-6, 6, 241)) > 1e-9].reshape(8, 30)
NOISE = np.random.default_rng(0).standard_normal(X.shape)
ALPHA = np.linspace(0.1, 0.6, X.shape[-1])
DIVISORS = act.rrelu_draw(X.shape, np.random.default_rng(1))


@pytest.mark.parametrize(
    "ours, theirs",
    [
        (act.sigmoid, "sigmoid"),
        (act.tanh, "tanh"),
        (act.relu, "relu"),
        (act.elu, "elu"),
        (lambda x: act.leaky_relu(x, 0.2), "leaky_relu"),
    ],
)
def test_equal_to_keras_activations(ours, theirs):
    expected = keras.ops.convert_to_numpy(keras.activations.get(theirs)(X.astype("float32")))
    np.testing.assert_allclose(ours(X), expected, atol=1e-5)


def test_leaky_relu_equals_the_layer_in_both_conventions():
    layer = keras.layers.LeakyReLU()
    expected = keras.ops.convert_to_numpy(layer(X.astype("float32")))
    np.testing.assert_allclose(act.leaky_relu(X), expected, atol=1e-5)
    np.testing.assert_allclose(act.leaky_relu_divided(X, 1 / 0.3), expected, atol=1e-5)


def test_prelu_equals_the_layer_with_one_slope_per_channel():
    layer = keras.layers.PReLU()
    layer.build(X.shape)
    layer.set_weights([ALPHA])
    expected = keras.ops.convert_to_numpy(layer(X.astype("float32")))
    np.testing.assert_allclose(act.prelu(X, ALPHA), expected, atol=1e-5)


DERIVATIVES = {
    "sigmoid": (act.sigmoid, act.d_sigmoid),
    "tanh": (act.tanh, act.d_tanh),
    "relu": (act.relu, act.d_relu),
    "elu": (act.elu, act.d_elu),
    "elu, alpha 2": (lambda x: act.elu(x, 2.0), lambda x: act.d_elu(x, 2.0)),
    "leaky": (act.leaky_relu, act.d_leaky_relu),
    "leaky, divided": (act.leaky_relu_divided, act.d_leaky_relu_divided),
    "prelu": (lambda x: act.prelu(x, ALPHA), lambda x: act.d_prelu(x, ALPHA)),
    "rrelu, training": (lambda x: act.rrelu(x, DIVISORS), lambda x: act.d_rrelu(x, DIVISORS)),
    "rrelu, test": (act.rrelu_test, act.d_rrelu_test),
    "noisy relu": (lambda x: act.noisy_relu(x, NOISE), lambda x: act.d_noisy_relu(x, NOISE)),
    "noisy hard tanh": (
        lambda x: act.noisy_hard_tanh(x, np.abs(NOISE)),
        lambda x: act.d_noisy_hard_tanh(x, np.abs(NOISE)),
    ),
}


@pytest.mark.parametrize("name", DERIVATIVES)
def test_derivative_equals_the_slope_between_neighbours(name):
    f, d_f = DERIVATIVES[name]
    step = 1e-6
    x = X + 0.0123  # off the kinks at 0 and +-1
    slope = (f(x + step) - f(x - step)) / (2 * step)
    smooth = np.abs((f(x + step) - 2 * f(x) + f(x - step)) / step) < 1e-3  # a kink within the step is left out
    assert smooth.mean() > 0.97
    np.testing.assert_allclose(d_f(x)[smooth], slope[smooth], atol=1e-6)


def test_slope_of_prelu_along_its_own_weight():
    step = 1e-6
    slope = (act.prelu(X, ALPHA + step) - act.prelu(X, ALPHA - step)) / (2 * step)
    np.testing.assert_allclose(act.d_prelu_alpha(X, ALPHA), slope, atol=1e-8)


def test_values_known_by_heart():
    assert act.d_sigmoid(0.0) == 0.25
    assert act.d_sigmoid(X).max() <= 0.25
    np.testing.assert_allclose(act.tanh(X), 2 * act.sigmoid(2 * X) - 1, atol=1e-15)
    assert np.abs(act.tanh(X) - (2 * act.sigmoid(X) - 1)).max() == pytest.approx(0.30, abs=0.01)
    assert act.elu(-1.0) == pytest.approx(-0.632, abs=5e-4)
    assert act.elu(-50.0, alpha=2.5) == pytest.approx(-2.5)  # it saturates at -alpha
    assert act.leaky_relu_divided(-1.0, 5.5) == pytest.approx(-0.182, abs=5e-4)
    assert act.rrelu_test(-1.0) == pytest.approx(-1 / 5.5)
    with np.errstate(over="raise"):
        assert act.sigmoid(-1e4) == 0 and act.elu(1e4) == 1e4


def test_rrelu_draws_uniformly_and_keeps_positive_numbers():
    a = act.rrelu_draw((100_000,), np.random.default_rng(0))
    assert 3 <= a.min() < 3.01 and 7.99 < a.max() <= 8
    assert a.mean() == pytest.approx(5.5, abs=0.02)
    y = act.rrelu(np.full(100_000, -1.0), a)
    assert y.min() >= -1 / 3 and y.max() <= -1 / 8
    assert np.all(act.rrelu(np.ones(5), a[:5]) == 1)


def test_noise_of_noisy_relu_has_the_variance_of_the_sigmoid():
    noise = np.random.default_rng(0).standard_normal(200_000)
    for x in (0.0, 5.0):
        drawn = x + np.sqrt(act.sigmoid(x)) * noise
        np.testing.assert_allclose(act.noisy_relu(x, noise), np.maximum(drawn, 0))
        assert drawn.var() == pytest.approx(float(act.sigmoid(x)), rel=0.01)


def test_noisy_activation_is_silent_inside_and_pushes_back_to_the_hard_limit_outside():
    noise = np.abs(np.random.default_rng(0).standard_normal(1000))
    inside = np.linspace(-1, 1, 1000)
    np.testing.assert_allclose(act.noisy_hard_tanh(inside, noise), inside, atol=1e-12)
    for alpha in (0.9, 1.15):
        quiet, loud = act.noisy_hard_tanh(3.0, 0.0, alpha), act.noisy_hard_tanh(3.0, noise, alpha)
        assert np.all((loud - quiet) * (1 - quiet) > 0)


def test_division_by_one_or_less_is_refused():
    with pytest.raises(ValueError, match="a > 1"):
        act.leaky_relu_divided(X, 0.3)
