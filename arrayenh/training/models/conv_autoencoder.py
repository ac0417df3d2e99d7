"""`conv-autoencoder`: denoising autoencoder with two convolutions and two transposed ones.

The denoising autoencoder of textbooks (P. Vincent, H. Larochelle, Y. Bengio, P.-A. Manzagol,
"Extracting and composing robust features with denoising autoencoders", ICML 2008) on magnitudes
in dB, scaled to [0, 1]. The output replaces the magnitude in bins where it is lower; the phase is
kept. The bottleneck removes the fine detail of noise and of voices: the network suits short words
in white noise.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from arrayenh.networks.signature import Signature
from arrayenh.training.models import model
from arrayenh.training.models.model import (
    SQUEEZED_DB,
    STRICT,
    Frame,
    Hop,
    Width,
    by_channels,
    loudness,
    power,
    whole_level,
)

FAINT = -2.0  # initial bias: an output above the input would get no gradient
SIDE = 4  # frames and bins per value of the bottleneck


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Sizes of the network.

    Attributes
    ----------
    inputs : tuple of str
        One input; see `Signature`.
    n_fft, hop : int
    channels : tuple of int, length 2
        Channels of the two convolutions.
    """

    inputs: tuple[str, ...] = ("beamformed",)
    n_fft: Frame = 512
    hop: Hop = 128
    channels: tuple[Width, Width] = (32, 64)

    __pydantic_config__ = STRICT


class Model(model.Model):
    """Denoising autoencoder."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.signature = Signature(
            "conv-autoencoder", "postfilter", config.inputs, config.n_fft, config.hop
        )
        near, deep = config.channels
        last = nn.Conv2d(near, 1, 3, padding=1)
        if last.bias is not None:
            nn.init.constant_(last.bias, FAINT)
        self.layers = nn.Sequential(
            nn.Conv2d(1, near, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(near, deep, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(deep, deep, 3, padding=1), nn.ReLU(), nn.Upsample(scale_factor=2),
            nn.Conv2d(deep, near, 3, padding=1), nn.ReLU(), nn.Upsample(scale_factor=2),
            last, nn.Sigmoid(),
        )  # fmt: skip

    def forward(
        self, spec: Tensor, state: tuple[Tensor, ...] | None = None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Enhanced spectrum (B, T, F, 2)."""
        bin_power = power(spec[:, :1])
        picture = (1 + loudness(bin_power, whole_level(bin_power), SQUEEZED_DB)) / 2  # (B, 1, T, F)
        n_frames, n_freqs = picture.shape[2:]
        padded = functional.pad(picture, (0, -n_freqs % SIDE, 0, -n_frames % SIDE))
        wanted = self.layers(by_channels(padded))[:, 0, :n_frames, :n_freqs]
        # the bottleneck has no fine detail, so the output is only an upper limit
        change = (wanted - picture[:, 0]).clamp(max=0)
        gain = torch.pow(10.0, change * (SQUEEZED_DB / 20))
        return spec[:, 0] * gain[..., None], ()
