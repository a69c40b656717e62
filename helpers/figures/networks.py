"""Figures on the parts of a network: activations, gradients by depth, pooling, batch norm, softmax, a look inside."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from helpers import activations as act
from helpers import layers
from helpers.figures.core import COLOURS
from helpers.figures.kernels import grid, to_scale

BLUE, RED, GREEN = COLOURS[0], COLOURS[1], COLOURS[2]
MARKERS = "os^Dv"


def curves(pairs: Mapping[str, tuple[Callable, Callable]], reach: float = 4.0, columns: int = 3) -> Figure:
    """Each activation (line) with its derivative (dashed)."""
    x = np.linspace(-reach, reach, 401)
    lines = -(-len(pairs) // columns)
    fig, axes = plt.subplots(lines, columns, figsize=(8, 2.1 * lines), sharex=True)
    for ax, (name, (f, d_f)) in zip(axes.flat, pairs.items()):
        ax.plot(x, f(x), color=BLUE, label="activation")
        ax.plot(x, d_f(x), color=RED, linestyle="--", label="derivative")
        ax.axhline(0, color="#999999", linewidth=0.6)
        ax.axvline(0, color="#999999", linewidth=0.6)
        ax.set(title=name, ylim=(-1.4, 2.4), yticks=(-1, 0, 1, 2))
    for ax in axes.flat[len(pairs) :]:
        ax.axis("off")
    fig.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return fig


def random_bands(seed: int = 0, draws: int = 4000) -> Figure:
    """The three activations with chance in them: the middle 90 % of what comes out, against the input."""
    rng = np.random.default_rng(seed)
    x = np.linspace(-4, 4, 161)
    noise = rng.standard_normal((draws, x.size))
    drawn = {
        "RReLU, x / a, a ~ U(3, 8)": (act.rrelu(x, act.rrelu_draw(noise.shape, rng)), act.rrelu_test(x)),
        "noisy ReLU (2010)": (act.noisy_relu(x, noise), act.relu(x)),
        "noisy hard tanh, c = 3": (act.noisy_hard_tanh(x, np.abs(noise), c=3.0), np.clip(x, -1, 1)),
    }
    fig, axes = plt.subplots(1, 3, figsize=(8, 2.8))
    for ax, (name, (samples, quiet)) in zip(axes, drawn.items()):
        ax.fill_between(x, *np.percentile(samples, (5, 95), axis=0), color="#9FC9E3", label="90 % while training")
        ax.plot(x, quiet, color="black", label="without chance")
        ax.set(title=name, xlabel="x", ylim=(-2, 4))
    axes[0].set_ylabel("output")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return fig


def gradient_by_depth(sizes: Mapping[str, np.ndarray]) -> Figure:
    """Mean |gradient| at each layer's weights, on a logarithmic axis."""
    fig, ax = plt.subplots(figsize=(7.5, 3.6))
    for (name, values), marker, colour in zip(sizes.items(), MARKERS, COLOURS):
        ax.semilogy(np.arange(1, len(values) + 1), values, marker=marker, color=colour, label=name)
    ax.set(xlabel="layer (1 is next to the input)", ylabel="mean |gradient|", xticks=np.arange(1, len(values) + 1))
    ax.set_title("What reaches the weights of each layer, before training")
    ax.grid(axis="y")
    ax.legend()
    return fig


def pooling_blocks(x) -> Figure:
    """A map in blocks of 2 x 2, the largest number and the mean of each."""
    batch = np.asarray(x, float)[None, ..., None]
    blocks = (np.add.outer(np.arange(len(x)) // 2, np.arange(len(x[0])) // 2) % 2).astype(bool)
    fig, axes = plt.subplots(1, 3, figsize=(7.5, 2.6), width_ratios=(4, 2, 2))
    grid(axes[0], x, "input, in blocks of 2 × 2", shade=blocks)
    small = blocks[::2, ::2]
    grid(axes[1], layers.max_pool(batch)[0, ..., 0], "max", shade=small)
    grid(axes[2], layers.mean_pool(batch)[0, ..., 0], "mean", shade=small)
    to_scale(axes)
    return fig


def images_in_a_row(images: Mapping[str, np.ndarray], limits=None, title: str = "", cmap: str = "gray") -> Figure:
    """Pictures of any sizes side by side, all drawn equally wide."""
    fig, axes = plt.subplots(1, len(images), figsize=(8.2, 8.2 / len(images) + 0.55))
    for ax, (name, image) in zip(np.atleast_1d(axes), images.items()):
        low, high = limits or (None, None)
        ax.imshow(image, vmin=low, vmax=high, cmap=cmap)
        ax.set_title(name, loc="center", fontsize=9)
        ax.axis("off")
    fig.suptitle(title, fontsize=11, fontweight="bold")
    return fig


def channel_distributions(before: np.ndarray, after: np.ndarray, names: list[str]) -> Figure:
    """Histograms of some channels, (value, channel), before and after batch normalisation."""
    fig, axes = plt.subplots(1, 2, figsize=(8, 3))
    for ax, values, title in ((axes[0], before, "before"), (axes[1], after, "after batch normalisation")):
        edges = np.linspace(values.min(), values.max(), 61)
        for k, (name, style) in enumerate(zip(names, ("-", "--", ":", "-."))):
            share, _ = np.histogram(values[:, k], edges)
            ax.plot((edges[1:] + edges[:-1]) / 2, share / len(values), style, color=COLOURS[k], label=name)
        ax.set(title=title, xlabel="value", yticks=[])
    axes[0].set_ylabel("share of values")
    axes[0].legend()
    return fig


def softmax_bars(scores, temperatures) -> Figure:
    """Scores and the probabilities they become at several temperatures."""
    scores = np.asarray(scores, float)
    fig, axes = plt.subplots(1, len(temperatures) + 1, figsize=(8.4, 2.5))
    axes[0].bar(range(len(scores)), scores, color="#888888")
    axes[0].set(title="scores", xlabel="class", xticks=range(0, len(scores), 2))
    for ax, t in zip(axes[1:], temperatures):
        p = layers.softmax(scores, temperature=t)
        ax.bar(range(len(p)), p, color=BLUE)
        ax.set(title=f"T = {t:g}", ylim=(0, 1.08), xlabel="class", xticks=range(0, len(p), 2))
        ax.annotate(f"{p.max():.3f}", (p.argmax(), p.max()), ha="center", va="bottom", fontsize=9)
    return fig


def filters(kernels: np.ndarray, columns: int = 8) -> Figure:
    """The first layer's kernels (row, column, filter); grey is 0, the scale is common to all."""
    n = kernels.shape[-1]
    reach = np.abs(kernels).max()
    fig, axes = plt.subplots(-(-n // columns), columns, figsize=(8.2, 1.4 * -(-n // columns)))
    for k, ax in enumerate(np.ravel(axes)):
        ax.axis("off")
        if k < n:
            ax.imshow(kernels[..., k], vmin=-reach, vmax=reach)
            ax.set_title(f"filter {k}", loc="center", fontsize=9)
    fig.suptitle(
        f"Learnt filters of the first layer (grey = 0, white = +{reach:.2f}, black = −{reach:.2f})", fontsize=10
    )
    return fig


def feature_maps(outputs: Mapping[str, np.ndarray], columns: int = 8) -> Figure:
    """For one picture: the first channels of each layer's output (row, column, channel), a line per layer."""
    fig, axes = plt.subplots(len(outputs), columns, figsize=(8.2, 1.02 * len(outputs)))
    for line, (name, maps) in zip(axes, outputs.items()):
        for k, ax in enumerate(line):
            ax.set(xticks=[], yticks=[])
            for side in ax.spines.values():
                side.set_visible(False)
            if k < maps.shape[-1]:
                ax.imshow(maps[..., k])
        line[0].set_ylabel(f"{name}\n{maps.shape[0]}×{maps.shape[1]}", fontsize=9, rotation=0, ha="right", va="center")
    return fig


def looked_at(cases: list[tuple[np.ndarray, np.ndarray, str]]) -> Figure:
    """Pictures above, and below how much the answer's probability falls when a patch there is covered."""
    fig, axes = plt.subplots(2, len(cases), figsize=(8.2, 3.9))
    reach = max(np.abs(fall).max() for _, fall, _ in cases)
    for (top, bottom), (image, fall, name) in zip(axes.T, cases):
        top.imshow(image)
        top.set_title(name, loc="center", fontsize=9)
        drawn = bottom.imshow(fall, cmap="cividis", vmin=0, vmax=reach)
        top.axis("off")
        bottom.axis("off")
    fig.colorbar(drawn, ax=axes[1, :], label="fall of probability")
    return fig
