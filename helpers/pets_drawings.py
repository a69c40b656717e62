"""Drawn cats and dogs: pictures for trying things out where no photographs are at hand. Simulated, and looking it.

Every animal differs in coat, pattern, ears, eyes, pose, place, size and background. What tells them apart is what a
child would name: cats have pointed ears, slit pupils and whiskers, dogs hanging ears, a long muzzle and a tongue. Coats
and backgrounds are drawn from the same lists for both, so colour gives nothing away.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

Colour = tuple[int, int, int]

COATS: list[Colour] = [
    (222, 158, 86), (146, 98, 60), (70, 66, 68), (236, 226, 208), (168, 160, 152), (196, 124, 72), (112, 84, 66),
]  # fmt: skip
GROUNDS: list[Colour] = [
    (176, 212, 232), (198, 222, 178), (244, 220, 170), (232, 196, 200), (206, 200, 226), (224, 224, 220),
    (150, 190, 176),
]  # fmt: skip
_FINE = 4  # drawn four times as large and averaged, which smooths every edge


def draw_pets(n: int, seed: int = 0, size: int = 96) -> tuple[np.ndarray, np.ndarray]:
    """Drawings uint8 (n, size, size, 3) RGB and labels (n,), 0 cat, 1 dog, taking turns; the same for the same seed."""
    if n < 1 or size < 16:
        raise ValueError(f"{n} drawings of {size} pixels were asked for; at least 1 of 16 is possible.")
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    return np.stack([_picture(bool(dog), rng, size) for dog in labels]), labels


def write_drawn_folder(folder: str | Path, n: int, seed: int = 0, size: int = 96) -> Path:
    """The drawings as PNG files, one folder per class: cats/cat.0.png, dogs/dog.0.png ...; returns the folder."""
    from PIL import Image

    folder = Path(folder)
    for index, (picture, dog) in enumerate(zip(*draw_pets(n, seed, size))):
        name = ("cat", "dog")[dog]
        (folder / f"{name}s").mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(folder / f"{name}s" / f"{name}.{index // 2}.png")
    return folder


class _Pen:
    """Draws in head coordinates: origin between the eyes, x to the right, y down, the head about 1 in radius."""

    def __init__(self, canvas: np.ndarray, centre: tuple[float, float], scale: float, angle: float) -> None:
        self.canvas, self.centre, self.scale, self.angle = canvas, np.array(centre), scale, angle
        c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        self.turn = np.array([[c, -s], [s, c]])

    def place(self, points) -> np.ndarray:
        return np.rint((np.atleast_2d(points) @ self.turn.T) * self.scale + self.centre).astype(np.int32)

    def oval(self, x: float, y: float, rx: float, ry: float, colour: Colour, turn: float = 0) -> None:
        (cx, cy), axes = self.place((x, y))[0], (max(1, round(rx * self.scale)), max(1, round(ry * self.scale)))
        cv2.ellipse(self.canvas, (int(cx), int(cy)), axes, self.angle + turn, 0, 360, colour, -1, cv2.LINE_AA)

    def shape(self, points, colour: Colour) -> None:
        cv2.fillPoly(self.canvas, [self.place(points)], colour, cv2.LINE_AA)

    def line(self, points, colour: Colour, width: float) -> None:
        thick = max(1, round(width * self.scale))
        cv2.polylines(self.canvas, [self.place(points)], False, colour, thick, cv2.LINE_AA)


def _shade(colour: Colour, factor: float) -> Colour:
    return tuple(int(np.clip(round(c * factor), 0, 255)) for c in colour)


def _pick(rng: np.random.Generator, colours: list[Colour]) -> Colour:
    varied = np.array(colours[rng.integers(len(colours))]) + rng.normal(0, 8, 3)
    return tuple(int(v) for v in np.clip(varied, 0, 255))


def _picture(dog: bool, rng: np.random.Generator, size: int) -> np.ndarray:
    fine = size * _FINE
    canvas = np.empty((fine, fine, 3), np.uint8)
    _background(canvas, rng)
    scale = fine * rng.uniform(0.21, 0.3)
    centre = (fine * rng.uniform(0.4, 0.6), fine * rng.uniform(0.36, 0.5))
    coat = _pick(rng, COATS)
    patch = _pick(rng, COATS) if rng.random() < 0.6 else coat
    _body(_Pen(canvas, centre, scale, 0), coat, patch, dog, rng)
    pen = _Pen(canvas, centre, scale, rng.uniform(-16, 16))
    (_dog_head if dog else _cat_head)(pen, coat, patch, rng)
    small = cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32)
    small = small * rng.uniform(0.8, 1.1) + rng.normal(0, rng.uniform(1, 7), small.shape)
    return np.clip(np.rint(small), 0, 255).astype(np.uint8)


def _background(canvas: np.ndarray, rng: np.random.Generator) -> None:
    wall, floor = _pick(rng, GROUNDS), _pick(rng, GROUNDS)
    fine = len(canvas)
    light = np.linspace(1.06, 0.92, fine)[:, None, None]
    canvas[:] = np.clip(np.array(wall) * light, 0, 255)
    canvas[int(fine * rng.uniform(0.62, 0.82)) :] = _shade(floor, 0.9)
    for _ in range(rng.integers(0, 4)):  # things in the room
        x, y, r = *rng.integers(0, fine, 2).tolist(), int(fine * rng.uniform(0.03, 0.1))
        cv2.circle(canvas, (x, y), r, _shade(_pick(rng, GROUNDS), rng.uniform(0.75, 1.1)), -1, cv2.LINE_AA)


def _body(pen: _Pen, coat: Colour, patch: Colour, dog: bool, rng: np.random.Generator) -> None:
    side, dark = rng.choice([-1, 1]), _shade(coat, 0.88)
    t = np.linspace(0, 1, 12)
    if dog:  # a tail held up, a broad chest
        pen.line(np.c_[side * (0.9 + 0.75 * t), 2.2 - 1.0 * t**1.5], dark, 0.24)
    else:  # a tail laid in a curl
        pen.line(np.c_[side * (0.7 + 0.9 * np.sin(2.6 * t)), 2.4 - 1.5 * t**2], dark, 0.17)
    pen.oval(0, 2.0, 1.02, 1.5, dark)
    pen.oval(0, 2.1, 0.55, 1.2, _shade(patch, 1.05))
    for x in (-0.42, 0.42):
        pen.oval(x, 2.75, 0.3, 0.75, coat)


def _eyes(pen: _Pen, dog: bool, rng: np.random.Generator) -> None:
    looks, wide = rng.uniform(-0.05, 0.05), rng.uniform(0.15, 0.21)
    iris = [(150, 186, 84), (226, 186, 70), (112, 170, 200)][rng.integers(3)]
    for x in (-0.38, 0.38):
        if dog:
            pen.oval(x, -0.08, wide, wide * 1.1, (250, 248, 242))
            pen.oval(x + looks, -0.06, wide * 0.75, wide * 0.85, (62, 40, 26))
        else:
            pen.oval(x, -0.05, wide * 1.2, wide, iris, turn=-12 if x > 0 else 12)
            pen.oval(x + looks, -0.05, wide * 0.28, wide * 0.92, (22, 20, 20))
        pen.oval(x + looks - 0.05, -0.13, 0.04, 0.04, (255, 255, 255))


def _cat_head(pen: _Pen, coat: Colour, patch: Colour, rng: np.random.Generator) -> None:
    ear, spread = rng.uniform(1.15, 1.5), rng.uniform(0.66, 0.85)
    for s in (-1, 1):
        pen.shape([(s * 0.95, -0.2), (s * spread, -ear), (s * 0.18, -0.75)], coat)
        pen.shape([(s * 0.8, -0.45), (s * spread * 0.95, -ear * 0.84), (s * 0.38, -0.72)], (228, 164, 160))
    pen.oval(0, 0, 1.02, 0.88, coat)
    if rng.random() < 0.6:  # a tabby's stripes
        for x in (-0.24, 0, 0.24):
            pen.line([(x, -0.82), (x * 0.75, -0.48)], _shade(coat, 0.6), 0.09)
        for s in (-1, 1):
            for y in (0.1, 0.32):
                pen.line([(s * 0.98, y), (s * 0.7, y + 0.03)], _shade(coat, 0.6), 0.07)
    _eyes(pen, False, rng)
    for x in (-0.2, 0.2):
        pen.oval(x, 0.42, 0.27, 0.21, _shade(patch, 1.18))
    pen.shape([(-0.13, 0.2), (0.13, 0.2), (0, 0.35)], (214, 120, 124))
    for s in (-1, 1):
        pen.line([(0, 0.34), (s * 0.09, 0.5), (s * 0.24, 0.48)], (70, 46, 44), 0.045)
        for tilt in (-0.16, 0.02, 0.2):
            pen.line([(s * 0.35, 0.4 + tilt / 3), (s * 1.4, 0.34 + tilt)], (250, 250, 250), 0.035)


def _dog_head(pen: _Pen, coat: Colour, patch: Colour, rng: np.random.Generator) -> None:
    pen.oval(0, 0, 0.92, 0.96, coat)
    if rng.random() < 0.5:  # a patch over one eye
        pen.oval(rng.choice([-0.4, 0.4]), -0.12, 0.36, 0.42, _shade(patch, 0.85))
    ear, hang = _shade(coat, rng.uniform(0.55, 0.8)), rng.uniform(0.6, 0.85)
    for s in (-1, 1):
        pen.oval(s * 0.92, 0.1, 0.27, hang, ear, turn=-s * rng.uniform(6, 22))
    _eyes(pen, True, rng)
    if rng.random() < 0.65:
        pen.oval(0.02, 0.98, 0.16, 0.34, (226, 110, 124))
    pen.oval(0, 0.5, 0.47, 0.46, _shade(patch, 1.15))
    pen.oval(0, 0.28, 0.22, 0.16, (40, 32, 32))
    pen.oval(-0.06, 0.23, 0.06, 0.035, (150, 140, 140))
    pen.line([(0, 0.42), (0, 0.66)], (70, 46, 44), 0.05)
    for s in (-1, 1):
        pen.line([(0, 0.66), (s * 0.16, 0.76), (s * 0.32, 0.68)], (70, 46, 44), 0.05)
