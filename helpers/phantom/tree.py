"""Vessels and airways: trees of straight tubes, grown into a lung or laid along given points."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from helpers.phantom.anatomy import LEFT, RIGHT, Anatomy, lung

# One tube per row: start (x, y, z), end (x, y, z), radius, all mm.
HILUM = {RIGHT: np.array([-34.0, 6.0, 12.0]), LEFT: np.array([37.0, 8.0, 14.0])}

TRACHEA = [((2, 2, 150), (2, 4, 100), 9.0), ((2, 4, 100), (1, 10, 42), 9.0)]
MAIN_BRONCHI = [
    ((1, 10, 42), (-22, 12, 22), 7.5),
    ((-22, 12, 22), (-38, 14, 8), 6.2),
    ((1, 10, 42), (24, 15, 20), 6.5),
    ((24, 15, 20), (42, 18, 8), 5.6),
]


def _chain(points, radius) -> list:
    return [(p, q, radius) for p, q in pairwise(points)]


def great_vessels() -> np.ndarray:
    """Aorta with its three branches, pulmonary arteries, both caval veins and the left atrium's veins: (n, 7) tubes."""
    arch = [(-4, -30, 0), (-14, -32, 28), (-13, -24, 52), (-2, -8, 64), (14, 12, 64), (26, 30, 52), (29, 40, 30)]
    down = [(29, 40, 30), (28, 42, 0), (24, 41, -50), (14, 38, -100), (8, 36, -155)]
    trunk = [(14, -48, -4), (16, -34, 18), (22, -12, 26)]
    tubes = _chain(arch, 14.5) + _chain(down, 11.5) + _chain(trunk, 13.5)
    tubes += _chain([(20, -14, 24), (2, -12, 22), (-20, -6, 18), (-36, 2, 12)], 10.0)
    tubes += _chain([(22, -12, 26), (34, 4, 24), (42, 12, 16)], 10.5)
    tubes += _chain([(-27, -18, 5), (-27, -20, 40), (-24, -24, 84)], 9.0)
    tubes += _chain([(-20, -2, -45), (-22, 8, -75), (-20, 14, -150)], 11.0)
    tubes += _chain([(-24, -24, 84), (-4, -36, 88), (24, -34, 98)], 6.5)
    tubes.append(((-24, -24, 84), (-34, -30, 108), 7.0))
    tubes += _chain([(-10, -14, 64), (-16, -12, 90), (-22, -8, 150)], 6.0)
    tubes += _chain([(4, -2, 66), (10, 0, 90), (20, 0, 150)], 4.0)
    tubes += _chain([(15, 12, 64), (24, 12, 96), (46, 10, 118)], 5.0)
    tubes += _chain([(-8, 8, -10), (-34, 10, -4)], 7.0) + _chain([(16, 10, -8), (38, 14, -2)], 7.0)
    return np.array([[*p, *q, r] for p, q, r in tubes], dtype=np.float64)


def airways() -> np.ndarray:
    """Trachea and main bronchi: (n, 7) tubes of the air inside; the wall is drawn 1.6 mm thicker."""
    return np.array([[*p, *q, r] for p, q, r in TRACHEA + MAIN_BRONCHI], dtype=np.float64)


def points_in_lung(a: Anatomy, side: int, n: int, margin: float, rng: np.random.Generator) -> np.ndarray:
    """`n` random points (n, 3) at least about `margin` mm inside the lung of one side, in local coordinates."""
    kept = np.empty((0, 3))
    low, high = np.sort([[side * 140.0, -90.0, -130.0], [side * 5.0, 92.0, 110.0]], axis=0)
    for _ in range(100):
        p = rng.uniform(low, high, size=(6 * n + 50, 3))
        kept = np.concatenate([kept, p[lung(a, side, *p.T) < -margin]])
        if len(kept) >= n:
            return kept[:n]
    raise ValueError(f"no point of this lung lies {margin:.0f} mm inside: ask for something smaller")


def grow(root: np.ndarray, targets: np.ndarray, leaf: float, power: float = 2.5, step: float = 14.0) -> np.ndarray:
    """A branching tree of tubes (n, 7) from `root` to every target.

    Each target, nearest first, is joined to the node that makes the way back to the root short (a greedy form of the
    space-filling trees used to model lungs); radii follow r_parent^power = sum of r_child^power
    (Murray's own exponent is 3).
    """
    order = np.argsort(np.linalg.norm(targets - root, axis=1))
    nodes, parents, way = [root], [-1], [0.0]
    for target in targets[order]:
        gaps = np.linalg.norm(np.asarray(nodes) - target, axis=1)
        start = int(np.argmin(gaps + 0.35 * np.asarray(way)))
        gap, here, parent = gaps[start], nodes[start], start
        pieces = max(1, int(np.ceil(gap / step)))
        sag = np.array([0.0, 0.0, 0.06 * gap])  # a slight bow: no vessel is a straight line
        for k in range(1, pieces + 1):
            t = k / pieces
            nodes.append(here + t * (target - here) + 4 * t * (1 - t) * sag)
            parents.append(parent)
            way.append(way[parent] + gap / pieces)
            parent = len(nodes) - 1
    load = np.zeros(len(nodes))
    for k in range(len(nodes) - 1, 0, -1):  # children come after their parents
        load[k] += leaf**power if load[k] == 0 else 0.0
        load[parents[k]] += load[k]
    points, back = np.asarray(nodes), np.asarray(parents[1:])
    return np.column_stack([points[back], points[1:], load[1:] ** (1 / power)])


def lung_vessels(a: Anatomy, n_targets: int, rng: np.random.Generator) -> np.ndarray:
    """Arteries and veins of both lungs: (n, 7) tubes in local coordinates, the thickest at the hila."""
    trees = []
    for side in (RIGHT, LEFT):
        for shift in ((0.0, 0.0, 6.0), (2.0, -6.0, -14.0)):  # artery above, vein below
            targets = points_in_lung(a, side, n_targets, 5.0, rng)
            trees.append(grow(HILUM[side] + shift, targets, leaf=0.9))
    return np.concatenate(trees)


def lung_bronchi(a: Anatomy, rng: np.random.Generator, n_targets: int = 14) -> np.ndarray:
    """The bronchi of the first generations inside the lungs: (n, 7) tubes of the air inside."""
    trees = []
    for side in (RIGHT, LEFT):
        targets = points_in_lung(a, side, n_targets, 25.0, rng)
        near = np.linalg.norm(targets - HILUM[side], axis=1).argsort()[: max(4, n_targets // 2)]
        trees.append(grow(HILUM[side] + (side * 3.0, 7.0, -4.0), targets[near], leaf=1.3, power=2.7))
    return np.concatenate(trees)


def keep_clear(tubes: np.ndarray, centre: np.ndarray, radius: float) -> np.ndarray:
    """The tubes that stay farther than `radius` mm from `centre`."""
    start, along = tubes[:, :3], tubes[:, 3:6] - tubes[:, :3]
    t = np.clip(((centre - start) * along).sum(1) / np.maximum((along**2).sum(1), 1e-9), 0, 1)
    gap = np.linalg.norm(start + t[:, None] * along - centre, axis=1)
    return tubes[gap - tubes[:, 6] > radius]
