"""Figures on lungs and networks: the U drawn to scale, masks side by side, Dice per slice, transfer, patches, FROC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle

from helpers.figures.core import COLOURS
from helpers.nodules import Froc


def u_shape(widths: Sequence[int], side: int) -> Figure:
    """A U-Net drawn to scale: height = side of the maps, width = number of maps, arrows as the data flow."""
    fig, ax = plt.subplots(figsize=(8.2, 3.6))
    levels = len(widths)
    columns = [*range(levels), *range(levels, 2 * levels - 1)]
    level_of = [*range(levels), *range(levels - 2, -1, -1)]
    tops, centres = {}, {}
    for column, level in zip(columns, level_of):
        height, width = side / 2**level, 4 + widths[level] / 3
        x, y = column * 56, -level * side * 0.62
        ax.add_patch(
            Rectangle((x - width / 2, y - height / 2), width, height, facecolor=COLOURS[0 if column < levels else 2])
        )
        ax.text(x, y - height / 2 - 4, f"{height:.0f}² × {widths[level]}", ha="center", va="top", fontsize=8)
        tops[column], centres[column] = (x, width), (x, y)
    for a, b in pairwise(columns):
        colour, word = (COLOURS[4], "pool") if b < levels else (COLOURS[1], "enlarge")
        start, end = (
            (centres[a][0] + tops[a][1] / 2 + 2, centres[a][1]),
            (centres[b][0] - tops[b][1] / 2 - 2, centres[b][1]),
        )
        ax.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=11, color=colour, linewidth=1.6))
        middle, side_of = (
            ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2),
            ("left", 4) if b < levels else ("right", -4),
        )
        ax.text(middle[0] + side_of[1], middle[1] + 9, word, ha=side_of[0], fontsize=8, color=colour)
    for level in range(levels - 1):
        a, b = level, 2 * levels - 2 - level
        start, end = (
            (centres[a][0] + tops[a][1] / 2 + 2, centres[a][1] + 12),
            (centres[b][0] - tops[b][1] / 2 - 2, centres[b][1] + 12),
        )
        ax.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=10, color="#666666", linestyle="--"))
        ax.text((start[0] + end[0]) / 2, start[1] + 4, "hand across", ha="center", fontsize=8, color="#444444")
    ax.set(xlim=(-30, columns[-1] * 56 + 30), ylim=(-(levels - 1) * side * 0.62 - 42, side * 0.58), aspect="auto")
    ax.set_title("Down: what is it? Up: where is it?")
    ax.axis("off")
    return fig


def errors(
    slices: Sequence[np.ndarray],
    truth: Sequence[np.ndarray],
    found: Mapping[str, Sequence[np.ndarray]],
    titles: Sequence[str],
) -> Figure:
    """Slices in HU, one row per method: lung it found, lung it missed and what it took for lung, by colour."""
    n, margin = len(slices), slices[0].shape[0] // 9
    inside = (slice(margin, -margin), slice(margin // 2, -margin // 2 or None))
    fig, axes = plt.subplots(len(found), n, figsize=(2.25 * n, 2.0 * len(found) + 0.6), squeeze=False)
    kinds = (("found", COLOURS[5]), ("missed", COLOURS[7]), ("not lung", COLOURS[1]))
    for row, (line, (name, masks)) in enumerate(zip(axes, found.items())):
        for k, ax in enumerate(line):
            ax.imshow(slices[k][inside], cmap="gray", vmin=-1250, vmax=350)
            t, f = truth[k][inside], masks[k][inside]
            tint = np.zeros((*t.shape, 4))
            for (_, colour), area, alpha in zip(kinds, (t & f, t & ~f, f & ~t), (0.35, 0.95, 0.95)):
                tint[area] = (*to_rgb(colour), alpha)
            ax.imshow(tint)
            ax.set(xticks=[], yticks=[])
            if row == 0:
                ax.set_title(titles[k], fontsize=9, loc="center", fontweight="normal")
        line[0].set_ylabel(name, fontweight="bold")
    handles = [Rectangle((0, 0), 1, 1, facecolor=colour, label=name) for name, colour in kinds]
    fig.legend(handles=handles, loc="outside lower center", ncols=3)
    return fig


def dice_strips(groups: Mapping[str, np.ndarray], title: str, low: float = 0.0) -> Figure:
    """Dice of single slices as dots, one row per method; the mark is the median, the bar holds the middle half."""
    fig, ax = plt.subplots(figsize=(7.4, 0.62 * len(groups) + 1.3))
    chance = np.random.default_rng(0)
    for row, values in enumerate(groups.values()):
        values = np.asarray(values)[np.isfinite(values)]
        ax.plot(
            np.clip(values, low, 1),
            row + chance.uniform(-0.22, 0.22, len(values)),
            ".",
            color=COLOURS[row % 6],
            alpha=0.3,
        )
        q1, middle, q3 = np.quantile(values, [0.25, 0.5, 0.75])
        ax.plot([q1, q3], [row, row], color="black", linewidth=3, solid_capstyle="butt")
        ax.plot(middle, row, "D", color="black", markersize=6)
        ax.text(1.012, row, f"{middle:.3f}", va="center", fontsize=9)
    ax.set(yticks=range(len(groups)), yticklabels=list(groups), xlim=(low, 1.0), ylim=(len(groups) - 0.5, -0.5))
    ax.set(
        xlabel="Dice of a slice (median at the right)" + (f"; below {low:g} drawn at the edge" if low else ""),
        title=title,
    )
    return fig


def transfer(drawn: Mapping[str, float], real: Mapping[str, float], title: str) -> Figure:
    """Mean Dice on drawn chests and on a real one for networks taught on different drawings."""
    fig, ax = plt.subplots(figsize=(7.6, 0.62 * len(drawn) + 1.3))
    for offset, values, name, colour, hatch in (
        (-0.2, drawn, "drawn chests", COLOURS[0], ""),
        (0.2, real, "one real chest", COLOURS[1], "///"),
    ):
        bars = ax.barh(
            np.arange(len(values)) + offset,
            list(values.values()),
            0.36,
            color=colour,
            hatch=hatch,
            edgecolor="white",
            label=name,
        )
        ax.bar_label(bars, [f"{v:.3f}" for v in values.values()], padding=3, fontsize=8.5)
    ax.set(yticks=range(len(drawn)), yticklabels=list(drawn), xlim=(0, 1.12), xlabel="mean Dice per slice", title=title)
    ax.invert_yaxis()
    fig.legend(loc="outside lower center", ncols=2)
    return fig


def patches(values: np.ndarray, kinds: Sequence[str], title: str, per_kind: int = 4) -> Figure:
    """Patches (n, 24, 24, 3): one row per kind, the axial, coronal and sagittal plane of each side by side."""
    names = list(dict.fromkeys(kinds))
    fig, axes = plt.subplots(len(names), per_kind, figsize=(8.4, 0.74 * len(names) + 0.5), squeeze=False)
    for line, name in zip(axes, names):
        for ax, k in zip(line, np.flatnonzero(np.asarray(kinds) == name)):
            strip = np.concatenate(
                [np.pad(values[k, ..., c], ((0, 0), (0, 1)), constant_values=1) for c in range(3)], axis=1
            )
            ax.imshow(strip, cmap="gray", vmin=0, vmax=1)
            ax.set(xticks=[], yticks=[])
        line[0].set_ylabel(name, fontsize=9.5)
    fig.suptitle(title, fontsize=11, fontweight="bold")
    return fig


def froc_curves(curves: Mapping[str, Froc], scans: int, title: str, most: float = 10.0) -> Figure:
    """Share of nodules found against false alarms per scan; the dotted line is what the finder hands on at all."""
    fig, ax = plt.subplots(figsize=(6.2, 3.5))
    for k, (name, curve) in enumerate(curves.items()):
        ax.step(
            curve.false_per_scan,
            curve.sensitivity,
            where="post",
            color=COLOURS[k],
            linestyle=("-", "--", "-.")[k],
            label=name,
        )
    ax.axhline(curve.ceiling, color="#777777", linestyle=":", linewidth=1.2)
    ax.text(most, curve.ceiling + 0.015, "all that the finder handed on", ha="right", fontsize=8.5, color="#555555")
    ax.set(
        xlim=(0, most),
        ylim=(0, 1.05),
        xlabel=f"false alarms per scan ({scans} scans)",
        ylabel="share of nodules found",
        title=title,
    )
    ax.legend(loc="lower right")
    return fig
