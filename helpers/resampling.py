"""A volume on another grid: linear interpolation, slice by slice, so that memory stays small."""

from __future__ import annotations

import itertools

import numpy as np
from scipy import ndimage

from helpers.volume import CTVolume, check_holds

MOST_VOXELS = 2e9


def resample(volume: CTVolume, mm: float | tuple[float, float, float] = 1.0, fill: float = -1000) -> CTVolume:
    """`volume` on a straight grid with voxels of `mm` (one number, or dz, dy, dx); see `CTVolume.resample`."""
    try:
        steps = np.broadcast_to(np.asarray(mm, np.float64), 3)
    except (TypeError, ValueError):
        raise ValueError(f"The voxel size is one number in mm, or three (dz, dy, dx), not {mm!r}.") from None
    if not (np.isfinite(steps).all() and (steps > 0).all()):
        raise ValueError(f"The voxel size must be above 0 mm, not {mm}.")
    affine, shape = _target(volume, steps)
    # Where does each voxel of the new grid lie in the old one?
    matrix = np.linalg.inv(volume.affine) @ affine
    askew = np.abs(matrix[:3, :3] - np.diag(np.diag(matrix[:3, :3]))) @ np.array(shape)
    straight = askew.max() < 1e-3  # voxels over the whole extent: the digits of positions in a file do not matter
    values = _separable(volume.hu, np.diag(matrix)[:3], shape) if straight else _general(volume.hu, matrix, shape)
    outside = None
    if volume.outside is not None or not straight:
        old = np.zeros(volume.shape, np.uint8) if volume.outside is None else volume.outside.view(np.uint8)
        # A value with a share of the outside in it is no measurement: 1e-3 leaves room for the rounding of places.
        options = dict(order=1, mode="nearest", output=np.float32, output_shape=shape)
        outside = ndimage.affine_transform(old.astype(np.float32), matrix[:3, :3], matrix[:3, 3], **options) > 1e-3
    if not straight:
        check_holds(values.dtype, fill)
        beyond = _beyond(volume.shape, matrix, shape)
        values[beyond] = fill
        outside |= beyond
    invented = _invented(volume, matrix[0, 0], shape[0]) if straight else ()
    return CTVolume(values, affine, list(volume.findings), dict(volume.meta), outside, invented)


def _invented(volume: CTVolume, step: float, count: int) -> tuple[int, ...]:
    """The new slices in which an interpolated one has a share."""
    low, high, weight = _weights(count, step, len(volume.hu))
    share = (np.isin(low, volume.invented) & (weight < 1 - 1e-3)) | (np.isin(high, volume.invented) & (weight > 1e-3))
    return tuple(np.flatnonzero(share).tolist())


def _target(volume: CTVolume, steps: np.ndarray) -> tuple[np.ndarray, tuple[int, int, int]]:
    """Affine and shape of the straight grid that holds all slices, its first voxel at or before the old first one."""
    column, row = volume.affine[:3, 1], volume.affine[:3, 2]
    axes = np.stack([volume.normal, column / np.linalg.norm(column), row / np.linalg.norm(row)], axis=1)
    last = np.array(volume.shape) - 1
    corners = np.array([volume.position(last * pick) for pick in itertools.product((0, 1), repeat=3)])
    along = (corners - volume.affine[:3, 3]) @ axes
    low, high = along.min(axis=0), along.max(axis=0)
    low[np.abs(low) < 1e-9] = 0
    counts = np.floor((high - low) / steps + 1e-6) + 1
    if counts.prod() > MOST_VOXELS:
        raise ValueError(f"Voxels of {steps} mm would make a volume of {counts.prod():.3g} voxels; choose larger ones.")
    affine = np.eye(4)
    affine[:3, :3] = axes * steps
    affine[:3, 3] = volume.affine[:3, 3] + axes @ low
    return affine, tuple(int(count) for count in counts)


def _weights(count: int, step: float, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lower neighbour, upper neighbour and weight of the upper one for each of `count` samples `step` apart."""
    place = np.minimum(np.arange(count) * step, size - 1)
    low = np.minimum(place.astype(int), max(size - 2, 0))
    return low, np.minimum(low + 1, size - 1), (place - low).astype(np.float32)


def _separable(hu: np.ndarray, steps: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Linear interpolation along each axis in turn; float32 inside, the type of `hu` outside."""
    (z0, z1, wz), (y0, y1, wy), (x0, x1, wx) = (_weights(n, s, size) for n, s, size in zip(shape, steps, hu.shape))
    result = np.empty(shape, hu.dtype)
    whole = hu.dtype.kind in "iu"
    for k, (low, high, weight) in enumerate(zip(z0, z1, wz)):
        image = hu[low].astype(np.float32)
        if weight:
            image += weight * (hu[high] - image)
        image = image[y0] + wy[:, None] * (image[y1] - image[y0])
        image = image[:, x0] + wx * (image[:, x1] - image[:, x0])
        result[k] = np.rint(image) if whole else image
    return result


def _general(hu: np.ndarray, matrix: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """The same for a sheared stack, by SciPy; beyond the stack its nearest value."""
    return ndimage.affine_transform(hu, matrix[:3, :3], matrix[:3, 3], output_shape=shape, order=1, mode="nearest")


def _beyond(size: tuple[int, int, int], matrix: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """True for each new voxel that lies past the outermost voxel centres of the old stack, where nothing was measured.

    On the centres themselves, but for rounding, is not past them.
    """
    beyond = np.zeros(shape, bool)
    row, column = np.ogrid[: shape[1], : shape[2]]
    for k, image in enumerate(beyond):
        for (down, along, across, start), count in zip(matrix[:3], size):
            place = start + down * k + along * row + across * column
            image |= (place < -1e-4) | (place > count - 1 + 1e-4)
    return beyond
