"""How a scanner gets a slice: line integrals, photons, filtered back-projection, and the way to Hounsfield units.

Parallel beams of one energy, which is enough to see where noise comes from; a real scanner uses a fan of beams with a
spectrum (Kak and Slaney, Principles of Computerized Tomographic Imaging, 1988, chapters 3 and 4).
"""

from __future__ import annotations

import numpy as np
from skimage.transform import iradon, radon

MU_WATER = 0.0193  # per mm, water at 70 keV, about the mean energy of a 120 kV beam (NIST XCOM)
MU_AIR = 0.0  # per mm; the true value is a thousandth of water's


def hu_to_mu(hu: np.ndarray) -> np.ndarray:
    """Hounsfield units -> linear attenuation per mm (float64, never negative)."""
    return np.maximum(np.asarray(hu, np.float64) * (MU_WATER - MU_AIR) / 1000 + MU_WATER, 0.0)


def mu_to_hu(mu: np.ndarray) -> np.ndarray:
    """Linear attenuation per mm -> Hounsfield units: 1000 (mu - mu_water) / (mu_water - mu_air)."""
    return 1000 * (np.asarray(mu, np.float64) - MU_WATER) / (MU_WATER - MU_AIR)


def project(mu: np.ndarray, pixel_mm: float, angles: np.ndarray) -> np.ndarray:
    """Line integrals of attenuation (no unit): (detector element, angle) for a square image (rows, columns) per mm.

    angles in degrees. Only what lies in the inscribed circle is measured, as in a scanner.
    """
    rows, columns = mu.shape
    if rows != columns:
        raise ValueError(f"The image to project must be square, not {rows} x {columns}.")
    y, x = np.ogrid[:rows, :columns]
    circle = np.hypot(y - (rows - 1) / 2, x - (columns - 1) / 2) <= rows / 2 - 1
    return radon(np.where(circle, mu, 0.0), theta=angles, circle=True) * pixel_mm


def count_photons(line_integrals: np.ndarray, photons: float, seed: int = 0) -> np.ndarray:
    """Photons that arrive: Poisson counts with mean photons x exp(-integral) (Beer and Lambert), at least 1."""
    rng = np.random.default_rng(seed)
    return np.maximum(rng.poisson(photons * np.exp(-line_integrals)), 1)


def line_integrals_of(counts: np.ndarray, photons: float) -> np.ndarray:
    """What the scanner knows of the line integrals: -ln(counts / photons)."""
    return -np.log(np.asarray(counts, np.float64) / photons)


def back_project(line_integrals: np.ndarray, pixel_mm: float, angles: np.ndarray, kernel: str | None = "hann"):
    """Filtered back-projection to attenuation per mm; kernel: "ramp" (sharp), "hann" (smooth) or None (no filter)."""
    return iradon(line_integrals, theta=angles, filter_name=kernel, circle=True) / pixel_mm
