"""The figures of notebook 03, second half: they say what they show, and the numbers on them are those handed in."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from helpers import diagnostics as d
from helpers.figures import evaluation, lungs_dl, pets, vgg
from helpers.nodules import Froc
from helpers.vgg_plan import plan


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def texts(figure) -> str:
    figure.canvas.draw()
    found = [text.get_text() for text in figure.findobj(plt.Text)]
    return "\n".join(found)


def test_networks_to_scale():
    figure = vgg.networks({"VGG16": plan("VGG16"), "VGG19": plan("VGG19")})
    said = texts(figure)
    assert "138.4 million weights, 30.9 GFLOP" in said and "143.7 million" in said
    slabs = [p for p in figure.axes[0].patches if p.get_height() > 0]
    heights = [p.get_height() for p in slabs]
    assert heights[0] == 224 and heights[2] == 112  # two convolutions, then the pooled maps
    assert "4 × 512" in said and "3 × 512" in said


def test_bars_of_weights_and_work():
    said = texts(vgg.weights_and_work({"VGG16": plan("VGG16")}))
    assert "102.8" in said and "million weights" in said and "GFLOP per picture" in said


def test_batch_titles_are_one_hot():
    said = texts(pets.batch(np.zeros((2, 8, 8, 3)), np.array([[1, 0], [0, 1]]), ["cats", "dogs"], "a batch"))
    assert "[1, 0]\ncats" in said and "[0, 1]\ndogs" in said


def test_verdicts_name_the_strange_ones():
    picture = np.zeros((8, 8, 3), np.uint8)
    said = texts(pets.verdicts({"a": picture, "b": picture}, np.array([0.9, 0.2]), np.array([0.5, 1.4])))
    assert "dog, strangeness 0.5" in said and "NEITHER, strangeness 1.4" in said


def test_rows_may_be_empty_and_confusion_shows_counts():
    said = texts(pets.rows_of_pictures({"most right": [(np.zeros((4, 4, 3)), "P 1.00")], "most wrong": []}))
    assert "none" in said and "P 1.00" in said
    assert "39\n98 %" in texts(pets.confusion_matrix([[39, 1], [0, 40]], ["cat", "dog"], "t"))


def test_learning_curves_have_a_line_per_way_and_the_chance_level():
    table = pd.DataFrame({10: [0.6, 0.7], 20: [0.8, 0.9]})
    figure = pets.learning_curves({"new": table, "scratch": table - 0.1})
    assert "coin toss" in texts(figure)
    assert figure.axes[0].lines[0].get_ydata() == pytest.approx([0.65, 0.85])


def test_evaluation_figures():
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1], 50)
    score = rng.normal(truth, 1)
    counts = d.confusion(truth, score)
    said = texts(evaluation.threshold(truth, score, 0.5, counts, "SIMULATED"))
    assert f"sensitivity {counts.sensitivity:.2f}" in said and str(counts.true_positive) in said
    area = d.auc_interval(truth, score, repeats=50)
    said = texts(evaluation.roc_curves({"x": d.roc(truth, score)}, {}, {"x": area}, "t"))
    assert f"AUC {area.value:.3f}" in said
    assert "PPV (%)" in texts(evaluation.prevalence({"t": (0.9, 0.95)}))
    found = d.calibration(truth, 1 / (1 + np.exp(-score)))
    assert f"ECE {found.ece:.3f}" in texts(evaluation.reliability({"x": found}, "t"))
    assert "mean 95 %" in texts(evaluation.split_gap(d.Gap(np.array([0.9, 1.0]), np.array([0.5, 0.5])), 0.5, "t"))


def test_lung_figures():
    said = texts(lungs_dl.u_shape((12, 24, 48), 128))
    assert "128² × 12" in said and "32² × 48" in said and said.count("hand across") == 2
    slices, truth = np.zeros((2, 36, 36)), np.zeros((2, 36, 36), bool)
    truth[:, 10:20, 10:20] = True
    figure = lungs_dl.errors(slices, truth, {"U-Net": truth, "classical": ~truth}, ["a", "b"])
    assert "missed" in texts(figure) and len(figure.axes) == 4
    said = texts(lungs_dl.dice_strips({"x": np.array([0.9, np.nan, 1.0])}, "t"))
    assert "0.950" in said
    assert "0.700" in texts(lungs_dl.transfer({"x": 0.9}, {"x": 0.7}, "t"))
    assert "vessel" in texts(lungs_dl.patches(np.zeros((5, 24, 24, 3)), ["nodule"] * 3 + ["vessel"] * 2, "t"))
    curve = Froc(np.array([0, 1.0]), np.array([0, 0.8]), 0.8)
    assert "2 scans" in texts(lungs_dl.froc_curves({"x": curve}, 2, "t"))
