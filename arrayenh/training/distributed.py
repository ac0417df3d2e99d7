"""One training on several GPUs or machines, started by torchrun.

    torchrun --nproc-per-node 4 -m arrayenh train CONFIG.toml -o DIR

Every process trains on batches of its own; gradients are averaged, so that the weights are the
same everywhere, and only the first process writes.
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
    """The processes of a training, seen from one of them.

    Attributes
    ----------
    rank, size : int
        Which one this is, from 0, and how many there are.
    device : torch.device
        On which this one computes.
    """

    rank: int = 0
    size: int = 1
    device: torch.device = torch.device("cpu")

    @property
    def leads(self) -> bool:
        """Whether this process writes files and says words."""
        return self.rank == 0

    def wrapped(self, network: nn.Module) -> nn.Module:
        """The network, its gradients averaged over all processes."""
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
        """Whether it is so in any process."""
        if self.size == 1:
            return mine
        return bool(self.total(torch.tensor([float(mine)], device=self.device)) > 0)

    def told(self, value: Told) -> Told:
        """What the first process says, in all of them."""
        if self.size == 1:
            return value
        said = [value]
        distributed.broadcast_object_list(said, src=0, device=self.device)
        return said[0]


@contextmanager
def gathered() -> Iterator[Team]:
    """The team that torchrun started, or this process alone, on a GPU where there is one."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    rank, local = int(os.environ.get("RANK", "0")), int(os.environ.get("LOCAL_RANK", "0"))
    device = torch.device("cpu")
    if torch.cuda.is_available():
        device = torch.device("cuda", local)
        torch.cuda.set_device(device)
    if size == 1:
        yield Team(device=device)
        return
    # loaded by DistributedDataParallel anyway; loaded after the group is there, it keeps hold of
    # it, whose threads then outlive Python's own end, and now and then abort the process
    import_module("torch._dynamo")
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Team(rank, size, device)
    finally:
        distributed.destroy_process_group()
