"""An interactive slice viewer: a picture, a slider, window presets. Runs wherever ipywidgets run."""

from __future__ import annotations

from io import BytesIO

import ipywidgets
import numpy as np
from PIL import Image

from helpers.figures.core import COLOURS
from helpers.hounsfield import WINDOWS, window
from helpers.volume import CTVolume

TINTS = {k: tuple(int(c[i : i + 2], 16) for i in (1, 3, 5)) for k, c in enumerate((COLOURS[5], COLOURS[4]), 1)}


def slice_png(
    volume: CTVolume, plane: str, index: int, preset: str, labels: np.ndarray | None = None, height: int = 450
) -> bytes:
    """One cut as PNG bytes, turned the radiological way, proportions in mm; labels 1 and 2 are tinted."""
    cut = volume.plane(plane, index)
    centre, width, _ = WINDOWS[preset]
    grey = (window(cut.image, centre, width) * 255).astype(np.uint8)
    rgb = np.repeat(grey[..., None], 3, axis=2)
    if labels is not None:
        tint = CTVolume(labels, volume.affine).plane(plane, index).image
        for label, colour in TINTS.items():
            where = tint == label
            rgb[where] = (0.7 * rgb[where] + 0.3 * np.array(colour)).astype(np.uint8)
    left, right, bottom, top = cut.extent
    size = (max(1, round(height * abs(right - left) / abs(top - bottom))), height)
    out = BytesIO()
    Image.fromarray(rgb).resize(size, Image.Resampling.BILINEAR).save(out, "png", compress_level=1)
    return out.getvalue()


def slice_viewer(volume: CTVolume, labels: np.ndarray | None = None, preset: str = "lung") -> ipywidgets.VBox:
    """Slider, plane and window for one volume; `labels` (same shape, 1 and 2) can be tinted over the picture.

    Every part is a plain widget and the picture is redrawn by `observe`, so it works in JupyterLab, in a notebook page
    and in VS Code alike. The volume is not copied.
    """
    axes = volume.array_axes()
    picture = ipywidgets.Image(format="png", layout={"align_self": "flex-start"})  # at its own size, not the page's
    plane = ipywidgets.ToggleButtons(
        options=["axial", "coronal", "sagittal"], style={"button_width": "6em"}, layout={"flex": "none"}
    )
    slider = ipywidgets.IntSlider(description="slice", continuous_update=True, layout={"width": "480px"})
    window_choice = ipywidgets.Dropdown(
        options=list(WINDOWS), value=preset, description="window", layout={"width": "14em"}
    )
    tint = ipywidgets.Checkbox(value=labels is not None, description="lungs", disabled=labels is None, indent=False)
    tint.layout = {"width": "6em", "display": "none" if labels is None else "flex"}

    def draw(_change=None) -> None:
        shown = labels if tint.value else None
        picture.value = slice_png(volume, plane.value, slider.value, window_choice.value, shown)

    def new_plane(_change=None) -> None:
        slider.max = volume.shape[axes[plane.value]] - 1
        slider.value = slider.max // 2
        draw()

    plane.observe(new_plane, "value")
    for part in (slider, window_choice, tint):
        part.observe(draw, "value")
    new_plane()
    return ipywidgets.VBox([ipywidgets.HBox([plane, window_choice, tint]), slider, picture])
