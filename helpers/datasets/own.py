"""Does the path that the reader gave exist, and is it the kind of thing that was asked for?

These checks look at names and first bytes only; the module that reads the data checks the content.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from helpers.datasets.manifest import DatasetError

PICTURES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"}
_HDF5 = b"\x89HDF\r\n\x1a\n"
_ZIP = b"PK\x03\x04"
#: How far a folder is searched for a first fitting file before it is believed to hold none.
_MOST_FILES = 20_000

WANTED = {
    "photo": "a picture file such as a JPEG or PNG",
    "series": "a folder, zip file or file with DICOM images",
    "sonar": "a table as text (CSV): columns of numbers and one column of labels",
    "pets": "a folder with pictures, best in train/cats, train/dogs, validation/cats and validation/dogs",
    "vgg16_weights": "a file with Keras weights (.h5 or .keras)",
    "faces": "a folder with the pictures in images/ and the table annotations.csv (image,x,y,w,h)",
}


def own_path(value: str | os.PathLike, expects: str) -> Path:
    """The absolute path of the reader's own data; DatasetError in one sentence when it cannot be what is expected."""
    if expects not in WANTED:
        raise ValueError(f"expects is {expects!r}; choose one of {', '.join(WANTED)}.")
    path = Path(value).expanduser()
    if not path.exists():
        raise DatasetError(f"{value} does not exist{_elsewhere(path)}; expected was {WANTED[expects]}.")
    problem = _CHECKS[expects](path)
    if problem:
        raise DatasetError(f"{value} {problem}; expected was {WANTED[expects]}.")
    return path.resolve()


def _elsewhere(path: Path) -> str:
    """Where a relative path was looked for, as this is what goes wrong most often."""
    return "" if path.is_absolute() else f" in {Path.cwd().name or Path.cwd()}, the folder this runs in"


def _file_problem(path: Path) -> str | None:
    if path.is_dir():
        return "is a folder"
    if not path.is_file():
        return "is neither a file nor a folder"
    return None if path.stat().st_size else "is empty"


def _photo(path: Path) -> str | None:
    return _file_problem(path)


def _series(path: Path) -> str | None:
    if not path.is_dir():
        return _file_problem(path)
    return None if any(True for _ in _files(path)) else "is a folder without files"


def _sonar(path: Path) -> str | None:
    problem = _file_problem(path)
    if problem:
        return problem
    with path.open("rb") as file:
        start = file.read(4096)
    if b"\0" in start:
        return "is not a text file"
    return None if re.search(rb"[,;\t]", start) else "has no columns (comma, semicolon or tab)"


def _pets(path: Path) -> str | None:
    if not path.is_dir():
        return "is not a folder"
    found = any(file.suffix.lower() in PICTURES for file in _files(path))
    return None if found else "is a folder without pictures"


def _weights(path: Path) -> str | None:
    problem = _file_problem(path)
    if problem:
        return problem
    with path.open("rb") as file:
        start = file.read(8)
    return None if start == _HDF5 or start.startswith(_ZIP) else "holds no Keras weights"


def _faces(path: Path) -> str | None:
    if not path.is_dir():
        return "is not a folder"
    missing = [part for part in ("images", "annotations.csv") if not (path / part).exists()]
    return f"has no {' and no '.join(missing)}" if missing else None


_CHECKS: dict[str, Callable[[Path], str | None]] = {
    "photo": _photo,
    "series": _series,
    "sonar": _sonar,
    "pets": _pets,
    "vgg16_weights": _weights,
    "faces": _faces,
}


def _files(folder: Path) -> Iterator[Path]:
    """Visible files below the folder, at most `_MOST_FILES`."""
    return islice(
        (Path(root, name) for root, _, names in os.walk(folder) for name in names if name[0] != "."), _MOST_FILES
    )
