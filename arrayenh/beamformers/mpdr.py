"""MPDR: minimum power distortionless response, from the covariance of the noisy mixture."""

import numpy as np

from arrayenh.beamformers.beamformer import Beamformer, BeamformerSettings, Statistics
from arrayenh.beamformers.filters import Filters
from arrayenh.beamformers.mvdr import mvdr
from arrayenh.statistics.covariance import spatial_covariance

MPDR_LOADING = 1e-1  # relative; limits cancellation of the talker by steering errors


def mpdr(
    steering: np.ndarray, noisy_cov: np.ndarray, loading: float | np.ndarray = MPDR_LOADING
) -> np.ndarray:
    """MPDR weights: minimum output power without distortion in the look direction.

        w = Φₓ⁻¹ a / (aᴴ Φₓ⁻¹ a)        (Van Trees 2002, eq. 6.23; Capon 1969)

    This is `mvdr` with speech in the covariance. It needs no mask, but cancels the talker if the
    steering vector is inexact (Cox 1973), so the loading is larger.

    Parameters
    ----------
    steering : complex ndarray, shape (F, M)
    noisy_cov : complex ndarray, shape (F, M, M)
        Covariance of all frames.
    loading : float or ndarray, shape (F,)
        Relative diagonal loading.

    Returns
    -------
    weights : complex128 ndarray, shape (F, M)
        wᴴa = 1.

    Raises
    ------
    ShapeError, NumericalError
        As raised by `mvdr`.

    Examples
    --------
    >>> noisy_cov = np.ones((1, 2, 2)) + np.eye(2)
    >>> mpdr(np.ones((1, 2)), noisy_cov).real.round(3)
    array([[0.5, 0.5]])
    """
    return mvdr(steering, noisy_cov, loading)


def estimate_mpdr(heard: Statistics, settings: BeamformerSettings) -> Filters:
    """MPDR filters of a segment."""
    loading = MPDR_LOADING if settings.loading is None else settings.loading
    return Filters.of(mpdr(heard.towards, spatial_covariance(heard.spec), loading))


MPDR = Beamformer(
    "mpdr",
    "MPDR",
    "minimum power distortionless response: MVDR from all frames, speech included",
    estimate_mpdr,
    steering="optional",
)
