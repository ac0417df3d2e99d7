"""Operations on beamformer weights: apply, limit the noise gain, restore the speech level."""

from collections.abc import Callable

import numpy as np

from arrayenh import _kernels
from arrayenh.errors import ShapeError
from arrayenh.statistics.loading import LEAST_LOADING, LOADING_STEP, MOST_STEPS


def apply(weights: np.ndarray, spec: np.ndarray) -> np.ndarray:
    """Apply weights to a spectrum: y(f,t) = w(f)ᴴ x(f,t).

    Parameters
    ----------
    weights : complex ndarray, shape (F, M)
    spec : complex64 ndarray, shape (F, M, T)

    Returns
    -------
    beamformed : complex64 ndarray, shape (F, T)

    Raises
    ------
    ShapeError
        If F or M differ.

    Examples
    --------
    >>> apply(np.array([[0.5, 0.5]]), np.array([[[2, 1], [4, 1j]]], np.complex64))
    array([[3. +0.j , 0.5+0.5j]], dtype=complex64)
    """
    if spec.ndim != 3 or weights.shape != spec.shape[:2]:
        raise ShapeError(
            f"weights must have shape (F, M) to match spec (F, M, T); "
            f"got {weights.shape} and {spec.shape}"
        )
    out = np.empty((spec.shape[0], spec.shape[2]), np.complex64)
    _kernels.weights.filter_sum(weights.astype(np.complex64), spec, out)
    return out


MOST_NORM = 1e3  # upper bound of ‖w‖², a white-noise gain of -30 dB


def limited(
    estimate: Callable[[np.ndarray, np.ndarray], np.ndarray], loading: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Estimate weights with a white-noise gain of at least -30 dB, by more loading if needed.

    (Cox, Zeskind & Owen, "Robust adaptive beamforming", 1987, section V.) Without the bound the
    weights of a small array at low frequencies exploit differences between microphones that are
    smaller than their tolerances.

    Parameters
    ----------
    estimate : callable
        Maps a bool array of bins and their loading to the weights of these bins.
    loading : float ndarray, shape (F,)
        Initial relative loading.

    Returns
    -------
    weights : complex128 ndarray, shape (F, M)
    loading : float64 ndarray, shape (F,)
        Loading used.

    Examples
    --------
    >>> weights, loading = limited(
    ...     lambda bins, loading: np.full((bins.sum(), 2), 0.5), np.zeros(1)
    ... )
    >>> loading  # the white-noise gain is high enough
    array([0.])
    """
    loading = loading.copy()
    weights = estimate(np.ones(len(loading), bool), loading)
    for _ in range(MOST_STEPS):
        loud = np.sum(np.abs(weights) ** 2, axis=-1) > MOST_NORM
        if not loud.any():
            break
        loading[loud] = np.maximum(LOADING_STEP * loading[loud], LEAST_LOADING)
        weights[loud] = estimate(loud, loading[loud])
    return weights, loading


def level_gain(weights: np.ndarray, speech_cov: np.ndarray, reference: int) -> float:
    """Broadband gain that restores the speech power of the reference microphone.

    g² = Σ_f Φₛ(ref, ref) / Σ_f wᴴ Φₛ w, which is 1 if Φₛ has rank one and w is distortionless.

    Examples
    --------
    >>> level_gain(np.array([[0.5, 0]]), np.ones((1, 2, 2)), reference=0)
    2.0
    """
    before = np.sum(speech_cov[:, reference, reference].real)
    after = np.einsum("fm,fmn,fn->", weights.conj(), speech_cov, weights).real
    return float(np.sqrt(before / after)) if after > 0 else 1.0


def passing(n_freqs: int, n_mics: int, reference: int) -> np.ndarray:
    """Weights that pass the reference microphone, complex128, shape (F, M).

    Examples
    --------
    >>> passing(n_freqs=1, n_mics=2, reference=0).real
    array([[1., 0.]])
    """
    weights = np.zeros((n_freqs, n_mics), np.complex128)
    weights[:, reference] = 1
    return weights


def fade(after: np.ndarray, before: np.ndarray) -> None:
    """Crossfade in place from `before` to the first frames (last axis) of `after`."""
    n = before.shape[-1]
    if n:
        rise = ((np.arange(n) + 0.5) / n).astype(np.float32)
        after[..., :n] = (1 - rise) * before + rise * after[..., :n]
