"""Multi-frame (convolutional) filters: statistics, solution and application.

Reverberation is longer than a frame, so single-frame weights cannot remove it. A convolutional
filter combines the frames t - δ₀, t - δ₁, ... of all microphones:

    x̄(t) = [x(t - δ₀); x(t - δ₁); ...],   y(t) = wᴴ x̄(t)
"""

from collections.abc import Sequence

import numpy as np

from arrayenh import _kernels
from arrayenh.errors import ConfigError, NumericalError, ShapeError

LOADING = 1e-6  # relative: 60 dB below the mean power, about the noise of microphones
LOADING_STEP, MOST_LOADING = 100.0, 1e-2  # raised until the matrix is positive definite
PAIR, FOUR = 2, 4  # rows processed at once by the kernels


def lagged_covariance(spec: np.ndarray, weight: np.ndarray, delays: Sequence[int]) -> np.ndarray:
    """Weighted covariance of several frames of all microphones.

        R(f) = Σ_t γ(f,t) x̄(f,t) x̄(f,t)ᴴ,   x̄(t) = [x(t - δ₀); x(t - δ₁); ...]

    The spectrum is zero before the first frame.

    Parameters
    ----------
    spec : complex64 ndarray, shape (F, M, T)
    weight : float ndarray, shape (F, T)
        γ, not negative.
    delays : sequence of int, length A
        δ, frames, 0 or more, increasing.

    Returns
    -------
    cov : complex128 ndarray, shape (F, A·M, A·M)
        Hermitian, ordered by delay, then microphone.

    Raises
    ------
    ShapeError
        If `weight` does not have the F and T of `spec`.
    ConfigError
        If the delays are negative or do not rise.

    Examples
    --------
    >>> spec = np.array([[[1, 2, 3]]], np.complex64)  # one bin, one microphone
    >>> lagged_covariance(spec, np.ones((1, 3), np.float32), delays=[0, 1])[0].real
    array([[14.,  8.],
           [ 8.,  5.]])
    """
    check_spec(spec)
    if weight.shape != (spec.shape[0], spec.shape[2]):
        raise ShapeError(
            f"weight must have shape (F, T) = {(spec.shape[0], spec.shape[2])} to match spec; "
            f"got {weight.shape}"
        )
    shifts = checked_delays(delays)
    size = len(shifts) * spec.shape[1]
    cov = np.empty((len(spec), size, size), np.complex128)
    _kernels.lagged.lagged_sums(spec, weight, *rows(shifts, spec.shape[1], PAIR), cov)
    return cov


def lagged_cross_covariance(
    spec: np.ndarray, target: np.ndarray, delays: Sequence[int]
) -> np.ndarray:
    """Cross-covariance of several frames of all microphones and a target.

        p(f) = Σ_t x̄(f,t) d*(f,t),   x̄(t) = [x(t - δ₀); x(t - δ₁); ...]

    Parameters
    ----------
    spec : complex64 ndarray, shape (F, M, T)
    target : complex ndarray, shape (F, T)
        d.
    delays : sequence of int, length A
        δ, frames, 0 or more, increasing.

    Returns
    -------
    cross : complex128 ndarray, shape (F, A, M)

    Raises
    ------
    ShapeError
        If `target` does not have the F and T of `spec`.
    ConfigError
        If the delays are negative or do not rise.

    Examples
    --------
    >>> spec = np.array([[[1, 2, 3]]], np.complex64)
    >>> lagged_cross_covariance(spec, spec[:, 0], delays=[0, 1])[0].real
    array([[14.],
           [ 8.]])
    """
    check_spec(spec)
    if target.shape != (spec.shape[0], spec.shape[2]):
        raise ShapeError(
            f"target must have shape (F, T) to match spec {spec.shape}; got {target.shape}"
        )
    shifts = checked_delays(delays)
    cross = np.empty((len(spec), len(shifts), spec.shape[1]), np.complex128)
    _kernels.lagged.lagged_cross_sums(spec, target, shifts, cross)
    return cross


def lagged_filter(
    filters: np.ndarray, spec: np.ndarray, delays: Sequence[int], past: np.ndarray | None = None
) -> np.ndarray:
    """Apply filters over several frames: y_o(t) = Σ_a w_{a,o}ᴴ x(t - δ_a).

    Parameters
    ----------
    filters : complex ndarray, shape (F, A, M, O)
        Filters of O outputs.
    spec : complex64 ndarray, shape (F, M, T)
    delays : sequence of int, length A
        Frames.
    past : complex64 ndarray, shape (F, M, P), optional
        Earlier frames, of which the last δ are needed. Default: zeros.

    Returns
    -------
    filtered : complex64 ndarray, shape (F, O, T)

    Raises
    ------
    ShapeError
        If the shapes do not fit.
    ConfigError
        If the delays are negative or do not rise.

    Examples
    --------
    >>> spec = np.array([[[1, 2, 3]]], np.complex64)
    >>> delay = np.array([0, 1]).reshape(1, 2, 1, 1)
    >>> lagged_filter(delay, spec, delays=[0, 1]).real
    array([[[0., 1., 2.]]], dtype=float32)
    """
    check_spec(spec)
    shifts = checked_delays(delays)
    n_freqs, n_mics, n_frames = spec.shape
    if filters.ndim != 4 or filters.shape[:3] != (n_freqs, len(shifts), n_mics):
        raise ShapeError(
            f"filters must have shape (F, A, M, O), A = {len(shifts)}, to match spec "
            f"{spec.shape}; got {filters.shape}"
        )
    out = np.zeros((n_freqs, filters.shape[3], n_frames), np.complex64)
    add_lagged(filters, spec, shifts, past, out)
    return out


def add_lagged(
    filters: np.ndarray,
    spec: np.ndarray,
    delays: np.ndarray,
    past: np.ndarray | None,
    out: np.ndarray,
) -> None:
    """Add the output of the filters to `out`, complex64, shape (F, O, T), without checks."""
    n_freqs, n_mics, _ = spec.shape
    n_past = int(delays[-1])
    before = np.zeros((n_freqs, n_mics, n_past), np.complex64)
    if past is not None and n_past:
        held = past[:, :, -n_past:]
        before[:, :, n_past - held.shape[2] :] = held
    mics, shifts = rows(delays, n_mics, FOUR)
    size = len(delays) * n_mics
    flat = np.zeros((n_freqs, out.shape[1], len(mics)), np.complex64)
    flat[:, :, :size] = filters.reshape(n_freqs, size, -1).swapaxes(1, 2)
    _kernels.lagged.add_lagged(flat, mics, shifts, spec, before, out)


def solve_loaded(
    cov: np.ndarray, right: np.ndarray, loading: float = LOADING
) -> tuple[np.ndarray, np.ndarray]:
    """Solve (R + δ tr(R)/n I) x = right in each bin, increasing the loading if needed.

    Parameters
    ----------
    cov : complex128 ndarray, shape (F, n, n)
        Hermitian, positive semidefinite.
    right : complex128 ndarray, shape (F, n, K)
    loading : float
        Initial δ.

    Returns
    -------
    answer : complex128 ndarray, shape (F, n, K)
    used : float64 ndarray, shape (F,)
        Final δ.

    Raises
    ------
    NumericalError
        If a matrix is zero, not finite, or not positive definite even with δ = 1 %.

    Examples
    --------
    >>> cov, right = 2 * np.eye(2, dtype=np.complex128)[None], np.ones((1, 2, 1), np.complex128)
    >>> answer, used = solve_loaded(cov, right)
    >>> answer[0, :, 0].real.round(3), used
    (array([0.5, 0.5]), array([1.e-06]))
    """
    answer = np.empty(right.shape, np.complex128)
    used = np.empty(len(cov))
    _kernels.lagged.solve_each(
        np.ascontiguousarray(cov, np.complex128),
        np.ascontiguousarray(right, np.complex128),
        loading,
        LOADING_STEP,
        MOST_LOADING,
        answer,
        used,
    )
    if np.isnan(used).any():
        raise NumericalError(
            f"bin {np.argmax(np.isnan(used))} is silent, or its statistics are not finite"
        )
    return answer, used


def checked_delays(delays: Sequence[int]) -> np.ndarray:
    """Convert delays to an array; raise ConfigError if they are negative or not increasing."""
    shifts = np.asarray(delays)
    rising = shifts.ndim == 1 and len(shifts) > 0 and np.all(np.diff(shifts) > 0)
    if not rising or shifts[0] < 0 or not np.issubdtype(shifts.dtype, np.integer):
        raise ConfigError(f"delays must be whole, rise, and not be negative; got {list(delays)}")
    return shifts.astype(np.int64)


def rows(delays: np.ndarray, n_mics: int, multiple: int) -> tuple[np.ndarray, np.ndarray]:
    """Microphone and delay of each row of x̄; the last is repeated up to a multiple."""
    mics, shifts = np.tile(np.arange(n_mics), len(delays)), np.repeat(delays, n_mics)
    extra = -len(mics) % multiple
    return np.pad(mics, (0, extra), "edge"), np.pad(shifts, (0, extra), "edge")


def check_spec(spec: np.ndarray) -> None:
    """Raise ShapeError if a spectrum does not have three axes."""
    if spec.ndim != 3:
        raise ShapeError(f"spec must have shape (F, M, T); got {spec.shape}")


def apply_lagged(
    weights: np.ndarray,
    spec: np.ndarray,
    delays: Sequence[int],
    past: np.ndarray | None = None,
) -> np.ndarray:
    """Apply multi-frame weights of one output: y(t) = Σ_a w_aᴴ x(t - δ_a).

    Parameters
    ----------
    weights : complex ndarray, shape (F, A, M)
    spec : complex64 ndarray, shape (F, M, T)
    delays : sequence of int, length A
    past : complex64 ndarray, shape (F, M, P), optional
        Earlier frames. Default: zeros.

    Returns
    -------
    beamformed : complex64 ndarray, shape (F, T)

    Examples
    --------
    >>> spec = np.array([[[1, 2, 3]]], np.complex64)
    >>> apply_lagged(np.array([[[0], [1]]]), spec, delays=[0, 1]).real
    array([[0., 1., 2.]], dtype=float32)
    """
    return lagged_filter(weights[..., None], spec, delays, past)[:, 0]
