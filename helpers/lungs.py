"""Lungs without deep learning: a threshold, connected pieces and geometry (after Hu, Hoffman, Reinhardt 2001).

Works on any `CTVolume` whose slices are roughly axial, head first or feet first, and on coronal or sagittal stacks:
directions come from the affine, never from the order of the array.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from helpers.airways import IN_PLANE, follow_airways
from helpers.candidates import Candidate, nodule_candidates
from helpers.findings import NO_HU
from helpers.volume import CTVolume

__all__ = ["Candidate", "LungError", "dice", "lung_volumes_ml", "nodule_candidates", "segment_lungs", "threshold_only"]

RIGHT, LEFT = 1, 2
AIR_BELOW = -400  # HU: half-way between lung (about -850) and the chest wall (about +50)
WORKING_PIXEL = 1.3  # mm: finer images are searched at about this size and refined at the end
CLOSING = 9.0  # mm: radius of the ball that closes the dents left by vessels and by nodules at the pleura
EMPTY = -930.0  # HU: the mean of the air around a patient is below, that of a lung above
SMALLEST_CUT = 1000.0  # mm2: what is smaller and lies at the border is no lung that is cut by it
SMALLEST_ML = 150.0  # a smaller piece of air is no lung, in a scan of the whole chest


class LungError(ValueError):
    """No lungs could be found, and the message says what was there instead."""


class _Grid(NamedTuple):
    """The volume turned so that the axes run to the head, to the back and to the left; how to turn it back."""

    hu: np.ndarray
    outside: np.ndarray
    spacing: tuple[float, float, float]
    order: tuple[int, ...]
    flips: tuple[slice, ...]


def segment_lungs(volume: CTVolume) -> np.ndarray:
    """Both lungs of a chest CT: uint8 of the volume's shape, 0 elsewhere, 1 the patient's right lung, 2 the left.

    Vessels inside the lungs and nodules that touch the pleura are kept, windpipe and main bronchi are not.
    A lung that the border of the picture cuts is found if the other one is whole. A few seconds for 133 slices of
    512 x 512. Raises `LungError` when the volume holds no air-filled pair (or single one) of lungs, or no HU.
    """
    for finding in volume.findings:
        if finding.kind in NO_HU:
            raise LungError(f"Lungs are looked for in Hounsfield units. {finding.message}")
    grid = _turned(volume)
    factor = max(1, round(WORKING_PIXEL / max(grid.spacing[1:])))
    coarse = _block_mean(grid.hu, factor)
    spacing = (grid.spacing[0], grid.spacing[1] * factor, grid.spacing[2] * factor)
    voxel_ml = float(np.prod(spacing)) / 1000
    air, cut = _enclosed_air(coarse, _block_mean(grid.outside, factor) > 0, spacing)
    airways = follow_airways(air, coarse, spacing, AIR_BELOW)
    pieces = _two_lungs(air & ~airways, coarse, spacing, voxel_ml)
    if len(pieces) == 1 and cut.any():
        pieces = _with_the_cut_one(pieces, (air | cut) & ~airways, coarse, spacing, voxel_ml)
    labels = np.zeros(coarse.shape, np.uint8)
    kept = np.logical_or.reduce(list(pieces.values()))
    other_air = airways | (ndimage.binary_opening(air, IN_PLANE) & ~kept)  # and gas below the diaphragm
    walls = ndimage.binary_dilation(other_air, IN_PLANE, iterations=max(1, round(3.5 / spacing[1])))
    for label, piece in pieces.items():
        whole = piece | (_closed(piece, spacing) & ~walls)
        whole = np.stack([ndimage.binary_fill_holes(s) for s in whole])  # small bronchi amid lung are lung again
        labels[whole & (labels == 0)] = label
    if factor > 1:
        labels = _refined(labels, kept, grid.hu, factor)
    labels[grid.outside] = 0
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


def cut_off(labels: np.ndarray, volume: CTVolume) -> bool:
    """True when the lungs reach the first or the last layer of the scan along the body: only a part was scanned."""
    return bool(np.take(labels, [0, -1], axis=volume.array_axes()["axial"]).any())


def threshold_only(volume: CTVolume) -> np.ndarray:
    """The naive method, for comparison: everything below -400 HU. Finds lungs, windpipe, gas and the whole room."""
    return (volume.hu < AIR_BELOW).astype(np.uint8)


def _turned(volume: CTVolume) -> _Grid:
    axes = volume.array_axes()
    order = (axes["axial"], axes["coronal"], axes["sagittal"])
    signs = [volume.affine[patient, axis] for patient, axis in zip((2, 1, 0), order)]
    flips = tuple(slice(None, None, -1 if sign < 0 else 1) for sign in signs)
    outside = volume.beyond_field
    outside = np.zeros(volume.shape, bool) if outside is None else outside
    hu = np.where(outside, volume.hu.dtype.type(-1000), volume.hu) if outside.any() else volume.hu
    spacing = tuple(float(volume.spacing[axis]) for axis in order)
    return _Grid(hu.transpose(order)[flips], outside.transpose(order)[flips], spacing, order, flips)


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


def _enclosed_air(hu: np.ndarray, outside: np.ndarray, spacing) -> tuple[np.ndarray, np.ndarray]:
    """Air inside the body, and what may be a lung that the border of the picture cuts.

    Pieces that lie along the border of the field, slice by slice, are the room. A large patient may reach the border,
    and then a lung touches it as well, but with a small part of its outline; or the picture is cut through a lung,
    which is large and not as empty as the room.
    """
    air = (hu < AIR_BELOW) & ~outside
    pieces, n = ndimage.label(air, structure=IN_PLANE)
    beyond = np.pad(outside, ((0, 0), (1, 1), (1, 1)), constant_values=True)
    border = ndimage.binary_dilation(beyond, IN_PLANE)[:, 1:-1, 1:-1] & air
    contact = np.bincount(pieces[border], minlength=n + 1)
    size = np.bincount(pieces.ravel(), minlength=n + 1)
    density = np.bincount(pieces.ravel(), weights=hu.ravel(), minlength=n + 1) / np.maximum(size, 1)
    room = contact > 0.8 * np.sqrt(size)
    room[0] = True
    cut = room & (size * spacing[1] * spacing[2] > SMALLEST_CUT) & (density > EMPTY)
    cut[0] = False
    return ~room[pieces], cut[pieces]


def _two_lungs(air: np.ndarray, hu: np.ndarray, spacing, voxel_ml: float) -> dict[int, np.ndarray]:
    """The right and the left lung among the enclosed air, as {label: mask}."""
    beyond = np.pad(air, ((1, 1), (0, 0), (0, 0)), mode="edge")  # the lung goes on above and below the scan
    opened = ndimage.binary_opening(beyond, ndimage.generate_binary_structure(3, 1))[1:-1]
    pieces, n = ndimage.label(opened)
    sizes = np.bincount(pieces.ravel(), minlength=n + 1) * voxel_ml
    sizes[0] = 0
    least = min(SMALLEST_ML, 0.8 * hu.shape[0] * spacing[0])  # a thin slab shows a part of each lung only
    large = [int(k) for k in np.argsort(sizes)[::-1] if sizes[k] > least and sizes[k] > 0.1 * sizes.max()]
    # gas in stomach or bowel is emptier than any lung: a lung is crossed by vessels
    # and the foam of a table is flat
    large = [k for k in large if np.median(hu[pieces == k]) > -975.0 and not _flat(pieces == k, spacing)][:4]
    if not large:
        raise LungError(f"No lungs found: this volume encloses no region of lung density of {least:.0f} ml or more.")
    masks = [pieces == k for k in large]
    middle = np.average(np.arange(hu.shape[2]), weights=(hu > -300).sum(axis=(0, 1)) + 1e-9)  # of the body
    if len(masks) == 1:
        masks = _pulled_apart(masks[0], spacing, middle)
    masks = masks[:2]
    columns = [_column(m) for m in masks]
    if len(masks) == 1:
        labels = [LEFT if columns[0] > _spine(masks[0], hu, spacing, middle) else RIGHT]
    else:
        labels = [RIGHT, LEFT] if columns[0] < columns[1] else [LEFT, RIGHT]
    return {label: _regrown(mask, air, masks) for label, mask in zip(labels, masks)}


def _with_the_cut_one(one: dict[int, np.ndarray], air: np.ndarray, hu, spacing, voxel_ml) -> dict[int, np.ndarray]:
    """Where one lung was found alone: the other one, if the border of the picture cuts it; else `one` as it is."""
    both = _two_lungs(air, hu, spacing, voxel_ml)
    (known,) = one.values()
    sizes = [int(mask.sum()) for mask in both.values()]
    if len(both) < 2 or min(sizes) < 0.2 * max(sizes) or not any((mask & known).any() for mask in both.values()):
        return one
    middle = _spine(known, hu, spacing, float("nan"))
    return both if _column(both[RIGHT]) < middle < _column(both[LEFT]) else one


def _spine(lung: np.ndarray, hu: np.ndarray, spacing, middle: float) -> float:
    """The column with most bone behind the middle of a lung, or `middle` where there is no bone.

    With one lung the middle of the body does not tell its side: the picture may show half of the body.
    """
    behind = int(np.average(np.arange(hu.shape[1]), weights=lung.sum(axis=(0, 2))))
    bone = (hu[:, behind:] > 200).sum(axis=(0, 1)).astype(float)
    smooth = ndimage.uniform_filter1d(bone, max(3, round(30.0 / spacing[2])), mode="constant")
    return float(smooth.argmax()) if bone.any() else middle


def _regrown(mask: np.ndarray, air: np.ndarray, masks: list[np.ndarray]) -> np.ndarray:
    """Undo the opening: air next to this lung and to no other belongs to it."""
    others = np.zeros_like(mask)
    for other in masks:
        if other is not mask:
            others |= other
    return mask | (ndimage.binary_dilation(mask, iterations=2) & air & ~ndimage.binary_dilation(others))


def _flat(mask: np.ndarray, spacing) -> bool:
    """Whether the mean extent to the back, or to the side, is small: under 25 mm or a quarter of the other."""
    thin, wide = sorted(mask.sum() / max(1, mask.any(axis=axis).sum()) * spacing[axis] for axis in (1, 2))
    return bool(thin < max(25.0, 0.25 * wide))


def _column(mask: np.ndarray) -> float:
    """The mean column of a mask."""
    return float(np.average(np.arange(mask.shape[2]), weights=mask.sum(axis=(0, 1))))


def _pulled_apart(mask: np.ndarray, spacing, middle: float) -> list[np.ndarray]:
    """Two lungs that touch (in front of the heart, or behind it) are parted where the bridge is thinnest.

    One lung alone stays whole: halves must lie on both sides of the body's `middle` (a column), 60 mm apart.
    """
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
            ends = sorted(_column(half) for half in halves)
            return halves if ends[0] < middle < ends[1] and (ends[1] - ends[0]) * spacing[2] > 60.0 else [mask]
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
