"""Where to listen: steering vectors of a session, from a direction that is given or found."""

from itertools import groupby

import numpy as np

from arrayenh.acoustics.coherence import diffuse_coherence
from arrayenh.acoustics.rigid_sphere import sphere_wave
from arrayenh.acoustics.steering import direction, plane_wave, spherical_wave
from arrayenh.beamformers.filter_and_sum import beam_of_width
from arrayenh.chain.settings import FIXED, EnhanceConfig, numbers
from arrayenh.localisation.srp_phat import localise
from arrayenh.microphones.geometry import MicArray

MOST_SHOWN = 12  # directions in the log


class Look:
    """The direction of the talker, and what follows from it.

    Parameters
    ----------
    config : EnhanceConfig
    array : MicArray, optional
        Without it, or without a direction, there is no steering.
    reference : int
    freqs : float ndarray, shape (F,)
        Hz.

    Attributes
    ----------
    steering : complex128 ndarray, shape (F, M), or None
    nulls : complex128 ndarray, shape (F, M, K), or None
    diffuse : float64 ndarray, shape (F, M, M), or None
        For the superdirective beamformer.
    beam : complex128 ndarray, shape (F, M), or None
        Weights of the filter-and-sum beamformer.
    """

    def __init__(
        self, config: EnhanceConfig, array: MicArray | None, reference: int, freqs: np.ndarray
    ) -> None:
        self.config, self.array, self.reference, self.freqs = config, array, reference, freqs
        self.azimuths_deg: list[float] = []
        self.steering: np.ndarray | None = None
        self.nulls: np.ndarray | None = None
        self.diffuse: np.ndarray | None = None
        self.beam: np.ndarray | None = None
        steered = config.doa is not None or config.beamformer in FIXED
        self._positions = array.positions if array is not None and steered else None
        if self._positions is None:
            return
        if config.beamformer == "superdirective":
            self.diffuse = diffuse_coherence(self._positions, freqs)
        if config.nulls is not None:
            angles = [float(np.deg2rad(null)) for null in numbers("nulls", config.nulls)]
            self.nulls = np.stack([self._wave(angle) for angle in angles], axis=2)
        if isinstance(config.doa, int | float):
            self.towards(float(np.deg2rad(config.doa)))

    @property
    def auto(self) -> bool:
        """Whether the direction has to be found."""
        return self._positions is not None and not isinstance(self.config.doa, int | float)

    @property
    def given(self) -> bool:
        """Whether the direction is known beforehand."""
        return self.steering is not None and not self.auto

    def turn(self, spec: np.ndarray, mask: np.ndarray | None) -> None:
        """Find the direction in a segment, if it is not known."""
        if not self.auto:
            return
        assert self._positions is not None
        azimuth = localise(spec, self._positions, self.freqs, mask)
        self.azimuths_deg.append(float(np.rad2deg(azimuth)))
        self.towards(azimuth)

    def towards(self, azimuth: float) -> None:
        """Look in a direction, radians."""
        assert self._positions is not None
        self.steering = self._wave(azimuth)
        if self.config.beamformer == "filter-and-sum":
            self.beam = beam_of_width(
                self._positions, azimuth, self.freqs, reference=self.reference
            )

    def summary(self) -> list[str]:
        """What there is to say at the end."""
        if not self.azimuths_deg:
            return []
        found = [f"{azimuth:.0f}" for azimuth in self.azimuths_deg]
        turns = [angle for angle, _ in groupby(found)]
        shown = ", ".join(turns[:MOST_SHOWN]) + ", ..." * (len(turns) > MOST_SHOWN)
        return [f"direction of the talker: {shown} degrees"]

    def _wave(self, azimuth: float) -> np.ndarray:
        """Steering vector of a direction as the settings have it: far, near, around a head."""
        assert self._positions is not None
        if self.config.distance is not None:
            source = self.config.distance * direction(azimuth)
            return spherical_wave(self._positions, source, self.freqs, reference=self.reference)
        wave = sphere_wave if self.config.head else plane_wave
        return wave(self._positions, azimuth, self.freqs, reference=self.reference)
