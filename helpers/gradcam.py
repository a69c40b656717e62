"""Grad-CAM: which part of a picture speaks for a class (Selvaraju et al., ICCV 2017), for any Keras model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    import keras


def grad_cam(model: keras.Model, picture: np.ndarray, layer: str, class_index: int) -> np.ndarray:
    """Heat map (h, w), float 0..1, of what speaks for class `class_index` in one picture (h, w, channels).

    The maps of `layer` are added with weights (the mean gradient of the class score with respect to each map),
    negative sums are set to 0, and the result is enlarged to the picture. `model` is a functional Keras model; of
    several outputs the last is the score. Use the score before softmax: after it, all classes move at once. A map of
    zeros means that nothing there speaks for the class.
    """
    import keras

    names = [entry.name for entry in model.layers]
    if layer not in names:
        raise ValueError(f"The model has no layer {layer!r}; its layers: {', '.join(names)}.")
    inner = model.get_layer(layer).output
    if len(inner.shape) != 4:
        raise ValueError(
            f"Grad-CAM needs a layer of maps (batch, rows, columns, channels); {layer!r} has {inner.shape}."
        )
    score = model.outputs[-1]
    if not 0 <= class_index < score.shape[-1]:
        raise ValueError(f"class_index is {class_index}; the model tells {score.shape[-1]} classes apart.")
    front, back = keras.Model(model.inputs, inner), keras.Model(inner, score)
    maps = front([np.asarray(picture, np.float32)[None]], training=False)
    slope = keras.ops.convert_to_numpy(_gradient(back, maps, class_index))[0]
    heat = np.maximum(keras.ops.convert_to_numpy(maps)[0] @ slope.mean((0, 1)), 0)
    heat = heat / heat.max() if heat.max() > 0 else heat
    return np.clip(cv2.resize(heat.astype(np.float32), picture.shape[1::-1], interpolation=cv2.INTER_CUBIC), 0, 1)


def _gradient(model: keras.Model, maps, class_index: int):
    """Gradient of one output of `model` with respect to its input, by the engine in use."""
    import keras

    engine = keras.backend.backend()
    if engine == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(maps)
            score = model(maps, training=False)[:, class_index]
        return tape.gradient(score, maps)
    if engine == "jax":
        import jax

        return jax.grad(lambda x: model(x, training=False)[0, class_index])(maps)
    maps = maps.detach().requires_grad_(True)  # torch
    model(maps, training=False)[0, class_index].backward()
    return maps.grad
