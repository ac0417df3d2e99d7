"""`mask-gru`: compressed magnitudes, recurrent layers, a mask; causal or looking both ways.

One network for any microphones: it sees a signal by itself, or the reference microphone, what
a beamformer made of it, and what that took away: whose ratio tells, for any array, how much of
a bin comes from where the beamformer looks.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from arrayenh.networks.signature import Signature
from arrayenh.neural.models import model
from arrayenh.neural.models.model import (
    LEVEL_FRAMES,
    STRICT,
    compressed,
    power,
    recent_level,
    whole_level,
)

MOST_COMPLEX_GAIN = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Sizes of the network.

    Attributes
    ----------
    task : {"mask", "postfilter"}
        A post-filter multiplies its first input by a complex mask.
    inputs : tuple of str
        As of `Signature`.
    n_fft, hop : int
    causal : bool
        Frame by frame; otherwise the recurrent layers run both ways.
    bands : int
        What the bins of each input are compressed to.
    hidden : int
        Units of each recurrent layer and direction.
    layers : int
    dropout : float
        Between recurrent layers.
    """

    task: str = "mask"
    inputs: tuple[str, ...] = ("reference", "beamformed", "rest")
    n_fft: int = 2048
    hop: int = 512
    causal: bool = False
    bands: int = 128
    hidden: int = 160
    layers: int = 2
    dropout: float = 0.0

    __pydantic_config__ = STRICT


class Model(model.Model):
    """The network."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.signature = Signature(
            "mask-gru", config.task, config.inputs, config.n_fft, config.hop, causal=config.causal
        )
        n_freqs, n_inputs = self.signature.n_freqs, len(config.inputs)
        self.squeeze = nn.ModuleList(nn.Linear(n_freqs, config.bands) for _ in range(n_inputs))
        self.norm = nn.LayerNorm(n_inputs * config.bands)
        self.recurrent = nn.GRU(
            n_inputs * config.bands,
            config.hidden,
            config.layers,
            batch_first=True,
            dropout=config.dropout,
            bidirectional=not config.causal,
        )
        self.n_parts = 2 if config.task == "postfilter" else 1
        width = config.hidden * (1 if config.causal else 2)
        self.expand = nn.Linear(width, n_freqs * self.n_parts)
        if config.causal:
            self.state_names = ("level", "recurrent")

    def initial_state(self, batch: int) -> tuple[Tensor, ...]:
        """State at the start of a recording: zeros."""
        if not self.config.causal:
            return ()
        like = self.expand.weight
        return (
            like.new_zeros(batch, LEVEL_FRAMES, 2),
            like.new_zeros(self.config.layers, batch, self.config.hidden),
        )

    def forward(
        self, spec: Tensor, state: tuple[Tensor, ...] | None = None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Mask (B, T, F), or spectrum (B, T, F, 2), and the state after these frames."""
        bin_power = power(spec)  # (B, C, T, F)
        if self.config.causal:
            level_state, hidden = state if state is not None else self.initial_state(len(spec))
            level, level_state = recent_level(bin_power, level_state)
        else:
            level, hidden = whole_level(bin_power), None
        features = compressed(bin_power / level)
        parts = [squeeze(features[:, k]) for k, squeeze in enumerate(self.squeeze)]
        heard = self.norm(torch.cat(parts, dim=-1))  # (B, T, C * bands)
        seen, hidden = self.recurrent(heard, hidden)
        out = self.expand(seen)
        after = (level_state, hidden) if self.config.causal else ()
        if self.n_parts == 1:
            return torch.sigmoid(out), after
        return complex_product(spec[:, 0], bounded(out)), after


def bounded(out: Tensor) -> Tensor:
    """A complex gain of magnitude below `MOST_COMPLEX_GAIN`, (B, T, 2F) -> (B, T, F, 2)."""
    parts = out.unflatten(-1, (2, -1)).transpose(-1, -2)
    return MOST_COMPLEX_GAIN * torch.tanh(parts / MOST_COMPLEX_GAIN)


def complex_product(x: Tensor, y: Tensor) -> Tensor:
    """The product of complex numbers, (..., 2)."""
    re = x[..., 0] * y[..., 0] - x[..., 1] * y[..., 1]
    im = x[..., 0] * y[..., 1] + x[..., 1] * y[..., 0]
    return torch.stack([re, im], dim=-1)
