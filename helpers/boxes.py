"""Boxes against boxes: how far two overlap, which found box belongs to which true one, precision and recall.

A box is `x, y, w, h`: left edge, top edge, width and height in pixels, x growing to the right and y downwards.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment


class BoxScore(NamedTuple):
    """What `score_boxes` returns: precision and recall in 0..1, and the pairs that count as the same face.

    `matches` holds one tuple (index of the true box, index of the found box, IoU) per pair, in the order of the truth.
    """

    precision: float
    recall: float
    matches: list[tuple[int, int, float]]


def overlap(first: Sequence, second: Sequence) -> np.ndarray:
    """Intersection over union (Jaccard index, 0..1) of every box of `first` (n, 4) with every one of `second` (m, 4).

    Returns float (n, m): 1 for equal boxes, 0 for boxes that do not touch.
    """
    a, b = _boxes(first, "first"), _boxes(second, "second")
    left_top = np.maximum(a[:, None, :2], b[None, :, :2])
    right_bottom = np.minimum(a[:, None, :2] + a[:, None, 2:], b[None, :, :2] + b[None, :, 2:])
    shared = np.clip(right_bottom - left_top, 0, None).prod(axis=2)
    either = a[:, 2:].prod(axis=1)[:, None] + b[:, 2:].prod(axis=1)[None] - shared
    return shared / either


def score_boxes(truth: Sequence, found: Sequence, iou: float = 0.4) -> BoxScore:
    """Precision and recall of the boxes found in one picture, (n, 4) against the true ones (m, 4).

    A found box counts when its IoU with a true one is at least `iou`; each box is used once. Among all one-to-one
    pairings the one with most pairs is taken, and among these the one with the largest sum of IoU (Hungarian method,
    scipy.optimize.linear_sum_assignment), so the order of the boxes plays no part.
    Precision is pairs / found, 1.0 when nothing was found (no false alarm); recall is pairs / true, 1.0 when there was
    nothing to find.
    """
    pairs = _match(truth, found, iou)
    return BoxScore(_ratio(len(pairs), len(found)), _ratio(len(pairs), len(truth)), pairs)


def score_pictures(truths: Iterable[Sequence], founds: Iterable[Sequence], iou: float = 0.4) -> tuple[float, float]:
    """Precision and recall over many pictures: pairs are counted in each picture, then all counts are added up."""
    truths, founds = list(truths), list(founds)
    if len(truths) != len(founds):
        raise ValueError(f"{len(truths)} pictures with true boxes, but {len(founds)} with found ones; give one each.")
    pairs = sum(len(_match(truth, found, iou)) for truth, found in zip(truths, founds))
    return _ratio(pairs, sum(map(len, founds))), _ratio(pairs, sum(map(len, truths)))


def _match(truth: Sequence, found: Sequence, iou: float) -> list[tuple[int, int, float]]:
    if not 0 < iou <= 1:
        raise ValueError(f"iou is {iou}; it is a share of area, above 0 and at most 1.")
    shares = overlap(truth, found)
    # One more pair always outweighs any gain in overlap: all overlaps together cannot reach this bonus.
    bonus = min(shares.shape) + 1.0
    rows, columns = linear_sum_assignment(np.where(shares >= iou, shares + bonus, 0.0), maximize=True)
    return [(int(i), int(j), float(shares[i, j])) for i, j in zip(rows, columns) if shares[i, j] >= iou]


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


def _boxes(values: Sequence, name: str) -> np.ndarray:
    boxes = np.asarray(values, dtype=float)
    if boxes.size == 0:
        return np.zeros((0, 4))
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"The {name} boxes have shape {boxes.shape}; they must be rows of x, y, w, h.")
    if not np.isfinite(boxes).all() or (boxes[:, 2:] <= 0).any():
        raise ValueError(f"The {name} boxes hold a width or height that is not above 0, or a value that is no number.")
    return boxes
