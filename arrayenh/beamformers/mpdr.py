"""MPDR: minimum power distortionless response, from all that is heard."""

import numpy as np

from arrayenh.beamformers.beamformer import Beamformer, BeamformerSettings, Statistics
from arrayenh.beamformers.filters import Filters
from arrayenh.beamformers.mvdr import mvdr
from arrayenh.statistics.covariance import spatial_covariance

MPDR_LOADING = 1e-1  # relative; an error of steering must not cancel the talker


def mpdr(
    steering: np.ndarray, noisy_cov: np.ndarray, loading: float | np.ndarray = MPDR_LOADING
) -> np.ndarray:
    """Least power that keeps the look direction: MPDR, from the recording as it is.

        w = Φₓ⁻¹ a / (aᴴ Φₓ⁻¹ a)        (Van Trees 2002, eq. 6.23; Capon 1969)

    `mvdr` with speech in the covariance. It needs to know of no mask, but cancels the talker
    where the steering vector is not exactly his (Cox 1973): it is loaded more.

    Parameters
    ----------
    steering : complex ndarray, shape (F, M)
    noisy_cov : complex ndarray, shape (F, M, M)
        Of all frames.
    loading : float or ndarray, shape (F,)
        Relative diagonal loading.

    Returns
    -------
    weights : complex128 ndarray, shape (F, M)
        wᴴa = 1.

    Raises
    ------
    ShapeError, NumericalError
        As of `mvdr`.
    """
    return mvdr(steering, noisy_cov, loading)


def estimate_mpdr(heard: Statistics, settings: BeamformerSettings) -> Filters:
    """From all frames."""
    loading = MPDR_LOADING if settings.loading is None else settings.loading
    return Filters.of(mpdr(heard.towards, spatial_covariance(heard.spec), loading))


MPDR = Beamformer(
    "mpdr",
    "MPDR",
    "minimum power distortionless response: MVDR from all frames, speech included",
    estimate_mpdr,
    steering="optional",
)
