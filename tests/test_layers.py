"""Layers by hand against SciPy, Keras and numbers computed with pencil and paper."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import layers
from helpers.frameworks import BACKEND, keras

# JAX compiles every new shape, TensorFlow does not: fewer examples there, the same statement
few = settings(max_examples=40 if BACKEND == "tensorflow" else 8, deadline=None)
many = settings(max_examples=100, deadline=None)
sizes = st.integers(1, 9)
kernels = st.integers(1, 5)
seeds = st.integers(0, 2**32 - 1)
paddings = st.sampled_from(["valid", "same"])


def numbers(seed: int, *shapes: tuple[int, ...]) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.uniform(-1, 1, shape) for shape in shapes]


def as_numpy(tensor) -> np.ndarray:
    return keras.ops.convert_to_numpy(tensor)


def tensors(*arrays):
    return [keras.ops.convert_to_tensor(a.astype("float32")) for a in arrays]


@many
@given(seeds, sizes, sizes, kernels, kernels, st.sampled_from(["valid", "same", "full"]))
def test_convolve_equals_scipy_in_two_dimensions(seed, h, w, kh, kw, mode):
    x, kernel = numbers(seed, (h + 4, w + 4), (kh, kw))
    np.testing.assert_allclose(layers.convolve(x, kernel, mode), scipy.signal.convolve(x, kernel, mode), atol=1e-10)


@many
@given(seeds, st.integers(5, 40), kernels, st.sampled_from(["valid", "same", "full"]))
def test_convolve_equals_scipy_in_one_dimension(seed, n, k, mode):
    x, kernel = numbers(seed, (n,), (k,))
    np.testing.assert_allclose(layers.convolve(x, kernel, mode), scipy.signal.convolve(x, kernel, mode), atol=1e-10)


@many
@given(seeds, sizes, sizes, kernels, kernels, st.sampled_from(["valid", "full"]))
def test_correlate_equals_scipy(seed, h, w, kh, kw, mode):
    x, kernel = numbers(seed, (h + 4, w + 4), (kh, kw))
    np.testing.assert_allclose(layers.correlate(x, kernel, mode), scipy.signal.correlate(x, kernel, mode), atol=1e-10)


@pytest.mark.parametrize("size", [(400, 300), (20_000,)])
def test_the_way_through_spectra_gives_the_same_numbers(size):
    x, kernel = numbers(1, size, (9,) * len(size) if len(size) == 2 else (81,))
    assert x.size >= layers.MANY_NUMBERS and kernel.size >= layers.MANY_TAPS
    for mode in ("valid", "same", "full"):
        np.testing.assert_allclose(layers.convolve(x, kernel, mode), scipy.signal.convolve(x, kernel, mode), atol=1e-9)
    x32 = x.astype("float32")
    assert layers.correlate(x32, kernel.astype("float32")).dtype == np.float32


@few
@given(
    seeds,
    sizes,
    sizes,
    kernels,
    kernels,
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(1, 4),
    st.integers(1, 4),
    paddings,
)
def test_conv_equals_keras_in_two_dimensions(seed, h, w, kh, kw, sh, sw, channels, filters, padding):
    x, kernel = numbers(seed, (2, h + 4, w + 4, channels), (kh, kw, channels, filters))
    ours = layers.conv(x, kernel, padding=padding, stride=(sh, sw))
    theirs = as_numpy(keras.ops.conv(*tensors(x, kernel), strides=(sh, sw), padding=padding))
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


@few
@given(seeds, sizes, kernels, st.integers(1, 3), paddings, st.booleans())
def test_conv_equals_keras_in_one_dimension_with_stride_or_dilation(seed, n, k, step, padding, dilated):
    x, kernel = numbers(seed, (2, n + 14, 3), (k, 3, 2))
    stride, dilation = (1, step) if dilated else (step, 1)
    ours = layers.conv(x, kernel, padding=padding, stride=stride, dilation=dilation)
    options = {"strides": stride, "dilation_rate": dilation, "padding": padding}
    np.testing.assert_allclose(ours, as_numpy(keras.ops.conv(*tensors(x, kernel), **options)), atol=1e-5)


@few
@given(seeds, sizes, kernels, st.integers(1, 3), st.integers(1, 3), paddings)
def test_dilated_conv_equals_keras_in_two_dimensions(seed, n, k, dh, dw, padding):
    x, kernel = numbers(seed, (1, n + 12, n + 13, 2), (k, k, 2, 3))
    ours = layers.conv(x, kernel, padding=padding, dilation=(dh, dw))
    theirs = keras.ops.conv(*tensors(x, kernel), dilation_rate=(dh, dw), padding=padding)
    np.testing.assert_allclose(ours, as_numpy(theirs), atol=1e-5)


@many
@given(
    seeds,
    st.lists(st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 3)), min_size=1, max_size=2),
    st.sampled_from(["valid", "same", "full"]),
)
def test_stride_and_dilation_together_are_the_dense_result_thinned_out(seed, axes, padding):
    """No library takes both at once; a dilated kernel is one with zeros between its numbers."""
    x, kernel = numbers(seed, (14,) * len(axes), tuple(k for k, _, _ in axes))
    spread = np.zeros([d * (k - 1) + 1 for k, _, d in axes])
    spread[tuple(slice(None, None, d) for _, _, d in axes)] = kernel
    stride, dilation = tuple(s for _, s, _ in axes), tuple(d for _, _, d in axes)
    ours = layers.correlate(x, kernel, padding, stride, dilation)
    np.testing.assert_allclose(ours, layers.correlate(x, spread, padding, stride), atol=1e-12)
    if padding != "same":  # there the zeros depend on the stride
        thinned = layers.correlate(x, spread, padding)[tuple(slice(None, None, s) for s in stride)]
        np.testing.assert_allclose(ours, thinned, atol=1e-12)


@few
@given(seeds, sizes, kernels, kernels, st.integers(1, 4), paddings)
def test_conv_transpose_equals_keras(seed, n, kh, kw, stride, padding):
    x, kernel = numbers(seed, (2, n, n + 1, 3), (kh, kw, 2, 3))
    ours = layers.conv_transpose(x, kernel, padding=padding, stride=stride)
    theirs = as_numpy(keras.ops.conv_transpose(*tensors(x, kernel), strides=stride, padding=padding))
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


@few
@given(seeds, sizes, kernels, st.integers(1, 3), paddings)
def test_conv_transpose_equals_keras_in_one_dimension(seed, n, k, stride, padding):
    x, kernel = numbers(seed, (2, n, 3), (k, 2, 3))
    ours = layers.conv_transpose(x, kernel, padding=padding, stride=stride)
    theirs = keras.ops.conv_transpose(*tensors(x, kernel), strides=stride, padding=padding)
    np.testing.assert_allclose(ours, as_numpy(theirs), atol=1e-5)


@few
@given(seeds, sizes, sizes, st.integers(1, 4), st.integers(1, 4), st.integers(1, 3), paddings)
def test_pooling_equals_keras(seed, h, w, kh, kw, stride, padding):
    (x,) = numbers(seed, (2, h + 3, w + 3, 3))
    (tensor,) = tensors(x)
    for ours, theirs in ((layers.max_pool, keras.ops.max_pool), (layers.mean_pool, keras.ops.average_pool)):
        expected = as_numpy(theirs(tensor, (kh, kw), strides=stride, padding=padding))
        np.testing.assert_allclose(ours(x, (kh, kw), stride, padding), expected, atol=1e-5)


def test_pooling_one_dimensional_batches_equals_keras():
    (x,) = numbers(3, (2, 11, 4))
    expected = as_numpy(keras.ops.max_pool(*tensors(x), 3, strides=2, padding="same"))
    np.testing.assert_allclose(layers.max_pool(x, 3, 2, "same"), expected, atol=1e-6)


@settings(max_examples=12, deadline=None)
@given(seeds, st.integers(2, 6), st.integers(1, 5), st.booleans())
def test_batch_norm_equals_keras_in_training_and_afterwards(seed, n, channels, spatial):
    shape = (n, 3, 4, channels) if spatial else (n, channels)
    x, gamma, beta = numbers(seed, shape, (channels,), (channels,))
    layer = keras.layers.BatchNormalization()
    layer.build(shape)
    layer.gamma.assign(gamma)
    layer.beta.assign(beta)
    y, mean, variance = layers.batch_norm(x, gamma, beta)
    np.testing.assert_allclose(y, as_numpy(layer(*tensors(x), training=True)), atol=2e-5)
    moving = layers.running_average(0.0, mean), layers.running_average(1.0, variance)
    np.testing.assert_allclose(moving[0], as_numpy(layer.moving_mean), atol=1e-5)
    np.testing.assert_allclose(moving[1], as_numpy(layer.moving_variance), atol=1e-5)
    expected = as_numpy(layer(*tensors(x), training=False))
    np.testing.assert_allclose(layers.batch_norm_inference(x, *moving, gamma, beta), expected, atol=1e-5)


@many
@given(seeds, st.integers(1, 5), st.integers(1, 6), st.integers(1, 4))
def test_dense_and_softmax_equal_keras(seed, n, inputs, outputs):
    x, weights, bias = numbers(seed, (n, inputs), (inputs, outputs), (outputs,))
    scores = layers.dense(x, weights, bias)
    xt, wt, bt = tensors(x, weights, bias)
    expected = as_numpy(keras.ops.softmax(keras.ops.matmul(xt, wt) + bt))
    np.testing.assert_allclose(layers.softmax(scores), expected, atol=1e-5)


def test_a_keras_layer_with_bias_and_three_dimensions():
    x, kernel, bias = numbers(5, (1, 5, 6, 7, 2), (2, 3, 2, 2, 4), (4,))
    layer = keras.layers.Conv3D(4, (2, 3, 2), padding="same")
    layer.build(x.shape)
    layer.set_weights([kernel, bias])
    np.testing.assert_allclose(layers.conv(x, kernel, bias, "same"), as_numpy(layer(*tensors(x))), atol=1e-5)


def test_numbers_computed_by_hand():
    rows = np.array([[int(c) for c in row] for row in ("11100", "01110", "00111", "00110", "01100")])
    cross = np.array([[1, 0, 1], [0, 1, 0], [1, 0, 1]])
    assert layers.correlate(rows, cross).tolist() == [[4, 3, 4], [2, 4, 3], [2, 3, 4]]
    sheet = np.array(
        [[35, 40, 41, 45, 50], [40, 40, 42, 46, 52], [42, 46, 50, 55, 55], [48, 52, 56, 58, 60], [56, 60, 65, 70, 75]]
    )
    top = np.array([[0, 1, 0], [0, 0, 0], [0, 0, 0]])
    assert layers.correlate(sheet, top)[1, 1] == 42
    assert layers.convolve(sheet, top)[1, 1] == 56
    box = np.ones(10) / 10
    assert layers.convolve(np.ones(10), box, "full").max() == pytest.approx(1)


def test_two_by_two_pooling_by_hand():
    x = np.array([[1, 1, 2, 4], [5, 6, 7, 8], [3, 2, 1, 0], [1, 2, 3, 4]])[None, ..., None]
    assert layers.max_pool(x)[0, ..., 0].tolist() == [[6, 8], [3, 4]]
    assert layers.max_pool(x).dtype == x.dtype
    assert layers.mean_pool(x)[0, ..., 0].tolist() == [[3.25, 5.25], [2, 2]]
    assert layers.max_pool(np.zeros((1, 224, 224, 64), "float32")).shape == (1, 112, 112, 64)


@pytest.mark.parametrize(
    "case, expected",
    [((4, 3, 0, 1), 2), ((5, 4, 2, 1), 6), ((5, 3, 1, 1), 5), ((5, 3, 2, 1), 7), ((5, 3, 0, 2), 2), ((5, 3, 1, 2), 3)],
)
def test_output_size_formula(case, expected):
    size, kernel, padding, stride = case
    assert layers.output_size(size, kernel, padding, stride) == expected
    x = np.pad(np.zeros((size, size)), padding)
    assert layers.correlate(x, np.ones((kernel, kernel)), stride=stride).shape == (expected, expected)


def test_receptive_field_grows_with_kernel_and_stride():
    assert layers.receptive_field([(3, 1), (3, 1)]) == [3, 5]
    vgg16 = [layer for n in (2, 2, 3, 3, 3) for layer in [(3, 1)] * n + [(2, 2)]]
    assert layers.receptive_field(vgg16)[-1] == 212


def test_receptive_field_is_what_a_disturbed_pixel_reaches():
    rng = np.random.default_rng(0)
    kernels_ = [rng.uniform(0.5, 1, (3, 1, 1)) for _ in range(3)]
    x = np.zeros((1, 41, 1))

    def run(x):
        for kernel, stride in zip(kernels_, (1, 2, 1)):
            x = layers.conv(x, kernel, stride=stride)
        return x[0, 8, 0]

    seen = 0
    for i in range(41):
        x[:] = 0
        x[0, i] = 1
        seen += run(x) != 0
    assert seen == layers.receptive_field([(3, 1), (3, 2), (3, 1)])[-1] == 9


def test_bytes_do_not_wrap_and_softmax_does_not_overflow():
    x = np.full((3, 3), 200, np.uint8)
    assert layers.correlate(x, np.ones((3, 3), np.uint8)).item() == 1800
    for kind in (np.uint8, np.int8, np.int16):
        batch, kernel = np.full((1, 4, 4, 3), 100, kind), np.full((2, 2, 3, 3), 2, kind)
        assert np.all(layers.conv(batch, kernel) == 2400)
        assert layers.conv_transpose(batch, kernel, stride=2).max() == 600
        assert layers.dense(batch.reshape(1, -1), np.full((48, 1), 2, kind)).item() == 9600
    scores = np.array([1.0, 2, 3, 4, 1, 2, 3])
    assert np.round(layers.softmax(scores), 3).tolist() == [0.024, 0.064, 0.175, 0.475, 0.024, 0.064, 0.175]
    np.testing.assert_allclose(layers.softmax(scores + 1000), layers.softmax(scores), atol=1e-12)
    assert layers.softmax(scores, temperature=100).std() < 0.01
    assert layers.softmax([-np.inf, 0.0, 0.0]).tolist() == [0, 0.5, 0.5]


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: layers.correlate(np.ones((2, 2)), np.ones((3, 3))), "does not fit"),
        (lambda: layers.correlate(np.ones((200, 60)), np.ones((3, 61))), "does not fit"),  # large: the way of spectra
        (lambda: layers.correlate(np.ones(4), np.ones((3, 3))), "same number"),
        (lambda: layers.correlate(np.ones(4), np.ones(2), "wide"), "choose one of"),
        (lambda: layers.correlate(np.ones(4), np.ones(2), stride=0), "above 0"),
        (lambda: layers.correlate(np.ones(0), np.ones(2)), "empty"),
        (lambda: layers.conv(np.ones((1, 5, 5, 3)), np.ones((3, 3, 2, 4))), "channels"),
        (lambda: layers.conv(np.ones((5, 5, 3)), np.ones((3, 3, 3, 4))), "do not belong together"),
        (lambda: layers.conv_transpose(np.ones((1, 5, 5, 3)), np.ones((3, 3, 3, 4))), "channels"),
        (lambda: layers.max_pool(np.ones((1, 5, 5, 3)), padding="full"), "pooling knows"),
        (lambda: layers.max_pool(np.ones((1, 3, 5, 3)), 4), "4 does not fit into 3 numbers"),
        (lambda: layers.output_size(2, 9, padding=1), "with 1 zeros on either side"),
        (lambda: layers.softmax(np.ones(3), temperature=0), "above 0"),
    ],
)
def test_wrong_input_is_refused_in_a_sentence(call, words):
    with pytest.raises(ValueError, match=words):
        call()
