"""Slices of many drawn chests with known lungs, and the training of a U-Net on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from helpers.frameworks import keras
from helpers.phantom.patients import draw_patients
from helpers.unet import PIXEL, SIDE, mask_to_canvas, overlap_loss, to_canvas


class Slices(NamedTuple):
    """Network inputs and lung masks, float32 (n, side, side, 1), and the patient each slice belongs to (n,)."""

    pictures: np.ndarray
    masks: np.ndarray
    patients: np.ndarray

    def of(self, patients: Iterable[int]) -> Slices:
        """Only the slices of these patients."""
        keep = np.isin(self.patients, list(patients))
        return Slices(self.pictures[keep], self.masks[keep], self.patients[keep])


def phantom_slices(
    seeds: Iterable[int],
    variation: float = 1.0,
    slices: int = 24,
    matrix: int = 128,
    dose: float | None = None,
    side: int = SIDE,
    pixel: float = PIXEL,
) -> Slices:
    """All slices of the drawn patients `seeds`, ready for the network; the patient number is the seed."""
    seeds, parts = list(seeds), []
    for seed, phantom in zip(seeds, draw_patients(seeds, variation, slices=slices, matrix=matrix, dose=dose)):
        pictures = to_canvas(phantom.hu, phantom.spacing[1:], side, pixel)
        masks = mask_to_canvas(phantom.lungs > 0, phantom.spacing[1:], side, pixel)
        parts.append(Slices(pictures, masks, np.full(len(pictures), seed)))
    return Slices(*(np.concatenate(column) for column in zip(*parts)))


def blow_bubbles(pictures: np.ndarray, masks: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Put gas where there is no lung: dark ovals in the soft tissue of half of the slices, as in stomach and bowel."""
    out, side = pictures.copy(), pictures.shape[1]
    rows, columns = np.mgrid[:side, :side]
    for picture, mask in zip(out[..., 0], masks[..., 0]):
        tissue = ndimage.binary_erosion(picture > 0.55, iterations=2)
        places = np.argwhere(tissue)
        for _ in range(rng.integers(1, 5) if rng.random() < 0.5 and len(places) else 0):
            (y, x), (a, b) = places[rng.integers(len(places))], rng.uniform(0.008, 0.06, 2) * side
            turn = rng.uniform(0, np.pi)
            u = (rows - y) * np.cos(turn) + (columns - x) * np.sin(turn)
            v = (columns - x) * np.cos(turn) - (rows - y) * np.sin(turn)
            oval = ((u / a) ** 2 + (v / b) ** 2 < 1) & (mask == 0) & (picture > 0.45)
            cover = ndimage.gaussian_filter(oval.astype(np.float32), 0.5)
            picture += cover * (rng.uniform(0, 0.08) - picture)
    return out


def vary(pictures: np.ndarray, masks: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Change slices (n, side, side, 1) as scanners and patients do: position, size, tilt, contrast, blur and noise.

    Geometry acts on picture and mask alike; grey levels are bent by a random rising curve (the lungs of a deep breath,
    another kilovoltage, contrast medium), then blurred or made noisy.
    """
    side = pictures.shape[1]
    middle = (side - 1) / 2
    out_p, out_m = np.empty_like(pictures), np.empty_like(masks)
    for k, (picture, mask) in enumerate(zip(pictures[..., 0], masks[..., 0])):
        angle, zoom = rng.normal(0, 0.08), np.exp(rng.normal(0, 0.12, 2))
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / zoom
        if rng.random() < 0.5:
            turn[:, 1] *= -1  # mirrored: the mask does not tell left from right
        offset = middle - turn @ np.full(2, middle) + rng.normal(0, 0.05 * side, 2)
        move = {"matrix": turn, "offset": offset, "order": 1, "mode": "constant"}
        knots = np.sort(np.clip(np.linspace(0, 1, 6) + rng.normal(0, 0.06, 6), 0, 1))
        knots[0] *= rng.random() < 0.5  # air may lie above -1000 HU
        bent = np.interp(ndimage.affine_transform(picture, **move), np.linspace(0, 1, 6), knots)
        if rng.random() < 0.3:
            bent = ndimage.gaussian_filter(bent, rng.uniform(0.3, 1.0))
        bent = bent + rng.normal(0, rng.uniform(0, 0.05), bent.shape)
        out_p[k, ..., 0], out_m[k, ..., 0] = np.clip(bent, 0, 1), ndimage.affine_transform(mask, **move) >= 0.5
    return out_p, out_m


def train(
    model: keras.Model,
    data: Slices,
    epochs: int,
    *,
    rate: float = 3e-3,
    batch_size: int = 16,
    seed: int = 0,
    varied: bool = True,
    start: int = 0,
    bubbles_from: int | None = None,
    after_epoch: Callable[[int, float], None] | None = None,
) -> list[float]:
    """Train with Adam and a rate that falls like a cosine from epoch to epoch; returns the mean loss of each.

    `varied` applies `vary` afresh in every epoch, and from epoch `bubbles_from` on `blow_bubbles` before it.
    `after_epoch(epoch, loss)` is called with the number of epochs done (to save, to log); `start` continues a stopped
    run at that epoch, with the same order and the same variations.
    """
    steps = -(-len(data.pictures) // batch_size)
    model.compile(keras.optimizers.Adam(rate), overlap_loss, jit_compile=False)
    losses = []
    for epoch in range(start, epochs):
        rng = np.random.default_rng([seed, epoch])
        order, total = rng.permutation(len(data.pictures)), 0.0
        model.optimizer.learning_rate = rate * (0.01 + 0.99 * 0.5 * (1 + np.cos(np.pi * epoch / epochs)))
        for some in np.array_split(order, steps):
            pictures, masks = data.pictures[some], data.masks[some]
            if bubbles_from is not None and epoch >= bubbles_from:
                pictures = blow_bubbles(pictures, masks, rng)
            if varied:
                pictures, masks = vary(pictures, masks, rng)
            model.reset_metrics()
            total += float(model.train_on_batch(pictures, masks))
        losses.append(total / steps)
        if after_epoch:
            after_epoch(epoch + 1, losses[-1])
    return losses
