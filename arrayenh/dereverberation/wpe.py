"""Dereverberation by weighted prediction error (WPE).

Late reverberation can be predicted from earlier frames; the speech itself, a few frames later,
cannot. The late part of each microphone is predicted from the past of all microphones and
subtracted. The early part keeps the spatial information that a beamformer needs.
"""

import numpy as np

from arrayenh import _kernels
from arrayenh.dereverberation.dereverberator import Dereverberator
from arrayenh.errors import ConfigError, ShapeError
from arrayenh.statistics.lagged import (
    LOADING,
    add_lagged,
    check_spec,
    lagged_covariance,
    solve_loaded,
)

TAPS, DELAY, ITERATIONS = 5, 2, 3  # for n_fft 2048 and hop 512 at 16 kHz
MEMORY_SECONDS = 5.0  # of the recursive form
LEAST_POWER = 1e-4  # floor of λ relative to its mean, so that silent frames do not dominate


def wpe(
    spec: np.ndarray,
    taps: int = TAPS,
    delay: int = DELAY,
    iterations: int = ITERATIONS,
    loading: float = LOADING,
    least_power: float = LEAST_POWER,
) -> np.ndarray:
    """Dereverberate all microphones of a whole spectrum.

    Parameters, returns and errors are those of `wpe_filters` and `apply_wpe`. Silent bins stay
    silent.

    Examples
    --------
    >>> wpe(np.zeros((1, 2, 20), np.complex64)).shape
    (1, 2, 20)
    """
    filters = wpe_filters(spec, taps, delay, iterations, loading, least_power)
    return apply_wpe(filters, spec, delay)


def wpe_filters(
    spec: np.ndarray,
    taps: int = TAPS,
    delay: int = DELAY,
    iterations: int = ITERATIONS,
    loading: float = LOADING,
    least_power: float = LEAST_POWER,
) -> np.ndarray:
    """Estimate the prediction filters of late reverberation.

        G = (Σ x̄ x̄ᴴ / λ)⁻¹ Σ x̄ xᴴ / λ,   x̄(t) = [x(t - D); ... x(t - D - K + 1)],
        λ(t) = mean_m |x_m(t) - (Gᴴ x̄(t))_m|²

    G and λ are estimated alternately; the initial λ is that of the input. Statistics are summed
    and solved in double precision.

    Parameters
    ----------
    spec : complex64 ndarray, shape (F, M, T)
    taps : int
        K, length of the prediction filter, frames.
    delay : int
        D, prediction delay, frames; at least the early reflections and the overlap of frames.
    iterations : int
    loading : float
        Relative diagonal loading of the matrix. With less, the filters amplify the noise of
        closely spaced microphones.
    least_power : float
        Floor of λ, relative to its mean over the frames of the bin.

    Returns
    -------
    filters : complex128 ndarray, shape (F, K, M, M)
        The last axis is the predicted microphone.

    Raises
    ------
    ShapeError
        If `spec` does not have three axes.
    ConfigError
        If a number is below 1.

    References
    ----------
    T. Nakatani et al., "Speech dereverberation based on variance-normalized delayed linear
    prediction", IEEE TASLP 18, 2010, eqs. 22 to 26; T. Yoshioka and T. Nakatani,
    "Generalization of multi-channel linear prediction methods for blind MIMO impulse
    response shortening", IEEE TASLP 20, 2012.

    Examples
    --------
    >>> wpe_filters(np.zeros((1, 2, 20), np.complex64), taps=5).shape
    (1, 5, 2, 2)
    """
    check_spec(spec)
    for name, value in (("taps", taps), ("delay", delay), ("iterations", iterations)):
        if value < 1:
            raise ConfigError(f"{name} must be at least 1; got {value}")
    n_freqs, n_mics, n_frames = spec.shape
    filters = np.zeros((n_freqs, taps, n_mics, n_mics), np.complex128)
    # bins with sound before the delay
    there = frame_power(spec)[:, : max(n_frames - delay, 0)].any(axis=1)
    if not there.any():
        return filters
    sounding = spec if there.all() else np.ascontiguousarray(spec[there])
    delays = [0, *range(delay, delay + taps)]
    weight = inverse_power(sounding, least_power)
    for left in reversed(range(iterations)):
        cov = lagged_covariance(sounding, weight, delays)
        found, _ = solve_loaded(cov[:, n_mics:, n_mics:], cov[:, n_mics:, :n_mics], loading)
        filters[there] = found.reshape(-1, taps, n_mics, n_mics)
        if left:
            weight = inverse_power(apply_wpe(filters[there], sounding, delay), least_power)
    return filters


def apply_wpe(
    filters: np.ndarray, spec: np.ndarray, delay: int = DELAY, past: np.ndarray | None = None
) -> np.ndarray:
    """Subtract the predicted late reverberation: d = x - Gᴴ x̄.

    Parameters
    ----------
    filters : complex ndarray, shape (F, K, M, M)
    spec : complex64 ndarray, shape (F, M, T)
    delay : int
        D, the value used to estimate the filters.
    past : complex64 ndarray, shape (F, M, P), optional
        Earlier frames, of which the last D + K - 1 are used. Default: zeros.

    Returns
    -------
    early : complex64 ndarray, shape (F, M, T)

    Raises
    ------
    ShapeError
        If the shapes do not fit.

    Examples
    --------
    >>> spec = np.ones((1, 1, 4), np.complex64)
    >>> apply_wpe(np.full((1, 1, 1, 1), 0.5), spec, delay=2).real
    array([[[1. , 1. , 0.5, 0.5]]], dtype=float32)
    """
    check_spec(spec)
    n_freqs, n_mics, _ = spec.shape
    if filters.ndim != 4 or filters.shape != (n_freqs, filters.shape[1], n_mics, n_mics):
        raise ShapeError(
            f"filters must have shape (F, K, M, M) to match spec {spec.shape}; got {filters.shape}"
        )
    early = np.empty(spec.shape, np.complex64)
    _kernels.wpe.copy(spec, early)
    add_lagged(-filters, spec, delay + np.arange(filters.shape[1]), past, early)
    return early


def frame_power(spec: np.ndarray) -> np.ndarray:
    """Mean power over the microphones, float32, shape (F, T)."""
    power = np.empty((spec.shape[0], spec.shape[2]), np.float32)
    _kernels.wpe.mean_power(spec, power)
    return power


def inverse_power(early: np.ndarray, least_power: float = LEAST_POWER) -> np.ndarray:
    """Weight 1 / λ of each frame, λ at least a part of its mean; float32, shape (F, T).

    It is scaled to be at most 1.
    """
    power = frame_power(early)
    # the smallest float avoids 0 / 0 in silence
    _kernels.wpe.relative_inverse(power, least_power, float(np.finfo(np.float32).tiny))
    return power


class RecursiveWpe:
    """WPE frame by frame, by recursive least squares with exponential forgetting.

        k = R⁻¹ x̄ / (α λ + x̄ᴴ R⁻¹ x̄),   d = x - Gᴴ x̄,
        R⁻¹ <- (R⁻¹ - k x̄ᴴ R⁻¹) / α,   G <- G + k dᴴ

    with λ the mean power of the last D + K - 1 frames. R⁻¹ is kept exactly Hermitian. Silent
    frames do not change the state.

    Parameters
    ----------
    n_freqs, n_mics : int
        F and M.
    taps, delay : int
        K and D, frames.
    hop_seconds : float
        Time from frame to frame, s.
    memory_seconds : float
        Time constant of the statistics, s: α = exp(-hop / memory).

    Raises
    ------
    ConfigError
        If a number is out of range.

    References
    ----------
    T. Yoshioka, "Speech enhancement in reverberant environments", PhD thesis, 2010, section
    5.4; J. Caroselli, I. Shafran, A. Narayanan and R. Rose, "Adaptive multichannel
    dereverberation for automatic speech recognition", Interspeech 2017, eqs. 8 to 11.

    Examples
    --------
    >>> recursive = RecursiveWpe(n_freqs=1, n_mics=2)
    >>> recursive.update(np.ones((1, 2, 3), np.complex64)).shape
    (1, 2, 3)
    """

    def __init__(
        self,
        n_freqs: int,
        n_mics: int,
        taps: int = TAPS,
        delay: int = DELAY,
        hop_seconds: float = 0.008,
        memory_seconds: float = MEMORY_SECONDS,
    ) -> None:
        if min(n_freqs, n_mics, taps, delay) < 1 or not hop_seconds > 0:
            raise ConfigError("n_freqs, n_mics, taps, delay and hop_seconds must be positive")
        if not memory_seconds >= hop_seconds:
            raise ConfigError(
                f"memory_seconds must be at least a hop, {hop_seconds}; got {memory_seconds}"
            )
        self.taps, self.delay = taps, delay
        self.keep = float(np.exp(-hop_seconds / memory_seconds))
        self._shape = n_freqs, n_mics
        self.reset()

    def reset(self) -> None:
        """Reset the state."""
        n_freqs, n_mics = self._shape
        size, held = self.taps * n_mics, (self.taps + self.delay) * n_mics
        self._inverse = np.tile(np.eye(size), (n_freqs, 1, 1)), np.zeros((n_freqs, size, size))
        self._filters = np.zeros((n_freqs, n_mics, size)), np.zeros((n_freqs, n_mics, size))
        self._held = np.zeros((n_freqs, held)), np.zeros((n_freqs, held))

    @property
    def filters(self) -> np.ndarray:
        """Filters G after the last frame, complex128, shape (F, K, M, M); see `wpe_filters`."""
        n_freqs, n_mics = self._shape
        re, im = self._filters
        adjoint = (re + 1j * im).reshape(n_freqs, n_mics, self.taps, n_mics)
        return adjoint.conj().transpose(0, 2, 3, 1)[:, ::-1]

    def update(self, spec: np.ndarray) -> np.ndarray:
        """Dereverberate the next frames.

        Parameters
        ----------
        spec : complex64 ndarray, shape (F, M, t)

        Returns
        -------
        early : complex64 ndarray, shape (F, M, t)

        Raises
        ------
        ShapeError
            If F or M differ from those of the object.
        """
        check_spec(spec)
        if spec.shape[:2] != self._shape:
            raise ShapeError(f"spec must have shape {(*self._shape, 't')}; got {spec.shape}")
        early = np.empty(spec.shape, np.complex64)
        _kernels.wpe.recursive_wpe(
            spec, self.keep, *self._inverse, *self._filters, *self._held, early
        )
        return early


def _apply(filters: np.ndarray, spec: np.ndarray, past: np.ndarray | None) -> np.ndarray:
    """Call `apply_wpe` with the default delay."""
    return apply_wpe(filters, spec, DELAY, past)


def _recursive(n_freqs: int, n_mics: int, hop_seconds: float) -> RecursiveWpe:
    """Make a `RecursiveWpe` with the default taps, delay and memory."""
    return RecursiveWpe(n_freqs, n_mics, hop_seconds=hop_seconds)


WPE = Dereverberator(
    "wpe",
    "WPE",
    "weighted prediction error: late reverberation predicted and subtracted",
    wpe_filters,
    _apply,
    DELAY + TAPS - 1,
    _recursive,
)
