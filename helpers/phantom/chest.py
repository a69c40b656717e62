"""`chest_phantom`: a simulated chest CT whose every answer is known, because it was drawn and not measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import fft, ndimage

from helpers.phantom import anatomy as an
from helpers.phantom import tree
from helpers.phantom.anatomy import LEFT, RIGHT, Anatomy
from helpers.phantom.organs import LABELS, faces, paint_slice
from helpers.phantom.paint import Canvas, sphere_cover

FIELD_OF_VIEW, LENGTH = 372.0, 280.0  # mm covered by the default spacing: across, and from neck to liver
CENTRE = np.array([0.0, -20.0, -140.0])  # the middle of the chest in patient LPS mm: scanners do not start at zero
FILLER = -3024  # HU of a corner outside the scan circle: stored -2000, slope 1, intercept -1024


@dataclass(frozen=True)
class Nodule:
    """A ball in the lung: diameter in mm, HU, kind, side, centre in patient LPS mm and as (slice, row, column)."""

    diameter: float
    hu: float
    kind: str = "solid"  # solid, ground glass, juxta-pleural
    side: str = "right"
    position: tuple[float, float, float] | None = None
    index: tuple[float, float, float] | None = None

    @property
    def volume(self) -> float:
        """Volume in cubic millimetres."""
        return float(np.pi / 6 * self.diameter**3)


DEFAULT_NODULES = (
    Nodule(14.0, 40.0, "solid", "right"),
    Nodule(16.0, 35.0, "juxta-pleural", "left"),
    Nodule(9.0, 60.0, "solid", "left"),
    Nodule(20.0, -600.0, "ground glass", "right"),
)


@dataclass(frozen=True)
class Phantom:
    """A drawn chest. Arrays are (slice, row, column), slices from the feet up; positions are patient LPS mm.

    hu       int16, with `FILLER` outside the scan circle
    labels   uint8, one number per tissue (`LABELS`)
    lungs    uint8: 1 right lung, 2 left lung, vessels and nodules included, windpipe and main bronchi not
    spacing  (dz, dy, dx) in mm
    """

    hu: np.ndarray
    labels: np.ndarray
    lungs: np.ndarray
    spacing: tuple[float, float, float]
    affine: np.ndarray
    nodules: tuple[Nodule, ...]
    anatomy: Anatomy
    seed: int

    @property
    def outside(self) -> np.ndarray:
        """True outside the scan circle, where nothing was measured."""
        return np.broadcast_to(~_scan_circle(self.hu.shape[1:], self.spacing), self.hu.shape)


def chest_phantom(
    seed: int = 0,
    shape: tuple[int, int, int] = (56, 256, 256),
    spacing: tuple[float, float, float] | None = None,
    dose: float = 1.0,
    nodules: int | Sequence[Nodule] | None = None,
    variation: float = 0.0,
) -> Phantom:
    """Draw a chest CT.

    seed       the same seed gives the same voxels; another seed other vessels, nodule places and noise
    shape      (slices, rows, columns)
    spacing    (dz, dy, dx) in mm; None covers 280 mm from neck to liver and 372 mm across
    dose       noise falls with its square root: at 1 about 12 HU in a 5 mm slice; 0 switches noise off
    nodules    None: four of known kind; a number: that many of random size and kind; or a list of `Nodule`
               (those without a position get one)
    variation  0 the textbook patient .. 1 any adult: size, fat, heart, diaphragm, contrast medium, bone density

    A 512 x 512 slice takes about a tenth of a second. ValueError for sizes that are no volume.
    """
    if len(shape) != 3 or min(shape) < 1 or not 0 <= variation <= 1 or dose < 0:
        raise ValueError("chest_phantom needs shape (slices, rows, columns) >= 1, dose >= 0 and variation in 0..1")
    if spacing is None:
        across = FIELD_OF_VIEW / min(shape[1:])
        spacing = (LENGTH / shape[0], across, across)
    spacing = tuple(float(s) for s in spacing)
    body, places, vessels, noise = (np.random.default_rng([seed, k]) for k in range(4))
    a = an.draw_anatomy(body, variation)
    z, y, x = ((np.arange(n) - (n - 1) / 2) * s for n, s in zip(shape, spacing))
    affine = _affine(x, y, z, spacing)
    found = tuple(_with_index(n, affine) for n in _place(a, nodules, places))
    tubes = _tubes(a, found, 260 if spacing[1] < 2.0 else 40, vessels)
    hu, labels, lungs = _paint(a, x, y, z, spacing, tubes, noise)
    _add_nodules(hu, labels, x, y, z, spacing, found)
    hu = ndimage.gaussian_filter1d(ndimage.gaussian_filter1d(hu, 0.5, axis=1, truncate=3), 0.5, axis=2, truncate=3)
    if dose > 0:
        _add_noise(hu, spacing, 12.0 / np.sqrt(dose * spacing[0] / 5.0), noise)
    hu = np.clip(np.rint(hu), -1024, 3071).astype(np.int16)
    circle = _scan_circle(shape[1:], spacing)
    hu[:, ~circle] = FILLER
    lungs[:, ~circle] = 0
    return Phantom(hu, labels, lungs, spacing, affine, found, a, seed)


def _affine(x, y, z, spacing) -> np.ndarray:
    """(slice, row, column, 1) -> patient LPS mm."""
    affine = np.zeros((4, 4))
    affine[2, 0], affine[1, 1], affine[0, 2], affine[3, 3] = *spacing, 1.0
    affine[:3, 3] = CENTRE + np.array([x[0], y[0], z[0]])
    return affine


def _scan_circle(shape: tuple[int, int], spacing) -> np.ndarray:
    rows, columns = shape
    y = (np.arange(rows) - (rows - 1) / 2)[:, None] * spacing[1]
    x = (np.arange(columns) - (columns - 1) / 2) * spacing[2]
    return np.hypot(x, y) <= 0.5 * min(rows * spacing[1], columns * spacing[2])


def _with_index(nodule: Nodule, affine: np.ndarray) -> Nodule:
    index = np.linalg.inv(affine) @ (*nodule.position, 1.0)
    return replace(nodule, index=tuple(float(v) for v in index[:3]))


def _place(a: Anatomy, nodules, rng: np.random.Generator) -> list[Nodule]:
    """Give every nodule a place inside a lung, away from the hilum and from the others."""
    if nodules is None:
        nodules = DEFAULT_NODULES
    elif isinstance(nodules, int):
        nodules = [_random_nodule(rng) for _ in range(nodules)]
    placed: list[Nodule] = []
    for nodule in nodules:
        if nodule.position is None:
            nodule = replace(nodule, position=_free_place(a, nodule, placed, rng))
        placed.append(nodule)
    return placed


def _random_nodule(rng: np.random.Generator) -> Nodule:
    kind = str(rng.choice(["solid", "solid", "juxta-pleural", "ground glass"]))
    hu = rng.uniform(-680, -520) if kind == "ground glass" else rng.uniform(10, 90)
    size = rng.uniform(12, 26) if kind == "ground glass" else rng.uniform(5, 22)
    return Nodule(round(float(size), 1), round(float(hu)), kind, str(rng.choice(["right", "left"])))


def _free_place(a: Anatomy, nodule: Nodule, placed: list[Nodule], rng: np.random.Generator) -> tuple:
    side, r = (RIGHT if nodule.side == "right" else LEFT), nodule.diameter / 2
    for attempt in range(200):
        points = tree.points_in_lung(a, side, 200, 0.8 * r if nodule.kind == "juxta-pleural" else r + 3.0, rng)
        depth = -an.lung(a, side, *points.T)
        lateral = an.cavity(a, *points.T) > -r - 6.0  # at the ribs, not at the heart or the diaphragm
        good = np.linalg.norm(points - tree.HILUM[side], axis=1) > 38.0
        if nodule.kind == "juxta-pleural":
            good &= lateral & (depth < 0.95 * r) & (points[:, 2] > -40)
        for point in a.patient(points[good]) + CENTRE:
            gaps = [np.linalg.norm(point - n.position) - n.diameter / 2 for n in placed]
            if all(gap > r + 10.0 - 0.05 * attempt for gap in gaps):
                return tuple(round(float(v), 1) for v in point)
    raise ValueError(f"no free place for a nodule of {nodule.diameter} mm; ask for fewer or smaller ones")


def _tubes(a: Anatomy, nodules, n_targets: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    local = {
        "great": tree.great_vessels(), "lung": tree.lung_vessels(a, n_targets, rng),
        "airway": tree.airways(), "bronchi": tree.lung_bronchi(a, rng),
    }  # fmt: skip
    out = {}
    for name, t in local.items():
        tubes = np.column_stack([a.patient(t[:, :3]), a.patient(t[:, 3:6]), t[:, 6]])
        if name in ("lung", "bronchi"):
            for nodule in nodules:
                tubes = tree.keep_clear(tubes, nodule.position - CENTRE, nodule.diameter / 2 + 1.5)
        out[name] = tubes
    return out


def _paint(a: Anatomy, x, y, z, spacing, tubes, rng):
    """Paint slice by slice; slices thicker than 12 mm are the mean of thinner ones."""
    shape = (len(z), len(y), len(x))
    hu, labels = np.zeros(shape, np.float32), np.zeros(shape, np.uint8)
    lungs = np.zeros(shape, np.uint8)
    parts = int(np.ceil(spacing[0] / 12.0)) | 1  # odd: the middle one gives the labels
    thin = spacing[0] / parts
    gx, gy = x[None].astype(np.float32), y[:, None].astype(np.float32)
    fields = _texture(shape[1:], spacing, rng)
    low = faces(a, gx, gy, np.float32(z[0] - spacing[0] / 2))
    for k, middle in enumerate(z):
        fractions = np.zeros((2, *shape[1:]), np.float32)
        for part in range(parts):
            height = middle + (part - (parts - 1) / 2) * thin
            high = faces(a, gx, gy, np.float32(height + thin / 2))
            canvas = Canvas(gx, gy, spacing[1], thin)
            texture = fields[0] * np.float32(np.cos(height / 9.0)) + fields[1] * np.float32(np.sin(height / 9.0))
            near = {name: _near(t, height, thin) for name, t in tubes.items()}
            for total, part_cover in zip(fractions, paint_slice(canvas, a, float(height), low, high, texture, near)):
                total += part_cover / parts
            hu[k] += canvas.hu / parts
            if part == parts // 2:
                labels[k] = canvas.labels
            low = high
        lungs[k] = np.where(fractions[0] >= 0.5, 1, np.where(fractions[1] >= 0.5, 2, 0))
    return hu, labels, lungs


def _near(tubes: np.ndarray, z: float, thickness: float) -> np.ndarray:
    reach = tubes[:, 6] + thickness / 2 + 1.6
    low, high = np.minimum(tubes[:, 2], tubes[:, 5]) - reach, np.maximum(tubes[:, 2], tubes[:, 5]) + reach
    return tubes[(low < z) & (z < high)]


def _texture(shape, spacing, rng) -> np.ndarray:
    """Two smooth random fields of about +-7 HU: no tissue is perfectly even."""
    fields = rng.standard_normal((2, *shape), dtype=np.float32)
    fields = ndimage.gaussian_filter(fields, (0, 4.0 / spacing[1], 4.0 / spacing[2]), truncate=2.5)
    return 7.0 * fields / fields.std()


def _add_nodules(hu, labels, x, y, z, spacing, nodules) -> None:
    for nodule in nodules:
        centre, r = np.asarray(nodule.position) - CENTRE, nodule.diameter / 2
        box = tuple(
            slice(*np.searchsorted(axis, [c - r - s, c + r + s]).tolist())
            for axis, c, s in zip((z, y, x), centre[::-1], spacing)
        )
        cover = sphere_cover(x[box[2]], y[box[1]], z[box[0]], centre, r, spacing)
        hu[box] += cover * (nodule.hu - hu[box])
        labels[box][cover > 0.5] = LABELS["nodule"]


def _add_noise(hu: np.ndarray, spacing, sigma: float, rng: np.random.Generator) -> None:
    """Noise as filtered back-projection leaves it: low frequencies suppressed by the ramp filter, the highest by the
    kernel, stronger in the middle of the body and between the shoulders, where fewer photons come through."""
    rows, columns = hu.shape[1:]
    fy, fx = fft.fftfreq(rows)[:, None], fft.rfftfreq(columns)[None]
    f = np.hypot(fy, fx)
    shape = (np.sqrt(f) * np.exp(-((f / 0.3) ** 2))).astype(np.float32)
    power = shape**2
    power[:, 1:-1] *= 2  # the half spectrum stands for both halves
    shape *= np.float32(1 / np.sqrt(power.sum() / (rows * columns)))
    coarse = max(1, rows // 64)
    for k in range(hu.shape[0]):
        white = rng.standard_normal((rows, columns), dtype=np.float32)
        noise = fft.irfft2(fft.rfft2(white) * shape, s=(rows, columns))
        tissue = np.clip(hu[k, ::coarse, ::coarse] + 1000.0, 0.0, 1500.0) / 1000.0
        path = ndimage.gaussian_filter(tissue, 60.0 / (spacing[1] * coarse), truncate=2.0, mode="constant")
        gain = 0.35 + 1.1 * path
        gain = np.repeat(np.repeat(gain, coarse, 0), coarse, 1)[:rows, :columns]
        hu[k] += sigma * gain * noise
