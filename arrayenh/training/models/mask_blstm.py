"""`mask-blstm`: two bidirectional LSTM layers with a ratio mask, the textbook baseline.

Erdogan, Hershey, Watanabe & Le Roux, "Phase-sensitive and recognition-boosted speech separation
using deep recurrent neural networks", ICASSP 2015; Heymann, Drude & Haeb-Umbach, "Neural
network based spectral mask estimation for acoustic beamforming", ICASSP 2016.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from arrayenh.networks.signature import Signature
from arrayenh.training.models import model
from arrayenh.training.models.model import (
    STRICT,
    Dropout,
    Frame,
    Hop,
    Width,
    compressed,
    power,
    whole_level,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Sizes of the network.

    Attributes
    ----------
    task : {"mask", "postfilter"}
        A post-filter multiplies its input by the mask.
    inputs : tuple of str
        One input; see `Signature`.
    n_fft, hop : int
    hidden : int
        Units per layer and direction.
    dropout : float
    """

    task: str = "postfilter"
    inputs: tuple[str, ...] = ("beamformed",)
    n_fft: Frame = 512
    hop: Hop = 256
    hidden: Width = 192
    dropout: Dropout = 0.2

    __pydantic_config__ = STRICT


class Model(model.Model):
    """Bidirectional LSTM network."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.signature = Signature(
            "mask-blstm", config.task, config.inputs, config.n_fft, config.hop
        )
        n_freqs = self.signature.n_freqs
        self.norm = nn.LayerNorm(n_freqs)
        self.recurrent = nn.LSTM(
            n_freqs, config.hidden, 2, batch_first=True, dropout=config.dropout, bidirectional=True
        )
        self.expand = nn.Linear(2 * config.hidden, n_freqs)

    def forward(
        self, spec: Tensor, state: tuple[Tensor, ...] | None = None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Mask (B, T, F), or spectrum (B, T, F, 2)."""
        bin_power = power(spec)
        features = compressed(bin_power / whole_level(bin_power))[:, 0]
        seen, _ = self.recurrent(self.norm(features))
        mask = torch.sigmoid(self.expand(seen))
        return (mask if self.config.task == "mask" else spec[:, 0] * mask[..., None]), ()
