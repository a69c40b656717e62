"""Evaluation against scikit-learn, against formulas with known answers, and against leaks put there on purpose."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn import metrics
from sklearn.neighbors import KNeighborsClassifier

from helpers import diagnostics as d


@pytest.fixture(scope="module")
def cases():
    """Scores of 300 healthy and 200 ill, one standard deviation and a half apart: the true AUC is known."""
    rng = np.random.default_rng(3)
    truth = np.repeat([0, 1], [300, 200])
    return truth, rng.normal(0, 1, 500) + 1.5 * truth


def test_confusion_equals_scikit_learn(cases):
    truth, score = cases
    found = d.confusion(truth, score, 0.8)
    says = score >= 0.8
    assert found.sensitivity == metrics.recall_score(truth, says)
    assert found.specificity == metrics.recall_score(truth, says, pos_label=0)
    assert found.ppv == metrics.precision_score(truth, says)
    assert found.npv == metrics.precision_score(truth, says, pos_label=0)
    assert found.accuracy == metrics.accuracy_score(truth, says)
    assert sum(found) == 500
    assert d.confusion([1, 0, 0], [0.5, 0.5, 0.1]) == (1, 1, 0, 1)  # the threshold itself counts as positive


def test_nothing_to_count_is_nan_not_an_error():
    found = d.confusion([0, 0], [0.1, 0.2])
    assert np.isnan(found.sensitivity) and np.isnan(found.ppv) and found.specificity == 1


def test_predictive_values_by_counting_people():
    ppv, npv = d.predictive_values(0.9, 0.95, 0.01)  # of 10,000: 100 ill, 90 found; 495 false alarms
    assert ppv == pytest.approx(90 / 585) and npv == pytest.approx(9405 / 9415)
    truth, score = np.repeat([1, 0], [40, 160]), np.r_[np.ones(36), np.zeros(4), np.ones(8), np.zeros(152)]
    found = d.confusion(truth, score)
    assert np.allclose(d.predictive_values(found.sensitivity, found.specificity, 0.2), (found.ppv, found.npv))
    assert np.all(np.diff(d.predictive_values(0.9, 0.95, np.linspace(0.01, 0.9, 20))[0]) > 0)
    for wrong in [(1.2, 0.9, 0.1), (0.9, 0.9, 0.0)]:
        with pytest.raises(d.DiagnosticsError):
            d.predictive_values(*wrong)


def test_auc_and_interval_hold_the_known_value(cases):
    truth, score = cases
    known = norm.cdf(1.5 / np.sqrt(2))
    curve = d.roc(truth, score)
    found = d.auc_interval(truth, score)
    assert found.value == pytest.approx(curve.auc) == pytest.approx(metrics.roc_auc_score(truth, score))
    assert found.low < known < found.high and 0.02 < found.high - found.low < 0.08
    # Hanley and McNeil's formula (Radiology 143, 1982) gives about the same width
    a, q1, q2 = curve.auc, curve.auc / (2 - curve.auc), 2 * curve.auc**2 / (1 + curve.auc)
    error = np.sqrt((a * (1 - a) + 199 * (q1 - a * a) + 299 * (q2 - a * a)) / (200 * 300))
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.15)


def test_ties_count_half():
    assert d.auc_interval([0, 1, 0, 1], [1, 1, 1, 1], repeats=50).value == 0.5


def test_interval_covers_the_truth_as_often_as_it_says():
    rng, hits = np.random.default_rng(0), 0
    truth = np.repeat([0, 1], 60)
    for seed in range(80):
        found = d.auc_interval(truth, rng.normal(0, 1, 120) + truth, repeats=200, seed=seed)
        hits += found.low <= norm.cdf(1 / np.sqrt(2)) <= found.high
    assert 70 <= hits <= 80


def test_patients_are_drawn_whole():
    """Twenty copies of each case tell nothing new: the interval must stay as wide as without them."""
    rng = np.random.default_rng(2)
    truth = np.tile([0, 1], 25)
    score = rng.normal(0, 1, 50) + truth
    single = d.auc_interval(truth, score)
    copies = d.auc_interval(np.repeat(truth, 20), np.repeat(score, 20), groups=np.repeat(np.arange(50), 20))
    naive = d.auc_interval(np.repeat(truth, 20), np.repeat(score, 20))
    assert copies.high - copies.low == pytest.approx(single.high - single.low, rel=0.1)
    assert naive.high - naive.low < 0.4 * (single.high - single.low)


def test_band_holds_the_curve(cases):
    grid, low, high = d.roc_band(*cases, repeats=100)
    curve = d.roc(*cases)
    middle = np.interp(grid, curve.false_rate, curve.true_rate)
    assert np.mean((low <= middle + 1e-9) & (middle <= high + 1e-9)) > 0.9 and np.all(low <= high)


def test_calibration_of_honest_and_of_cocksure_probabilities():
    rng = np.random.default_rng(3)
    p = rng.uniform(0, 1, 20_000)
    truth = rng.random(20_000) < p
    honest, cocksure = d.calibration(truth, p), d.calibration(truth, d.temper(p, 0.4))
    assert honest.ece < 0.015 < 0.1 < cocksure.ece
    assert honest.count.sum() == 20_000 and np.allclose(honest.predicted, honest.observed, atol=0.05)
    assert d.fit_temperature(truth, d.temper(p, 0.4)) == pytest.approx(1 / 0.4, rel=0.05)
    mended = d.temper(d.temper(p, 0.4), 2.5)
    assert np.allclose(mended, p, atol=1e-6)
    with pytest.raises(d.DiagnosticsError, match="between 0 and 1"):
        d.calibration([0, 1], [0.2, 1.4])


def test_calibration_by_hand():
    assert d.temper(0.9, 2) == pytest.approx(0.75)  # odds of 9 to 1 become 3 to 1
    found = d.calibration([1, 0, 1, 1], [0.95, 0.95, 0.15, 1.0], bins=10)
    assert found.count.tolist() == [0, 1, 0, 0, 0, 0, 0, 0, 0, 3]
    assert found.ece == pytest.approx((0.85 + 3 * abs(2.9 / 3 - 2 / 3)) / 4)


def test_duplicates_and_leaks_by_bytes(tmp_path):
    for name, content in {"a.jpg": b"1", "b.jpg": b"2", "copy of a.jpg": b"1", "c.jpg": b"3"}.items():
        (tmp_path / name).write_bytes(content)
    files = sorted(tmp_path.iterdir())
    assert [[f.name for f in group] for group in d.duplicates(files)] == [["a.jpg", "copy of a.jpg"]]
    assert [f.name for f in d.without_duplicates(files)] == ["a.jpg", "b.jpg", "c.jpg"]
    assert [f.name for f in d.leaks(files[:2], files[2:])] == ["copy of a.jpg"]


def test_dealing_out_slices_flatters_and_patients_do_not():
    """Labels are coins tossed per patient: nothing can be learnt, and only one of the splits says so."""
    rng = np.random.default_rng(4)
    patients = np.repeat(np.arange(40), 12)
    coin = rng.integers(0, 2, 40)[patients]
    X = rng.normal(0, 1, (40, 6))[patients] + 0.05 * rng.normal(0, 1, (480, 6))
    gap = d.split_gap(KNeighborsClassifier(1), X, coin, patients)
    assert gap.mixed.mean() > 0.95 and 0.25 < gap.by_patient.mean() < 0.75


@pytest.mark.parametrize(
    ("truth", "score", "words"),
    [([], [], "one length"), ([0, 1], [1], "one length"), ([0, 2], [0, 1], "0 or 1"), ([0, 1], [0, np.nan], "finite"),
     ([1, 1], [0, 1], "both kinds")],
)  # fmt: skip
def test_unusable_input_ends_in_a_sentence(truth, score, words):
    with pytest.raises(d.DiagnosticsError, match=words):
        d.roc(truth, score)
    with pytest.raises(d.DiagnosticsError, match=words):
        d.auc_interval(truth, score)
