"""Figures on VGG16: networks drawn to scale, where weights and work sit, the input layer, what one value sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from helpers.figures.core import COLOURS
from helpers.vgg_plan import SIZE, Layer

KIND_COLOURS = {"convolution": COLOURS[0], "pooling": COLOURS[4], "dense": COLOURS[2]}


def networks(plans: Mapping[str, Sequence[Layer]]) -> Figure:
    """One row per network: each layer as a slab, height = side of its maps, width = number of maps (dense: fixed)."""
    fig, axes = plt.subplots(len(plans), 1, figsize=(8.6, 2.5 * len(plans)), squeeze=False)
    for ax, (name, layers) in zip(axes[:, 0], plans.items()):
        x, last = 6.0, None
        for layer in layers:
            x += 10 if last and last.name.split("_")[0] != layer.name.split("_")[0] else 2
            height = layer.output[0] if len(layer.output) == 3 else SIZE * layer.output[0] / 4096
            width = 4 + layer.output[-1] / 24 if len(layer.output) == 3 else 12
            width = 4 if layer.kind == "pooling" else width
            look = {"facecolor": KIND_COLOURS[layer.kind], "edgecolor": "white", "linewidth": 0.8}
            hatch = {"pooling": "////", "dense": "...", "convolution": ""}[layer.kind]
            ax.add_patch(Rectangle((x, -height / 2), width, height, hatch=hatch, **look))
            if layer.kind == "pooling":
                ax.text(x + 2, -height / 2 - 10, f"{layer.output[0]}", ha="center", va="top", fontsize=8)
            if layer.name.endswith("conv1"):
                depth = sum(other.name.startswith(layer.name[:6]) and other.kind == "convolution" for other in layers)
                ax.text(x, height / 2 + 8, f"{depth} × {layer.output[-1]}", fontsize=8.5)
            if layer.kind == "dense":
                ax.text(x + 6, height / 2 + 8, f"{layer.output[0]}", ha="center", fontsize=8.5)
            x, last = x + width, layer
        weights, work = sum(layer.weights for layer in layers), sum(layer.flops for layer in layers)
        ax.set_title(f"{name}: {weights / 1e6:.1f} million weights, {work / 1e9:.1f} GFLOP per picture")
        ax.set(xlim=(0, 480), ylim=(-138, 142))
        ax.axis("off")
    labels = {"convolution": "3 × 3 convolution", "pooling": "max-pooling (side below)", "dense": "dense"}
    handles = [Patch(color=KIND_COLOURS[kind], label=text) for kind, text in labels.items()]
    fig.legend(handles=handles, loc="outside lower center", ncols=3)
    return fig


def weights_and_work(plans: Mapping[str, Sequence[Layer]]) -> Figure:
    """Weights and floating-point operations of each block as bars; the two networks side by side."""
    stages = ["block1", "block2", "block3", "block4", "block5", "fc1", "fc2", "predictions"]
    fig, axes = plt.subplots(1, 2, figsize=(8.4, 3.2), sharey=True)
    for ax, (field, scale, unit) in zip(
        axes, (("weights", 1e6, "million weights"), ("flops", 1e9, "GFLOP per picture"))
    ):
        for number, (name, layers) in enumerate(plans.items()):
            sums = [sum(getattr(e, field) for e in layers if e.name.split("_")[0] == s) / scale for s in stages]
            places = np.arange(len(stages)) + (number - 0.5) * 0.38
            look = {"color": COLOURS[number], "hatch": ("", "///")[number], "edgecolor": "white"}
            bars = ax.barh(places, sums, 0.36, label=name, **look)
            ax.bar_label(bars, [f"{s:.1f}" if s >= 0.05 else "<0.1" for s in sums], padding=3, fontsize=7.5)
        ax.set(xlabel=unit, yticks=range(len(stages)), yticklabels=stages, xlim=(0, max(ax.get_xlim()) * 1.08))
    axes[0].invert_yaxis()
    axes[0].set_title("Where the weights are")
    axes[1].set_title("Where the work is")
    axes[1].legend(loc="lower right")
    return fig


def inputs(pictures: Mapping[str, np.ndarray], notes: Sequence[str]) -> Figure:
    """The same picture as several preprocessing recipes hand it on; each with its own range stretched to 0..1."""
    fig, axes = plt.subplots(1, len(pictures), figsize=(8.4, 2.9))
    for ax, (title, values), note in zip(axes, pictures.items(), notes):
        values = np.asarray(values, float)
        low, high = values.min(), values.max()
        ax.imshow((values - low) / (high - low))
        ax.set_title(title, fontsize=9.5, loc="center")
        ax.set_xlabel(
            f"{low:.0f} … {high:.0f}\n{note}" if high > 2 else f"{low:.1f} … {high:.1f}\n{note}", fontsize=8.5
        )
        ax.set(xticks=[], yticks=[])
    return fig


def receptive_fields(picture: np.ndarray, sides: Mapping[str, int]) -> Figure:
    """Squares on a 224 x 224 picture: what one value of each layer can see."""
    fig, ax = plt.subplots(figsize=(4.6, 4.4))
    ax.imshow(picture)
    for number, (name, side) in enumerate(sides.items()):
        corner = SIZE / 2 - side / 2
        colour, line = (
            ("white", "#FFE066", "#7FDBFF", "#FFB347", "#B5FFB5")[number % 5],
            ("-", "--", "-.", ":", "-")[number % 5],
        )
        ax.add_patch(Rectangle((corner, corner), side, side, fill=False, edgecolor="black", linewidth=3.2))
        ax.add_patch(
            Rectangle((corner, corner), side, side, fill=False, edgecolor=colour, linewidth=1.8, linestyle=line)
        )
        box = {"facecolor": "black", "alpha": 0.65, "pad": 1.5, "edgecolor": "none"}
        ax.text(corner + 3, corner + 3, f"{name}: {side} px", color=colour, fontsize=8, va="top", bbox=box)
    ax.set(xticks=[0, 112, 223], yticks=[0, 112, 223], xlim=(-2, 226), ylim=(226, -2), xlabel="column (pixels)")
    return fig
