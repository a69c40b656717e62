"""A three-dimensional view of surfaces, drawn once as a picture."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from mpl_toolkits.mplot3d.art3d import Poly3DCollection
from scipy.ndimage import gaussian_filter
from skimage.measure import marching_cubes

RIM = 2  # voxels of nothing around a mask, so that its surface is closed


def _smooth(mask: np.ndarray) -> np.ndarray:
    """The mask as soft values, so that the surface does not show the steps of the voxels."""
    return gaussian_filter(np.pad(mask, RIM).astype(np.float32), 0.9)


def surfaces(parts, title: str, view: tuple[float, float] = (12, -70)) -> Figure:
    """Surfaces of masks in patient mm (LPS), seen from the patient's front.

    parts: (mask, affine, colour, opacity) each; affine (4, 4) from the mask's (slice, row, column) to LPS mm, so that
    it is the front for every position of the patient. Masks should be coarse (about 4 mm): a few ten thousand triangles
    draw in about a second.
    """
    figure = plt.figure(figsize=(6.4, 5.2))
    ax = figure.add_subplot(projection="3d")
    light = np.array([0.35, -0.75, 0.55])
    lows, highs = [], []
    for mask, affine, colour, opacity in parts:
        if not mask.any():
            continue
        soft = _smooth(mask)
        level = 0.5 * soft.max()  # the smoothed mask of a single slice does not reach 1
        verts, faces, *_ = marching_cubes(soft, level)
        points = (verts - RIM) @ affine[:3, :3].T + affine[:3, 3]
        corners = points[faces]
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12
        shade = 0.35 + 0.65 * np.abs(normals @ light)
        colours = np.clip(np.array(plt.matplotlib.colors.to_rgb(colour)) * shade[:, None], 0, 1)
        ax.add_collection3d(
            Poly3DCollection(
                corners,
                facecolors=np.c_[colours, np.full(len(faces), opacity)],
                linewidths=0.4,
                edgecolors=colours,  # or the seams between the triangles show as a net
            )
        )
        lows.append(points.min(axis=0))
        highs.append(points.max(axis=0))
    low, high = np.min(lows, axis=0), np.max(highs, axis=0)
    ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), zlim=(low[2], high[2]))
    ax.set_box_aspect(high - low, zoom=0.92)
    size = high - low
    flat, slab = (size[2] < part * size[0] for part in (0.4, 0.15))  # long names and many numbers would run together
    ways = ("", "", "") if flat else (", to the left", ", to the back", ", to the head")
    ax.set(**{f"{axis}label": f"{axis}{way} (mm)" for axis, way in zip("xyz", ways)})
    ax.set_xticks(np.arange(50 * np.ceil(low[0] / 50), high[0], 50))
    ax.set_yticks(np.arange(100 * np.ceil(low[1] / 100), high[1] - (0.1 * size[1] if slab else 0), 100))
    ax.zaxis.set_major_locator(MaxNLocator(int(np.clip(6 * size[2] / size[0], 1, 5))))
    if slab:
        ax.set_zticks([round(float(low[2] + high[2]) / 2)])
    ax.xaxis.labelpad = 45 if slab else 25 if flat else 9  # or it runs into its numbers
    ax.yaxis.labelpad = 15 if flat else 4
    ax.zaxis.labelpad = 12
    ax.view_init(*view)
    ax.set_title(title)
    return figure
