"""Figures of notebook 01 about pixels: numbers behind a photograph, histograms, filters, a slice as a photograph."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from helpers.figures.core import COLOURS


def grid_of(rows: int, columns: int, size: tuple[float, float], **settings):
    """`plt.subplots` with a little air round each picture, so that no title touches the edge of the figure."""
    figure, axes = plt.subplots(rows, columns, figsize=size, **settings)
    figure.get_layout_engine().set(w_pad=0.06, h_pad=0.08)
    return figure, axes


def draw(axes, picture: np.ndarray, title: str = "", **settings) -> None:
    """A picture without ticks: (h, w, 3) as it is, (h, w) in grey; `uint8` always from 0 black to 255 white."""
    if picture.ndim == 2 and picture.dtype == np.uint8:
        settings = {"vmin": 0, "vmax": 255} | settings
    settings = {"interpolation": "auto"} | settings  # smooth when made smaller, hard pixels when enlarged
    axes.imshow(picture, **settings)
    axes.set(xticks=[], yticks=[], anchor="N")
    for side in axes.spines.values():
        side.set_visible(False)
    axes.set_title(title, fontsize=10, fontweight="bold")


def row_height(pictures: list, columns: int, most: float, width: float = 8.6) -> float:
    """Height in inches of a row of pictures with titles, so that wide photographs leave no gap; at most `most`."""
    tallest = max(picture.shape[0] / picture.shape[1] for picture in pictures)
    return min(most, width / columns * tallest + 0.35)


def side_by_side(pictures: list, titles: list[str], columns: int | None = None, height: float = 2.9) -> Figure:
    """Pictures in rows of `columns`, each with its title above; `height` of a row in inches."""
    columns = columns or len(pictures)
    rows = -(-len(pictures) // columns)
    height = row_height(pictures, columns, height)
    figure, grid = grid_of(rows, columns, (8.6, height * rows), squeeze=False)
    for axes in grid.flat[len(pictures) :]:
        axes.axis("off")
    for axes, picture, title in zip(grid.flat, pictures, titles):
        draw(axes, picture, title)
    return figure


def timeline(events: list[tuple[int, str, str]], title: str) -> Figure:
    """One line per event, in the order of the years: (year, kind, words). Each kind has a colour and a marker."""
    events = sorted(events)
    kinds = list(dict.fromkeys(kind for _, kind, _ in events))
    figure, axes = grid_of(1, 1, (8.6, 0.3 * len(events) + 1))
    first, last = events[0][0], events[-1][0]
    for row, (year, kind, words) in enumerate(events):
        number = kinds.index(kind)
        left = year > (first + last) / 2
        axes.plot([first - 2, last + 2], [-row, -row], color="#eeeeee", lw=1, zorder=0)
        axes.plot(year, -row, "os^D"[number % 4], color=COLOURS[number], ms=8)
        away, side = (-9, "right") if left else (9, "left")
        text = f"{words}  {year}" if left else f"{year}  {words}"
        axes.annotate(text, (year, -row), (away, 0), textcoords="offset points", ha=side, va="center", fontsize=9)
    for number, kind in enumerate(kinds):
        axes.plot([], [], "os^D"[number % 4], color=COLOURS[number], ms=8, label=kind)
    axes.set(yticks=[], xlim=(first - 2, last + 2), xlabel="year", title=title)
    axes.spines["left"].set_visible(False)
    axes.legend(loc="lower left", fontsize=9)
    return figure


def photo_and_pixels(rgb: np.ndarray, row: int, column: int, size: int = 8) -> Figure:
    """The photograph with a small square marked, and that square enlarged with the numbers of its red channel."""
    figure, (left, right) = grid_of(1, 2, (8.6, 4.4))
    draw(left, rgb, f"array of shape {rgb.shape}")
    mark = max(size, max(rgb.shape) // 40)
    middle = column + size / 2 - mark / 2, row + size / 2 - mark / 2
    left.add_patch(Rectangle(middle, mark, mark, fill=False, ec=COLOURS[7], lw=2.5))
    piece = rgb[row : row + size, column : column + size]
    right.imshow(piece)
    for (r, c), value in np.ndenumerate(piece[..., 0]):
        dark = piece[r, c].mean() < 120
        right.text(c, r, str(value), ha="center", va="center", fontsize=9, color="white" if dark else "black")
    right.set_xticks(range(piece.shape[1]), range(column, column + piece.shape[1]))
    right.set_yticks(range(piece.shape[0]), range(row, row + piece.shape[0]))
    right.set(xlabel="column", ylabel="row", title=f"{size} x {size} pixels; numbers: red channel")
    return figure


def histograms(greys: list[np.ndarray], titles: list[str]) -> Figure:
    """Grey pictures above, below each its histogram and the share of pixels up to each grey level."""
    figure, grid = grid_of(2, len(greys), (8.2, 4.5), height_ratios=[1.5, 1])
    for axes, grey, title in zip(grid[0], greys, titles):
        draw(axes, grey, title)
    for axes, grey in zip(grid[1], greys):
        counts = np.bincount(grey.ravel(), minlength=256)
        usual = max(
            np.partition(counts, -8)[-8], 1
        )  # a few crowded levels, often black or white, may rise above the frame
        axes.fill_between(np.arange(256), 0.8 * counts / usual, step="mid", color=COLOURS[5], lw=0)
        axes.plot(np.cumsum(counts) / counts.sum(), color=COLOURS[1], lw=1.5)
        axes.set(xlim=(0, 255), ylim=(0, 1.03), xticks=[0, 128, 255], yticks=[0, 0.5, 1], xlabel="grey level")
    grid[1, 0].set_ylabel("blue: how often (scaled)\nline: share up to here", fontsize=8)
    return figure


def slice_views(views: list[tuple[np.ndarray, str, tuple[float, float], str]]) -> Figure:
    """CT slices beside each other: (array, title, (darkest, brightest value), words of the colour bar)."""
    figure, grid = grid_of(1, len(views), (8.6, 3.3))
    for axes, (array, title, (low, high), words) in zip(grid, views):
        draw(axes, array, title, vmin=low, vmax=high)
        bar = figure.colorbar(axes.images[0], ax=axes, orientation="horizontal", shrink=0.85, pad=0.03)
        bar.set_label(words, fontsize=8)
        bar.ax.tick_params(labelsize=8)
        bar.outline.set_visible(False)
    return figure


def loss_by_coding(rows: list[tuple[str, float, float]], tissue: float, words: str) -> Figure:
    """Bars of the typical and the largest error of each way to store a slice, in HU, beside a contrast that matters."""
    figure, axes = grid_of(1, 1, (7.5, 0.6 * len(rows) + 1.6))
    place = np.arange(len(rows))[::-1]
    typical, largest = np.array([row[1] for row in rows]), np.array([row[2] for row in rows])
    axes.barh(place + 0.2, typical, 0.38, color=COLOURS[0], label="typical error (root mean square)")
    axes.barh(place - 0.2, largest, 0.38, color=COLOURS[1], hatch="///", edgecolor="white", label="largest error")
    for y, a, b in zip(place, typical, largest):
        plain = {"fc": "white", "ec": "none", "pad": 0.6}
        axes.annotate(f"{a:.1f}", (a, y + 0.2), (4, 0), textcoords="offset points", va="center", fontsize=9, bbox=plain)
        axes.annotate(f"{b:.1f}", (b, y - 0.2), (4, 0), textcoords="offset points", va="center", fontsize=9)
    axes.axvline(tissue, color="black", ls="--", lw=1.2, label=words, zorder=0)
    axes.set_xlim(0, 1.12 * largest.max())
    axes.set_yticks(place, [row[0] for row in rows])
    axes.set(xlabel="error in HU", title="What storing a CT slice as a picture costs")
    axes.legend(loc="upper right")
    return figure
