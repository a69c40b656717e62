"""Two ways to tell a nodule from a vessel or a wall: eight measured features with a line, and a small network."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers.frameworks import keras
from helpers.nodules import PIXEL, SIDE, Patches
from helpers.vgg_network import run

FEATURES = (
    "brightness of the centre",
    "drop to the rim",
    "brightness around",
    "smallest area",
    "largest area",
    "least roundness",
    "mean roundness",
    "reaches the edge",
)


def measure(patches: np.ndarray) -> np.ndarray:
    """Patches (n, 24, 24, 3) -> features (n, 8), named in `FEATURES`; areas in square millimetres."""
    offsets = (np.arange(SIDE) - (SIDE - 1) / 2) * PIXEL
    radius = np.hypot(*np.meshgrid(offsets, offsets, indexing="ij"))
    centre, rim, around = (
        patches[:, mask].mean((1, 2)) for mask in (radius < 2.5, (radius > 6) & (radius < 9), radius > 9)
    )
    shapes = np.array([[_shape(patch[..., k], offsets) for k in range(3)] for patch in patches]).reshape(-1, 3, 3)
    area, roundness, edge = shapes[..., 0], shapes[..., 1], shapes[..., 2]
    columns = (centre, centre - rim, around, area.min(1), area.max(1), roundness.min(1), roundness.mean(1), edge.max(1))
    return np.stack(columns, axis=1)


def _shape(plane: np.ndarray, offsets: np.ndarray) -> tuple[float, float, float]:
    """Area (mm2), roundness 0..1 and share of the border covered, of the bright spot in the middle of a plane."""
    middle = slice(SIDE // 2 - 1, SIDE // 2 + 1)
    level = (np.median(plane) + plane[middle, middle].max()) / 2
    pieces, _ = ndimage.label(plane > max(level, 0.2))
    numbers = pieces[middle, middle]
    if not numbers.any():
        return 0.0, 0.0, 0.0
    spot = pieces == numbers[numbers > 0][0]
    rows, columns = (offsets[k] for k in np.nonzero(spot))
    if len(rows) < 4:
        return float(len(rows) * PIXEL**2), 1.0, 0.0
    values = np.linalg.eigvalsh(np.cov(rows, columns))
    border = np.concatenate([spot[0], spot[-1], spot[:, 0], spot[:, -1]]).mean()
    return float(len(rows) * PIXEL**2), float(np.sqrt(max(values[0], 0) / max(values[1], 1e-6))), float(border)


def classical_model() -> Pipeline:
    """Unfitted: standardised features, logistic regression (the line)."""
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))


def build_cnn(seed: int = 0) -> keras.Model:
    """Patches (b, 24, 24, 3) -> probability of a nodule (b, 1): three blocks of convolution and pooling, compiled."""
    layers, start = keras.layers, keras.initializers.HeNormal
    x = inputs = keras.Input((SIDE, SIDE, 3))
    for number, width in enumerate((16, 32, 48)):
        x = layers.Conv2D(width, 3, padding="same", use_bias=False, kernel_initializer=start(seed * 10 + number))(x)
        x = layers.Activation("relu")(layers.BatchNormalization(momentum=0.9)(x))
        x = layers.MaxPooling2D()(x) if number < 2 else layers.GlobalAveragePooling2D()(x)
    outputs = layers.Dense(1, activation="sigmoid", kernel_initializer=keras.initializers.GlorotUniform(seed))(x)
    model = keras.Model(inputs, outputs, name="nodule_cnn")
    model.compile(keras.optimizers.Adam(3e-3), "binary_crossentropy", jit_compile=False)
    return model


def turned(patches: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    """The same spots seen otherwise: planes mirrored, brightness and noise changed a little."""
    out = patches.copy()
    for axis in (1, 2):
        flip = chance.random(len(out)) < 0.5
        out[flip] = np.flip(out[flip], axis)
    gain = chance.normal(1, 0.08, (len(out), 1, 1, 1)).astype(np.float32)
    noise = chance.normal(0, 0.02, out.shape).astype(np.float32)
    return np.clip(out * gain + noise, 0, 1)


def train_cnn(patches: Patches, epochs: int = 20, seed: int = 0, batch_size: int = 32) -> keras.Model:
    """Train the small network on patches, each seen a little differently in every epoch; the rate falls."""
    model, truth = build_cnn(seed), patches.truth.astype(np.float32)[:, None]
    steps = len(truth) // batch_size  # whole batches only: one compiled shape
    for epoch in range(epochs):
        chance = np.random.default_rng([seed, epoch])
        model.optimizer.learning_rate = 3e-3 * (0.01 + 0.99 * 0.5 * (1 + np.cos(np.pi * epoch / epochs)))
        order = chance.permutation(len(truth))
        for some in order[: steps * batch_size].reshape(steps, batch_size):
            model.train_on_batch(turned(patches.values[some], chance), truth[some])
    return model


def cnn_scores(model: keras.Model, patches: np.ndarray) -> np.ndarray:
    """Probability of a nodule for patches (n, 24, 24, 3), float (n,); picture and mirror image averaged."""
    if not len(patches):
        return np.empty(0)
    sides = [run(model, p, 256)[:, 0] for p in (patches, patches[:, :, ::-1])]
    return np.mean(sides, axis=0).astype(float)
