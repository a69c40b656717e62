"""Gradients of either engine, a whole small network by hand, the traced graph, and figures that can be drawn."""

from __future__ import annotations

import numpy as np
import pytest

from helpers import frameworks, layers
from helpers.frameworks import BACKEND, as_numpy, forward_by_hand, gradient, keras, small_cnn


def test_versions_name_the_engine():
    assert BACKEND in frameworks.versions() and "keras" in frameworks.versions()


def test_gradient_of_relu_by_hand_equals_the_engine():
    rng = np.random.default_rng(0)
    x, w, b = rng.normal(size=(5, 4)), rng.normal(size=(4, 3)), rng.normal(size=3)
    found = gradient(lambda x, w, b: keras.ops.sum(keras.ops.relu(keras.ops.matmul(x, w) + b)), x, w, b)
    is_open = (x @ w + b > 0).astype(float)
    for theirs, ours in zip(found, (is_open @ w.T, x.T @ is_open, is_open.sum(axis=0))):
        np.testing.assert_allclose(theirs, ours, atol=1e-5)


def test_ten_sigmoids_starve_the_first_layer_and_ten_relus_do_not():
    sigmoid, relu = (frameworks.gradient_through_depth(name) for name in ("sigmoid", "relu"))
    assert sigmoid.shape == (10,) and sigmoid[-1] / sigmoid[0] > 1e5
    assert 0.05 < relu[-1] / relu[0] < 20


def test_a_whole_network_by_hand_equals_keras():
    model = small_cnn((12, 14, 2), classes=4, seed=3)
    rng = np.random.default_rng(1)
    model.set_weights(
        [np.abs(rng.normal(0.3, 0.2, w.shape)) - (i != 4) * 0.2 for i, w in enumerate(model.get_weights())]
    )
    x = rng.uniform(size=(3, 12, 14, 2)).astype("float32")
    outputs = forward_by_hand(model, x)
    np.testing.assert_allclose(outputs["dense"], model.predict(x, verbose=0), atol=1e-5)
    inner = keras.Model(model.inputs, model.get_layer("pool_1").output)
    np.testing.assert_allclose(outputs["pool_1"], inner.predict(x, verbose=0), atol=1e-5)


def test_a_layer_without_a_hand_made_twin_is_refused():
    model = keras.Sequential([keras.layers.Input((4, 4, 1)), keras.layers.UpSampling2D()])
    with pytest.raises(ValueError, match="no UpSampling2D by hand"):
        forward_by_hand(model, np.zeros((1, 4, 4, 1)))


def test_occlusion_finds_the_pixel_that_decides():
    image = np.ones((8, 8, 1))
    fall = frameworks.occlusion_map(lambda batch: batch[:, 2, 5, 0], image, size=3)
    where = np.argwhere(fall > 0)
    assert where.min(axis=0).tolist() == [1, 4] and where.max(axis=0).tolist() == [3, 6]


def test_influence_is_the_receptive_field():
    for stack in ([(3, 1)], [(3, 1), (3, 1)], [(3, 1), (2, 2), (3, 1)]):
        ways = layers.influence(stack)
        assert ways.shape == (layers.receptive_field(stack)[-1],) * 2
        assert ways.min() == 1 and ways.sum() == np.prod([k**2 for k, _ in stack])


def test_the_traced_graph_is_real_on_tensorflow_and_refused_elsewhere():
    def f(x, W, b):
        return keras.ops.relu(keras.ops.matmul(x, W) + b)

    if BACKEND != "tensorflow":
        with pytest.raises(NotImplementedError, match="TensorFlow's own"):
            frameworks.traced_graph(f, (None, 4), (4, 3), (3,))
        return
    graph = frameworks.traced_graph(f, (None, 4), (4, 3), (3,))
    assert sorted(graph.nodes.values()) == ["AddV2", "MatMul", "Placeholder", "Placeholder", "Placeholder", "Relu"]
    assert ("x", "MatMul", "n×4") in graph.edges and len(graph.edges) == 5


def test_as_numpy():
    assert as_numpy(keras.ops.ones((2, 3))).shape == (2, 3)
