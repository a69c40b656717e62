"""What a case is, and how a series with one awkwardness is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.zoo.writer import Series, datasets, save_all


@dataclass
class Answer:
    """What is right. hu: in the writer's order, slices `kept` of it; kinds: findings that must be there, and no other.

    error: a word that the message of the refusal must hold; then there is no volume. within, near: how far off values
    and places (mm) may be.
    """

    series: Series = field(default_factory=Series)
    kinds: frozenset[str] = frozenset()
    error: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    kept: list[int] | None = None
    dtype: str = "int16"
    within: float = 0.0
    near: float = 1e-4
    source: Callable[[Path], Any] = lambda folder: folder


CASES: dict[str, Callable[[Path], Answer]] = {}


def case(function: Callable[[Path], Answer]) -> Callable[[Path], Answer]:
    CASES[function.__name__] = function
    return function


def found(*kinds: str) -> frozenset[str]:
    return frozenset(kinds)


def tweaked(folder: Path, change: Callable, series: Series | None = None) -> Series:
    """A series written with `change(data set, k)` applied to every slice."""
    series = series or Series()
    slices = datasets(series)
    for k, ds in enumerate(slices):
        change(ds, k)
    save_all(slices, folder)
    return series


def plain(folder: Path, series: Series | None = None) -> Series:
    return tweaked(folder, lambda ds, k: None, series)
