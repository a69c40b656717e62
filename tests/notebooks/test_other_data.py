"""The three notebooks on somebody else's data: other names, sizes, bit depths, counts, classes, a few bad files.

Everything a reader gives is made here from a seed, so the tests need no network and no real data. A last test repeats
notebook 02 on a real chest where `MEDIMG_DATA` names one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.uid import MRImageStorage

from helpers.phantom import chest_phantom, write_series

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def stranger(tmp_path_factory) -> Path:
    """A folder with a photograph, a zipped series, a table and pictures, none like the built-in ones."""
    folder = tmp_path_factory.mktemp("jemand anderes · données")
    write_photo(folder / "portrait über 16 bit.png")
    write_zipped_series(folder / "Scan 7.zip")
    write_table(folder / "measurements;2.csv")
    write_pictures(folder / "pictures")
    return folder


def write_photo(path: Path) -> None:
    """A grey portrait of 16 bits and odd size."""
    from skimage import data, transform

    grey = data.astronaut().mean(axis=2) / 255
    Image.fromarray((transform.resize(grey, (397, 451)) * 60000).astype(np.uint16)).save(path)


def write_zipped_series(path: Path) -> None:
    """Thin, tall, unsigned slices of another patient, with a localizer, a text and a second reconstruction."""
    series = path.with_suffix("")
    phantom = chest_phantom(seed=77, shape=(40, 160, 192), spacing=(4.0, 2.1, 1.9))
    write_series(phantom, series, awkward=("unsigned", "localizer"))
    write_series(chest_phantom(seed=77, shape=(20, 96, 96), spacing=(8.0, 4.0, 4.0)), series / "B", seed=2)
    (series / "read me.txt").write_text("not an image", "utf-8")
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(series.rglob("*")):
            archive.write(file, file.relative_to(series.parent))


def write_table(path: Path, rows: int = 150, bands: int = 24) -> None:
    """A table with a header, other labels and another number of columns."""
    rng = np.random.default_rng(5)
    labels = rng.permutation(["tumour"] * (rows // 2) + ["cyst"] * (rows - rows // 2))
    x = rng.normal(0.5, 0.15, (rows, bands)) + (labels == "tumour")[:, None] * np.linspace(0, 0.2, bands)
    lines = [",".join([f"band {k}" for k in range(bands)] + ["finding"])]
    lines += [",".join([f"{value:.4f}" for value in row] + [label]) for row, label in zip(x, labels)]
    path.write_text("\r\n".join(lines) + "\r\n", "utf-8")


def write_pictures(folder: Path, each: int = 24) -> None:
    """Three classes that are neither cats nor dogs, of mixed sizes and modes, with two files that are no pictures."""
    rng = np.random.default_rng(6)
    modes = ["RGB", "L", "RGBA", "P", "CMYK"]
    for name, colour in (("äpfel", (200, 40, 30)), ("pears", (120, 190, 60)), ("plums", (90, 40, 120))):
        (folder / name).mkdir(parents=True)
        for k in range(each):
            height, width = rng.integers(60, 300, 2)
            pixels = np.clip(rng.normal(colour, 35, (height, width, 3)), 0, 255).astype(np.uint8)
            mode = modes[k % len(modes)]
            suffix = {"CMYK": ".jpg", "RGB": ".webp"}.get(mode, ".png")
            Image.fromarray(pixels).convert(mode).save(folder / name / f"{k} von {each}{suffix}")
    (folder / "pears" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut off")
    (folder / "pears" / "notes.txt").write_text("apples are red", "utf-8")


def run(number: str, out: Path, **parameters: Path) -> nbformat.NotebookNode:
    """Run one notebook of the course with a reader's values and give the executed copy."""
    (path,) = (ROOT / "notebooks").glob(f"{number}_*.ipynb")
    options = [f"--{name.replace('_', '-')}={value}" for name, value in parameters.items()]
    command = [sys.executable, ROOT / "tools" / "run_notebooks.py", "--no-fetch", path, "--out", out, *options]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [str(c) for c in command], capture_output=True, text=True, encoding="utf-8", env=environment, check=False
    )
    assert done.returncode == 0, f"{done.stdout[-600:]}\n{done.stderr}"
    return nbformat.read(out / path.name, 4)


def parts_by_kind(notebook: nbformat.NotebookNode, kind: str) -> list[str]:
    notes = [o.metadata.get("medimg") for c in notebook.cells for o in c.get("outputs", []) if "metadata" in o]
    return [note["part"] for note in notes if note and note["kind"] == kind]


def written(notebook: nbformat.NotebookNode) -> str:
    """All text a reader sees in the outputs."""
    outputs = [o for c in notebook.cells for o in c.get("outputs", [])]
    return "\n".join(str(o.get("text", "")) + str(o.get("data", {}).get("text/plain", "")) for o in outputs)


def test_notebook_01_on_another_photograph(stranger, tmp_path):
    notebook = run("01", tmp_path, photo=stranger / "portrait über 16 bit.png")
    assert parts_by_kind(notebook, "own")
    assert "397" in written(notebook) and "451" in written(notebook)  # the size of that picture and of no bundled one


def test_notebook_02_on_another_series(stranger, tmp_path):
    notebook = run("02", tmp_path, series=stranger / "Scan 7.zip")
    assert parts_by_kind(notebook, "own")
    assert "(192, 160, 40)" in written(notebook) or "(40, 160, 192)" in written(notebook)


def test_notebook_03_on_another_table_pictures_and_series(stranger, tmp_path):
    notebook = run(
        "03",
        tmp_path,
        sonar_csv=stranger / "measurements;2.csv",
        pets=stranger / "pictures",
        series=stranger / "Scan 7.zip",
    )
    assert len(parts_by_kind(notebook, "own")) >= 3
    text = written(notebook)
    assert "tumour" in text and "pears" in text and "plums" in text
    assert "the middle of 40 slices of your series" in str(notebook.cells)
    assert "broken.jpg" in text, "an unreadable picture must be named"


def test_notebook_02_on_values_that_are_no_hu(tmp_path):
    """An MR series with a slice missing: it is read as asked, and the phantom takes its place where HU are needed."""
    write_series(chest_phantom(seed=3, shape=(24, 64, 64), spacing=(9.0, 5.0, 5.0)), tmp_path / "mr")
    files = sorted((tmp_path / "mr").glob("*.dcm"), key=lambda file: float(dcmread(file).ImagePositionPatient[2]))
    files[11].unlink()
    for file in files[:11] + files[12:]:
        dataset = dcmread(file)
        dataset.Modality, dataset.SOPClassUID = "MR", MRImageStorage
        dataset.file_meta.MediaStorageSOPClassUID = MRImageStorage
        dataset.save_as(file)
    notebook = run("02", tmp_path / "out", series=tmp_path / "mr", gaps="fill")
    text = written(notebook)
    assert "no Hounsfield units" in text and "(24, 64, 64)" in text and "missing_slice" in text


@pytest.mark.real_data
def test_notebook_02_on_a_real_chest(medimg_data, tmp_path):
    notebook = run("02", tmp_path, series=medimg_data / "dicom" / "chest-lidc-0001")
    text = written(notebook)
    assert "133" in text and "own" in {kind for kind in ("own",) if parts_by_kind(notebook, kind)}
