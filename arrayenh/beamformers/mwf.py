"""Beamformers from covariances: Wiener filters, the largest SNR, several constraints."""

import numpy as np

from arrayenh.beamformers.mvdr import LOADING, solve
from arrayenh.errors import ConfigError, NumericalError, ShapeError
from arrayenh.statistics.transfer_functions import (
    check_covariances,
    generalised_eigen,
    hermitian,
)


def mwf(
    speech_cov: np.ndarray,
    noise_cov: np.ndarray,
    mu: float = 1.0,
    reference: int = 0,
    loading: float = LOADING,
) -> np.ndarray:
    """Speech-distortion-weighted multichannel Wiener filter.

        w = (Φₛ + μ Φₙ)⁻¹ Φₛ e_ref

    Parameters
    ----------
    speech_cov, noise_cov : complex ndarray, shape (F, M, M)
    mu : float
        μ > 0: what noise weighs against the distortion of speech.
    reference : int
        Microphone whose speech is wanted.
    loading : float
        Relative diagonal loading of the noise covariance.

    Returns
    -------
    weights : complex128 ndarray, shape (F, M)

    Raises
    ------
    ShapeError, NumericalError
        If the covariances do not fit, or are singular.
    ConfigError
        If μ is not above 0.

    References
    ----------
    A. Spriet, M. Moonen and J. Wouters, "Spatially pre-processed speech distortion weighted
    multi-channel Wiener filtering for noise reduction", Signal Process. 84, 2004, eq. 10.
    """
    check_covariances(speech_cov, noise_cov, reference)
    if not mu > 0:
        raise ConfigError(f"mu must be above 0 (rank_one_mwf takes 0, too); got {mu}")
    speech = np.asarray(speech_cov, np.complex128)
    noise = loaded(np.asarray(noise_cov, np.complex128), loading)
    return solve(speech + mu * noise, speech[..., reference : reference + 1])[..., 0]


def rank_one_mwf(
    speech_cov: np.ndarray,
    noise_cov: np.ndarray,
    mu: float = 1.0,
    reference: int = 0,
    loading: float = LOADING,
) -> np.ndarray:
    """The same where speech is one talker, so that its covariance has rank one.

        w = Φₙ⁻¹ Φₛ e_ref / (μ + tr(Φₙ⁻¹ Φₛ))

    Parameters, returns and errors are those of `mwf`, but μ may be 0: then this is
    `souden_mvdr`.

    References
    ----------
    M. Souden, J. Benesty and S. Affes, "On optimal frequency-domain multichannel linear
    filtering for noise reduction", IEEE TASLP 18, 2010, eq. 24.
    """
    check_covariances(speech_cov, noise_cov, reference)
    if not mu >= 0:
        raise ConfigError(f"mu must be at least 0; got {mu}")
    ratio = solve(noise_cov, speech_cov, loading)
    trace = np.trace(ratio, axis1=-2, axis2=-1).real
    if not (mu + trace > 0).all():
        raise NumericalError(f"the speech covariance of bin {np.argmin(trace)} is empty")
    return ratio[..., reference] / (mu + trace)[:, None]


def gev(
    speech_cov: np.ndarray,
    noise_cov: np.ndarray,
    reference: int = 0,
    loading: float = LOADING,
) -> np.ndarray:
    """Weights of the largest SNR at the output, with blind analytic normalisation.

        w = argmax wᴴ Φₛ w / wᴴ Φₙ w,   w ← w sqrt(wᴴ Φₙ Φₙ w / M) / wᴴ Φₙ w

    The SNR does not tell phase from phase: here the output has that of the speech at the
    reference microphone.

    Parameters
    ----------
    speech_cov, noise_cov : complex ndarray, shape (F, M, M)
    reference : int
    loading : float
        Relative diagonal loading of the noise covariance.

    Returns
    -------
    weights : complex128 ndarray, shape (F, M)

    Raises
    ------
    ShapeError, NumericalError
        If the covariances do not fit, or the noise covariance is singular.

    References
    ----------
    E. Warsitz and R. Haeb-Umbach, "Blind acoustic beamforming based on generalized
    eigenvalue decomposition", IEEE TASLP 15, 2007, eqs. 16 and 27.
    """
    check_covariances(speech_cov, noise_cov, reference)
    factor, _, vectors = generalised_eigen(speech_cov, noise_cov, loading)
    weights = np.linalg.solve(hermitian(factor), vectors[..., -1:])[..., 0]
    noise = np.asarray(noise_cov, np.complex128)
    through = np.einsum("fij,fj->fi", noise, weights)
    power = np.einsum("fi,fi->f", weights.conj(), through).real
    gain = np.linalg.norm(through, axis=1) / np.sqrt(noise.shape[-1]) / power
    heard = np.einsum("fi,fi->f", weights.conj(), speech_cov[..., reference])
    phase = np.where(np.abs(heard) > 0, heard / np.maximum(np.abs(heard), 1e-300), 1.0)
    return weights * (gain * phase)[:, None]


def lcmv(
    constraints: np.ndarray,
    responses: np.ndarray,
    noise_cov: np.ndarray,
    loading: float = LOADING,
) -> np.ndarray:
    """Least noise with a given response in each of several directions.

        w = Φₙ⁻¹ A (Aᴴ Φₙ⁻¹ A)⁻¹ g*,   so that wᴴ a_k = g_k

    Parameters
    ----------
    constraints : complex ndarray, shape (F, M, K)
        A: a steering vector in each column; K at most M.
    responses : complex ndarray, shape (K,) or (F, K)
        g: 1 keeps a talker, 0 is a null.
    noise_cov : complex ndarray, shape (F, M, M)
    loading : float
        Relative diagonal loading of the noise covariance.

    Returns
    -------
    weights : complex128 ndarray, shape (F, M)

    Raises
    ------
    ShapeError
        If the shapes do not fit, or there are more constraints than microphones.
    NumericalError
        If a covariance is singular, or two constraints are one.

    References
    ----------
    O. L. Frost, "An algorithm for linearly constrained adaptive array processing", Proc. IEEE
    60, 1972, eq. 11; Van Trees 2002, eq. 6.358.
    """
    constraints = np.asarray(constraints, np.complex128)
    if constraints.ndim != 3 or noise_cov.shape != (*constraints.shape[:2], constraints.shape[1]):
        raise ShapeError(
            f"constraints must have shape (F, M, K) and noise_cov (F, M, M); got "
            f"{constraints.shape} and {noise_cov.shape}"
        )
    n_freqs, n_mics, n_constraints = constraints.shape
    if n_constraints > n_mics:
        raise ShapeError(f"{n_mics} microphones cannot keep {n_constraints} constraints")
    try:
        wanted = np.broadcast_to(np.asarray(responses, np.complex128), (n_freqs, n_constraints))
    except ValueError as error:
        raise ShapeError(
            f"responses must have shape (K,) or (F, K), K = {n_constraints}; "
            f"got {np.shape(responses)}"
        ) from error
    whitened = solve(noise_cov, constraints, loading)
    gram = hermitian(constraints) @ whitened
    worst = np.linalg.cond(gram)
    if not (worst < 1e12).all():
        raise NumericalError(f"two constraints of bin {np.argmax(worst)} are the same direction")
    return (whitened @ np.linalg.solve(gram, wanted.conj()[..., None]))[..., 0]


def least_squares(spec: np.ndarray, target: np.ndarray, loading: float = LOADING) -> np.ndarray:
    """Weights whose output is as near as can be to a target that is known.

        w = (Σ x xᴴ)⁻¹ Σ x d*

    Parameters
    ----------
    spec : complex ndarray, shape (F, M, T)
        x; several frames stacked as more microphones make it a multi-frame filter.
    target : complex ndarray, shape (F, T)
        d.
    loading : float
        Relative diagonal loading.

    Returns
    -------
    weights : complex128 ndarray, shape (F, M)

    Raises
    ------
    ShapeError
        If the shapes do not fit.
    NumericalError
        If a bin is silent.
    """
    if spec.ndim != 3 or target.shape != (spec.shape[0], spec.shape[2]):
        raise ShapeError(
            f"target must have shape (F, T) to match spec (F, M, T); got {target.shape} and "
            f"{spec.shape}"
        )
    x = np.asarray(spec, np.complex128)
    cross = x @ np.asarray(target, np.complex128).conj()[..., None]
    return solve(x @ hermitian(x), cross, loading)[..., 0]


def best_reference(speech_cov: np.ndarray, noise_cov: np.ndarray, loading: float = LOADING) -> int:
    """Microphone for which the MVDR has the largest SNR over all frequencies together.

    Parameters
    ----------
    speech_cov, noise_cov : complex ndarray, shape (F, M, M)
    loading : float
        Relative diagonal loading of the noise covariance.

    Returns
    -------
    reference : int

    References
    ----------
    T. C. Lawin-Ore and S. Doclo, "Reference microphone selection for MWF-based noise
    reduction using distributed microphone arrays", ITG Speech Communication 2012, eq. 21.
    """
    check_covariances(speech_cov, noise_cov, 0)
    ratios = []
    for reference in range(speech_cov.shape[-1]):
        w = rank_one_mwf(speech_cov, noise_cov, 0.0, reference, loading)
        speech, noise = (
            np.einsum("fi,fij,fj->", w.conj(), cov, w, optimize=True).real
            for cov in (speech_cov, noise_cov)
        )
        ratios.append(speech / noise)
    return int(np.argmax(ratios))


def loaded(cov: np.ndarray, loading: float | np.ndarray) -> np.ndarray:
    """A covariance with a part of its mean diagonal added to each."""
    n_mics = cov.shape[-1]
    power = np.trace(cov, axis1=-2, axis2=-1).real / n_mics
    return cov + (loading * power)[:, None, None] * np.eye(n_mics)
