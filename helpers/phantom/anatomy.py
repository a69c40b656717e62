"""The shape of the phantom's chest: where skin, wall, lungs, diaphragm, heart and bones are, as functions of a point.

Coordinates are patient millimetres around the middle of the chest: x to the left, y to the back, z to the head (LPS).
 A shape is a function that is negative inside, positive outside and close to the distance in mm near its surface.
Sizes are round numbers of an average adult, not measurements of a person.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

RIGHT, LEFT = -1, 1  # the sign of x on the patient's right and left
APEX, RIB_TOP, RIB_STEP, RIB_SLOPE = 112.0, 118.0, 25.0, 0.42


@dataclass(frozen=True)
class Anatomy:
    """One patient. Factors are 1 for the textbook patient, lengths are mm, intensities HU."""

    width: float = 1.0
    depth: float = 1.0
    height: float = 1.0
    fat: float = 14.0
    heart: float = 1.0
    dome_right: float = -52.0
    dome_left: float = -66.0
    mediastinum: float = 1.0
    bend: float = 0.0  # sideways bend of the whole chest
    squareness: float = 2.3  # 2 is an ellipse, larger is boxier
    lung_hu: float = -860.0
    blood_hu: float = 170.0
    marrow_hu: float = 160.0
    cortex_hu: float = 900.0

    def local(self, x, y, z):
        """Patient millimetres -> coordinates of the textbook patient."""
        z = z / self.height
        return x / self.width - self.bend * (z / 100.0) ** 2, y / self.depth, z

    def patient(self, points: np.ndarray) -> np.ndarray:
        """Coordinates (n, 3) of the textbook patient -> patient millimetres; the inverse of `local`."""
        x, y, z = np.moveaxis(np.asarray(points, dtype=np.float64), -1, 0)
        return np.stack([(x + self.bend * (z / 100.0) ** 2) * self.width, y * self.depth, z * self.height], axis=-1)


def draw_anatomy(rng: np.random.Generator, variation: float) -> Anatomy:
    """A patient `variation` (0..1) of the way from the textbook to the extremes of adult chests."""

    def spread(mean: float, half: float) -> float:
        return mean + variation * half * rng.uniform(-1, 1)

    native = rng.uniform() < 0.5 * variation  # without contrast medium, blood is no brighter than muscle
    return Anatomy(
        width=spread(1.0, 0.10),
        depth=spread(1.0, 0.12),
        height=spread(1.0, 0.12),
        fat=spread(14.0, 10.0),
        heart=spread(1.0, 0.18),
        dome_right=spread(-52.0, 18.0),
        dome_left=spread(-66.0, 18.0),
        mediastinum=spread(1.0, 0.2),
        bend=spread(0.0, 5.0),
        squareness=spread(2.3, 0.3),
        lung_hu=spread(-860.0, 50.0),
        blood_hu=45.0 if native else spread(170.0, 60.0),
        marrow_hu=spread(160.0, 60.0),
        cortex_hu=spread(900.0, 200.0),
    )


def smooth_max(a, b, radius: float):
    """Intersection of two shapes whose common edge is rounded over `radius` mm."""
    touching = np.maximum(radius - np.abs(a - b), 0.0)
    return np.maximum(a, b) + touching * touching / (4.0 * radius)


def smooth_min(a, b, radius: float):
    """Union of two shapes whose common edge is rounded over `radius` mm."""
    return -smooth_max(-a, -b, radius)


def _taper(z, bottom: float, top: float, power: float):
    """1 below `bottom`, falling to 0 at `top` like the upper half of a bell jar."""
    t = np.clip((z - bottom) / (top - bottom), 0.0, 1.0)
    return np.sqrt(np.maximum(1.0 - t**power, 1e-4))


def _stadium(dx, dy, half_x, half_y, power: float):
    """A super-ellipse: distance-like value in mm of the offsets dx, dy (any signs) from its centre."""
    ax, ay = np.abs(dx) / half_x, np.abs(dy) / half_y
    px, py = ax ** (power - 1.0), ay ** (power - 1.0)  # on the slice grid these stay one-dimensional and cheap
    slope = np.sqrt((px / half_x) ** 2 + (py / half_y) ** 2)
    return (px * ax + py * ay - 1.0) / (power * np.maximum(slope, 0.4 / np.maximum(half_x, half_y)))


def wall_half_axes(a: Anatomy, z):
    """Half width, half depth and centre y of the inner chest wall at height z (local coordinates)."""
    taper = _taper(z, -90.0, 150.0, 2.6)
    return 52.0 + 82.0 * taper, 20.0 + 68.0 * taper, 4.0 + 14.0 * (1.0 - taper)


def cavity(a: Anatomy, x, y, z):
    """The inside of the rib cage, mediastinum included."""
    half_x, half_y, centre = wall_half_axes(a, z)
    return _stadium(x, y - centre, half_x, half_y, a.squareness)


def body(a: Anatomy, x, y, z, inset: float = 0.0):
    """The skin; `inset` mm below it with inset > 0. Wider at the shoulders, as flat as the table at the back."""
    half_x, half_y, centre = wall_half_axes(a, z)
    shoulder = np.clip((z - 55.0) / 70.0, 0.0, 1.0) ** 2
    wide = half_x + 26.0 + a.fat + 78.0 * shoulder - inset
    deep = half_y + 19.0 + 0.75 * a.fat + 22.0 * shoulder - inset
    return _stadium(x, y - centre - 5.0, wide, deep, 2.35)


def diaphragm(a: Anatomy, side: int, x, y, z):
    """Positive below the dome of the given side."""
    top = a.dome_right if side == RIGHT else a.dome_left
    away = ((x - side * 62.0) / 80.0) ** 2 + ((y + 10.0) / 88.0) ** 2
    dome = top - 20.0 * away - 32.0 * away * away
    return (np.maximum(dome, -160.0) - z) * 0.72


def heart(a: Anatomy, x, y, z, grow: float = 0.0):
    """The heart with its bag, leaning to the left and to the front."""
    dx, dy, dz = x - 18.0, y + 24.0, z + 34.0
    u = 0.88 * dx - 0.30 * dy - 0.36 * dz  # along the long axis, towards the apex of the heart
    v = 0.32 * dx + 0.95 * dy
    w = 0.34 * dx - 0.11 * dy + 0.93 * dz
    size = a.heart
    q = (u / (57 * size + grow)) ** 2 + (v / (42 * size + grow)) ** 2 + (w / (44 * size + grow)) ** 2
    return (np.sqrt(q) - 1.0) * 44.0 * size


def spine_y(z):
    """Where the middle of the vertebral bodies lies: the thoracic kyphosis."""
    return 70.0 - 17.0 * ((z - 10.0) / 120.0) ** 2 + 2.0 * z / 120.0


def mediastinum(a: Anatomy, x, y, z):
    """What parts the lungs: spine, great vessels, heart, hila and the fat between them."""
    column = np.hypot(x / 27.0, (y - spine_y(z)) / 27.0) * 27.0 - 27.0
    upper = np.clip((z + 10.0) / 100.0, 0.0, 1.0)
    half = (23.0 + 9.0 * upper) * a.mediastinum
    great = np.hypot((x - 3.0) / half, (y + 3.0) / 40.0) * half - half
    septum = np.abs(x - 4.0) - 5.0 - 9.0 * np.clip((-y - 62.0) / 22.0, 0.0, 1.0) ** 2
    out = smooth_min(smooth_min(column, great, 9.0), septum, 12.0)
    aorta = np.hypot(x - 24.0, y - 41.0) - 12.0 + 0.25 * np.maximum(z - 62.0, 0.0)
    out = smooth_min(out, aorta, 9.0)
    out = smooth_min(out, heart(a, x, y, z, 4.0), 12.0)
    for side in (RIGHT, LEFT):
        q = np.sqrt(((x - side * 30.0) / 17.0) ** 2 + ((y - 9.0) / 17.0) ** 2 + ((z - 12.0) / 27.0) ** 2)
        out = smooth_min(out, (q - 1.0) * 17.0, 14.0)
    return out


def lung_parts(a: Anatomy, side: int, x, y, z, middle, wall):
    """The lung of one side from already computed `mediastinum` and `cavity` values of the same points."""
    taper = _taper(z, -60.0, APEX, 2.0)
    dx = side * x - 50.0
    half_x = np.where(dx > 0, 92.0 * taper, 58.0 * taper)
    _, half_y, centre = wall_half_axes(a, z)
    half_y = np.minimum(half_y, 92.0 * taper)
    top = _stadium(dx, y - centre - 3.0, half_x, half_y, a.squareness)
    out = smooth_max(wall + 1.5, top, 4.0)
    out = smooth_max(out, -middle, 7.0)
    out = np.maximum(out, diaphragm(a, side, x, y, z))
    return np.maximum(np.maximum(out, 2.5 - side * (x - 4.0)), z - APEX + 4.0)


def lung(a: Anatomy, side: int, x, y, z):
    """The lung of one side (RIGHT or LEFT): with its vessels, small bronchi and nodules, without the main bronchi."""
    return lung_parts(a, side, x, y, z, mediastinum(a, x, y, z), cavity(a, x, y, z))
