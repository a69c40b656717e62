"""Small scenes with known faces, put together from pictures that scikit-image brings along.

Measuring precision and recall needs pictures in which every face is known. The usual benchmarks may not be handed on,
so the course composes its own: the faces are the 100 real ones of `skimage.data.lfw_subset` (25 x 25 pixels, cut from
Labeled Faces in the Wild), enlarged, turned a little, some of them dark or noisy, and laid on a photographed texture;
each scene also holds patches without a face from the same source. Where they lie is known exactly. Composed scenes
are easier and more uniform than photographs: they show how to measure, not how good a detector is out there.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from skimage import data

from helpers.faces import FaceError
from helpers.images import read_image

CELL = 120
"""A scene is a grid of square cells of this side in pixels, each with at most one face."""


@dataclass(frozen=True)
class Scene:
    """One composed picture: `rgb` uint8 (h, w, 3), and the true face boxes, int (n, 4) x, y, w, h."""

    rgb: np.ndarray
    boxes: np.ndarray


def compose_scenes(count: int = 8, seed: int = 3) -> list[Scene]:
    """`count` (1..8) scenes of 3 x 4 cells: 9 real faces, 2 patches without a face and a gap; no face is used twice."""
    if not 1 <= count <= 8:
        raise ValueError(f"count is {count}; there are faces for 1 to 8 scenes.")
    patches = (data.lfw_subset() * 255).astype(np.uint8)
    grounds = [
        data.brick(),
        data.grass(),
        data.gravel(),
        data.moon(),
        data.coins(),
        data.page(),
        data.clock(),
        data.text(),
    ]
    random = np.random.default_rng(seed)
    return [
        _compose(ground, patches[9 * k : 9 * k + 9], patches[100 + 2 * k : 102 + 2 * k], random)
        for k, ground in enumerate(grounds[:count])
    ]


def read_annotated(folder: Path) -> list[Scene]:
    """Photographs with marked faces: the files in `folder`/images and `folder`/annotations.csv (image,x,y,w,h; pixels).

    Every picture is returned, sorted by name; one that the table does not mention has no face. Raises `FaceError` when
    the table lacks a column, holds a box that is none, or names a picture that is not there; `ImageError` for a picture
    that cannot be read.
    """
    pictures = sorted(path for path in (folder / "images").iterdir() if path.is_file() and path.name[0] != ".")
    boxes = {path.name: [] for path in pictures}
    with (folder / "annotations.csv").open(newline="", encoding="utf-8-sig") as table:
        for number, row in enumerate(csv.DictReader(table), start=2):
            name, box = _marked(row, number)
            if name not in boxes:
                raise FaceError(f"annotations.csv, line {number}: there is no picture '{name}' in the folder images.")
            boxes[name].append(box)
    return [Scene(read_image(path), np.array(boxes[path.name], dtype=int).reshape(-1, 4)) for path in pictures]


def _marked(row: dict, number: int) -> tuple[str, list[int]]:
    try:
        box = [round(float(row[column])) for column in ("x", "y", "w", "h")]
        name = row["image"]
    except KeyError as missing:
        raise FaceError(f"annotations.csv has no column {missing}; its first line must be image,x,y,w,h.") from None
    except (TypeError, ValueError, OverflowError):
        raise FaceError(f"annotations.csv, line {number}: x, y, w and h must be numbers.") from None
    if box[2] <= 0 or box[3] <= 0:
        raise FaceError(f"annotations.csv, line {number}: width and height must be above 0.")
    return name, box


def _compose(ground: np.ndarray, faces: np.ndarray, others: np.ndarray, random: np.random.Generator) -> Scene:
    scene = cv2.resize(ground, (4 * CELL, 3 * CELL), interpolation=cv2.INTER_AREA).astype(float)
    cells = random.permutation(12)[: len(faces) + len(others)]
    boxes = [
        _lay(scene, patch, int(cell) // 4 * CELL, int(cell) % 4 * CELL, random)
        for cell, patch in zip(cells, [*faces, *others])
    ]
    grey = np.clip(np.rint(scene), 0, 255).astype(np.uint8)
    return Scene(np.repeat(grey[..., None], 3, axis=2), np.array(boxes[: len(faces)]))


def _lay(scene: np.ndarray, patch: np.ndarray, top: int, left: int, random: np.random.Generator) -> tuple[int, ...]:
    """Blend one patch into its cell, softly at the edge, and return the box that the patch itself covers."""
    side = int(random.integers(40, 77))
    angle, light, noise = random.normal(0, 8), random.uniform(0.5, 1.0), random.choice([0, 0, 0, 8, 16])
    margin = (CELL - side) // 2
    big = cv2.resize(patch, (side, side), interpolation=cv2.INTER_CUBIC).astype(float)
    big = cv2.copyMakeBorder(big, *[margin, CELL - side - margin] * 2, cv2.BORDER_REFLECT)
    big = cv2.warpAffine(
        big, cv2.getRotationMatrix2D((CELL / 2, CELL / 2), angle, 1), (CELL, CELL), borderMode=cv2.BORDER_REPLICATE
    )
    big = big * light + random.normal(0, 1, big.shape) * noise
    row, column = np.mgrid[0:CELL, 0:CELL] - (CELL - 1) / 2
    soft = np.clip((0.64 - np.hypot(row / 1.1, column) / side) / 0.16, 0, 1)  # an oval like a locket, soft at its rim
    area = np.s_[top : top + CELL, left : left + CELL]
    scene[area] = soft * big + (1 - soft) * scene[area]
    return left + margin, top + margin, side, side
