"""Figures on sliding windows: number grids, frames, two boxes, the letter, padding, transposed, receptive field."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from helpers import layers
from helpers.figures.core import COLOURS

BLUE, RED, GREEN = COLOURS[0], COLOURS[1], COLOURS[2]


def grid(ax: Axes, numbers, title: str = "", window=None, colour: str = RED, shade=None, blank=None) -> None:
    """Draw a map as a spreadsheet. `window`: (row, column, height, width) to frame; `shade`: cells to tint, True/False;
    `blank`: cells without a number yet."""
    numbers = np.atleast_2d(np.asarray(numbers))
    rows, columns = numbers.shape
    for (r, c), value in np.ndenumerate(numbers):
        tint = "#F3D9C4" if shade is not None and shade[r, c] else "white"
        ax.add_patch(Rectangle((c, r), 1, 1, facecolor=tint, edgecolor="#999999", linewidth=0.8))
        if blank is None or not blank[r, c]:
            text = f"{value:g}" if float(value).is_integer() else f"{value:.2f}".removeprefix("0")
            ax.text(c + 0.5, r + 0.5, text, ha="center", va="center", fontsize=9)
    if window is not None:
        r, c, h, w = window
        ax.add_patch(Rectangle((c, r), w, h, fill=False, edgecolor=colour, linewidth=2.6, zorder=3))
    ax.set(xlim=(-0.15, columns + 0.15), ylim=(rows + 0.15, -0.15), aspect="equal")
    ax.set_title(title, loc="center", fontsize=9)
    ax.axis("off")


def to_scale(axes) -> None:
    """Give grids that stand side by side cells of one size, their upper edges on one line."""
    tallest = max(ax.get_ylim()[0] for ax in axes)
    for ax in axes:
        ax.set_ylim(tallest, -0.15)


def window_frames(x, kernel, columns: int = 3) -> Figure:
    """The sliding window as a strip: one pair of grids (input with window, output so far) for each position."""
    out = layers.correlate(x, kernel)
    n = out.size
    lines = -(-n // columns)
    fig = plt.figure(figsize=(8, 1.55 * lines))
    cells = fig.add_gridspec(lines, columns, wspace=0.12)
    for k in range(n):
        pair = cells[divmod(k, columns)].subgridspec(1, 2, width_ratios=(x.shape[1], out.shape[1] + 1))
        window_frame(fig.add_subplot(pair[0]), fig.add_subplot(pair[1]), x, kernel, k, numbered=True)
    return fig


def window_frame(left: Axes, right: Axes, x, kernel, k: int, numbered: bool = False) -> None:
    """Position `k` of the window: the input with the taps that count, and the output up to here."""
    out = layers.correlate(x, kernel)
    r, c = divmod(k, out.shape[1])
    h, w = np.shape(kernel)
    taps = np.zeros(np.shape(x), bool)
    taps[r : r + h, c : c + w] = np.asarray(kernel) != 0
    grid(left, x, f"window {k + 1}" if numbered else "image and window", (r, c, h, w), shade=taps)
    later = np.arange(out.size).reshape(out.shape) > k
    grid(right, out, "result" if not numbered else f"sum {out[r, c]:g}", (r, c, 1, 1), BLUE, blank=later)


def four_things(x, kernel, position=(0, 0)) -> Figure:
    """Image, window, multipliers and products side by side, and the one number that comes out."""
    x, kernel = np.asarray(x), np.asarray(kernel)
    (r, c), (h, w) = position, kernel.shape
    inside = x[r : r + h, c : c + w]
    fig, axes = plt.subplots(1, 5, figsize=(8.6, 2.3), width_ratios=(x.shape[1], w, w, w, 1.8))
    grid(axes[0], x, "image", (r, c, h, w))
    grid(axes[1], inside, "window")
    grid(axes[2], kernel, "× kernel")
    grid(axes[3], inside * kernel, "= products")
    grid(axes[4], [[(inside * kernel).sum()]], "sum", (0, 0, 1, 1), BLUE)
    to_scale(axes)
    return fig


def channels(window, kernel, bias: int, names=("red", "green", "blue")) -> Figure:
    """One number of a layer: (row, column, channel) of a window, times a filter as deep, added up over all channels."""
    fig, axes = plt.subplots(len(names), 4, figsize=(7, 1.75 * len(names)), width_ratios=(3, 3, 3, 2.4))
    sums = (window * kernel).sum(axis=(0, 1))
    for c, (line, name) in enumerate(zip(axes, names)):
        grid(line[0], window[..., c], f"window, {name}")
        grid(line[1], kernel[..., c], f"× filter, part for {name}")
        grid(line[2], window[..., c] * kernel[..., c], "= products")
        grid(line[3], [[sums[c]]], "sum", (0, 0, 1, 1), BLUE)
        to_scale(line)
    terms = " + ".join(f"({s})" if s < 0 else f"{s}" for s in [*sums.tolist(), bias])
    fig.suptitle(f"sums of the channels + bias: {terms} = {sums.sum() + bias}, a number of a feature map", fontsize=10)
    return fig


def grids_in_a_row(named: dict[str, np.ndarray], title: str = "") -> Figure:
    """Any number grids side by side, to scale."""
    fig, axes = plt.subplots(1, len(named), figsize=(8, 2.4), width_ratios=[np.shape(a)[1] for a in named.values()])
    for ax, (name, numbers) in zip(np.atleast_1d(axes), named.items()):
        grid(ax, numbers, name)
    to_scale(np.atleast_1d(axes))
    if title:
        fig.suptitle(title, fontsize=11, fontweight="bold")
    return fig


def two_boxes(steps: int = 200) -> Figure:
    """A box slides over a box; the area both share, against the shift, is a triangle."""
    t = np.linspace(-1.5, 1.5, 3 * steps, endpoint=False)
    box = (np.abs(t) <= 0.5).astype(float)
    triangle = layers.convolve(box, box, "same") * (t[1] - t[0])
    fig, axes = plt.subplots(1, 4, figsize=(8, 2.3), sharey=True)
    for ax, shift in zip(axes, (-0.75, -0.4, 0.0, 0.6)):
        moved = (np.abs(t - shift) <= 0.5).astype(float)
        ax.plot(t, box, color=BLUE, label="f, stays")
        ax.plot(t, moved, color=RED, linestyle="--", label="g, slides")
        ax.fill_between(t, box * moved, color="#CCCCCC", step="mid", label="shared area")
        ax.plot(t[t <= shift], triangle[t <= shift], color="black", linewidth=2.4, label="f * g so far")
        ax.plot(shift, np.interp(shift, t, triangle), "o", color="black", markersize=6)
        ax.set(title=f"shift {shift:g}", xlabel="s (boxes), t (shift)", ylim=(-0.05, 1.35), xticks=(-1, 0, 1))
    axes[0].set_ylabel("value")
    handles, names = axes[0].get_legend_handles_labels()
    fig.legend(handles, names, loc="outside lower center", ncols=4)
    return fig


def filtered(image, results: dict[str, np.ndarray], unit: str = "", limits=None, title: str = "") -> Figure:
    """An image and what kernels made of it. Results with negative numbers are drawn with grey for 0."""
    n = len(results) + 1
    fig, axes = plt.subplots(2, -(-n // 2), figsize=(8, 5.6))
    for ax in axes.flat:
        ax.axis("off")
    low, high = limits or (float(np.min(image)), float(np.max(image)))
    axes.flat[0].imshow(image, vmin=low, vmax=high)
    axes.flat[0].set_title("input", loc="center", fontsize=10)
    for ax, (name, result) in zip(axes.flat[1:], results.items()):
        signed = "edges" in name or "Laplace" in name
        reach = np.percentile(np.abs(result), 99)
        lowest, highest = (-reach, reach) if signed else (low, high)
        ax.imshow(result, vmin=lowest, vmax=highest)
        ax.set_title(name + (f"\ngrey = 0, ±{reach:.3g}{unit}" if signed else ""), loc="center", fontsize=9)
    fig.suptitle(title, fontsize=11, fontweight="bold")
    return fig


def padding_cases(cases: dict[str, tuple[int, int, int, int]]) -> Figure:
    """For (size, kernel, padding, stride): the padded input, the first and second window, the size that comes out."""
    widths = [size + 2 * pad + 1.5 for size, _, pad, _ in cases.values()]
    fig, axes = plt.subplots(1, len(cases), figsize=(8.4, 2.3), width_ratios=widths)
    for ax, (name, (size, kernel, pad, stride)) in zip(axes, cases.items()):
        whole, out = size + 2 * pad, layers.output_size(size, kernel, pad, stride)
        for r, c in np.ndindex(whole, whole):
            inside = pad <= r < pad + size and pad <= c < pad + size
            tint = "#9FC9E3" if inside else "white"
            ax.add_patch(Rectangle((c, r), 1, 1, facecolor=tint, edgecolor="#888888", linewidth=0.7))
        for start, style, colour in ((0, "-", RED), (stride, "--", "black")):
            frame = Rectangle((start, 0), kernel, kernel, fill=False, edgecolor=colour, linewidth=2.2, linestyle=style)
            ax.add_patch(frame)
        ax.set(xlim=(-0.75, whole + 0.75), ylim=(9.9, -0.2), aspect="equal")
        ax.set_title(f"{name}\n{size}×{size} → {out}×{out}", loc="center", fontsize=9)
        ax.text(whole / 2, whole + 0.4, f"k {kernel}, p {pad}, s {stride}", fontsize=8.5, va="top", ha="center")
        ax.axis("off")
    return fig


def transposed(x, kernel, stride: int) -> Figure:
    """A transposed convolution: each input number stamps kernel × number; where stamps overlap they add."""
    x, kernel = np.asarray(x, float), np.asarray(kernel, float)
    stamps, total = [], layers.conv_transpose(x[None, ..., None], kernel[..., None, None], stride=stride)[0, ..., 0]
    for r, c in np.ndindex(x.shape):
        one = np.zeros_like(x)
        one[r, c] = x[r, c]
        stamps.append(layers.conv_transpose(one[None, ..., None], kernel[..., None, None], stride=stride)[0, ..., 0])
    fig, axes = plt.subplots(2, 4, figsize=(8, 4.4))
    grid(axes[0, 0], x, "input")
    grid(axes[0, 1], kernel, "kernel")
    axes[0, 2].axis("off")
    grid(axes[0, 3], total, f"sum, stride {stride}")
    for k, (ax, stamp) in enumerate(zip(axes[1], stamps)):
        r, c = divmod(k, x.shape[1])
        place = (r * stride, c * stride, *kernel.shape)
        grid(ax, stamp, f"stamp of {x[r, c]:g}", place, shade=stamp != 0)
    return fig


def receptive_field(measured: dict[str, np.ndarray]) -> Figure:
    """How much of the input one output pixel depends on, layer by layer: non-zero gradients, drawn as squares."""
    fig, axes = plt.subplots(1, len(measured), figsize=(8, 2.5))
    for ax, (name, weight) in zip(axes, measured.items()):
        reach = np.flatnonzero(weight.any(axis=0))
        ax.imshow(weight / weight.max(), cmap="cividis", vmin=0, vmax=1)
        ax.set_title(f"{name}\nsees {len(reach)} × {len(reach)}", loc="center", fontsize=9)
        ax.set(xticks=[], yticks=[])
    return fig


def volumes(shapes: list[tuple[str, tuple[int, int, int]]]) -> Figure:
    """A network as a strip of volumes (height, width, depth), drawn to scale by the root of the sizes."""
    fig, ax = plt.subplots(figsize=(8.4, 3.1))
    x = 0.0
    for name, (height, width, depth) in shapes:
        h, d, skew = 0.62 * np.sqrt(height), 0.2 * np.sqrt(depth) + 0.1, 0.3 * np.sqrt(width)
        at = np.array((x, -h / 2))
        front = np.array([[0, 0], [d, 0], [d, h], [0, h]]) + at
        top = np.array([[0, h], [d, h], [d + skew, h + skew], [skew, h + skew]]) + at
        side = np.array([[d, 0], [d + skew, skew], [d + skew, h + skew], [d, h]]) + at
        for face, colour in ((front, "#9FC9E3"), (top, "#D5E8F3"), (side, "#6FA9CB")):
            ax.fill(*face.T, facecolor=colour, edgecolor="#333333", linewidth=0.8)
        ax.text(x + (d + skew) / 2, -2.1, f"{name}\n{height}×{width}×{depth}", ha="center", va="top", fontsize=8.5)
        x += max(d + skew, 1.7) + 0.55
    ax.set(xlim=(-0.5, x), ylim=(-3.1, 3.4), aspect="equal")
    ax.axis("off")
    return fig


def window_positions(x, kernel) -> list[Figure]:
    """One figure for each position of the window, for the player."""
    figures = []
    for k in range(layers.correlate(x, kernel).size):
        fig, (left, right) = plt.subplots(1, 2, figsize=(5.2, 2.6), width_ratios=(np.shape(x)[1], np.shape(x)[1] - 1))
        window_frame(left, right, x, kernel, k)
        figures.append(fig)
    return figures
