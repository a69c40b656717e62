"""The toy scanner of notebook 02: line integrals, photons, back-projection."""

from __future__ import annotations

import numpy as np
import pytest

from helpers import ct_physics as ct

ANGLES = np.arange(0.0, 180.0, 1.5)


def water_disc(n: int = 96, radius: float = 30.0) -> np.ndarray:
    y, x = np.indices((n, n)) - (n - 1) / 2
    edge = np.clip(0.5 - (np.hypot(x, y) - radius), 0, 1)
    return -1000 * (1 - edge)


def test_hounsfield_units_and_attenuation_are_inverse():
    hu = np.array([-1000.0, -500.0, 0.0, 1500.0])
    assert np.allclose(ct.mu_to_hu(ct.hu_to_mu(hu)), hu)
    assert ct.hu_to_mu(0) == ct.MU_WATER and ct.hu_to_mu(-3024) == 0


def test_a_line_integral_is_attenuation_times_the_chord():
    pixel, radius = 2.0, 30.0
    sinogram = ct.project(ct.hu_to_mu(water_disc(radius=radius)), pixel, ANGLES)
    offsets = np.arange(96) - 48
    chord = 2 * np.sqrt(np.maximum(radius**2 - offsets**2, 0)) * pixel
    middle = np.abs(offsets) < 24
    assert np.allclose(sinogram[middle].mean(axis=1), (ct.MU_WATER * chord)[middle], rtol=0.03)


def test_back_projection_gives_water_back():
    image = ct.mu_to_hu(ct.back_project(ct.project(ct.hu_to_mu(water_disc()), 2.0, ANGLES), 2.0, ANGLES))
    assert abs(image[38:58, 38:58].mean()) < 15
    assert abs(image[4:10, 44:52].mean() + 1000) < 40


def test_noise_follows_the_root_of_the_photons():
    sinogram = ct.project(ct.hu_to_mu(water_disc()), 1.0, ANGLES)
    noise = []
    for photons in (1e4, 1e6):
        seen = ct.line_integrals_of(ct.count_photons(sinogram, photons, seed=3), photons)
        noise.append(np.std(seen - sinogram))
    assert 8 < noise[0] / noise[1] < 12


def test_no_beam_counts_less_than_one_photon():
    assert ct.count_photons(np.full(50, 40.0), 10.0).min() == 1


def test_only_square_images_are_projected():
    with pytest.raises(ValueError, match="square"):
        ct.project(np.zeros((4, 6)), 1.0, ANGLES)
