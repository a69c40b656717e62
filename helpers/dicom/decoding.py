"""Slices that must be decoded: here, and by worker processes that hand their pixels back by pipe.

The decoders hold Python's interpreter lock, so threads bring nothing. Pipes instead of shared memory: nothing is left
behind when a process dies, no size limit of /dev/shm, and a decoder that crashes takes only its worker with it.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from helpers.dicom.fast import tidy
from helpers.dicom.frames import Broken, Frame, frame_count, image_format, stored_range
from helpers.dicom.header import NATIVE, Header
from helpers.dicom.pixels import decode, frame_spans
from helpers.dicom.rescale import rescale_into, scale_of, unreadable
from helpers.dicom.sources import Unreadable
from helpers.dicom.worker import READY, receive, send
from helpers.findings import DicomSeriesError

Pairs = list[tuple[Frame, int]]
# Seconds of decoding below which processes do not pay: each costs a second of processor time to start.
WORTH_A_PROCESS = 3.0
# Per pixel, for the quick codecs; all others are JPEG 2000 or similar.
NANOSECONDS = {"5": 12, "4.57": 30, "4.70": 30, "4.80": 30, "4.81": 30}
AHEAD = 2  # jobs a worker has at hand, so that it need not wait for this process between them


def decoded_slices(volume: np.ndarray, pairs: Pairs, workers: int, unclean: list[str]) -> Iterator[int]:
    """Decode frames into their slots of `volume` as HU; yields the slot of each slice when it is done.

    unclean: gets the names of slices in which bits above BitsStored had to be removed.
    """
    jobs = _jobs(pairs)
    compressed = [job for job in jobs if job[0][0].header.syntax not in NATIVE]
    if workers > 1 and _seconds(compressed) > WORTH_A_PROCESS:
        yield from _by_processes(volume, compressed, workers, unclean)
        jobs = [job for job in jobs if job[0][0].header.syntax in NATIVE]
    for job in jobs:
        yield from _here(volume, job, unclean)


def _here(volume: np.ndarray, job: Pairs, unclean: list[str]) -> Iterator[int]:
    """Decode one job in this process."""
    try:
        arrays = decode(job[0][0].header, [frame.index for frame, _ in job])
    except Unreadable as error:
        raise _refused(job, error) from None
    for (frame, slot), stored in zip(job, arrays):
        _put(volume[slot], frame, stored, unclean)
        yield slot


def _put(target: np.ndarray, frame: Frame, stored: np.ndarray, unclean: list[str]) -> None:
    """HU of decoded values into their slice."""
    values, dirty = tidy(stored[None], *stored_range(frame.header))
    unclean += [frame.name for _ in dirty]
    rescale_into(target, values[0], *scale_of(frame))


def _refused(job: Pairs, error: Unreadable) -> DicomSeriesError:
    """The error of the frame that it is about."""
    index = getattr(error, "index", None)
    return unreadable(next((frame for frame, _ in job if frame.index == index), job[0][0]), error)


def _cost(syntax: str) -> int:
    return NANOSECONDS.get(syntax.removeprefix("1.2.840.10008.1.2."), 130)


def _seconds(jobs: list[Pairs]) -> float:
    """Roughly how long the decoders need: enough to tell a long load from a short one."""
    total = 0.0
    for job in jobs:
        rows, columns, *_ = image_format(job[0][0].header)
        total += len(job) * rows * columns * _cost(job[0][0].header.syntax) * 1e-9
    return total


def _jobs(pairs: Pairs, most: int = 16) -> list[Pairs]:
    """Frames of one file belong together, so that its compressed frames are told apart once; at most `most` a job."""
    files: dict[int, Pairs] = {}
    for frame, slot in pairs:
        files.setdefault(id(frame.header), []).append((frame, slot))
    jobs = []
    for members in files.values():
        members = sorted(members, key=lambda pair: pair[0].index)
        jobs += [members[k : k + most] for k in range(0, len(members), most)]
    return jobs


class Worker:
    """A process that decodes; used by one thread."""

    def __init__(self) -> None:
        root = str(Path(__file__).parents[2])
        paths = os.pathsep.join(part for part in (root, os.environ.get("PYTHONPATH", "")) if part)
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from helpers.dicom.worker import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        )
        with contextlib.suppress(ImportError, AttributeError, OSError):
            import fcntl  # a pipe that holds a whole slice lets the worker go on while this process is busy

            fcntl.fcntl(self.process.stdout, fcntl.F_SETPIPE_SZ, 1 << 20)

    def ready(self) -> bool:
        """Waits until the process has started; False when it has not."""
        try:
            return receive(self.process.stdout) == READY
        except (OSError, EOFError, ValueError):
            return False

    def submit(self, job: Pairs) -> None:
        """Send one job. Raises Broken for a file whose compressed frames cannot be told apart."""
        h = job[0][0].header
        lean = Header(h.entry, h.raw, h.syntax, h.size, h.pixel_offset, h.pixel_length, h.pixel_tag, h.pixel_vr)
        lean.inflated = h.inflated
        lean.spans = frame_spans(h) if frame_count(h) > 1 else None
        with contextlib.suppress(OSError):  # a dead process is noticed when its answer does not come
            send(self.process.stdin, pickle.dumps((lean, [frame.index for frame, _ in job])))

    def collect(self, volume: np.ndarray, job: Pairs, unclean: list[str]) -> None:
        """Put the answer to the oldest job into its slots. Raises Unreadable with the reason, or Overflow."""
        rows, columns, *_ = image_format(job[0][0].header)
        try:
            answer = pickle.loads(receive(self.process.stdout))
        except (OSError, EOFError, ValueError):
            raise Broken("the decoder crashed on these pixel data") from None
        if isinstance(answer, Unreadable):
            raise answer
        for (frame, slot), code in zip(job, answer):
            dtype = np.dtype(code)
            same = volume.dtype == np.int16 and dtype.kind in "iu" and dtype.itemsize == 2
            stored = volume[slot].view(dtype) if same else np.empty((rows, columns), dtype)
            view, got = memoryview(stored).cast("B"), 0
            while got < len(view):
                count = self.process.stdout.readinto(view[got:])
                if not count:
                    raise Broken("the decoder crashed on these pixel data")
                got += count
            _put(volume[slot], frame, stored, unclean)

    def close(self) -> None:
        """End the process; what it still works on is not wanted."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()


def _serve(
    worker: Worker,
    volume: np.ndarray,
    unclean: list[str],
    todo: queue.SimpleQueue,
    done: queue.SimpleQueue,
    started: threading.Event,
) -> None:
    """Feed one worker until there are no jobs left. Runs in a thread; errors travel through `done`."""
    if not worker.ready():
        return
    started.set()
    waiting: deque[Pairs] = deque()
    try:
        while True:
            with contextlib.suppress(queue.Empty):
                while len(waiting) < AHEAD:
                    waiting.append(todo.get_nowait())
                    worker.submit(waiting[-1])
            if not waiting:
                return
            worker.collect(volume, waiting[0], unclean)
            for _, slot in waiting.popleft():
                done.put(slot)
    except Unreadable as error:
        done.put(_refused(waiting[0], error))
    except Exception as error:
        done.put(error)


def _by_processes(volume: np.ndarray, jobs: list[Pairs], workers: int, unclean: list[str]) -> Iterator[int]:
    """`workers` processes decode; until the first of them has started, this one does.

    Not both at once: a decoder keeps the interpreter to itself, and the threads that serve the workers would wait.
    """
    todo: queue.SimpleQueue = queue.SimpleQueue()
    done: queue.SimpleQueue = queue.SimpleQueue()
    started = threading.Event()
    for job in jobs:
        todo.put(job)
    helpers: list[Worker] = []
    with contextlib.suppress(OSError):  # no further process to be had: those there are do the work
        for _ in range(min(workers, len(jobs))):
            helpers.append(Worker())
    threads = [
        threading.Thread(target=_serve, args=(helper, volume, unclean, todo, done, started), daemon=True)
        for helper in helpers
    ]
    for thread in threads:
        thread.start()
    left = sum(map(len, jobs))
    try:
        while left:
            for result in _next_results(volume, unclean, todo, done, started):
                if isinstance(result, Exception):
                    raise result
                left -= 1
                yield result
    finally:
        for helper in helpers:
            helper.close()
        for thread in threads:
            thread.join()


def _next_results(
    volume: np.ndarray, unclean: list[str], todo: queue.SimpleQueue, done: queue.SimpleQueue, started: threading.Event
) -> Iterator:
    """Slots that are done, or an error: of a job decoded here while no worker has started, else of the workers."""
    if not started.is_set():
        with contextlib.suppress(queue.Empty):
            return _here(volume, todo.get_nowait(), unclean)
    return iter((done.get(),))
