"""Figures of notebook 01 about finding faces: features, sum table, funnel, boxes, look-alikes, precision and recall."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from helpers.figures.core import COLOURS
from helpers.figures.images import draw, grid_of, row_height

LINES = ["-", "--", ":", "-."]


def box(axes, x, y, w, h, colour: str = COLOURS[7], style: str = "-", width: float = 2.2) -> None:
    """One box with a dark rim, so that it is seen on any picture and in print without colour."""
    axes.add_patch(Rectangle((x, y), w, h, fill=False, ec="black", lw=width + 1.6, ls="-", alpha=0.55))
    axes.add_patch(Rectangle((x, y), w, h, fill=False, ec=colour, lw=width, ls=style))


def boxed(pictures: list, founds: list, titles: list[str], columns: int | None = None, height: float = 2.6) -> Figure:
    """Pictures in rows, each with its boxes (n, 4)."""
    columns = columns or len(pictures)
    rows = -(-len(pictures) // columns)
    height = row_height(pictures, columns, height)
    figure, grid = grid_of(rows, columns, (8.6, height * rows), squeeze=False)
    for axes in grid.flat[len(pictures) :]:
        axes.axis("off")
    for axes, picture, found, title in zip(grid.flat, pictures, founds, titles):
        draw(axes, picture, title)
        for one in found:
            box(axes, *one)
    return figure


def compared(rgb: np.ndarray, results: dict, title: str) -> Figure:
    """One picture, the boxes of several detectors: a colour and a line style each. `results`: name -> boxes (n, 4)."""
    figure, axes = grid_of(1, 1, (6.2, row_height([rgb], 1, 5.2, width=6.2) + 0.3))
    draw(axes, rgb, title)
    for number, (name, found) in enumerate(results.items()):
        for one in found:
            box(axes, *one, colour=(COLOURS[7], COLOURS[5], "white")[number % 3], style=LINES[number % 4])
        axes.plot([], [], color=(COLOURS[7], COLOURS[5], "white")[number % 3], ls=LINES[number % 4], lw=2.5, label=name)
    _legend_below(axes, len(results))
    return figure


def haar_features(face: np.ndarray, features: list[np.ndarray], values: list[float]) -> Figure:
    """Haar features on a face of the cascade's own size: white boxes count up, black ones count down.

    `face` (s, s) grey; each of `features` (3, 5) has rows x, y, w, h, weight; the first
    box of a feature covers all of it, the others lie on top.
    """
    figure, grid = grid_of(1, len(features) + 1, (8.6, 1.85))
    draw(grid[0], face, f"{face.shape[1]} x {face.shape[0]} pixels")
    for axes, feature, value in zip(grid[1:], features, values):
        draw(axes, face, f"value {value:+.3f}")
        for x, y, w, h, weight in feature[feature[:, 4] != 0]:
            colour = "white" if weight > 0 else "black"
            axes.add_patch(Rectangle((x - 0.5, y - 0.5), w, h, fc=colour, ec=COLOURS[1], lw=1.5, alpha=0.72))
    return figure


def sum_table(grey: np.ndarray, table: np.ndarray, x: int, y: int, w: int, h: int) -> Figure:
    """The grey picture with a box, and its sum table with the four entries that give the sum of that box."""
    figure, (left, right) = grid_of(1, 2, (8.6, 4.2))
    draw(left, grey, "grey picture and a box")
    box(left, x, y, w, h)
    image = right.imshow(table / 1e6, cmap="cividis")
    right.set(title="sum table", xlabel="column", ylabel="row")
    signs = [(x, y, "+", "right", "bottom"), (x + w, y, "−", "left", "bottom"), (x, y + h, "−", "right", "top")]
    for c, r, sign, ha, va in [*signs, (x + w, y + h, "+", "left", "top")]:
        right.plot(c, r, "o", ms=7, mfc="white", mec="black")
        ink = "white" if table[r, c] < table.max() / 2 else "black"
        away = (-6 if ha == "right" else 6, 5 if va == "bottom" else -5)
        words = f"{sign} {table[r, c]:,}"
        right.annotate(words, (c, r), away, textcoords="offset points", ha=ha, va=va, color=ink, fontsize=8)
    figure.colorbar(image, ax=right, shrink=0.85, label="sum above and left (millions)")
    return figure


def funnel(left: tuple[int, ...], stumps: list[int]) -> Figure:
    """Windows left after each stage (logarithmic), and how many stumps each stage asks."""
    figure, (top, bottom) = grid_of(2, 1, (8.2, 4.8), height_ratios=[2.2, 1], sharex=True)
    stages = np.arange(-1, len(stumps) + 1)
    top.bar(stages, np.maximum(left, 1), color=[COLOURS[6], COLOURS[5], *[COLOURS[0]] * len(stumps)], width=0.8)
    top.set_yscale("log")
    top.set(
        ylabel="windows left",
        ylim=(10 if min(left) > 10 else 1, max(*left, 10) * 4),
        title="How the cascade throws windows away",
    )
    for place in (0, 3, 6, 11, 16, 21, len(left) - 1):
        spot = (stages[place] - 0.4, max(left[place], 1))
        top.annotate(f"{left[place]:,}", spot, (0, 3), textcoords="offset points", ha="left", fontsize=8)
    bottom.bar(np.arange(1, len(stumps) + 1), stumps, color=COLOURS[4], hatch="///", edgecolor="white", width=0.8)
    bottom.set(ylabel="stumps", xlabel="stage")
    ticks = [-1, 0, *range(5, len(stumps) + 1, 5)]
    bottom.set_xticks(ticks, ["all", "contrast", *ticks[2:]])
    for words in bottom.get_xticklabels()[:2]:
        words.set(rotation=40, ha="right", rotation_mode="anchor")
    return figure


def parameter_grid(rgb: np.ndarray, scales: list[float], neighbours: list[int], found: dict) -> Figure:
    """Rows: scale; columns: neighbours; in each picture the boxes `found[scale, neighbours]`."""
    figure, grid = grid_of(
        len(scales), len(neighbours), (7.6, row_height([rgb], len(neighbours), 2.2, width=7.6) * len(scales) + 0.3)
    )
    for (row, column), axes in np.ndenumerate(grid):
        boxes = found[scales[row], neighbours[column]]
        words = f"{len(boxes)} box{'' if len(boxes) == 1 else 'es'}"
        draw(axes, rgb, f"neighbours {neighbours[column]}\n{words}" if row == 0 else words)
        for one in boxes:
            box(axes, *one, width=1.3)
        if column == 0:
            axes.set_ylabel(f"scale {scales[row]}", fontsize=10)
    return figure


def windows_and_boxes(rgb: np.ndarray, windows: np.ndarray, boxes: np.ndarray) -> Figure:
    """All windows that pass the cascade, and the boxes that grouping makes of them."""
    figure, (left, right) = grid_of(1, 2, (8.2, row_height([rgb], 2, 5.0, width=8.2)))
    draw(left, rgb, f"{len(windows)} windows pass every stage")
    for x, y, w, h in windows:
        left.add_patch(Rectangle((x, y), w, h, fill=False, ec=COLOURS[7], lw=0.8, alpha=0.8))
    draw(right, rgb, f"grouped: {len(boxes)} box{'' if len(boxes) == 1 else 'es'}")
    for one in boxes:
        box(right, *one)
    return figure


def scored(pictures: list, truths: list, founds: list, matches: list, titles: list[str]) -> Figure:
    """Pictures with right boxes (blue, full), false ones (vermillion, dashed) and missed faces (yellow, dotted)."""
    figure, grid = grid_of(1, len(pictures), (8.6, 3.9), squeeze=False)
    for axes, rgb, truth, found, pairs, title in zip(grid.flat, pictures, truths, founds, matches, titles):
        draw(axes, rgb, title)
        hit, seen = {j for _, j, _ in pairs}, {i for i, _, _ in pairs}
        kinds = {
            "right": ([b for j, b in enumerate(found) if j in hit], COLOURS[5], "-"),
            "false": ([b for j, b in enumerate(found) if j not in hit], COLOURS[1], "--"),
            "missed": ([b for i, b in enumerate(truth) if i not in seen], COLOURS[7], ":"),
        }
        for name, (boxes, colour, line) in kinds.items():
            for one in boxes:
                box(axes, *one, colour=colour, style=line)
            axes.plot([], [], color=colour, ls=line, lw=2.5, label=f"{name}: {len(boxes)}")
        _legend_below(axes, 3)
    return figure


def _legend_below(axes, columns: int) -> None:
    """A legend on grey: box colours are chosen for photographs and would be faint on white."""
    legend = axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.01), ncols=columns, fontsize=9, frameon=True)
    legend.get_frame().set(facecolor="#555555", edgecolor="none")
    for words in legend.get_texts():
        words.set_color("white")


def precision_recall(curves: dict, title: str) -> Figure:
    """Precision against recall. `curves`: name -> list of (precision, recall, words or ''), one point per setting."""
    figure, axes = grid_of(1, 1, (6.8, 4.4))
    for number, (name, points) in enumerate(curves.items()):
        precision, recall = [p[0] for p in points], [p[1] for p in points]
        line = LINES[number % 4] if len(points) > 1 else ""
        axes.plot(recall, precision, "os^D"[number % 4] + line, color=COLOURS[number], ms=6, label=name)
        for p, r, words in points:
            away = (-5, -11) if number == 0 else (5, 7)
            axes.annotate(
                words, (r, p), away, textcoords="offset points", fontsize=8, ha="right" if number == 0 else "left"
            )
    axes.set(xlabel="recall: share of the faces that were found", ylabel="precision: share of the boxes that are faces")
    axes.set(title=title, xlim=(0, 1.02))
    axes.grid(True)
    axes.legend(loc="lower left")
    return figure
