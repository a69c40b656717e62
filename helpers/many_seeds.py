"""A small network trained on many splits at once: one array axis for the seeds, back-propagation by hand.

Training one network per split with Keras costs some seconds each, most of it the engine's book-keeping for batches of
eight rows. Here the weights of all networks lie in one array (split, input, unit) and every step is one batched matrix
product for all of them. The arithmetic is Keras' own: Glorot-uniform weights, ReLU, sigmoid, binary cross-entropy,
Adam with its default settings (Kingma & Ba, arXiv 1412.6980). No network sees another one's rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from helpers.evaluation import Split, stratified_splits

LEARNING_RATE, BETA_1, BETA_2, EPSILON = 1e-3, 0.9, 0.999, 1e-7


@dataclass(frozen=True)
class Runs:
    """Trained networks, one for each split: what they say about every row, and which rows they had seen."""

    splits: Sequence[Split]
    truth: np.ndarray  #: (row,) 0 or 1
    probability: np.ndarray  #: (split, row) of class 1
    weights: list[np.ndarray]  #: (split, in, unit), (split, 1, unit), (split, unit, 1), (split, 1, 1)

    @property
    def right(self) -> np.ndarray:
        """(split, row): whether the network's answer (probability above one half) is the row's class."""
        return (self.probability > 0.5) == (self.truth == 1)

    def accuracy(self, rows: str = "test") -> np.ndarray:
        """Share of right answers of each network on its "test" rows, its "train" rows, or "all" rows."""
        if rows not in ("test", "train", "all"):
            raise ValueError(f"rows is {rows!r}; choose 'test', 'train' or 'all'.")
        if rows == "all":
            return self.right.mean(axis=1)
        return np.array([right[getattr(split, rows)].mean() for right, split in zip(self.right, self.splits)])


def train_many(X, y, seeds: Sequence[int] = range(20), *, test_size: float = 0.4, **settings) -> np.ndarray:
    """Accuracies on the test part, one for each seed; a seed fixes the split, the first weights and the row order.

    `X`: (n, band) numbers, `y`: (n,) labels of two classes. `settings` go to `fit_many`.
    """
    seeds = [int(seed) for seed in seeds]
    return fit_many(X, y, stratified_splits(y, seeds, test_size), seeds=seeds, **settings).accuracy()


def fit_many(
    X,
    y,
    splits: Sequence[Split],
    *,
    seeds: Sequence[int] | None = None,
    hidden: int = 60,
    epochs: int = 100,
    batch_size: int = 8,
    standardise: bool | str = False,
) -> Runs:
    """Train one network (inputs - hidden ReLU - one sigmoid) on every split's training rows, all at once.

    `standardise`: False, True (mean and deviation of the split's training rows), or "leaky" (of all rows: the
    mistake). Raises ValueError unless y has exactly two classes.
    """
    X, truth = np.asarray(X, np.float32), two_classes(y)
    seeds = range(len(splits)) if seeds is None else seeds
    if len(seeds) != len(splits) or not len(splits):
        raise ValueError(f"{len(seeds)} seeds for {len(splits)} splits; give one seed for each split, at least one.")
    generators = [np.random.default_rng([seed, 1]) for seed in seeds]
    inputs = np.stack([_scaled(X, split, standardise) for split in splits])  # (split, row, band)
    weights = _first_weights(generators, X.shape[1], hidden)
    moments = [(np.zeros_like(w), np.zeros_like(w)) for w in weights]
    step = np.zeros((len(splits), 1, 1), np.float32)
    for _ in range(epochs):
        order, present = _row_order(generators, splits)
        for start in range(0, order.shape[1], batch_size):
            rows, there = order[:, start : start + batch_size], present[:, start : start + batch_size]
            batch = np.take_along_axis(inputs, rows[:, :, None], axis=1)
            has_rows = there.any(axis=1)[:, None, None].astype(np.float32)
            step += has_rows
            _adam_step(weights, _gradients(weights, batch, truth[rows], there), moments, step, has_rows)
    return Runs(splits, truth, _forward(weights, inputs)[1][..., 0], weights)


def two_classes(y) -> np.ndarray:
    """Labels -> 0 and 1 in sorted order (M = 0, R = 1), as scikit-learn's LabelEncoder counts them."""
    classes, truth = np.unique(np.asarray(y), return_inverse=True)
    if len(classes) != 2:
        raise ValueError(f"The labels hold {len(classes)} classes; this network answers between exactly two.")
    return truth


def _scaled(X, split: Split, standardise) -> np.ndarray:
    if not standardise:
        return X
    known = X if standardise == "leaky" else X[split.train]
    deviation = known.std(axis=0)
    return (X - known.mean(axis=0)) / np.where(deviation > 0, deviation, 1)


def _first_weights(generators, inputs: int, hidden: int) -> list[np.ndarray]:
    """Glorot-uniform matrices and zero biases, drawn by each network's own generator."""

    def draw(fan_in, fan_out):
        limit = np.sqrt(6 / (fan_in + fan_out))
        return np.stack([g.uniform(-limit, limit, (fan_in, fan_out)) for g in generators]).astype(np.float32)

    n = len(generators)
    zeros = (np.zeros((n, 1, units), np.float32) for units in (hidden, 1))
    return [draw(inputs, hidden), next(zeros), draw(hidden, 1), next(zeros)]


def _row_order(generators, splits) -> tuple[np.ndarray, np.ndarray]:
    """Each network's training rows, shuffled: (split, longest), and 1 where a row is real, 0 where it fills up."""
    longest = max(len(split.train) for split in splits)
    order = np.zeros((len(splits), longest), int)
    present = np.zeros((len(splits), longest), np.float32)
    for i, (generator, split) in enumerate(zip(generators, splits)):
        order[i, : len(split.train)] = generator.permutation(split.train)
        present[i, : len(split.train)] = 1
    return order, present


def _forward(weights, x) -> tuple[np.ndarray, np.ndarray]:
    """Hidden units (split, row, unit) and probabilities (split, row, 1)."""
    w1, b1, w2, b2 = weights
    hidden = np.maximum(x @ w1 + b1, 0)
    return hidden, 0.5 * (1 + np.tanh(0.5 * (hidden @ w2 + b2)))


def _gradients(weights, x, truth, there) -> list[np.ndarray]:
    """The chain rule, from the loss back to the first matrix; `there` leaves rows out that only fill up."""
    hidden, p = _forward(weights, x)
    share = there / np.maximum(there.sum(axis=1, keepdims=True), 1)
    at_score = (p - truth[..., None]) * share[..., None]  # sigmoid and cross-entropy together
    at_hidden = (at_score @ weights[2].transpose(0, 2, 1)) * (hidden > 0)
    return [
        x.transpose(0, 2, 1) @ at_hidden,
        at_hidden.sum(axis=1, keepdims=True),
        hidden.transpose(0, 2, 1) @ at_score,
        at_score.sum(axis=1, keepdims=True),
    ]


def _adam_step(weights, gradients, moments, step, has_rows) -> None:
    """Adam, in place: a step along the running mean of the gradient, divided by the root of its running square.

    `step` counts each network's steps, `has_rows` is 0 for a network whose rows are used up: it stands still.
    """
    first = np.maximum(step, 1)
    rate = LEARNING_RATE * has_rows * np.sqrt(1 - BETA_2**first) / (1 - BETA_1**first)
    to_mean, to_square = np.float32(1 - BETA_1) * has_rows, np.float32(1 - BETA_2) * has_rows
    for w, g, (mean, square) in zip(weights, gradients, moments):
        mean += to_mean * (g - mean)
        square += to_square * (g * g - square)
        w -= rate * mean / (np.sqrt(square) + np.float32(EPSILON))
