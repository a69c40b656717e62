"""Figures of the Hounsfield scale: attenuation to HU, tissues, windows, histograms, padding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from helpers.figures.core import COLOURS
from helpers.hounsfield import TISSUES, WINDOWS, window


def attenuation_line(mu_water: float) -> Figure:
    """Attenuation to HU: a straight line through two agreed points, without an upper end."""
    mu = np.linspace(0, 2.6 * mu_water, 50)
    figure, ax = plt.subplots(figsize=(7.0, 3.6))
    ax.plot(mu, 1000 * (mu - mu_water) / mu_water, color=COLOURS[0])
    ax.plot([0, mu_water], [-1000, 0], "o", color=COLOURS[1], ms=8)
    ax.annotate("air: -1000 HU by definition", (0, -1000), (0.004, -1000), va="center")
    ax.annotate("water: 0 HU by definition", (mu_water, 0), (mu_water + 0.002, -120), va="center")
    ax.annotate("bone, metal: no upper end", (mu[-1], 1600), (0.026, 1450), ha="left", va="center")
    ax.set(xlabel="linear attenuation of the voxel (1/mm, at 70 keV)", ylabel="Hounsfield units")
    ax.set_title("HU = 1000 (mu - mu water) / (mu water - mu air)")
    return figure


def scale(measured: Mapping[str, float] | None = None, what: str = "measured") -> Figure:
    """The HU scale with the usual range of each tissue; `measured` values are marked, and `what` says what they are."""
    figure, (whole, near) = plt.subplots(1, 2, figsize=(9.2, 4.6), sharey=True, width_ratios=[1.6, 1])
    names = [t.name for t in TISSUES]
    for k, tissue in enumerate(TISSUES):
        text = f"{tissue.low:g}" if tissue.low == tissue.high else f"{tissue.low:g} to {tissue.high:g}"
        right = tissue.high < 1000
        gap = 95 if tissue.name in (measured or {}) else 55  # room for the diamond
        whole.text(tissue.high + gap if right else tissue.low - gap, k, text, va="center",
                   ha="left" if right else "right", fontsize=8)  # fmt: skip
        for ax, least in ((whole, 14), (near, 2)):
            width = max(tissue.high - tissue.low, least)
            ax.barh(k, width, left=(tissue.low + tissue.high - width) / 2, color=COLOURS[0], height=0.62)
    for name, value in (measured or {}).items():
        for ax in (whole, near) if name in names else ():
            ax.plot(value, names.index(name), "D", color="black", ms=6, mfc="white")
    for ax, low, high in ((whole, -1080, 2080), (near, -150, 110)):
        ax.axvline(0, color="0.6", lw=0.8, zorder=0)
        ax.set(xlabel="Hounsfield units", xlim=(low, high))
    whole.axvline(-1000, color="0.6", lw=0.8, zorder=0)
    whole.set(yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.5, -0.5))
    whole.set_title("air to compact bone", fontweight="normal", fontsize=10)
    title = "Tissues on the Hounsfield scale" + (f" (diamonds: {what})" if measured else "")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    near.set_title("fat to clotted blood, enlarged", fontweight="normal", fontsize=10)
    return figure


def histogram(inside: np.ndarray, title: str, outside_share: float = 0.0, marks: Sequence[str] = ()) -> Figure:
    """How often each HU occurs in the measured field, logarithmic, with the places of some tissues."""
    figure, ax = plt.subplots(figsize=(8.6, 3.6))
    end = int(np.clip(inside.max(initial=700), 700, 1600))  # metal would stretch the axis to no purpose
    ax.hist(inside, bins=np.arange(-1100, end + 10, 10), color=COLOURS[0], histtype="stepfilled", alpha=0.85)
    ax.set_yscale("log")
    top = ax.get_ylim()[1]
    for k, name in enumerate(marks):
        tissue = next(t for t in TISSUES if t.name == name)
        middle = (tissue.low + tissue.high) / 2
        if middle > end:
            continue
        ax.axvline(middle, color="black", lw=0.8, ls=":")
        ax.text(middle, top * (1.25 + 1.6 * (k % 2)), name, ha="center", va="bottom", fontsize=8)
    beyond = np.count_nonzero((inside < -1100) | (inside > end + 10))
    ax.set(
        xlabel="Hounsfield units" + (f" ({beyond:,} voxels lie beyond)" if beyond else ""), ylabel="voxels per 10 HU"
    )
    note = f"; {outside_share:.0%} of the voxels were not measured and are left out" if outside_share else ""
    ax.set_title(f"{title}{note}", pad=34 if marks else 6)
    return figure


def window_curves(centre: float = 40, width: float = 100) -> Figure:
    """The three window functions of the standard for one centre and width, whole and near the upper end."""
    hu = np.linspace(centre - 1.2 * width, centre + 1.2 * width, 4801)
    figure, axes = plt.subplots(1, 2, figsize=(8.6, 3.3))
    for function, colour, dash in (
        ("LINEAR", COLOURS[0], "-"),
        ("LINEAR_EXACT", COLOURS[1], "--"),
        ("SIGMOID", COLOURS[2], ":"),
    ):
        for ax in axes:
            ax.plot(hu, window(hu, centre, width, function), color=colour, ls=dash, label=function)
    end = centre + width / 2
    axes[0].set(
        xlabel="Hounsfield units", ylabel="brightness (0 black, 1 white)", title=f"centre {centre:g}, width {width:g}"
    )
    axes[1].set(xlabel="Hounsfield units", xlim=(end - 3, end + 2), ylim=(0.96, 1.006), title="near white, enlarged")
    axes[0].legend(loc="upper left")
    return figure


def windows(hu: np.ndarray, names: Sequence[str], title: str, aspect: float = 1.0) -> Figure:
    """One slice in several preset windows and once with its whole range; where on the scale each window lies."""
    columns = -(-(len(names) + 2) // 2)
    figure, grid = plt.subplots(2, columns, figsize=(9.0, 18.0 / columns + 0.9), squeeze=False)
    *axes, spare = grid.ravel()[: len(names) + 2]
    for ax, name in zip(axes, names):
        centre, width, tissues = WINDOWS[name]
        ax.imshow(window(hu, centre, width), vmin=0, vmax=1, aspect=aspect, interpolation="bilinear")
        ax.set_title(f"{name}: {centre:g} / {width:g}\n{tissues}", fontsize=8, fontweight="normal")
    top = max(float(hu.max()), 1000.0)
    axes[-1].imshow(hu, vmin=-1024, vmax=top, aspect=aspect)
    axes[-1].set_title(f"full range, -1024 to {top:.0f}:\nall soft tissues alike", fontsize=8, fontweight="normal")
    for ax in set(grid.ravel()) - {spare}:
        ax.axis("off")
    for k, name in enumerate(names):
        centre, width, _ = WINDOWS[name]
        ramp = np.linspace(0, 1, 64)[None]
        spare.imshow(ramp, extent=(centre - width / 2, centre + width / 2, k + 0.3, k - 0.3), aspect="auto")
        spare.text(-1350, k - 0.32, name, va="bottom", fontsize=8)
    spare.set(xlim=(-1400, 1400), ylim=(len(names) - 0.5, -0.8), yticks=[])
    spare.set(xlabel="Hounsfield units", facecolor="#EEF5FA")
    spare.set_title("each window from black to white\non the Hounsfield scale", fontsize=8, fontweight="normal")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    return figure


def outside_as(values: Mapping[str, np.ndarray], title: str) -> Figure:
    """One slice after several treatments of its corners, all in one window from -1100 to 200 HU."""
    figure, axes = plt.subplots(1, len(values), figsize=(9.0, 9.0 / len(values) + 0.7))
    for ax, (name, hu) in zip(axes, values.items()):
        shown = ax.imshow(hu, vmin=-1100, vmax=200)
        ax.set_title(f"{name}\ncorner: {float(hu[0, 0]):g} HU", fontsize=9, fontweight="normal")
        ax.axis("off")
    figure.colorbar(shown, ax=axes.tolist(), label="HU", shrink=0.75)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    return figure


def sinogram(image: np.ndarray, line_integrals: np.ndarray, title: str) -> Figure:
    """A slice (HU) and what the scanner measures of it: line integrals for every angle."""
    figure, axes = plt.subplots(1, 2, figsize=(8.2, 3.5), width_ratios=[1, 1.25])
    axes[0].imshow(window(image, 40, 400), vmin=0, vmax=1)
    axes[0].set_title("the slice as it is", fontsize=10, fontweight="normal")
    axes[0].axis("off")
    shown = axes[1].imshow(line_integrals, aspect="auto", cmap="cividis", extent=(0, 180, line_integrals.shape[0], 0))
    axes[1].set(xlabel="angle of the beam (degrees)", ylabel="detector element")
    axes[1].set_title("what is measured: the sinogram", fontsize=10, fontweight="normal")
    figure.colorbar(shown, ax=axes[1], label="line integral of attenuation")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    return figure
