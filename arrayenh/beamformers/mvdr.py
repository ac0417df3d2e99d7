"""Beamformers: weights from steering or statistics, and their application.

Estimating and applying are two calls, so that the same weights can be applied to the
mixture, or to the speech and the noise alone (shadow filtering).
"""

import numpy as np

from arrayenh.errors import NumericalError, ShapeError
from arrayenh.statistics.loading import LOADING, solve


def mvdr(
    steering: np.ndarray, noise_cov: np.ndarray, loading: float | np.ndarray = LOADING
) -> np.ndarray:
    """Least noise that keeps the look direction: the MVDR (Capon) beamformer.

        w = Φₙ⁻¹ a / (aᴴ Φₙ⁻¹ a)        (Capon 1969, eq. 9; Van Trees 2002, eq. 6.13)

    Parameters
    ----------
    steering : complex ndarray, shape (F, M)
    noise_cov : complex ndarray, shape (F, M, M)
    loading : float or ndarray, shape (F,)
        Relative diagonal loading of the noise covariance.

    Returns
    -------
    weights : complex128 ndarray, shape (F, M)
        wᴴa = 1.

    Raises
    ------
    ShapeError
        If the shapes do not fit.
    NumericalError
        If a noise covariance is singular or not finite.
    """
    if noise_cov.shape != (*steering.shape, steering.shape[-1]):
        raise ShapeError(
            f"noise_cov must have shape (F, M, M) to match steering {steering.shape}; "
            f"got {noise_cov.shape}"
        )
    whitened = solve(noise_cov, steering[..., None], loading)[..., 0]
    gain = np.sum(steering.conj() * whitened, axis=-1, keepdims=True)
    return whitened / gain.real


def souden_mvdr(
    speech_cov: np.ndarray,
    noise_cov: np.ndarray,
    reference: int = 0,
    loading: float | np.ndarray = LOADING,
) -> np.ndarray:
    """MVDR without a steering vector, from the two covariances alone.

        w = Φₙ⁻¹ Φₛ e_ref / tr(Φₙ⁻¹ Φₛ)        (Souden, Benesty & Affes 2010, eq. 14)

    Where Φₛ has rank one this is `mvdr` with the relative transfer function of the speech.

    Parameters
    ----------
    speech_cov, noise_cov : complex ndarray, shape (F, M, M)
    reference : int
        Microphone whose speech is kept undistorted.
    loading : float or ndarray, shape (F,)
        Relative diagonal loading of the noise covariance.

    Returns
    -------
    weights : complex128 ndarray, shape (F, M)

    Raises
    ------
    ShapeError
        If the shapes differ, or the reference is no microphone.
    NumericalError
        If a covariance is singular, not finite, or holds no speech.
    """
    if speech_cov.shape != noise_cov.shape or speech_cov.ndim != 3:
        raise ShapeError(
            f"covariances must share the shape (F, M, M); "
            f"got {speech_cov.shape} and {noise_cov.shape}"
        )
    if not 0 <= reference < speech_cov.shape[-1]:
        raise ShapeError(f"reference must be 0 to {speech_cov.shape[-1] - 1}; got {reference}")
    ratio = solve(noise_cov, speech_cov, loading)
    trace = np.trace(ratio, axis1=-2, axis2=-1).real
    if not (trace > 0).all():
        raise NumericalError(f"the speech covariance of bin {np.argmin(trace > 0)} is empty")
    return ratio[..., reference] / trace[:, None]
