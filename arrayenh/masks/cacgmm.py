"""Masks from spatial clustering: a mixture of complex angular central Gaussians (cACGMM).

The position of a source determines the direction of the vector of all microphones, independently
of its level. The frames of each bin are clustered by that direction into classes (talkers,
noise). The spatial parameters of the classes are estimated from the recording itself.
"""

from itertools import permutations

import numpy as np

from arrayenh import _kernels
from arrayenh.errors import ConfigError, ShapeError
from arrayenh.masks.source import Beamform, MaskMethod
from arrayenh.masks.spp import SppMasks
from arrayenh.statistics.lagged import check_spec

ITERATIONS = 20
EM_ITERATIONS = 5  # in the chain; more iterations fit better but do not separate better
LOADING = 1e-5  # relative, of the shape matrices; single precision bears it
MOST_CLASSES = 6  # all permutations are evaluated
ALIGNMENTS = 20  # most iterations of the alignment


def cacgmm(
    spec: np.ndarray,
    initial: np.ndarray,
    iterations: int = ITERATIONS,
    shared_priors: bool = True,
    loading: float = LOADING,
) -> tuple[np.ndarray, np.ndarray]:
    """Posteriors of the classes in each bin, by expectation maximisation.

        p(z) = Σ_k π_k A(z; B_k),   A(z; B) ∝ det(B)⁻¹ (zᴴ B⁻¹ z)⁻ᴹ,   z = x / |x|
        γ_k ∝ π_k A(z; B_k),   B_k <- M Σ_t γ_k / (zᴴ B_k⁻¹ z) z zᴴ / Σ_t γ_k

    Parameters
    ----------
    spec : complex64 or complex128 ndarray, shape (F, M, T)
        All is computed in its precision but the sums of B, which are double.
    initial : float ndarray, shape (F, K, T)
        Initial γ, from masks or random; normalised to a sum of 1 over the classes.
    iterations : int
    shared_priors : bool
        Whether π_k depends on time and is common to all frequencies, so that a class is the
        same source in every bin (Ito, Araki & Nakatani 2013). Otherwise each bin has its own
        constant priors, and `align` is needed unless `initial` is aligned over frequency.
    loading : float
        Diagonal loading of B_k, of trace M. In single precision the rounding of zᴴ B_k⁻¹ z is
        up to 6e-8 / loading; below 1e-6 use complex128.

    Returns
    -------
    posteriors : float ndarray, shape (F, K, T)
        In the precision of `spec`, in [0, 1], with a sum of 1 over the classes. The priors in a
        silent frame.
    log_likelihood : float64 ndarray, shape (iterations,) or (1,)
        Mean over frames and bins, after each iteration (with `shared_priors`) or the last.

    Raises
    ------
    ShapeError
        If `initial` does not have the F and T of `spec`.
    ConfigError
        If `iterations` is below 1.

    References
    ----------
    N. Ito, S. Araki and T. Nakatani, "Complex angular central Gaussian mixture model for
    directional statistics in mask-based microphone array signal processing", EUSIPCO 2016,
    eqs. 9 to 13.

    Examples
    --------
    >>> spec = np.array([[[1, 1, 1, 1], [1, 1, -1, -1]]], np.complex64)
    >>> initial = np.array([[[0.6, 0.6, 0.4, 0.4], [0.4, 0.4, 0.6, 0.6]]])
    >>> posteriors, _ = cacgmm(spec, initial)
    >>> posteriors[0].round(2)
    array([[1., 1., 0., 0.],
           [0., 0., 1., 1.]], dtype=float32)
    """
    check_spec(spec)
    n_freqs, _, n_frames = spec.shape
    if initial.ndim != 3 or (initial.shape[0], initial.shape[2]) != (n_freqs, n_frames):
        raise ShapeError(
            f"initial must have shape (F, K, T) to match spec {spec.shape}; got {initial.shape}"
        )
    if iterations < 1:
        raise ConfigError(f"iterations must be at least 1; got {iterations}")
    gamma = normalised(initial, spec.real.dtype)
    steps, each = (iterations, 1) if shared_priors else (1, iterations)
    log_likelihood = np.zeros(steps)
    quadratics, at = np.ones_like(gamma), np.empty(n_freqs)
    for step in range(steps):
        prior = gamma.mean(axis=0) if shared_priors else gamma[:1].mean(axis=0)
        _kernels.cacgmm.expectation_maximisation(
            spec, loading, shared_priors, prior, each, gamma, quadratics, at
        )
        log_likelihood[step] = at.sum() / max(n_freqs * n_frames, 1)
    return gamma, log_likelihood


def normalised(initial: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Normalise classes to a sum of 1 in every bin; equal where all are zero."""
    gamma = np.maximum(initial, 0).astype(dtype)
    total = gamma.sum(axis=1, keepdims=True)
    return np.divide(gamma, total, out=np.full_like(gamma, 1 / gamma.shape[1]), where=total > 0)


def random_classes(
    n_freqs: int, n_classes: int, n_frames: int, rng: np.random.Generator
) -> np.ndarray:
    """Draw random initial classes, common to all frequencies; shape (F, K, T)."""
    drawn = rng.dirichlet(np.ones(n_classes), n_frames).T.astype(np.float32)
    return np.broadcast_to(drawn, (n_freqs, n_classes, n_frames)).copy()


def align(posteriors: np.ndarray) -> np.ndarray:
    """Align the classes over frequency: permutations of the classes of each bin.

    A source is active at all frequencies at the same time. The classes of each bin are permuted
    to the best correlation with the mean of all bins, until no permutation changes.

    Parameters
    ----------
    posteriors : float ndarray, shape (F, K, T)
        K at most 6.

    Returns
    -------
    order : int64 ndarray, shape (F, K)
        `np.take_along_axis(posteriors, order[:, :, None], 1)` is aligned.

    Raises
    ------
    ConfigError
        If there are more than 6 classes.

    References
    ----------
    H. Sawada, S. Araki and S. Makino, "Underdetermined convolutive blind source separation
    via frequency bin-wise clustering and permutation alignment", IEEE TASLP 19, 2011,
    section V.

    Examples
    --------
    >>> first, second = [1.0, 0, 1], [0.0, 1, 0]
    >>> align(np.array([[first, second], [second, first]]))
    array([[0, 1],
           [1, 0]])
    """
    n_freqs, n_classes, _ = posteriors.shape
    if n_classes > MOST_CLASSES:
        raise ConfigError(f"at most {MOST_CLASSES} classes can be aligned; got {n_classes}")
    centred = posteriors - posteriors.mean(axis=2, keepdims=True)
    scale = np.linalg.norm(centred, axis=2, keepdims=True)
    activity = np.divide(centred, scale, out=np.zeros_like(centred), where=scale > 0)
    orders = np.array(list(permutations(range(n_classes))))
    order = grown_order(activity, orders)
    for _ in range(ALIGNMENTS):
        mean = np.take_along_axis(activity, order[:, :, None], 1).mean(axis=0)
        found = best_orders(activity, mean, orders)
        if np.array_equal(found, order):
            break
        order = found
    return order


def grown_order(activity: np.ndarray, orders: np.ndarray) -> np.ndarray:
    """Initial permutations, by aligning neighbouring blocks of growing size."""
    n_freqs, n_classes, _ = activity.shape
    order = np.tile(np.arange(n_classes), (n_freqs, 1))
    # neighbouring bins correlate best: align adjacent blocks, then double the block size
    size = 1
    while size < n_freqs:
        n_blocks = -(-n_freqs // size)
        padded = np.zeros((n_blocks * size, *activity.shape[1:]), activity.dtype)
        padded[:n_freqs] = np.take_along_axis(activity, order[:, :, None], 1)
        means = padded.reshape(n_blocks, size, *activity.shape[1:]).mean(axis=1)
        left, right = means[0 : n_blocks - 1 : 2], means[1::2]
        scores = np.einsum("bkt,blt->bkl", left, right)
        chosen = orders[scored(scores, orders).argmax(axis=1)]
        turn = np.tile(np.arange(n_classes), (n_blocks, 1))
        turn[1::2] = chosen
        order = np.take_along_axis(order, np.repeat(turn, size, axis=0)[:n_freqs], 1)
        size *= 2
    return order


def best_orders(activity: np.ndarray, mean: np.ndarray, orders: np.ndarray) -> np.ndarray:
    """Permutation of each bin with the best correlation with `mean`, shape (F, K)."""
    scores = np.matmul(mean, activity.swapaxes(1, 2))  # (F, K of the mean, K of the bin)
    return orders[scored(scores, orders).argmax(axis=1)]


def scored(scores: np.ndarray, orders: np.ndarray) -> np.ndarray:
    """Score of every permutation, Σ_k scores[:, k, order[k]], shape (F, K!)."""
    places = np.arange(scores.shape[1])
    return scores[:, places, orders].sum(axis=2)


class CacgmmMasks:
    """Speech masks from speech presence, refined by spatial clustering (cACGMM).

    A mixture of complex angular central Gaussians has one class for the talker and one for the
    rest. It is initialised with the masks of `SppMasks` and fitted by a few steps of expectation
    maximisation. The priors are common to all frequencies, so that no alignment is needed.

    Parameters
    ----------
    n_freqs : int
        F.
    hop_seconds : float
        Time from frame to frame, s.
    iterations : int

    Examples
    --------
    >>> masks = CacgmmMasks(n_freqs=257, hop_seconds=0.008)
    >>> spec = np.zeros((257, 2, 10), np.complex64)
    >>> masks.estimate(spec, beamform=lambda mask: spec[:, 0]).shape
    (257, 10)
    """

    def __init__(self, n_freqs: int, hop_seconds: float, iterations: int = EM_ITERATIONS) -> None:
        self._first = SppMasks(n_freqs, hop_seconds)
        self.iterations = iterations

    def estimate(self, spec: np.ndarray, beamform: Beamform) -> np.ndarray:
        """Estimate the posterior of the talker's class, in [0, 1]; see `SppMasks.estimate`."""
        mask = self._first.estimate(spec, beamform)
        posteriors, _ = cacgmm(spec, np.stack([mask, 1 - mask], axis=1), self.iterations)
        return np.ascontiguousarray(posteriors[:, 0])


CACGMM = MaskMethod(
    "cacgmm",
    "cACGMM",
    "speech presence refined by spatial clustering (cACGMM)",
    CacgmmMasks,
)
