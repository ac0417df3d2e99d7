"""`conv-tasnet`: learned filter bank and stacks of dilated convolutions.

Y. Luo, N. Mesgarani, "Conv-TasNet: surpassing ideal time-frequency magnitude masking for speech
separation", IEEE/ACM TASLP 27, 2019. One output, the talker.

The network works on samples. Its input, as for every network here, is a short-time Fourier
transform, with frames as long as its filters. It first transforms the frames back to samples, and
finally transforms its output samples to spectra.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from arrayenh.networks.signature import Signature
from arrayenh.stft import Stft
from arrayenh.training.models import model
from arrayenh.training.models.model import SILENCE, STRICT, Depth, Width


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Sizes of the network, named as in table I of the paper.

    Attributes
    ----------
    inputs : tuple of str
        One input; see `Signature`.
    N : int
        Number of filters of the encoder.
    L : int
        Length of the filters, samples; the hop is L / 2.
    B, H, Sc : int
        Channels of the bottleneck, of the convolutions and of the skip connections.
    P : int
        Kernel size of each convolution.
    X, R : int
        Convolutions per stack, each with twice the dilation of the one before; number of stacks.
    causal : bool
        Cumulative layer norm and no look-ahead; otherwise global layer norm.
    """

    inputs: tuple[str, ...] = ("beamformed",)
    N: Width = 512
    L: Annotated[int, Field(ge=16, le=16384, multiple_of=2)] = 32
    B: Width = 128
    H: Width = 512
    Sc: Width = 128
    P: Annotated[int, Field(ge=1, le=65)] = 3
    X: Depth = 8
    R: Depth = 3
    causal: bool = False

    __pydantic_config__ = STRICT


class Model(model.Model):
    """Conv-TasNet for one talker."""

    to_frames: Tensor
    to_spectra: Tensor
    window: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.signature = Signature(
            "conv-tasnet",
            "postfilter",
            config.inputs,
            config.L,
            config.L // 2,
            causal=config.causal,
        )
        to_frames, to_spectra = transforms(config.L)
        self.register_buffer("to_frames", to_frames, persistent=False)
        self.register_buffer("to_spectra", to_spectra, persistent=False)
        window = torch.tensor(Stft(config.L, config.L // 2, "hann").synthesis_window)
        self.register_buffer("window", window, persistent=False)
        self.encoder = nn.Linear(config.L, config.N, bias=False)
        self.norm = Norm(config.N)
        self.bottleneck = nn.Linear(config.N, config.B)
        dilations = [2**x for _ in range(config.R) for x in range(config.X)]
        self.blocks = nn.ModuleList(
            Block(config, dilation, last=k == len(dilations) - 1)
            for k, dilation in enumerate(dilations)
        )
        self.reaches = [(config.P - 1) * dilation for dilation in dilations]
        self.mask = nn.Sequential(nn.PReLU(), nn.Linear(config.Sc, config.N), nn.Sigmoid())
        self.decoder = nn.Linear(config.N, config.L, bias=False)
        if config.causal:
            self.state_names = ("past", "means", "n_frames", "gain", "tails")

    def initial_state(self, batch: int) -> tuple[Tensor, ...]:
        """State at the start of a recording: zeros."""
        if not self.config.causal:
            return ()
        zeros = self.encoder.weight.new_zeros
        return (
            zeros(batch, sum(self.reaches), self.config.H),
            zeros(batch, 1 + 2 * len(self.blocks), 2),
            zeros(batch, 1),
            zeros(batch, 2),
            zeros(batch, 2, self.config.L // 2),
        )

    def forward(
        self, spec: Tensor, state: tuple[Tensor, ...] | None = None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Enhanced spectrum (B, T, F, 2), and the state after these frames."""
        frames = spec[:, 0].flatten(2) @ self.to_frames  # (B, T, L)
        pasts: Sequence[Tensor | None] = (None,) * len(self.blocks)
        means = n_before = sums = tails = None
        if self.config.causal:
            past, means, n_before, sums, tails = state or self.initial_state(len(spec))
            pasts = past.split(self.reaches, dim=1)
        filtered = self.encoder(frames)
        moments = Moments(means, n_before, frames.shape[1])
        heard = self.bottleneck(self.norm(filtered, moments))
        across, kept = [], []
        for block, before in zip(self.blocks, pasts, strict=True):
            heard, skip, remembered = block(heard, moments, before)
            across.append(skip)
            kept.append(remembered)
        out = self.decoder(filtered * self.mask(torch.stack(across).sum(dim=0)))
        samples, tails = added(torch.stack([frames, out], dim=1) * self.window, tails)
        gain, sums = fitted(samples[:, 0], samples[:, 1], sums)
        answer = ((gain * out) @ self.to_spectra).unflatten(2, spec.shape[-2:])
        if sums is None:
            return answer, ()
        return answer, (torch.cat(kept, dim=1), *moments.after(), sums, tails)


class Moments:
    """Running means and mean squares of the layer norms, in the order of the layers.

    Parameters
    ----------
    means : Tensor, shape (B, K, 2), optional
        Means over the previous frames, for K layers. None: means over all frames are used.
    n_before : Tensor, shape (B, 1), optional
        Number of previous frames.
    n_frames : int
        Number of new frames.
    """

    def __init__(self, means: Tensor | None, n_before: Tensor | None, n_frames: int) -> None:
        self._means, self._n_before, self._layer = means, n_before, 0
        self._after: list[Tensor] = []
        if n_before is not None:
            self._n = n_before + torch.arange(1, n_frames + 1, device=n_before.device)  # (B, T)

    def of(self, x: Tensor) -> Tensor:
        """Mean and mean square for the next layer, (B, T, C) -> (B, T or 1, 2)."""
        frame = torch.stack([x.mean(dim=2), (x * x).mean(dim=2)], dim=2)  # (B, T, 2)
        if self._means is None or self._n_before is None:
            return frame.mean(dim=1, keepdim=True)
        before = self._means[:, self._layer : self._layer + 1] * self._n_before[:, :, None]
        found = (before + torch.cumsum(frame, dim=1)) / self._n[:, :, None]
        self._layer += 1
        self._after.append(found[:, -1:])
        return found

    def after(self) -> tuple[Tensor, Tensor]:
        """`means` and `n_before` for the next frames."""
        return torch.cat(self._after, dim=1), self._n[:, -1:]


class Norm(nn.Module):
    """Layer norm over channels and all frames (gLN), or the frames so far (cLN)."""

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n_channels))
        self.bias = nn.Parameter(torch.zeros(n_channels))

    def forward(self, x: Tensor, moments: Moments) -> Tensor:
        """Normalise, (B, T, C) -> (B, T, C)."""
        mean, square = moments.of(x).unbind(dim=2)
        spread = (square - mean * mean).clamp(min=0) + SILENCE
        scale = spread.rsqrt()[..., None] * self.weight
        return torch.addcmul(self.bias - mean[..., None] * scale, x, scale)


class Block(nn.Module):
    """Dilated depthwise convolution between two pointwise convolutions.

    The last block has only the skip output.

    Attributes
    ----------
    reach : int
        Number of previous frames of a causal block, or of all frames besides the present one.
    """

    def __init__(self, config: Config, dilation: int, last: bool) -> None:
        super().__init__()
        self.causal, self.reach = config.causal, (config.P - 1) * dilation
        self.wide = nn.Linear(config.B, config.H)
        self.first, self.second = nn.PReLU(), nn.PReLU()
        self.norms = nn.ModuleList([Norm(config.H), Norm(config.H)])
        self.each = nn.Conv1d(config.H, config.H, config.P, dilation=dilation, groups=config.H)
        self.narrow = None if last else nn.Linear(config.H, config.B)
        self.across = nn.Linear(config.H, config.Sc)

    def forward(
        self, x: Tensor, moments: Moments, past: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Input of the next block, skip output, and past frames for the next call."""
        heard = self.norms[0](self.first(self.wide(x)), moments)  # (B, T, H)
        if past is None:
            left = self.reach if self.causal else self.reach // 2
            past, right = heard[:, :0], (0, 0, left, self.reach - left)
            heard = functional.pad(heard, right)
        heard = torch.cat([past, heard], dim=1)
        seen = self.each(heard.transpose(1, 2)).transpose(1, 2)
        seen = self.norms[1](self.second(seen), moments)
        onwards = x if self.narrow is None else x + self.narrow(seen)
        return onwards, self.across(seen), heard[:, heard.shape[1] - self.reach :]


def added(frames: Tensor, tails: Tensor | None) -> tuple[Tensor, Tensor]:
    """Overlap-add of frames with half overlap, with the remainder for the next call.

    Parameters
    ----------
    frames : Tensor, shape (B, K, T, L)
        Windowed frames of K signals.
    tails : Tensor, shape (B, K, L/2), optional
        Remainder of the previous call; None at the start.

    Returns
    -------
    samples : Tensor, shape (B, K, T, L/2)
    tails : Tensor
    """
    begin, end = frames.chunk(2, dim=3)
    before = torch.zeros_like(end[:, :, 0]) if tails is None else tails
    earlier = torch.cat([before[:, :, None], end[:, :, :-1]], dim=2)
    return begin + earlier, end[:, :, -1]


def fitted(given: Tensor, out: Tensor, sums: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Gain that brings the output closest to the input so far, (B, T or 1, 1).

    Training by SI-SDR does not determine this gain. Both arguments are samples, (B, T, n), since
    parts of the frames may cancel in the overlap-add.
    """
    frame = torch.stack([(given * out).sum(dim=2), (out * out).sum(dim=2)], dim=2)
    if sums is None:
        found = frame.sum(dim=1, keepdim=True)
    else:
        found = sums[:, None] + torch.cumsum(frame, dim=1)
    gain = found[..., :1] / (found[..., 1:] + SILENCE)
    return gain, None if sums is None else found[:, -1]


def transforms(n: int) -> tuple[Tensor, Tensor]:
    """DFT matrices: from spectra (2F, as (F, 2)) to frames of n samples, and back."""
    k, t = torch.arange(n // 2 + 1, dtype=torch.float64), torch.arange(n, dtype=torch.float64)
    angles = 2 * torch.pi * k[:, None] * t / n
    back = torch.stack([angles.cos(), -angles.sin()], dim=1)  # (F, 2, n)
    sides = torch.full((n // 2 + 1,), 2.0, dtype=torch.float64)
    sides[0] = sides[-1] = 1
    there = back * sides[:, None, None] / n
    return there.flatten(0, 1).float(), back.flatten(0, 1).T.contiguous().float()
