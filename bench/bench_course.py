"""Work a reader waits for in the notebooks, in processor seconds beside its aim: python -m bench.bench_course

A chest of clinical size is drawn, its lungs are found, and the twenty networks of the sonar table are trained.
"""

from __future__ import annotations

import numpy as np

from bench.clock import processor_seconds
from helpers.echoes import simulated_table
from helpers.lungs import segment_lungs
from helpers.many_seeds import train_many
from helpers.phantom import chest_phantom
from helpers.volume import CTVolume

SHAPE = (64, 512, 512)


def main(arguments: list[str] | None = None) -> None:
    """Measure three times each and print the median."""
    phantom = chest_phantom(shape=SHAPE)
    volume = CTVolume(phantom.hu, phantom.affine, padding=np.asarray(phantom.outside))
    table = simulated_table()
    jobs = {
        f"a phantom of {SHAPE[0]} x {SHAPE[1]} x {SHAPE[2]}": (lambda: chest_phantom(shape=SHAPE), 10),
        "the lungs in it": (lambda: segment_lungs(volume), 20),
        "twenty networks for the sonar table": (lambda: train_many(table.X, table.y), 10),
    }
    for name, (job, aim) in jobs.items():
        spent = np.median([processor_seconds(job) for _ in range(3)])
        print(f"{name:38s} {spent:5.1f} processor seconds (wanted: at most {aim})", flush=True)


if __name__ == "__main__":
    main()
