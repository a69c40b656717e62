"""What a classifier's output is worth: errors of both kinds, prevalence, ROC with an interval, calibration, leaks.

Truth is 0 or 1 per case, a score or probability grows with the belief in 1. Counting and curves come from
scikit-learn; the intervals resample whole patients where there are several cases of one. Splits and comparisons of
models are in `helpers.evaluation`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata
from sklearn import metrics

from helpers.folders import picture_key


class DiagnosticsError(ValueError):
    """Truth and scores do not fit together; the message says how."""


def _pair(truth, score) -> tuple[np.ndarray, np.ndarray]:
    truth, score = np.asarray(truth).astype(float), np.asarray(score, float)
    if truth.ndim != 1 or truth.shape != score.shape or not len(truth):
        raise DiagnosticsError(f"Truth and score must be two lists of one length, not {truth.shape} and {score.shape}.")
    if not np.isin(truth, (0, 1)).all():
        raise DiagnosticsError("Truth must be 0 or 1 for each case.")
    if not np.isfinite(score).all():
        raise DiagnosticsError(f"{int((~np.isfinite(score)).sum())} of {len(score)} scores are not finite.")
    return truth.astype(int), score


def _both(truth: np.ndarray) -> None:
    if truth.min() == truth.max():
        raise DiagnosticsError(f"All {len(truth)} cases have the truth {truth[0]}: a curve needs both kinds.")


class Confusion(NamedTuple):
    """Counts of the four outcomes; shares are NaN where there was nothing to count."""

    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int

    @property
    def sensitivity(self) -> float:
        """Share of the ill that were found (also: recall)."""
        return _share(self.true_positive, self.true_positive + self.false_negative)

    @property
    def specificity(self) -> float:
        """Share of the healthy that were left in peace."""
        return _share(self.true_negative, self.true_negative + self.false_positive)

    @property
    def ppv(self) -> float:
        """Share of the alarms that were right (also: precision), at the prevalence of these cases."""
        return _share(self.true_positive, self.true_positive + self.false_positive)

    @property
    def npv(self) -> float:
        """Share of the all-clears that were right, at the prevalence of these cases."""
        return _share(self.true_negative, self.true_negative + self.false_negative)

    @property
    def accuracy(self) -> float:
        """Share of right answers."""
        return _share(self.true_positive + self.true_negative, sum(self))


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


def confusion(truth, score, threshold: float = 0.5) -> Confusion:
    """Count the outcomes of "positive when score >= threshold"; truth and score (n,)."""
    truth, score = _pair(truth, score)
    tn, fp, fn, tp = metrics.confusion_matrix(truth, score >= threshold, labels=[0, 1]).ravel()
    return Confusion(int(tp), int(fp), int(fn), int(tn))


def predictive_values(sensitivity: float, specificity: float, prevalence) -> tuple[np.ndarray, np.ndarray]:
    """PPV and NPV of a test at a prevalence (number or array, strictly between 0 and 1), by Bayes' rule."""
    p = np.asarray(prevalence, float)
    if not (0 <= sensitivity <= 1 and 0 <= specificity <= 1 and np.all((p > 0) & (p < 1))):
        raise DiagnosticsError("Sensitivity and specificity lie in 0..1, the prevalence strictly between 0 and 1.")
    alarms = sensitivity * p + (1 - specificity) * (1 - p)
    clears = specificity * (1 - p) + (1 - sensitivity) * p
    with np.errstate(invalid="ignore", divide="ignore"):
        return sensitivity * p / alarms, specificity * (1 - p) / clears


class Roc(NamedTuple):
    """False and true positive rates from (0, 0) to (1, 1), the thresholds, and the area under the curve."""

    false_rate: np.ndarray
    true_rate: np.ndarray
    thresholds: np.ndarray
    auc: float


def roc(truth, score) -> Roc:
    """Receiver operating characteristic of scores (n,)."""
    truth, score = _pair(truth, score)
    _both(truth)
    false_rate, true_rate, thresholds = metrics.roc_curve(truth, score)
    return Roc(false_rate, true_rate, thresholds, float(metrics.roc_auc_score(truth, score)))


class Interval(NamedTuple):
    """A value with its interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def _resamples(truth: np.ndarray, groups, repeats: int, seed: int) -> Iterable[np.ndarray]:
    """Case numbers of `repeats` bootstrap samples that hold both kinds; whole groups are drawn where given."""
    rng = np.random.default_rng(seed)
    groups = np.arange(len(truth)) if groups is None else np.asarray(groups)
    if groups.shape != truth.shape:
        raise DiagnosticsError(f"Each of the {len(truth)} cases needs a patient number; {groups.shape} were given.")
    names, inverse = np.unique(groups, return_inverse=True)
    members = np.split(np.argsort(inverse, kind="stable"), np.cumsum(np.bincount(inverse))[:-1])
    done = tries = 0
    while done < repeats:
        tries += 1
        if tries > 20 * repeats:
            raise DiagnosticsError("Too few cases of one kind for a bootstrap interval.")
        rows = np.concatenate([members[k] for k in rng.integers(0, len(names), len(names))])
        if 0 < truth[rows].sum() < len(rows):
            done += 1
            yield rows


def _auc(truth: np.ndarray, score: np.ndarray) -> float:
    """Mann and Whitney's form of the area: the share of (ill, healthy) pairs in the right order; ties count half."""
    ill = truth == 1
    n, m = int(ill.sum()), int((~ill).sum())
    return float((rankdata(score)[ill].sum() - n * (n + 1) / 2) / (n * m))


def auc_interval(truth, score, groups=None, repeats: int = 1000, level: float = 0.95, seed: int = 0) -> Interval:
    """Area under the ROC curve with a percentile bootstrap interval.

    `groups` (n,) names the patient of each case: patients are drawn, not cases, because cases of one patient resemble
    each other. Efron and Tibshirani, "An introduction to the bootstrap", 1993.
    """
    truth, score = _pair(truth, score)
    _both(truth)
    values = [_auc(truth[rows], score[rows]) for rows in _resamples(truth, groups, repeats, seed)]
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Interval(_auc(truth, score), float(low), float(high))


def roc_band(truth, score, groups=None, repeats: int = 500, seed: int = 0, points: int = 101):
    """False positive rates (points,) and the 95 % band (low, high) of the true positive rate at each of them."""
    truth, score = _pair(truth, score)
    _both(truth)
    grid = np.linspace(0, 1, points)
    curves = []
    for rows in _resamples(truth, groups, repeats, seed):
        false_rate, true_rate, _ = metrics.roc_curve(truth[rows], score[rows])
        curves.append(np.interp(grid, false_rate, true_rate))
    return grid, *np.quantile(curves, [0.025, 0.975], axis=0)


class Calibration(NamedTuple):
    """Per bin: mean predicted probability, observed share and number of cases (NaN where empty); and the ECE."""

    predicted: np.ndarray
    observed: np.ndarray
    count: np.ndarray
    ece: float


def calibration(truth, probability, bins: int = 10) -> Calibration:
    """Do things said with probability p happen with frequency p? Equal bins over 0..1.

    ECE, the expected calibration error, is the mean distance of the two, weighted by the number of cases
    (Naeini, Cooper, Hauskrecht, AAAI 2015).
    """
    truth, probability = _pair(truth, probability)
    if probability.min() < 0 or probability.max() > 1:
        raise DiagnosticsError("Calibration needs probabilities between 0 and 1.")
    which = np.minimum((probability * bins).astype(int), bins - 1)
    count = np.bincount(which, minlength=bins)
    with np.errstate(invalid="ignore"):
        predicted = np.bincount(which, probability, bins) / count
        observed = np.bincount(which, truth, bins) / count
    ece = float(np.nansum(count * np.abs(predicted - observed)) / len(truth))
    return Calibration(predicted, observed, count, ece)


def temper(probability, temperature: float) -> np.ndarray:
    """Divide the log-odds by `temperature`: above 1 makes a cocksure classifier modest, and never changes an order."""
    p = np.clip(np.asarray(probability, float), 1e-12, 1 - 1e-12)
    return 1 / (1 + np.exp(-np.log(p / (1 - p)) / temperature))


def fit_temperature(truth, probability) -> float:
    """The temperature with the smallest cross-entropy; fit it on cases that are not used for the verdict.

    Guo, Pleiss, Sun, Weinberger, "On calibration of modern neural networks", ICML 2017 (arXiv 1706.04599).
    """
    from scipy.optimize import minimize_scalar

    truth, probability = _pair(truth, probability)

    def entropy(log_temperature: float) -> float:
        return metrics.log_loss(truth, temper(probability, float(np.exp(log_temperature))), labels=[0, 1])

    return float(np.exp(minimize_scalar(entropy, bounds=(-3, 3), method="bounded").x))


def duplicates(files: Sequence[str | Path]) -> list[list[Path]]:
    """Groups of files with the same bytes, whatever their names (SHA-256); an empty list means none."""
    by_key: dict[str, list[Path]] = defaultdict(list)
    for file in files:
        by_key[picture_key(Path(file))].append(Path(file))
    return [group for group in by_key.values() if len(group) > 1]


def without_duplicates(files: Sequence[str | Path]) -> list[Path]:
    """The files in order, each picture once (the first name wins): do this before you split."""
    extra = {file for group in duplicates(files) for file in group[1:]}
    return [Path(file) for file in files if Path(file) not in extra]


def leaks(train: Sequence[str | Path], test: Sequence[str | Path]) -> list[Path]:
    """Test files whose bytes also occur in the training files."""
    known = {picture_key(Path(file)) for file in train}
    return [Path(file) for file in test if picture_key(Path(file)) in known]


class Gap(NamedTuple):
    """Accuracy per fold of one model under two splits of the same cases."""

    mixed: np.ndarray
    by_patient: np.ndarray


def split_gap(model, X, y, patients, folds: int = 5, seed: int = 0) -> Gap:
    """Judge an unfitted scikit-learn model twice: cases dealt out singly, and whole patients dealt out."""
    from sklearn.model_selection import GroupKFold, KFold, cross_val_score

    mixed = KFold(folds, shuffle=True, random_state=seed)
    grouped = GroupKFold(folds, shuffle=True, random_state=seed)
    return Gap(
        cross_val_score(model, X, y, cv=mixed), cross_val_score(model, X, y, cv=grouped, groups=np.asarray(patients))
    )
