"""A first lung-nodule model: small cubes cut from drawn chests, two classifiers, and their verdict on whole scans.

Everything here is taught on drawings. A patch is what a radiologist would scroll through around a spot: the axial, the
coronal and the sagittal plane, 36 mm wide, as three channels (the "2.5-D" view of Roth et al., MICCAI 2014).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from helpers.lungs import nodule_candidates, segment_lungs
from helpers.phantom import LABELS, Nodule, Phantom, chest_phantom
from helpers.phantom.patients import for_each
from helpers.volume import CTVolume

SIDE, PIXEL = 24, 1.5  # pixels, mm
LOW, HIGH = -1000.0, 300.0  # HU that become 0 and 1
KINDS = ("nodule", "vessel", "wall")
FULL = ((110, 150, 150), (2.5, 2.4, 2.4))  # a whole chest
MARGIN = 8.0  # mm at the ends of a slab in which nothing is cut
SLAB = ((30, 160, 160), (2.0, 2.0, 2.0))  # 6 cm of it, finer


class PatchError(ValueError):
    """Patches or a file of patches have another form than expected; the message says which."""


class Patches(NamedTuple):
    """Patches float32 (n, 24, 24, 3) in 0..1, their kind (n,), patient number (n,), nodule diameter in mm or 0 (n,)."""

    values: np.ndarray
    kinds: np.ndarray
    patients: np.ndarray
    diameters: np.ndarray

    @property
    def truth(self) -> np.ndarray:
        """1 for nodules, 0 for vessels and walls (n,)."""
        return (self.kinds == "nodule").astype(int)

    def rows(self, keep: np.ndarray) -> Patches:
        """The patches chosen by a mask or by row numbers."""
        return Patches(*(column[keep] for column in self))


def cut_patch(hu: np.ndarray, spacing: Sequence[float], index: Sequence[float]) -> np.ndarray:
    """Three planes through `index` (slice, row, column) of a volume in HU -> float32 (24, 24, 3), values 0..1.

    The planes are axial (rows down = to the back), coronal and sagittal (rows down = to the feet), all in steps of
    1.5 mm whatever the voxels' size. Outside the volume its edge is repeated.
    """
    steps = (np.arange(SIDE) - (SIDE - 1) / 2) * PIXEL
    down, across = np.meshgrid(steps, steps, indexing="ij")
    zero = np.zeros_like(down)
    planes = ((zero, down, across), (-down, zero, across), (-down, across, zero))
    where = [[c + offset / s for c, offset, s in zip(index, plane, spacing)] for plane in planes]
    where = np.array(where).transpose(1, 0, 2, 3)
    values = ndimage.map_coordinates(hu, where, order=1, output=np.float32, mode="nearest")
    return np.clip((values.transpose(1, 2, 0) - LOW) / (HIGH - LOW), 0, 1)


def _wanted(chance: np.random.Generator, count: int) -> list[Nodule]:
    """Small nodules, the difficult ones: solid 4-12 mm (some at the wall), ground glass 8-16 mm."""
    out = []
    for _ in range(count):
        kind = str(chance.choice(["solid", "solid", "juxta-pleural", "ground glass"]))
        faint = kind == "ground glass"
        size = chance.uniform(8, 16) if faint else chance.uniform(4, 12)
        density = chance.uniform(-680, -500) if faint else chance.uniform(-80, 90)
        out.append(Nodule(round(size, 1), round(density), kind, str(chance.choice(["right", "left"]))))
    return out


def draw_slab(seed: int, nodules: int = 26) -> Phantom:
    """Six centimetres from the middle of a drawn chest, noisy, with those of `nodules` small nodules that lie in it."""
    chance = np.random.default_rng([seed, 5])
    coarse = chest_phantom(seed, (10, 48, 48), nodules=_wanted(chance, nodules), variation=1.0, dose=0)
    shape, spacing = SLAB
    half = (shape[0] / 2) * spacing[0] - MARGIN
    middle = coarse.affine[2, 3] + coarse.affine[2, 0] * (coarse.hu.shape[0] - 1) / 2
    inside = [replace(n, index=None) for n in coarse.nodules if abs(n.position[2] - middle) < half]
    dose = float(10 ** chance.uniform(-0.9, 0.2))
    return chest_phantom(seed, shape, spacing, dose=dose, nodules=inside, variation=1.0)


def patient_patches(phantom: Phantom, patient: int, per_kind: int = 8) -> Patches:
    """Patches of one drawn chest: its nodules (1 mm off, as a finder would), thick vessels, forks, wall."""
    chance = np.random.default_rng([patient, 6])
    lungs = phantom.lungs > 0
    vessels = lungs & (phantom.labels == LABELS["vessel"])
    near = ndimage.gaussian_filter(vessels.astype(np.float32), [3.0 / s for s in phantom.spacing])
    wall = lungs & ~ndimage.binary_erosion(lungs, iterations=2)
    free = ~_around(phantom, 8.0)
    ends = round(MARGIN / phantom.spacing[0])  # no kind of place may be told by its distance from the end
    free[:ends] = free[-ends:] = False
    places = {
        "nodule": [(n.index, n.diameter) for n in phantom.nodules[:per_kind]],
        "vessel": [(p, 0.0) for p in _spread(np.where(vessels & free, near, 0), per_kind, chance)],
        "wall": [(p, 0.0) for p in _spread(np.where(wall & free, chance.random(wall.shape), 0), per_kind, chance)],
    }
    rows = [(kind, np.array(p, float), d) for kind, found in places.items() for p, d in found]
    shifted = [p + chance.normal(0, 1.0, 3) / phantom.spacing for _, p, _ in rows]
    values = [cut_patch(phantom.hu, phantom.spacing, p) for p in shifted]
    return Patches(
        np.stack(values),
        np.array([kind for kind, _, _ in rows]),
        np.full(len(rows), patient),
        np.array([d for _, _, d in rows]),
    )


def _around(phantom: Phantom, margin: float) -> np.ndarray:
    """True within `margin` mm of a nodule's surface."""
    out = np.zeros(phantom.hu.shape, bool)
    for nodule in phantom.nodules:
        reach = [(nodule.diameter / 2 + margin) / s for s in phantom.spacing]
        out[tuple(slice(max(0, int(c - r)), int(c + r) + 2) for c, r in zip(nodule.index, reach))] = True
    return out


def _spread(weight: np.ndarray, count: int, chance: np.random.Generator) -> list[np.ndarray]:
    """Up to `count` voxels of high weight that lie apart from each other."""
    high = np.argwhere(weight > np.quantile(weight[weight > 0], 0.6)) if (weight > 0).any() else np.empty((0, 3))
    chosen: list[np.ndarray] = []
    for place in high[chance.permutation(len(high))]:
        if all(np.abs(place - other).max() > 6 for other in chosen):
            chosen.append(place)
        if len(chosen) == count:
            break
    return chosen


def _drawn_patches(seed: int, per_kind: int) -> Patches:
    return patient_patches(draw_slab(seed), seed, per_kind)


def many_patches(seeds: Iterable[int], per_kind: int = 8) -> Patches:
    """Patches of the drawn patients `seeds`; the patient number is the seed. About 0.4 s per patient and core."""
    parts = for_each(partial(_drawn_patches, per_kind=per_kind), seeds)
    return Patches(*(np.concatenate(column) for column in zip(*parts)))


def load_patches(path: str | Path) -> Patches:
    """Patches of your own from an .npz file: arrays `images` and `labels` (1 nodule, 0 not), optionally `patients`.

    `images`: (n, 24, 24, 3) or cubes (n, d, h, w), whose middle planes are taken; whole numbers are divided by 255.
    The files of MedMNIST (nodulemnist3d.npz) fit too: their test part is read. There the label is malignant or benign,
    another question than nodule or vessel.
    """
    path = Path(path).expanduser()
    try:
        with np.load(path, allow_pickle=False) as file:
            prefix = "" if "images" in file.files else "test_"
            images, labels = file[f"{prefix}images"], file[f"{prefix}labels"].reshape(-1).astype(int)
            patients = file["patients"].reshape(-1) if "patients" in file.files else np.arange(len(labels))
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise PatchError(f"{path.name} is no .npz file with the arrays 'images' and 'labels'.") from error
    if images.ndim not in (4, 5) or not len(images) == len(labels) == len(patients):
        raise PatchError(
            f"{path.name} holds images of shape {images.shape} and {len(labels)} labels; needed are (n, 24, 24, 3) or "
            "cubes (n, depth, height, width), one label each."
        )
    values = images.astype(np.float32) / (255.0 if np.issubdtype(images.dtype, np.integer) else 1.0)
    if values.ndim == 5 or values.shape[-1] != 3:
        cubes = values[..., 0] if values.ndim == 5 else values
        values = np.stack([_square(plane) for plane in _middle_planes(cubes)], axis=-1)
    elif values.shape[1:3] != (SIDE, SIDE):
        values = np.stack([_square(values[..., k]) for k in range(3)], axis=-1)
    return Patches(values, np.where(labels == 1, "nodule", "other"), patients, np.zeros(len(labels)))


def _middle_planes(cubes: np.ndarray) -> list[np.ndarray]:
    d, h, w = (n // 2 for n in cubes.shape[1:])
    return [cubes[:, d], cubes[:, :, h], cubes[:, :, :, w]]


def _square(planes: np.ndarray) -> np.ndarray:
    zoom = (1, SIDE / planes.shape[1], SIDE / planes.shape[2])
    return ndimage.zoom(planes, zoom, order=1, grid_mode=True, mode="nearest")


# ---------------------------------------------------------------------------------------------- whole scans


class ScanCandidates(NamedTuple):
    """Candidates of one scan: patches (n, 24, 24, 3), number of the nodule each one hits or -1 (n,), nodules in all."""

    values: np.ndarray
    hits: np.ndarray
    nodules: int


def scan_candidates(volume: CTVolume, truth: Sequence[Nodule] = (), roundness: float = 0.3) -> ScanCandidates:
    """Find lungs and spots in them (`helpers.lungs`), and note which known nodule each spot lies on."""
    found = nodule_candidates(volume, segment_lungs(volume), smallest=4.0, roundness=roundness)
    values = [cut_patch(volume.hu, volume.spacing, c.index) for c in found]
    hits = []
    for candidate in found:
        gaps = [np.linalg.norm(np.subtract(candidate.position, n.position)) - n.diameter / 2 for n in truth]
        hits.append(int(np.argmin(gaps)) if gaps and min(gaps) < 1.5 else -1)
    stack = np.stack(values) if values else np.empty((0, SIDE, SIDE, 3), np.float32)
    return ScanCandidates(stack, np.array(hits, int), len(truth))


def draw_scan(seed: int, nodules: int = 6) -> tuple[CTVolume, tuple[Nodule, ...]]:
    """A whole drawn chest with small nodules, as a volume, and the nodules."""
    chance = np.random.default_rng([seed, 7])
    phantom = chest_phantom(seed, *FULL, dose=0.5, nodules=_wanted(chance, nodules), variation=1.0)
    return CTVolume(phantom.hu, phantom.affine, padding=phantom.outside), phantom.nodules


def draw_scans(seeds: Iterable[int]) -> list[tuple[CTVolume, tuple[Nodule, ...]]]:
    """`draw_scan` for every seed."""
    return for_each(draw_scan, seeds)


class Froc(NamedTuple):
    """Free-response ROC: false alarms per scan, share of nodules found; `ceiling`: share the finder sees."""

    false_per_scan: np.ndarray
    sensitivity: np.ndarray
    ceiling: float


def froc(scans: Sequence[ScanCandidates], scores: Sequence[np.ndarray]) -> Froc:
    """FROC curve over scans; `scores` holds one array per scan. A nodule counts once, however many spots lie on it."""
    total = sum(scan.nodules for scan in scans)
    if not total or len(scans) != len(scores):
        raise PatchError("FROC needs scans with at least one known nodule, and one array of scores for each scan.")
    rows = [(s, k, hit) for k, (scan, values) in enumerate(zip(scans, scores)) for hit, s in zip(scan.hits, values)]
    rows.sort(key=lambda row: -row[0])
    false, found, x, y = 0, set(), [0.0], [0.0]
    for _, scan, hit in rows:
        if hit < 0:
            false += 1
        else:
            found.add((scan, hit))
        x.append(false / len(scans))
        y.append(len(found) / total)
    return Froc(np.array(x), np.array(y), y[-1])
