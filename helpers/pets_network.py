"""The small VGG-style cats-or-dogs network in Keras, and its shipped weights (`data/weights/pets.npz`, card beside it).

Three blocks as VGG has them (2 x 2 max-pool, 3 x 3 convolutions, ReLU), each with a bridge over its last two
convolutions (He et al. 2016), then the mean of every feature map and one dense layer. It was trained in
`training/train_pets.py` with batch norm, which is folded into the kernels here: a plain network of ten convolutions.
"""

from __future__ import annotations

import functools
import hashlib
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from helpers.pets_neither import Reference
from helpers.vgg_weights import WeightsError

if TYPE_CHECKING:
    import keras

SIDE = 96
STEM, WIDTHS = 32, (48, 112, 288)
CLASSES = ("cat", "dog")
LAST_CONVOLUTION = "block3_out"
WEIGHTS = Path(__file__).resolve().parents[1] / "data" / "weights" / "pets.npz"
WEIGHTS_SHA256 = "363b6af0c052fbe67cd1b58b46dbf21b3110d1bd210bbefff7a5dd702ebeafe5"


class Shipped(NamedTuple):
    """What the weight file holds.

    `kernels`: "layer/kernel" and "layer/bias" -> float32 array; `temperature` by which logits are divided so that
    probabilities mean what they say; `reference` for "neither".
    """

    kernels: dict[str, np.ndarray]
    temperature: float
    reference: Reference


def kernel_shapes() -> dict[str, tuple[int, ...]]:
    """Name -> shape of every weight array; kernels are (height, width, channels in, channels out)."""
    shapes: dict[str, tuple[int, ...]] = {"stem/kernel": (4, 4, 3, STEM), "stem/bias": (STEM,)}
    before = STEM
    for block, width in enumerate(WIDTHS, start=1):
        for number, n_in in enumerate((before, width, width), start=1):
            shapes[f"block{block}_conv{number}/kernel"] = (3, 3, n_in, width)
            shapes[f"block{block}_conv{number}/bias"] = (width,)
        before = width
    return shapes | {"head/kernel": (before, len(CLASSES)), "head/bias": (len(CLASSES),)}


def build_network(weights: Mapping[str, np.ndarray] | None = None) -> keras.Model:
    """Raw RGB (b, 96, 96, 3), 0..255 -> texture (b, WIDTHS[0]), features (b, WIDTHS[-1]), logits (b, 2): cat, dog.

    Texture and features are the means of the first and the last block's maps.

    `weights` as in `Shipped.kernels`; None leaves Keras' random start.
    """
    import keras
    from keras import layers

    def conv(label: str, width: int, activation: str | None = "relu") -> keras.layers.Layer:
        return layers.Conv2D(width, 3, padding="same", activation=activation, name=label)

    pictures = keras.Input((SIDE, SIDE, 3), name="raw_rgb")
    x = layers.Rescaling(1 / 64, offset=-127.5 / 64, name="about_minus_2_to_2")(pictures)
    x = layers.Conv2D(STEM, 4, strides=2, padding="same", activation="relu", name="stem")(x)
    outs = []
    for block, width in enumerate(WIDTHS, start=1):
        x = conv(f"block{block}_conv1", width)(layers.MaxPooling2D(name=f"block{block}_pool")(x))
        y = conv(f"block{block}_conv2", width)(x)
        y = conv(f"block{block}_conv3", width, activation=None)(y)
        x = layers.ReLU(name=f"block{block}_out")(layers.Add(name=f"block{block}_add")([x, y]))
        outs.append(x)
    texture = layers.GlobalAveragePooling2D(name="texture")(outs[0])
    features = layers.GlobalAveragePooling2D(name="features")(x)
    logits = layers.Dense(len(CLASSES), name="head")(features)
    network = keras.Model(pictures, [texture, features, logits], name="pets")
    if weights is not None:
        for layer in network.layers:
            if layer.weights:
                layer.set_weights([weights[f"{layer.name}/kernel"], weights[f"{layer.name}/bias"]])
    network.trainable = False
    return network


def read_weights(path: Path = WEIGHTS, sha256: str | None = WEIGHTS_SHA256) -> Shipped:
    """Read a weight file whole, check it, and give its numbers as float32.

    Raises WeightsError when it is missing, has another checksum than `sha256` (None: not compared), lacks an array, or
    holds one of a wrong shape or a value that is not finite.
    """
    remedy = "fetch the repository's file again (git checkout -- data/weights)."
    try:
        content = Path(path).read_bytes()
    except OSError:
        raise WeightsError(f"The weights {Path(path).name} of the small network are missing: {remedy}") from None
    if sha256 and hashlib.sha256(content).hexdigest() != sha256:
        raise WeightsError(f"{Path(path).name} is damaged or not the file that belongs to this version: {remedy}")
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            arrays = {name: stored[name].astype(np.float32) for name in stored.files}
    except Exception:
        raise WeightsError(f"{Path(path).name} is no file of arrays (.npz), or a damaged one: {remedy}") from None
    wanted = kernel_shapes()
    for name, shape in wanted.items():
        if name not in arrays or arrays[name].shape != shape:
            found = f"has the shape {arrays[name].shape}" if name in arrays else "is missing"
            raise WeightsError(
                f"{Path(path).name} holds the weights of another network: {name} {found}, {shape} is wanted; {remedy}"
            )
    extra = ("temperature", *Reference._fields)
    if any(name not in arrays for name in extra) or not all(np.isfinite(a).all() for a in arrays.values()):
        raise WeightsError(f"{Path(path).name} is incomplete or holds values that are no numbers: {remedy}")
    kernels = {name: arrays[name] for name in wanted}
    return Shipped(kernels, float(arrays["temperature"]), Reference(*(arrays[name] for name in Reference._fields)))


@functools.cache
def shipped() -> Shipped:
    """The weights that belong to this version, read and checked once."""
    return read_weights()


@functools.cache
def load_network() -> keras.Model:
    """The shipped network, built once per session."""
    return build_network(shipped().kernels)


@functools.cache
def forward() -> Callable[[np.ndarray], tuple[np.ndarray, ...]]:
    """The shipped network as a function of uint8 pictures (b, 96, 96, 3) -> texture, features and logits of each."""
    import keras

    network = load_network()
    if keras.backend.backend() != "tensorflow":
        run = network.predict_on_batch
        return lambda pictures: tuple(keras.ops.convert_to_numpy(part) for part in run(pictures.astype(np.float32)))
    import tensorflow as tf

    signature = [tf.TensorSpec((None, SIDE, SIDE, 3), tf.uint8)]
    traced = tf.function(lambda x: network(tf.cast(x, tf.float32), training=False), input_signature=signature)
    return lambda pictures: tuple(part.numpy() for part in traced(tf.constant(pictures)))
