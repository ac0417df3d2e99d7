"""MCWF: a multichannel convolutive Wiener filter towards a target signal."""

from collections.abc import Sequence

import numpy as np

from arrayenh.beamformers.beamformer import Beamformer, BeamformerSettings, Statistics
from arrayenh.beamformers.filters import Filters
from arrayenh.beamformers.mvdr import estimate_mvdr
from arrayenh.beamformers.weights import apply
from arrayenh.statistics.lagged import (
    LOADING,
    lagged_covariance,
    lagged_cross_covariance,
    solve_loaded,
)

LEAST_TARGET = 0.1  # lower bound of the mask in the target


def multi_frame_least_squares(
    spec: np.ndarray, target: np.ndarray, delays: Sequence[int], loading: float = LOADING
) -> np.ndarray:
    """Multichannel convolutive Wiener filter (MCWF): least squares towards a target.

        w = (Σ x̄ x̄ᴴ)⁻¹ Σ x̄ d*

    Parameters
    ----------
    spec : complex64 ndarray, shape (F, M, T)
    target : complex ndarray, shape (F, T)
        d: true early speech, or an estimate such as a post-filter's output.
    delays : sequence of int, length A
        Frames; see `lagged_covariance`.
    loading : float
        Relative diagonal loading.

    Returns
    -------
    weights : complex128 ndarray, shape (F, A, M)

    Raises
    ------
    ShapeError
        If the shapes do not fit.
    NumericalError
        If a bin is silent.

    References
    ----------
    J. Benesty, J. Chen and Y. Huang, "A multi-frame approach to the frequency-domain
    single-channel noise reduction problem", IEEE TASLP 20, 2012; Z.-Q. Wang et al.,
    "Convolutive prediction for monaural speech dereverberation and noisy-reverberant speaker
    separation", IEEE/ACM TASLP 29, 2021, eq. 9.

    Examples
    --------
    >>> spec = np.array([[[1, 2, 3, 1]]], np.complex64)
    >>> target = np.array([[0, 1, 2, 3]], np.complex64)  # one frame later
    >>> multi_frame_least_squares(spec, target, delays=[0, 1])[0].real.round(3)
    array([[0.],
           [1.]])
    """
    cross = lagged_cross_covariance(spec, target, delays)
    n_freqs, n_delays, n_mics = cross.shape
    even = np.ones((n_freqs, spec.shape[2]), np.float32)
    cov = lagged_covariance(spec, even, delays)
    found, _ = solve_loaded(cov, cross.reshape(n_freqs, -1, 1), loading)
    return found.reshape(n_freqs, n_delays, n_mics)


def estimate_mcwf(heard: Statistics, settings: BeamformerSettings) -> Filters:
    """MCWF filters of a segment, with the masked MVDR output as the target."""
    first = apply(estimate_mvdr(heard, settings).weights[:, 0, :, 0], heard.spec)
    target = np.maximum(heard.mask, np.float32(LEAST_TARGET)) * first
    delays = tuple(range(settings.frames))
    found = multi_frame_least_squares(
        heard.spec, target, delays, float(heard.loading.min(initial=1.0))
    )
    return heard.levelled_filters(found, delays)


MCWF = Beamformer(
    "mcwf",
    "MCWF",
    "multichannel convolutive Wiener filter: several frames, the masked MVDR as target",
    estimate_mcwf,
)
