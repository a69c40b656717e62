"""Sorted frames -> one array of Hounsfield units. Each slice goes straight into its slot and is rescaled there."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from helpers.dicom import fast
from helpers.dicom.decoding import decoded_slices
from helpers.dicom.frames import Frame, image_format
from helpers.dicom.header import quiet
from helpers.dicom.pixels import stored_values
from helpers.dicom.rescale import Overflow, rescale_in_place, rescale_into, scale_of, unreadable
from helpers.dicom.sources import Unreadable, open_archives
from helpers.findings import DicomSeriesError, Finding, plural, some

AT_A_TIME = 8  # slices that a thread takes from what is left to do
TYPES = (np.dtype(np.int16), np.dtype(np.float32), np.dtype(np.float64))


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
        return volume, _fill(volume, frames, slots, workers, progress)
    except Overflow:
        if dtype is not None or out is not None:
            raise DicomSeriesError("Some values in HU do not fit int16; use dtype=np.float32.") from None
        volume = np.empty(shape, np.float32)
        return volume, _fill(volume, frames, slots, workers, progress)
    except MemoryError:
        raise DicomSeriesError(f"A volume of {shape} does not fit the memory of this machine.") from None


def _fill(
    volume: np.ndarray, frames: list[Frame], slots: list[int], workers: int, progress: Callable[..., Iterable] | None
) -> list[Finding]:
    """Read all slices; direct ones by threads, the others decoded, by processes where `workers` asks for them."""
    plain, coded = [], []
    for frame, slot in zip(frames, slots):
        (plain if fast.direct(frame) else coded).append((frame, slot))
    unclean: list[str] = []
    done = _by_threads(volume, plain, workers, unclean)
    done = itertools.chain(done, decoded_slices(volume, coded, workers))
    done = progress(done, total=len(frames)) if progress else done
    with quiet(), open_archives():  # once for all frames
        for _ in done:
            pass
    if not unclean:
        return []
    text = (
        f"Bits above BitsStored were set in {plural(len(unclean), 'slice')} and were removed: {some(sorted(unclean))}."
    )
    return [Finding("bits", text, tuple(sorted(unclean)))]


def _by_threads(volume, pairs, workers: int, unclean: list[str]) -> Iterator[int]:
    """Read plain slices into their slots, by `workers` threads of which this one is one; yields once per slice."""
    blocks = iter([pairs[k : k + AT_A_TIME] for k in range(0, len(pairs), AT_A_TIME)])  # each takes the next
    done: deque[int] = deque()
    with ThreadPoolExecutor(max(workers - 1, 1)) as pool:
        others = [pool.submit(_help, volume, blocks, unclean, done) for _ in range(workers - 1)]
        try:
            for block in blocks:
                yield from _block(volume, block, unclean)
                while done:
                    yield done.popleft()
            for other in others:
                other.result()
        finally:
            _drop(blocks)
    yield from done


def _help(volume: np.ndarray, blocks: Iterator, unclean: list[str], done: deque[int]) -> None:
    """What the other threads do; an error of one ends the work of all."""
    try:
        for block in blocks:
            done.extend(_block(volume, block, unclean))
    finally:
        _drop(blocks)


def _drop(blocks: Iterator) -> None:
    """Leave nothing to do."""
    deque(blocks, maxlen=0)


def _block(volume: np.ndarray, pairs: list[tuple[Frame, int]], unclean: list[str]) -> Iterator[int]:
    scratch = None if volume.dtype == np.int16 else np.empty(volume.shape[1:], np.int16)
    for frame, slot in pairs:
        target = volume[slot]
        words = target if scratch is None else scratch
        try:
            fast.read_direct(frame, words)
        except Unreadable as error:
            raise unreadable(frame, error) from None
        values, dirty = fast.tidy(words, frame)
        if dirty:
            unclean.append(frame.name)
        if scratch is None:
            rescale_in_place(target, values, *scale_of(frame))
        else:
            rescale_into(target, values, *scale_of(frame))
        yield slot


def same_pixels(one: Frame, other: Frame) -> bool:
    """True when two frames hold the same HU."""
    if scale_of(one) != scale_of(other):
        return False
    try:
        first, second = stored_values(one), stored_values(other)
    except Unreadable as error:
        raise unreadable(other, error) from None
    return first.shape == second.shape and bool(np.array_equal(first, second))
