"""Diagonal loading of covariances, and linear systems solved with it."""

import numpy as np

from arrayenh import _kernels
from arrayenh.acoustics.steering import SPEED_OF_SOUND
from arrayenh.errors import NumericalError

LOADING = 1e-6  # relative; covers rounding without reducing null depth
ROUNDING_LOADING = 1e-7  # relative; covers the rounding of float32 spectra
GEOMETRY_LOADING = 1e-2  # relative; for inexact positions and directions


def position_loading(
    freqs: np.ndarray, position_error: float, speed_of_sound: float = SPEED_OF_SOUND
) -> np.ndarray:
    """Diagonal loading equivalent to random errors of the microphone positions.

        δ(f) = exp((2πfσ/c)²) - 1

    With independent normal errors of standard deviation σ along the wave, the mean of a aᴴ is
    exp(-(2πfσ/c)²) a aᴴ plus white noise, which is equivalent to loading by δ.

    Parameters
    ----------
    freqs : float ndarray, shape (F,)
        Hz.
    position_error : float
        σ, metres.
    speed_of_sound : float
        m/s.

    Returns
    -------
    loading : float64 ndarray, shape (F,)
        Relative, at most 1.

    References
    ----------
    E. N. Gilbert and S. P. Morgan, "Optimum design of directive antenna arrays subject to
    random variations", Bell Syst. Tech. J. 34, 1955.

    Examples
    --------
    >>> position_loading(np.array([1000.0, 4000.0]), position_error=0.001).round(5)
    array([0.00034, 0.00538])
    """
    phase = 2 * np.pi * np.asarray(freqs, np.float64) * position_error / speed_of_sound
    return np.minimum(np.expm1(np.minimum(phase**2, 1.0)), 1.0)


def solve(cov: np.ndarray, right: np.ndarray, loading: float | np.ndarray = 0.0) -> np.ndarray:
    """Solve (Φ + δ tr(Φ)/M I) x = right in each bin, by Cholesky factorisation.

    Parameters
    ----------
    cov : complex ndarray, shape (F, M, M)
        Hermitian.
    right : complex ndarray, shape (F, M, K)
    loading : float or ndarray, shape (F,)
        δ, relative.

    Returns
    -------
    answer : complex128 ndarray, shape (F, M, K)

    Raises
    ------
    NumericalError
        If a loaded covariance is not positive definite, or not finite.

    Examples
    --------
    >>> solve(2 * np.eye(2)[None], np.ones((1, 2, 1)))[0, :, 0].real
    array([0.5, 0.5])
    """
    answer = np.empty(right.shape, np.complex128)
    positive = np.empty(len(cov), np.bool_)
    _kernels.loading.solve_loaded(
        np.asarray(cov, np.complex128),
        np.broadcast_to(np.asarray(loading, np.float64), len(cov)),
        np.asarray(right, np.complex128),
        answer,
        positive,
    )
    if not positive.all():
        raise NumericalError(
            f"the noise covariance of bin {np.argmin(positive)} is singular; "
            f"use loading > 0 or more frames"
        )
    if not np.isfinite(answer).all():
        finite = np.isfinite(answer).all(axis=(-2, -1))
        raise NumericalError(f"the covariances of bin {np.argmin(finite)} are not finite")
    return answer


def loaded(cov: np.ndarray, loading: float | np.ndarray) -> np.ndarray:
    """Load the diagonal of a covariance, relative to its mean diagonal.

    Examples
    --------
    >>> loaded(np.array([[[1.0, 1], [1, 1]]]), 0.01)
    array([[[1.01, 1.  ],
            [1.  , 1.01]]])
    """
    n_mics = cov.shape[-1]
    power = np.trace(cov, axis1=-2, axis2=-1).real / n_mics
    return cov + (loading * power)[:, None, None] * np.eye(n_mics)


LEAST_LOADING, LOADING_STEP, MOST_STEPS = 1e-9, 4.0, 24


MOST_CONDITION = 1e8  # largest condition number solved without extra loading


CLEAN_SNR = 10.0  # power ratio ξ of a bin above which loading grows


def adaptive_loading(
    speech_cov: np.ndarray, noise_cov: np.ndarray, loading: float | np.ndarray
) -> np.ndarray:
    """Loading that grows in bins of high SNR: δ (1 + (ξ/10)⁴), at most 1.

    In such bins Φₙ consists of speech that leaks through the mask, and a beamformer that minimises
    it would cancel the talker. ξ = tr Φₛ / tr Φₙ.

    Returns
    -------
    loading : float64 ndarray, shape (F,)

    Examples
    --------
    >>> adaptive_loading(10 * np.eye(2)[None], np.eye(2)[None], 1e-3)
    array([0.002])
    """
    speech = np.trace(speech_cov, axis1=-2, axis2=-1).real
    noise = np.trace(noise_cov, axis1=-2, axis2=-1).real
    ratio = np.divide(speech, noise, out=np.full_like(speech, np.inf), where=noise > 0)
    return np.minimum(loading * (1 + (ratio / CLEAN_SNR) ** 4), 1.0)


def solvable(cov: np.ndarray, loading: np.ndarray) -> np.ndarray:
    """Load a covariance at least enough to be invertible in float64; (F, M, M)."""
    return loaded(cov, np.maximum(loading, LEAST_LOADING))


def ill_conditioned(cov: np.ndarray) -> np.ndarray:
    """Bins with a condition number above 1e8, bool, shape (F,).

    Causes are identical channels, or noise from fewer directions than microphones.

    Examples
    --------
    >>> ill_conditioned(np.array([[[1.0, 1], [1, 1]], [[1.0, 0], [0, 1]]]))
    array([ True, False])
    """
    values = np.linalg.eigvalsh(cov)
    return values[:, 0] * MOST_CONDITION < values[:, -1]
