"""Many drawn patients, none like the other, one process per core."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TypeVar

import numpy as np
from joblib import Parallel, cpu_count, delayed

from helpers.phantom.chest import Phantom, chest_phantom

Drawn = TypeVar("Drawn")
WORTH_A_PROCESS = 4  # drawings; fewer are done before a second process has started


def draw_patient(
    seed: int, variation: float, slices: int = 24, matrix: int = 128, dose: float | None = None
) -> Phantom:
    """A drawn chest with up to four nodules; `dose=None` draws the dose between a tenth and four times the usual."""
    chance = np.random.default_rng([seed, 77])
    dose = float(10 ** chance.uniform(-1, 0.6)) if dose is None else dose
    nodules = int(chance.integers(0, 5))
    return chest_phantom(seed, (slices, matrix, matrix), dose=dose, nodules=nodules, variation=variation)


def for_each(work: Callable[[int], Drawn], seeds: Iterable[int]) -> list[Drawn]:
    """`work(seed)` for every seed, in order, shared among processes; `work` must be a function of some module.

    Threads would not help: a drawing is thousands of strokes too small for NumPy to let go of the interpreter.
    """
    seeds = list(seeds)
    processes = min(cpu_count(), len(seeds)) if len(seeds) >= WORTH_A_PROCESS else 1
    return Parallel(n_jobs=processes)(delayed(work)(seed) for seed in seeds)


def draw_patients(seeds: Iterable[int], variation: float = 1.0, **settings) -> list[Phantom]:
    """`draw_patient` for every seed, with its other settings."""
    return for_each(partial(draw_patient, variation=variation, **settings), seeds)
