"""The small VGG-style network in torch; ``helpers.pets_network.build_network`` is the same network in Keras."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from helpers.pets_network import STEM, WIDTHS


def quick_bfloat16(device: str | torch.device) -> bool:
    """Whether the processor computes in bfloat16 itself: emulated, it takes 15 times as long."""
    if torch.device(device).type == "cpu":
        return torch.cpu._is_avx512_bf16_supported()
    return torch.cuda.is_bf16_supported()


def mixed(wanted: bool = True, device: str | torch.device = "cpu") -> torch.autocast:
    """A context that computes in bfloat16 where that is quicker."""
    return torch.autocast(torch.device(device).type, torch.bfloat16, enabled=wanted and quick_bfloat16(device))


class Convolution(nn.Module):
    """Convolution without bias, then batch norm, which is folded into it for shipping."""

    def __init__(self, n_in: int, n_out: int, side: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(n_in, n_out, side, stride, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(n_out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(self.conv(x))


class Block(nn.Module):
    """2 x 2 max-pool, a convolution to more channels, then two convolutions bridged by a skip."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.conv1, self.conv2, self.conv3 = (Convolution(n, n_out) for n in (n_in, n_out, n_out))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu_(self.conv1(nn.functional.max_pool2d(x, 2)))
        y = torch.relu_(self.conv2(x))
        return torch.relu_(self.conv3(y) + x)


class PetsNet(nn.Module):
    """Float (n, 3, side, side) -> logits (n, 2) for cat and dog; side any multiple of 16 from 48 on.

    `widths`: channels of the stem and of the blocks; by default those of the shipped network.
    """

    def __init__(self, widths: Sequence[int] = (STEM, *WIDTHS)) -> None:
        super().__init__()
        stem, *widths = widths
        self.stem = Convolution(3, stem, side=4, stride=2)
        self.blocks = nn.Sequential(*[Block(i, o) for i, o in zip((stem, *widths), widths, strict=False)])
        self.dropout, self.head = nn.Dropout(0.2), nn.Linear(widths[-1], 2)

    def texture_and_features(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The mean of each of the first block's channels (n, WIDTHS[0]) and of the last block's (n, WIDTHS[-1])."""
        first = self.blocks[0](torch.relu_(self.stem(x)))
        return first.float().mean((2, 3)), self.blocks[1:](first).float().mean((2, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.dropout(self.texture_and_features(x)[1]))

    def convolutions(self) -> dict[str, Convolution]:
        """Every convolution with its batch norm, under its layer's name in the weight file."""
        found = {"stem": self.stem}
        for number, block in enumerate(self.blocks, start=1):
            found |= {f"block{number}_conv{k}": getattr(block, f"conv{k}") for k in (1, 2, 3)}
        return found
