"""Figures of DICOM networking and of cohorts: the conversation as it happened, the table of many series at a glance."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.figures.core import COLOURS

SENDERS = {"client": (0, "you (SCU)", COLOURS[0], "-"), "archive": (1, "the archive (SCP)", COLOURS[1], "--")}


def conversation(log, title: str = "What was said on the line") -> Figure:
    """The message log as a ladder, time running down: an arrow for each message, repetitions folded with a count.

    log: a `helpers.pacs.MessageLog` (anything whose `summary()` has sender, message, detail, times, bytes).
    """
    rows = log.summary()
    fig, ax = plt.subplots(figsize=(8.6, 0.9 + 0.36 * len(rows)), layout="constrained")
    for x, name, colour, _ in SENDERS.values():
        ax.plot([x, x], [-0.6, len(rows) - 0.5], color=colour, lw=2, zorder=1)
        ax.text(x, -0.9, name, ha="center", va="bottom", color=colour, weight="bold", fontsize=10)
    for y, row in enumerate(rows.itertuples()):
        start, _, colour, line = SENDERS[row.sender]
        arrow = {"arrowstyle": "-|>", "color": colour, "lw": 1.4, "linestyle": line, "shrinkA": 0, "shrinkB": 0}
        ax.annotate("", xy=(1 - start, y), xytext=(start, y), arrowprops=arrow)
        times = f"  × {row.times}" if row.times > 1 else ""
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
        ax.text(0.5, y, f"{row.message}{times}", ha="center", va="center", fontsize=9, color=colour, bbox=box)
        ax.text(1.06, y, _detail(row), ha="left", va="center", fontsize=8.5, color="#333333")
    ax.set(xlim=(-0.2, 2.35), ylim=(len(rows) - 0.5, -1.5), title=title)
    ax.axis("off")
    return fig


def _detail(row) -> str:
    size = f", {_bytes(row.bytes)}" if row.bytes else ""
    return f"{row.detail}{size}" if row.detail else size.lstrip(", ")


def _bytes(count: int) -> str:
    for unit, scale in (("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count} bytes"


def cohort_overview(table: pd.DataFrame, labels: list[str] | None = None, title: str = "Many series") -> Figure:
    """One line for each series: lung volumes as bars, the range of HU as a span, the error where there is one.

    table: as `helpers.cohort.summarise` gives it. labels: names of the lines, else 1, 2, 3 ...
    """
    names = labels or [str(number + 1) for number in range(len(table))]
    height = max(2.4, 1.1 + 0.36 * len(table))
    fig, (left, right) = plt.subplots(1, 2, figsize=(8.6, height), sharey=True, layout="constrained")
    places = np.arange(len(table))
    _lungs(left, table, places)
    _range(right, table, places)
    left.set_yticks(places, names)
    left.set_ylim(len(table) - 0.4, -0.6)
    left.set_ylabel("series")
    fig.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    return fig


def _lungs(ax: Axes, table: pd.DataFrame, places: np.ndarray) -> None:
    """Stacked bars of the right and the left lung; a word where there is no bar."""
    right, left = (table[f"{side}_lung_ml"].to_numpy(float) for side in ("right", "left"))
    shown_right, shown_left = np.nan_to_num(right), np.nan_to_num(left)
    ax.barh(places, shown_right, color=COLOURS[0], label="right lung", height=0.65)
    ax.barh(
        places,
        shown_left,
        left=shown_right,
        color=COLOURS[4],
        hatch="///",
        edgecolor="white",
        label="left lung",
        height=0.65,
    )
    most = max(float((shown_right + shown_left).max(initial=0)), 1.0)
    for y, (missing, error) in enumerate(zip(np.isnan(right), table["error"])):
        if missing:
            words = f"error: {error}" if error else "no lungs found"
            words = words if len(words) <= 44 else f"{words[:42]} …"
            ax.text(0.02 * most, y, words, va="center", fontsize=8.5, color=COLOURS[1])
    ax.set(xlabel="volume (ml)", xlim=(0, most * 1.02))
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 1.0 + 0.5 / max(1, len(places)) + 0.06), ncols=2, frameon=False)


def _range(ax: Axes, table: pd.DataFrame, places: np.ndarray) -> None:
    """From the lowest to the highest HU inside the scan circle, with air, water and the end of 12 bits as guides."""
    for value, name in ((-1000, "air"), (0, "water"), (3071, "12 bits end")):
        ax.axvline(value, color="#999999", lw=1, ls=":")
        side = "right" if value > 3000 else "center"  # that one stands near the edge
        ax.text(value, -0.55, name, ha=side, va="bottom", fontsize=8, color="#555555", clip_on=False)
    low, high = (table[name].to_numpy(float) for name in ("hu_min", "hu_max"))
    ax.hlines(places, low, high, color=COLOURS[2], lw=5)
    ax.plot(low, places, "|", color="black", ms=9)
    ax.plot(high, places, "|", color="black", ms=9)
    ax.set(xlabel="range inside the scan circle (HU)", xlim=(-1300, 3400))
