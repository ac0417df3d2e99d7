"""What the chain must know of a post-filter and of a noise tracker: one record each.

`POSTFILTERS` and `NOISE_TRACKERS` hold them all, by name. Networks are post-filters, too, but
are files of weights (`arrayenh.networks.catalogue`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from arrayenh.registry import Registry
from arrayenh.statistics.noise_psd import NoiseTracker


class SpectralGain(Protocol):
    """A gain that follows the noise, frame by frame."""

    def update(self, power: np.ndarray, noise_psd: np.ndarray) -> np.ndarray:
        """Gain (F, t) of the next frames, from their power and that of the noise, (F, t) each."""


class MultichannelGain(Protocol):
    """A gain that hears all microphones."""

    def update(
        self, spec: np.ndarray, steering: np.ndarray, beamformed: np.ndarray | None = None
    ) -> np.ndarray:
        """Gain (F, t) of the next frames, from (F, M, t), (F, M) and (F, t)."""


@dataclass(frozen=True, slots=True)
class PostFilter:
    """A post-filter by its name: `gain` of one channel, or `multichannel` of all.

    Attributes
    ----------
    name : str
        In commands and files.
    label : str
        In tables and reports.
    summary : str
        One line.
    gain : callable, optional
        Of F and the least gain in dB, a `SpectralGain`.
    tracker : str
        Name of the noise tracker that it was published with.
    multichannel : callable, optional
        Of F, the time from frame to frame, the coherence of a diffuse field (F, M, M), or None
        where the array is not known, and the least gain in dB, a `MultichannelGain`.
    needs_array : bool
        Whether it has to know where the microphones are.
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
    """A noise tracker by its name, in the settings that suit a post-filter.

    Attributes
    ----------
    name, label, summary : str
        As of `PostFilter`.
    tracker : callable
        Of F and the time from frame to frame, s, a `NoiseTracker`.
    """

    name: str
    label: str
    summary: str
    tracker: Callable[[int, float], NoiseTracker]


POSTFILTERS = Registry("postfilter", PostFilter, "arrayenh.postfilters")
NOISE_TRACKERS = Registry("noise_tracker", NoiseTracking, "arrayenh.postfilters")
