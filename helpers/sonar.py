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
MISSING = {"", "?", "-", "na", "n/a", "nan", "null", "none"}  #: what stands for a missing value, in small letters

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
    path: str | os.PathLike | None = None,
    *,
    columns: int | None = BANDS,
    labels: tuple[str, ...] | None = LABELS,
    per_class: int = 2,
) -> tuple[np.ndarray, np.ndarray, Source]:
    """X (n, 60) float, y (n,) labels as text ("M", "R"), and the source of the table.

    `path`: None for the UCI table where it has been fetched, otherwise the simulated one; "sonar" insists on the UCI
    table; anything else is the reader's CSV file (comma, semicolon or tab; with or without a header line; lines that
    begin with # are left out; the label in the column that is not numeric, else in the last or the first one,
    whichever has fewer different entries). `columns` and `labels` say what is expected; None accepts any number of
    columns and any two labels. `per_class`: so many rows each class must have. Raises SonarError in a sentence or two.
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
        return _read(found, columns, labels, per_class, "the UCI sonar table (Gorman and Sejnowski 1988)", "fetched")
    if str(path).strip().casefold() == "sonar":
        known = datasets.resolve("sonar", expects="sonar")
        return _read(known, columns, labels, per_class, "the UCI sonar table (Gorman and Sejnowski 1988)", "fetched")
    own = Path(path).expanduser()
    return _read(own, columns, labels, per_class, f"your table {own.name}", "own")


def _read(path: Path, columns, labels, per_class, words, kind) -> tuple[np.ndarray, np.ndarray, Source]:
    rows, delimiter, notes = _rows(path)
    width = columns + 1 if columns else Counter(len(cells) for _, cells in rows).most_common(1)[0][0]
    place = _label_place(rows, width)
    header = rows[0] if _is_header(rows[0][1], place, labels) else None
    if header:
        rows = rows[1:]
        notes.insert(0, "The first line holds names, not numbers, and was read as a header.")
    else:
        notes.insert(0, "No header line: the first line is data.")
    if not rows:
        raise SonarError(f"{path.name} has a header and no row below it; add the data.")
    faults = [fault for line, cells in rows if (fault := _fault(line, cells, width, place, labels, delimiter))]
    if header and len(header[1]) != width:
        faults.append(f"line {header[0]}: {len(header[1])} names above {width} columns; mend or delete the header.")
    if faults:
        more = f" {len(faults) - 1} more lines have faults." if len(faults) > 1 else ""
        raise SonarError(f"{path.name}, {faults[0]}{more}")
    X = np.array([[_number(c, delimiter) for i, c in enumerate(cells) if i != place] for _, cells in rows])
    y = np.array([_label(cells[place], labels) for _, cells in rows])
    fault = _class_fault([line for line, _ in rows], y.tolist(), place, per_class) or _index_fault(X, place)
    if fault:
        raise SonarError(f"{path.name} {fault}")
    notes.append(f"The labels stand in column {place + 1}.")
    if copies := len(X) - len(np.unique(X, axis=0)):
        notes.append(f"Rows that repeat an earlier row: {copies}; a copy on the other side of a split leaks.")
    return X, y, Source(words, kind, tuple(notes))


def _rows(path: Path) -> tuple[list[tuple[int, list[str]]], str, list[str]]:
    """(line number, cells) of every line with data, the delimiter, and what was left out."""
    if path.is_dir():
        raise SonarError(f"{path.name} is a folder; give the CSV file inside it.")
    if not path.is_file():
        raise SonarError(f"{path.name} does not exist; check the path, or use None for the built-in table.")
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise SonarError(f"{path.name} is not a text file in UTF-8; save the table as CSV in UTF-8.") from None
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not lines or "\0" in text:
        raise SonarError(f"{path.name} is empty or no text; it needs lines of numbers and a label.")
    data = [(number, line) for number, line in lines if not line.lstrip().startswith(("#", "sep="))]
    # A comma may mark decimals, so it separates columns only where nothing else does.
    delimiter = next((d for d in ";\t" if sum(d in line for _, line in data) > len(data) / 2), ",")
    # Line by line, so that a quotation mark left open spoils its own line and no other.
    rows = [(number, [c.strip() for c in next(csv.reader([line], delimiter=delimiter))]) for number, line in data]
    if all(len(cells) < 2 for _, cells in rows):
        raise SonarError(f"{path.name} has no columns; save the table with commas, semicolons or tabs between them.")
    notes = ["Lines that begin with # or sep= were left out."] if len(data) < len(lines) else []
    if all(not cells[-1] for _, cells in rows):
        rows = [(number, cells[:-1]) for number, cells in rows]
        notes.append("The empty last column was left out.")
    return [(number, cells) for number, cells in rows if any(cells)], delimiter, notes


def _label_place(rows, width: int) -> int:
    """The column of the labels: the text column, else the last or first one, with the fewest different entries."""
    columns = list(zip(*(cells for _, cells in rows if len(cells) == width)))
    text = [place for place, column in enumerate(columns) if sum(map(_is_word, column)) > len(column) / 2]

    def variety(place: int) -> float:
        entries = set(columns[place][1:])  # the first may be a name
        return len(entries) if len(entries) > 1 else math.inf

    return min(text or (width - 1, 0), key=variety) if columns else width - 1


def _is_word(cell: str) -> bool:
    return cell.casefold() not in MISSING and math.isnan(_number(cell, ";"))


def _is_header(cells: list[str], place: int, labels) -> bool:
    """Names instead of numbers: no cell but the label's is a number, and the label is none of the known ones."""
    others = [cell for i, cell in enumerate(cells) if i != place]
    known = labels and place < len(cells) and _label(cells[place], labels) in labels
    return not known and any(map(_is_word, others)) and all(_is_word(cell) or not cell for cell in others)


def _number(cell: str, delimiter: str) -> float:
    """The number in a cell, NaN when there is none; with semicolons or tabs between cells, a comma marks decimals."""
    if "_" in cell:  # Python would read 1_0 as 10
        return math.nan
    try:
        return float(cell if delimiter == "," else cell.replace(",", "."))
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
            if cell.casefold() in MISSING:
                return f"line {line}, column {i + 1}: a missing value; fill it in or delete the line."
            hint = " (decimal commas need semicolons or tabs between the columns)" if "," in cell else ""
            return f"line {line}, column {i + 1}: {cell!r}, no number; mend it{hint} or delete the line."
    if cells[place].casefold() in MISSING:
        return f"line {line}: the label is missing; fill it in or delete the line."
    if labels and _label(cells[place], labels) not in labels:
        wrong = f"line {line}: the label is {cells[place]!r} instead of {' or '.join(labels)}"
        return f"{wrong}; rename it, or call load(..., labels=None)."
    return None


def _class_fault(lines: list[int], y: list[str], place: int, per_class: int) -> str | None:
    """What is wrong with the labels taken together, or None."""
    counts = Counter(y)
    if len(counts) > max(2, min(MOST_CLASSES, len(y) / 2)):
        return f"has {len(counts)} different labels in column {place + 1}; is a label column there?"
    if len(counts) < 2:
        return f"holds only the class {y[0]!r}; a classifier needs rows of two classes, so add the other one."
    rarest, rows = min(counts.items(), key=lambda item: item[1])
    where = f"line {lines[y.index(rarest)]}"
    if len(counts) > 2:
        found = ", ".join(f"{label!r}: {n}" for label, n in sorted(counts.items()))
        return f"holds {len(counts)} classes ({found}; {rarest!r} first in {where}); keep two, or merge them to two."
    if rows < per_class:
        return f"needs {per_class} rows of each class at least; {rarest!r} (first in {where}) has {rows}, so add rows."
    return None


def _index_fault(X: np.ndarray, place: int) -> str | None:
    """A first column that only counts the rows would tell their order, and in a sorted table the class."""
    if len(X) < 3 or np.any(np.diff(X[:, 0]) != 1):
        return None
    return f"only counts its rows in column {1 + (place == 0)}; delete that column, it would give the answer away."
