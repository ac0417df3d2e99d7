"""`unet`: U-Net that estimates the noise in a spectrogram.

The input is the magnitude in dB, scaled to [-1, 1]. The output is the attenuation, noisy minus
clean, up to 25 dB, as -1 to 1. O. Ronneberger, P. Fischer, T. Brox, "U-Net: convolutional
networks for biomedical image segmentation", MICCAI 2015. The batch normalisation, without which
training is slow or fails, is that of A. Jansson et al., "Singing voice separation with deep U-Net
convolutional networks", ISMIR 2017. Weights are initialised as in K. He et al., "Delving deep into
rectifiers", ICCV 2015.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from arrayenh.networks.signature import Signature
from arrayenh.training.models import model
from arrayenh.training.models.model import (
    NOISE_DB,
    STRICT,
    Dropout,
    Frame,
    Hop,
    Widths,
    by_channels,
    loudness,
    power,
    whole_level,
)

LEAK = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Sizes of the network.

    Attributes
    ----------
    inputs : tuple of str
        One input; see `Signature`.
    n_fft, hop : int
    channels : tuple of int
        Channels of the five pairs of convolutions; the picture is halved between pairs.
    dropout : float
        Dropout in the two deepest pairs.
    """

    inputs: tuple[str, ...] = ("beamformed",)
    n_fft: Frame = 512
    hop: Hop = 128
    channels: Widths = (16, 32, 64, 128, 256)
    dropout: Dropout = 0.5

    __pydantic_config__ = STRICT


class Model(model.Model):
    """U-Net."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.signature = Signature("unet", "postfilter", config.inputs, config.n_fft, config.hop)
        widths = (1, *config.channels)
        n_pairs = len(config.channels)
        self.falling = nn.ModuleList(Pair(widths[k], widths[k + 1]) for k in range(n_pairs))
        self.rising = nn.ModuleList(Pair(2 * widths[k], widths[k]) for k in range(1, n_pairs))
        self.narrow = nn.ModuleList(
            nn.Conv2d(widths[k + 1], widths[k], 3, padding=1) for k in range(1, n_pairs)
        )
        self.dropout = nn.Dropout(config.dropout)
        self.last = nn.Conv2d(widths[1], 1, 1)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d) and layer.bias is not None:
                nn.init.kaiming_normal_(layer.weight, LEAK)
                nn.init.zeros_(layer.bias)

    def forward(
        self, spec: Tensor, state: tuple[Tensor, ...] | None = None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Enhanced spectrum (B, T, F, 2)."""
        bin_power = power(spec[:, :1])
        picture = loudness(bin_power, whole_level(bin_power))  # (B, 1, T, F)
        n_frames, n_freqs = picture.shape[2:]
        side = 2 ** (len(self.falling) - 1)
        heard = functional.pad(picture, (0, -n_freqs % side, 0, -n_frames % side), value=-1.0)
        heard = by_channels(heard)
        kept = []
        for k, pair in enumerate(self.falling):
            heard = pair(functional.max_pool2d(heard, 2) if k else heard)
            if k >= len(self.falling) - 2:
                heard = self.dropout(heard)
            kept.append(heard)
        for k in reversed(range(len(self.rising))):
            wide = self.narrow[k](functional.interpolate(heard, scale_factor=2))
            heard = self.rising[k](torch.cat([kept[k], wide], dim=1))
        noise = torch.tanh(self.last(heard))[:, 0, :n_frames, :n_freqs]  # noisy minus clean
        gain = torch.pow(10.0, -noise * (NOISE_DB / 20))
        return spec[:, 0] * gain[..., None], ()


class Pair(nn.Sequential):
    """Pair of convolutions."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__(
            nn.Conv2d(n_in, n_out, 3, padding=1),
            nn.BatchNorm2d(n_out),
            nn.LeakyReLU(LEAK),
            nn.Conv2d(n_out, n_out, 3, padding=1),
            nn.BatchNorm2d(n_out),
            nn.LeakyReLU(LEAK),
        )
