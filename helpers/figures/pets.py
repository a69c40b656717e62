"""Figures on cats and dogs: batches with one-hot labels, verdicts, heat maps, extremes, confusion, learning curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.transforms import blended_transform_factory

from helpers.figures.core import COLOURS


def _plain(ax, picture: np.ndarray, title: str = "", size: float = 9) -> None:
    ax.imshow(np.clip(np.rint(picture), 0, 255).astype(np.uint8))
    ax.set_title(title, fontsize=size, loc="center", fontweight="normal")
    ax.set(xticks=[], yticks=[])


def batch(pictures: np.ndarray, labels: np.ndarray, class_names: Sequence[str], title: str) -> Figure:
    """Pictures (b, h, w, 3) in a row, each titled by its one-hot label (b, classes) and the class it stands for."""
    fig, axes = plt.subplots(1, len(pictures), figsize=(2.0 * len(pictures), 2.6), squeeze=False)
    for ax, picture, label in zip(axes[0], pictures, labels):
        text = "[" + ", ".join(f"{value:.0f}" for value in label) + "]"
        _plain(ax, picture, f"{text}\n{class_names[int(np.argmax(label))]}")
    fig.suptitle(title, fontsize=11, fontweight="bold")
    return fig


def verdicts(pictures: Mapping[str, np.ndarray], dog: np.ndarray, strangeness: np.ndarray) -> Figure:
    """Pictures with the probability of dog as a bar below, and the distance from everything the network has seen."""
    fig, axes = plt.subplots(
        2, len(pictures), figsize=(1.9 * len(pictures), 2.5), height_ratios=(3.2, 1), squeeze=False
    )
    for above, below, (name, picture), p, far in zip(axes[0], axes[1], pictures.items(), dog, strangeness):
        _plain(above, picture, name)
        below.barh([0], [1], color="white", edgecolor="#666666", linewidth=0.8)
        below.barh([0], [p], color=COLOURS[0], edgecolor="#666666", linewidth=0.8)
        below.set(xlim=(0, 1), ylim=(-0.55, 0.55), yticks=[], xticks=[0, 0.5, 1], xticklabels=["cat", "", "dog"])
        below.axvline(0.5, color="black", linewidth=0.7)
        word = "NEITHER" if far > 1 else ("dog" if p > 0.5 else "cat")
        weight = "bold" if far > 1 else "normal"
        below.set_title(f"{word}, strangeness {far:z.1f}", fontsize=8.5, loc="center", fontweight=weight)
    return fig


def heat_maps(picture: np.ndarray, heats: Mapping[str, np.ndarray], title: str) -> Figure:
    """A picture, and beside it heat maps (h, w) in 0..1 laid over its grey version."""
    fig, axes = plt.subplots(1, 1 + len(heats), figsize=(2.7 * (1 + len(heats)), 2.9))
    _plain(axes[0], picture, "what goes in")
    for ax, (name, heat) in zip(axes[1:], heats.items()):
        ax.imshow(picture.mean(-1), cmap="gray")
        shown = ax.imshow(heat, cmap="inferno", alpha=0.55, vmin=0, vmax=1)
        ax.set_title(name, fontsize=9, loc="center", fontweight="normal")
        ax.set(xticks=[], yticks=[])
    fig.colorbar(shown, ax=axes, shrink=0.75, label="share of the maximum")
    fig.suptitle(title, fontsize=11, fontweight="bold")
    return fig


def rows_of_pictures(rows: Mapping[str, Sequence[tuple[np.ndarray, str]]], columns: int = 4) -> Figure:
    """Rows of (picture, caption), each row named at the left; a row without pictures is low and says "none"."""
    heights = [1 if entries else 0.35 for entries in rows.values()]
    size = (1.75 * columns + 1, 2.05 * sum(heights))
    fig, axes = plt.subplots(len(rows), columns, figsize=size, squeeze=False, height_ratios=heights)
    fig.get_layout_engine().set(rect=(0.05, 0, 0.95, 1))
    for line, (name, entries) in zip(axes, rows.items()):
        for ax, entry in zip(line, [*entries, *[None] * columns][:columns]):
            ax.axis("off")
            if entry is not None:
                _plain(ax, *entry, size=8.5)
        beside = blended_transform_factory(fig.transFigure, line[0].transAxes)  # all names in one column
        line[0].text(0.012, 0.5, name, rotation=90, va="center", transform=beside, fontweight="bold", in_layout=False)
        if not entries:
            line[0].text(0.5, 0.5, "none", ha="center", va="center", transform=line[0].transAxes)
    return fig


def confusion_matrix(counts: np.ndarray, names: Sequence[str], title: str) -> Figure:
    """Counts (truth, said) as a table; the shade is the share of each true class."""
    counts = np.asarray(counts)
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    fig, ax = plt.subplots(figsize=(3.9, 3.2))
    shown = ax.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        dark = share[row, column] > 0.5
        text = f"{count}\n{100 * share[row, column]:.0f} %"
        ax.text(column, row, text, ha="center", va="center", color="white" if dark else "black")
    ticks = range(len(names))
    ax.set(xticks=ticks, yticks=ticks, xticklabels=names, yticklabels=names, xlabel="the network says", ylabel="truth")
    ax.set_title(title, fontsize=10)
    fig.colorbar(shown, label="share of the row", shrink=0.8)
    return fig


def learning_curves(curves: Mapping[str, pd.DataFrame], chance: float = 0.5, title: str = "") -> Figure:
    """Accuracy against the number of training pictures: mean and every split, one line per way of learning."""
    fig, ax = plt.subplots(figsize=(6.6, 3.4))
    for k, (name, table) in enumerate(curves.items()):
        look = {"color": COLOURS[k], "marker": "os^D"[k]}
        ax.plot(table.columns, table.mean(), label=name, linestyle=("-", "--", ":", "-.")[k], **look)
        for row in table.to_numpy():
            ax.plot(table.columns, row, linestyle="none", alpha=0.35, markersize=4, **look)
    ax.axhline(chance, color="#777777", linewidth=1, linestyle=":")
    ax.text(table.columns[-1], chance - 0.012, "coin toss", ha="right", va="top", fontsize=8.5, color="#555555")
    ax.set_xscale("log")
    ax.set_xticks(list(table.columns), [str(n) for n in table.columns])
    ax.minorticks_off()
    ax.set(xlabel="training pictures", ylabel="accuracy on other pictures", ylim=(chance - 0.12, 1.03), title=title)
    ax.legend(loc="center right")
    return fig
