"""The moving average of weights: what is measured, kept and exported."""

from copy import deepcopy

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class Ema:
    """Exponential moving average of a network's weights.

        w̄ ← β w̄ + (1 - β) w,   β = min(decay, (1 + n) / (10 + n)),   n = averages before

    so that the first steps, far from the goal, are soon forgotten.

    Parameters
    ----------
    network : nn.Module
    decay : float

    Attributes
    ----------
    network : nn.Module
        A copy with the averaged weights; buffers are the last ones.
    n_averaged : int
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay, self.n_averaged = decay, 0
        self.network = deepcopy(network).requires_grad_(False).eval()

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take in the weights after a step."""
        decay = min(self.decay, (1 + self.n_averaged) / (10 + self.n_averaged))
        averages, weights = list(self.network.parameters()), list(network.parameters())
        get_ema_multi_avg_fn(decay)(averages, weights, self.n_averaged)
        for kept, now in zip(self.network.buffers(), network.buffers(), strict=True):
            kept.copy_(now)
        self.n_averaged += 1
