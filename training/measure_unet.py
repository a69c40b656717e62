"""Dice of trained U-Nets on drawn test patients and, where MEDIMG_DATA has it, on one real chest CT."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np

from helpers.phantom.patients import draw_patients
from helpers.unet import dice_per_slice

Segment = Callable[[np.ndarray, tuple[float, ...]], np.ndarray]  # HU of a stack and its spacing -> mask


def summary(found: list[np.ndarray], truth: list[np.ndarray]) -> dict[str, float]:
    """Mean, median and tails of the Dice over slices that hold lung, and in how many others some was seen."""
    per_slice = np.concatenate([dice_per_slice(f, t) for f, t in zip(found, truth)])
    holds = np.concatenate([t.any((1, 2)) for t in truth])
    sees = np.concatenate([f.any((1, 2)) for f in found])
    low, middle, high = np.quantile(per_slice[holds], [0.05, 0.5, 0.95])
    return {
        "mean": round(float(per_slice[holds].mean()), 4),
        "5 %": round(float(low), 4),
        "median": round(float(middle), 4),
        "95 %": round(float(high), 4),
        "slices with lung": int(holds.sum()),
        "slices without lung": int((~holds).sum()),
        "of these with something marked": int((sees & ~holds).sum()),
    }


def on_drawn(segment: Segment, seeds: Iterable[int]) -> dict[str, float]:
    """The summary on drawn patients, 40 slices each."""
    phantoms = draw_patients(seeds, slices=40, matrix=192)
    return summary([segment(p.hu, p.spacing) for p in phantoms], [p.lungs > 0 for p in phantoms])


def real_chest():
    """(HU with air outside the field, spacing, mask of the classical method) of the real series, or None."""
    from helpers.dicom import read_series
    from helpers.lungs import segment_lungs

    folder = Path(os.environ.get("MEDIMG_DATA", "absent")) / "dicom" / "chest-lidc-0001"
    if not folder.is_dir():
        return None
    volume = read_series(folder)
    return volume.filled(-1000).hu, volume.spacing, segment_lungs(volume) > 0


def measure_all(methods: Mapping[str, Segment], seeds: Iterable[int]) -> dict[str, dict]:
    """name -> the summaries "drawn" and "real" (None without the series)."""
    chest = real_chest()
    result = {}
    for name, segment in methods.items():
        entry = {"drawn": on_drawn(segment, seeds), "real": None}
        if chest is not None:
            hu, spacing, reference = chest
            entry["real"] = summary([segment(hu, spacing)], [reference])
        result[name] = entry
    return result
