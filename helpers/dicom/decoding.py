"""Slices that must be decoded: one after the other here, or by worker processes that hand their pixels back by pipe.

The decoders hold Python's interpreter lock, so threads bring nothing. Pipes instead of shared memory: nothing is left
behind when a process dies, no size limit of /dev/shm, and a decoder that crashes takes only its worker with it.
"""

from __future__ import annotations

import os
import pickle
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from helpers.dicom.frames import Broken, Frame, image_format
from helpers.dicom.header import NATIVE, Header
from helpers.dicom.pixels import decode
from helpers.dicom.rescale import rescale_in_place, rescale_into, scale_of, unreadable
from helpers.dicom.sources import Unreadable
from helpers.dicom.worker import receive, send
from helpers.findings import DicomSeriesError

Pairs = list[tuple[Frame, int]]


def decoded_slices(volume: np.ndarray, pairs: Pairs, workers: int = 1) -> Iterator[int]:
    """Decode frames into their slots of `volume` as HU; yields the slot of each slice when it is done."""
    jobs = _jobs(pairs)
    compressed = [job for job in jobs if job[0][0].header.syntax not in NATIVE]
    if workers > 1 and len(compressed) >= 2 * workers:
        yield from _by_processes(volume, compressed, workers)
        jobs = [job for job in jobs if job[0][0].header.syntax in NATIVE]
    for job in jobs:
        try:
            arrays = decode(job[0][0].header, [frame.index for frame, _ in job])
        except Unreadable as error:
            raise unreadable(job[0][0], error) from None
        for (frame, slot), stored in zip(job, arrays):
            rescale_into(volume[slot], stored, *scale_of(frame))
            yield slot


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
            [sys.executable, "-m", "helpers.dicom.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        )

    def work(self, volume: np.ndarray, job: Pairs) -> None:
        """Have one job decoded and put into its slots. Raises Unreadable with the reason, or Overflow."""
        header = job[0][0].header
        rows, columns, *_ = image_format(header)
        lean = Header(header.entry, header.raw, header.syntax, header.size, header.pixel_offset, header.pixel_length,
                      header.pixel_tag, header.pixel_vr, None, header.inflated)  # fmt: skip
        try:
            send(self.process.stdin, pickle.dumps((lean, [frame.index for frame, _ in job])))
            answer = pickle.loads(receive(self.process.stdout))
        except (OSError, EOFError):
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
            if same:
                rescale_in_place(volume[slot], stored, *scale_of(frame))
            else:
                rescale_into(volume[slot], stored, *scale_of(frame))

    def close(self, at_once: bool) -> None:
        """End the process."""
        if at_once:
            self.process.kill()
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


def _by_processes(volume: np.ndarray, jobs: list[Pairs], workers: int) -> Iterator[int]:
    todo: queue.SimpleQueue = queue.SimpleQueue()
    done: queue.SimpleQueue = queue.SimpleQueue()
    for job in jobs:
        todo.put(job)
    stop = threading.Event()

    def serve() -> None:
        worker, clean = None, False
        try:
            worker = Worker()
            while not stop.is_set():
                try:
                    job = todo.get_nowait()
                except queue.Empty:
                    break
                try:
                    worker.work(volume, job)
                except Unreadable as error:
                    done.put(unreadable(job[0][0], error))
                    return
                for _, slot in job:
                    done.put(slot)
            clean = True
        except OSError:
            done.put(DicomSeriesError("No worker process could be started; use workers=1."))
        except Exception as error:
            done.put(error)
        finally:
            if worker is not None:
                worker.close(at_once=not clean)

    threads = [threading.Thread(target=serve, daemon=True) for _ in range(min(workers, len(jobs)))]
    for thread in threads:
        thread.start()
    try:
        for _ in range(sum(map(len, jobs))):
            result = done.get()
            if isinstance(result, Exception):
                raise result
            yield result
    finally:
        stop.set()
        for thread in threads:
            thread.join()
