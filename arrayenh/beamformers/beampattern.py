"""Beampatterns and directivity of fixed beamformers, designed from geometry alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from arrayenh.acoustics.coherence import diffuse_coherence
from arrayenh.acoustics.steering import plane_wave
from arrayenh.beamformers import directivity as patterns
from arrayenh.beamformers.delay_and_sum import delay_and_sum
from arrayenh.beamformers.superdirective import superdirective
from arrayenh.checks import one_of, within
from arrayenh.microphones.mic_array import MicArray
from arrayenh.statistics.loading import ROUNDING_LOADING

BEAMFORMERS = {"das": "delay-and-sum", "superdirective": "superdirective"}


FIELDS = ("spherical", "cylindrical")


HEARING_AID_PAIR = 0.02  # metres; largest spacing of a pair whose default look direction is endfire


@dataclass(frozen=True, slots=True)
class Design:
    """Design of a fixed beamformer.

    Attributes
    ----------
    beamformer : {"das", "superdirective"}
    doa_deg : float
        Look direction, azimuth.
    reason : str
        Reason for that direction, for people.
    field : {"spherical", "cylindrical"}
        Noise field of the directivity index and of superdirective weights.
    loading : float or None
        None for delay-and-sum.
    least_wng_db : float or None

    Examples
    --------
    >>> Design("das", 0.0, "forward", "spherical", None, None).words
    'delay-and-sum towards 0° (forward), spherical noise field'
    """

    beamformer: str
    doa_deg: float
    reason: str
    field: str
    loading: float | None
    least_wng_db: float | None

    def __post_init__(self) -> None:
        one_of("beamformer", self.beamformer, tuple(BEAMFORMERS))
        one_of("field", self.field, FIELDS)
        within("doa", self.doa_deg, -360, 360)
        if self.loading is not None:
            within("loading", self.loading, ROUNDING_LOADING, 1)
        if self.least_wng_db is not None:
            within("--min-wng", self.least_wng_db, -120, 60)

    @property
    def words(self) -> str:
        """Description in one line."""
        towards = f"towards {self.doa_deg:g}° ({self.reason})"
        how = "" if self.loading is None else f", loading {self.loading:g}"
        if self.least_wng_db is not None:
            how += f" or more for a white-noise gain of {self.least_wng_db:g} dB"
        return f"{BEAMFORMERS[self.beamformer]} {towards}, {self.field} noise field{how}"


@dataclass(frozen=True, slots=True, eq=False)
class Hearing:
    """Response of a design at F frequencies from A directions; angles in degrees.

    Attributes
    ----------
    design : Design
    freqs : ndarray, shape (F,)
        Hz.
    directivity_db, wng_db, beamwidth_deg : ndarray, shape (F,)
    azimuths_deg : ndarray, shape (A,)
    level_db : ndarray, shape (F, A)
    """

    design: Design
    freqs: np.ndarray
    directivity_db: np.ndarray
    wng_db: np.ndarray
    beamwidth_deg: np.ndarray
    azimuths_deg: np.ndarray
    level_db: np.ndarray


def look_direction(array: MicArray) -> tuple[float, str]:
    """Choose a default look direction for an array: azimuth in degrees, and its description.

    It is endfire for a hearing-aid pair, broadside (to the front or left) for other linear arrays,
    and forward for all others.

    Examples
    --------
    >>> from arrayenh.microphones.geometry import load_array
    >>> look_direction(load_array("linear4-35mm"))
    (90.0, 'broadside')
    """
    spread = np.linalg.svd(array.centred().positions, full_matrices=False)[2][0]
    upright = np.hypot(spread[0], spread[1]) < 1e-3
    if array.n_mics == 1 or not array.is_linear or upright:
        return 0.0, "forward"
    axis_deg = float(np.rad2deg(np.arctan2(spread[1], spread[0])).round(6))
    across = [(axis_deg + turn + 180) % 360 - 180 for turn in (90, -90)]
    along = [axis_deg, (axis_deg + 360) % 360 - 180]
    pair = array.n_mics == 2 and array.aperture <= HEARING_AID_PAIR
    choice = min(along if pair else across, key=lambda deg: (abs(deg), -deg))
    return choice + 0.0, "endfire" if pair else "broadside"


def hear(array: MicArray, design: Design, freqs: np.ndarray, step_deg: float = 1.0) -> Hearing:
    """Design the weights and compute their response.

    Examples
    --------
    >>> from arrayenh.microphones.geometry import load_array
    >>> design = Design("das", 90.0, "broadside", "spherical", None, None)
    >>> hear(load_array("linear4-35mm"), design, np.array([1000.0])).wng_db.round(2)
    array([6.02])
    """
    doa, positions = float(np.deg2rad(design.doa_deg)), array.positions
    steering = plane_wave(positions, doa, freqs)
    if design.loading is None:
        weights = delay_and_sum(steering)
    else:
        weights = superdirective(
            steering,
            diffuse_coherence(positions, freqs, design.field),
            design.loading,
            least_wng_db=design.least_wng_db,
        )
    azimuths_deg = np.linspace(-180, 180, round(360 / step_deg) + 1)
    pattern = patterns.beampattern(weights, positions, freqs, np.deg2rad(azimuths_deg))
    return Hearing(
        design,
        freqs,
        patterns.directivity_index(weights, steering, positions, freqs, design.field),
        patterns.white_noise_gain(weights, steering),
        np.rad2deg(patterns.beamwidth(weights, positions, freqs, doa)),
        azimuths_deg,
        patterns.level_db(pattern),
    )
