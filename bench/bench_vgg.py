"""Vgg16.features against a bare call of keras.applications' VGG16: python -m bench.bench_vgg [--pictures 64]

Random weights, pictures of 500 x 375 written as JPEG. Every round measures three ways one after the other: the bare
call, `features` on pictures that lie decoded in memory, `features` on the files. The ratios are medians over the rounds
of what was measured side by side, so that neither the machine nor what else runs on it moves them much. Decoding and
resizing are hidden when files take no longer than pictures in memory. Then the second use from the cache and the peak
memory of this process.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
from PIL import Image

from helpers.folders import load_square
from helpers.vgg16 import Vgg16


def write_pictures(folder: Path, count: int) -> list[Path]:
    """Smooth coloured noise as JPEG files of the size of Kaggle's cats and dogs."""
    rng = np.random.default_rng(0)
    files = []
    for number in range(count):
        small = Image.fromarray(rng.integers(0, 256, (12, 16, 3), np.uint8))
        files.append(folder / f"{number:04d}.jpg")
        small.resize((500, 375), Image.Resampling.BICUBIC).save(files[-1], quality=90)
    return files


def bare_call(model: keras.Model, batches: list[np.ndarray]) -> tuple[float, float]:
    """CPU-seconds and wall seconds of the plain tf.function over prepared batches."""
    import tensorflow as tf

    call = tf.function(lambda x: model(x, training=False), input_signature=[tf.TensorSpec((None, 224, 224, 3))])
    call(tf.constant(batches[0]))
    cpu, wall = time.process_time(), time.perf_counter()
    for batch in batches:
        call(tf.constant(batch)).numpy()
    return time.process_time() - cpu, time.perf_counter() - wall


def timed(work) -> tuple[float, float]:
    """CPU-seconds and wall seconds of a call."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - cpu, time.perf_counter() - wall


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=7)
    options, _ = parser.parse_known_args()
    n, rounds = options.pictures, []
    with tempfile.TemporaryDirectory() as name:
        files = write_pictures(Path(name), n)
        loaded = [load_square(file, 224).astype(np.uint8) for file in files]
        ours = Vgg16(None, top=False)
        ours.features(files[:8])
        twin = keras.applications.VGG16(weights=None, include_top=False, pooling="avg")
        twin.set_weights(ours.body.get_weights())
        prepared = np.random.default_rng(1).uniform(-120, 150, (n, 224, 224, 3)).astype(np.float32)
        batches = np.array_split(prepared, -(-n // 8))
        for _ in range(options.rounds):
            times = [bare_call(twin, batches)]
            for pictures in (loaded, files):
                ours._cache._memory.clear()
                times.append(timed(lambda pictures=pictures: ours.features(pictures, batch_size=8)))
            rounds.append(times)
        again = timed(lambda: ours.features(files))
    (bare_cpu, bare), (_, memory), (our_cpu, disk) = np.moveaxis(rounds, 0, -1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**30 if sys.platform == "darwin" else 2**20)
    for text, cpu, wall in (("bare tf.function call", bare_cpu, bare), ("Vgg16.features from files", our_cpu, disk)):
        print(f"{text:26s} {np.median(cpu) / n:.3f} CPU-s and {np.median(wall) / n:.3f} s per picture")
    print(f"CPU, files / bare call     {np.median(our_cpu / bare_cpu):.3f}   median of {len(rounds)} rounds")
    print(f"time, files / in memory    {np.median(disk / memory):.3f}   rounds: {np.round(disk / memory, 2)}")
    print(f"second use, from cache     {1000 * again[0] / n:.2f} CPU-ms per picture")
    print(f"peak memory                {peak:.2f} GiB (both networks together)")


if __name__ == "__main__":
    main()
