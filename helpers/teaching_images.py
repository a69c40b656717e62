"""Small pictures and kernels to try the layers on: numbers of a spreadsheet, a drawn letter, one CT slice."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from helpers.datasets import origin, resolve

#: A kernel for each idea; all are used as cross-correlation, as a layer would.
KERNELS: dict[str, np.ndarray] = {
    "mean of nine": np.full((3, 3), 1 / 9),
    "edges, left to right": np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], float) / 4,
    "edges, top to bottom": np.array([[-1, -2, -1], [0, 0, 0], [1, 2, 1]], float) / 4,
    "Laplace": np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], float),
    "sharpen": np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]], float),
}

#: Five rows of a spreadsheet, and the pattern of ones and zeros on which every course slides its first window.
SHEET = [[31, 36, 39, 43, 49], [37, 40, 42, 46, 51], [43, 46, 50, 55, 57], [47, 52, 56, 58, 63], [54, 59, 62, 66, 71]]
PATTERN = np.array([[1, 1, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 1, 1, 1], [0, 0, 1, 1, 0], [0, 1, 1, 0, 0]])
CROSS = np.array([[1, 0, 1], [0, 1, 0], [1, 0, 1]])


def letter_a(size: int = 32) -> np.ndarray:
    """The capital letter A as (size, size) floats in 0..1, drawn with three strokes on four times the size."""
    big = 4 * size
    canvas = Image.new("L", (big, big))
    pen = ImageDraw.Draw(canvas)
    top, left, right, bar = (0.5, 0.12), (0.18, 0.88), (0.82, 0.88), 0.62
    for start, end in ((top, left), (top, right), ((0.3, bar), (0.7, bar))):
        pen.line([tuple(big * v for v in start), tuple(big * v for v in end)], fill=255, width=big // 9)
    return np.asarray(canvas.resize((size, size), Image.Resampling.BOX), float) / 255


def digits() -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's 1797 handwritten digits, enlarged to 16 x 16: (n, 16, 16, 1) float32 in 0..1, and the labels."""
    from scipy.ndimage import zoom
    from sklearn.datasets import load_digits

    images, labels = load_digits().images, load_digits().target
    return (zoom(images, (1, 2, 2), order=1) / 16).astype("float32")[..., None], labels


class Slice(NamedTuple):
    """One CT slice and where it came from."""

    hu: np.ndarray  #: (row, column), HU, places outside the field of view set to air
    kind: str  #: "bundled", "fetched" or "own", for `helpers.course.data_note`
    what: str


def ct_slice(series: str | None = None, gaps: str = "raise") -> Slice:
    """The middle slice of a CT series (the largest of several): a path or a set's name; or pydicom's small slice."""
    kind, what = origin(series, "pydicom's CT_small, a real slice of 128 x 128 pixels", "your series")
    if kind == "bundled":
        from pydicom import dcmread
        from pydicom.data import get_testdata_file

        header = dcmread(get_testdata_file("CT_small.dcm"))
        hu = header.pixel_array * float(header.RescaleSlope) + float(header.RescaleIntercept)
        return Slice(hu, kind, what)
    from helpers.dicom import read_series, scan_folder

    volume = read_series(scan_folder(resolve(series, expects="series")).largest(), gaps=gaps)
    hu = volume.filled().hu[len(volume.hu) // 2].astype(float)
    return Slice(hu, kind, f"the middle of {len(volume.hu)} slices of {what}")
