"""A face cascade from the inside: the integral image, Haar features, and the stages of OpenCV's own file run in NumPy.

`helpers.faces` uses OpenCV for the work. Here the same file is read and the same sums are computed in the open, so that
one can see how many windows each stage throws away. Sources: P. Viola and M. Jones, Rapid object detection using a
boosted cascade of simple features, CVPR 2001; R. Lienhart and J. Maydt, ICIP 2002.
"""

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

LEAST_CONTRAST = 10
"""OpenCV skips windows whose grey levels have a smaller standard deviation than this, before the first stage."""


@dataclass(frozen=True)
class Stage:
    """One stage: a vote of decision stumps.

    `feature` (k,) numbers the Haar feature that each stump looks at; when its contrast-normalised value is below
    `split` (k,) the stump votes `low` (k,), else `high` (k,). A window passes when its votes sum to `threshold` at
    least.
    """

    threshold: float
    feature: np.ndarray
    split: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class CascadePlan:
    """A cascade of Haar stumps: the side of its window in pixels, its stages, and its features.

    `features` (n, 3, 5) holds up to three rectangles x, y, w, h, weight per feature, unused ones with weight 0.
    """

    window: int
    stages: tuple[Stage, ...]
    features: np.ndarray


@dataclass(frozen=True)
class Funnel:
    """What became of the windows of one picture.

    `left` counts the windows: all, those with enough contrast, then those left after each stage. `stumps` is the number
    of stumps computed in all. `survivors` (n, 4) are the windows that pass every stage, x, y, w, h in the picture.
    """

    left: tuple[int, ...]
    stumps: int
    survivors: np.ndarray


def integral_image(grey: np.ndarray) -> np.ndarray:
    """Sum table of a grey image (h, w): int64 (h + 1, w + 1), entry [r, c] is the sum of grey[:r, :c]."""
    table = np.zeros((grey.shape[0] + 1, grey.shape[1] + 1), np.int64)
    table[1:, 1:] = grey.astype(np.int64).cumsum(axis=0).cumsum(axis=1)
    return table


def box_sum(table: np.ndarray, x: int, y: int, w: int, h: int) -> int:
    """Sum of the pixels of a box, from four entries of the sum table, however large the box is."""
    return int(table[y + h, x + w] - table[y, x + w] - table[y + h, x] + table[y, x])


def frontal_face_file() -> Path:
    """The cascade file that OpenCV 4 ships; its header names its author and its kind."""
    return Path(cv2.data.haarcascades) / "haarcascade_frontalface_default.xml"


def read_cascade(path: Path) -> CascadePlan:
    """Read a cascade of upright Haar stumps from OpenCV's XML; `ValueError` for trees and tilted features."""
    root = ElementTree.parse(path).getroot().find("cascade")
    if root is None or root.findtext("featureType", "").strip() != "HAAR":
        raise ValueError(f"'{path.name}' is no Haar cascade in OpenCV's present format.")
    if any(mark.text.strip() == "1" for mark in root.iter("tilted")):
        raise ValueError(f"'{path.name}' has tilted features, which this reading does not know.")
    stages = tuple(_stage(node, path.name) for node in root.find("stages"))
    return CascadePlan(
        int(root.findtext("width")), stages, np.stack([_feature(node) for node in root.find("features")])
    )


def _stage(node, name: str) -> Stage:
    rows = []
    for stump in node.find("weakClassifiers"):
        inner, leaves = _numbers(stump, "internalNodes"), _numbers(stump, "leafValues")
        if len(inner) != 4:
            raise ValueError(f"'{name}' holds trees, not stumps.")
        rows.append((inner[2], inner[3], leaves[0], leaves[1]))
    feature, split, low, high = np.array(rows).T
    return Stage(float(node.findtext("stageThreshold")), feature.astype(int), split, low, high)


def _feature(node) -> np.ndarray:
    rectangles = np.zeros((3, 5))
    for row, rectangle in enumerate(node.find("rects")):
        rectangles[row] = [float(number) for number in rectangle.text.split()]
    return rectangles


def _numbers(node, tag: str) -> list[float]:
    return [float(number) for number in node.findtext(tag).split()]


def ask_stage(window: np.ndarray, plan: CascadePlan, stage: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """What the stumps of one stage say of a single window (s, s) `uint8` of the cascade's size: (values, votes), (k,)
    each.

    A value is the weighted sum of the feature's boxes, divided by area and standard deviation of the window, so that
    neither brightness nor contrast of the picture changes it.
    """
    asked, side = plan.stages[stage], plan.window
    if window.shape != (side, side):
        raise ValueError(f"The window has shape {window.shape}; this cascade looks at {side} x {side} pixels.")
    table = integral_image(window)
    one = _Windows(table.ravel(), np.zeros(1, int), np.full(1, side + 1), np.zeros((1, 4), int))
    spread = max(float(window[1:-1, 1:-1].std()), 1e-9)
    sums = np.array([one.feature(plan.features[feature])[0] for feature in asked.feature])
    values = sums / ((side - 2) ** 2 * spread)
    return values, np.where(values < asked.split, asked.low, asked.high)


def run_cascade(grey: np.ndarray, plan: CascadePlan, scale: float = 1.1) -> Funnel:
    """Slide the window over the grey image (h, w) `uint8` at every size and follow the windows through the stages.

    The image shrinks by `scale` from one size to the next and the window stays as it is; from half size on every pixel
    is tried, above it every second one, as OpenCV does. OpenCV also leaves out the neighbour of a window that fails the
    first stage; here it is tried as well, so a few more windows may survive than OpenCV finds.
    """
    windows, spread = _all_windows(grey, plan, scale)
    left, stumps = [len(spread)], 0
    windows, spread = windows.keep(spread > LEAST_CONTRAST), spread[spread > LEAST_CONTRAST]
    left.append(len(spread))
    for stage in plan.stages:
        stumps += len(spread) * len(stage.feature)
        passed = _votes(windows, stage, plan, spread) >= stage.threshold
        windows, spread = windows.keep(passed), spread[passed]
        left.append(len(spread))
    return Funnel(tuple(left), stumps, windows.boxes)


@dataclass(frozen=True)
class _Windows:
    """Windows at all sizes: sum tables of all sizes in one row of numbers, and where in it each window begins.

    `start` (n,) is the place of the window's top-left entry, `stride` (n,) the length of its table's rows.
    """

    table: np.ndarray
    start: np.ndarray
    stride: np.ndarray
    boxes: np.ndarray

    def keep(self, which: np.ndarray) -> "_Windows":
        return _Windows(self.table, self.start[which], self.stride[which], self.boxes[which])

    def sums(self, x: int, y: int, w: int, h: int) -> np.ndarray:
        """`box_sum` of the same box in every window (n,)."""
        top = self.start + y * self.stride + x
        bottom = top + h * self.stride
        take = self.table.take
        return take(bottom + w) - take(top + w) - take(bottom) + take(top)

    def feature(self, rectangles: np.ndarray) -> np.ndarray:
        """The Haar feature's value in every window (n,), before it is divided by the contrast."""
        return sum(weight * self.sums(*map(int, box)) for *box, weight in rectangles if weight)


def _all_windows(grey: np.ndarray, plan: CascadePlan, scale: float) -> tuple[_Windows, np.ndarray]:
    """The windows at every size, and the standard deviation of the grey levels in each."""
    sizes, squares, begin, factor = [], [], 0, 1.0
    while round(plan.window * factor) <= min(grey.shape):
        size = round(grey.shape[1] / factor), round(grey.shape[0] / factor)
        small = cv2.resize(grey, size, interpolation=cv2.INTER_LINEAR_EXACT)
        sizes.append(_one_size(integral_image(small), begin, plan.window, factor))
        squares.append(integral_image(small.astype(np.int64) ** 2).ravel())
        begin += squares[-1].size
        factor *= scale
    if not sizes:
        nothing = np.zeros(0, np.int64)
        return _Windows(nothing, nothing, nothing, np.zeros((0, 4), int)), np.zeros(0)
    windows = _Windows(*(np.concatenate(parts) for parts in zip(*sizes)))
    squared = _Windows(np.concatenate(squares), windows.start, windows.stride, windows.boxes)
    inner = plan.window - 2  # OpenCV's rule: the outermost pixels do not count for the contrast
    mean, mean_square = (w.sums(1, 1, inner, inner) / inner**2 for w in (windows, squared))
    return windows, np.sqrt(np.maximum(mean_square - mean**2, 0))


def _one_size(table: np.ndarray, begin: int, window: int, factor: float) -> tuple[np.ndarray, ...]:
    step = 1 if factor >= 2 else 2
    rows, columns = (side - 1 - window for side in table.shape)
    row, column = np.mgrid[0 : max(rows, 0) : step, 0 : max(columns, 0) : step].reshape(2, -1)
    side = np.full(len(row), round(window * factor))
    boxes = np.stack([np.rint(column * factor).astype(int), np.rint(row * factor).astype(int), side, side], axis=1)
    stride = np.full(len(row), table.shape[1])
    return table.ravel(), begin + row * stride + column, stride, boxes


def _votes(windows: _Windows, stage: Stage, plan: CascadePlan, spread: np.ndarray) -> np.ndarray:
    votes, contrast = np.zeros(len(spread)), (plan.window - 2) ** 2 * spread
    for feature, split, low, high in zip(stage.feature, stage.split, stage.low, stage.high):
        votes += np.where(windows.feature(plan.features[feature]) < split * contrast, low, high)
    return votes
