"""How many pictures per processor second `dog_probability` answers: python -m bench.bench_pets [--pictures 512]

Decoded pictures of 500 x 375 in memory, each seen twice (as it is and mirrored), beside the bare network on pictures
that are squashed already. Rounds in turns; medians. Processor seconds of all threads count.
"""

from __future__ import annotations

import argparse

import numpy as np

from bench.clock import processor_seconds
from helpers.pets import BATCH, dog_probability, squash
from helpers.pets_network import forward

GOAL = 100


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args([] if arguments is None else arguments)
    rng = np.random.default_rng(0)
    pictures = list(rng.integers(0, 256, (min(options.pictures, 64), 375, 500, 3), np.uint8))
    pictures = [pictures[k % len(pictures)] for k in range(options.pictures)]
    small = np.stack([squash(picture) for picture in pictures])
    batches = [small[k : k + BATCH] for k in range(0, len(small), BATCH)]
    jobs = {
        "dog_probability, picture and mirror image": lambda: dog_probability(pictures),
        "the bare network, twice": lambda: [forward()(batch) for batch in (*batches, *batches)],
    }
    for job in jobs.values():
        job()
    rounds = [[processor_seconds(job) for job in jobs.values()] for _ in range(options.rounds)]
    for name, spent in zip(jobs, zip(*rounds)):
        rates = len(pictures) / np.array(spent)
        span = f"{rates.min():.0f} to {rates.max():.0f}"
        print(f"{name:44s} {np.median(rates):6.0f} pictures per processor second ({span})")
    print(f"wanted: at least {GOAL}")


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
