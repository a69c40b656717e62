"""Checks, answers, data notes and figures: what the reader is told, and when."""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from PIL import Image

from helpers import course
from helpers.exercises import Answer, all_answers
from helpers.figures import core

ROOT = Path(__file__).resolve().parents[1]


def exercises_of_notebooks() -> set[str]:
    cells = [c for path in (ROOT / "notebooks").glob("0*.ipynb") for c in nbformat.read(path, 4).cells]
    return {n for c in cells if c.cell_type == "code" for n in re.findall(r'check_answer\("([\d.]+)"', c.source)}


def test_check_prints_the_claim_and_fails_with_it(capsys):
    course.check("water is 0 HU", np.bool_(True))
    assert capsys.readouterr().out == "✓ water is 0 HU\n"
    with pytest.raises(course.CheckFailed, match="water is 0 HU"):
        course.check("water is 0 HU", [])


@pytest.mark.parametrize(
    ("value", "tolerance", "right", "wrong"),
    [
        (3, 0, 3.0, 4),
        (0.5, 0.01, 0.509, 0.52),
        ("Lung", 0, " lung ", "liver"),
        ((2, 3), 0, [2, 3], (3, 2)),
        (True, 0, True, False),
        (True, 0, np.bool_(True), "yes"),
        (lambda text: "air" in text, 0, "the air", 7),
    ],
)
def test_answers_accept_what_is_right_only(value, tolerance, right, wrong):
    answer = Answer(value, hint="think", tolerance=tolerance)
    assert answer.accepts(right) and not answer.accepts(wrong) and not answer.accepts(object())


@pytest.mark.parametrize("number", sorted(all_answers()))
def test_every_exercise_has_an_answer_that_it_accepts(number, capsys):
    answer = all_answers()[number]
    example = answer.example if callable(answer.value) else answer.value
    assert answer.accepts(example), "the worked answer must be right"
    assert not answer.accepts("something else entirely") and len(answer.hint) > 15
    course.check_answer(number, None)
    assert "replace None" in capsys.readouterr().out


def test_notebooks_and_answers_name_the_same_exercises():
    assert exercises_of_notebooks() == set(all_answers())


def test_unknown_kind_of_data_is_refused():
    with pytest.raises(ValueError, match="simulated"):
        course.data_note("faces", "invented", "nothing")


def test_a_figure_needs_alt_text_and_is_small_and_repeatable():
    def picture() -> tuple[str, bytes]:
        figure, axes = plt.subplots()
        axes.plot([0, 1], [1, 0])
        encoded = core.encode(figure)
        with pytest.raises(ValueError, match="alternative text"):
            core.show(figure, alt="plot")
        plt.close(figure)
        return encoded

    (mime, first), (_, second) = picture(), picture()
    assert mime == "image/png" and first == second
    assert Image.open(BytesIO(first)).size == (750, 400) and len(first) < 20_000


def test_colours_of_lines_differ_in_grey_too():
    """Neighbours in the colour cycle must not melt into one in a grey print."""
    rgb = np.array([[int(c[k : k + 2], 16) for k in (1, 3, 5)] for c in core.COLOURS[:4]])
    grey = rgb @ [0.299, 0.587, 0.114]
    assert np.abs(np.diff(grey)).min() > 8
