"""Directivity of beamformers: beampattern, white-noise gain, directivity index, beamwidth."""

from collections.abc import Callable

import numpy as np

from arrayenh.acoustics.coherence import diffuse_coherence
from arrayenh.acoustics.steering import SPEED_OF_SOUND, delays, plane_wave
from arrayenh.errors import NumericalError, ShapeError

COARSEST_STEP = np.deg2rad(0.25)  # largest step of the search for a half-power point
STEPS_PER_TURN = 16  # steps per radian of phase difference across the array
BLOCK = 720  # steps evaluated at once


def beampattern(
    weights: np.ndarray,
    positions: np.ndarray,
    freqs: np.ndarray,
    azimuths: np.ndarray,
    elevation: float | np.ndarray = 0.0,
    *,
    speed_of_sound: float = SPEED_OF_SOUND,
) -> np.ndarray:
    """Response of a beamformer to a plane wave from each direction.

        B(f, θ) = w(f)ᴴ a(f, θ)        (Van Trees 2002, section 2.2)

    Parameters
    ----------
    weights : complex ndarray, shape (F, M)
    positions : float ndarray, shape (M, 3)
        Metres.
    freqs : float ndarray, shape (F,)
        Hz.
    azimuths : float ndarray, shape (A,)
        Radians.
    elevation : float or ndarray, shape (A,)
        Radians.
    speed_of_sound : float
        m/s.

    Returns
    -------
    pattern : complex128 ndarray, shape (F, A)
        The phase is relative to microphone 0, as in `arrayenh.acoustics.steering.plane_wave`.

    Raises
    ------
    ShapeError
        If the shapes do not fit.

    References
    ----------
    H. L. Van Trees, "Optimum array processing", 2002.

    Examples
    --------
    >>> positions = np.array([[0, 0.05, 0], [0, -0.05, 0]])
    >>> pattern = beampattern(
    ...     np.array([[0.5, 0.5]]), positions, np.array([1000.0]), np.array([0, np.pi / 2])
    ... )
    >>> level_db(pattern).round(2)
    array([[ 0.  , -4.31]])
    """
    weights, positions, freqs = _checked(weights, positions, freqs)
    azimuths = np.asarray(azimuths, np.float64)
    if azimuths.ndim != 1 or np.shape(elevation) not in ((), azimuths.shape):
        raise ShapeError(
            f"azimuths must have shape (A,) and elevation () or (A,); "
            f"got {azimuths.shape} and {np.shape(elevation)}"
        )
    tau = delays(positions, azimuths, elevation, speed_of_sound=speed_of_sound)
    pattern = np.empty((freqs.size, azimuths.size), np.complex128)
    for f, freq in enumerate(freqs):  # an array (F, A, M) may not fit into memory
        pattern[f] = np.exp(-2j * np.pi * freq * tau) @ weights[f].conj()
    return pattern


def level_db(pattern: np.ndarray) -> np.ndarray:
    """Level of a beampattern in dB, 20 log10 |B|; -inf at a null.

    Examples
    --------
    >>> level_db(np.array([[1, 0.5j]])).round(2)
    array([[ 0.  , -6.02]])
    """
    with np.errstate(divide="ignore"):
        return 20 * np.log10(np.abs(pattern))


def white_noise_gain(weights: np.ndarray, steering: np.ndarray) -> np.ndarray:
    """White-noise gain: the gain in SNR over one microphone in uncorrelated noise, dB.

        WNG = |wᴴa|² / wᴴw        (Cox, Zeskind & Owen 1987)

    Below 0 dB the beamformer amplifies sensor noise. The gain also measures the robustness of
    the weights: errors of the microphones' gains or positions act like such noise.

    Parameters
    ----------
    weights, steering : complex ndarray, shape (F, M)

    Returns
    -------
    gain_db : float64 ndarray, shape (F,)
        At most 10 log10 M where |a_m| = 1.

    Raises
    ------
    ShapeError
        If the shapes differ.
    NumericalError
        If the weights of a bin are zero, or have a null in the look direction.

    References
    ----------
    H. Cox, R. M. Zeskind and M. M. Owen, "Robust adaptive beamforming", IEEE Trans.
    Acoust., Speech, Signal Process. 35, 1987.

    Examples
    --------
    >>> white_noise_gain(np.full((1, 4), 0.25), np.ones((1, 4))).round(2)
    array([6.02])
    """
    signal = _look_power(weights, steering)
    return 10 * np.log10(signal / np.sum(np.abs(weights) ** 2, axis=-1))


def directivity_factor(
    weights: np.ndarray,
    steering: np.ndarray,
    positions: np.ndarray,
    freqs: np.ndarray,
    field: str = "spherical",
    *,
    speed_of_sound: float = SPEED_OF_SOUND,
) -> np.ndarray:
    """Directivity factor: the gain in SNR over one microphone in diffuse noise, as a ratio.

        DF = |wᴴa|² / wᴴΓw

    This is the power response in the look direction divided by its mean over all directions; the
    coherence Γ of the field replaces the integral (Elko 2000).

    Parameters
    ----------
    weights, steering : complex ndarray, shape (F, M)
    positions : float ndarray, shape (M, 3)
        Metres.
    freqs : float ndarray, shape (F,)
        Hz.
    field : {"spherical", "cylindrical"}
        As for `diffuse_coherence`; "uncorrelated" gives the white-noise gain.
    speed_of_sound : float
        m/s.

    Returns
    -------
    factor : float64 ndarray, shape (F,)

    Raises
    ------
    ShapeError
        If the shapes do not fit.
    ConfigError
        If the field is unknown.
    NumericalError
        If the weights of a bin have a null in the look direction, or are so large that rounding
        errors dominate.

    References
    ----------
    G. W. Elko, "Superdirectional microphone arrays", in Gay and Benesty (eds.), "Acoustic
    signal processing for telecommunication", 2000.

    Examples
    --------
    >>> positions = np.array([[0, 0.05, 0], [0, -0.05, 0]])
    >>> weights, steering = np.array([[0.5, 0.5]]), np.ones((1, 2))
    >>> directivity_factor(weights, steering, positions, np.array([1000.0])).round(2)
    array([1.31])
    """
    weights, positions, freqs = _checked(weights, positions, freqs)
    signal = _look_power(weights, steering)
    coherence = diffuse_coherence(positions, freqs, field, speed_of_sound)
    noise = np.einsum("fm,fmn,fn->f", weights.conj(), coherence, weights).real
    if not (noise > 0).all():
        raise NumericalError(
            f"the weights of bin {np.argmin(noise > 0)} are too large to compute a directivity; "
            f"design them with more loading"
        )
    return signal / noise


def directivity_index(
    weights: np.ndarray,
    steering: np.ndarray,
    positions: np.ndarray,
    freqs: np.ndarray,
    field: str = "spherical",
    *,
    speed_of_sound: float = SPEED_OF_SOUND,
) -> np.ndarray:
    """Directivity index: `directivity_factor` in dB, float64, shape (F,).

    It is 0 dB for one omnidirectional microphone.

    Examples
    --------
    >>> positions = np.array([[0, 0.05, 0], [0, -0.05, 0]])
    >>> weights, steering = np.array([[0.5, 0.5]]), np.ones((1, 2))
    >>> directivity_index(weights, steering, positions, np.array([1000.0])).round(2)
    array([1.17])
    """
    factor = directivity_factor(
        weights, steering, positions, freqs, field, speed_of_sound=speed_of_sound
    )
    return 10 * np.log10(factor)


def beamwidth(
    weights: np.ndarray,
    positions: np.ndarray,
    freqs: np.ndarray,
    azimuth: float,
    elevation: float = 0.0,
    *,
    speed_of_sound: float = SPEED_OF_SOUND,
) -> np.ndarray:
    """Half-power (-3 dB) beamwidth.

    The beam is the interval of azimuths around the look direction in which |B|² is at least half
    of its value there.

    Parameters
    ----------
    weights : complex ndarray, shape (F, M)
    positions : float ndarray, shape (M, 3)
        Metres.
    freqs : float ndarray, shape (F,)
        Hz.
    azimuth, elevation : float
        Look direction, radians.
    speed_of_sound : float
        m/s.

    Returns
    -------
    widths : float64 ndarray, shape (F,)
        Radians; 2π if no direction has less than half the power. Crossings are found
        by linear interpolation between steps of 0.25 degrees, or finer for arrays many
        wavelengths large.

    Raises
    ------
    ShapeError
        If the shapes do not fit.
    NumericalError
        If the weights of a bin have a null in the look direction.

    Examples
    --------
    >>> positions = np.array([[0, 0.05, 0], [0, -0.05, 0]])
    >>> widths = beamwidth(np.array([[0.5, 0.5]]), positions, np.array([2000.0]), azimuth=0.0)
    >>> np.rad2deg(widths).round(1)
    array([50.8])
    """
    weights, positions, freqs = _checked(weights, positions, freqs)
    towards = plane_wave(positions, azimuth, freqs, elevation, speed_of_sound=speed_of_sound)
    half = _look_power(weights, towards) / 2
    extent = 2 * np.linalg.norm(positions - positions.mean(axis=0), axis=1).max()
    widths = np.empty(freqs.size)
    for f, freq in enumerate(freqs):
        turn = 2 * np.pi * freq / speed_of_sound * extent  # radians of phase across the array
        step = min(COARSEST_STEP, 1 / max(STEPS_PER_TURN * turn, 1))

        def power(offsets: np.ndarray, f: int = f) -> np.ndarray:
            heard = beampattern(
                weights[[f]],
                positions,
                freqs[[f]],
                azimuth + offsets,
                elevation,
                speed_of_sound=speed_of_sound,
            )
            return np.abs(heard[0]) ** 2

        left, right = _first_fall(power, half[f], step), _first_fall(power, half[f], -step)
        widths[f] = min(left - right, 2 * np.pi)
    return widths


def _first_fall(power: Callable[[np.ndarray], np.ndarray], half: float, step: float) -> float:
    """Offset from the look direction, by signed steps, where the power first falls to half."""
    n_steps = int(np.ceil(2 * np.pi / abs(step)))
    for first in range(0, n_steps, BLOCK):
        offsets = step * np.arange(first, first + BLOCK + 1)  # consecutive blocks share one point
        heard = power(offsets)
        fallen = np.flatnonzero(heard < half)
        if fallen.size:
            before, after = fallen[0] - 1, fallen[0]
            part = (heard[before] - half) / (heard[before] - heard[after])
            return float(offsets[before] + part * step)
    return float(np.copysign(2 * np.pi, step))


def _checked(
    weights: np.ndarray, positions: np.ndarray, freqs: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    weights, positions = np.asarray(weights), np.asarray(positions, np.float64)
    freqs = np.asarray(freqs, np.float64)
    fits = freqs.ndim == 1 and weights.shape == (freqs.size, len(positions))
    if not fits or positions.shape[1:] != (3,):
        raise ShapeError(
            f"weights must have shape (F, M), positions (M, 3) and freqs (F,); "
            f"got {weights.shape}, {positions.shape} and {freqs.shape}"
        )
    return weights, positions, freqs


def _look_power(weights: np.ndarray, steering: np.ndarray) -> np.ndarray:
    """Power in the look direction, |wᴴa|², shape (F,); raises NumericalError if one is zero."""
    if np.ndim(weights) != 2 or np.shape(weights) != np.shape(steering):
        raise ShapeError(
            f"weights and steering must share the shape (F, M); "
            f"got {np.shape(weights)} and {np.shape(steering)}"
        )
    signal = np.abs(np.sum(np.conj(weights) * steering, axis=-1)) ** 2
    if not (signal > 0).all():
        raise NumericalError(
            f"the weights of bin {np.argmin(signal > 0)} have a null in the look direction"
        )
    return signal
