"""Figures on evaluation: scores and threshold, ROC with a band, predictive values, calibration, two ways to split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from helpers.diagnostics import Calibration, Confusion, Gap, Interval, Roc, predictive_values
from helpers.figures.core import COLOURS


def threshold(truth: np.ndarray, score: np.ndarray, cut: float, counts: Confusion, title: str) -> Figure:
    """Histograms of the scores of both kinds with the threshold, and the four counts as a table."""
    fig, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.1), width_ratios=(1.7, 1))
    edges = np.linspace(score.min(), score.max(), 31)
    for kind, name, hatch in ((0, "healthy", ""), (1, "ill", "///")):
        look = {"color": COLOURS[kind], "hatch": hatch, "edgecolor": "white"}
        left.hist(score[truth == kind], edges, alpha=0.65, label=f"{name} ({int((truth == kind).sum())})", **look)
    left.axvline(cut, color="black", linestyle="--")
    left.text(cut, left.get_ylim()[1], " alarm →", va="top", fontsize=9)
    left.set(xlabel="score", ylabel="cases", title=title)
    left.legend(loc="upper left")
    table = np.array([[counts.true_positive, counts.false_negative], [counts.false_positive, counts.true_negative]])
    right.imshow([[1, 0], [0, 1]], cmap="Blues", vmin=-0.4, vmax=2.2)
    for (row, column), count in np.ndenumerate(table):
        right.text(column, row, str(count), ha="center", va="center", fontsize=15)
    right.set(xticks=[0, 1], yticks=[0, 1], xticklabels=["alarm", "all-clear"], yticklabels=["ill", "healthy"])
    right.set_title(f"sensitivity {counts.sensitivity:.2f}, specificity {counts.specificity:.2f}", fontsize=10)
    right.spines[:].set_visible(False)
    return fig


def roc_curves(
    curves: Mapping[str, Roc], bands: Mapping[str, Sequence[np.ndarray]], areas: Mapping[str, Interval], title: str
) -> Figure:
    """ROC curves with 95 % bands (false rate, low, high) and the areas with their intervals in the legend."""
    fig, ax = plt.subplots(figsize=(5.2, 4.3))
    for k, (name, curve) in enumerate(curves.items()):
        area = areas[name]
        text = f"{name}: AUC {area.value:.3f} [{area.low:.3f}, {area.high:.3f}]"
        ax.plot(curve.false_rate, curve.true_rate, color=COLOURS[k], linestyle=("-", "--", "-.")[k % 3], label=text)
        if name in bands:
            ax.fill_between(*bands[name], color=COLOURS[k], alpha=0.16, linewidth=0)
    ax.plot([0, 1], [0, 1], color="#888888", linewidth=1, linestyle=":")
    ax.set(xlabel="false alarm rate (1 - specificity)", ylabel="share found (sensitivity)")
    ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal", title=title)
    ax.legend(loc="lower right", fontsize=8)
    return fig


def prevalence(tests: Mapping[str, tuple[float, float]], marked: Sequence[float] = (0.01, 0.1, 0.5)) -> Figure:
    """PPV and NPV of tests (sensitivity, specificity) against the prevalence, on a logarithmic axis."""
    p = np.logspace(-3, np.log10(0.9), 200)
    fig, axes = plt.subplots(1, 2, figsize=(8.4, 3.2), sharex=True)
    for k, (name, (sensitivity, specificity)) in enumerate(tests.items()):
        for ax, values in zip(axes, predictive_values(sensitivity, specificity, p)):
            ax.plot(100 * p, 100 * values, color=COLOURS[k], linestyle=("-", "--", "-.")[k], label=name)
    for ax, title in zip(axes, ("An alarm: how often is it right?", "An all-clear: how often is it right?")):
        for value in marked:
            ax.axvline(100 * value, color="#bbbbbb", linewidth=0.8, zorder=0)
        ax.set(
            xscale="log",
            xlabel="prevalence (%)",
            title=title,
            xticks=[0.1, 1, 10, 50],
            xticklabels=["0.1", "1", "10", "50"],
        )
        ax.minorticks_off()
    axes[0].set(ylabel="PPV (%)", ylim=(0, 103))
    axes[1].set(ylabel="NPV (%)")
    axes[1].legend(loc="lower left", fontsize=8.5)
    return fig


def reliability(diagrams: Mapping[str, Calibration], title: str) -> Figure:
    """Observed share against predicted probability for each set, with the number of cases per bin below."""
    n = len(diagrams)
    fig, axes = plt.subplots(2, n, figsize=(3.3 * n, 4.9), height_ratios=(3, 1), sharex=True, squeeze=False)
    for k, (name, found) in enumerate(diagrams.items()):
        above, below = axes[:, k]
        above.plot([0, 1], [0, 1], color="#888888", linewidth=1, linestyle=":")
        above.plot(found.predicted, found.observed, color=COLOURS[k], marker="os^"[k % 3])
        above.set(ylim=(0, 1))
        above.set_title(f"{name}\nECE {found.ece:.3f}", fontsize=10, loc="center")
        middles = (np.arange(len(found.count)) + 0.5) / len(found.count)
        below.bar(middles, found.count, 0.9 / len(found.count), color=COLOURS[k])
        below.set(xlabel="predicted probability", xlim=(0, 1))
    axes[0, 0].set_ylabel("observed share")
    axes[1, 0].set_ylabel("cases")
    fig.suptitle(title, fontsize=11, fontweight="bold")
    return fig


def split_gap(gap: Gap, chance: float, title: str) -> Figure:
    """Accuracy (one dot per trial) when slices are dealt out singly and when whole patients are."""
    fig, ax = plt.subplots(figsize=(6.4, 2.5))
    for row, (values, name) in enumerate(
        ((gap.mixed, "slices dealt out singly"), (gap.by_patient, "whole patients dealt out"))
    ):
        ax.plot(values, np.full(len(values), row), "os"[row], color=COLOURS[row], alpha=0.75, markersize=7)
        ax.text(values.mean(), row - 0.22, f"{name}: mean {100 * values.mean():.0f} %", ha="center", fontsize=9)
    ax.axvline(chance, color="#777777", linestyle=":", linewidth=1.2)
    ax.text(chance - 0.01, 0.3, "coin toss", ha="right", va="center", fontsize=8.5, color="#555555")
    ax.set(
        xlim=(0, 1.03),
        ylim=(1.5, -0.5),
        yticks=[],
        xlabel="accuracy on test slices (one dot for each drawing of lots)",
        title=title,
    )
    ax.spines["left"].set_visible(False)
    return fig
