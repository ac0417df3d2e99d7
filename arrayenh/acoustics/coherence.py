"""Theoretical coherence of noise fields between microphones."""

import numpy as np

from arrayenh.acoustics.steering import SPEED_OF_SOUND
from arrayenh.errors import ConfigError, ShapeError

FIELDS = ("spherical", "cylindrical", "uncorrelated")


def diffuse_coherence(
    positions: np.ndarray,
    freqs: np.ndarray,
    field: str = "spherical",
    speed_of_sound: float = SPEED_OF_SOUND,
) -> np.ndarray:
    """Coherence of an isotropic noise field between all pairs of microphones.

        Γ(f) = sin(k d) / (k d)   spherical: equal power from all directions
        Γ(f) = J0(k d)            cylindrical: equal power from all azimuths; d is horizontal
        Γ(f) = 1 if d = 0 else 0  uncorrelated: wind, sensor noise

    with k = 2πf/c and d the distance of the pair.

    Parameters
    ----------
    positions : float array, shape (M, 3)
        Metres.
    freqs : float array, shape (F,)
        Hz.
    field : {"spherical", "cylindrical", "uncorrelated"}
    speed_of_sound : float
        m/s.

    Returns
    -------
    coherence : float64 ndarray, shape (F, M, M)
        Real and symmetric, 1 on the diagonal.

    Raises
    ------
    ShapeError
        If `positions` is not (M, 3) or `freqs` not (F,).
    ConfigError
        If the field is unknown.

    References
    ----------
    R. K. Cook et al., "Measurement of correlation coefficients in reverberant sound
    fields", J. Acoust. Soc. Am. 27, 1955, eqs. 3 and 9.

    Examples
    --------
    >>> positions = np.array([[0.0, 0, 0], [0.1, 0, 0]])
    >>> diffuse_coherence(positions, np.array([0.0, 500.0]))[:, 0, 1].round(3)
    array([1.   , 0.866])
    """
    positions, freqs = np.asarray(positions, np.float64), np.asarray(freqs, np.float64)
    if positions.ndim != 2 or positions.shape[1] != 3:
        raise ShapeError(f"positions must have shape (M, 3); got {positions.shape}")
    if freqs.ndim != 1:
        raise ShapeError(f"freqs must have shape (F,); got {freqs.shape}")
    if field not in FIELDS:
        raise ConfigError(f"unknown noise field {field!r}; use {', '.join(FIELDS)}")
    if field == "uncorrelated":
        return np.tile(np.eye(len(positions)), (len(freqs), 1, 1))
    axes = 3 if field == "spherical" else 2
    apart = np.linalg.norm(positions[:, None, :axes] - positions[None, :, :axes], axis=-1)
    cycles = freqs[:, None, None] / speed_of_sound * apart
    if field == "spherical":
        return np.sinc(2 * cycles)
    from scipy.special import j0  # costs 0.1 s, so only when needed

    return j0(2 * np.pi * cycles)
