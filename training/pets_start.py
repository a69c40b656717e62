"""Begin where a shipped weight file ended: its plain convolutions get their batch norms back.

In the file every batch norm is folded into the convolution before it. Here each bank of filters is set to the norm that
the optimiser keeps, and the batch norm behind it to statistics measured on `pictures` and to the scale and shift that
undo both: the network answers what it answered, and can be trained on.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from pets_augment import to_float
from pets_net import PetsNet

from helpers.pets_network import read_weights


@torch.no_grad()
def begin_with(net: PetsNet, path: Path, pictures: np.ndarray) -> None:
    """Fill `net` with the weights of `path` (any checksum); pictures uint8 (n, 96, 96, 3) give the statistics."""
    kernels = {name: torch.from_numpy(array) for name, array in read_weights(path, sha256=None).kernels.items()}
    hooks = []
    for name, layer in net.convolutions().items():
        conv, norm = layer.conv, layer.norm
        kernel, bias = kernels[f"{name}/kernel"].permute(3, 2, 0, 1), kernels[f"{name}/bias"]
        size = len(kernel) ** 0.5 / kernel.norm()  # the optimiser keeps this norm
        conv.weight.copy_(kernel * size)

        def measure(norm, inputs, size=size, bias=bias):
            norm.running_mean.copy_(inputs[0].mean((0, 2, 3)))
            norm.running_var.copy_(inputs[0].var((0, 2, 3)))
            norm.weight.copy_(torch.sqrt(norm.running_var + norm.eps) / size)
            norm.bias.copy_(bias + norm.running_mean / size)

        hooks.append(norm.register_forward_pre_hook(measure))
    net.head.weight.copy_(kernels["head/kernel"].T)
    net.head.bias.copy_(kernels["head/bias"])
    net.eval()
    net(to_float(torch.from_numpy(np.ascontiguousarray(pictures))).contiguous(memory_format=torch.channels_last))
    for hook in hooks:
        hook.remove()
