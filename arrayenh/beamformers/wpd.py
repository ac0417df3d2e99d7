"""WPD: dereverberation and beamforming in one filter."""

import numpy as np

from arrayenh.beamformers.beamformer import Beamformer, BeamformerSettings, Statistics
from arrayenh.beamformers.filters import Filters
from arrayenh.dereverberation.wpe import DELAY, TAPS, inverse_power
from arrayenh.errors import NumericalError, ShapeError
from arrayenh.statistics.lagged import (
    LOADING,
    apply_lagged,
    check_spec,
    lagged_covariance,
    solve_loaded,
)


def wpd(
    spec: np.ndarray,
    rtf: np.ndarray,
    power: np.ndarray | None = None,
    taps: int = TAPS,
    delay: int = DELAY,
    iterations: int = 2,
    loading: float = LOADING,
) -> tuple[np.ndarray, list[int]]:
    """WPD filters: weighted power minimisation distortionless response.

        w̄ = R̄⁻¹ v̄ / (v̄ᴴ R̄⁻¹ v̄),   R̄ = Σ_t x̄ x̄ᴴ / λ(t),   v̄ = [v; 0]

    Parameters
    ----------
    spec : complex64 ndarray, shape (F, M, T)
    rtf : complex ndarray, shape (F, M)
        v, relative transfer function of the talker's early speech.
    power : float ndarray, shape (F, T), optional
        Initial λ, the power of the early speech at the reference. Default: the mean over the
        microphones. Further iterations use the power of the output.
    taps, delay : int
        K and D; see `arrayenh.dereverberation.wpe.wpe_filters`.
    iterations : int
    loading : float
        Relative diagonal loading.

    Returns
    -------
    weights : complex128 ndarray, shape (F, K + 1, M)
        w_0ᴴ v = 1.
    delays : list of int
        0, D, ... D + K - 1.

    Raises
    ------
    ShapeError
        If the shapes do not fit.
    NumericalError
        If a bin is silent.

    References
    ----------
    T. Nakatani and K. Kinoshita, "A unified convolutional beamformer for simultaneous
    denoising and dereverberation", IEEE Signal Process. Lett. 26, 2019, eq. 14.

    Examples
    --------
    >>> weights, delays = wpd(np.ones((1, 2, 20), np.complex64), rtf=np.ones((1, 2)))
    >>> delays, weights[0, 0].sum().real.round(3).item()
    ([0, 2, 3, 4, 5, 6], 1.0)
    """
    check_spec(spec)
    if rtf.shape != spec.shape[:2]:
        raise ShapeError(f"rtf must have shape (F, M) to match spec {spec.shape}; got {rtf.shape}")
    n_freqs, n_mics, _ = spec.shape
    delays = [0, *range(delay, delay + taps)]
    towards = np.zeros((n_freqs, len(delays) * n_mics, 1), np.complex128)
    towards[:, :n_mics, 0] = rtf
    output = spec if power is None else np.sqrt(power)[:, None]
    for _ in range(max(iterations, 1)):
        cov = lagged_covariance(spec, inverse_power(output), delays)
        found, _ = solve_loaded(cov, towards, loading)
        gain = np.einsum("fi,fi->f", towards[:, :, 0].conj(), found[:, :, 0]).real
        if not (gain > 0).all():
            raise NumericalError(f"the transfer function of bin {np.argmin(gain > 0)} is zero")
        weights = (found[:, :, 0] / gain[:, None]).reshape(n_freqs, len(delays), n_mics)
        output = apply_lagged(weights, spec, delays)[:, None]
    return weights, delays


def estimate_wpd(heard: Statistics, settings: BeamformerSettings) -> Filters:
    """WPD filters of a segment, with λ from the masked power."""
    power = heard.mask * np.mean(np.abs(heard.spec) ** 2, axis=1)
    found, delays = wpd(heard.spec, heard.towards, power, iterations=2)
    return heard.levelled_filters(found, tuple(delays))


WPD = Beamformer(
    "wpd",
    "WPD",
    "weighted power minimisation distortionless response: dereverberates and beamforms",
    estimate_wpd,
    steering="optional",
)
