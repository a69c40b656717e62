"""VGG16 and VGG19 as a table: layers, shapes, weights and work, without building a network.

Source: Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", ICLR 2015
(arXiv 1409.1556), configurations D (VGG16) and E (VGG19). Layer names are those of the public Keras weight files.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

SIZE = 224
WIDTHS = (64, 128, 256, 512, 512)
DEPTHS = {"VGG16": (2, 2, 3, 3, 3), "VGG19": (2, 2, 4, 4, 4)}
# Means of the ImageNet training pictures, red, green, blue, in grey levels 0..255: the only scaling these nets know.
MEAN_RGB = (123.68, 116.779, 103.939)


class Layer(NamedTuple):
    """One row of the plan; `kernel` is () for layers without weights, `output` is (height, width, channels) or (n,)."""

    name: str
    kind: str
    kernel: tuple[int, ...]
    output: tuple[int, ...]

    @property
    def weights(self) -> int:
        """Number of trained numbers: the kernel and one bias per output channel."""
        return int(np.prod(self.kernel)) + self.kernel[-1] if self.kernel else 0

    @property
    def flops(self) -> int:
        """Multiplications and additions for one picture (two per weight used, biases and pooling left out)."""
        positions = int(np.prod(self.output[:-1]))
        return 2 * int(np.prod(self.kernel)) * positions if self.kernel else 0


def plan(name: str = "VGG16", top: bool = True, classes: int = 1000) -> list[Layer]:
    """The layers of `name` ("VGG16" or "VGG19") in order, for pictures of 224 x 224; `top`: with the dense layers.

    Raises ValueError for another name.
    """
    if name not in DEPTHS:
        raise ValueError(f"{name!r} is no network of this course: use 'VGG16' or 'VGG19'.")
    side, channels, layers = SIZE, 3, []
    for block, (depth, width) in enumerate(zip(DEPTHS[name], WIDTHS), start=1):
        for number in range(1, depth + 1):
            kernel = (3, 3, channels, width)
            layers.append(Layer(f"block{block}_conv{number}", "convolution", kernel, (side, side, width)))
            channels = width
        side //= 2
        layers.append(Layer(f"block{block}_pool", "pooling", (), (side, side, width)))
    if not top:
        return layers
    inputs = side * side * channels
    for label, outputs in (("fc1", 4096), ("fc2", 4096), ("predictions", classes)):
        layers.append(Layer(label, "dense", (inputs, outputs), (outputs,)))
        inputs = outputs
    return layers


def weight_shapes(name: str = "VGG16", top: bool = True) -> dict[str, tuple[tuple[int, ...], tuple[int, ...]]]:
    """Layer name -> (kernel shape, bias shape), only the layers that have weights, in order."""
    return {layer.name: (layer.kernel, layer.kernel[-1:]) for layer in plan(name, top) if layer.kernel}


def receptive_field(name: str = "VGG16", until: str = "block5_pool") -> int:
    """Side, in input pixels, of the square that one value of layer `until` can see.

    Each layer adds (window - 1) times the distance of neighbouring values on the input; pooling doubles that distance.
    """
    names = [layer.name for layer in plan(name, top=False)]
    if until not in names:
        raise ValueError(f"{name} has no convolution or pooling layer {until!r}; the last one is 'block5_pool'.")
    side, distance = 1, 1
    for layer in plan(name, top=False)[: names.index(until) + 1]:
        window = 3 if layer.kind == "convolution" else 2
        side += (window - 1) * distance
        distance *= 1 if layer.kind == "convolution" else 2
    return side


def preprocess(pictures: np.ndarray) -> np.ndarray:
    """Raw RGB 0..255, shape (..., 3) -> float32 BGR minus the ImageNet means, as these networks were trained.

    The network of `helpers.vgg16` does this itself in its first layer; the function is here to be looked at and tested.
    """
    return (np.asarray(pictures, np.float32) - np.float32(MEAN_RGB))[..., ::-1]
