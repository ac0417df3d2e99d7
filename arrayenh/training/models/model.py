"""Base class of all networks, and features of spectra."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from arrayenh.networks.signature import Signature

COMPRESSION = 0.3  # exponent of magnitudes
LEVEL_FRAMES = 192  # window of the input level of a causal network
STRICT = {"extra": "forbid"}  # for every Config: pydantic rejects unknown keys
Width = Annotated[int, Field(ge=1, le=4096)]  # units, channels, features of a layer
Depth = Annotated[int, Field(ge=1, le=16)]  # layers
Frame = Annotated[int, Field(ge=16, le=16384)]  # samples
Hop = Annotated[int, Field(ge=1, le=8192)]  # samples
Dropout = Annotated[float, Field(ge=0, lt=1)]
Widths = Annotated[tuple[Width, ...], Field(min_length=1, max_length=16)]
RANGE_DB = 80.0  # range of spectrograms as pictures
SQUEEZED_DB = 60.0  # range of the spectrograms of an autoencoder
NOISE_DB = 25.0  # largest difference of noisy and clean spectrograms
ABOVE_DB = 30.0  # level of the loudest bins above the mean
SILENCE = 1e-12  # smallest power that defines a level


class Model(nn.Module):
    """A network from spectra to a mask or a spectrum; see `Signature` for shapes.

    Attributes
    ----------
    signature : Signature
    state_names : tuple of str
        Names of the states that a causal network keeps between blocks of frames.
    """

    signature: Signature
    state_names: tuple[str, ...] = ()

    def initial_state(self, batch: int) -> tuple[Tensor, ...]:
        """State at the start of a recording: zeros."""
        return ()

    def forward(
        self, spec: Tensor, state: tuple[Tensor, ...] | None = None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Output of the next frames, and the state after them."""
        raise NotImplementedError


def power(spec: Tensor) -> Tensor:
    """Power |x|², (..., 2) -> (...)."""
    return spec[..., 0] * spec[..., 0] + spec[..., 1] * spec[..., 1]


def compressed(bin_power: Tensor) -> Tensor:
    """Compressed magnitude |x|^0.3 from |x|², with a finite slope at zero."""
    return (bin_power + SILENCE) ** (COMPRESSION / 2)


def loudness(bin_power: Tensor, level: Tensor, range_db: float = RANGE_DB) -> Tensor:
    """Power in dB from `range_db` below to 30 dB above the level, scaled to -1 to 1."""
    decibels = 10 * torch.log10(bin_power / level + SILENCE)
    return ((decibels - ABOVE_DB) * (2 / range_db) + 1).clamp(-1, 1)


def by_channels(picture: Tensor) -> Tensor:
    """Copy (B, C, T, F) to channels-last memory, in which convolutions are faster."""
    return picture.to(memory_format=torch.channels_last)


def whole_level(bin_power: Tensor) -> Tensor:
    """Mean power of the first signal over all frames and bins, (B, C, T, F) -> (B, 1, 1, 1)."""
    return bin_power[:, :1].mean(dim=(2, 3), keepdim=True) + SILENCE


def recent_level(bin_power: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
    """Mean power of the first signal over the last frames, including the present one.

    Parameters
    ----------
    bin_power : Tensor, shape (B, C, T, F)
    past : Tensor, shape (B, LEVEL_FRAMES, 2)
        Power of each previous frame, and 1 for frames that exist.

    Returns
    -------
    level : Tensor, shape (B, 1, T, 1)
    past : Tensor
        `past` for the next frames.
    """
    frame = bin_power[:, 0].mean(dim=-1)  # (B, T)
    now = torch.stack([frame, torch.ones_like(frame)], dim=-1)
    both = torch.cat([past, now], dim=1)
    total = torch.cumsum(torch.nn.functional.pad(both, (0, 0, 1, 0)), dim=1)
    n_frames = frame.shape[1]
    window = total[:, -n_frames:] - total[:, 1 : n_frames + 1]  # the last LEVEL_FRAMES of each
    level = window[..., 0] / window[..., 1] + SILENCE
    return level[:, None, :, None], both[:, -LEVEL_FRAMES:]
