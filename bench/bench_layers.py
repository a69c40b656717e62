"""Convolution by hand beside SciPy's: python -m bench.bench_layers

Both in one run, in turns, the best of many rounds each; only the ratio means something on another machine. Small
images are computed many times in a row. "SciPy" is scipy.signal.convolve, which chooses between sliding and spectra;
"compiled" is scipy.signal.correlate2d (NumPy's correlate for lines): it always slides, and is quickest on small images.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np
import scipy.signal

from helpers.layers import conv, convolve

GOAL = 3.0
MAPS = [((n, n), (k, k)) for n in (5, 7, 16, 28, 64, 128, 256, 512) for k in (3, 5, 7, 9, 11, 15)]
LINES = [((n,), (k,)) for n, k in ((10, 3), (100, 5), (1_000, 11), (10_000, 50), (100_000, 101))]


def best_in_turns(works: list[Callable[[], object]], rounds: int = 9) -> list[float]:
    """The shortest time of each call, taken in turns so that a busy moment of the machine meets all of them."""
    for work in works:
        work()
    shortest = [np.inf] * len(works)
    for _ in range(rounds):
        for i, work in enumerate(works):
            start = time.perf_counter()
            work()
            shortest[i] = min(shortest[i], time.perf_counter() - start)
    return shortest


def times() -> list[tuple[str, float, float, float]]:
    """(sizes, our milliseconds, SciPy's, the compiled loop's) for every size in the list."""
    rng = np.random.default_rng(0)
    found = []
    for size, taps in [*MAPS, *LINES]:
        if size[0] < taps[0]:
            continue
        x, kernel = rng.random(size), rng.random(taps)
        repeat = range(min(500, max(1, 40_000 // x.size)))
        compiled = scipy.signal.correlate2d if x.ndim == 2 else np.correlate
        seconds = best_in_turns(
            [
                lambda x=x, k=kernel, r=repeat: [convolve(x, k) for _ in r],
                lambda x=x, k=kernel, r=repeat: [scipy.signal.convolve(x, k, "valid") for _ in r],
                lambda x=x, k=kernel, r=repeat, f=compiled: [f(x, k, "valid") for _ in r],
            ]
        )
        name = f"{'x'.join(map(str, size))} by {'x'.join(map(str, taps))}"
        found.append((name, *(1e3 * value / len(repeat) for value in seconds)))
    return found


def layer_rate() -> float:
    """Multiplications and additions per second of a convolutional layer by hand, in 10^9."""
    rng = np.random.default_rng(0)
    x, kernel = rng.random((8, 64, 64, 16), np.float32), rng.random((3, 3, 16, 32), np.float32)
    (seconds,) = best_in_turns([lambda: conv(x, kernel)], rounds=5)
    return 2 * 8 * 62 * 62 * kernel.size / seconds / 1e9


def main() -> int:
    worst = 0.0
    print(f"{'image by kernel':24s} {'by hand ms':>11s} {'SciPy ms':>9s} {'ratio':>6s} {'compiled':>9s} {'ratio':>6s}")
    for name, ours, theirs, compiled in times():
        worst = max(worst, ours / theirs)
        print(f"{name:24s} {ours:11.3f} {theirs:9.3f} {ours / theirs:6.2f} {compiled:9.3f} {ours / compiled:6.2f}")
    print(f"worst ratio to SciPy {worst:.2f} (goal: at most {GOAL:.0f}); a layer by hand: {layer_rate():.1f} GFLOP/s")
    return 0 if worst <= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
