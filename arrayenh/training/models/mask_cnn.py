"""`mask-cnn`: five convolutions over time and frequency with a ratio mask.

The plain convolutional denoiser of many first projects: channels 1, 32, 64, 64, 32, 1, batch
normalisation and GELU between, a sigmoid at the end. S. R. Park, J. Lee, "A fully convolutional
neural network for speech enhancement", Interspeech 2017, proposed the idea. The
convolutions are dilated (F. Yu, V. Koltun, "Multi-scale context aggregation by dilated
convolutions", ICLR 2016): five undilated ones of 3 frames and 3 bins would cover only 90 ms, in
which noise and speech look alike.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from arrayenh.networks.signature import Signature
from arrayenh.training.models import model
from arrayenh.training.models.model import (
    STRICT,
    Frame,
    Hop,
    Width,
    Widths,
    by_channels,
    compressed,
    power,
    whole_level,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Sizes of the network.

    Attributes
    ----------
    inputs : tuple of str
        One input; see `Signature`.
    n_fft, hop : int
    channels : tuple of int
        Channels between the first and the last convolution.
    kernel : int
        Kernel size in frames and bins, odd.
    dilations : tuple of (int, int)
        Dilations in frames and bins of all convolutions but the last.
    """

    inputs: tuple[str, ...] = ("beamformed",)
    n_fft: Frame = 512
    hop: Hop = 128
    channels: Widths = (32, 64, 64, 32)
    kernel: Annotated[int, Field(ge=1, le=65)] = 3
    dilations: tuple[tuple[Width, Width], ...] = ((1, 1), (2, 2), (4, 4), (8, 2))

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        if len(self.dilations) != len(self.channels):
            raise ValueError("dilations and channels must have the same length")
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel must be odd; got {self.kernel}")


class Model(model.Model):
    """Dilated convolutional network."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.signature = Signature(
            "mask-cnn", "postfilter", config.inputs, config.n_fft, config.hop
        )
        layers: list[nn.Module] = []
        widths, half = pairwise((1, *config.channels)), config.kernel // 2
        for (n_in, n_out), apart in zip(widths, config.dilations, strict=True):
            padding = (half * apart[0], half * apart[1])
            layers += [
                nn.Conv2d(n_in, n_out, config.kernel, padding=padding, dilation=apart),
                nn.BatchNorm2d(n_out),
                nn.GELU(),
            ]
        last = nn.Conv2d(config.channels[-1], 1, config.kernel, padding=half)
        self.layers = nn.Sequential(*layers, last)

    def forward(
        self, spec: Tensor, state: tuple[Tensor, ...] | None = None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Enhanced spectrum (B, T, F, 2)."""
        bin_power = power(spec[:, :1])  # (B, 1, T, F)
        picture = by_channels(compressed(bin_power / whole_level(bin_power)))
        mask = torch.sigmoid(self.layers(picture))
        return spec[:, 0] * mask[:, 0, :, :, None], ()
