"""Figures of the DICOM standard: its history, its services, the bytes of a file, licences, and axes of patients."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

from helpers.figures.core import COLOURS


def timeline(events: Sequence[tuple[int, str]]) -> Figure:
    """Years on a line, texts alternating above and below in two heights each."""
    figure, ax = plt.subplots(figsize=(9.0, 3.6))
    years = [year for year, _ in events]
    ax.plot([min(years) - 2, max(years) + 3], [0, 0], color="0.4", lw=2)
    for k, (year, text) in enumerate(events):
        height = (1.0, -1.0, 2.1, -2.1)[k % 4]
        ax.plot([year, year], [0, height - 0.5 * np.sign(height)], color="0.7", lw=1)
        ax.plot(year, 0, "o", color=COLOURS[0], ms=7)
        ax.text(year, height, f"{year}\n{text}", ha="center", va="center", fontsize=8.5)
    ax.set(ylim=(-2.8, 2.8), xlim=(min(years) - 4, max(years) + 5))
    ax.axis("off")
    ax.set_title("From the first CT scanner to DICOMweb")
    return figure


def services() -> Figure:
    """Who talks to whom in a hospital, and which DICOM service each arrow is."""
    figure, ax = plt.subplots(figsize=(9.0, 4.6))
    boxes = {
        "information system\n(RIS: orders, schedule)": (0.13, 0.82),
        "scanner\n(modality)": (0.13, 0.28),
        "archive\n(PACS)": (0.52, 0.28),
        "reading\nworkstation": (0.88, 0.62),
        "radiotherapy\nplanning": (0.88, 0.08),
        "browser, research\n(DICOMweb)": (0.52, 0.82),
    }
    for name, (x, y) in boxes.items():
        box = FancyBboxPatch(
            (x - 0.105, y - 0.085), 0.21, 0.17, boxstyle="round,pad=0.012", fc="#EEF5FA", ec=COLOURS[0]
        )
        ax.add_patch(box)
        ax.text(x, y, name, ha="center", va="center", fontsize=9.5)
    arrows = [
        ((0.09, 0.71), (0.09, 0.39), "worklist:\nthe day's list", (0.075, 0.55), "right"),
        ((0.19, 0.39), (0.19, 0.71), "MPPS: begun,\ndone", (0.205, 0.55), "left"),
        ((0.25, 0.28), (0.40, 0.28), "store", (0.325, 0.32), "center"),
        ((0.60, 0.385), (0.755, 0.62), "find, move, get", (0.665, 0.54), "right"),
        ((0.82, 0.515), (0.645, 0.33), "SR: reports", (0.755, 0.41), "left"),
        ((0.645, 0.265), (0.80, 0.185), "images", (0.735, 0.25), "left"),
        ((0.755, 0.05), (0.60, 0.175), "RT: structures,\nplans, doses", (0.65, 0.06), "right"),
        ((0.52, 0.71), (0.52, 0.39), "QIDO, WADO,\nSTOW", (0.535, 0.62), "left"),
    ]
    for start, end, text, place, align in arrows:
        style = "<|-|>" if "STOW" in text else "-|>"
        ax.add_patch(FancyArrowPatch(start, end, arrowstyle=style, mutation_scale=13, color=COLOURS[1], lw=1.5))
        ax.text(*place, text, fontsize=8.5, ha=align, va="center", color="0.15")
    ax.set(xlim=(-0.06, 1.0), ylim=(-0.03, 0.95))
    ax.axis("off")
    ax.set_title("The services of DICOM in a hospital (arrows: the way the data travel)")
    return figure


#: What the bytes of a data element are for: name, colour of the frame, colour inside (grey levels differ too).
BYTE_PARTS = (
    ("tag", COLOURS[0], "#9CC4E4"),
    ("type", COLOURS[1], "#F6D8C4"),
    ("length", COLOURS[2], "#CDEBE1"),
    ("value", "0.5", "white"),
)


def _part(byte: int, header: int) -> int:
    """Index into BYTE_PARTS of a byte of an element with 8 or 12 bytes of header; all is value when there is none."""
    return int(np.searchsorted([4, 6, header], byte, side="right")) if header else 3


def file_bytes(rows: Sequence[tuple[str, bytes, str, int]]) -> Figure:
    """Stretches of a file, one row each: name, bytes as hexadecimal boxes, meaning, length of the element's header."""
    figure, ax = plt.subplots(figsize=(9.2, 0.46 * len(rows) + 1.0))
    for k, (name, colour, inside) in enumerate(BYTE_PARTS):
        ax.add_patch(Rectangle((9.2 + 4 * k, -1.25), 0.7, 0.45, fc=inside, ec=colour))
        ax.text(10.1 + 4 * k, -1.02, name, va="center", fontsize=9)
    for k, (name, raw, meaning, header) in enumerate(rows):
        shown = raw[:14]
        ax.text(0, k, name, va="center", fontsize=9)
        for j, byte in enumerate(shown):
            _, colour, inside = BYTE_PARTS[_part(j, header)]
            ax.add_patch(Rectangle((9.2 + j * 1.12, k - 0.34), 1.04, 0.68, fc=inside, ec=colour, lw=1.0))
            ax.text(9.72 + j * 1.12, k, f"{byte:02X}", ha="center", va="center", fontsize=8, family="monospace")
        if len(raw) > len(shown):
            ax.text(9.3 + len(shown) * 1.12, k, "...", va="center", fontsize=9)
        ax.text(26.2, k, meaning, va="center", fontsize=9)
    ax.set(xlim=(0, 40), ylim=(len(rows) - 0.4, -1.4))
    ax.axis("off")
    ax.set_title("A DICOM file, byte by byte")
    return figure


def licence_ladder(rows: Sequence[tuple[str, str, Sequence[bool | None]]], uses: Sequence[str]) -> Figure:
    """Licences down, uses across: a filled square where the licence allows the use, "ask" (None) where it is open."""
    figure, ax = plt.subplots(figsize=(9.0, 0.42 * len(rows) + 1.2))
    marks = {
        True: ("yes", {"fc": COLOURS[2]}),
        None: ("ask", {"fc": "0.88"}),
        False: ("no", {"fc": "white", "hatch": "///"}),
    }
    for k, (_, examples, allowed) in enumerate(rows):
        for j, answer in enumerate(allowed):
            word, mark = marks[answer]
            ax.add_patch(Rectangle((j - 0.3, k - 0.3), 0.6, 0.6, ec="0.3", **mark))
            ax.text(j, k, word, ha="center", va="center", fontsize=8, color="white" if answer else "0.1",
                    bbox=None if answer is not False else {"fc": "white", "ec": "none", "pad": 1})  # fmt: skip
        ax.text(len(uses) - 0.4, k, examples, va="center", fontsize=9)
    ax.set(xticks=range(len(uses)), yticks=range(len(rows)), xlim=(-0.6, len(uses) + 4.2), ylim=(len(rows) - 0.4, -0.6))
    ax.set_xticklabels(uses, fontsize=9)
    ax.set_yticklabels([licence for licence, _, _ in rows], fontsize=9)
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.set_title("What a licence lets you do", pad=12)
    for side in ax.spines.values():
        side.set_visible(False)
    return figure


def patient_axes() -> Figure:
    """The same patient in DICOM's axes (LPS) and in NIfTI's (RAS), seen from the feet and from the front."""
    figure, axes = plt.subplots(1, 2, figsize=(8.4, 4.0))
    for ax, view, names in ((axes[0], "seen from the feet", ("x", "y")), (axes[1], "seen from the front", ("x", "z"))):
        ax.add_patch(plt.Circle((0, 0), 0.17, fc="0.85", ec="0.5"))
        ax.text(0, 0, "patient", ha="center", va="center", fontsize=9)
        up = -1 if names[1] == "y" else 1  # posterior is down in an axial view, the head is up in a coronal one
        for label, colour, sign, dash, shift in (
            ("DICOM LPS", COLOURS[0], 1, "-", 0.0),
            ("NIfTI RAS", COLOURS[1], -1, "--", 0.09),
        ):
            second = 1 if names[1] == "z" else sign
            for dx, dy, name in ((sign, 0, "+x"), (0, second * up, f"+{names[1]}")):
                start = (0.22 * dx + (shift if dy else 0), 0.22 * dy + (shift if dx else 0))
                end = (0.8 * dx + (shift if dy else 0), 0.8 * dy + (shift if dx else 0))
                ax.add_patch(
                    FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=16, color=colour, lw=2, ls=dash)
                )
                away = np.array(end) * 1.0 + np.array([0.0 if dx else (-0.1 if shift == 0 else 0.1), 0.1 if dx else 0])
                ax.text(*away, name, color=colour, ha="center", va="center", fontsize=10)
            ax.plot([], [], color=colour, ls=dash, label=label)
        ends = (
            ("R", -1.0, 0),
            ("L", 1.0, 0),
            ("A" if names[1] == "y" else "S", 0, 1.05),
            ("P" if names[1] == "y" else "I", 0, -1.05),
        )
        for letter, x, y in ends:
            ax.text(x, y, letter, ha="center", va="center", fontsize=12, fontweight="bold", color="0.4")
        ax.set(xlim=(-1.15, 1.15), ylim=(-1.2, 1.2), aspect="equal")
        ax.set_title(view, fontsize=10, fontweight="normal", loc="center")
        ax.axis("off")
    axes[0].legend(loc="lower left", fontsize=8)
    figure.suptitle("Two conventions for one patient", x=0.01, ha="left", fontsize=11, fontweight="bold")
    return figure
