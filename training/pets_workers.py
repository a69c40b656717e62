"""Several workers train copies of one network and average their weights every few steps (local SGD, Stich 2019).

One thread each and a meeting now and then wastes less of a busy machine than many threads that wait for each other in
every convolution.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable

import torch


class Gang:
    """The meeting place of `size` workers; `mean` must be called by all of them equally often."""

    def __init__(self, size: int, numbers: int) -> None:
        self.size = size
        self._desk = torch.zeros(size, numbers).share_memory_()
        self._door = multiprocessing.get_context("spawn").Barrier(size)

    @torch.no_grad()
    def mean(self, rank: int, tensors: Iterable[torch.Tensor]) -> None:
        """Replace the values of `tensors` by their mean over all workers."""
        if self.size == 1:
            return
        tensors = list(tensors)
        flat = torch.cat([t.reshape(-1) for t in tensors])
        self._desk[rank, : len(flat)] = flat
        self._door.wait(timeout=3600)
        values = self._desk[:, : len(flat)].mean(0)
        self._door.wait(timeout=3600)
        for tensor, part in zip(tensors, values.split([t.numel() for t in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))


def run(work: Callable, gang: Gang, *args) -> None:
    """Call `work(rank, gang, *args)` in as many processes as the gang has workers; worker 0 is this process."""
    context = multiprocessing.get_context("spawn")
    others = [context.Process(target=work, args=(rank, gang, *args), daemon=True) for rank in range(1, gang.size)]
    for process in others:
        process.start()
    work(0, gang, *args)
    for process in others:
        process.join()
