"""Relative transfer functions of a talker from the reference to each microphone.

They are steering vectors estimated from statistics instead of geometry, and include reflections.
"""

import numpy as np

from arrayenh.errors import NumericalError, ShapeError
from arrayenh.statistics.loading import LOADING

LEAST_HEARD = 1e-9  # least magnitude at the reference, relative to the norm over the microphones


def rtf_by_subtraction(
    noisy_cov: np.ndarray, noise_cov: np.ndarray, reference: int = 0
) -> np.ndarray:
    """Relative transfer function by covariance subtraction.

        a = (Φₓ - Φₙ) e_ref / e_refᵀ (Φₓ - Φₙ) e_ref

    Parameters
    ----------
    noisy_cov, noise_cov : complex ndarray, shape (F, M, M)
    reference : int

    Returns
    -------
    rtf : complex128 ndarray, shape (F, M)
        1 at the reference microphone.

    Raises
    ------
    ShapeError
        If the shapes differ, or the reference is no microphone.
    NumericalError
        If the noisy power of a bin at the reference does not exceed the noise power.

    References
    ----------
    I. Cohen, "Relative transfer function identification using speech signals", IEEE Trans.
    Speech Audio Process. 12, 2004; S. Markovich-Golan and S. Gannot, "Performance analysis of
    the covariance subtraction method for relative transfer function estimation and comparison
    to the covariance whitening method", ICASSP 2015, eq. 5.

    Examples
    --------
    >>> rtf, noise_cov = np.array([1, 0.5]), np.eye(2)[None]
    >>> noisy_cov = np.outer(rtf, rtf) + noise_cov
    >>> rtf_by_subtraction(noisy_cov, noise_cov).real
    array([[1. , 0.5]])
    """
    check_covariances(noisy_cov, noise_cov, reference)
    column = (noisy_cov - noise_cov)[..., reference].astype(np.complex128)
    power = column[:, reference].real
    if not (power > 0).all():
        raise NumericalError(
            f"bin {np.argmin(power > 0)} has no more power with speech than without: use "
            f"rtf_by_whitening, or another noise interval"
        )
    return column / power[:, None]


def rtf_by_whitening(
    speech_cov: np.ndarray,
    noise_cov: np.ndarray,
    reference: int = 0,
    loading: float = LOADING,
) -> np.ndarray:
    """Relative transfer function by covariance whitening.

        Φₙ = L Lᴴ,   v = principal eigenvector of L⁻¹ Φₛ L⁻ᴴ,   a = L v / (L v)_ref

    Parameters
    ----------
    speech_cov : complex ndarray, shape (F, M, M)
        Covariance of speech or of noisy speech; both have the same principal eigenvector.
    noise_cov : complex ndarray, shape (F, M, M)
    reference : int
    loading : float
        Relative diagonal loading of the noise covariance.

    Returns
    -------
    rtf : complex128 ndarray, shape (F, M)
        1 at the reference microphone.

    Raises
    ------
    ShapeError
        If the shapes differ, or the reference is no microphone.
    NumericalError
        If a noise covariance is singular, or no speech reaches the reference microphone.

    References
    ----------
    S. Markovich, S. Gannot and I. Cohen, "Multichannel eigenspace beamforming in a
    reverberant noisy environment with multiple interfering speech signals", IEEE TASLP 17,
    2009; Markovich-Golan and Gannot 2015, eq. 9.

    Examples
    --------
    >>> rtf, noise_cov = np.array([1, 0.5]), np.eye(2)[None]
    >>> noisy_cov = np.outer(rtf, rtf) + noise_cov
    >>> rtf_by_whitening(noisy_cov, noise_cov).real.round(3)
    array([[1. , 0.5]])
    """
    check_covariances(speech_cov, noise_cov, reference)
    heard = principal_direction(speech_cov, noise_cov, loading)
    at = heard[:, reference]
    if not (np.abs(at) > LEAST_HEARD).all():
        bad = np.argmin(np.abs(at))
        raise NumericalError(f"no speech reaches microphone {reference} in bin {bad}")
    return heard / at[:, None]


def principal_direction(
    speech_cov: np.ndarray, noise_cov: np.ndarray, loading: float | np.ndarray = LOADING
) -> np.ndarray:
    """Transfer function of the talker, L v, of norm 1 in each bin; complex128, shape (F, M)."""
    factor, _, vectors = generalised_eigen(speech_cov, noise_cov, loading)
    heard = (factor @ vectors[..., -1:])[..., 0]
    return heard / np.linalg.norm(heard, axis=1, keepdims=True)


def rank_one(speech_cov: np.ndarray, noise_cov: np.ndarray, loading: float = LOADING) -> np.ndarray:
    """Rank-one approximation of a speech covariance, by its principal generalised eigenvector.

        Φₛ ≈ λ₁ L v vᴴ Lᴴ

    Parameters and errors are those of `rtf_by_whitening`.

    Returns
    -------
    reduced : complex128 ndarray, shape (F, M, M)
        Of rank one.

    References
    ----------
    R. Serizel, M. Moonen, B. van Dijk and J. Wouters, "Low-rank approximation based
    multichannel Wiener filter algorithms for noise reduction with application in cochlear
    implants", IEEE/ACM TASLP 22, 2014, eq. 31.

    Examples
    --------
    >>> speech_cov, noise_cov = np.array([[[2.0, 1], [1, 2]]]), np.eye(2)[None]
    >>> rank_one(speech_cov, noise_cov)[0].real.round(3)
    array([[1.5, 1.5],
           [1.5, 1.5]])
    """
    check_covariances(speech_cov, noise_cov, 0)
    factor, values, vectors = generalised_eigen(speech_cov, noise_cov, loading)
    heard = factor @ vectors[..., -1:]
    return np.maximum(values[:, -1], 0)[:, None, None] * (heard @ hermitian(heard))


def speech_covariance(
    noisy_cov: np.ndarray, noise_cov: np.ndarray, loading: float = LOADING
) -> np.ndarray:
    """Speech covariance: the noisy covariance minus the noise, positive semidefinite.

        Φₛ = L V max(Λ - I, 0) Vᴴ Lᴴ,   with V Λ Vᴴ = L⁻¹ Φₓ L⁻ᴴ

    This is Φₓ - Φₙ without its negative part. Parameters and errors are those of
    `rtf_by_whitening`.

    Returns
    -------
    speech_cov : complex128 ndarray, shape (F, M, M)
        Positive semidefinite.

    References
    ----------
    Serizel et al. 2014, eq. 24.

    Examples
    --------
    >>> noisy_cov, noise_cov = np.array([[[2.0, 1], [1, 2]]]), np.eye(2)[None]
    >>> speech_covariance(noisy_cov, noise_cov)[0].real.round(3)
    array([[1., 1.],
           [1., 1.]])
    """
    check_covariances(noisy_cov, noise_cov, 0)
    factor, values, vectors = generalised_eigen(noisy_cov, noise_cov, loading)
    heard = factor @ vectors
    return (heard * np.maximum(values - 1, 0)[:, None, :]) @ hermitian(heard)


def generalised_eigen(
    speech_cov: np.ndarray, noise_cov: np.ndarray, loading: float | np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Generalised eigendecomposition: Cholesky factor L of Φₙ, eigenpairs of L⁻¹ Φₛ L⁻ᴴ.

    Returns
    -------
    factor : complex128 ndarray, shape (F, M, M)
    values : float64 ndarray, shape (F, M)
        Eigenvalues, which are signal-to-noise ratios, ascending.
    vectors : complex128 ndarray, shape (F, M, M)
        Eigenvectors, in columns.

    Raises
    ------
    NumericalError
        If a noise covariance is singular or a covariance is not finite.
    """
    n_mics = noise_cov.shape[-1]
    noise = np.asarray(noise_cov, np.complex128)
    for name, cov in (("speech", speech_cov), ("noise", noise)):
        finite = np.isfinite(cov).all(axis=(-2, -1))
        if not finite.all():
            raise NumericalError(f"the {name} covariance of bin {np.argmin(finite)} is not finite")
    load = loading * np.trace(noise, axis1=-2, axis2=-1).real / n_mics
    try:
        factor = np.linalg.cholesky(noise + load[:, None, None] * np.eye(n_mics))
    except np.linalg.LinAlgError as error:
        raise NumericalError(
            "a noise covariance is singular; use loading > 0 or more frames"
        ) from error
    half = np.linalg.solve(factor, np.asarray(speech_cov, np.complex128))
    whitened = np.linalg.solve(factor, hermitian(half))
    values, vectors = np.linalg.eigh((whitened + hermitian(whitened)) / 2)
    return factor, values, vectors


def hermitian(matrices: np.ndarray) -> np.ndarray:
    """Conjugate transpose of the last two axes."""
    return np.swapaxes(matrices, -1, -2).conj()


def check_covariances(first: np.ndarray, second: np.ndarray, reference: int) -> None:
    """Raise ShapeError if the shapes differ or the reference is not a microphone."""
    if first.shape != second.shape or first.ndim != 3 or first.shape[1] != first.shape[2]:
        raise ShapeError(
            f"covariances must share the shape (F, M, M); got {first.shape} and {second.shape}"
        )
    if not 0 <= reference < first.shape[-1]:
        raise ShapeError(f"reference must be 0 to {first.shape[-1] - 1}; got {reference}")
