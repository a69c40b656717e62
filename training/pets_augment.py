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
    n, device = len(batch), batch.device

    def random(*shape: int) -> torch.Tensor:
        return torch.rand(shape or n, generator=generator, device=device)

    def uniform(low: float, high: float) -> torch.Tensor:
        return random() * (high - low) + low

    def some(share: float) -> torch.Tensor:
        return random() < share

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator, device=device)

    pictures = to_float(batch)
    angle, zoom, aspect = uniform(-15, 15) * math.pi / 180, uniform(0.45, 1.25), torch.exp(uniform(-0.3, 0.3))
    sx, sy = zoom * aspect.sqrt(), zoom / aspect.sqrt()
    mirror = torch.where(some(0.5), -1.0, 1.0)
    room_x, room_y = (1.04 - sx).abs(), (1.04 - sy).abs()
    theta = torch.zeros(n, 2, 3, device=device)
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
    tint = (random(n, 3, 1, 1) - 0.5) * 0.3
    pictures = (pictures - mean) * torch.exp(uniform(-0.45, 0.4)).view(column) + mean * uniform(0.8, 1.1).view(column)
    pictures += uniform(-0.4, 0.4).view(column) + tint

    # Fixed shares of the batch, chosen by chance: a number that must be asked for would stop a GPU.
    soft, noisy = torch.randperm(n, generator=generator, device=device).split([n - n // 10, n // 10])
    soft = soft[: n // 6]
    if len(soft):  # a smaller picture made large again: what thumbnails and bad focus look like
        small = functional.interpolate(pictures[soft], scale_factor=0.55, mode="bilinear", antialias=True)
        pictures[soft] = functional.interpolate(small, size=(side, side), mode="bilinear")
    pictures[noisy] += normal(len(noisy), 3, side, side) * random(len(noisy), 1, 1, 1) * 0.35
    pictures.clamp_(-2.2, 2.2)

    erase, height, width = some(0.5), uniform(0.15, 0.5), uniform(0.15, 0.5)
    top, left = (uniform(-0.1, 1.1) - height / 2).view(-1, 1), (uniform(-0.1, 1.1) - width / 2).view(-1, 1)
    place = (torch.arange(side, device=device) / side).view(1, -1)
    rows = (place >= top) & (place < top + height.view(-1, 1)) & erase.view(-1, 1)
    columns = (place >= left) & (place < left + width.view(-1, 1))
    hidden = rows.view(n, 1, side, 1) & columns.view(n, 1, 1, side)
    return torch.where(hidden, normal(n, 3, 1, 1) * 0.7, pictures)


def cut_and_mix(pictures: torch.Tensor, shares: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, ...]:
    """CutMix (Yun et al. 2019): of every second picture a rectangle is replaced by another picture's.

    Pictures (n, 3, side, side) and shares (n, 2) of the classes -> the same, mixed; shares follow the areas.
    """
    n, side = len(pictures), pictures.shape[-1]

    def random() -> torch.Tensor:
        return torch.rand(n, 1, generator=generator, device=pictures.device)

    size = (1 - random()).sqrt() * (random() < 0.5)  # a uniform share of the area, or nothing
    place = (torch.arange(side, device=pictures.device).view(1, -1) + 0.5) / side
    inside = [(start <= place) & (place < start + size) for start in (random() * (1 - size), random() * (1 - size))]
    area = (inside[0].float().mean(1) * inside[1].float().mean(1)).view(-1, 1)
    other = torch.randperm(n, generator=generator, device=pictures.device)
    taken = inside[0].view(n, 1, side, 1) & inside[1].view(n, 1, 1, side)
    return torch.where(taken, pictures[other], pictures), shares * (1 - area) + shares[other] * area
