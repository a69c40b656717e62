"""A SIMULATED sonar table: a metal cylinder against rough rock, as a physical toy. Not measured, not the UCI data.

A ping that sweeps through 60 frequency bands meets an object under a changing aspect angle; a row holds the echo's
strength in each band. The cylinder reflects like a smooth rod and rings at its own resonances, strongest near certain
angles; the rock is a heap of facets whose echoes add up with random distances. Angle steps are small, so that
neighbouring rows resemble each other: whoever splits rows at random sees every sweep from both sides. Here the sweep
of every row is known (`group`), which the UCI file does not tell.

Physics in small: the form function of a finite rod, |sinc(k L sin a)|, and resonance scattering as Lorentz peaks over
the mirror echo (Urick, Principles of Underwater Sound, 3rd edition 1983, chapter 9); noise and gain set the difficulty
to about that of the real table.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter1d

SOUND_SPEED = 1500.0  #: m/s, sea water
BANDS = 60
FREQUENCIES = np.linspace(10e3, 60e3, BANDS)  #: Hz, middles of the bands
N_ROCK, N_MINE = 97, 111
SWEEPS_EACH = 9


class Echoes(NamedTuple):
    """The simulated table, ordered like the real file: rocks first, then mines, each sweep by rising angle."""

    X: np.ndarray  #: (208, 60) band strengths in 0..1
    y: np.ndarray  #: (208,) "R" or "M"
    group: np.ndarray  #: (208,) number of the sweep: one object, one series of pings
    angle: np.ndarray  #: (208,) aspect angle in degrees


def simulated_table(seed: int = 1, noise: float = 0.18) -> Echoes:
    """Draw the whole table; the same seed gives the same table. `noise` is relative to the echo's own strength."""
    rng = np.random.default_rng(seed)
    parts, group = [], 0
    for label, rows, echo in (("R", N_ROCK, _rock), ("M", N_MINE, _cylinder)):
        for n in _shares(rows, SWEEPS_EACH):
            start = rng.uniform(0, 60)
            angle = start + np.sort(rng.uniform(0, 30, n))
            strength = _received(echo(angle, rng), noise, rng)
            parts.append((strength, np.full(n, label), np.full(n, group), angle))
            group += 1
    X, y, groups, angles = (np.concatenate(column) for column in zip(*parts))
    return Echoes(X, y, groups, angles)


def _shares(rows: int, parts: int) -> list[int]:
    return [len(piece) for piece in np.array_split(np.arange(rows), parts)]


def _cylinder(angle, rng) -> np.ndarray:
    """Amplitudes (ping, band) of a metal cylinder lying on the sea floor, a little differently in each sweep."""
    length, resonance = rng.normal(0.25, 0.03), rng.normal(9.0e3, 1.2e3)
    a = np.radians(angle)[:, None]
    k = 2 * np.pi * FREQUENCIES / SOUND_SPEED
    mirror = 0.25 + 0.75 * np.abs(np.sinc(k * length * np.sin(a) / np.pi))
    ring = np.zeros((len(angle), BANDS))
    for n in range(2, 7):
        coupling = np.exp(-0.5 * ((angle - 12 * n) / 22) ** 2)[:, None]
        ring += coupling / (1 + ((FREQUENCIES - n * resonance) / 1.6e3) ** 2)
    return mirror + 0.9 * ring + 0.35 * _facets(angle, rng, count=6)


def _rock(angle, rng) -> np.ndarray:
    """Amplitudes (ping, band) of a rough rock."""
    return 0.25 + _facets(angle, rng, count=14)


def _facets(angle, rng, count: int) -> np.ndarray:
    """Echoes of facets at random places, twelve centimetres across, added with their phases."""
    place = rng.uniform(-0.06, 0.06, (count, 2))
    size = rng.rayleigh(1.0, count) / np.sqrt(2 * count)
    a = np.radians(angle)[:, None]
    distance = np.cos(a) * place[:, 0] + np.sin(a) * place[:, 1]  # (ping, facet), m
    k = 2 * np.pi * FREQUENCIES / SOUND_SPEED
    return np.abs((size * np.exp(2j * distance[:, None, :] * k[:, None])).sum(axis=-1))


def _received(amplitude, noise: float, rng) -> np.ndarray:
    """What the receiver writes down: its own bell-shaped sensitivity, noise, the strongest band set to 1.

    The noise of neighbouring bands hangs together (a bell of 1.5 bands), as reverberation does.
    """
    bell = 0.15 + np.exp(-0.5 * ((np.arange(BANDS) - 28) / 13) ** 2)
    grain = gaussian_filter1d(rng.standard_normal(amplitude.shape), 1.5, axis=1, mode="wrap")
    seen = amplitude * bell * np.exp(noise * grain / grain.std())
    return np.round(seen / seen.max(axis=1, keepdims=True), 4)
