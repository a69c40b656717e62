"""How unlike cats and dogs a picture is, from what the small network computed anyway. Plain arrays, no network here.

Three signs, each in units of its spread over held-out cats and dogs, are added up: the answer is unsure (small distance
of the two logits); the features point where no cat or dog of the training did (largest cosine with any of 64 typical
feature vectors; Sun et al., ICML 2022, use nearest neighbours); the first block's mean activity is unusual (Mahalanobis
distance; Lee et al., NeurIPS 2018), which finds drawings, documents and microscopy.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

PROTOTYPES = 64
PASS = 0.95  # share of held-out cats and dogs that shall not be called neither


class Reference(NamedTuple):
    """What the cats and dogs of the training looked like to the network.

    `prototypes` (64, f), unit vectors; `texture_centre` (t,) and `texture_root` (t, t), a root of the inverse
    covariance; `middle` (3,) and `width` (3,) of the three signs on held-out pets; `limit` of their sum.
    """

    prototypes: np.ndarray
    texture_centre: np.ndarray
    texture_root: np.ndarray
    middle: np.ndarray
    width: np.ndarray
    limit: np.ndarray


def strangeness(texture: np.ndarray, features: np.ndarray, logits: np.ndarray, reference: Reference) -> np.ndarray:
    """How unlike a cat or dog (n,): above 1 is farther out than 95 % of held-out pets, below 0 a typical one.

    `texture` (n, t) are the mean activities of the first block, `features` (n, f) those of the last, `logits` (n, 2).
    """
    scaled = (_signs(texture, features, logits, reference) - reference.middle) / reference.width
    return scaled.sum(1) / reference.limit


def fit_reference(
    training: tuple[np.ndarray, np.ndarray], held_out: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> Reference:
    """Typical features from texture and features of training pets; units and limit from those held out (and logits)."""
    texture, features = (np.asarray(part, np.float32) for part in training)
    cv2.setRNGSeed(0)
    stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 50, 1e-4)
    _, _, typical = cv2.kmeans(_unit(features), PROTOTYPES, None, stop, 1, cv2.KMEANS_PP_CENTERS)
    values, vectors = np.linalg.eigh(np.cov(texture.T))
    root = vectors / np.sqrt(np.maximum(values, 1e-6 * values[-1]))
    one = np.ones(3)
    start = Reference(_unit(typical), texture.mean(0), root, 0 * one, one, np.ones(()))
    signs = _signs(*held_out, start)
    middle = np.median(signs, 0)
    width = np.quantile(signs, PASS, axis=0) - middle
    limit = np.quantile(((signs - middle) / width).sum(1), PASS)
    return start._replace(middle=middle, width=width, limit=limit)


def _signs(texture: np.ndarray, features: np.ndarray, logits: np.ndarray, reference: Reference) -> np.ndarray:
    """Unsure, unlike, unusual: (n, 3), larger is stranger."""
    # einsum, not @: for products this small BLAS wakes threads that burn more time than the network takes.
    unsure = -np.abs(logits[:, 1] - logits[:, 0])
    unlike = 1 - np.einsum("nf,pf->np", _unit(features), reference.prototypes).max(1)
    white = np.einsum("nt,tu->nu", texture - reference.texture_centre, reference.texture_root)
    unusual = np.linalg.norm(white, axis=1)
    return np.stack([unsure, unlike, unusual], 1).astype(float)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)
