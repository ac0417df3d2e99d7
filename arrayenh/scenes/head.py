"""Microphones on a head: a rigid sphere, or head-related responses from a SOFA file.

A `Head` returns the responses of its microphones to a sound from any direction. In a room the
direct path has its exact direction; the many reflections are grouped into a few dozen directions
around the head.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
from scipy import fft
from scipy.signal.windows import tukey

from arrayenh import _kernels
from arrayenh.acoustics.rigid_sphere import sphere_response
from arrayenh.acoustics.steering import SPEED_OF_SOUND
from arrayenh.errors import SceneError
from arrayenh.scenes.image_source import (
    HALF_TAPS,
    HIGH_PASS_HZ,
    OVERSAMPLING,
    check_places,
    check_shapes,
    check_work,
    high_passed,
    octave_filters,
    per_axis,
    reflections,
    sinc_spectrum,
    through,
)

TAPS_S, FLAT_S = 0.010, 0.003  # filters of a sphere: length, and its part without fades
N_DIRECTIONS = 64  # directions into which reflections are grouped
LEAST_RADIUS = 0.03  # metres: smallest distance of a microphone from the centre


class Head(Protocol):
    """Protocol of a head: responses of its microphones to sounds from any direction."""

    def filters(self, directions: np.ndarray) -> np.ndarray:
        """Responses of the microphones to sounds from directions (K, 3), shape (M, K, T).

        They are relative to the free-field sound at the centre of the head; sample T // 2 is
        its arrival there.
        """


@dataclass(frozen=True, eq=False)
class Sphere:
    """A rigid sphere with microphones on its surface.

    Parameters
    ----------
    positions : float array, shape (M, 3)
        From the centre, metres; the distance of a microphone is the radius of its sphere.
    sample_rate : int
        Hz.
    speed_of_sound : float
        m/s.

    Raises
    ------
    SceneError
        If a microphone is nearer than 3 cm to the centre.
    """

    positions: np.ndarray
    sample_rate: int
    speed_of_sound: float = SPEED_OF_SOUND

    def __post_init__(self) -> None:
        radii = np.linalg.norm(self.positions, axis=1)
        if radii.min() < LEAST_RADIUS:
            raise SceneError(
                f"microphone {radii.argmin()} is {1000 * radii.min():.0f} mm from the centre of "
                f"the array and cannot be on a head around it; use an array such as binaural4-bte"
            )

    def filters(self, directions: np.ndarray) -> np.ndarray:
        """Responses to sounds from directions (K, 3), shape (M, K, T); see `Head.filters`."""
        n_taps = 2 * round(TAPS_S * self.sample_rate / 2)
        freqs = fft.rfftfreq(n_taps, 1 / self.sample_rate)
        delay = np.exp(-2j * np.pi * freqs * (n_taps // 2) / self.sample_rate)
        found = []
        for position in self.positions:
            radius = float(np.linalg.norm(position))
            angles = np.arccos(np.clip(directions @ position / radius, -1, 1))
            found.append(sphere_response(angles, freqs, radius, self.speed_of_sound) * delay)
        # band-limited at half the sample rate, the response rings without end: fade both ends
        fade = tukey(n_taps + 1, 1 - FLAT_S / TAPS_S)[:-1]
        return fft.irfft(np.stack(found), n_taps) * fade


@lru_cache(maxsize=4)
def all_around(n_directions: int = N_DIRECTIONS) -> np.ndarray:
    """Unit vectors nearly uniform on the sphere (a Fibonacci lattice), shape (K, 3)."""
    k = np.arange(n_directions) + 0.5
    height = 1 - 2 * k / n_directions
    turn = np.pi * (1 + 5**0.5) * k
    across = np.sqrt(1 - height**2)
    return np.stack([across * np.cos(turn), across * np.sin(turn), height], axis=1)


def head_responses(
    size: np.ndarray,
    absorption: float | np.ndarray,
    source: np.ndarray,
    centre: np.ndarray,
    head: Head,
    turn: np.ndarray,
    sample_rate: int,
    *,
    length_s: float,
    bands: np.ndarray | None = None,
    air: np.ndarray | None = None,
    speed_of_sound: float = SPEED_OF_SOUND,
    max_order: int | None = None,
) -> np.ndarray:
    """Impulse responses of a shoebox from a source to microphones on a head.

    Parameters
    ----------
    centre : float array, shape (3,)
        Centre of the head in the room, metres.
    head : Head
    turn : float array, shape (3, 3)
        Rotation from the frame of the head to that of the room.
    size, absorption, source, sample_rate, length_s, bands, air, speed_of_sound, max_order
        See `shoebox_responses`, also for the errors.

    Returns
    -------
    responses : float64 ndarray, shape (M, L)
    """
    size, source, centre = (np.asarray(given, np.float64) for given in (size, source, centre))
    check_shapes(size, source, centre[None])
    check_places(size, source, centre[None])
    check_work(size, speed_of_sound * length_s)
    walls = reflections(absorption, bands)
    gains = None if bands is None else octave_filters(tuple(bands), sample_rate)
    distance = float(np.linalg.norm(source - centre))
    reach = max(speed_of_sound * length_s, distance * (1 + 1e-9))
    around = all_around()
    late, direct = head.filters(around), head.filters(((source - centre) @ turn / distance)[None])
    n_taps = late.shape[2]
    n_samples = int(np.ceil(reach / speed_of_sound * sample_rate)) + HALF_TAPS + n_taps
    rate = sample_rate * OVERSAMPLING / speed_of_sound
    most = np.inf if max_order is None else float(max_order)
    responses = np.zeros((len(late), n_samples))
    for band, wall in enumerate(walls):
        grids = np.zeros((len(around) + 1, n_samples * OVERSAMPLING))
        x, y, z = (
            per_axis(size[a], source[a], centre[a], wall[2 * a], wall[2 * a + 1], reach)
            for a in range(3)
        )
        _kernels.image_source.sort_images(x, y, z, reach, rate, most, around @ turn.T, grids[1:])
        x, y, z = (axis[axis[:, 2] == 0] for axis in (x, y, z))
        _kernels.image_source.add_images(x, y, z, reach, rate, 0.0, 1.0, np.zeros(3), grids[0])
        if air is not None:
            grids *= np.exp(-air[band] * np.arange(grids.shape[1]) / rate)
        heard = filtered(grids, np.concatenate([direct, late], axis=1))
        responses += heard if gains is None else through(gains[band], heard)
    if speed_of_sound * length_s > distance:
        return high_passed(responses, sample_rate, HIGH_PASS_HZ)
    return responses


def filtered(grids: np.ndarray, filters: np.ndarray) -> np.ndarray:
    """Filter fine grids (K, L) by filters (M, K, T) and sum over K, (M, L / oversampling)."""
    n_taps = filters.shape[2]
    n_fft = fft.next_fast_len(grids.shape[1] + (2 * HALF_TAPS + n_taps) * OVERSAMPLING, real=True)
    used = grids.any(axis=1)
    spectra = fft.rfft(grids[used], n_fft) * sinc_spectrum(n_fft)
    stuffed = np.zeros((len(filters), int(used.sum()), n_taps * OVERSAMPLING))
    stuffed[:, :, ::OVERSAMPLING] = filters[:, used]
    total = np.stack([np.einsum("kf,kf->f", spectra, fft.rfft(taps, n_fft)) for taps in stuffed])
    fine = fft.irfft(total, n_fft)
    # time 0 is the middle of the filters and the second sample of the grid
    fine = np.roll(fine, -(1 + n_taps // 2 * OVERSAMPLING), axis=1)
    return fine[:, : grids.shape[1] : OVERSAMPLING]
