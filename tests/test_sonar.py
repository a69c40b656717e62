"""The sonar table: reading, refusing, simulating; many networks at once against Keras, one by one."""

from __future__ import annotations

import numpy as np
import pytest

from helpers import datasets, sonar
from helpers.echoes import simulated_table
from helpers.evaluation import Split, group_splits, score_models, stratified_splits
from helpers.many_seeds import _first_weights, _row_order, fit_many, train_many, two_classes

TABLE = simulated_table()


def write(folder, rows, name="table.csv", delimiter=",", header=None):
    lines = [delimiter.join([*(f"{v:.4f}" for v in x), label]) for x, label in rows]
    path = folder / name
    path.write_text("\n".join(([header] if header else []) + lines) + "\n", "utf-8")
    return path


ROWS = list(zip(TABLE.X[90:110], TABLE.y[90:110]))


# --- reading ------------------------------------------------------------------------------------------------------


@pytest.mark.real_data
def test_the_real_table(medimg_data, monkeypatch):
    monkeypatch.setenv("MEDIMG_DATA", str(medimg_data))
    X, y, source = sonar.load()
    assert X.shape == (208, 60) and source.kind == "fetched"
    assert dict(zip(*np.unique(y, return_counts=True))) == {"M": 111, "R": 97}
    assert X.min() >= 0 and X.max() <= 1
    assert X[0, :3].tolist() == [0.02, 0.0371, 0.0428]  # the first record is data, not a header
    assert "No header" in source.notes[0]


def test_without_the_file_the_simulated_table_says_so(monkeypatch):
    monkeypatch.setattr(datasets, "find", lambda name: None)
    X, y, source = sonar.load()
    assert X.shape == (208, 60) and source.kind == "simulated" and "SIMULATED" in source
    assert dict(zip(*np.unique(y, return_counts=True))) == {"M": 111, "R": 97}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_own_table_with_and_without_header(tmp_path, delimiter):
    header = delimiter.join([f"band {i}" for i in range(60)] + ["object"])
    for first, said in ((None, "No header"), (header, "header")):
        X, y, source = sonar.load(write(tmp_path, ROWS, delimiter=delimiter, header=first))
        np.testing.assert_allclose(X, TABLE.X[90:110], atol=1e-9)
        assert y.tolist() == TABLE.y[90:110].tolist()
        assert source.kind == "own" and source.startswith("your table") and said in source.notes[0]


def test_label_column_first_decimal_commas_blank_lines_and_small_letters(tmp_path):
    path = tmp_path / "deutsch.csv"
    lines = [";".join([label.lower(), *(f"{v:.4f}".replace(".", ",") for v in x)]) for x, label in ROWS]
    path.write_text("\ufeff" + "\r\n\r\n".join(lines), "utf-8")
    X, y, _ = sonar.load(path)
    np.testing.assert_allclose(X, TABLE.X[90:110], atol=1e-9)
    assert set(y) == {"M", "R"}


def test_any_width_and_any_labels_when_asked(tmp_path):
    rows = [(x[:7], {"M": "1", "R": "-1"}[label]) for x, label in ROWS]
    X, y, _ = sonar.load(write(tmp_path, rows), columns=None, labels=None)
    assert X.shape == (20, 7) and set(y) == {"1", "-1"}
    assert len(train_many(X, y, [0], epochs=2)) == 1


def test_what_spreadsheets_add_is_left_out_and_told(tmp_path):
    path = write(tmp_path, ROWS)
    good = path.read_text().splitlines()
    for lines, told in (
        (["# measured by hand", *good[:5], "# a pause", *good[5:]], "begin with #"),
        (["sep=;", *(line.replace(",", ";") for line in good)], "sep="),
        ([line + "," for line in good], "empty last column"),
        ([*good, good[0]], "repeat an earlier row: 1"),
        ([line.replace(",", "\t").replace(".", ",") for line in good], "labels stand in column 61"),
    ):
        path.write_text("\n".join(lines))
        X, _, source = sonar.load(path)
        np.testing.assert_allclose(X[:20], TABLE.X[90:110], atol=1e-9)
        assert any(told in note for note in source.notes)


@pytest.mark.parametrize("first", [True, False])
def test_labels_in_numbers_are_found_at_either_end(tmp_path, first):
    lines = []
    for x, label in ROWS:
        cells = [f"{v:.4f}" for v in x]
        lines.append(",".join(["01"[label == "M"], *cells] if first else [*cells, "01"[label == "M"]]))
    path = tmp_path / "numbers.csv"
    path.write_text("\n".join(lines))
    X, y, source = sonar.load(path, labels=None)
    assert X.shape == (20, 60) and set(y) == {"0", "1"}
    assert source.notes[-1] == f"The labels stand in column {1 if first else 61}."


def broken(line: str) -> str:
    good = [",".join([*(f"{v:.4f}" for v in x), label]) for x, label in ROWS]
    return "\n".join([*good[:3], line, *good[3:]])


def test_any_width_still_refuses_what_cannot_be_meant(tmp_path):
    rows = [(x[:7], label) for x, label in ROWS]
    path = write(tmp_path, rows)
    good = path.read_text().splitlines()
    number = [f"{line[:-2]},0.{i:03d}" for i, line in enumerate(good)]
    for lines, words in (
        ([good[0] + ",0.5", *good[1:]], "line 1: 9 columns instead of 8"),
        ([*good, good[0].replace(",R", ",r.")], "3 classes .*'r.' first in line 21"),
        (number, "20 different labels in column 8"),
        ([*good[7:], good[0]], "2 rows of each class at least; 'R' .first in line 14. has 1"),
        ([f"{i},{line}" for i, line in enumerate(good)], "counts its rows in column 1; delete"),
        ([f"P{i},{line}" for i, line in enumerate(good)], "line 1, column 1: 'P0', no number"),
        (["a,b,c,d,e,f,g", *good], "line 1: 7 names above 8 columns"),
        ([line.replace(",", "|") for line in good], "no columns; save"),
    ):
        path.write_text("\n".join(lines))
        with pytest.raises(sonar.SonarError, match=words):
            sonar.load(path, columns=None, labels=None)


NUMBERS = ",".join(["0.5"] * 60)


@pytest.mark.parametrize(
    "text, words",
    [
        ("", "empty"),
        ("\n\n", "empty"),
        (broken(NUMBERS), "line 4: 60 columns instead of 61"),
        (broken(NUMBERS + ",0.5,M"), "line 4: 62 columns"),
        (broken(NUMBERS.replace("0.5", "", 1) + ",M"), "line 4, column 1: a missing value"),
        (broken(NUMBERS.replace("0.5", "?", 1) + ",M"), "line 4, column 1: a missing value"),
        (broken(NUMBERS.replace("0.5", "nan", 1) + ",M"), "line 4, column 1: a missing value"),
        (broken(NUMBERS.replace("0.5", "N/A", 1) + ",M"), "line 4, column 1: a missing value"),
        (broken(NUMBERS + ",nan"), "line 4: the label is missing"),
        (broken('"' + NUMBERS + ",M"), "line 4: 1 columns instead of 61"),
        (broken(NUMBERS.replace("0.5", '"0,5"', 1) + ",M"), "decimal commas need semicolons"),
        (broken(NUMBERS.replace("0.5", "inf", 1) + ",M"), "line 4, column 1"),
        (broken(NUMBERS.replace("0.5", "o.5", 1) + ",M"), "'o.5', no number"),
        (broken(NUMBERS.replace("0.5", "1_0", 1) + ",M"), "'1_0', no number"),
        (broken(NUMBERS + ",X"), "line 4: the label is 'X' instead of M or R"),
        (broken(NUMBERS + ","), "line 4: the label is missing"),
        ("\n".join([NUMBERS + ",R"] * 5), "only the class 'R'"),
        (",".join(f"b{i}" for i in range(61)), "no row below"),
        ("0.5,0.5,R\n0.5,0.5,M", "line 1: 3 columns instead of 61"),
    ],
)
def test_bad_tables_are_refused_with_line_and_remedy(tmp_path, text, words):
    path = tmp_path / "bad.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(sonar.SonarError, match=words) as caught:
        sonar.load(path)
    assert "bad.csv" in str(caught.value) and str(tmp_path) not in str(caught.value)


def test_bad_first_row_is_a_bad_row_not_a_header(tmp_path):
    path = tmp_path / "bad.csv"
    path.write_text("\n".join([NUMBERS.replace("0.5", "?", 1) + ",M", NUMBERS + ",R"]))
    with pytest.raises(sonar.SonarError, match="line 1, column 1"):
        sonar.load(path)


def test_folder_missing_file_and_binary(tmp_path):
    (tmp_path / "noise.csv").write_bytes(bytes(range(256)) * 10)
    for path, words in (
        (tmp_path, "folder"),
        (tmp_path / "no.csv", "does not exist"),
        (tmp_path / "noise.csv", "UTF-8"),
    ):
        with pytest.raises(sonar.SonarError, match=words):
            sonar.load(path)


# --- the simulated table ------------------------------------------------------------------------------------------


def test_simulated_table_is_shaped_and_ordered_like_the_real_one():
    assert np.array_equal(TABLE.X, simulated_table().X)
    assert TABLE.X.shape == (208, 60) and TABLE.X.min() >= 0 and TABLE.X.max() == 1
    assert "".join(TABLE.y) == "R" * 97 + "M" * 111
    assert np.all(np.diff(TABLE.group) >= 0)
    for group in np.unique(TABLE.group):
        assert np.all(np.diff(TABLE.angle[TABLE.group == group]) >= 0)
        assert len(set(TABLE.y[TABLE.group == group])) == 1


def test_simulated_neighbours_look_alike_and_leak():
    from sklearn.neighbors import KNeighborsClassifier

    near = np.linalg.norm(np.diff(TABLE.X, axis=0), axis=1)[np.diff(TABLE.group) == 0].mean()
    rng = np.random.default_rng(0)
    far = np.linalg.norm(TABLE.X - TABLE.X[rng.permutation(208)], axis=1).mean()
    assert near < 0.7 * far
    models = {"k": KNeighborsClassifier(1)}
    random = score_models(models, TABLE.X, TABLE.y, stratified_splits(TABLE.y, range(20)))["k"].mean()
    apart = score_models(models, TABLE.X, TABLE.y, group_splits(TABLE.group, range(20)))["k"].mean()
    assert random - apart > 0.15


# --- many networks at once ----------------------------------------------------------------------------------------


def keras_network(weights, seed=0):
    from helpers.frameworks import keras

    layers = [keras.layers.Dense(60, activation="relu"), keras.layers.Dense(1, activation="sigmoid")]
    model = keras.Sequential([keras.layers.Input((weights[0].shape[1],)), *layers])
    model.compile("adam", "binary_crossentropy")
    model.set_weights([weights[0][seed], weights[1][seed, 0], weights[2][seed], weights[3][seed, 0]])
    return model


def test_many_networks_take_the_very_steps_keras_takes():
    splits, truth = stratified_splits(TABLE.y, [3, 4]), two_classes(TABLE.y)
    generators = [np.random.default_rng([seed, 1]) for seed in (3, 4)]
    model = keras_network(_first_weights(generators, 60, 60), seed=1)
    for _ in range(3):
        order = _row_order(generators, splits)[0][1]
        for start in range(0, len(order), 8):
            rows = order[start : start + 8]
            model.train_on_batch(TABLE.X[rows].astype("float32"), truth[rows][:, None])
    runs = fit_many(TABLE.X, TABLE.y, splits, seeds=[3, 4], epochs=3)
    for theirs, ours in zip(model.get_weights(), runs.weights):
        np.testing.assert_allclose(theirs, ours[1].reshape(theirs.shape), atol=2e-5)
    assert model.count_params() == 3721


def test_together_or_one_by_one_gives_the_same_accuracies():
    together = train_many(TABLE.X, TABLE.y, [0, 1, 2], epochs=30)
    alone = [train_many(TABLE.X, TABLE.y, [seed], epochs=30)[0] for seed in (0, 1, 2)]
    np.testing.assert_allclose(together, alone, atol=1.5 / 84)  # one flipped row at most


def test_twenty_seeds_give_twenty_accuracies_of_eighty_four_rows():
    accuracies = train_many(TABLE.X, TABLE.y)
    assert accuracies.shape == (20,) and np.allclose(accuracies * 84, np.round(accuracies * 84))


def test_no_network_sees_a_test_row():
    splits = stratified_splits(TABLE.y, [0, 1])
    changed = TABLE.X.copy()
    changed[splits[0].test] = 0.5
    for scaled in (False, True):
        runs = [fit_many(X, TABLE.y, splits, epochs=3, standardise=scaled) for X in (TABLE.X, changed)]
        np.testing.assert_array_equal(runs[0].weights[0][0], runs[1].weights[0][0])
    leaky = [fit_many(X, TABLE.y, splits, epochs=3, standardise="leaky") for X in (TABLE.X, changed)]
    assert not np.array_equal(leaky[0].weights[0][0], leaky[1].weights[0][0])


def test_folds_of_unequal_size_train_on_their_own_rows_only():
    rows = np.arange(208)
    splits = [Split(rows[:100], rows[100:]), Split(rows[50:101], rows[101:])]
    both = fit_many(TABLE.X, TABLE.y, splits, epochs=2, batch_size=51)
    alone = fit_many(TABLE.X, TABLE.y, splits[1:], seeds=[1], epochs=2, batch_size=51)
    np.testing.assert_allclose(both.weights[0][1], alone.weights[0][0], atol=1e-6)


def test_shuffled_labels_give_chance():
    shuffled = np.random.default_rng(0).permutation(TABLE.y)
    assert abs(train_many(TABLE.X, shuffled, range(10)).mean() - 0.5) < 0.09


@pytest.mark.real_data
def test_bands_of_the_real_table(medimg_data, monkeypatch):
    monkeypatch.setenv("MEDIMG_DATA", str(medimg_data))
    X, y, source = sonar.load()
    for standardise, name in ((False, "plain network"), (True, "standardised network")):
        low, high = source.expected(name)
        assert low <= 100 * train_many(X, y, standardise=standardise).mean() <= high


def test_labels_are_numbered_in_sorted_order():
    assert two_classes(["R", "M", "R"]).tolist() == [1, 0, 1]


def test_refusals():
    with pytest.raises(ValueError, match="exactly two"):
        train_many(TABLE.X, np.repeat(["a", "b", "c", "d"], 52), [0])
    with pytest.raises(ValueError, match="one seed for each"):
        fit_many(TABLE.X, TABLE.y, stratified_splits(TABLE.y, [0]), seeds=[1, 2])
