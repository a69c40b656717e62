"""Dice of trained U-Nets on drawn test patients and, where MEDIMG_DATA has it, on one real chest CT."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from helpers.unet import dice_per_slice, segment_slices
from helpers.unet_training import draw_patient


def _summary(values: np.ndarray) -> dict[str, float]:
    values = values[np.isfinite(values)]
    low, middle, high = np.quantile(values, [0.05, 0.5, 0.95])
    return {"mean": float(values.mean()), "5 %": float(low), "median": float(middle), "95 %": float(high)}


def on_drawn(model, seeds: Iterable[int]) -> np.ndarray:
    """Dice per slice on drawn patients (40 slices each, all of the lungs)."""
    found = []
    for seed in seeds:
        phantom = draw_patient(seed, 1.0, slices=40, matrix=192)
        found.append(dice_per_slice(segment_slices(model, phantom.hu, phantom.spacing), phantom.lungs > 0))
    return np.concatenate(found)


def real_chest():
    """(HU with air outside the field, spacing, mask of the classical method) of the real series, or None."""
    from helpers.dicom import read_series
    from helpers.lungs import segment_lungs

    folder = Path(os.environ.get("MEDIMG_DATA", "absent")) / "dicom" / "chest-lidc-0001"
    if not folder.is_dir():
        return None
    volume = read_series(folder)
    return volume.filled(-1000).hu, volume.spacing, segment_lungs(volume) > 0


def measure_all(models: Mapping[str, object], seeds: Iterable[int]) -> dict[str, dict]:
    """name -> mean Dice "drawn" and "real" (None without the series), and the spread of both."""
    chest = real_chest()
    result = {}
    for name, model in models.items():
        drawn = _summary(on_drawn(model, seeds))
        real = None
        if chest is not None:
            hu, spacing, reference = chest
            real = _summary(dice_per_slice(segment_slices(model, hu, spacing), reference))
        result[name] = {
            "drawn": round(drawn["mean"], 4),
            "real": None if real is None else round(real["mean"], 4),
            "spread drawn": {key: round(value, 4) for key, value in drawn.items()},
            "spread real": None if real is None else {key: round(value, 4) for key, value in real.items()},
        }
    return result
