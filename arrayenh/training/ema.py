"""Moving average of the weights, which is evaluated, saved and exported."""

from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class Ema:
    """Exponential moving average of a network's weights.

        w̄ ← β w̄ + (1 - β) w,   β = min(decay, (1 + n) / (10 + n)),   n = previous averages

    so that the first steps, far from convergence, are soon forgotten.

    Parameters
    ----------
    network : nn.Module
    decay : float

    Attributes
    ----------
    network : nn.Module
        Copy with the averaged weights. Buffers are averaged too, since the statistics of batch
        normalisation belong to the weights; integer counters keep their last value.
    n_averaged : int
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay, self.n_averaged = decay, 0
        self.network = deepcopy(network).requires_grad_(False).eval()

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Update the average with the weights after a step."""
        decay = min(self.decay, (1 + self.n_averaged) / (10 + self.n_averaged))
        averages, values = [], []
        for kept, now in zip(tensors(self.network), tensors(network), strict=True):
            if now.is_floating_point():
                averages.append(kept)
                values.append(now)
            else:
                kept.copy_(now)
        get_ema_multi_avg_fn(decay)(averages, values, self.n_averaged)
        self.n_averaged += 1


def tensors(network: nn.Module) -> list[Tensor]:
    """Weights and buffers of a network."""
    return [*network.parameters(), *network.buffers()]
