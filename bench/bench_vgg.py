"""Vgg16.features against a bare call of keras.applications' VGG16: python -m bench.bench_vgg [--pictures 64]

Random weights, pictures of 500 x 375 written as JPEG; both ways in one run, in turns, on one machine, so that the ratio
does not depend on it. Prints CPU-seconds per picture, the ratio, the wall time that decoding adds, the second use from
the cache, and the peak memory of this process.
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
    parser.add_argument("--pictures", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=3)
    options, _ = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as name:
        files = write_pictures(Path(name), options.pictures)
        ours = Vgg16(None, top=False)
        ours.features(files[:8])
        twin = keras.applications.VGG16(weights=None, include_top=False, pooling="avg")
        twin.set_weights(ours.body.get_weights())
        prepared = np.random.default_rng(1).uniform(-120, 150, (options.pictures, 224, 224, 3)).astype(np.float32)
        batches = np.array_split(prepared, -(-len(prepared) // 8))
        bare, with_files = [], []
        for _ in range(options.rounds):
            bare.append(bare_call(twin, batches))
            ours._cache._memory.clear()
            with_files.append(timed(lambda: ours.features(files, batch_size=8)))
        again = timed(lambda: ours.features(files))
    n = options.pictures
    (bare_cpu, bare_wall), (our_cpu, our_wall) = np.min(bare, axis=0), np.min(with_files, axis=0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**30 if sys.platform == "darwin" else 2**20)
    print(f"bare tf.function call      {bare_cpu / n:.3f} CPU-s and {bare_wall / n:.3f} s per picture")
    print(f"Vgg16.features from files  {our_cpu / n:.3f} CPU-s and {our_wall / n:.3f} s per picture")
    print(f"ratio, best of {options.rounds}          {our_cpu / bare_cpu:.3f} (CPU), {our_wall / bare_wall:.3f} (wall)")
    print(f"second use, from cache     {1000 * again[0] / n:.2f} CPU-ms per picture")
    print(f"peak memory                {peak:.2f} GiB (both networks together)")


if __name__ == "__main__":
    main()
