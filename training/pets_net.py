"""The small VGG-style network in torch; ``helpers.pets.build_network`` is the same network in Keras."""

from __future__ import annotations

import torch
from torch import nn

STEM, WIDTHS, CONVOLUTIONS = 32, (64, 128, 320), 3


def mixed(wanted: bool = True) -> torch.autocast:
    """A context that computes in bfloat16 where the processor can: emulated, it takes 15 times as long."""
    return torch.autocast("cpu", torch.bfloat16, enabled=wanted and torch.cpu._is_avx512_bf16_supported())


def convolution(n_in: int, n_out: int) -> nn.Conv2d:
    return nn.Conv2d(n_in, n_out, 3, padding=1, bias=False)


class Block(nn.Module):
    """Convolution, 2 x 2 max-pool, then two convolutions bridged by a skip: half the side, more channels."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = convolution(n_in, n_out), nn.BatchNorm2d(n_out)
        self.conv2, self.bn2 = convolution(n_out, n_out), nn.BatchNorm2d(n_out)
        self.conv3, self.bn3 = convolution(n_out, n_out), nn.BatchNorm2d(n_out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu_(self.bn1(nn.functional.max_pool2d(self.conv1(x), 2)))
        y = torch.relu_(self.bn2(self.conv2(x)))
        return torch.relu_(self.bn3(self.conv3(y)) + x)


class PetsNet(nn.Module):
    """Float (n, 3, side, side) -> logits (n, 2) for cat and dog; side any multiple of 16 from 48 on."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.stem_bn = nn.Conv2d(3, STEM, 4, 2, 1, bias=False), nn.BatchNorm2d(STEM)
        self.blocks = nn.Sequential(*[Block(i, o) for i, o in zip((STEM, *WIDTHS), WIDTHS, strict=False)])
        self.dropout, self.head = nn.Dropout(0.2), nn.Linear(WIDTHS[-1], 2)

    def texture_and_features(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The mean of each of the first block's channels (n, 64) and of the last block's (n, 320)."""
        first = self.blocks[0](torch.relu_(self.stem_bn(self.stem(x))))
        return first.float().mean((2, 3)), self.blocks[1:](first).float().mean((2, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.dropout(self.texture_and_features(x)[1]))
