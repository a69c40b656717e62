"""Figures on the frameworks: their years, what stands on what, and a traced data-flow graph."""

from __future__ import annotations

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from helpers.figures.core import COLOURS

#: (year with fraction, name, what happened)
HISTORY = [
    (2010.5, "Theano", "Theano, begun in 2007, is published: graphs, gradients, compiled code"),
    (2013.6, "Theano's family", "Pylearn2, GroundHog, Lasagne, Blocks, Fuel (2013-15)"),
    (2015.2, "Keras", "Keras, on Theano"),
    (2015.85, "TensorFlow", "TensorFlow"),
    (2017.0, "PyTorch", "PyTorch"),
    (2017.74, "Theano", "Theano's end announced; 1.0 in November"),
    (2018.95, "JAX", "JAX"),
    (2019.75, "TensorFlow", "TensorFlow 2: runs line by line, traces on request"),
    (2021.0, "Theano", "heirs of Theano: Aesara, then PyTensor"),
    (2023.9, "Keras", "Keras 3: TensorFlow, JAX or PyTorch below"),
]


def timeline() -> Figure:
    """Years on one axis, one line for each event; a mark at 2017, when the articles behind this course were written."""
    fig, ax = plt.subplots(figsize=(8.2, 3.9))
    for k, (year, name, words) in enumerate(HISTORY):
        old = "Theano" in name
        colour = COLOURS[1] if old else COLOURS[0]
        ax.plot(year, -k, "s" if old else "o", color=colour, markersize=8)
        ax.text(year + 0.32, -k, words, va="center", fontsize=9)
    ax.axvspan(2017, 2018, color="#EEEEEE", zorder=0)
    ax.text(2017.5, 1.1, "the articles", ha="center", fontsize=9)
    ax.set(xlim=(2009.5, 2031.5), ylim=(-len(HISTORY) + 0.3, 1.6), yticks=[], xticks=range(2010, 2025, 2))
    ax.spines["left"].set_visible(False)
    ax.grid(axis="x")
    ax.set_title("Deep-learning frameworks (squares: Theano and its heirs)")
    return fig


def stack(backend: str) -> Figure:
    """Which software stands on which; the engine in use is framed."""
    boxes = [
        ("your model", 0, 3, 3, "#F3D9C4"),
        ("Keras 3: layers, fit, evaluate", 0, 2, 3, "#D5E8F3"),
        *((name, k, 1, 1, "#FFFFFF") for k, name in enumerate(("TensorFlow", "JAX", "PyTorch"))),
        ("XLA, oneDNN, Eigen, cuDNN: compiled kernels for CPU and GPU", 0, 0, 3, "#EEEEEE"),
    ]
    fig, ax = plt.subplots(figsize=(7, 2.6))
    for name, x, y, width, colour in boxes:
        used = name.casefold() == backend or (name == "PyTorch" and backend == "torch")
        box = FancyBboxPatch((x + 0.03, y + 0.1), width - 0.06, 0.8, boxstyle="round,pad=0,rounding_size=0.06")
        box.set(facecolor=colour, edgecolor=COLOURS[1] if used else "#555555", linewidth=2.6 if used else 1)
        ax.add_patch(box)
        ax.text(x + width / 2, y + 0.5, name + (" (in use here)" if used else ""), ha="center", va="center", fontsize=9)
    ax.set(xlim=(0, 3), ylim=(0, 4))
    ax.axis("off")
    return fig


def graph(nodes: dict[str, str], edges: list[tuple[str, str, str]], title: str = "") -> Figure:
    """A data-flow graph from left to right: operations as boxes, tensors as arrows with their shape."""
    depth = dict.fromkeys(nodes, 0)
    for _ in nodes:  # as often as the longest path may be
        for start, end, _shape in edges:
            depth[end] = max(depth[end], depth[start] + 1)
    for start in nodes:  # inputs move next to where they are used
        ends = [depth[e] for s, e, _ in edges if s == start]
        if ends and not any(e == start for _, e, _ in edges):
            depth[start] = min(ends) - 1
    columns: dict[int, list[str]] = {}
    for name in nodes:
        columns.setdefault(depth[name], []).append(name)
    place = {n: (d, (len(c) - 1) / 2 - k) for d, c in columns.items() for k, n in enumerate(c)}
    fig, ax = plt.subplots(figsize=(7, 2.4))
    for start, end, shape in edges:
        (x0, y0), (x1, y1) = place[start], place[end]
        ax.annotate("", (x1 - 0.24, y1), (x0 + 0.12, y0), arrowprops={"arrowstyle": "-|>", "color": "#555555"})
        ax.text((x0 + x1) / 2, (y0 + y1) / 2 + 0.1, shape, ha="center", va="bottom", fontsize=9, color=COLOURS[0])
    for name, (x, y) in place.items():
        kind = nodes[name]
        given = kind == "Placeholder"
        text = name if given else kind
        style = {"boxstyle": "round", "facecolor": "#D5E8F3" if given else "white", "edgecolor": "#333333"}
        ax.text(x, y, text, ha="center", va="center", fontsize=10, bbox=style)
    low = min(y for _, y in place.values())
    high = max(y for _, y in place.values())
    ax.set(xlim=(-0.5, max(depth.values()) + 0.5), ylim=(low - 0.5, high + 0.6), title=title)
    ax.axis("off")
    return fig
