"""Damaged DICOM files through the loader: `python -m tests.fuzz.fuzz_dicom --n 10000 --seed 0`.

Each round changes a good file at random (bits, bytes, lengths, cuts, copies) and asks for three things: nothing but a
volume, a finding or a DicomSeriesError comes out; it takes less than two seconds; and Python and NumPy never hold much
more memory than the bytes can fill.
"""

from __future__ import annotations

import argparse
import faulthandler
import random
import sys
import tempfile
import time
import tracemalloc
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

from helpers.dicom import DicomSeriesError, read_series, scan_folder
from tests.zoo.cases import CASES
from tests.zoo.writer import SECRET

SEEDS = (
    "clean", "implicit_vr", "big_endian", "deflated", "rle", "jpeg_ls", "jpeg_2000", "jpeg_lossless", "twelve_bits",
    "slope_empty", "sequences_of_undefined_length", "elements_differ_from_slice_to_slice", "no_preamble_no_meta",
    "enhanced_in_scrambled_order", "enhanced_compressed", "enhanced_with_two_times", "mosaic", "structured_report",
    "padding_range", "eight_bits", "fractional_slope", "pixel_data_inside_a_sequence", "zip_archive",
)  # fmt: skip
SECONDS = 2.0
# What a compressed picture may unpack to whatever its size (see frames.FREE_BYTES), twice, and pydicom's own objects.
FREE_MEMORY = 24 << 20
NUMBERS = (
    0, 1, 2, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE,
    0xFFFFFFFF,
)  # fmt: skip
PIECES = (
    b"\xfe\xff\x00\xe0", b"\xfe\xff\x0d\xe0", b"\xfe\xff\xdd\xe0", b"\xe0\x7f\x10\x00OW\0\0",
    b"SQ\0\0\xff\xff\xff\xff", b"UN\0\0\xff\xff\xff\xff", b"1e400", b"nan", b"-inf", b"\\\\\\", b"1_0", b"9" * 64,
    b"\0" * 32,
)  # fmt: skip


class Broke(AssertionError):
    """What must not happen; the text says how to make it happen again."""


def seeds(folder: Path) -> list[tuple[str, bytes]]:
    """(suffix, bytes) of good files of every kind."""
    files = []
    for name in SEEDS:
        CASES[name](folder / name)
        for path in sorted((folder / name).rglob("*"))[:2]:
            if path.is_file():
                files.append((path.suffix, path.read_bytes()))
    return files


def mutate(data: bytes, rng: random.Random) -> bytes:
    """One to eight changes of the kinds that damage, slips and malice make; most of them in the header."""
    work = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        if not work:
            break
        place = rng.randrange(len(work)) if rng.random() < 0.3 else rng.randrange(min(len(work), 1800))
        kind = rng.randrange(9)
        if kind == 0:
            work[place] ^= 1 << rng.randrange(8)
        elif kind == 1:
            work[place] = rng.randrange(256)
        elif kind == 2:
            size = rng.choice((2, 4))
            work[place : place + size] = (rng.choice(NUMBERS) & (256**size - 1)).to_bytes(size, "little")
        elif kind == 3:
            del work[place:]
        elif kind == 4:
            del work[place : place + rng.choice((1, 2, 4, 8, 100))]
        elif kind == 5:
            work[place:place] = rng.choice(PIECES)
        elif kind == 6:
            work[place : place + 8] = rng.choice(PIECES)
        elif kind == 7:
            other = rng.randrange(len(work))
            work[place:place] = work[other : other + rng.choice((2, 8, 64, 500))]
        else:
            _number(work, rng)
    return bytes(work)


def _number(work: bytearray, rng: random.Random) -> None:
    """Rows, Columns, bits, frames, spacing or slope get another value, the rest stays as it was."""
    tag = rng.choice((b"\x28\0\x10\0", b"\x28\0\x11\0", b"\x28\0\0\1", b"\x28\0\1\1", b"\x28\0\3\1", b"\x28\0\x08\0",
                      b"\x28\0\x30\0", b"\x28\0\x53\x10", b"\x20\0\x32\0", b"\x20\0\x37\0", b"\x28\0\2\0"))  # fmt: skip
    place = work.find(tag)
    if place >= 0:
        start = place + 8
        work[start : start + 2] = rng.choice((rng.choice(NUMBERS) & 0xFFFF, rng.randrange(65536))).to_bytes(2, "little")


def try_file(path: Path, size: int) -> str:
    """How the loader took it: a word for the statistics. Raises Broke."""
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    begin = time.process_time()  # not the clock on the wall: others may use this machine
    try:
        series = scan_folder(path)
        shown = repr(series) + str(series.skipped)
        try:
            volume = read_series(path, gaps="keep")
            shown += repr(volume) + str(volume.findings) + str(volume.meta)
            outcome = "finding" if volume.findings else "volume"
            if not np.isfinite(volume.affine).all() or abs(np.linalg.det(volume.affine)) == 0:
                raise Broke("an affine that maps nothing")
            if volume.outside is not None and volume.outside.shape != volume.shape:
                raise Broke("a mask of another shape")
        except DicomSeriesError as error:
            outcome, shown = "refused", shown + str(error) + str(error.findings)
    except Broke:
        raise
    except Exception as error:
        raise Broke(f"{type(error).__name__}: {error}") from error
    seconds = time.process_time() - begin
    peak = tracemalloc.get_traced_memory()[1] - before
    if seconds > SECONDS:
        raise Broke(f"took {seconds:.1f} s")
    if peak > 3 * size + FREE_MEMORY:
        raise Broke(f"held {peak >> 20} MB for a file of {size} bytes")
    if SECRET in shown:
        raise Broke("showed the patient's name")
    return outcome


def run(count: int, seed: int, keep: Path | None = None, report=lambda done, outcomes: None) -> Counter:
    """`count` damaged files; how many ended how. Raises Broke and leaves the culprit in `keep`."""
    outcomes: Counter = Counter()
    faulthandler.enable()
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folder = Path(name)
        good = seeds(folder / "seeds")
        work = folder / "work"
        work.mkdir()
        tracemalloc.start()
        try:
            for number in range(count):
                rng = random.Random(f"{seed}-{number}")
                suffix, data = rng.choice(good)
                damaged = mutate(data, rng)
                target = work / f"damaged{suffix or '.dcm'}"
                target.write_bytes(damaged)
                if keep is not None:
                    (keep / f"last{suffix or '.dcm'}").write_bytes(damaged)  # a crash leaves it behind
                try:
                    outcomes[try_file(work if rng.random() < 0.5 else target, len(damaged))] += 1
                except Broke as error:
                    if keep is not None:
                        (keep / f"broke-{seed}-{number}{suffix}").write_bytes(damaged)
                    raise Broke(f"file {number} of seed {seed}: {error}") from error
                target.unlink()
                if number % 500 == 499:
                    report(number + 1, outcomes)
        finally:
            tracemalloc.stop()
    return outcomes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--n", type=int, default=10_000, help="how many files")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz"), help="where a culprit is left")
    options = parser.parse_args()
    options.keep.mkdir(parents=True, exist_ok=True)
    begin = time.perf_counter()
    outcomes = run(
        options.n,
        options.seed,
        options.keep,
        lambda done, so_far: print(f"{done}: {dict(so_far)}, {time.perf_counter() - begin:.0f} s", flush=True),
    )
    print(
        f"{sum(outcomes.values())} damaged files: {dict(outcomes)}; no other exception, no hang, no large allocation."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
