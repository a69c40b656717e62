"""Honest numbers: splits that do not leak, comparisons on the same splits, intervals, learning curves.

What a classifier's output is worth beyond its accuracy (confusion, ROC, calibration) is in `helpers.diagnostics`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.base import clone
from sklearn.model_selection import GroupShuffleSplit, StratifiedShuffleSplit


class Split(NamedTuple):
    """Row numbers to learn from and row numbers to be judged on; they never share one."""

    train: np.ndarray
    test: np.ndarray


def as_splits(pairs) -> list[Split]:
    """(train, test) pairs, as scikit-learn's splitters give them, checked: no row may stand on both sides."""
    splits = [Split(np.asarray(train), np.asarray(test)) for train, test in pairs]
    for number, split in enumerate(splits):
        shared = np.intersect1d(split.train, split.test)
        if shared.size:
            raise ValueError(
                f"Split {number} has {shared.size} rows on both sides; a test row must not be learnt from."
            )
        if not len(split.train) or not len(split.test):
            raise ValueError(f"Split {number} has an empty side; use fewer folds or another test size.")
    return splits


def stratified_splits(y, seeds: Sequence[int], test_size: float = 0.4) -> list[Split]:
    """One random split for each seed, both classes in the same shares on both sides (60:40 by default)."""
    y = np.asarray(y)
    counts = np.unique(y, return_counts=True)[1]
    if len(counts) < 2 or counts.min() < 2:
        raise ValueError("Stratified splits need two classes with two rows each at least.")
    rows = np.arange(len(y))
    one = (StratifiedShuffleSplit(1, test_size=test_size, random_state=int(seed)) for seed in seeds)
    return as_splits(next(splitter.split(rows, y)) for splitter in one)


def group_splits(groups, seeds: Sequence[int], test_size: float = 0.4) -> list[Split]:
    """One random split for each seed that keeps every group (patient, object, echo series) on one side."""
    groups = np.asarray(groups)
    if len(np.unique(groups)) < 2:
        raise ValueError("All rows belong to one group; there is nothing to keep apart.")
    one = (GroupShuffleSplit(1, test_size=test_size, random_state=int(seed)) for seed in seeds)
    return as_splits(next(splitter.split(groups, groups=groups)) for splitter in one)


def score_models(models: Mapping[str, object], X, y, splits: Sequence[Split]) -> pd.DataFrame:
    """Accuracy of every model on the test part of every split: rows are splits, columns are models.

    A model is an unfitted scikit-learn estimator; a copy is fitted on the training rows of each split, preprocessing
    included when the model is a pipeline. All models meet the same splits, so that columns may be subtracted.
    """
    X, y = np.asarray(X), np.asarray(y)
    scores = {
        name: [clone(model).fit(X[s.train], y[s.train]).score(X[s.test], y[s.test]) for s in splits]
        for name, model in models.items()
    }
    return pd.DataFrame(scores)


@dataclass(frozen=True)
class Difference:
    """The mean of paired differences a - b with its 95 % interval, in the unit of the scores."""

    mean: float
    sd: float
    low: float
    high: float

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0 or self.high < 0


def paired_difference(a, b, test_share: float = 0.4, level: float = 0.95) -> Difference:
    """Compare two models by their scores on the SAME random splits.

    Random splits share training rows, so their scores hang together and the usual standard error is too small. The
    variance is therefore multiplied by 1/k + test/train (Nadeau & Bengio, Machine Learning 52, 2003).
    """
    d = np.asarray(a, float) - np.asarray(b, float)
    if d.ndim != 1 or len(d) < 2:
        raise ValueError("A paired comparison needs two equally long lists of at least two scores.")
    spread = d.std(ddof=1)
    half = stats.t.ppf(0.5 + level / 2, len(d) - 1) * spread * np.sqrt(1 / len(d) + test_share / (1 - test_share))
    return Difference(float(d.mean()), float(spread), float(d.mean() - half), float(d.mean() + half))


def wilson(right: float, n: int, level: float = 0.95) -> tuple[float, float]:
    """Interval for a share of `right` out of `n` cases (Wilson, JASA 22, 1927); stays inside 0..1 for any count."""
    if n < 1 or not 0 <= right <= n:
        raise ValueError(f"{right} right out of {n} is not a share; give 0 <= right <= n and n >= 1.")
    z2 = stats.norm.ppf(0.5 + level / 2) ** 2
    p = right / n
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2 * (p * (1 - p) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    return float(max(centre - half, 0.0)), float(min(centre + half, 1.0))


def fractions_that_print_as(printed: str, largest: int) -> list[tuple[int, int]]:
    """All k of n cases, n up to `largest`, whose percentage prints as `printed`, such as "81.64"."""
    decimals = len(printed.partition(".")[2])
    value = float(printed)
    found = []
    for n in range(1, largest + 1):
        k = round(value * n / 100)
        if 0 <= k <= n and f"{100 * k / n:.{decimals}f}" == printed:
            found.append((k, n))
    return found


def learning_curve(
    fit: Callable[[Sequence[Split]], np.ndarray], splits: Sequence[Split], y, sizes: Sequence[int]
) -> pd.DataFrame:
    """Scores for growing training parts: rows are splits, columns the sizes; each test part stays what it was.

    `fit` takes splits and returns one score for each. The smaller training parts are stratified pieces of the larger
    ones, so a curve compares like with like.
    """
    y = np.asarray(y)
    return pd.DataFrame({size: np.asarray(fit([_shrunk(s, y, size) for s in splits])) for size in sizes})


def _shrunk(split: Split, y, size: int) -> Split:
    """The first `size` training rows when the classes are dealt out evenly."""
    if not 2 <= size <= len(split.train):
        raise ValueError(f"A training part of {size} rows was asked for; the split has {len(split.train)}.")
    place = np.empty(len(split.train))
    for label in np.unique(y[split.train]):
        here = np.flatnonzero(y[split.train] == label)
        place[here] = (np.arange(len(here)) + 0.5) / len(here)
    return Split(split.train[np.argsort(place, kind="stable")[:size]], split.test)


def best_on_one_half(models: Sequence[object], X, y, splits: Sequence[Split]) -> pd.DataFrame:
    """Stage a mistake: choose the best of many models by its score on test rows, and report that very score.

    Every split's test part is cut into two halves. Columns: "reported", the chosen model on the half that chose it,
    and "truth", the same model on the other half, which nobody has looked at. One row for each split.
    """
    X, y, found = np.asarray(X), np.asarray(y), []
    for split in splits:
        fitted = [clone(model).fit(X[split.train], y[split.train]) for model in models]
        right = np.array([model.predict(X[split.test]) == y[split.test] for model in fitted])
        scores = np.stack([right[:, ::2].mean(1), right[:, 1::2].mean(1)], axis=1)
        found.append(scores[scores[:, 0].argmax()])
    return pd.DataFrame(found, columns=["reported", "truth"])


def pooled_accuracy(right: np.ndarray, splits: Sequence[Split]) -> float:
    """Share of right answers over all folds together; `right`: (fold, row), only each fold's test rows count."""
    answers = np.concatenate([row[split.test] for row, split in zip(right, splits)])
    return float(answers.mean())
