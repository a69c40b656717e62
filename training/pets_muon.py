"""Muon for convolutions (Jordan 2024, https://kellerjordan.github.io/posts/muon/), filter banks of fixed norm."""

from __future__ import annotations

import torch
from pets_net import quick_bfloat16


@torch.no_grad()
def orthogonal(matrix: torch.Tensor, rounds: int = 4) -> torch.Tensor:
    """The nearest matrix with singular values of about 1, by the quintic Newton-Schulz iteration; (rows, columns)."""
    x = matrix.bfloat16() if quick_bfloat16(matrix.device) else matrix
    x = x / (x.norm() + 1e-7)
    wide = x.shape[0] <= x.shape[1]
    x = x if wide else x.T
    for _ in range(rounds):
        gram = x @ x.T
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return (x if wide else x.T).float()


class Muon(torch.optim.Optimizer):
    """Momentum, made orthogonal per filter bank, scaled to ``rate`` of the bank's own norm.

    Every convolution is followed by batch norm, so only a bank's direction matters: its norm is set back to
    sqrt(output channels) after each step, which takes the place of weight decay.
    """

    def __init__(self, filters: list[torch.nn.Parameter], rate: float, momentum: float = 0.85) -> None:
        super().__init__(filters, {"rate": rate, "momentum": momentum})
        self.share = 1.0  # of the rate, set by the schedule

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            for bank in group["params"]:
                buffer = self.state[bank].setdefault("momentum", torch.zeros_like(bank))
                buffer.mul_(group["momentum"]).add_(bank.grad)
                ahead = bank.grad.add(buffer, alpha=group["momentum"])
                size = len(bank) ** 0.5
                change = orthogonal(ahead.reshape(len(bank), -1)).reshape(bank.shape)
                bank.sub_(change * (size / (change.norm() + 1e-7)) * (group["rate"] * self.share))
                bank.mul_(size / bank.norm())
