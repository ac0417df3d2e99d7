"""The `Beamformer` record, which describes a beamformer to the chain.

The registry `BEAMFORMERS` holds all records by name. To add a beamformer, add a file that defines
a `Beamformer`.
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
"""Maps frames (F, M, t), a speech mask (F, t) and a steering vector (F, M) to outputs (F, O, t)."""


class BeamformerSettings(Protocol):
    """Settings that beamformers read; see `arrayenh.chain.settings.Settings`."""

    @property
    def doa(self) -> float | str | None:
        """Direction of the talker, degrees."""

    @property
    def nulls(self) -> str | None:
        """Directions of nulls, degrees, joined by commas."""

    @property
    def mu(self) -> float:
        """Trade-off of noise reduction against speech distortion."""

    @property
    def partial(self) -> float:
        """Share of unprocessed noise that is kept."""

    @property
    def frames(self) -> int:
        """Length of a filter, frames."""

    @property
    def loading(self) -> float | None:
        """Relative diagonal loading; None: the default."""

    @property
    def memory_seconds(self) -> float:
        """Time constant of recursive statistics, s."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """Look direction of an array.

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
        Returns the steering vector (F, M) of an azimuth, radians: far field, near field or around
        a head.
    """

    positions: np.ndarray
    freqs: np.ndarray
    reference: int
    azimuth: float
    steering_of: Callable[[float], np.ndarray]


@dataclass(frozen=True, slots=True, eq=False)
class Statistics:
    """Statistics of the valid bins of a segment: those that hold sound.

    Attributes
    ----------
    spec : complex64 ndarray, shape (F, M, T)
    mask : float32 ndarray, shape (F, T)
        Speech mask, in [0, 1].
    speech_cov, noise_cov : complex128 ndarray, shape (F, M, M)
    loading : float64 ndarray, shape (F,)
        Relative loading of the noise covariance; `limited` increases it where needed.
    reference : int
    steering : complex128 ndarray, shape (F, M), optional
    design : ndarray, shape (F, ...), optional
        Result of the record's `design` for the look direction.
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
        """Compute weights by `estimate(bins, loaded noise covariance)`, limiting the noise gain."""
        weights, self.loading[:] = limited(
            lambda bins, loading: estimate(bins, loaded(self.noise_cov[bins], loading)),
            self.loading,
        )
        return weights

    def levelled(self, weights: np.ndarray) -> np.ndarray:
        """Scale weights to the speech level of the reference microphone."""
        return weights * level_gain(weights, self.speech_cov, self.reference)

    def levelled_filters(self, weights: np.ndarray, delays: tuple[int, ...]) -> Filters:
        """Scale multi-frame filters to the speech level of the reference microphone."""
        output = apply_lagged(weights, self.spec, delays)
        speech = self.mask**2
        before = np.sum(speech * np.abs(self.spec[:, self.reference]) ** 2, dtype=np.float64)
        after = np.sum(speech * np.abs(output) ** 2, dtype=np.float64)
        gain = np.sqrt(before / after) if after > 0 else 1.0
        return Filters((gain * weights)[..., None], delays)

    @property
    def towards(self) -> np.ndarray:
        """Steering vector, or the talker's relative transfer function if nothing is steered."""
        if self.steering is not None:
            return self.steering
        found = principal_direction(self.speech_cov, loaded(self.noise_cov, self.loading), 0.0)
        at = found[:, self.reference : self.reference + 1]
        alone = np.zeros_like(found)
        alone[:, self.reference] = 1  # if no speech reaches the reference, it alone is used
        return np.where(np.abs(at) > LEAST_HEARD, found / np.where(at == 0, 1, at), alone)


@dataclass(frozen=True, slots=True)
class Stream:
    """Parameters of the stream for a recursive beamformer.

    Attributes
    ----------
    n_freqs, n_mics : int
    hop_seconds : float
        Time from frame to frame, s.
    reference : int
    ears : pair of int, optional
        Microphones at the left and the right ear.
    """

    n_freqs: int
    n_mics: int
    hop_seconds: float
    reference: int = 0
    ears: tuple[int, int] | None = None

    @property
    def outputs(self) -> tuple[int, ...]:
        """Microphones at which speech is estimated: the reference, or one at each ear."""
        return self.ears or (self.reference,)


@dataclass(frozen=True, slots=True, eq=False)
class Beamformer:
    """Description of a beamformer: its names, its functions and its requirements.

    Attributes
    ----------
    name : str
        Name in commands and files.
    label : str
        Label in tables and reports.
    summary : str
        One line for the help.
    estimate : callable
        Maps the `Statistics` of a segment and the settings to `Filters`.
    steering : {"blind", "optional", "required"}
        Whether geometry steers it: never, if a direction is given, or always.
    fixed : bool
        Whether the weights depend on geometry alone, not on statistics of the recording. If no
        direction is given, the talker is localised.
    two_ears : bool
        Whether it has two outputs, left and right.
    takes : tuple of str
        Settings that only this beamformer accepts.
    design : callable, optional
        Maps a `Look` and the settings to the fixed part of the design, shape (F, ...).
    recursive : callable, optional
        Maps a `Stream` and the settings to the frame-by-frame form.
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
