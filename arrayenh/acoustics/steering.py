"""Steering vectors of plane and spherical waves in the free field."""

import numpy as np

from arrayenh.errors import NumericalError, ShapeError

SPEED_OF_SOUND = 343.0  # m/s, in air at 20 degrees Celsius


def direction(azimuth: float | np.ndarray, elevation: float | np.ndarray = 0.0) -> np.ndarray:
    """Unit vector from the array towards a source, shape (..., 3).

    Parameters
    ----------
    azimuth : float or ndarray
        Radians, counter-clockwise from +x (forward) to +y (left).
    elevation : float or ndarray
        Radians, from the horizon up to +z.

    Examples
    --------
    >>> direction(np.pi / 2).round(3)
    array([0., 1., 0.])
    """
    azimuth, elevation = np.broadcast_arrays(azimuth, elevation)
    return np.stack(
        [
            np.cos(elevation) * np.cos(azimuth),
            np.cos(elevation) * np.sin(azimuth),
            np.sin(elevation),
        ],
        axis=-1,
    )


def delays(
    positions: np.ndarray,
    azimuth: float | np.ndarray,
    elevation: float | np.ndarray = 0.0,
    *,
    reference: int = 0,
    speed_of_sound: float = SPEED_OF_SOUND,
) -> np.ndarray:
    """Arrival time of a plane wave at each microphone, relative to the reference.

        τ_m = -u·(r_m - r_ref) / c

    Parameters
    ----------
    positions : float ndarray, shape (M, 3)
        Metres.
    azimuth, elevation : float or ndarray
        Direction u of the source, radians.

    Returns
    -------
    tau : float64 ndarray, shape (..., M)
        Seconds; positive where the wave arrives later than at the reference.

    Examples
    --------
    >>> positions = np.array([[0.0, 0, 0], [0.0343, 0, 0]])
    >>> delays(positions, np.pi)[1].round(6).item()
    0.0001
    """
    if positions.ndim != 2 or positions.shape[1] != 3:
        raise ShapeError(f"positions must have shape (M, 3); got {positions.shape}")
    offsets = positions - positions[reference]
    return -(direction(azimuth, elevation) @ offsets.T) / speed_of_sound


def plane_wave(
    positions: np.ndarray,
    azimuth: float,
    freqs: np.ndarray,
    elevation: float = 0.0,
    *,
    reference: int = 0,
    speed_of_sound: float = SPEED_OF_SOUND,
) -> np.ndarray:
    """Steering vector of a plane wave, 1 at the reference microphone.

        a_m(f) = exp(-j 2π f τ_m) = exp(+j 2π f u·(r_m - r_ref) / c)

    Parameters
    ----------
    positions : float ndarray, shape (M, 3)
        Metres.
    azimuth, elevation : float
        Direction of the source, radians.
    freqs : float ndarray, shape (F,)
        Hz.

    Returns
    -------
    steering : complex128 ndarray, shape (F, M)

    Examples
    --------
    >>> positions = np.array([[0.0, 0, 0], [0.0343, 0, 0]])
    >>> plane_wave(positions, 0.0, np.array([1250.0])).round(3)
    array([[1.   +0.j   , 0.707+0.707j]])
    """
    tau = delays(
        positions,
        azimuth,
        elevation,
        reference=reference,
        speed_of_sound=speed_of_sound,
    )
    return np.exp(-2j * np.pi * np.asarray(freqs, np.float64)[:, None] * tau)


def spherical_wave(
    positions: np.ndarray,
    source: np.ndarray,
    freqs: np.ndarray,
    *,
    reference: int = 0,
    speed_of_sound: float = SPEED_OF_SOUND,
) -> np.ndarray:
    """Steering vector of a near-field source, 1 at the reference microphone.

        a_m(f) = (d_ref / d_m) exp(-j 2π f (d_m - d_ref) / c),   d_m = |r_s - r_m|

    In the far field this is `plane_wave`.

    Parameters
    ----------
    positions : float ndarray, shape (M, 3)
        Metres.
    source : float ndarray, shape (3,)
        r_s, metres.
    freqs : float ndarray, shape (F,)
        Hz.
    reference : int
    speed_of_sound : float
        m/s.

    Returns
    -------
    steering : complex128 ndarray, shape (F, M)

    Raises
    ------
    ShapeError
        If the shapes do not fit.
    NumericalError
        If the source is at a microphone.

    Examples
    --------
    >>> positions = np.array([[0.0, 0, 0], [0.5, 0, 0]])
    >>> spherical_wave(positions, np.array([1.0, 0, 0]), np.array([0.0])).real
    array([[1., 2.]])
    """
    positions, source = np.asarray(positions, np.float64), np.asarray(source, np.float64)
    if positions.ndim != 2 or positions.shape[1] != 3 or source.shape != (3,):
        raise ShapeError(
            f"positions must have shape (M, 3) and source (3,); "
            f"got {positions.shape} and {source.shape}"
        )
    distance = np.linalg.norm(source - positions, axis=1)
    if not (distance > 0).all():
        raise NumericalError(f"the source is at microphone {np.argmin(distance > 0)}")
    later = (distance - distance[reference]) / speed_of_sound
    phase = np.exp(-2j * np.pi * np.asarray(freqs, np.float64)[:, None] * later)
    return distance[reference] / distance * phase
