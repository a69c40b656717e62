"""Pictures become what the network takes: plainly, or every picture of a batch changed differently in one go."""

from __future__ import annotations

import math

import torch
from torch.nn import functional


def to_float(batch: torch.Tensor) -> torch.Tensor:
    """uint8 (n, h, w, 3) -> float (n, 3, h, w) in about -2..2 (what the network takes)."""
    return batch.permute(0, 3, 1, 2).float().sub_(127.5).div_(64.0)


def augment(batch: torch.Tensor, side: int, generator: torch.Generator) -> torch.Tensor:
    """uint8 (n, 96, 96, 3) -> float (n, 3, side, side): every picture changed differently, the batch in one go.

    Geometry (one bilinear sampling): mirror, rotation +-15 degrees, zoom, aspect, shift, reflected borders. Then light:
    brightness, contrast, colour, grey. Then what other cameras do: blur, noise. Last a rectangle is erased.
    """
    n = len(batch)

    def uniform(low: float, high: float) -> torch.Tensor:
        return torch.rand(n, generator=generator) * (high - low) + low

    def some(share: float) -> torch.Tensor:
        return torch.rand(n, generator=generator) < share

    pictures = to_float(batch)
    angle, zoom, aspect = uniform(-15, 15) * math.pi / 180, uniform(0.5, 1.2), torch.exp(uniform(-0.22, 0.22))
    sx, sy = zoom * aspect.sqrt(), zoom / aspect.sqrt()
    mirror = torch.where(some(0.5), -1.0, 1.0)
    room_x, room_y = (1.04 - sx).abs(), (1.04 - sy).abs()
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0], theta[:, 0, 1] = sx * angle.cos() * mirror, -sy * angle.sin()
    theta[:, 1, 0], theta[:, 1, 1] = sx * angle.sin() * mirror, sy * angle.cos()
    theta[:, 0, 2], theta[:, 1, 2] = uniform(-1, 1) * room_x, uniform(-1, 1) * room_y
    grid = functional.affine_grid(theta, [n, 3, side, side], align_corners=False)
    pictures = functional.grid_sample(pictures, grid, padding_mode="reflection", align_corners=False)

    column = (n, 1, 1, 1)
    grey = pictures.mean(1, keepdim=True)
    colour = torch.where(some(0.1), 0.0, uniform(0.6, 1.4)).view(column)
    pictures = grey + (pictures - grey) * colour
    mean = pictures.mean((1, 2, 3), keepdim=True)
    tint = (torch.rand(n, 3, 1, 1, generator=generator) - 0.5) * 0.3
    pictures = (pictures - mean) * torch.exp(uniform(-0.45, 0.4)).view(column) + mean * uniform(0.8, 1.1).view(column)
    pictures += uniform(-0.4, 0.4).view(column) + tint

    soft = torch.nonzero(some(0.15)).flatten()
    if len(soft):  # a smaller picture made large again: what thumbnails and bad focus look like
        small = functional.interpolate(pictures[soft], scale_factor=0.55, mode="bilinear", antialias=True)
        pictures[soft] = functional.interpolate(small, size=(side, side), mode="bilinear")
    noisy = torch.nonzero(some(0.1)).flatten()
    if len(noisy):
        level = torch.rand(len(noisy), 1, 1, 1, generator=generator) * 0.35
        pictures[noisy] += torch.randn(len(noisy), 3, side, side, generator=generator) * level
    pictures.clamp_(-2.2, 2.2)

    erase, height, width = some(0.5), uniform(0.15, 0.5), uniform(0.15, 0.5)
    top, left = (uniform(-0.1, 1.1) - height / 2).view(-1, 1), (uniform(-0.1, 1.1) - width / 2).view(-1, 1)
    place = (torch.arange(side) / side).view(1, -1)
    rows = (place >= top) & (place < top + height.view(-1, 1)) & erase.view(-1, 1)
    columns = (place >= left) & (place < left + width.view(-1, 1))
    hidden = rows.view(n, 1, side, 1) & columns.view(n, 1, 1, side)
    fill = torch.randn(n, 3, 1, 1, generator=generator) * 0.7
    return torch.where(hidden, fill, pictures)
