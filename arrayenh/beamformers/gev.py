"""GEV: the beamformer of maximum output SNR."""

import numpy as np

from arrayenh.beamformers.beamformer import Beamformer, BeamformerSettings, Statistics
from arrayenh.beamformers.filters import Filters
from arrayenh.statistics.loading import LOADING
from arrayenh.statistics.transfer_functions import check_covariances, generalised_eigen, hermitian


def gev(
    speech_cov: np.ndarray,
    noise_cov: np.ndarray,
    reference: int = 0,
    loading: float = LOADING,
) -> np.ndarray:
    """Weights of maximum output SNR, with blind analytic normalisation.

        w = argmax wᴴ Φₛ w / wᴴ Φₙ w,   w ← w sqrt(wᴴ Φₙ Φₙ w / M) / wᴴ Φₙ w

    The SNR leaves the phase undetermined: it is set to that of the speech at the reference
    microphone.

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

    Examples
    --------
    >>> speech_cov, noise_cov = np.ones((1, 2, 2)), np.eye(2)[None]
    >>> gev(speech_cov, noise_cov).real.round(3)
    array([[0.5, 0.5]])
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


def estimate_gev(heard: Statistics, settings: BeamformerSettings) -> Filters:
    """GEV filters of a segment."""
    found = heard.limited(
        lambda bins, noise: gev(heard.speech_cov[bins], noise, heard.reference, 0.0)
    )
    return Filters.of(heard.levelled(found))


GEV = Beamformer(
    "gev",
    "GEV",
    "generalised eigenvector: maximum output SNR",
    estimate_gev,
)
