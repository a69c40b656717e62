"""Fine-tuning in seconds: a new last layer on the small network's features, and how many pictures that takes.

The network's convolutions stay as they are; each picture goes through them once (`helpers.pets.ask(...).features`), and
logistic regression, which is one dense layer with softmax, learns any new classes from these numbers per picture.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers.evaluation import Split, learning_curve
from helpers.folders import FolderError, Skipped, list_classes, need_every_class
from helpers.pets import ask, batches

if TYPE_CHECKING:
    import keras


class LabelledFeatures(NamedTuple):
    """Of the readable pictures of a folder: features (n, WIDTHS[-1]), labels (n,), files; class names; the skipped."""

    features: np.ndarray
    labels: np.ndarray
    files: list[Path]
    class_names: list[str]
    skipped: list[Skipped]


def folder_features(folder: str | os.PathLike) -> LabelledFeatures:
    """Features of a folder with one folder per class, any two or more classes; every picture passes the network once.

    Unreadable files are named, skipped and counted. Raises FolderError for a missing or empty folder and one class.
    """
    listing = list_classes(folder)
    if len(listing.class_names) < 2:
        raise FolderError(
            f"{Path(folder).name!r} holds one class only ({listing.class_names[0]}): put a second folder beside it."
        )
    skipped, kept = list(listing.skipped), []
    parts = [ask(np.stack(batch)).features for batch in batches(listing.files, skipped, kept)]
    labels = listing.labels[kept]
    need_every_class(labels, listing.class_names)
    return LabelledFeatures(
        np.concatenate(parts), labels, [listing.files[i] for i in kept], listing.class_names, skipped
    )


def fit_head(features: np.ndarray, labels: np.ndarray, strength: float = 0.1) -> Pipeline:
    """A new last layer: scaling and logistic regression on features (n, f); `.predict_proba` gives (n, classes).

    `strength` is scikit-learn's C; small values suit few pictures. Raises ValueError when only one class is there.
    """
    if len(np.unique(labels)) < 2:
        raise ValueError("All pictures have the same label: a classifier needs two classes at least.")
    return make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=500)).fit(features, labels)


def head_curve(
    features: np.ndarray, labels: np.ndarray, splits: Sequence[Split], sizes: Sequence[int] = (10, 20, 50, 100)
) -> pd.DataFrame:
    """Accuracy of a new last layer for growing numbers of training pictures; rows are splits, columns sizes."""

    def fit(shrunk: Sequence[Split]) -> np.ndarray:
        return np.array(
            [fit_head(features[s.train], labels[s.train]).score(features[s.test], labels[s.test]) for s in shrunk]
        )

    return learning_curve(fit, splits, labels, sizes)


def scratch_curve(
    pictures: np.ndarray,
    labels: np.ndarray,
    splits: Sequence[Split],
    sizes: Sequence[int] = (10, 20, 50, 100),
    steps: int = 80,
    seed: int = 0,
) -> pd.DataFrame:
    """The same for a small network that starts from random weights and sees nothing but the training pictures.

    `pictures` uint8 (n, 96, 96, 3) are averaged to 32 x 32 for speed; two classes, labels 0 and 1. Every training takes
    `steps` batches of 16, half of the pictures mirrored, so every size costs the same.
    """
    import keras

    small = pictures.reshape(len(pictures), 32, 3, 32, 3, 3).mean((2, 4), dtype=np.float32) / 127.5 - 1
    labels = np.asarray(labels)
    model = _scratch_network(seed)
    variables = [*model.variables, *model.optimizer.variables]
    start = [np.array(keras.ops.convert_to_numpy(keras.ops.copy(v))) for v in variables]

    def fit_one(split: Split) -> float:
        rng = np.random.default_rng(seed)
        for variable, value in zip(variables, start):
            variable.assign(value)
        for _ in range(steps):
            chosen = rng.choice(split.train, 16)
            x, mirrored = small[chosen], rng.random(16) < 0.5
            x[mirrored] = x[mirrored, :, ::-1]
            model.train_on_batch(x, labels[chosen].astype(np.float32)[:, None])
        said = np.concatenate([model.predict_on_batch(small[i : i + 16]) for i in range(0, len(small), 16)])[:, 0]
        return float(np.mean((said[split.test] > 0.5) == (labels[split.test] == 1)))

    return learning_curve(lambda shrunk: np.array([fit_one(s) for s in shrunk]), splits, labels, sizes)


def _scratch_network(seed: int) -> keras.Model:
    """Three blocks of one 3 x 3 convolution and a max-pool, compiled and with its optimiser's variables made."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(seed)
    blocks = [[layers.Conv2D(w, 3, padding="same", activation="relu"), layers.MaxPooling2D()] for w in (16, 32, 64)]
    end = [layers.GlobalAveragePooling2D(), layers.Dense(1, activation="sigmoid")]
    model = keras.Sequential([keras.Input((32, 32, 3)), *(layer for block in blocks for layer in block), *end])
    model.compile(keras.optimizers.Adam(3e-3), "binary_crossentropy")
    model.optimizer.build(model.trainable_variables)
    return model
