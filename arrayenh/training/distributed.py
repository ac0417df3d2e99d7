"""Distributed training on several GPUs or machines, started by torchrun.

    torchrun --nproc-per-node 4 -m arrayenh train CONFIG.toml -o DIR

Every process trains on its own batches. Gradients are averaged, so the weights are the same in all
processes. Only the first process writes files.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TypeVar

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

Told = TypeVar("Told")


@dataclass(frozen=True, slots=True)
class Team:
    """Group of the processes of a training, as seen by one process.

    Attributes
    ----------
    rank, size : int
        Index of this process, from 0, and number of processes.
    device : torch.device
        Device of this process.
    """

    rank: int = 0
    size: int = 1
    device: torch.device = torch.device("cpu")

    @property
    def leads(self) -> bool:
        """Whether this process writes files and messages."""
        return self.rank == 0

    def wrapped(self, network: nn.Module) -> nn.Module:
        """Wrap a network so that its gradients are averaged over all processes."""
        if self.size == 1:
            return network
        on_gpu = self.device.type == "cuda"
        return DistributedDataParallel(network, [self.device] if on_gpu else None)

    def mean(self, values: Tensor) -> Tensor:
        """Mean over the processes."""
        return self.total(values) / self.size

    def total(self, values: Tensor) -> Tensor:
        """Sum over the processes."""
        if self.size > 1:
            values = values.clone()
            distributed.all_reduce(values)
        return values

    def any(self, mine: bool) -> bool:
        """Whether a condition is true in any process."""
        if self.size == 1:
            return mine
        return bool(self.total(torch.tensor([float(mine)], device=self.device)) > 0)

    def told(self, value: Told) -> Told:
        """Broadcast a value of the first process to all processes."""
        if self.size == 1:
            return value
        said = [value]
        distributed.broadcast_object_list(said, src=0, device=self.device)
        return said[0]


@contextmanager
def gathered() -> Iterator[Team]:
    """Team of the processes that torchrun started, or of this process, on a GPU if available."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    rank, local = int(os.environ.get("RANK", "0")), int(os.environ.get("LOCAL_RANK", "0"))
    device = torch.device("cpu")
    if torch.cuda.is_available():
        device = torch.device("cuda", local)
        torch.cuda.set_device(device)
    if size == 1:
        yield Team(device=device)
        return
    # DistributedDataParallel loads this module anyway. If it is loaded after the group is created,
    # it keeps a reference: the threads of the group outlive the interpreter and may abort it.
    import_module("torch._dynamo")
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Team(rank, size, device)
    finally:
        distributed.destroy_process_group()
