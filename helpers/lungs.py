"""Lungs without deep learning: a threshold, connected pieces and geometry (after Hu, Hoffman, Reinhardt 2001).

Works on any `CTVolume` whose slices are roughly axial, head first or feet first, and on coronal or sagittal stacks:
directions come from the affine, never from the order of the array.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from helpers.candidates import Candidate, nodule_candidates
from helpers.volume import CTVolume

__all__ = ["Candidate", "LungError", "dice", "lung_volumes_ml", "nodule_candidates", "segment_lungs", "threshold_only"]

RIGHT, LEFT = 1, 2
AIR_BELOW = -400  # HU: half-way between lung (about -850) and the chest wall (about +50)
WORKING_PIXEL = 1.3  # mm: finer images are searched at about this size and refined at the end
CLOSING = 9.0  # mm: radius of the ball that closes the dents left by vessels and by nodules at the pleura
IN_PLANE = np.zeros((3, 3, 3), bool)
IN_PLANE[1] = ndimage.generate_binary_structure(2, 1)


class LungError(ValueError):
    """No lungs could be found, and the message says what was there instead."""


class _Grid(NamedTuple):
    """The volume turned so that the axes run to the head, to the back and to the left; how to turn it back."""

    hu: np.ndarray
    spacing: tuple[float, float, float]
    order: tuple[int, ...]
    flips: tuple[slice, ...]


def segment_lungs(volume: CTVolume) -> np.ndarray:
    """Both lungs of a chest CT: uint8 of the volume's shape, 0 elsewhere, 1 the patient's right lung, 2 the left.

    Vessels inside the lungs and nodules that touch the pleura are kept, windpipe and main bronchi are not.
    Raises `LungError` when the volume holds no air-filled pair (or single one) of lungs. A few seconds for 133 slices
    of 512 x 512.
    """
    grid = _turned(volume)
    factor = max(1, round(WORKING_PIXEL / max(grid.spacing[1:])))
    coarse = _block_mean(grid.hu, factor)
    spacing = (grid.spacing[0], grid.spacing[1] * factor, grid.spacing[2] * factor)
    voxel_ml = float(np.prod(spacing)) / 1000
    air = _enclosed_air(coarse)
    airways = _airways(air, coarse, spacing)
    pieces = _two_lungs(air & ~airways, coarse, spacing, voxel_ml)
    labels = np.zeros(coarse.shape, np.uint8)
    kept = np.logical_or.reduce(list(pieces.values()))
    walls = ndimage.binary_dilation(airways, IN_PLANE, iterations=max(1, round(3.5 / spacing[1])))
    for label, piece in pieces.items():
        whole = piece | (_closed(piece, spacing) & ~walls)
        whole = np.stack([ndimage.binary_fill_holes(s) for s in whole])  # small bronchi amid lung are lung again
        labels[whole & (labels == 0)] = label
    if factor > 1:
        labels = _refined(labels, kept, grid.hu, factor)
    return _turned_back(labels, grid, volume.shape)


def dice(a: np.ndarray, b: np.ndarray) -> float:
    """Dice coefficient 2 |A and B| / (|A| + |B|) of two masks (non-zero is inside); 1 when both are empty."""
    a, b = np.asarray(a) != 0, np.asarray(b) != 0
    if a.shape != b.shape:
        raise ValueError(f"Masks to compare must have one shape, not {a.shape} and {b.shape}.")
    total = int(a.sum()) + int(b.sum())
    return 1.0 if total == 0 else 2.0 * int((a & b).sum()) / total


def lung_volumes_ml(labels: np.ndarray, volume: CTVolume) -> dict[str, float]:
    """Millilitres of the right and the left lung."""
    return {name: float((labels == k).sum()) * volume.voxel_ml for name, k in (("right", RIGHT), ("left", LEFT))}


def threshold_only(volume: CTVolume) -> np.ndarray:
    """The naive method, for comparison: everything below -400 HU. Finds lungs, windpipe, gas and the whole room."""
    return (volume.hu < AIR_BELOW).astype(np.uint8)


def _turned(volume: CTVolume) -> _Grid:
    axes = volume.array_axes()
    order = (axes["axial"], axes["coronal"], axes["sagittal"])
    signs = [volume.affine[patient, axis] for patient, axis in zip((2, 1, 0), order)]
    flips = tuple(slice(None, None, -1 if sign < 0 else 1) for sign in signs)
    hu = volume.hu if volume.outside is None else volume.filled(-1000).hu
    spacing = tuple(float(volume.spacing[axis]) for axis in order)
    return _Grid(hu.transpose(order)[flips], spacing, order, flips)


def _turned_back(labels: np.ndarray, grid: _Grid, shape) -> np.ndarray:
    out = np.empty(shape, labels.dtype)
    out[:] = labels[grid.flips].transpose(np.argsort(grid.order))
    return out


def _block_mean(hu: np.ndarray, factor: int) -> np.ndarray:
    """Mean over factor x factor pixels in each slice; edges that do not fill a block are dropped. float32."""
    if factor == 1:
        return np.ascontiguousarray(hu, dtype=np.float32)
    n, rows, columns = (hu.shape[0], hu.shape[1] // factor, hu.shape[2] // factor)
    out = np.zeros((n, rows, columns), np.float32)
    for i in range(factor):
        for j in range(factor):
            out += hu[:, i : i + rows * factor : factor, j : j + columns * factor : factor]
    return out / factor**2


def _enclosed_air(hu: np.ndarray) -> np.ndarray:
    """Air that the body encloses within its slice: pieces that touch the border of a slice are the room."""
    pieces, n = ndimage.label(hu < AIR_BELOW, structure=IN_PLANE)
    border = np.ones(hu.shape[1:], bool)
    border[1:-1, 1:-1] = False
    room = np.zeros(n + 1, bool)
    room[np.unique(pieces[:, border])] = True
    room[0] = True
    return ~room[pieces]


def _airways(air: np.ndarray, hu: np.ndarray, spacing) -> np.ndarray:
    """Windpipe and main bronchi: followed from the neck downwards, slice by slice, until they open into a lung."""
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
            last = _next_lumen(last, air[z], hu[z], limit, spacing)
            if last is None:
                break
            found[z] = last
    return found | (ndimage.binary_dilation(found, IN_PLANE) & air)


def _next_lumen(last: np.ndarray, air: np.ndarray, hu: np.ndarray, limit: float, spacing) -> np.ndarray | None:
    """The continuation of an airway in the next slice, or None where it ends.

    Where only a thin wall parts it from the lung, the wall's voxels are half air: the threshold is then lowered,
    since the lumen holds pure air and the lung does not.
    """
    pixel = spacing[1] * spacing[2]
    out = np.zeros_like(air)
    open_ends = last
    for threshold in (AIR_BELOW, -600, -750, -850, -900, -940):
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


def _two_lungs(air: np.ndarray, hu: np.ndarray, spacing, voxel_ml: float) -> dict[int, np.ndarray]:
    """The right and the left lung among the enclosed air, as {label: mask}."""
    opened = ndimage.binary_opening(air, ndimage.generate_binary_structure(3, 1))
    pieces, n = ndimage.label(opened)
    sizes = np.bincount(pieces.ravel(), minlength=n + 1) * voxel_ml
    sizes[0] = 0
    large = [int(k) for k in np.argsort(sizes)[::-1] if sizes[k] > 150.0 and sizes[k] > 0.1 * sizes.max()]
    # gas in stomach or bowel is emptier than any lung: a lung is crossed by vessels
    large = [k for k in large if hu[pieces == k].mean() > -975.0][:4]
    if not large:
        raise LungError("No lungs found: no enclosed region of lung density with more than 150 ml in this volume.")
    masks = [pieces == k for k in large]
    if len(masks) == 1:
        masks = _pulled_apart(masks[0], spacing)
    masks = masks[:2]
    columns = [np.nonzero(m.any(axis=(0, 1)))[0].mean() for m in masks]
    if len(masks) == 1:
        body = np.nonzero((hu > -300).any(axis=(0, 1)))[0].mean()
        labels = [LEFT if columns[0] > body else RIGHT]
    else:
        labels = [RIGHT, LEFT] if columns[0] < columns[1] else [LEFT, RIGHT]
    return {label: _regrown(mask, air, masks) for label, mask in zip(labels, masks)}


def _regrown(mask: np.ndarray, air: np.ndarray, masks: list[np.ndarray]) -> np.ndarray:
    """Undo the opening: air next to this lung and to no other belongs to it."""
    others = np.zeros_like(mask)
    for other in masks:
        if other is not mask:
            others |= other
    return mask | (ndimage.binary_dilation(mask, iterations=2) & air & ~ndimage.binary_dilation(others))


def _pulled_apart(mask: np.ndarray, spacing) -> list[np.ndarray]:
    """Two lungs that touch (in front of the heart, or behind it) are parted where the bridge is thinnest."""
    box = ndimage.find_objects(mask.astype(np.uint8))[0]
    small, sampling = mask[box][:, ::2, ::2], (spacing[0], 2 * spacing[1], 2 * spacing[2])
    depth = ndimage.distance_transform_edt(small, sampling=sampling)
    for radius in np.arange(2.0, 26.0, 2.0):
        cores, n = ndimage.label(depth > radius)
        if n < 2:
            continue
        sizes = np.bincount(cores.ravel())[1:]
        second, first = np.argsort(sizes)[-2:] + 1
        if sizes[second - 1] > 0.2 * sizes[first - 1]:
            near = [ndimage.distance_transform_edt(cores != k, sampling=sampling) for k in (first, second)]
            nearer = (near[0] <= near[1]).repeat(2, axis=1).repeat(2, axis=2)
            nearer = nearer[:, : mask[box].shape[1], : mask[box].shape[2]]
            halves = [np.zeros_like(mask), np.zeros_like(mask)]
            halves[0][box], halves[1][box] = mask[box] & nearer, mask[box] & ~nearer
            return halves
    return [mask]


def _closed(mask: np.ndarray, spacing, radius: float = CLOSING) -> np.ndarray:
    """Closing by a ball of `radius` mm (dilate, then erode), then holes filled slice by slice."""
    pad = [int(np.ceil(radius / s)) + 1 for s in spacing]
    box = ndimage.find_objects(mask.astype(np.uint8))[0]
    part = np.pad(mask[box], [(p, p) for p in pad])
    # Above and below the scan there may be more lung: repeat the end slices instead of ending in nothing.
    ends = [(pad[0], 0) if box[0].start == 0 else (0, 0), (0, pad[0]) if box[0].stop == mask.shape[0] else (0, 0)]
    if ends[0][0]:
        part[: pad[0]] = part[pad[0]]
    if ends[1][1]:
        part[-pad[0] :] = part[-pad[0] - 1]
    grown = ndimage.distance_transform_edt(~part, sampling=spacing) <= radius
    shrunk = ndimage.distance_transform_edt(np.pad(grown, 1), sampling=spacing)[1:-1, 1:-1, 1:-1] > radius
    if ends[0][0] or ends[1][1]:  # the padded erosion must not eat the repeated ends
        shrunk |= part
    inner = shrunk[tuple(slice(p, -p) for p in pad)] | mask[box]
    out = np.zeros_like(mask)
    out[box] = np.stack([ndimage.binary_fill_holes(s) for s in inner])
    return out


def _refined(labels: np.ndarray, air: np.ndarray, hu: np.ndarray, factor: int) -> np.ndarray:
    """Labels at working size -> labels at full size; edges of air follow the full-size image again."""

    def enlarged(a: np.ndarray) -> np.ndarray:
        big = a.repeat(factor, axis=1).repeat(factor, axis=2)
        missing = [(0, full - have) for full, have in zip(hu.shape, big.shape)]
        return np.pad(big, missing) if any(m[1] for m in missing) else big

    wide = np.where(labels > 0, labels, ndimage.grey_dilation(labels, footprint=IN_PLANE))
    filled = (labels > 0) & ~ndimage.binary_dilation(~(labels > 0) | air, IN_PLANE) | ((labels > 0) & ~air)
    inner = ndimage.binary_erosion(labels > 0, IN_PLANE, border_value=1)
    keep = enlarged(filled | inner)
    keep |= hu < AIR_BELOW
    return enlarged(wide) * keep
