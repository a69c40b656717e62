"""The sonar table: 60 band strengths and a label in each row, R (rock) or M (mine, a metal cylinder).

`load` reads the UCI file "Connectionist Bench (Sonar, Mines vs. Rocks)" (doi 10.24432/C5T01Q) when it is there, the
reader's own CSV file when a path is given, and otherwise a SIMULATED table (`helpers.echoes`). Nothing is repaired in
silence: a bad row is refused with its line number.
"""

from __future__ import annotations

import csv
import math
import os
from collections import Counter
from pathlib import Path

import numpy as np

from helpers import datasets
from helpers.echoes import simulated_table
from helpers.many_seeds import Runs, fit_many, train_many

__all__ = ["BANDS", "EXPECTED", "GORMAN_SEJNOWSKI", "Runs", "SonarError", "Source", "fit_many", "load", "train_many"]

BANDS, LABELS = 60, ("M", "R")
MOST_CLASSES = 20  #: more different labels than this are numbers that were taken for labels

#: Mean accuracies in per cent where a correct repetition lands (20 stratified 60:40 splits; "SVM, 10-fold": repeated).
#: Measured once with settings fixed beforehand; outside a band something is wrong, inside it nothing is tuned.
EXPECTED: dict[str, dict[str, tuple[float, float]]] = {
    "fetched": {
        "plain network": (78, 84),
        "standardised network": (82, 86),
        "k-NN": (82, 87),
        "SVM-RBF": (84, 89),
        "extra trees": (84, 89),
        "SVM, 10-fold": (86, 89),
    },
    "simulated": {
        "plain network": (79, 87),
        "standardised network": (82, 90),
        "k-NN": (80, 89),
        "SVM-RBF": (85, 93),
        "extra trees": (82, 90),
        "SVM, 10-fold": (86, 94),
    },
}

#: Gorman & Sejnowski, Neural Networks 1 (1988) 75-89: hidden units -> test accuracy in per cent, as the description
#: of the data set repeats it. 13-fold over random rows (10 runs), and a fixed 104:104 split balanced by aspect angle.
GORMAN_SEJNOWSKI = {
    "hidden units": (0, 2, 3, 6, 12, 24),
    "random rows, 13-fold": (77.1, 81.9, 82.0, 83.5, 84.7, 84.5),
    "balanced angles, 104:104": (73.1, 85.7, 87.6, 89.3, 90.4, 89.2),
}


class SonarError(ValueError):
    """The table cannot be used; the message names the file, the line and the remedy."""


class Source(str):
    """Where a table came from, in words. `.kind` is fetched, own or simulated; `.notes` tells what was noticed."""

    kind: str
    notes: tuple[str, ...]

    def __new__(cls, words: str, kind: str, notes: tuple[str, ...] = ()) -> Source:
        made = super().__new__(cls, words)
        made.kind, made.notes = kind, notes
        return made

    def expected(self, model: str) -> tuple[float, float]:
        """The band for a model's mean accuracy in per cent; for the reader's own table nothing is known: 0 to 100."""
        return EXPECTED.get(self.kind, {}).get(model, (0.0, 100.0))


def load(
    path: str | os.PathLike | None = None, *, columns: int | None = BANDS, labels: tuple[str, ...] | None = LABELS
) -> tuple[np.ndarray, np.ndarray, Source]:
    """X (n, 60) float, y (n,) labels as text ("M", "R"), and the source of the table.

    `path`: None for the UCI table where it has been fetched, otherwise the simulated one; "sonar" insists on the UCI
    table; anything else is the reader's CSV file (comma, semicolon or tab; with or without a header line; the label in
    the one column that is not numeric, else the last). `columns` and `labels` say what is expected; None accepts any
    number of columns and any two or more labels. Raises SonarError in one or two sentences.
    """
    if path is None or not str(path).strip():
        found = datasets.find("sonar")
        if found is None:
            echoes = simulated_table()
            return (
                echoes.X,
                echoes.y,
                Source("a SIMULATED echo table, a physical toy drawn by helpers.echoes", "simulated"),
            )
        return _read(found, columns, labels, "the UCI sonar table (Gorman and Sejnowski 1988)", "fetched")
    if str(path).strip().casefold() == "sonar":
        known = datasets.resolve("sonar", expects="sonar")
        return _read(known, columns, labels, "the UCI sonar table (Gorman and Sejnowski 1988)", "fetched")
    own = Path(path).expanduser()
    return _read(own, columns, labels, f"your table {own.name}", "own")


def _read(path: Path, columns, labels, words: str, kind: str) -> tuple[np.ndarray, np.ndarray, Source]:
    rows, delimiter = _rows(path)
    width = columns + 1 if columns else Counter(len(cells) for _, cells in rows).most_common(1)[0][0]
    place = _label_place(rows, width)
    notes = []
    if _is_header(rows[0][1], place, labels):
        rows = rows[1:]
        notes.append("The first line holds names, not numbers, and was read as a header.")
    else:
        notes.append("No header line: the first line is data.")
    if not rows:
        raise SonarError(f"{path.name} has a header and no row below it; add the data.")
    faults = [fault for line, cells in rows if (fault := _fault(line, cells, width, place, labels, delimiter))]
    if faults:
        more = f" {len(faults) - 1} more lines have faults." if len(faults) > 1 else ""
        raise SonarError(f"{path.name}, {faults[0]}{more}")
    X = np.array([[_number(c, delimiter) for i, c in enumerate(cells) if i != place] for _, cells in rows])
    y = np.array([_label(cells[place], labels) for _, cells in rows])
    if len(set(y)) > MOST_CLASSES:
        raise SonarError(
            f"{path.name} has {len(set(y))} different labels in column {place + 1}; is a label column there?"
        )
    for (line, _), label in zip(rows, y):
        if len(set(y)) > 2 and np.sum(y == label) == 1:
            raise SonarError(
                f"{path.name}, line {line}: the label {str(label)!r} occurs once only; mend or delete the line."
            )
    if len(set(y)) < 2:
        raise SonarError(
            f"{path.name} holds only the class {str(y[0])!r}; a classifier needs rows of two classes at least."
        )
    return X, y, Source(words, kind, tuple(notes))


def _rows(path: Path) -> tuple[list[tuple[int, list[str]]], str]:
    """(line number, cells) of every line that is not blank, and the delimiter."""
    if path.is_dir():
        raise SonarError(f"{path.name} is a folder; give the CSV file inside it.")
    if not path.is_file():
        raise SonarError(f"{path.name} does not exist; check the path, or use None for the built-in table.")
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise SonarError(f"{path.name} is not a text file in UTF-8; save the table as CSV in UTF-8.") from None
    first = next((line for line in text.splitlines() if line.strip()), "")
    if not first or "\0" in text:
        raise SonarError(f"{path.name} is empty or no text; it needs lines of {BANDS} numbers and a label.")
    delimiter = max(";\t,", key=first.count)
    reader = csv.reader(text.splitlines(), delimiter=delimiter)
    return [
        (reader.line_num, [c.strip() for c in cells]) for cells in reader if any(c.strip() for c in cells)
    ], delimiter


def _label_place(rows, width: int) -> int:
    """The column of the labels: the first one that is text in most rows, else the last."""
    whole = [cells for _, cells in rows if len(cells) == width]
    for place in range(width):
        if whole and sum(_is_word(cells[place]) for cells in whole) > len(whole) / 2:
            return place
    return width - 1


def _is_word(cell: str) -> bool:
    return bool(cell) and cell != "?" and math.isnan(_number(cell, ";")) and cell.casefold() not in {"nan", "na"}


def _is_header(cells: list[str], place: int, labels) -> bool:
    """Names instead of numbers: no cell but the label's is a number, and the label is none of the known ones."""
    others = [cell for i, cell in enumerate(cells) if i != place]
    known = labels and place < len(cells) and _label(cells[place], labels) in labels
    return not known and bool(others) and all(_is_word(cell) for cell in others)


def _number(cell: str, delimiter: str) -> float:
    """The number in a cell, NaN when there is none; with semicolons between cells, a comma may mark decimals."""
    try:
        return float(cell.replace(",", ".") if delimiter == ";" else cell)
    except ValueError:
        return math.nan


def _label(cell: str, labels) -> str:
    """Labels are compared without regard to case where they are known."""
    return next((known for known in labels or () if known.casefold() == cell.casefold()), cell)


def _fault(line: int, cells: list[str], width: int, place: int, labels, delimiter: str) -> str | None:
    """What is wrong with a row, naming line and remedy, or None."""
    if len(cells) != width:
        return (
            f"line {line}: {len(cells)} columns instead of {width} ({width - 1} numbers and a label); mend the line, "
            "or call load(..., columns=None) for a table of another width."
        )
    for i, cell in enumerate(cells):
        if i != place and not math.isfinite(_number(cell, delimiter)):
            what = (
                "a missing value" if cell in {"", "?"} or cell.casefold() in {"nan", "na"} else f"{cell!r}, no number"
            )
            return f"line {line}, column {i + 1}: {what}; fill it in or delete the line."
    if not cells[place]:
        return f"line {line}: the label is missing; fill it in or delete the line."
    if labels and _label(cells[place], labels) not in labels:
        wrong = f"line {line}: the label is {cells[place]!r} instead of {' or '.join(labels)}"
        return f"{wrong}; rename it, or call load(..., labels=None)."
    return None
