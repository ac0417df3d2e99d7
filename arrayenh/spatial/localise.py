"""Localisation: the direction that the talker's phases agree on."""

import numpy as np

from arrayenh.errors import ShapeError
from arrayenh.spatial.covariance import spatial_covariance
from arrayenh.spatial.steering import SPEED_OF_SOUND, delays

GRID_DEG = 1.0
LEAST_MAGNITUDE = 1e-30  # below, 1 / |x| overflows in float32
LEAST_WEIGHT = np.float32(1e-6)  # a mask may be empty: then every frame counts the same
BAND_HZ = (
    200.0,
    6000.0,
)  # below, small arrays hear no phase; above, speech has no power


def srp_phat(
    spec: np.ndarray,
    positions: np.ndarray,
    freqs: np.ndarray,
    mask: np.ndarray | None = None,
    *,
    speed_of_sound: float = SPEED_OF_SOUND,
) -> tuple[np.ndarray, np.ndarray]:
    """Steered response power with phase transform, over azimuth in the horizontal plane.

        P(u) = Σ_f Σ_{m≠n} a_m* R_mn a_n / Σ_f Σ_{m≠n} Σ_t γ,
        R_mn(f) = Σ_t γ(f,t) x_m x_n* / |x_m x_n*|,   a the steering vector of u

    (DiBiase 2000, eq. 6.28, weighted by a speech mask γ.)

    Parameters
    ----------
    spec : complex64 ndarray, shape (F, M, T)
    positions : float ndarray, shape (M, 3)
        Metres.
    freqs : float ndarray, shape (F,)
        Hz.
    mask : float ndarray, shape (F, T), optional

    Returns
    -------
    azimuth : float64 ndarray, shape (A,)
        Radians, [-π, π).
    power : float64 ndarray, shape (A,)
        At most 1: every pair agrees in every bin.

    Raises
    ------
    ShapeError
        If F, M or T differ.
    """
    if spec.ndim != 3 or positions.shape != (spec.shape[1], 3) or len(freqs) != len(spec):
        raise ShapeError(
            f"spec (F, M, T), positions (M, 3) and freqs (F,) must agree; "
            f"got {spec.shape}, {positions.shape}, {freqs.shape}"
        )
    if mask is None:
        mask = np.ones((len(spec), spec.shape[2]), np.float32)
    if mask.shape != (len(spec), spec.shape[2]):
        raise ShapeError(
            f"mask must have shape (F, T) = {(len(spec), spec.shape[2])} to match spec; "
            f"got {mask.shape}"
        )
    n_mics = spec.shape[1]
    band = (freqs >= BAND_HZ[0]) & (freqs <= BAND_HZ[1])
    weight = np.maximum(mask[band], LEAST_WEIGHT)
    cross = spatial_covariance(normalised(spec[band]), weight)
    cross *= weight.sum(axis=1, dtype=np.float64)[:, None, None]
    azimuth = np.deg2rad(np.arange(-180.0, 180.0, GRID_DEG))
    tau = delays(positions, azimuth, speed_of_sound=speed_of_sound)  # (A, M)
    steering = np.exp(-2j * np.pi * freqs[band][:, None, None] * tau)  # (F, A, M)
    power = np.einsum("fam,fam->a", steering.conj() @ cross, steering).real
    power -= np.einsum("fmm->", cross).real  # a microphone agrees with itself everywhere
    n_pairs = n_mics * (n_mics - 1)
    return azimuth, power / max(n_pairs * weight.sum(dtype=np.float64), np.finfo(float).tiny)


def normalised(spec: np.ndarray) -> np.ndarray:
    """Phases alone, x / |x|; 0 where x is too small to have one."""
    magnitude = np.abs(spec)
    return np.divide(spec, magnitude, out=np.zeros_like(spec), where=magnitude > LEAST_MAGNITUDE)


def localise(
    spec: np.ndarray,
    positions: np.ndarray,
    freqs: np.ndarray,
    mask: np.ndarray | None = None,
) -> float:
    """Azimuth of the strongest direction of `srp_phat`, radians.

    A linear array cannot tell a direction from its mirror image: of the two the one on its
    +y side is returned.
    """
    azimuth, power = srp_phat(spec, positions, freqs, mask)
    best = np.flatnonzero(power >= power.max() - 1e-9 * abs(power.max()))
    return float(max(azimuth[best], key=lambda angle: np.sin(angle)))
