"""VGG16 and VGG19 as Keras networks: the frozen body that turns pictures into features, and the last layer."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from pathlib import Path
from weakref import WeakKeyDictionary, ref

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import layers

from helpers.vgg_plan import DEPTHS, MEAN_RGB, SIZE, WIDTHS


@keras.saving.register_keras_serializable("medimg")
class VggPreprocessing(layers.Layer):
    """Raw RGB 0..255 -> BGR minus the ImageNet means; no weights, always in float32."""

    def call(self, pictures):
        """Shape (b, h, w, 3) in and out."""
        return keras.ops.flip(keras.ops.cast(pictures, "float32") - np.array(MEAN_RGB, "float32"), axis=-1)


def has_bfloat16() -> bool:
    """Whether this processor computes in bfloat16 (avx512_bf16 or amx_bf16); elsewhere it would only be emulated."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        return False
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return "avx512_bf16" in text or "amx_bf16" in text


def build_body(name: str, top: bool, policy: str = "float32", seed: int | None = 0) -> keras.Model:
    """The frozen part of VGG16 or VGG19: raw RGB (b, 224, 224, 3) -> features of fc2 (b, 4096); else (b, 512).

    Without the dense layers the features are the mean of each of the 512 last feature maps. `seed=None` fills the
    kernels with zeros (about to be overwritten); otherwise Glorot-uniform numbers drawn from `seed`.
    """
    count = iter(range(1000))

    def start():
        return "zeros" if seed is None else keras.initializers.GlorotUniform(seed=seed * 1000 + next(count))

    def options(label):
        return {"activation": "relu", "kernel_initializer": start(), "dtype": policy, "name": label}

    pictures = x = keras.Input((SIZE, SIZE, 3), name="raw_rgb")
    x = VggPreprocessing(name="preprocessing", dtype="float32")(x)
    for block, (depth, width) in enumerate(zip(DEPTHS[name], WIDTHS), start=1):
        for number in range(1, depth + 1):
            x = layers.Conv2D(width, 3, padding="same", **options(f"block{block}_conv{number}"))(x)
        x = layers.MaxPooling2D(dtype=policy, name=f"block{block}_pool")(x)
    if top:
        x = layers.Flatten(dtype=policy, name="flatten")(x)
        for label in ("fc1", "fc2"):
            x = layers.Dense(4096, **options(label))(x)
    else:
        x = layers.GlobalAveragePooling2D(dtype=policy, name="mean_of_maps")(x)
    body = keras.Model(pictures, layers.Activation("linear", dtype="float32", name="features")(x), name=f"{name}_body")
    body.trainable = False
    return body


def build_head(features: int, classes: int, name: str = "predictions", seed: int = 0) -> keras.Model:
    """Features (b, features) -> probabilities (b, classes): one dense layer with softmax."""
    inputs = keras.Input((features,))
    start = keras.initializers.GlorotUniform(seed=seed)
    dense = layers.Dense(classes, activation="softmax", kernel_initializer=start, dtype="float32", name=name)
    return keras.Model(inputs, dense(inputs), name=f"{name}_head")


_COMPILED: WeakKeyDictionary[keras.Model, Callable[[np.ndarray], np.ndarray]] = WeakKeyDictionary()


def compiled(model: keras.Model) -> Callable[[np.ndarray], np.ndarray]:
    """`model` (one input, one output) as a function of arrays, compiled once for every number of pictures.

    By TensorFlow's own `tf.function`, the fastest way measured; by Keras on other engines.
    """
    if keras.backend.backend() != "tensorflow":
        return lambda pictures: keras.ops.convert_to_numpy(model.predict_on_batch(pictures))
    if model not in _COMPILED:
        import tensorflow as tf

        inner = ref(model)  # the function must not keep alive the model under whose name it is kept
        signature = [tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)]
        call = tf.function(lambda pictures: inner()(pictures, training=False), input_signature=signature)
        _COMPILED[model] = lambda pictures: call(tf.constant(pictures, tf.float32)).numpy()
    return _COMPILED[model]


def run(model: keras.Model, pictures: np.ndarray, batch_size: int = 32) -> np.ndarray:
    """Output of `model` for pictures (n, ...), n at least 1, batch by batch."""
    parts = [pictures[start : start + batch_size] for start in range(0, len(pictures), batch_size)]
    return np.concatenate([compiled(model)(np.ascontiguousarray(part)) for part in parts])
