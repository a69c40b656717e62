"""Figures of CT slices and volumes: cuts with the right aspect, sorting, padding, lungs, candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from matplotlib.ticker import MaxNLocator

from helpers.figures.core import COLOURS
from helpers.hounsfield import WINDOWS, window
from helpers.volume import CTVolume

LUNG_COLOURS = {1: COLOURS[5], 2: COLOURS[4]}
OUTLINE = {1: "solid", 2: "dashed"}
# Which patient axes (0 x, 1 y, 2 z) run across and up a plane.
ACROSS = {"axial": (0, 1), "coronal": (0, 2), "sagittal": (1, 2)}


def grey(hu: np.ndarray, preset: str | None = "mediastinum") -> np.ndarray:
    """HU -> brightness 0..1 in one of the preset windows; None for values that are no HU: all but their extremes."""
    if preset is None:
        low, high = np.percentile(hu, (1, 99))
        return np.clip((hu - low) / max(high - low, 1e-6), 0, 1)
    centre, width, _ = WINDOWS[preset]
    return window(hu, centre, width)


def slices(images: Mapping[str, np.ndarray], title: str = "", presets: str | Sequence[str] = "mediastinum") -> Figure:
    """Slices (rows, columns) in HU side by side, each under its name; presets: one window, or one for each."""
    chosen = [presets] * len(images) if isinstance(presets, str) else list(presets)
    figure, axes = plt.subplots(1, len(images), figsize=(8.6, 8.6 / len(images) + 0.45), squeeze=False)
    for ax, (name, image), preset in zip(axes[0], images.items(), chosen):
        ax.imshow(grey(image, preset), vmin=0, vmax=1, interpolation="bilinear")
        ax.set_title(name, fontsize=9, fontweight="normal")
        ax.axis("off")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    return figure


def brightness(images: Mapping[str, np.ndarray], title: str, low: float, high: float, unit: str) -> Figure:
    """Arrays of any quantity with one grey scale and its bar; for values that are no HU yet."""
    figure, axes = plt.subplots(1, len(images), figsize=(8.6, 8.0 / len(images) + 0.5), squeeze=False)
    for ax, (name, image) in zip(axes[0], images.items()):
        shown = ax.imshow(image, vmin=low, vmax=high, cmap="gray")
        ax.set_title(name, fontsize=9, fontweight="normal")
        ax.axis("off")
    figure.colorbar(shown, ax=axes[0].tolist(), shrink=0.8, label=unit)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    return figure


def planes(
    volume: CTVolume, title: str, preset: str | None = "mediastinum", at: Sequence[float] | None = None
) -> Figure:
    """Axial, coronal and sagittal cut through one point (patient mm; default the middle), to one scale.

    Of a single slice only the plane in which it lies. preset: a window, or None for values that are no HU.
    """
    if volume.tilt > 0.1:  # its slices are not axial then, and its sagittal cuts are sheared
        volume, title = volume.resample(max(1.0, min(volume.spacing))), f"{title} (tilt straightened)"
    point = volume.position((np.array(volume.shape) - 1) / 2) if at is None else np.asarray(at, float)
    index = np.clip(np.rint(volume.index_of(point)).astype(int), 0, np.array(volume.shape) - 1)
    names = ("axial", "coronal", "sagittal") if volume.shape[0] > 1 else (_plane_of_slices(volume),)
    figure, axes = plt.subplots(1, len(names), figsize=(3.0 * len(names) + (len(names) == 1), 3.5), squeeze=False)
    for ax, name in zip(axes[0], names):
        cut = volume.plane(name, int(index[volume.array_axes()[name]]))
        ax.imshow(grey(cut.image, preset), extent=cut.extent, vmin=0, vmax=1, aspect="equal", interpolation="bilinear")
        ax.set(xlabel=cut.labels[0], ylabel=cut.labels[1])
        wide, high = abs(np.diff(cut.extent)[[0, 2]])
        ax.yaxis.set_major_locator(MaxNLocator(int(np.clip(8 * high / wide, 1, 8)), min_n_ticks=1))
        ax.set_title(name, fontsize=10, fontweight="normal", loc="center")
        right, up = ACROSS[name]
        ax.axvline(point[right], color=COLOURS[4], lw=0.6, ls=(0, (4, 4)))
        ax.axhline(point[up], color=COLOURS[4], lw=0.6, ls=(0, (4, 4)))
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    return figure


def _plane_of_slices(volume: CTVolume) -> str:
    """Which plane the slices were taken in: axial for most CT."""
    return next(name for name, axis in volume.array_axes().items() if axis == 0)


def aspect_pair(image: np.ndarray, step: float, dx: float, title: str, preset: str | None = "mediastinum") -> Figure:
    """One coronal cut, head up, with square pixels and with its true proportions.

    step: mm from a slice to the next, along the table; dx: mm between columns.
    """
    height = 3.95 * image.shape[0] * step / (image.shape[1] * dx)
    figure, axes = plt.subplots(1, 2, figsize=(8.0, min(height, 6.0) + 0.75))
    for ax, aspect, name in (
        (axes[0], 1.0, "square pixels: wrong"),
        (axes[1], step / dx, f"step / dx = {step / dx:.2f}: right"),
    ):
        ax.imshow(grey(image, preset), vmin=0, vmax=1, aspect=aspect, interpolation="bilinear")
        ax.set_title(name, fontsize=10, fontweight="normal", loc="center")
        ax.set_anchor("N")
        ax.axis("off")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    return figure


def positions(by_name: np.ndarray, title: str, unit: str = "mm along the slice normal") -> Figure:
    """Slice positions in the order of the file names, and sorted, with the step between neighbours."""
    figure, axes = plt.subplots(1, 3, figsize=(9.0, 3.5))
    axes[0].plot(by_name, color=COLOURS[1], marker="o", ms=3, lw=0.8)
    axes[0].set(title="in the order of file names", xlabel="file", ylabel=unit)
    ordered = np.sort(by_name)
    axes[1].plot(ordered, color=COLOURS[0], marker="o", ms=3, lw=0.8)
    axes[1].set(title="sorted by position", xlabel="slice", ylabel=unit)
    steps = np.diff(ordered)
    axes[2].plot(steps, color=COLOURS[2], marker="s", ms=3, lw=0.8)
    axes[2].set(title="step to the next slice", xlabel="slice", ylabel="mm", ylim=(0, max(1.0, steps.max()) * 1.3))
    for ax in axes:
        ax.set_title(ax.get_title(loc="left"), fontsize=10, fontweight="normal")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    return figure


def stacked_wrong(wrong: np.ndarray, right: np.ndarray, aspect: float, title: str) -> Figure:
    """The same coronal cut of a stack in file-name order and in the order of positions (HU)."""
    figure, axes = plt.subplots(1, 2, figsize=(8.0, 3.9))
    for ax, image, name in ((axes[0], wrong, "stacked by file name"), (axes[1], right, "stacked by position")):
        ax.imshow(grey(image[::-1]), vmin=0, vmax=1, aspect=aspect)
        ax.set_title(name, fontsize=10, fontweight="normal", loc="center")
        ax.axis("off")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    return figure


def disc_in_square(stored: np.ndarray, outside: np.ndarray | None, title: str) -> Figure:
    """The scan circle inside the square picture: stored values, the mask, and a profile along the diagonal."""
    figure, axes = plt.subplots(1, 3, figsize=(9.0, 3.2), width_ratios=[1, 1, 1.25])
    axes[0].imshow(stored, vmin=-2000, vmax=1500)
    axes[0].set_title("stored values", fontsize=10, fontweight="normal")
    mask = np.zeros(stored.shape, bool) if outside is None else outside
    axes[1].imshow(mask, cmap="cividis")
    axes[1].set_title(f"outside: {mask.mean():.1%} of the pixels", fontsize=10, fontweight="normal")
    for ax in axes[:2]:
        ax.axis("off")
    n = min(stored.shape)
    axes[2].plot(stored[np.arange(n), np.arange(n)], lw=1.0, color=COLOURS[0])
    axes[2].set(xlabel="row = column", ylabel="stored value")
    axes[2].set_title("along the diagonal", fontsize=10, fontweight="normal")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    return figure


def cut(volume: CTVolume, k: int) -> tuple[np.ndarray, float]:
    """Slice k as radiologists look at it where slices are axial, else as stored; and the aspect of its pixels."""
    if volume.array_axes()["axial"] == 0:
        plane = volume.plane("axial", k)
        return plane.image, plane.aspect
    return volume.hu[k], volume.spacing[1] / volume.spacing[2]


def lungs_over(volume: CTVolume, labels: np.ndarray, where: Sequence[int], title: str, filled: bool = False) -> Figure:
    """Axial slices in the lung window with outlines: right lung solid, left lung dashed; `filled` tints the inside."""
    figure, axes = plt.subplots(1, len(where), figsize=(9.0, 9.0 / len(where) + 0.6), squeeze=False)
    found = replace(volume, hu=labels.astype(np.int16), padding=None)
    for ax, k in zip(axes[0], where):
        image, aspect = cut(volume, k)
        ax.imshow(grey(image, "lung"), vmin=0, vmax=1, aspect=aspect)
        for label, colour in LUNG_COLOURS.items():
            mask = cut(found, k)[0] == label
            if mask.any() and filled:
                ax.imshow(np.ma.masked_equal(mask, 0), cmap=ListedColormap([colour]), alpha=0.4, aspect=aspect)
            if mask.any():
                ax.contour(mask, [0.5], colors=[colour], linewidths=1.4, linestyles=OUTLINE[label])
        ax.set_title(f"slice {k}", fontsize=9, fontweight="normal")
        ax.axis("off")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    return figure


def _around(volume: CTVolume, index: Sequence[float], half_mm: float) -> CTVolume:
    """The piece of one slice that lies within `half_mm` of a voxel, across and down."""
    k, *middle = (round(i) for i in index)
    reach = [max(2, round(half_mm / step)) for step in volume.spacing[1:]]
    rows, columns = (slice(max(i - n, 0), i + n + 1) for i, n in zip(middle, reach))
    affine = volume.affine.copy()
    affine[:3, 3] = volume.position((k, rows.start, columns.start))
    return CTVolume(volume.hu[k : k + 1, rows, columns], affine)


def spots(volume: CTVolume, found: Sequence, title: str, half_mm: float = 24.0) -> Figure:
    """A small picture around each candidate, with its diameter and HU."""
    figure, axes = plt.subplots(1, max(1, len(found)), figsize=(9.0, 9.0 / max(4, len(found)) + 0.9), squeeze=False)
    for ax in axes[0]:
        ax.axis("off")
    if not found:
        axes[0][0].text(0.5, 0.5, "no candidates", ha="center", va="center")
    name = _plane_of_slices(volume)
    for ax, spot in zip(axes[0], found):
        plane = _around(volume, spot.index, half_mm).plane(name)
        ax.imshow(grey(plane.image, "lung"), extent=plane.extent, vmin=0, vmax=1, interpolation="bilinear")
        centre = [spot.position[axis] for axis in ACROSS[name]]
        ax.add_patch(Circle(centre, 1.25 * spot.diameter / 2, fill=False, ec=COLOURS[4], lw=1.5, ls="--"))
        ax.set_title(f"{spot.diameter:.1f} mm\n{spot.hu:.0f} HU, {spot.side}", fontsize=9, fontweight="normal")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    return figure


def phantom_tour(phantom, title: str) -> Figure:
    """Four cuts through the phantom; rings mark the nodules whose size and HU are known."""
    volume = CTVolume(phantom.hu, phantom.affine)
    figure, axes = plt.subplots(1, 4, figsize=(9.4, 2.9))
    for ax, nodule in zip(axes, phantom.nodules):
        k, r, c = nodule.index
        ax.imshow(grey(volume.hu[round(k)], "lung"), vmin=0, vmax=1)
        ax.add_patch(Circle((c, r), 1.6 * nodule.diameter / phantom.spacing[1], fill=False, ec=COLOURS[4], lw=1.5))
        ax.set_title(f"{nodule.kind}\n{nodule.diameter:g} mm, {nodule.hu:g} HU", fontsize=9, fontweight="normal")
        ax.axis("off")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    return figure


def montage(volume: CTVolume, presets: Sequence[str], where: Sequence[int], title: str) -> Figure:
    """What the interactive viewer shows, for paper: windows down, slices across."""
    figure, axes = plt.subplots(len(presets), len(where), figsize=(8.8, 1.75 * len(presets) + 0.5), squeeze=False)
    for row, preset in zip(axes, presets):
        for ax, k in zip(row, where):
            image, aspect = cut(volume, k)
            ax.imshow(grey(image, preset), vmin=0, vmax=1, aspect=aspect)
            ax.set(xticks=[], yticks=[])
            for side in ax.spines.values():
                side.set_visible(False)
        row[0].set_ylabel(preset, fontsize=9)
    for ax, k in zip(axes[0], where):
        ax.set_title(f"slice {k}", fontsize=9, fontweight="normal")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    return figure
