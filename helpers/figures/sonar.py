"""Figures on the sonar table: its bands, training, distributions over splits, leaks, learning curve."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from helpers.figures.core import COLOURS

BLUE, RED, GREEN = COLOURS[0], COLOURS[1], COLOURS[2]
STYLES = ("-", "--", ":", "-.")


def bands(X, y, title: str, *, quantity: str = "echo strength (largest = 1)", column: str = "frequency band") -> Figure:
    """Median and middle half of every column for each class."""
    fig, ax = plt.subplots(figsize=(8, 3.3))
    x = np.arange(1, X.shape[1] + 1)
    for label, colour, style in zip(np.unique(y), (RED, BLUE), STYLES):
        low, middle, high = np.percentile(X[y == label], (25, 50, 75), axis=0)
        ax.fill_between(x, low, high, color=colour, alpha=0.2, linewidth=0)
        ax.plot(x, middle, style, color=colour, label=f"{label}: median of {np.sum(y == label)} rows")
    ax.set(xlabel=column, ylabel=quantity, xlim=(1, X.shape[1]), title=title)
    if X.min() >= 0 and X.max() <= 1:
        ax.set_ylim(0, 1)
    ax.legend(loc="upper right")
    return fig


def head(fig: Figure, title: str) -> None:
    """One title for several panels."""
    fig.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")


def training(history: Mapping[str, list[float]], title: str) -> Figure:
    """Loss and accuracy per epoch as Keras' `fit` returns them; test rows maybe only every few epochs."""
    fig, axes = plt.subplots(1, 2, figsize=(8, 2.9))
    for ax, name in zip(axes, ("loss", "accuracy")):
        epochs = np.arange(1, len(history[name]) + 1)
        ax.plot(epochs, history[name], color=BLUE, label="training rows")
        every = len(epochs) // len(history[f"val_{name}"])
        ax.plot(epochs[every - 1 :: every], history[f"val_{name}"], "--", color=RED, label="test rows")
        ax.set(xlabel="epoch", ylabel=name)
    axes[1].set_ylim(0.4, 1.02)
    axes[1].legend(loc="lower right")
    head(fig, title)
    return fig


def dots_over_splits(table: pd.DataFrame, expected: Mapping[str, tuple[float, float]], title: str) -> Figure:
    """One dot for each split and model, the mean, one standard deviation, and the band where the mean belongs.

    `table`: accuracies 0..1, rows are splits, columns are models; `expected`: model -> band in per cent.
    """
    fig, ax = plt.subplots(figsize=(8, 0.62 * len(table.columns) + 1.3))
    chance = np.random.default_rng(0)
    for row, name in enumerate(table.columns):
        values = 100 * table[name].to_numpy()
        low, high = expected.get(name, (0, 0))
        ax.fill_betweenx((row - 0.4, row + 0.4), low, high, color="#E5E5E5", linewidth=0)
        ax.plot(values, row + chance.uniform(-0.22, 0.22, len(values)), "o", color=BLUE, markersize=4, alpha=0.6)
        ax.errorbar(values.mean(), row, xerr=values.std(ddof=1), color="black", marker="D", markersize=6, capsize=4)
    ax.set(
        yticks=range(len(table.columns)), yticklabels=table.columns, xlabel="accuracy on the test part, %", title=title
    )
    ax.set_ylim(len(table.columns) - 0.4, -0.6)
    ax.grid(axis="x")
    return fig


def published(table: Mapping[str, tuple[float, ...]], ours: Mapping[str, float], title: str) -> Figure:
    """The published accuracies against the number of hidden units, with our means as marks at their own size."""
    fig, ax = plt.subplots(figsize=(7.5, 3.2))
    units, place = table["hidden units"], np.arange(len(table["hidden units"]))
    for (name, values), marker, style in zip(list(table.items())[1:], "os", STYLES):
        ax.plot(place, values, style, marker=marker, label=f"1988: {name}")
    for (name, value), marker in zip(ours.items(), "D^"):
        ax.plot(len(units), value, marker, color="black", markersize=8, label=f"here: {name}")
    ax.set(xticks=[*place, len(units)], xticklabels=[*units, 60], xlabel="hidden units", ylabel="accuracy, %")
    ax.set_title(title)
    ax.legend(loc="lower center")
    ax.grid(axis="y")
    return fig


def counts(right: Mapping[str, np.ndarray], mark: int | None, n: int, title: str) -> Figure:
    """Histograms of how many of n rows each network gets right, and a line at one count, if there is one to mark."""
    fig, ax = plt.subplots(figsize=(7.5, 2.8))
    everything = np.concatenate([*right.values(), [] if mark is None else [mark]])
    edges = np.arange(everything.min() - 3.5, everything.max() + 4.5, 2)
    for (name, values), colour, hatch in zip(right.items(), (BLUE, COLOURS[4]), ("", "//")):
        ax.hist(values, edges, color=colour, alpha=0.6, hatch=hatch, edgecolor="white", label=name)
    if mark is not None:
        ax.axvline(mark, color=RED, linestyle="--")
        ax.text(mark + 0.3, ax.get_ylim()[1], f"{mark}/{n} = {100 * mark / n:.2f} %", color=RED, va="top", fontsize=9)
    ax.set(xlabel=f"rows right, of {n}", ylabel="networks", title=title)
    ax.legend(loc="upper left", bbox_to_anchor=(0.2, 0.85))
    return fig


def neighbours(distance: np.ndarray, title: str) -> Figure:
    """How many lines away in the file each row's nearest neighbour stands, beside what chance would give."""
    n = len(distance)
    edges = np.arange(0.5, 61, 2)
    apart = np.arange(1, n)
    by_chance = np.histogram(apart, edges, weights=2 * (n - apart) / (n - 1))[0]
    fig, ax = plt.subplots(figsize=(7.5, 2.7))
    ax.hist(distance, edges, color=BLUE, alpha=0.75, label="this table")
    ax.step(edges, [*by_chance, by_chance[-1]], where="post", color=RED, linestyle="--", label="rows in random order")
    ax.set(xlabel="lines between a row and the row most like it", ylabel="rows", title=title)
    ax.legend()
    return fig


def orders(table: pd.DataFrame, chance: float, title: str) -> Figure:
    """Accuracy under several ways to form folds: rows of the table are models, columns the ways."""
    fig, ax = plt.subplots(figsize=(7.5, 3.1))
    for (name, values), marker, style in zip(table.iterrows(), "osD^", STYLES):
        ax.plot(table.columns, 100 * values, style, marker=marker, label=name)
    ax.axhline(100 * chance, color="#777777", linewidth=1)
    ax.text(-0.15, 100 * chance - 0.8, "always the larger class", fontsize=9, va="top")
    low, high = 100 * min(table.to_numpy().min(), chance), 100 * table.to_numpy().max()
    ax.set(ylabel="accuracy, %", ylim=(min(45, low - 8), max(95, min(high + 5, 102))), title=title)
    ax.set_xlim(-0.2, len(table.columns) - 0.8)
    ax.grid(axis="y")
    ax.legend()
    return fig


def pairs(cases: Mapping[str, tuple[np.ndarray, np.ndarray, str, str]], title: str, chance: float = 0.5) -> Figure:
    """Staged mistakes: for each, the scores with and without it, split by split, joined by lines.

    `cases`: name -> (with the mistake, without it, words below the first, words below the second), scores 0..1.
    `chance`: the accuracy of always naming the larger class, drawn as a dotted line.
    """
    fig, axes = plt.subplots(1, len(cases), figsize=(8.2, 3.4), sharey=True)
    for ax, (name, (wrong, fair, below_wrong, below_fair)) in zip(np.atleast_1d(axes), cases.items()):
        for a, b in zip(wrong, fair):
            ax.plot((0, 1), (100 * a, 100 * b), color="#BBBBBB", linewidth=0.8)
        for x, values, colour, marker in ((0, wrong, RED, "s"), (1, fair, BLUE, "o")):
            ax.plot(np.full(len(values), x), 100 * np.asarray(values), marker, color=colour, markersize=4, alpha=0.6)
            ax.plot(x, 100 * np.mean(values), "_", color="black", markersize=26, markeredgewidth=2.5)
        ax.axhline(100 * chance, color="#777777", linewidth=0.8, linestyle=":")
        ax.set(xticks=(0, 1), xticklabels=(below_wrong, below_fair), xlim=(-0.5, 1.5))
        ax.set_title(name, fontsize=10, fontweight="normal")
    np.atleast_1d(axes)[0].set_ylabel("accuracy, %")
    head(fig, title)
    return fig


def learning(curves: Mapping[str, pd.DataFrame], title: str) -> Figure:
    """Accuracy against the number of training rows: mean and one standard deviation over the splits."""
    fig, ax = plt.subplots(figsize=(7.5, 3.3))
    for (name, table), colour, marker, style in zip(curves.items(), (BLUE, RED, GREEN), "osD", STYLES):
        mean, sd = 100 * table.mean(), 100 * table.std()
        ax.fill_between(table.columns, mean - sd, mean + sd, color=colour, alpha=0.13, linewidth=0)
        ax.plot(table.columns, mean, style, color=colour, marker=marker, label=name)
    ax.set(xlabel="training rows", ylabel="accuracy on the test part, %", xlim=(0, None), title=title)
    ax.grid(axis="y")
    ax.legend(loc="lower right")
    return fig


def intervals(cases: Mapping[str, tuple[float, float, float]]) -> Figure:
    """Shares with their intervals in per cent: name -> (low, share, high) in 0..1."""
    fig, ax = plt.subplots(figsize=(7.5, 0.45 * len(cases) + 1.1))
    for row, (low, share, high) in enumerate(cases.values()):
        ax.plot((100 * low, 100 * high), (row, row), color=BLUE, linewidth=3)
        ax.plot(100 * share, row, "D", color="black", markersize=6)
        ax.text(100 * high + 0.6, row, f"{100 * low:.0f} to {100 * high:.0f} %", va="center", fontsize=9)
    ax.set(yticks=range(len(cases)), yticklabels=list(cases), xlabel="accuracy, % (95 % interval)", xlim=(60, 100))
    ax.set_ylim(len(cases) - 0.4, -0.6)
    ax.grid(axis="x")
    return fig
