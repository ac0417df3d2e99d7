"""Direction of the talker, given or estimated, and the steering vector towards it."""

import numpy as np

from arrayenh.acoustics.coherence import diffuse_coherence
from arrayenh.acoustics.rigid_sphere import sphere_wave
from arrayenh.acoustics.steering import direction, plane_wave, spherical_wave
from arrayenh.beamformers.beamformer import Look
from arrayenh.chain.settings import Settings
from arrayenh.localisation.srp_phat import localise
from arrayenh.masks.directional import DirectionalMasks
from arrayenh.microphones.geometry import MicArray

MOST_SHOWN = 12  # directions listed in the log


class TalkerDirection:
    """The direction of the talker, and the steering vector towards it.

    Parameters
    ----------
    settings : Settings
    array : MicArray, optional
        If it or the direction is missing, nothing is steered.
    reference : int
    freqs : float ndarray, shape (F,)
        Hz.

    Attributes
    ----------
    steering : complex128 ndarray, shape (F, M), or None
    design : ndarray, shape (F, ...), or None
        Fixed part of the beamformer for this direction; see `Beamformer.design`.
    """

    def __init__(
        self, settings: Settings, array: MicArray | None, reference: int, freqs: np.ndarray
    ) -> None:
        self.settings, self.reference, self.freqs = settings, reference, freqs
        self._turns: list[int] = []
        self._azimuth_deg: float | None = None
        self.steering: np.ndarray | None = None
        self.design: np.ndarray | None = None
        beamforming = settings.beamforming
        steered = settings.doa is not None or (beamforming and beamforming.fixed)
        self.positions = array.positions if array is not None and steered else None
        if self.positions is not None and settings.direction_given:
            self.look(float(np.deg2rad(float(settings.doa or 0.0))))

    @property
    def auto(self) -> bool:
        """Whether the direction has to be estimated."""
        return self.positions is not None and not self.settings.direction_given

    @property
    def azimuth_deg(self) -> float | None:
        """Azimuth of the look direction, degrees; None if nothing is steered."""
        return self._azimuth_deg

    def guide(self) -> DirectionalMasks | None:
        """Directional masks, if the direction is known; else None."""
        if self.steering is None or self.positions is None:
            return None
        return DirectionalMasks(self.steering, diffuse_coherence(self.positions, self.freqs))

    def find(self, spec: np.ndarray, mask: np.ndarray | None) -> None:
        """Localise the talker in a segment, (F, M, T), if no direction is given."""
        if self.auto:
            assert self.positions is not None
            self.found(localise(spec, self.positions, self.freqs, mask))

    def found(self, azimuth: float) -> None:
        """Steer towards an estimated direction, radians, and log it."""
        azimuth_deg = round(float(np.rad2deg(azimuth)))
        if self._turns[-1:] != [azimuth_deg] and len(self._turns) <= MOST_SHOWN:
            self._turns.append(azimuth_deg)
        self.look(azimuth)

    def inherit(self, other: "TalkerDirection") -> None:
        """Take over the direction that was estimated with other microphones."""
        self._turns = other._turns
        if self.auto and other._azimuth_deg is not None:
            self.look(float(np.deg2rad(other._azimuth_deg)))

    def look(self, azimuth: float) -> None:
        """Steer towards a direction, radians."""
        assert self.positions is not None
        self._azimuth_deg = float(np.rad2deg(azimuth))
        self.steering = self._steering(azimuth)
        beamforming = self.settings.beamforming
        if beamforming is not None and beamforming.design is not None:
            look = Look(self.positions, self.freqs, self.reference, azimuth, self._steering)
            self.design = beamforming.design(look, self.settings)

    def summary(self) -> list[str]:
        """Log lines for the user, after the last block."""
        if not self._turns:
            return []
        turns = [str(azimuth_deg) for azimuth_deg in self._turns]
        shown = ", ".join(turns[:MOST_SHOWN]) + ", ..." * (len(turns) > MOST_SHOWN)
        return [f"direction of the talker: {shown} degrees"]

    def _steering(self, azimuth: float) -> np.ndarray:
        """Steering vector of an azimuth in the far field, the near field or around a head."""
        assert self.positions is not None
        if self.settings.distance is not None:
            talker = self.settings.distance * direction(azimuth)
            return spherical_wave(self.positions, talker, self.freqs, reference=self.reference)
        wave = sphere_wave if self.settings.head else plane_wave
        return wave(self.positions, azimuth, self.freqs, reference=self.reference)
