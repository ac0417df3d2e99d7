"""The `PostFilter` and `NoiseTracking` records.

`POSTFILTERS` and `NOISE_TRACKERS` hold all records by name. Post-filter networks are files,
listed in `arrayenh.networks.catalogue`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from arrayenh.registry import Registry
from arrayenh.statistics.noise_psd import NoiseTracker


class SpectralGain(Protocol):
    """A single-channel spectral gain, frame by frame."""

    def update(self, power: np.ndarray, noise_psd: np.ndarray) -> np.ndarray:
        """Compute the gain of the next frames from their power and noise PSD, (F, t) each."""


class MultichannelGain(Protocol):
    """A spectral gain from all microphones, frame by frame."""

    def update(
        self, spec: np.ndarray, steering: np.ndarray, beamformed: np.ndarray | None = None
    ) -> np.ndarray:
        """Compute the gain (F, t) of the next frames; shapes (F, M, t), (F, M) and (F, t)."""


@dataclass(frozen=True, slots=True)
class PostFilter:
    """Description of a post-filter: a single-channel `gain`, or a `multichannel` one.

    Attributes
    ----------
    name : str
        Name in commands and files.
    label : str
        Label in tables and reports.
    summary : str
        One line for the help.
    gain : callable, optional
        Maps F and the least gain in dB to a `SpectralGain`.
    tracker : str
        Name of the noise tracker of its publication.
    multichannel : callable, optional
        Maps F, the time from frame to frame, the coherence of a diffuse field (F, M, M), or
        None if the array is unknown, and the least gain in dB to a `MultichannelGain`.
    needs_array : bool
        Whether it needs the microphone positions.
    """

    name: str
    label: str
    summary: str
    gain: Callable[[int, float], SpectralGain] | None = None
    tracker: str = "spp"
    multichannel: Callable[[int, float, np.ndarray | None, float], MultichannelGain] | None = None
    needs_array: bool = False


@dataclass(frozen=True, slots=True)
class NoiseTracking:
    """Description of a noise tracker, with settings for a post-filter.

    Attributes
    ----------
    name, label, summary : str
        See `PostFilter`.
    tracker : callable
        Maps F and the time from frame to frame, s, to a `NoiseTracker`.
    """

    name: str
    label: str
    summary: str
    tracker: Callable[[int, float], NoiseTracker]


POSTFILTERS = Registry("postfilter", PostFilter, "arrayenh.postfilters")
NOISE_TRACKERS = Registry("noise_tracker", NoiseTracking, "arrayenh.postfilters")
