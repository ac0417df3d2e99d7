"""`mask-gru`: convolutions over frequency and recurrent layers over time, causal or not.

The network is independent of the array: its input is one signal, or the reference microphone, the
output of a beamformer and the noise in that output. For any array, their ratios are a measure of
how much of a bin arrives from the look direction of the beamformer. They are features beside the
magnitudes, at both ends of a U of strided convolutions. At the bottom of the U, recurrent layers
process all bands together; recurrent layers before and behind them process each band separately,
with weights shared by all bands, since the statistics of noise are similar in all bands.

K. Tan, D. Wang, "A convolutional recurrent neural network for real-time speech enhancement",
Interspeech 2018; S. Braun, I. Tashev, "Data augmentation and loss normalization for deep noise
suppression", SPECOM 2020; X. Hao, X. Su, R. Horaud, X. Li, "FullSubNet: a full-band and sub-band
fusion model for real-time single-channel speech enhancement", ICASSP 2021.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from arrayenh.networks.signature import Signature
from arrayenh.training.models import model
from arrayenh.training.models.model import (
    LEVEL_FRAMES,
    STRICT,
    Depth,
    Dropout,
    Frame,
    Hop,
    Width,
    Widths,
    compressed,
    power,
    recent_level,
    whole_level,
)

MOST_COMPLEX_GAIN = 2.0
OPEN = 0.7  # initial gain of a post-filter
N_FRAMES = 3  # kernel size in frames of the first and the last convolution
BINS = 5  # kernel size of each convolution
FINEST = 8  # channels at full resolution before the last convolution
LEAK = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Sizes of the network.

    Attributes
    ----------
    task : {"mask", "postfilter", "both"}
        A post-filter multiplies its first input by a complex mask.
    inputs : tuple of str
        See `Signature`.
    n_fft, hop : int
    synthesis : int, optional
        See `Signature`.
    causal : bool
        Frame by frame; otherwise the recurrent layers are bidirectional.
    channels : tuple of int
        Channels of the convolutions; each convolution halves the number of bins.
    bands : int
        Number of features of the recurrent layers.
    hidden : int
        Units per recurrent layer and direction.
    layers : int
    narrow : int
        Units per direction of the two layers that process every band separately; 0: no such
        layers.
    dropout : float
        Dropout between recurrent layers.
    """

    task: str = "mask"
    inputs: tuple[str, ...] = ("reference", "beamformed", "noise", "masked")
    n_fft: Frame = 2048
    hop: Hop = 512
    synthesis: Hop | None = None
    causal: bool = False
    channels: Widths = (16, 16, 24, 24, 32)
    bands: Width = 248
    hidden: Width = 160
    layers: Depth = 2
    narrow: Annotated[int, Field(ge=0, le=4096)] = 0
    dropout: Dropout = 0.0

    __pydantic_config__ = STRICT


class Model(model.Model):
    """Convolutional recurrent network."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.signature = Signature(
            "mask-gru",
            config.task,
            config.inputs,
            config.n_fft,
            config.hop,
            causal=config.causal,
            synthesis=config.synthesis,
        )
        self.n_features = len(config.inputs) * (len(config.inputs) + 1) // 2
        widths = (self.n_features, *config.channels)
        sizes = [self.signature.n_freqs]
        for _ in config.channels:
            sizes.append((sizes[-1] + 1) // 2)
        self.falling = nn.ModuleList(
            Convolution(widths[k], widths[k + 1], 1 if k else N_FRAMES)
            for k in range(len(config.channels))
        )
        self.bottom = (widths[-1], sizes[-1])
        self.alone = nn.ModuleList(
            Alone(widths[-1], config.narrow, config.causal)
            for _ in range(2 if config.narrow else 0)
        )
        self.squeeze = nn.Linear(widths[-1] * sizes[-1], config.bands)
        self.norm = nn.LayerNorm(config.bands)
        self.recurrent = nn.GRU(
            config.bands,
            config.hidden,
            config.layers,
            batch_first=True,
            dropout=config.dropout,
            bidirectional=not config.causal,
        )
        width = config.hidden * (1 if config.causal else 2)
        self.expand = nn.Linear(width, widths[-1] * sizes[-1])
        self.across = nn.ModuleList(nn.Conv2d(n, n, 1) for n in config.channels)
        upwards = (FINEST, *config.channels)
        self.rising = nn.ModuleList(
            Deconvolution(upwards[k + 1], upwards[k], sizes[k]) for k in range(len(config.channels))
        )
        self.n_parts = {"mask": 1, "postfilter": 2, "both": 3}[config.task]
        self.last = nn.Conv2d(
            FINEST + self.n_features, self.n_parts, (N_FRAMES, BINS), padding=(0, BINS // 2)
        )
        if self.n_parts > 1:
            with torch.no_grad():
                self.last.bias[-2] = OPEN  # type: ignore[index]
        if config.causal:
            alone = ("before", "after") if config.narrow else ()
            self.state_names = ("level", "recurrent", "first", "last", *alone)

    def initial_state(self, batch: int) -> tuple[Tensor, ...]:
        """State at the start of a recording: zeros."""
        if not self.config.causal:
            return ()
        zeros, n_freqs = self.expand.weight.new_zeros, self.signature.n_freqs
        alone = (zeros(batch, self.bottom[1], self.config.narrow) for _ in self.alone)
        return (
            zeros(batch, LEVEL_FRAMES, 2),
            zeros(self.config.layers, batch, self.config.hidden),
            zeros(batch, self.n_features, N_FRAMES - 1, n_freqs),
            zeros(batch, FINEST + self.n_features, N_FRAMES - 1, n_freqs),
            *alone,
        )

    def forward(
        self, spec: Tensor, state: tuple[Tensor, ...] | None = None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Mask (B, T, F), spectrum (B, T, F, 2) or both, and the state after these frames."""
        before: Sequence[Tensor | None] = (None,) * 5
        after: tuple[Tensor, ...] = ()
        bin_power = power(spec)  # (B, C, T, F)
        if self.config.causal:
            level, *before = state if state is not None else self.initial_state(len(spec))
            mean_power, level = recent_level(bin_power, level)
            after = (level,)
        else:
            mean_power = whole_level(bin_power)
        hidden, first, last, *alone = before
        alone_after: list[Tensor] = []
        features = self.features(compressed(bin_power / mean_power))
        heard, first = surrounded(features, first)
        kept = []
        for convolution in self.falling:
            heard = convolution(heard)
            kept.append(heard)
        if self.alone:
            heard, end = self.alone[0](heard, alone[0])
            alone_after.append(end)
        bands = self.norm(self.squeeze(heard.transpose(1, 2).flatten(2)))  # (B, T, bands)
        seen, hidden = self.recurrent(bands, hidden)
        risen = self.expand(seen).unflatten(2, self.bottom).transpose(1, 2)  # (B, c, T, f)
        if self.alone:
            risen, end = self.alone[1](heard + risen, alone[1])
            alone_after.append(end)
        for k in reversed(range(len(kept))):
            risen = self.rising[k](risen + self.across[k](kept[k]))
        near, last = surrounded(torch.cat([risen, features], dim=1), last)
        out = self.last(near)  # (B, 1 to 3, T, F)
        if self.config.causal:
            after = (*after, hidden, first, last, *alone_after)
        if self.n_parts == 1:
            return torch.sigmoid(out[:, 0]), after
        gain = MOST_COMPLEX_GAIN * torch.tanh(out[:, -2:] / MOST_COMPLEX_GAIN)
        filtered = complex_product(spec[:, 0], gain.permute(0, 2, 3, 1))
        if self.n_parts == 2:
            return filtered, after
        return torch.cat([torch.sigmoid(out[:, 0])[..., None], filtered], dim=-1), after

    def features(self, magnitudes: Tensor) -> Tensor:
        """Magnitudes, and for each pair the share of the first in their sum, (B, *, T, F)."""
        pairs = combinations(range(magnitudes.shape[1]), 2)
        ratios = [magnitudes[:, i] / (magnitudes[:, i] + magnitudes[:, j]) for i, j in pairs]
        return torch.cat([magnitudes, *(ratio[:, None] for ratio in ratios)], dim=1)


class Alone(nn.Module):
    """Residual recurrent layer over each band separately, with weights shared by all bands."""

    def __init__(self, n_channels: int, n_units: int, causal: bool) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(n_channels)
        self.recurrent = nn.GRU(n_channels, n_units, batch_first=True, bidirectional=not causal)
        self.out = nn.Linear(n_units * (1 if causal else 2), n_channels)

    def forward(self, x: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """Output bands (B, c, T, f), and the state (B, f, units) after them."""
        n_batch, n_bands = x.shape[0], x.shape[3]
        each = self.norm(x.permute(0, 3, 2, 1)).flatten(0, 1)  # (B f, T, c)
        before = None if state is None else state.flatten(0, 1)[None]
        seen, hidden = self.recurrent(each, before)
        more = self.out(seen).unflatten(0, (n_batch, n_bands)).permute(0, 3, 2, 1)
        return x + more, hidden[-1].unflatten(0, (n_batch, n_bands))


class Convolution(nn.Sequential):
    """Convolution that halves the number of bins."""

    def __init__(self, n_in: int, n_out: int, n_frames: int) -> None:
        super().__init__(
            nn.Conv2d(n_in, n_out, (n_frames, BINS), (1, 2), (0, BINS // 2)),
            nn.BatchNorm2d(n_out),
            nn.LeakyReLU(LEAK),
        )


class Deconvolution(nn.Sequential):
    """Transposed convolution that doubles the number of bins, to `n_bins`."""

    def __init__(self, n_in: int, n_out: int, n_bins: int) -> None:
        super().__init__(
            Interleaved(n_in, n_out, n_bins), nn.BatchNorm2d(n_out), nn.LeakyReLU(LEAK)
        )


class Interleaved(nn.ConvTranspose2d):
    """Transposed convolution with stride two over bins, as two convolutions of half the bins.

    Even and odd bins of the output see the even and the odd taps. In 16 bits this is ten times as
    fast as what torch does.
    """

    def __init__(self, n_in: int, n_out: int, n_bins: int) -> None:
        super().__init__(n_in, n_out, (1, BINS), (1, 2), (0, BINS // 2), (0, 1 - n_bins % 2))
        self.n_bins = n_bins

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Output (B, n_out, T, n_bins)."""
        taps = self.weight.flip(3)  # (n_in, n_out, 1, 5)
        even, odd = taps[..., ::2], functional.pad(taps[..., 1::2], (1, 0))
        both = torch.stack([even, odd], dim=2).flatten(1, 2).transpose(0, 1)
        assert self.bias is not None
        found = functional.conv2d(x, both, self.bias.repeat_interleave(2), padding=(0, 1))
        pairs = found.unflatten(1, (-1, 2)).permute(0, 1, 3, 4, 2)  # (B, n_out, T, f, 2)
        return pairs.flatten(3)[..., : self.n_bins]


def surrounded(x: Tensor, past: Tensor | None) -> tuple[Tensor, Tensor]:
    """Pad frames for a convolution over three frames, (B, c, T, F) -> (B, c, T + 2, F).

    A causal network is padded by the previous frames, and `past` is returned for the next call;
    otherwise one frame is added on either side.
    """
    if past is None:
        both = functional.pad(x, (0, 0, N_FRAMES // 2, N_FRAMES // 2))
    else:
        both = torch.cat([past, x], dim=2)
    return both, both[:, :, -(N_FRAMES - 1) :]


def complex_product(x: Tensor, y: Tensor) -> Tensor:
    """Product of complex numbers, (..., 2)."""
    re = x[..., 0] * y[..., 0] - x[..., 1] * y[..., 1]
    im = x[..., 0] * y[..., 1] + x[..., 1] * y[..., 0]
    return torch.stack([re, im], dim=-1)
