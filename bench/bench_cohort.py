"""What the engine costs: 200 phantom series through `helpers.cohort` beside a bare process pool doing the same.

    python -m bench.bench_cohort [REAL_SERIES_FOLDER]

Both have two warm worker processes, one thread each. The overhead per series is the difference of the wall times over
the number of series; the efficiency is the time of one worker over twice the time of two. Rounds are interleaved, and
the best of each is taken, because other programs on the machine only ever add. docs/scaling.md is written from this.
"""

from __future__ import annotations

import resource
import secrets
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

from distributed import Client

from helpers.cohort import summarise
from helpers.cohort.row import Job, do
from helpers.cohort.run import LOCAL
from helpers.phantom import chest_phantom, write_series

COUNT, SHAPE, ROUNDS = 200, (24, 96, 96), 3


def write_cohort(folder: Path, count: int = COUNT, shape: tuple[int, int, int] = SHAPE, models: int = 8) -> list[Path]:
    """`count` series with different UIDs, made from a few phantoms; returns their folders."""
    phantoms = [chest_phantom(seed=k, shape=shape, variation=1.0) for k in range(models)]
    folders = [folder / f"series{k:04d}" for k in range(count)]
    for k, place in enumerate(folders):
        write_series(phantoms[k % models], place, awkward=(), seed=k, patient_id=f"PHANTOM-{k}")
    return folders


def seconds(work: Callable[[], object]) -> float:
    """Wall seconds of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure(folders: list[Path], rounds: int = ROUNDS) -> dict[str, float]:
    """Best wall seconds of `rounds`: one worker and two, as a bare pool and through the cohort; starting a cluster."""
    jobs = [Job(str(path), secrets.token_bytes(32)) for path in folders]
    times: dict[str, list[float]] = {}

    def note(name: str, work: Callable[[], object]) -> None:
        times.setdefault(name, []).append(seconds(work))

    def pool_run(pool: ProcessPoolExecutor) -> None:
        assert not any(row["error"] for rows, _ in pool.map(do, jobs) for row in rows)

    def cohort_run(client: Client) -> None:
        table = summarise(folders, client)
        assert len(table) == len(folders) and (table["error"] == "").all()

    def client(workers: int) -> Client:
        return Client(n_workers=workers, threads_per_worker=1, set_as_default=False, **LOCAL)

    spawn = get_context("spawn")
    start = time.perf_counter()
    with client(2) as two:
        times["cluster start"] = [time.perf_counter() - start]
        with client(1) as one, ProcessPoolExecutor(2, spawn) as pool2, ProcessPoolExecutor(1, spawn) as pool1:
            for pool in (pool1, pool2):
                list(pool.map(do, jobs[:4]))
            for each in (one, two):
                summarise(folders[:4], each)
            for _ in range(rounds):
                note("pool 1", lambda: pool_run(pool1))
                note("pool 2", lambda: pool_run(pool2))
                note("cohort 1", lambda: cohort_run(one))
                note("cohort 2", lambda: cohort_run(two))
            note("threads 2", lambda: summarise(folders, workers=2))
    return {name: min(values) for name, values in times.items()}


def report(times: dict[str, float], count: int) -> None:
    """The figures that docs/scaling.md is written from."""
    each = 1000 / count
    for name, value in times.items():
        print(f"{name:14} {value:7.2f} s" + ("" if name == "cluster start" else f" {value * each:8.1f} ms per series"))
    for workers in (1, 2):
        over = (times[f"cohort {workers}"] - times[f"pool {workers}"]) * each
        print(f"overhead per series, {workers} worker(s): {over:.1f} ms (wanted: at most 5)")
    for name in ("pool", "cohort"):
        print(f"efficiency of 2 workers, {name}: {times[f'{name} 1'] / (2 * times[f'{name} 2']):.2f}")
    print(f"efficiency of 2 threads: {times['pool 1'] / (2 * times['threads 2']):.2f}")


def one_series(folder: str) -> None:
    """Cost of one series of the reader's own: processor seconds with and without lungs, bytes, peak memory."""
    job = Job(folder, secrets.token_bytes(32))
    size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    for lungs in (False, True):
        start = time.process_time()
        ((row, *_), _) = do(replace(job, lungs=lungs))
        used = time.process_time() - start
        matrix = f"{row['slices']} x {row['rows']} x {row['columns']}"
        print(f"one series, {matrix}, {size / 1e6:.0f} MB, lungs {lungs}: {used:.2f} processor seconds {row['error']}")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")


def main(arguments: list[str] | None = None) -> None:
    """Write the cohort, measure, report."""
    own = sys.argv[1:] if arguments is None else arguments
    with tempfile.TemporaryDirectory() as scratch:
        folders = write_cohort(Path(scratch))
        print(f"{COUNT} phantom series of {' x '.join(map(str, SHAPE))}, best of {ROUNDS} interleaved rounds")
        report(measure(folders), COUNT)
    for folder in own if __name__ == "__main__" else ():
        one_series(folder)


if __name__ == "__main__":
    main()
