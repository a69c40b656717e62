"""Spots in the lungs that might be nodules, found by threshold and shape alone, each with size and HU.

A candidate is a place worth looking at, not a finding: most candidates in real lungs are vessels that cross or fork.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from helpers.volume import CTVolume

SOLID, FAINT = -400.0, -690.0  # HU: denser than these are solid spots and ground-glass spots


@dataclass(frozen=True)
class Candidate:
    """A roundish spot: where it is, how large, how dense.

    position: centre in patient LPS mm; index: the same as (slice, row, column); diameter: of the ball of equal volume,
    mm; hu: upper quartile of its core; roundness: 1 for a ball, towards 0 for a vessel; side: "right" or "left".
    """

    position: tuple[float, float, float]
    index: tuple[float, float, float]
    diameter: float
    hu: float
    roundness: float
    side: str

    @property
    def volume(self) -> float:
        """Volume in cubic millimetres."""
        return float(np.pi / 6 * self.diameter**3)


def nodule_candidates(
    volume: CTVolume, lungs: np.ndarray, smallest: float = 5.0, largest: float = 35.0, roundness: float = 0.55
) -> list[Candidate]:
    """Roundish spots in `lungs` (labels 1 right, 2 left, of the volume's shape), the largest first.

    smallest, largest: diameters in mm; roundness: the least accepted. Volumes count a voxel that is half nodule as
    half (partial volume), so they do not depend on a threshold. ValueError when the shapes differ.
    """
    if lungs.shape != volume.shape:
        raise ValueError(f"The lung labels have shape {lungs.shape}, the volume {volume.shape}.")
    if not lungs.any():
        return []
    spacing = _array_spacing(volume)
    box = tuple(slice(max(s.start - 2, 0), s.stop + 2) for s in ndimage.find_objects((lungs > 0).astype(np.uint8))[0])
    labels = lungs[box]
    hu = volume.hu[box].astype(np.float32)
    smooth = ndimage.gaussian_filter(hu, [0.6 / s if s < 2.0 else 0.0 for s in spacing])
    background = float(np.median(hu[(labels > 0) & (hu < -600)])) if ((labels > 0) & (hu < -600)).any() else -850.0
    found: list[Candidate] = []
    for threshold, opening in ((SOLID, 1.6), (max(FAINT, background + 110.0), 3.2)):
        dense = (labels > 0) & (smooth > threshold)
        for spot in _spots(dense, spacing, opening):
            candidate = _measure(spot, hu, labels, background, spacing, volume, box, smallest)
            if candidate is None or candidate.diameter > largest:
                continue
            if candidate.roundness >= roundness and not _known(candidate, found):
                found.append(candidate)
    return sorted(found, key=lambda c: -c.diameter)


def _array_spacing(volume: CTVolume) -> tuple[float, float, float]:
    return tuple(float(s) for s in volume.spacing)


def _spots(dense: np.ndarray, spacing, radius: float):
    """The pieces of `dense` that are left when everything thinner than 2 x radius mm (vessels) is taken away."""
    depth = ndimage.distance_transform_edt(dense, sampling=spacing)
    cores, _ = ndimage.label(depth > radius)
    for k, where in enumerate(ndimage.find_objects(cores), 1):
        if where is None:
            continue
        margin = [int(np.ceil((radius + 4.5) / s)) + 1 for s in spacing]
        where = tuple(slice(max(s.start - m, 0), s.stop + m) for s, m in zip(where, margin))
        core = cores[where] == k
        if core.any():
            near = ndimage.distance_transform_edt(~core, sampling=spacing)
            yield where, near <= radius + 0.5, near


def _measure(spot, hu, labels, background, spacing, volume: CTVolume, box, smallest) -> Candidate | None:
    """Size and density of one spot. Its share of each voxel is (value - lung) / (spot - lung), between 0 and 1."""
    where, body, near = spot
    values, lung = hu[where], labels[where] > 0
    core = near == 0
    level = float(np.percentile(values[core], 75))  # in thick slices half the core of a small spot is partly lung
    reach = near[body].max()
    rim = lung & (near > reach + 1.5) & (values < -600)  # the lung right around it: denser at the back than in front
    background = float(np.median(values[rim])) if rim.sum() > 20 else background
    if level - background < 90.0:
        return None
    around = lung & (near <= reach + 1.5)
    part = np.clip((values - background) / (level - background), 0.0, 1.0) * lung
    part[part < 0.1] = 0.0  # noise of the lung
    part[ndimage.binary_erosion(part > 0.5)] = 1.0  # and noise within
    share = part * around
    voxel = float(np.prod(spacing))
    total = float(share.sum())
    if total * voxel < np.pi / 6 * smallest**3:
        return None
    index = np.array([float((share * g).sum() / total) for g in np.indices(share.shape, dtype=np.float32)])
    offsets = [(g - c) * s for g, c, s in zip(np.indices(share.shape, dtype=np.float32), index, spacing)]
    spread = np.array([[float((share * a * b).sum() / total) for a in offsets] for b in offsets])
    axes = np.sqrt(np.maximum(np.linalg.eigvalsh(spread), 1e-6))
    caps = ndimage.binary_dilation(body) & ~around  # in the slices above and below, if they are thick
    total += float(part[caps].sum())
    full = index + [s.start for s in where] + np.array([s.start for s in box])
    side = np.bincount(labels[where][body & lung], minlength=3)[1:].argmax()
    return Candidate(
        position=tuple(float(v) for v in volume.position(full)),
        index=tuple(float(v) for v in full),
        diameter=float((6 * total * voxel / np.pi) ** (1 / 3)),
        hu=level,
        roundness=float(axes[0] / axes[2]),
        side=("right", "left")[side],
    )


def _known(candidate: Candidate, found: list[Candidate]) -> bool:
    return any(
        np.linalg.norm(np.subtract(candidate.position, other.position)) < 0.5 * (other.diameter + candidate.diameter)
        for other in found
    )
