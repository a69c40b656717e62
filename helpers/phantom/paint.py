"""Drawing shapes into a slice so that every voxel holds the mean of what lies in it (the partial-volume effect)."""

from __future__ import annotations

from bisect import bisect_left
from math import sqrt

import numpy as np


class Canvas:
    """One slice under the brush: HU and tissue labels on a grid of patient millimetres, and the slice's thickness."""

    def __init__(self, x: np.ndarray, y: np.ndarray, pixel: float, thickness: float):
        self.x, self.y, self.pixel, self.thickness = x, y, pixel, thickness
        self.hu = np.full((y.size, x.size), -1000.0, dtype=np.float32)
        self.labels = np.zeros(self.hu.shape, dtype=np.uint8)
        self._edges = y[:, 0].tolist(), x[0].tolist()  # lists: for a single number bisect is far quicker than NumPy

    def window(self, x0: float, x1: float, y0: float, y1: float) -> tuple[slice, slice]:
        """The part of the grid that a box of millimetres touches, one pixel wider on each side."""
        rows, columns = self._edges
        return (
            slice(bisect_left(rows, y0 - self.pixel), bisect_left(rows, y1 + self.pixel)),
            slice(bisect_left(columns, x0 - self.pixel), bisect_left(columns, x1 + self.pixel)),
        )

    def blend(self, cover, value, label: int | None, where=(slice(None), slice(None))) -> None:
        """Replace the fraction `cover` (0..1) of each voxel by `value` HU."""
        part = self.hu[where]
        part += cover * (value - part)
        if label is not None:
            self.labels[where][cover > 0.5] = label

    def fill(self, below, above, value, label: int | None, where=(slice(None), slice(None))) -> np.ndarray:
        """Fill a shape given by its values at the lower and upper face of the slice; returns the covered fraction."""
        cover = coverage(below, above, self.pixel)
        self.blend(cover, value, label, where)
        return cover

    def ellipsoid(self, centre, radii, z: float, value, label: int | None, turn: float = 0.0) -> None:
        """An ellipsoid of patient millimetres, turned by `turn` radians in the axial plane."""
        cx, cy, cz = centre
        rx, ry, rz = radii
        half = 0.5 * self.thickness
        if abs(z - cz) > rz + half:
            return
        cos, sin = np.cos(turn), np.sin(turn)
        reach_x, reach_y = np.hypot(rx * cos, ry * sin), np.hypot(rx * sin, ry * cos)
        where = self.window(cx - reach_x, cx + reach_x, cy - reach_y, cy + reach_y)
        dx, dy = self.x[:, where[1]] - cx, self.y[where[0]] - cy
        u, v = dx * cos + dy * sin, dy * cos - dx * sin
        flat = (u / rx) ** 2 + (v / ry) ** 2
        scale = min(rx, ry)
        faces = [(np.sqrt(flat + ((z + s - cz) / rz) ** 2) - 1.0) * scale for s in (-half, half)]
        self.fill(*faces, value, label, where)

    def tube(self, tube: np.ndarray, z: float, value: float, label: int | None) -> tuple | None:
        """A straight round tube (start, end, radius); returns (cover, where) or None if the slice misses it."""
        *ends, r = tube.tolist()
        (ax, ay, az), (bx, by, bz) = ends[:3], ends[3:]
        half = 0.5 * self.thickness
        if z + half < min(az, bz) - r or z - half > max(az, bz) + r:
            return None
        # only the stretch of the tube near this slice matters: shorten the box to it
        dz = bz - az
        shares = (0.0, 1.0)
        if abs(dz) > 1e-6:
            shares = [min(max(share / dz, 0.0), 1.0) for share in (z - half - r - az, z + half + r - az)]
        xs, ys = ([a + t * (b - a) for t in shares] for a, b in ((ax, bx), (ay, by)))
        pad = r + 0.5 * self.pixel
        where = self.window(min(xs) - pad, max(xs) + pad, min(ys) - pad, max(ys) + pad)
        px, py, pz = self.x[:, where[1]] - ax, self.y[where[0]] - ay, z - az
        length2 = (bx - ax) ** 2 + (by - ay) ** 2 + dz**2
        if length2 == 0 or not px.size or not py.size:
            return None
        t = _share((px * (bx - ax) + py * (by - ay) + pz * dz) / length2)
        ex, ey, ez = px - t * (bx - ax), py - t * (by - ay), pz - t * dz
        across = max(sqrt(max(1.0 - dz**2 / length2, 0.0)), 0.1)  # 1 for a tube in the plane, 0 along z
        up = ez / across
        aside = np.sqrt(np.maximum(ex * ex + ey * ey + ez * ez - up * up, 0.0))
        chord = np.sqrt(np.maximum(r * r - aside * aside, 0.0)) + 1e-3
        cover = _overlap(aside, r, self.pixel) * _overlap(np.abs(up), chord, self.thickness * across + 1e-3)
        self.blend(cover, value, label, where)
        return cover, where


def coverage(below, above, pixel: float) -> np.ndarray:
    """Fraction of each voxel inside a shape whose distances at the slice's two faces are `below` and `above` (mm)."""
    return _share(0.5 - 0.5 * (below + above) / (np.abs(above - below) + pixel))


def _share(values: np.ndarray) -> np.ndarray:
    """Clipped to 0..1 in place (what np.clip does, without its detours: these arrays are small and many)."""
    return np.minimum(np.maximum(values, 0.0, out=values), 1.0, out=values)


def _overlap(offset, half, width):
    """Fraction of an interval of `width` centred at `offset` >= 0 that lies in [-half, half]."""
    top, bottom = np.minimum(half, offset + 0.5 * width), np.maximum(-half, offset - 0.5 * width)
    return _share((top - bottom) / width)


def sphere_cover(x, y, z, centre, radius: float, step: tuple[float, float, float], fine=(5, 3, 3)) -> np.ndarray:
    """Fraction of each voxel (slice, row, column) inside a sphere, counted on a grid `fine` times finer."""

    def finer(axis, size, k):
        return (axis[:, None] + size * ((np.arange(k) + 0.5) / k - 0.5)).ravel()

    zz, yy, xx = (finer(np.asarray(c), s, k) for c, s, k in zip((z, y, x), step, fine))
    d2 = (zz - centre[2])[:, None, None] ** 2 + (yy - centre[1])[:, None] ** 2 + (xx - centre[0]) ** 2
    soft = np.clip(0.5 - (np.sqrt(d2) - radius) / (step[2] / fine[2]), 0.0, 1.0)
    shape = (len(z), fine[0], len(y), fine[1], len(x), fine[2])
    return soft.reshape(shape).mean(axis=(1, 3, 5)).astype(np.float32)
