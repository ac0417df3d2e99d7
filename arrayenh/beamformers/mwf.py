"""Multichannel Wiener filters and least-squares filters, from covariances."""

import numpy as np

from arrayenh.beamformers.beamformer import Beamformer, BeamformerSettings, Statistics
from arrayenh.beamformers.filters import Filters
from arrayenh.beamformers.mvdr import recursive_rank_one_mwf
from arrayenh.errors import ConfigError, NumericalError, ShapeError
from arrayenh.statistics.loading import LOADING, loaded, solve
from arrayenh.statistics.transfer_functions import (
    check_covariances,
    hermitian,
    rank_one,
    speech_covariance,
)

LEAST_MU = 1e-3  # lower bound of μ in the chain: μ = 0 would be no filter


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
        μ > 0, the trade-off of noise reduction against speech distortion.
    reference : int
        Microphone at which the speech is estimated.
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

    Examples
    --------
    >>> speech_cov, noise_cov = np.ones((1, 2, 2)), np.eye(2)[None]
    >>> mwf(speech_cov, noise_cov).real.round(3)
    array([[0.333, 0.333]])
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
    """Multichannel Wiener filter for one talker, with a speech covariance of rank one.

        w = Φₙ⁻¹ Φₛ e_ref / (μ + tr(Φₙ⁻¹ Φₛ))

    Parameters, returns and errors are those of `mwf`, except that μ may be 0, which gives
    `souden_mvdr`.

    References
    ----------
    M. Souden, J. Benesty and S. Affes, "On optimal frequency-domain multichannel linear
    filtering for noise reduction", IEEE TASLP 18, 2010, eq. 24.

    Examples
    --------
    >>> speech_cov, noise_cov = np.ones((1, 2, 2)), np.eye(2)[None]
    >>> rank_one_mwf(speech_cov, noise_cov, mu=0.5).real.round(3)
    array([[0.4, 0.4]])
    """
    check_covariances(speech_cov, noise_cov, reference)
    if not mu >= 0:
        raise ConfigError(f"mu must be at least 0; got {mu}")
    ratio = solve(noise_cov, speech_cov, loading)
    trace = np.trace(ratio, axis1=-2, axis2=-1).real
    if not (mu + trace > 0).all():
        raise NumericalError(f"the speech covariance of bin {np.argmin(trace)} is empty")
    return ratio[..., reference] / (mu + trace)[:, None]


def least_squares(spec: np.ndarray, target: np.ndarray, loading: float = LOADING) -> np.ndarray:
    """Least-squares weights towards a known target signal.

        w = (Σ x xᴴ)⁻¹ Σ x d*

    Parameters
    ----------
    spec : complex ndarray, shape (F, M, T)
        x; stack several frames as further microphones for a multi-frame filter.
    target : complex ndarray, shape (F, T)
        d, the desired output.
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

    Examples
    --------
    >>> spec = np.array([[[1, 2, 3], [1, 0, -1]]])
    >>> least_squares(spec, target=spec[:, 0] + spec[:, 1]).real.round(3)
    array([[1., 1.]])
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
    """Reference microphone for which the MVDR has the largest broadband output SNR.

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

    Examples
    --------
    >>> best_reference(np.diag([1.0, 4.0])[None], np.eye(2)[None])
    1
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


def estimate_mwf(heard: Statistics, settings: BeamformerSettings) -> Filters:
    """MWF filters of a segment."""

    def estimate(bins: np.ndarray, noise: np.ndarray) -> np.ndarray:
        speech = speech_covariance(heard.speech_cov[bins], noise, 0.0)
        return mwf(speech, noise, max(settings.mu, LEAST_MU), heard.reference, 0.0)

    return Filters.of(heard.levelled(heard.limited(estimate)))


def estimate_rank_one_mwf(heard: Statistics, settings: BeamformerSettings) -> Filters:
    """Rank-one MWF filters of a segment."""

    def estimate(bins: np.ndarray, noise: np.ndarray) -> np.ndarray:
        speech = rank_one(heard.speech_cov[bins], noise, 0.0)
        return rank_one_mwf(speech, noise, settings.mu, heard.reference, 0.0)

    return Filters.of(heard.levelled(heard.limited(estimate)))


MWF = Beamformer(
    "mwf",
    "MWF",
    "speech-distortion-weighted multichannel Wiener filter",
    estimate_mwf,
)
RANK_ONE_MWF = Beamformer(
    "rank1-mwf",
    "rank-1 MWF",
    "multichannel Wiener filter for one talker: speech covariance of rank one",
    estimate_rank_one_mwf,
    recursive=recursive_rank_one_mwf,
)
