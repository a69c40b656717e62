"""Keras and its engine: quiet import, versions, gradients, the traced graph, and small networks to look into.

Everything that imports this module imports Keras and its backend (seconds); notebooks 01 and 02 never do.
The backend is chosen before the import by the environment variable ``KERAS_BACKEND`` (tensorflow or jax).
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from helpers import activations, layers


@contextmanager
def _quiet_start():
    """Swallow what a backend writes to file descriptor 2 while it loads: time stamps and process ids."""
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as sink:
        os.dup2(sink.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def _load_keras():
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _quiet_start():
        module = importlib.import_module("keras")
        if module.backend.backend() == "tensorflow":  # it writes its lines at the first operation
            module.ops.convert_to_numpy(module.ops.ones(1))
    return module


keras = _load_keras()
BACKEND: str = keras.backend.backend()


def versions() -> dict[str, str]:
    """Name -> version of what notebook 03 stands on, the engine in use named last."""
    import platform

    found = {"Python": platform.python_version()}
    for name in ("numpy", "scipy", "scikit-learn", "keras"):
        found[name] = importlib.metadata.version(name)
    engine = importlib.import_module(BACKEND)
    found[BACKEND] = getattr(engine, "__version__", "?")
    return found


def as_numpy(tensor) -> np.ndarray:
    """Any engine's tensor as a NumPy array."""
    return keras.ops.convert_to_numpy(tensor)


# --- gradients: the same question to either engine ----------------------------------------------------------------


def gradient(f: Callable, *arrays) -> list[np.ndarray]:
    """The derivative of the number f(*arrays) along every number in the arrays, by the engine's own differentiation.

    `f` is written with `keras.ops` and returns a scalar tensor. Works on TensorFlow (a tape that records) and JAX (a
    transformation of the function); other engines raise NotImplementedError.
    """
    inputs = [keras.ops.convert_to_tensor(np.asarray(a, "float32")) for a in arrays]
    if BACKEND == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            for tensor in inputs:
                tape.watch(tensor)
            value = f(*inputs)
        found = tape.gradient(value, inputs)
    elif BACKEND == "jax":
        import jax

        found = jax.grad(f, argnums=tuple(range(len(inputs))))(*inputs)
    else:
        raise NotImplementedError(f"Gradients are shown with TensorFlow and JAX; KERAS_BACKEND is {BACKEND}.")
    return [as_numpy(g) for g in found]


def weight_gradients(model, x, target) -> list[np.ndarray]:
    """The derivative of the mean squared error along every trainable weight of a built Keras model."""
    fixed = [v.value for v in model.non_trainable_variables]
    x, target = keras.ops.convert_to_tensor(x), keras.ops.convert_to_tensor(target)

    def loss(*weights):
        y, _ = model.stateless_call(list(weights), fixed, x)
        return keras.ops.mean(keras.ops.square(y - target))

    return gradient(loss, *(as_numpy(v) for v in model.trainable_variables))


def gradient_through_depth(activation: str, depth: int = 10, width: int = 64, seed: int = 0) -> np.ndarray:
    """Mean |gradient| at the weights of each of `depth` stacked dense layers, measured once, before any training.

    The same first weights (Glorot), inputs (standard normal) and targets for every activation.
    """
    keras.utils.set_random_seed(seed)
    stack = [keras.layers.Dense(width, activation=activation) for _ in range(depth)]
    model = keras.Sequential([keras.layers.Input((width,)), *stack, keras.layers.Dense(1)])
    rng = np.random.default_rng(seed)
    x, target = rng.normal(size=(256, width)).astype("float32"), rng.normal(size=(256, 1)).astype("float32")
    found = weight_gradients(model, x, target)
    return np.array([np.abs(found[2 * i]).mean() for i in range(depth)])


# --- a whole network, by hand -------------------------------------------------------------------------------------


def small_cnn(shape: Sequence[int] = (16, 16, 1), classes: int = 10, seed: int = 0):
    """A convolutional network with one of everything, built but not trained: a Keras model."""
    keras.utils.set_random_seed(seed)
    make = keras.layers
    return keras.Sequential(
        [
            make.Input(tuple(shape)),
            make.Conv2D(8, 5, padding="same", use_bias=False, name="conv_1"),
            make.BatchNormalization(name="norm_1"),
            make.ReLU(name="relu_1"),
            make.MaxPooling2D(name="pool_1"),
            make.Conv2D(16, 3, activation="relu", name="conv_2"),
            make.MaxPooling2D(name="pool_2"),
            make.Flatten(name="flatten"),
            make.Dense(classes, activation="softmax", name="dense"),
        ]
    )


def forward_by_hand(model, x) -> dict[str, np.ndarray]:
    """Every layer's output for the batch x (n, row, column, channel), computed with `helpers.layers` alone.

    Keras is only asked for the weights. Raises ValueError for a layer that this course has not built by hand.
    """
    outputs = {}
    for layer in model.layers:
        kind, weights = type(layer).__name__, [as_numpy(w) for w in layer.weights]
        if kind not in _BY_HAND:
            raise ValueError(f"There is no {kind} by hand; known are {', '.join(_BY_HAND)}.")
        x = _BY_HAND[kind](layer, weights, x)
        outputs[layer.name] = x
    return outputs


def _activated(layer, scores):
    name = layer.activation.__name__
    known = {"linear": lambda s: s, "relu": activations.relu, "softmax": layers.softmax, "sigmoid": activations.sigmoid}
    if name not in known:
        raise ValueError(f"There is no {name} by hand here; known are {', '.join(known)}.")
    return known[name](scores)


_BY_HAND: dict[str, Callable] = {
    "Conv2D": lambda layer, w, x: _activated(
        layer, layers.conv(x, w[0], w[1] if layer.use_bias else None, layer.padding, layer.strides, layer.dilation_rate)
    ),
    "BatchNormalization": lambda layer, w, x: layers.batch_norm_inference(x, w[2], w[3], w[0], w[1], layer.epsilon),
    "ReLU": lambda layer, w, x: activations.relu(x),
    "MaxPooling2D": lambda layer, w, x: layers.max_pool(x, layer.pool_size, layer.strides, layer.padding),
    "AveragePooling2D": lambda layer, w, x: layers.mean_pool(x, layer.pool_size, layer.strides, layer.padding),
    "Flatten": lambda layer, w, x: layers.flatten(x),
    "Dense": lambda layer, w, x: _activated(layer, layers.dense(x, *w)),
    "Dropout": lambda layer, w, x: x,
}


def occlusion_map(predict: Callable, image: np.ndarray, size: int = 4) -> np.ndarray:
    """How much the probability falls when a `size` x `size` patch around each pixel is blanked (Zeiler & Fergus 2013).

    `predict`: batch (n, row, column, channel) -> probability (n,); `image`: (row, column, channel). Returns a map
    (row, column).
    """
    rows, columns = image.shape[:2]
    covered = np.repeat(image[None], rows * columns, axis=0)
    for k, (r, c) in enumerate(np.ndindex(rows, columns)):
        covered[k, max(r - size // 2, 0) : r + (size + 1) // 2, max(c - size // 2, 0) : c + (size + 1) // 2] = 0
    return (predict(image[None])[0] - predict(covered)).reshape(rows, columns)


# --- TensorFlow's own: the graph ----------------------------------------------------------------------------------


class Graph(NamedTuple):
    """A data-flow graph: operations are nodes, tensors are edges."""

    nodes: dict[str, str]  #: name -> kind of operation
    edges: list[tuple[str, str, str]]  #: from, to, shape of the tensor


def traced_graph(f: Callable, *shapes: Sequence[int]) -> Graph:
    """The data-flow graph that TensorFlow records when it traces f for float inputs of these shapes (None = any).

    TensorFlow's own: raises NotImplementedError on another engine.
    """
    if BACKEND != "tensorflow":
        raise NotImplementedError(f"A traced graph is TensorFlow's own; the engine here is {BACKEND}.")
    import tensorflow as tf

    names = f.__code__.co_varnames
    signature = [tf.TensorSpec(shape, tf.float32, name=name) for shape, name in zip(shapes, names)]
    traced = tf.function(f).get_concrete_function(*signature)
    operations = [op for op in traced.graph.get_operations() if op.type not in ("Identity", "NoOp", "Const")]
    nodes = {op.name: op.type for op in operations}
    edges = [
        (tensor.op.name, op.name, "×".join("n" if d is None else str(d) for d in tensor.shape))
        for op in operations
        for tensor in op.inputs
        if tensor.op.name in nodes
    ]
    return Graph(nodes, edges)
