"""Pictures of the training zip as one array, decoded once, and the part of them that is held out."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import cv2
import numpy as np

SIDE = 96
HELD_OUT = 1000  # pictures of the zip kept for choices, calibration and the threshold of "neither"
SPLIT_SEED = 2013


def load_zip(zip_path: Path, cache: Path) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Pictures uint8 (n, 96, 96, 3) RGB, labels (n,) 0 cat / 1 dog, and names, decoded once into a cache file.

    The layout is one folder per class, ``cats/*.jpg`` and ``dogs/*.jpg``; other sizes are squashed to 96 x 96.
    """
    with zipfile.ZipFile(zip_path) as archive:
        names = sorted(n for n in archive.namelist() if n.lower().endswith((".jpg", ".jpeg", ".png")))
        folders = [Path(n).parent.name for n in names]
        if not {"cats", "dogs"} == set(folders):
            raise ValueError(f"{zip_path.name}: expected the folders cats and dogs, found {sorted(set(folders))}.")
        labels = np.array([f == "dogs" for f in folders], np.int64)
        key = hashlib.sha256(f"{zip_path.stat().st_size} {names}".encode()).hexdigest()[:12]
        stored = cache / f"pets_{SIDE}px_{key}.npy"
        if not stored.exists():
            partial = stored.with_suffix(".partial")
            pictures = np.lib.format.open_memmap(partial, "w+", np.uint8, (len(names), SIDE, SIDE, 3))
            for i, name in enumerate(names):
                bgr = cv2.imdecode(np.frombuffer(archive.read(name), np.uint8), cv2.IMREAD_COLOR)
                if bgr is None:
                    raise ValueError(f"{name} in {zip_path.name} is not a readable picture.")
                if bgr.shape[:2] != (SIDE, SIDE):
                    bgr = cv2.resize(bgr, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
                pictures[i] = bgr[..., ::-1]
            pictures.flush()
            del pictures
            partial.replace(stored)
    return np.load(stored, mmap_mode="c"), labels, names


def split(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indices for training and the held-out ones (half cats, half dogs; a fifth of a small set), the same every run."""
    rng = np.random.default_rng(SPLIT_SEED)
    classes = [np.flatnonzero(labels == c) for c in (0, 1)]
    held = np.concatenate([rng.choice(c, min(HELD_OUT // 2, len(c) // 5), replace=False) for c in classes])
    held.sort()
    return np.setdiff1d(np.arange(len(labels)), held), held
