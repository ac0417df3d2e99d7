"""Steering vectors of microphones on a head, modelled as a rigid sphere."""

import numpy as np

from arrayenh.acoustics.steering import SPEED_OF_SOUND, direction
from arrayenh.errors import GeometryError, ShapeError

LEAST_RADIUS = 0.03  # metres, smallest plausible radius of a head


def sphere_wave(
    positions: np.ndarray,
    azimuth: float,
    freqs: np.ndarray,
    elevation: float = 0.0,
    *,
    reference: int = 0,
    speed_of_sound: float = SPEED_OF_SOUND,
) -> np.ndarray:
    """Steering vector of a plane wave around a rigid sphere, 1 at the reference microphone.

        a_m(f) = H(f, θ_m) / H(f, θ_ref),   θ_m the angle between microphone and source

    Parameters
    ----------
    positions : float ndarray, shape (M, 3)
        Relative to the centre of the head, metres; a microphone's distance is the radius.
    azimuth, elevation : float
        Direction of the source, radians.
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
        If `positions` is not (M, 3).
    GeometryError
        If a microphone is nearer than 3 cm to the centre.

    Examples
    --------
    >>> ears = np.array([[0, 0.0875, 0], [0, -0.0875, 0]])
    >>> steering = sphere_wave(ears, np.pi / 2, np.array([1000.0, 4000.0]))
    >>> (20 * np.log10(np.abs(steering[:, 1]))).round(1)  # level at the right ear, dB
    array([-2.8, -4.7])
    """
    positions = np.asarray(positions, np.float64)
    if positions.ndim != 2 or positions.shape[1] != 3:
        raise ShapeError(f"positions must have shape (M, 3); got {positions.shape}")
    radii = np.linalg.norm(positions, axis=1)
    if not radii.min() >= LEAST_RADIUS:
        raise GeometryError(
            f"microphone {radii.argmin()} is {1000 * radii.min():.0f} mm from the centre of the "
            f"array and cannot be on a head around it; use an array such as binaural4-bte"
        )
    cosines = positions @ direction(azimuth, elevation) / radii
    angles = np.arccos(np.clip(cosines, -1, 1))
    heard = np.concatenate(
        [
            sphere_response(angle[None], freqs, float(radius), speed_of_sound)
            for angle, radius in zip(angles, radii, strict=True)
        ]
    ).T
    return heard / heard[:, reference : reference + 1]


def sphere_response(
    angles: np.ndarray,
    freqs: np.ndarray,
    radius: float = 0.0875,
    speed_of_sound: float = SPEED_OF_SOUND,
) -> np.ndarray:
    """Pressure on a rigid sphere in a plane wave, relative to the free field at its centre.

        H(f, θ) = (1 / μ²) Σ_m  j^(m-1) (2m + 1) P_m(cos θ) / h'_m(μ),   μ = 2π f a / c

    with spherical Hankel functions of the second kind (a delay of τ is exp(-j 2π f τ)).

    Parameters
    ----------
    angles : float array, shape (K,)
        Angle between microphone and source, seen from the centre, radians.
    freqs : float array, shape (F,)
        Hz.
    radius : float
        a, metres.
    speed_of_sound : float
        m/s.

    Returns
    -------
    response : complex128 ndarray, shape (K, F)

    References
    ----------
    Lord Rayleigh, "The theory of sound", 1896, §328; R. O. Duda and W. L. Martens, "Range
    dependence of the response of a spherical head model", J. Acoust. Soc. Am. 104, 1998, eq.
    6, of which this is the limit of a distant source.

    Examples
    --------
    >>> np.abs(sphere_response(np.array([0.0]), np.array([100.0, 10_000.0]))).round(2)
    array([[1.  , 1.98]])
    """
    from scipy.special import eval_legendre, spherical_jn, spherical_yn  # slow to load

    angles, freqs = np.asarray(angles, np.float64), np.asarray(freqs, np.float64)
    if angles.ndim != 1 or freqs.ndim != 1:
        raise ShapeError(f"angles and freqs must have one axis; got {angles.shape}, {freqs.shape}")
    mu = 2 * np.pi * freqs * radius / speed_of_sound
    heard = mu > 1e-3
    order = np.arange(int(np.ceil(mu.max(initial=0.0) * 1.3)) + 12)[:, None]
    response = np.ones((len(angles), len(freqs)), np.complex128)
    at = mu[None, heard]
    with np.errstate(over="ignore", invalid="ignore"):
        hankel = spherical_jn(order, at, derivative=True) - 1j * spherical_yn(
            order, at, derivative=True
        )
        terms = 1j ** ((order - 1) % 4) * (2 * order + 1) / hankel
    terms[~np.isfinite(terms)] = 0  # the Hankel function overflows, the term vanishes
    waves = eval_legendre(order[:, 0][None, :], np.cos(angles)[:, None])
    # not matmul, whose last bits may depend on the number of threads
    response[:, heard] = np.einsum("ko,of->kf", waves, terms) / at**2
    return response
