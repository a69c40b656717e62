"""What the engine costs: 200 phantom series through `helpers.cohort` beside a bare process pool doing the same.

    python -m bench.bench_cohort [REAL_SERIES_FOLDER]

Both have warm worker processes, one thread each. The overhead per series is the difference of the times over the number
of series, told twice: in wall time, which other programs on the machine spoil, and in processor time of all processes
together, which they hardly touch. The efficiency is the wall time of one worker over twice that of two. Rounds are
interleaved, and the best of each is taken, because others only ever add. docs/scaling.md is written from this.
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

import dask
import psutil
from distributed import Client

from helpers.cohort import summarise
from helpers.cohort.row import Job, do
from helpers.cohort.run import LOCAL, QUIET
from helpers.phantom import chest_phantom, write_series

COUNT, SHAPE, ROUNDS = 200, (24, 64, 64), 3


def write_cohort(folder: Path, count: int = COUNT, shape: tuple[int, int, int] = SHAPE, models: int = 8) -> list[Path]:
    """`count` series with different UIDs, made from a few phantoms; returns their folders."""
    phantoms = [chest_phantom(seed=k, shape=shape, variation=1.0) for k in range(models)]
    folders = [folder / f"series{k:04d}" for k in range(count)]
    for k, place in enumerate(folders):
        write_series(phantoms[k % models], place, awkward=(), seed=k, patient_id=f"PHANTOM-{k}")
    return folders


def processor() -> float:
    """Processor seconds of this process and all its descendants so far."""
    here = psutil.Process()
    times = [process.cpu_times() for process in [here, *here.children(recursive=True)]]
    return sum(each.user + each.system for each in times)


def cost(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and processor seconds of one call."""
    wall, used = time.perf_counter(), processor()
    work()
    return time.perf_counter() - wall, processor() - used


def measure(folders: list[Path], rounds: int = ROUNDS) -> dict[str, tuple[float, float]]:
    """Best (wall, processor) seconds of one and two workers, as a bare pool and through the cohort."""
    jobs = [Job(str(path), secrets.token_bytes(32)) for path in folders]
    times: dict[str, list[tuple[float, float]]] = {}

    def pool_run(pool: ProcessPoolExecutor) -> None:
        assert not any(row["error"] for rows, _ in pool.map(do, jobs) for row in rows)

    def cohort_run(client: Client) -> None:
        table = summarise(folders, client)
        assert len(table) == len(folders) and (table["error"] == "").all()

    def client(workers: int) -> Client:
        with dask.config.set(QUIET):
            return Client(n_workers=workers, threads_per_worker=1, set_as_default=False, **LOCAL)

    spawn = get_context("spawn")
    with (
        client(1) as one,
        client(2) as two,
        ProcessPoolExecutor(1, spawn) as pool1,
        ProcessPoolExecutor(2, spawn) as pool2,
    ):
        for pool in (pool1, pool2):
            list(pool.map(do, jobs[:40]))
        for each in (one, two):
            each.run(do, jobs[0])  # every worker has imported everything before the clock starts
        plan = {
            "pool 1": lambda: pool_run(pool1),
            "cohort 1": lambda: cohort_run(one),
            "pool 2": lambda: pool_run(pool2),
            "cohort 2": lambda: cohort_run(two),
        }
        for _ in range(rounds):
            for name, work in plan.items():
                wall, used = cost(work)
                times.setdefault(name, []).append((wall, used))
                print(f"  {name}: {wall:.2f} s wall, {used:.2f} s processor", flush=True)
    return {name: tuple(map(min, zip(*values))) for name, values in times.items()}


def report(times: dict[str, tuple[float, float]], count: int) -> None:
    """The figures that docs/scaling.md is written from."""
    for name, (wall, used) in times.items():
        print(f"{name:9} {1000 * wall / count:7.1f} ms wall, {1000 * used / count:7.1f} ms processor per series")
    for workers in (1, 2):
        (wall, used), (bare_wall, bare_used) = times[f"cohort {workers}"], times[f"pool {workers}"]
        over, over_used = 1000 * (wall - bare_wall) / count, 1000 * (used - bare_used) / count
        words = f"{over:.1f} ms wall, {over_used:.1f} ms processor"
        print(f"overhead per series, {workers} worker(s): {words} (wanted: at most 5)")
    for name in ("pool", "cohort"):
        print(f"efficiency of 2 workers, {name}: {times[f'{name} 1'][0] / (2 * times[f'{name} 2'][0]):.2f}")


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
