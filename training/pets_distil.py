"""Learn from larger networks: their answers and their features on the very pictures the small network sees.

A teacher's answer says how much of a cat is left in a crop (Hinton et al. 2015; Beyer et al. 2022: same augmented
picture for both, long schedules). One number per picture says little when there are two classes, so the small network
also has to foretell the teachers' features through a linear layer that is thrown away afterwards (Romero et al. 2015).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from pets_net import PetsNet, mixed
from torch import nn
from torch.nn import functional


def read_net(path: Path, device: str) -> PetsNet:
    """The averaged network of a checkpoint, ready to answer."""
    state = torch.load(path, weights_only=True, map_location=device)
    net = PetsNet(state["widths"]).to(device, memory_format=torch.channels_last)
    net.load_state_dict(state["ema"])
    return net.eval().requires_grad_(False)


class Teachers(nn.Module):
    """One or several trained networks, and the layer from a pupil's features to theirs."""

    def __init__(self, nets: Sequence[PetsNet], pupil: PetsNet) -> None:
        super().__init__()
        self._nets = list(nets)  # a plain list: they are not learnt and not stored again
        wide = sum(net.head.in_features for net in nets)
        self.bridge = nn.Linear(pupil.head.in_features, wide)
        self.norm = nn.BatchNorm1d(wide, affine=False)  # every feature counts alike

    @torch.no_grad()
    def answer(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Float pictures (n, 3, side, side) -> mean probabilities (n, 2) and all features (n, wide)."""
        with mixed(device=x.device):
            features = [net.texture_and_features(x)[1] for net in self._nets]
            chances = [net.head(f).float().softmax(1) for net, f in zip(self._nets, features, strict=True)]
        return torch.stack(chances).mean(0), self.norm(torch.cat(features, 1))

    def loss(self, x: torch.Tensor, features: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        """Cross-entropy with the teachers' answer, and one minus the cosine between hinted and true features."""
        chances, wanted = self.answer(x)
        unlike = 1 - functional.cosine_similarity(self.bridge(features), wanted, dim=1).mean()
        return functional.cross_entropy(logits, chances) + 0.3 * unlike
