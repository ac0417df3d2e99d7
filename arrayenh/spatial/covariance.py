"""Spatial covariances from masks: the statistics that every adaptive beamformer rests on."""

import numpy as np

from arrayenh._kernels import covariance as kernels
from arrayenh.errors import NumericalError, ShapeError


def spatial_covariance(spec: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """Mask-weighted covariance between microphones, one matrix per bin.

        Φ(f) = Σ_t γ(f,t) x(f,t) x(f,t)ᴴ / Σ_t γ(f,t)

    Parameters
    ----------
    spec : complex ndarray, shape (F, M, T)
    mask : float ndarray, shape (F, T), optional
        γ, not negative; without it every frame counts the same.

    Returns
    -------
    cov : complex128 ndarray, shape (F, M, M)
        Hermitian, positive semidefinite.

    Raises
    ------
    ShapeError
        If `spec` has not three axes, or `mask` not the F and T of `spec`.
    NumericalError
        If a bin is masked out in every frame.
    """
    if spec.ndim != 3:
        raise ShapeError(f"spec must have shape (F, M, T); got {spec.shape}")
    if mask is None:
        mask = np.ones((spec.shape[0], spec.shape[2]), np.float32)
    weight = summed(spec, mask)
    cov = np.empty((spec.shape[0], spec.shape[1], spec.shape[1]), np.complex128)
    kernels.weighted_outer_sum(spec, mask, cov)
    return cov / weight[:, None, None]


def speech_noise_covariances(
    spec: np.ndarray, speech_mask: np.ndarray, noise_mask: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """`spatial_covariance` for two masks in one pass over the spectrum.

    Parameters
    ----------
    spec : complex ndarray, shape (F, M, T)
    speech_mask, noise_mask : float ndarray, shape (F, T)

    Returns
    -------
    speech_cov, noise_cov : complex128 ndarray, shape (F, M, M)

    Raises
    ------
    ShapeError
        If a mask does not have the F and T of `spec`.
    NumericalError
        If a mask is zero in every frame of a bin.
    """
    if spec.ndim != 3:
        raise ShapeError(f"spec must have shape (F, M, T); got {spec.shape}")
    speech_weight, noise_weight = summed(spec, speech_mask), summed(spec, noise_mask)
    speech_cov = np.empty((spec.shape[0], spec.shape[1], spec.shape[1]), np.complex128)
    noise_cov = np.empty_like(speech_cov)
    kernels.weighted_outer_sums(spec, speech_mask, noise_mask, speech_cov, noise_cov)
    return speech_cov / speech_weight[:, None, None], noise_cov / noise_weight[:, None, None]


def summed(spec: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Σ_t of a mask that fits `spec` and is empty in no bin, float64, shape (F,)."""
    if mask.shape != (spec.shape[0], spec.shape[2]):
        raise ShapeError(
            f"mask must have shape (F, T) = {(spec.shape[0], spec.shape[2])} to match spec; "
            f"got {mask.shape}"
        )
    weight = mask.sum(axis=-1, dtype=np.float64)
    if not (weight > 0).all():  # written so that NaN is refused too
        raise NumericalError(f"mask is zero in every frame of bin {np.argmin(weight > 0)}")
    return weight
