"""Sorted frames -> one array of Hounsfield units. Each slice goes straight into its slot and is rescaled there."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from operator import itemgetter
from typing import Any

import numpy as np

from helpers.dicom import fast
from helpers.dicom.decoding import Pairs, decoded_slices
from helpers.dicom.frames import Frame, image_format, stored_range
from helpers.dicom.header import quiet
from helpers.dicom.pixels import stored_values
from helpers.dicom.rescale import Overflow, rescale_into, rescale_words, scale_of, unreadable
from helpers.dicom.sources import Unreadable, stay_open
from helpers.findings import DicomSeriesError, Finding, plural, some

AT_A_TIME = 8  # slices that a thread takes from what is left to do; those of int16 are rescaled together
# Bytes of stored values that stay in a processor's cache between reading and rescaling: one thread alone takes no more.
# Several threads wait for each other after every call, and are faster with fewer, longer ones.
IN_CACHE = 1 << 20
TYPES = (np.dtype(np.int16), np.dtype(np.float32), np.dtype(np.float64))


def whole_scales(frames: list[Frame]) -> bool:
    """True when every slope and intercept is a whole number, so that integers stay exact."""
    scales = {scale_of(frame) for frame in frames}
    return all(float(part).is_integer() and abs(part) < 2**31 for scale in scales for part in scale)


def _check_type(dtype: Any, frames: list[Frame]) -> np.dtype:
    if dtype is None:
        return np.dtype(np.int16 if whole_scales(frames) else np.float32)
    try:
        wanted = np.dtype(dtype)
    except TypeError:
        raise ValueError(f"dtype must be int16, float32 or float64, not {dtype!r}.") from None
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
        if (
            not isinstance(out, np.ndarray)
            or hasattr(out, "mask")  # a masked array is one, too
            or out.shape != shape
            or not out.flags.c_contiguous
            or not out.flags.writeable
            or out.dtype not in TYPES
        ):
            raise ValueError(f"out must be a writeable C-ordered array {shape} of int16, float32 or float64.")
        if dtype is not None and out.dtype != wanted:
            raise ValueError(f"out is {out.dtype} but dtype asks for {wanted}.")
        if out.dtype == np.int16 and wanted != np.int16:
            raise DicomSeriesError("These values do not fit int16 exactly; pass a float32 array as out.")
        wanted = out.dtype
    try:
        volume = np.empty(shape, wanted) if out is None else out
        return volume, _fill(volume, frames, slots, workers, progress) + _rounded(volume, frames)
    except Overflow:
        if dtype is not None or out is not None:
            raise DicomSeriesError("Some values in HU do not fit int16; use dtype=np.float32.") from None
        volume = np.empty(shape, np.float32)
        return volume, _fill(volume, frames, slots, workers, progress) + _rounded(volume, frames)
    except MemoryError:
        raise DicomSeriesError(f"A volume of {shape} does not fit the memory of this machine.") from None


def _rounded(volume: np.ndarray, frames: list[Frame]) -> list[Finding]:
    """float32 has 24 bits for a number; stored values of 32 bits may need more."""
    if volume.dtype != np.float32 or all(image_format(frame.header)[3] <= 24 for frame in frames):
        return []
    if max(-float(volume.min()), float(volume.max())) <= 1 << 24:
        return []
    return [Finding("rounded", "Values above 16777216 are rounded in float32; dtype=np.float64 keeps them.")]


def _fill(
    volume: np.ndarray, frames: list[Frame], slots: list[int], workers: int, progress: Callable[..., Iterable] | None
) -> list[Finding]:
    """Read all slices; direct ones by threads, the others decoded, by processes where `workers` asks for them."""
    plain, coded = [], []
    for frame, slot in zip(frames, slots):
        (plain if fast.direct(frame) else coded).append((frame, slot))
    unclean: list[str] = []
    done = _by_threads(volume, plain, workers, unclean)
    done = itertools.chain(done, decoded_slices(volume, coded, workers, unclean))
    done = progress(done, total=len(frames)) if progress else done
    with quiet(), stay_open():  # once for all frames
        count = sum(1 for _ in done)
    if count != len(frames):
        raise ValueError(f"progress gave back {count} of {plural(len(frames), 'slice')}; it must give back each item.")
    if not unclean:
        return []
    text = (
        f"Bits above BitsStored were set in {plural(len(unclean), 'slice')} and were removed: {some(sorted(unclean))}."
    )
    return [Finding("bits", text, tuple(sorted(unclean)))]


def _blocks(pairs: Pairs, most: int) -> Iterator[Pairs]:
    """Neighbouring slices of one format and one scale, `most` at most."""
    keys = [(slot - k, scale_of(frame), stored_range(frame.header)) for k, (frame, slot) in enumerate(pairs)]
    for _, run in itertools.groupby(zip(keys, pairs), key=itemgetter(0)):
        alike = [pair for _, pair in run]
        yield from (alike[k : k + most] for k in range(0, len(alike), most))


def _by_threads(volume: np.ndarray, pairs: Pairs, workers: int, unclean: list[str]) -> Iterator[int]:
    """Read plain slices into their slots, by `workers` threads of which this one is one; yields once per slice."""
    most = AT_A_TIME if workers > 1 else min(max(IN_CACHE // (2 * volume[0].size), 1), AT_A_TIME)
    blocks = iter(list(_blocks(pairs, most)))  # each takes the next
    done: deque[int] = deque()
    with ThreadPoolExecutor(max(workers - 1, 1)) as pool:
        others = [pool.submit(_help, volume, blocks, unclean, done) for _ in range(workers - 1)]
        try:
            scratch = _scratch(volume)
            for block in blocks:
                yield from _read_block(volume, block, unclean, scratch)
                while done:
                    yield done.popleft()
            for other in others:
                other.result()
        finally:
            _drop(blocks)
    yield from done


def _help(volume: np.ndarray, blocks: Iterator[Pairs], unclean: list[str], done: deque[int]) -> None:
    """What the other threads do; an error of one ends the work of all."""
    try:
        scratch = _scratch(volume)
        for block in blocks:
            done.extend(_read_block(volume, block, unclean, scratch))
    finally:
        _drop(blocks)


def _drop(blocks: Iterator) -> None:
    """Leave nothing to do."""
    deque(blocks, maxlen=0)


def _scratch(volume: np.ndarray) -> np.ndarray:
    """Room for the stored values of one slice, so few that they stay in the processor's cache; one for each thread."""
    return np.empty((1, *volume.shape[1:]) if volume.dtype != np.int16 else 0, np.int16)


def _read_block(volume: np.ndarray, block: Pairs, unclean: list[str], scratch: np.ndarray) -> list[int]:
    """HU of one block in its slots, which are returned. int16 is read into place, and all of it is rescaled there."""
    frame, first = block[0]
    scale, ends = scale_of(frame), stored_range(frame.header)
    if volume.dtype == np.int16:
        target = volume[first : first + len(block)]
        for (frame, _), words in zip(block, target):
            _read_words(frame, words)
        values, dirty = fast.tidy(target, *ends)
        unclean += [block[k][0].name for k in dirty]
        rescale_words(target, values, *scale, ends)
    else:
        for frame, slot in block:
            _read_words(frame, scratch[0])
            values, dirty = fast.tidy(scratch, *ends)
            unclean += [frame.name for _ in dirty]
            rescale_into(volume[slot], values[0], *scale)
    return [slot for _, slot in block]


def _read_words(frame: Frame, words: np.ndarray) -> None:
    try:
        fast.read_direct(frame, words)
    except Unreadable as error:
        raise unreadable(frame, error) from None


def same_pixels(one: Frame, other: Frame) -> bool:
    """True when two frames hold the same HU."""
    if scale_of(one) != scale_of(other):
        return False
    try:
        first, second = stored_values(one), stored_values(other)
    except Unreadable as error:
        raise unreadable(other, error) from None
    return first.shape == second.shape and bool(np.array_equal(first, second))
