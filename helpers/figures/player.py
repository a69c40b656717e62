"""Frames of a figure played by the reader's kernel: a play button, a slider and a picture, nothing else."""

from __future__ import annotations

from collections.abc import Sequence

import ipywidgets as widgets
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from helpers.figures.core import encode


def player(figures: Sequence[Figure], milliseconds: int = 900) -> widgets.VBox:
    """An animation of figures of equal size; the figures are closed. Without a running kernel it shows nothing, so a
    notebook puts a strip of the same frames beside it."""
    frames = [encode(figure)[1] for figure in figures]
    for figure in figures:
        plt.close(figure)
    image = widgets.Image(value=frames[0], format="png", width=520)
    play = widgets.Play(min=0, max=len(frames) - 1, interval=milliseconds)
    slider = widgets.IntSlider(min=0, max=len(frames) - 1, description="position")
    widgets.jslink((play, "value"), (slider, "value"))

    def turn(change) -> None:
        image.value = frames[change["new"]]

    slider.observe(turn, "value")
    return widgets.VBox([widgets.HBox([play, slider]), image])
