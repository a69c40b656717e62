"""Splits that do not leak, intervals that cover, differences on the same splits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers import evaluation as ev

Y = np.array(["M"] * 111 + ["R"] * 97)


def test_stratified_splits_have_the_sizes_of_the_articles_and_never_share_a_row():
    for split in ev.stratified_splits(Y, range(5)):
        assert (len(split.train), len(split.test)) == (124, 84)
        assert not set(split.train) & set(split.test)
        assert sorted([*split.train, *split.test]) == list(range(208))
        assert (Y[split.test] == "M").sum() == 45


def test_a_seed_fixes_a_split():
    first, again, other = ev.stratified_splits(Y, [1, 1, 2])
    assert np.array_equal(first.test, again.test) and not np.array_equal(first.test, other.test)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 8), min_size=4, max_size=60).filter(lambda g: len(set(g)) > 2), st.integers(0, 1000))
def test_groups_stay_on_one_side(groups, seed):
    (split,) = ev.group_splits(groups, [seed])
    groups = np.array(groups)
    assert not set(groups[split.train]) & set(groups[split.test])


def test_leaking_pairs_are_refused():
    with pytest.raises(ValueError, match="both sides"):
        ev.as_splits([(np.array([0, 1, 2]), np.array([2, 3]))])
    with pytest.raises(ValueError, match="empty side"):
        ev.as_splits([([0, 1], [])])
    with pytest.raises(ValueError, match="one group"):
        ev.group_splits(np.zeros(10), [0])
    with pytest.raises(ValueError, match="two classes"):
        ev.stratified_splits(np.zeros(10), [0])


def test_scores_fit_preprocessing_on_training_rows_only():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)), np.repeat([0, 1], 30)
    X[y == 1] += 1
    model = make_pipeline(StandardScaler(), LogisticRegression())
    splits = ev.stratified_splits(y, range(3))
    table = ev.score_models({"a": model, "b": model}, X, y, splits)
    assert table.shape == (3, 2) and (table["a"] == table["b"]).all()
    fitted = model.fit(X[splits[0].train], y[splits[0].train])
    assert table["a"][0] == fitted.score(X[splits[0].test], y[splits[0].test])


def test_wilson_known_values():
    low, high = ev.wilson(0.8164 * 84, 84)
    assert (round(low, 2), round(high, 2)) == (0.72, 0.88)
    assert ev.wilson(0, 10)[0] == 0 and ev.wilson(10, 10)[1] == 1
    from scipy.stats import binomtest

    for right, n in ((0, 5), (3, 7), (68, 84), (84, 84)):
        theirs = binomtest(right, n).proportion_ci(method="wilson")
        np.testing.assert_allclose(ev.wilson(right, n), (theirs.low, theirs.high), atol=1e-12)
    with pytest.raises(ValueError, match="not a share"):
        ev.wilson(5, 4)


def test_only_one_fraction_prints_as_the_number_of_the_article():
    assert ev.fractions_that_print_as("81.64", 208) == [(169, 207)]
    assert ev.fractions_that_print_as("50", 4) == [(1, 2), (2, 4)]
    assert (5, 6) in ev.fractions_that_print_as("83.3", 10)


def test_paired_difference_is_wider_than_the_naive_interval_and_covers():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.85, 0.03, 20), rng.normal(0.80, 0.03, 20)
    d = ev.paired_difference(a, b)
    assert d.low < d.mean < d.high and d.mean == pytest.approx((a - b).mean())
    naive = 2.09 * (a - b).std(ddof=1) / np.sqrt(20)
    assert (d.high - d.low) / 2 > 2 * naive
    assert not ev.paired_difference(a, a).is_clear
    assert ev.paired_difference(a + 0.2, a + rng.normal(0, 0.001, 20)).is_clear
    with pytest.raises(ValueError, match="at least two"):
        ev.paired_difference([0.1], [0.2])


def test_learning_curve_keeps_test_rows_and_nests_training_rows():
    splits = ev.stratified_splits(Y, range(2))
    seen = {}

    def fit(pieces):
        seen[len(pieces[0].train)] = pieces
        return [len(p.train) for p in pieces]

    table = ev.learning_curve(fit, splits, Y, [10, 40, 124])
    assert table.iloc[0].tolist() == [10, 40, 124]
    for size in (10, 40):
        for piece, split in zip(seen[size], splits):
            assert np.array_equal(piece.test, split.test)
            assert set(piece.train) <= set(split.train)
            assert abs((Y[piece.train] == "M").mean() - 111 / 208) < 0.06
    assert set(seen[10][0].train) <= set(seen[40][0].train)
    with pytest.raises(ValueError, match="asked for"):
        ev.learning_curve(fit, splits, Y, [500])


def test_choosing_on_test_rows_flatters_even_where_there_is_nothing_to_learn():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(120, 5)), rng.integers(0, 2, 120)
    models = [LogisticRegression(C=10.0**c, max_iter=500) for c in range(-6, 3)]
    models += [make_pipeline(StandardScaler(), model) for model in models]
    table = ev.best_on_one_half(models, X, y, ev.stratified_splits(y, range(12)))
    assert table.shape == (12, 2)
    assert table["reported"].mean() > table["truth"].mean() + 0.02
    assert abs(table["truth"].mean() - 0.5) < 0.08


def test_pooled_accuracy_counts_every_test_row_once():
    splits = ev.as_splits([([0, 1, 2], [3]), ([3], [0, 1, 2])])
    right = np.array([[True, True, True, False], [True, True, False, False]])
    assert ev.pooled_accuracy(right, splits) == 0.5
