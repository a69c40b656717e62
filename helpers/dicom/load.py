"""Sorted frames -> one array of Hounsfield units. Each slice goes straight into its slot and is rescaled there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from helpers.dicom.frames import Frame, image_format
from helpers.dicom.pixels import stored_values
from helpers.dicom.sources import Unreadable
from helpers.findings import DicomSeriesError, Finding
from helpers.hounsfield import INT16

TYPES = (np.dtype(np.int16), np.dtype(np.float32), np.dtype(np.float64))


class Overflow(Exception):
    """A value does not fit int16: everything has to be read as float32."""


def scale_of(frame: Frame) -> tuple[float, float]:
    """(slope, intercept) of a frame, 1 and 0 where they are missing (which is a finding)."""
    if frame.slope is None or frame.intercept is None:
        return 1.0, 0.0
    return frame.slope, frame.intercept


def whole_scales(frames: list[Frame]) -> bool:
    """True when every slope and intercept is a whole number, so that integers stay exact."""
    return all(float(part).is_integer() and abs(part) < 2**31 for frame in frames for part in scale_of(frame))


def _check_type(dtype: Any, frames: list[Frame]) -> np.dtype:
    if dtype is None:
        return np.dtype(np.int16 if whole_scales(frames) else np.float32)
    wanted = np.dtype(dtype)
    if wanted not in TYPES:
        raise ValueError(f"dtype must be int16, float32 or float64, not {wanted}.")
    if wanted == np.int16 and not whole_scales(frames):
        raise DicomSeriesError("Slope or intercept is no whole number: int16 would round; use dtype=np.float32.")
    return wanted


def load(
    frames: list[Frame],
    slots: list[int],
    *,
    dtype: Any = None,
    out: np.ndarray | None = None,
    workers: int = 1,
    progress: Callable[..., Iterable] | None = None,
) -> tuple[np.ndarray, list[Finding]]:
    """The volume of HU; frame k stands in slice slots[k]. Slices without a frame are left as they are."""
    rows, columns, *_ = image_format(frames[0].header)
    shape = (slots[-1] + 1, rows, columns)
    wanted = _check_type(dtype, frames)
    if out is not None:
        if out.shape != shape or not out.flags.c_contiguous or not out.flags.writeable or out.dtype not in TYPES:
            raise ValueError(f"out must be a writeable C-ordered array {shape} of int16, float32 or float64.")
        if dtype is not None and out.dtype != wanted:
            raise ValueError(f"out is {out.dtype} but dtype asks for {wanted}.")
        if out.dtype == np.int16 and wanted != np.int16:
            raise DicomSeriesError("These values do not fit int16 exactly; pass a float32 array as out.")
        wanted = out.dtype
    try:
        volume = np.empty(shape, wanted) if out is None else out
        return volume, _fill(volume, frames, slots, progress)
    except Overflow:
        if dtype is not None or out is not None:
            raise DicomSeriesError("Some values in HU do not fit int16; use dtype=np.float32.") from None
        volume = np.empty(shape, np.float32)
        return volume, _fill(volume, frames, slots, progress)
    except MemoryError:
        raise DicomSeriesError(f"A volume of {shape} does not fit the memory of this machine.") from None


def _fill(volume, frames, slots, progress) -> list[Finding]:
    pairs = list(zip(frames, slots))
    for frame, slot in progress(pairs, total=len(pairs)) if progress else pairs:
        try:
            rescale_into(volume[slot], stored_values(frame), *scale_of(frame))
        except Unreadable as error:
            raise unreadable(frame, error) from None
    return []


def unreadable(frame: Frame, error: Unreadable) -> DicomSeriesError:
    """The error of one file as an error of the series."""
    return DicomSeriesError(f"{frame.name}: {error}.", [Finding("broken", f"{frame.name}: {error}.", (frame.name,))])


def rescale_into(target: np.ndarray, stored: np.ndarray, slope: float, intercept: float) -> None:
    """HU of one slice into `target`, rounded once at most. Raises Overflow when int16 cannot hold a value."""
    if target.dtype == np.int16:
        ends = [int(end) * int(slope) + int(intercept) for end in (stored.min(), stored.max())]
        if min(ends) < INT16.min or max(ends) > INT16.max:
            raise Overflow
        wide = stored.astype(np.int64) if stored.dtype.itemsize > 1 or slope != 1 else stored.astype(np.int32)
        target[...] = wide * int(slope) + int(intercept)
    elif slope == 1 and float(intercept).is_integer():
        target[...] = stored
        target += target.dtype.type(intercept)
    else:
        target[...] = stored.astype(np.float64) * slope + intercept


def same_pixels(one: Frame, other: Frame) -> bool:
    """True when two frames hold the same HU."""
    if scale_of(one) != scale_of(other):
        return False
    try:
        first, second = stored_values(one), stored_values(other)
    except Unreadable as error:
        raise unreadable(other, error) from None
    return first.shape == second.shape and bool(np.array_equal(first, second))
