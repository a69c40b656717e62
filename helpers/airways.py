"""The windpipe and the main bronchi in a chest CT: found by shape, followed slice by slice."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

IN_PLANE = np.zeros((3, 3, 3), bool)
IN_PLANE[1] = ndimage.generate_binary_structure(2, 1)


def follow_airways(air: np.ndarray, hu: np.ndarray, spacing, air_below: float) -> np.ndarray:
    """Windpipe and main bronchi: followed from the neck downwards, slice by slice, until they open into a lung.

    air: mask of enclosed air, hu: the volume, both (slice towards the head, row to the back, column to the left);
    spacing in mm; air_below: the threshold that made `air`. Returns a mask, empty where no windpipe is found.
    """
    pieces, _ = ndimage.label(air, structure=IN_PLANE)
    area = np.bincount(pieces.ravel()) * spacing[1] * spacing[2]
    found = np.zeros(air.shape, bool)
    start = _windpipe(pieces, area, spacing)
    if start is None:
        return found
    top, piece = start
    found[top] = pieces[top] == piece
    limit = 1.8 * area[piece] + 120.0  # the fork is wider than the pipe, a lung is wider than both
    for steps in (range(top - 1, -1, -1), range(top + 1, air.shape[0])):
        last = found[top]
        for z in steps:
            last = _next_lumen(last, air[z], hu[z], limit, spacing, air_below)
            if last is None:
                break
            found[z] = last
    return found | (ndimage.binary_dilation(found, IN_PLANE) & air)


def _next_lumen(
    last: np.ndarray, air: np.ndarray, hu: np.ndarray, limit: float, spacing, air_below: float
) -> np.ndarray | None:
    """The continuation of an airway in the next slice, or None where it ends.

    Where only a thin wall parts it from the lung, the wall's voxels are half air: the threshold is then lowered,
    since the lumen holds pure air and the lung does not.
    """
    pixel = spacing[1] * spacing[2]
    out = np.zeros_like(air)
    open_ends = last
    for threshold in (air_below, -600, -750, -850, -900, -940):
        pieces, n = ndimage.label(air & (hu < threshold))
        touched = np.unique(pieces[open_ends])
        sizes = np.bincount(pieces.ravel(), minlength=n + 1) * pixel
        good = [p for p in touched if p and 30.0 <= sizes[p] <= limit]
        out |= np.isin(pieces, good)
        open_ends = open_ends & np.isin(pieces, [p for p in touched if p and sizes[p] > limit])
        if not open_ends.any():
            break
    return out if out.any() else None


def _windpipe(pieces: np.ndarray, area: np.ndarray, spacing) -> tuple[int, int] | None:
    """A slice and the piece in it that continues as one round hole of 60-900 mm2 through 30 mm, near the middle."""
    need = max(2, round(30.0 / spacing[0]))
    middle = (pieces.shape[2] - 1) / 2
    total = (pieces > 0).sum(axis=(1, 2))
    if total.max() == 0:
        return None
    widest = int(np.argmax(total))
    columns = np.nonzero((pieces[widest] > 0).any(axis=0))[0]
    middle = columns.mean() if columns.size else middle  # the middle of the chest, not of the picture
    best = None
    for z in range(pieces.shape[0] - 1, widest, -1):
        for p in np.unique(pieces[z]):
            if not 60.0 < area[p] < 900.0 or not _round(pieces[z] == p, spacing):
                continue
            where = np.nonzero((pieces[z] == p).any(axis=0))[0]
            off = abs(where.mean() - middle) * spacing[2]
            if off < 35.0 and _continues(pieces, area, z, p, need) and (best is None or off < best[0]):
                best = (off, z, int(p))
        if best is not None:
            return best[1], best[2]
    return None


def _round(mask: np.ndarray, spacing) -> bool:
    rows, columns = np.nonzero(mask)
    height, width = (np.ptp(rows) + 1) * spacing[1], (np.ptp(columns) + 1) * spacing[2]
    filled = mask.sum() * spacing[1] * spacing[2] / (height * width)
    return 0.4 < height / width < 2.5 and filled > 0.5


def _continues(pieces, area, z: int, piece: int, need: int) -> bool:
    current = piece
    for step in range(1, need):
        if z - step < 0:
            return False
        below = pieces[z - step][pieces[z - step + 1] == current]
        below = below[below > 0]
        if below.size == 0:
            return False
        current = int(np.bincount(below).argmax())
        if not 40.0 < area[current] < 900.0:
            return False
    return True
