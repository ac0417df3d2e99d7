"""What the chain must know of a beamformer: one record in the file of each.

`BEAMFORMERS` holds them all, by name. A new one is a new file with a `Beamformer` in it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from arrayenh.beamformers.filters import Filters
from arrayenh.beamformers.weights import level_gain, limited
from arrayenh.registry import Registry
from arrayenh.statistics.lagged import apply_lagged
from arrayenh.statistics.loading import loaded
from arrayenh.statistics.transfer_functions import LEAST_HEARD, principal_direction

Update = Callable[[np.ndarray, np.ndarray | None, np.ndarray | None], np.ndarray | None]
"""Of frames (F, M, t), a speech mask (F, t) and a steering vector (F, M): the output (F, t)."""


class BeamformerSettings(Protocol):
    """Settings that beamformers read; see `arrayenh.chain.settings.Settings`."""

    @property
    def doa(self) -> float | str | None:
        """Direction of the talker, degrees."""

    @property
    def nulls(self) -> str | None:
        """Directions that are not heard, degrees, joined by commas."""

    @property
    def mu(self) -> float:
        """Noise reduction against speech distortion."""

    @property
    def partial(self) -> float:
        """Share of the noise that stays where it was."""

    @property
    def frames(self) -> int:
        """Frames that a filter spans."""

    @property
    def loading(self) -> float | None:
        """Relative diagonal loading; None: what is usual."""

    @property
    def memory_seconds(self) -> float:
        """Time constant of recursive statistics."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """Where an array looks.

    Attributes
    ----------
    positions : float64 ndarray, shape (M, 3)
        Metres.
    freqs : float64 ndarray, shape (F,)
        Hz.
    reference : int
    azimuth : float
        Radians.
    steering_of : callable
        Steering vector (F, M) of an azimuth, radians: far away, nearby or around a head.
    """

    positions: np.ndarray
    freqs: np.ndarray
    reference: int
    azimuth: float
    steering_of: Callable[[float], np.ndarray]


@dataclass(frozen=True, slots=True, eq=False)
class Statistics:
    """The bins of a segment that hold sound, and what is known of them.

    Attributes
    ----------
    spec : complex64 ndarray, shape (F, M, T)
    mask : float32 ndarray, shape (F, T)
        Speech, in [0, 1].
    speech_cov, noise_cov : complex128 ndarray, shape (F, M, M)
    loading : float64 ndarray, shape (F,)
        Relative, of the noise covariance; `limited` leaves here what was needed.
    reference : int
    steering : complex128 ndarray, shape (F, M), optional
    design : ndarray, shape (F, ...), optional
        What the record's `design` made of the look direction.
    ears : pair of int, optional
        Microphones at the left and the right ear.
    """

    spec: np.ndarray
    mask: np.ndarray
    speech_cov: np.ndarray
    noise_cov: np.ndarray
    loading: np.ndarray
    reference: int
    steering: np.ndarray | None = None
    design: np.ndarray | None = None
    ears: tuple[int, int] | None = None

    def limited(self, estimate: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
        """Weights of `estimate(bins, loaded noise covariance)` of bounded noise gain."""
        weights, self.loading[:] = limited(
            lambda bins, loading: estimate(bins, loaded(self.noise_cov[bins], loading)),
            self.loading,
        )
        return weights

    def levelled(self, weights: np.ndarray) -> np.ndarray:
        """Weights with the speech level of the reference microphone."""
        return weights * level_gain(weights, self.speech_cov, self.reference)

    def levelled_filters(self, weights: np.ndarray, delays: tuple[int, ...]) -> Filters:
        """Filters over several frames with the speech level of the reference microphone."""
        output = apply_lagged(weights, self.spec, delays)
        speech = self.mask**2
        before = np.sum(speech * np.abs(self.spec[:, self.reference]) ** 2, dtype=np.float64)
        after = np.sum(speech * np.abs(output) ** 2, dtype=np.float64)
        gain = np.sqrt(before / after) if after > 0 else 1.0
        return Filters((gain * weights)[..., None], delays)

    @property
    def towards(self) -> np.ndarray:
        """Steering vector, or the talker's relative transfer function where there is none."""
        if self.steering is not None:
            return self.steering
        found = principal_direction(self.speech_cov, loaded(self.noise_cov, self.loading), 0.0)
        at = found[:, self.reference : self.reference + 1]
        alone = np.zeros_like(found)
        alone[:, self.reference] = 1  # where the reference does not hear the talker: nobody else
        return np.where(np.abs(at) > LEAST_HEARD, found / np.where(at == 0, 1, at), alone)


@dataclass(frozen=True, slots=True)
class Stream:
    """What a beamformer must know to go frame by frame.

    Attributes
    ----------
    n_freqs, n_mics : int
    hop_seconds : float
        Time from frame to frame, s.
    reference : int
    """

    n_freqs: int
    n_mics: int
    hop_seconds: float
    reference: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Beamformer:
    """A beamformer by its name.

    Attributes
    ----------
    name : str
        In commands and files.
    label : str
        In tables and reports.
    summary : str
        One line.
    estimate : callable
        Filters of a segment from its `Statistics` and the settings.
    steering : {"blind", "optional", "required"}
        Whether geometry steers it: never, where a direction is given, or always.
    fixed : bool
        Whether it is designed from geometry alone and learns nothing from the recording; where
        no direction is given it looks for the talker.
    two_ears : bool
        Whether it has two outputs, left and right.
    takes : tuple of str
        Settings that are for this beamformer and refused with others.
    design : callable, optional
        Of a `Look` and the settings, what does not depend on the recording, shape (F, ...).
    recursive : callable, optional
        Of a `Stream` and the settings, its form frame by frame.
    """

    name: str
    label: str
    summary: str
    estimate: Callable[[Statistics, Any], Filters]
    steering: Literal["blind", "optional", "required"] = "blind"
    fixed: bool = False
    two_ears: bool = False
    takes: tuple[str, ...] = ()
    design: Callable[[Look, Any], np.ndarray | None] | None = None
    recursive: Callable[[Stream, Any], Update] | None = None


BEAMFORMERS = Registry("beamformer", Beamformer, "arrayenh.beamformers")
