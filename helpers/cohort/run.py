"""The work handed to Dask, a bounded number of tasks at a time; workers, restarts and clusters are the engine's."""

from __future__ import annotations

import logging
import math
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from helpers.cohort.row import Job, died, do, place_of
from helpers.cohort.table import Results

try:
    import dask
    from distributed import Client, as_completed
except ImportError as error:  # pragma: no cover - the extra is always there in the tests
    raise ImportError(
        "helpers.cohort needs dask[distributed]: install this project with its extra `cohort`."
    ) from error

# A cluster of this machine only: free ports on the loopback, no look at other networks, no chatter
LOCAL = {
    "host": "127.0.0.1",
    "protocol": "tcp://",
    "dashboard_address": "127.0.0.1:0",
    "silence_logs": logging.CRITICAL,
}
QUIET = {"distributed.worker.profile.enabled": False}  # its sampling costs as much as the tasks' own overhead
AHEAD = 2  # tasks handed out per worker thread: one runs, one waits with nothing but its name


def summarise(
    sources: str | os.PathLike | Iterable[str | os.PathLike],
    client: Client | None = None,
    *,
    out: str | Path | None = None,
    workers: int | None = None,
    processes: bool = False,
    lungs: bool = True,
    key: bytes | None = None,
    retry_errors: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """One row per series of all sources, with the columns of `COLUMNS`; sorted by place and id.

    sources: folders, zip archives or files; a lazy iterable is read as the work goes on. Each source is scanned as a
    whole, so give one folder per patient or study, not the root of a hospital (`subfolders` lists them).
    client: a `distributed.Client`, for a cluster; its machines must see the same paths. None: `workers` threads here
    (as many as there are cores), or processes with processes=True, which a script may do under `if __name__ ==
    "__main__":` only, and which pure Python parts profit from.
    out: a Parquet file that is written in parts while the work goes on; the same call again goes on where it stopped,
    and skips what is in the table. A series with an error stays as it is unless retry_errors.
    lungs: segment the lungs of CT series too. key: the secret behind the ids, to make tables that can be joined;
    otherwise a random one, kept beside `out`. progress: called with (rows done, rows known of so far).

    A damaged series, folder or file is a row with its error. Memory: one volume for each worker thread. Raises
    ValueError when `out` exists and is something else.
    """
    results = Results(out, key, retry_errors)
    with _engine(client, workers, processes) as engine:
        try:
            for rows in _work(engine, _jobs(sources, results, lungs), results, progress):
                results.add(rows)
        finally:  # an interruption keeps what there is
            results.flush()
    return results.finish()


def subfolders(root: str | os.PathLike) -> Iterator[Path]:
    """What to give `summarise` for a tree: each folder and file directly in it as a source of its own, sorted."""
    root = Path(root).expanduser()
    if not root.is_dir():
        raise NotADirectoryError(f"{root.name} is no folder: give the one that holds the series.")
    entries = sorted(root.iterdir())
    folders = [path for path in entries if path.is_dir() or path.suffix.lower() == ".zip"]
    yield from folders or [root]
    if folders and any(path.is_file() and path not in folders for path in entries):
        yield from (path for path in entries if path.is_file() and path not in folders)


def _jobs(sources, results: Results, lungs: bool) -> Iterator[Job]:
    """A task for every source that the table does not hold completely."""
    if isinstance(sources, (str, os.PathLike)):
        sources = [sources]
    known = results.known()
    seen: set[str] = set()
    for source in sources:
        name = os.fspath(source)
        place = place_of(results.key, name)
        have, complete = known.get(place, (frozenset(), False))
        if not complete and place not in seen:
            seen.add(place)
            yield Job(name, results.key, lungs, have)


def _work(client: Client, jobs: Iterator[Job], results: Results, progress) -> Iterator[list[dict]]:
    """Keep every worker busy and the queue short; yield rows as they come."""
    waiting: deque[Job] = deque()
    running: dict[str, Job] = {}
    finished = as_completed(loop=client.loop, with_results=True, raise_errors=False)
    done, asked, limit = 0, -math.inf, 0
    while True:
        if time.monotonic() - asked > 2:  # a cluster may grow; asking it each time would cost more than the task
            asked, limit = time.monotonic(), AHEAD * max(1, sum(client.nthreads().values()))
        for _ in range(limit - len(running)):
            job = waiting.popleft() if waiting else next(jobs, None)
            if job is None:
                break
            future = client.submit(do, job, pure=False)
            running[future.key] = job
            finished.add(future)
        if not running:
            return
        future, answer = next(finished)
        job = running.pop(future.key)
        rows, more = answer if future.status == "finished" else ([died(job)], [])
        future.release()
        waiting.extend(more)
        done += len(rows)
        if progress:
            progress(done, done + len(waiting) + len(running))
        yield rows


@contextmanager
def _engine(client: Client | None, workers: int | None, processes: bool) -> Iterator[Client]:
    """The client given, or one of our own: threads or processes of this machine, nothing listening outside it."""
    if client is not None:
        yield client
        return
    count = workers or os.cpu_count() or 1
    shape = {"n_workers": count if processes else 1, "threads_per_worker": 1 if processes else count}
    with dask.config.set(QUIET), Client(processes=processes, set_as_default=False, **LOCAL, **shape) as own:
        yield own
