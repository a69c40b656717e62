"""The network that learns: with its moving average, its teachers if it has any, and its two optimisers."""

from __future__ import annotations

import argparse
import copy

import numpy as np
import torch
from pets_distil import Teachers, read_net
from pets_muon import Muon
from pets_net import PetsNet, mixed
from pets_start import begin_with
from torch.nn import functional


def floats(module: torch.nn.Module) -> list[torch.Tensor]:
    """Weights and batch-norm statistics."""
    return [value for value in module.state_dict().values() if value.dtype.is_floating_point]


class Pupil:
    """Built from the arguments of `train_pets.py`; `pictures` uint8 (n, 96, 96, 3) serve `--start` only."""

    def __init__(self, args: argparse.Namespace, pictures: np.ndarray | None = None) -> None:
        torch.manual_seed(args.seed)
        self.device, self.smoothing = args.device, args.smoothing
        self.net = PetsNet(args.widths).to(self.device, memory_format=torch.channels_last)
        if args.start and pictures is not None:
            begin_with(self.net, args.start, pictures)
        self.ema = copy.deepcopy(self.net).requires_grad_(False)
        nets = [read_net(path, self.device) for path in args.teacher]
        self.teachers = Teachers(nets, self.net).to(self.device) if nets else None
        self.muon = Muon([p for p in self.net.parameters() if p.ndim == 4], rate=args.rate)
        plain = [p for p in self.net.parameters() if p.ndim == 1]
        plain += self.teachers.bridge.parameters() if self.teachers else []
        head = {"params": [self.net.head.weight], "weight_decay": 0.05}
        self.adam = torch.optim.AdamW([{"params": plain, "weight_decay": 0.0}, head], lr=2e-3)

    def parts(self) -> dict[str, torch.nn.Module | torch.optim.Optimizer]:
        """All that a checkpoint has to hold, by name."""
        found = {"net": self.net, "ema": self.ema, "muon": self.muon, "adam": self.adam}
        return found | ({"teachers": self.teachers} if self.teachers else {})

    def learnt(self) -> list[torch.Tensor]:
        """What several workers average."""
        return [*floats(self.net), *(floats(self.teachers) if self.teachers else [])]

    def moments(self) -> list[torch.Tensor]:
        """What the optimisers remember of past gradients."""
        states = [*self.muon.state.values(), *self.adam.state.values()]
        return [value for state in states for value in state.values() if value.ndim]

    def step(self, x: torch.Tensor, wanted: torch.Tensor, share: float) -> torch.Tensor:
        """Learn from one batch at `share` of the highest rate; returns loss and share of right answers (2,)."""
        self.muon.share = share
        for group in self.adam.param_groups:
            group["lr"] = 2e-3 * share
        with mixed(device=self.device):
            features = self.net.texture_and_features(x)[1]
            logits = self.net.head(self.net.dropout(features)).float()
        if self.teachers:
            loss = self.teachers.loss(x, features, logits)
        else:
            loss = functional.cross_entropy(logits, wanted, label_smoothing=self.smoothing)
        loss.backward()
        for optimiser in (self.muon, self.adam):
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        return torch.stack([loss.detach(), (logits.argmax(1) == wanted.argmax(1)).float().mean()])

    @torch.no_grad()
    def average(self, keep: float) -> None:
        """Moving average of weights and of batch-norm statistics."""
        for mean, new in zip(floats(self.ema), floats(self.net), strict=True):
            mean.lerp_(new, 1 - keep)
