"""The CT loader beside the plain reading of the same bytes, and beside other loaders: ratios of one run.

    python -m bench.bench_ct [--slices 300] [--repeats 9] [--folder F]

limit: `readinto` of every byte of the files into one fresh array, by one thread. Repetitions are interleaved, so that a
busy machine is busy for all alike; medians and minima are given, and the load. Peers that are not installed are
left out (`pip install .[bench]` brings them). Peak memory: in a fresh process each, above the state after imports.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bench.series import write
from helpers.dicom import read_series, scan_folder

SYNTAXES = {"RLE": "1.2.840.10008.1.2.5", "JPEG-LS": "1.2.840.10008.1.2.4.80", "JPEG 2000": "1.2.840.10008.1.2.4.90"}


def limit(folder: Path) -> np.ndarray:
    """All bytes of all files in one array."""
    files = [(entry.path, entry.stat().st_size) for entry in os.scandir(folder)]
    whole = np.empty(sum(size for _, size in files), np.uint8)
    view, place = memoryview(whole), 0
    for path, size in files:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 (the least there is to do)
            place += file.readinto(view[place : place + size])
    return whole


def with_imageio(folder: Path) -> np.ndarray:
    import imageio.v2

    with contextlib.redirect_stdout(io.StringIO()):  # it tells how far it is
        return imageio.v2.volread(folder, "DICOM")


def with_dicom_numpy(folder: Path) -> np.ndarray:
    import dicom_numpy
    import pydicom

    slices = [pydicom.dcmread(path) for path in folder.iterdir()]
    return dicom_numpy.combine_slices(slices, enforce_slice_spacing=False)[0]


def with_simpleitk(folder: Path) -> np.ndarray:
    import SimpleITK

    names = SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))
    return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(names, SimpleITK.sitkInt16))


def with_pydicom(folder: Path) -> np.ndarray:
    """The careful loop of many tutorials: sorted by position, rescaled, float32."""
    import pydicom

    slices = sorted((pydicom.dcmread(path) for path in folder.iterdir()), key=lambda ds: ds.ImagePositionPatient[2])
    return np.stack([ds.pixel_array * np.float32(ds.RescaleSlope) + np.float32(ds.RescaleIntercept) for ds in slices])


def contenders(cores: int) -> dict[str, Callable[[Path], object]]:
    """Everything that is measured on uncompressed files."""
    found: dict[str, Callable[[Path], object]] = {
        "limit": limit,
        "scan_folder": scan_folder,
        "read_series int16, 1 thread": lambda folder: read_series(folder),
        "read_series int16, 2 threads": lambda folder: read_series(folder, workers=2),
        "read_series float32, 1 thread": lambda folder: read_series(folder, dtype=np.float32),
        "read_series float32, 2 threads": lambda folder: read_series(folder, dtype=np.float32, workers=2),
        "pydicom loop, float32": with_pydicom,
    }
    if cores < 2:
        found = {name: function for name, function in found.items() if "2 threads" not in name}
    peers = {
        "imageio, int16": ("imageio", with_imageio),
        "dicom-numpy, float32": ("dicom_numpy", with_dicom_numpy),
        "SimpleITK, int16": ("SimpleITK", with_simpleitk),
    }
    return found | {name: function for name, (module, function) in peers.items() if importlib.util.find_spec(module)}


def interleaved(jobs: dict[str, Callable[[], object]], repeats: int) -> dict[str, np.ndarray]:
    """Seconds of every job, one after the other in each round; shape (repeats,) each. The first round only warms up.

    Each round has another order: who needs much memory first, or comes after a greedy one, pays for the tidying of it.
    """
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    names = list(jobs)
    order = random.Random(0)
    for _ in range(repeats + 1):
        order.shuffle(names)
        for name in names:
            job = jobs[name]
            begin = time.perf_counter()
            result = job()
            seconds[name].append(time.perf_counter() - begin)
            del result
    return {name: np.array(values[1:]) for name, values in seconds.items()}


def peak_memory(folder: Path, what: str) -> tuple[int, int]:
    """(peak above the state after imports, bytes of the result) of one load in a fresh process."""
    code = f"""
import sys, numpy as np, psutil, resource
from pathlib import Path
from helpers.dicom import read_series
from helpers.dicom import decoding, multiframe
options = {{'int16': {{}}, 'float32': {{'dtype': np.float32}}}}[{what!r}]
import pydicom.pixels.decoders
status = lambda key: int([l for l in open('/proc/self/status') if l.startswith(key)][0].split()[1]) * 1024
before = status('VmRSS')
volume = read_series({str(folder)!r}, **options)
print(status('VmHWM') - before, volume.hu.nbytes)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    peak, size = map(int, done.stdout.split())
    return peak, size


def table(seconds: dict[str, np.ndarray], reference: str) -> list[str]:
    """Lines: median and minimum in ms, and both as multiples of the reference."""
    base = seconds[reference]
    lines = [f"{'':34s}{'median ms':>10s}{'min ms':>9s}{'x median':>10s}{'x min':>8s}"]
    for name, values in seconds.items():
        ratios = np.median(values) / np.median(base), values.min() / base.min()
        lines.append(
            f"{name:34s}{np.median(values) * 1e3:10.1f}{values.min() * 1e3:9.1f}{ratios[0]:10.2f}{ratios[1]:8.2f}"
        )
    return lines


def against_peers(seconds: dict[str, np.ndarray]) -> list[str]:
    """How many times faster than each peer, by medians: the same type of result, one thread."""
    pairs = {"imageio, int16": "int16", "dicom-numpy, float32": "float32", "SimpleITK, int16": "int16"}
    lines = []
    for peer, kind in pairs.items():
        if peer in seconds:
            times = [
                np.median(seconds[peer]) / np.median(seconds[f"read_series {kind}, {n}"])
                for n in ("1 thread", "2 threads")
                if f"read_series {kind}, {n}" in seconds
            ]
            lines.append(
                f"{peer}: {' / '.join(f'{t:.1f}' for t in times)} x slower than read_series with 1 / 2 threads"
            )
    return lines


def bare_decoder(folder: Path) -> None:
    """Nothing but the decoder's own function on every file's code stream, found beforehand."""
    for function, arguments in PREPARED[folder]:
        function(*arguments)


PREPARED: dict[Path, list[tuple[Callable, tuple]]] = {}


def prepare(folder: Path) -> None:
    """Code streams in memory and the function of the decoding package for each of them."""
    import pydicom
    from pydicom.encaps import generate_frames

    jobs: list[tuple[Callable, tuple]] = []
    for path in folder.iterdir():
        ds = pydicom.dcmread(path)
        stream = next(generate_frames(ds.PixelData, number_of_frames=1))
        syntax = str(ds.file_meta.TransferSyntaxUID)
        if syntax == SYNTAXES["RLE"]:
            from pydicom.pixels.decoders.rle import _rle_decode_frame

            jobs.append((_rle_decode_frame, (stream, ds.Rows, ds.Columns, 1, 16)))
        elif syntax == SYNTAXES["JPEG-LS"]:
            import jpeg_ls

            jobs.append((jpeg_ls.decode_pixel_data, (stream,)))
        else:
            from openjpeg import decode

            jobs.append((decode, (stream,)))
    PREPARED[folder] = jobs


def compressed(folder: Path, least: int, repeats: int, cores: int) -> None:
    """Compressed series against the bare decoder, and by two worker processes.

    JPEG 2000 is the slow one, where processes are worth their start: four times as many slices as of the others.
    """
    for name, syntax in SYNTAXES.items():
        count = 4 * least if name == "JPEG 2000" else least
        target = folder / f"{name.replace(' ', '')}{count}"
        if not target.is_dir():
            write(target, count, syntax=syntax)
        prepare(target)
        jobs: dict[str, Callable[[], object]] = {
            "bare decoder": lambda target=target: bare_decoder(target),
            "read_series": lambda target=target: read_series(target),
        }
        if cores > 1:
            jobs["read_series, 2 processes"] = lambda target=target: read_series(target, workers=2)
        print(f"\n{name}, {count} slices")
        print("\n".join(table(interleaved(jobs, repeats), "bare decoder")))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument(
        "--compressed", type=int, default=60, help="slices, of JPEG 2000 four times as many; 0 leaves these series out"
    )
    parser.add_argument("--folder", type=Path, default=None, help="where the series are kept for another run")
    options = parser.parse_args([] if arguments is None else arguments)
    cores = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        raw = folder / f"raw{options.slices}"
        if not raw.is_dir():
            write(raw, options.slices)
        load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
        print(f"{options.slices} slices of 512 x 512, int16, uncompressed, warm cache; {cores} processors{load}")
        jobs = {name: lambda function=function: function(raw) for name, function in contenders(cores).items()}
        seconds = interleaved(jobs, options.repeats)
        print("\n".join([*table(seconds, "limit"), *against_peers(seconds)]))
        if Path("/proc/self/status").exists():
            for what in ("int16", "float32"):
                peak, size = peak_memory(raw, what)
                print(
                    f"peak memory {what}: {peak / 1e6:.0f} MB for a result of {size / 1e6:.0f} MB = {peak / size:.3f}"
                )
        if options.compressed:
            compressed(folder, options.compressed, max(options.repeats // 3, 2), cores)
        if hasattr(os, "getloadavg"):
            print(f"\nload at the end {os.getloadavg()[0]:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
