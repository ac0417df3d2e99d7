"""Blind source separation by independence of the sources: AuxIVA and ILRMA.

The model is x = A s in every bin. The demixing matrix W, (K, M), is estimated so that the rows of
y = W x are independent. With more microphones than sources (M > K) the remaining subspace is
background, constrained to be uncorrelated with the sources, so that its demixing filters need not
be computed (OverIVA). Then

    A = C Wᴴ (W C Wᴴ)⁻¹,   C = E[x xᴴ]

is W⁻¹ if M = K. The columns a_k are the transfer functions of the sources. One iteration of
iterative projection updates each source in turn,

    w_k = V_k⁻¹ a_k / sqrt(a_kᴴ V_k⁻¹ a_k),   V_k(f) = E[x xᴴ / r_k]

AuxIVA and ILRMA differ only in r_k: an activity common to all frequencies, or a low-rank
spectrogram.
"""

from collections.abc import Callable
from itertools import permutations

import numpy as np

from arrayenh import _kernels, beamformers
from arrayenh.errors import ConfigError, NumericalError, ShapeError
from arrayenh.statistics.covariance import spatial_covariance
from arrayenh.statistics.loading import loaded
from arrayenh.statistics.transfer_functions import hermitian

LOADING = 1e-10  # relative, for identical channels
FLOOR = 1e-10  # of a frame's activity relative to the mean, for digital silence
LEAST_POWER = 1e-15  # floor of the low-rank model, whose mean is 1
CONTRASTS = ("laplace", "gauss")
MOST_SOURCES = 6  # all permutations are evaluated
N_PARTS = 16  # partial sums over bins, so that results do not depend on the thread count
NEAR = 3  # neighbouring bins on either side in the alignment
GLOBAL_ROUNDS, LOCAL_ROUNDS = 20, 30  # most iterations of the alignment

Tick = Callable[[], object]


def nothing() -> None:
    """Do nothing, the default callback of an iteration."""


def auxiva(
    spec: np.ndarray,
    n_sources: int,
    n_iterations: int = 20,
    contrast: str = "laplace",
    demixing: np.ndarray | None = None,
    loading: float = LOADING,
    tick: Tick = nothing,
) -> np.ndarray:
    """Demixing matrices by AuxIVA: auxiliary-function independent vector analysis.

        r_k(t) = 2 ‖y_k(:,t)‖  (Laplace),   ‖y_k(:,t)‖² / F  (time-varying Gauss)

    Minimises  Σ_k E[G(‖y_k‖)] - Σ_f log det(W C Wᴴ)  with G(r) = r or F log r². The cost never
    increases from one iteration to the next.

    Parameters
    ----------
    spec : complex ndarray, shape (F, M, T)
    n_sources : int
        K, at most M.
    n_iterations : int
    contrast : {"laplace", "gauss"}
    demixing : complex ndarray, shape (F, K, M), optional
        Initial value; default: the first K microphones.
    loading : float
        Diagonal loading of every covariance, relative to its mean diagonal.
    tick : callable
        Called after every iteration.

    Returns
    -------
    demixing : complex128 ndarray, shape (F, K, M)
        W, with arbitrary scale; y = W x. Silent bins keep their initial value.

    Raises
    ------
    ShapeError
        If shapes do not fit, or there are fewer microphones than sources.
    NumericalError
        If `spec` is not finite.
    ConfigError
        If the contrast is unknown.

    References
    ----------
    N. Ono, "Stable and fast update rules for independent vector analysis based on auxiliary
    function technique", WASPAA 2011; R. Scheibler and N. Ono, "Independent vector analysis
    with more microphones than sources", WASPAA 2019.

    Examples
    --------
    >>> spec = np.random.default_rng(0).standard_normal((3, 2, 40)).astype(np.complex64)
    >>> auxiva(spec, n_sources=2, n_iterations=2).shape
    (3, 2, 2)
    """
    if contrast not in CONTRASTS:
        raise ConfigError(f"unknown contrast {contrast!r}; use {', '.join(CONTRASTS)}")
    cov, demixing = prepared(spec, n_sources, demixing, loading)
    partial = np.empty((N_PARTS, n_sources, spec.shape[2]))
    for _ in range(n_iterations):
        _kernels.iva.frame_powers(spec, demixing, partial)
        power = partial.sum(axis=0)
        if not power.any():
            break
        activity = 2 * np.sqrt(power) if contrast == "laplace" else power / len(spec)
        weights = 1 / np.maximum(activity, FLOOR * activity.mean())
        _kernels.iva.project_bins(spec, weights, cov, loading, demixing)
        tick()
    return demixing


def ilrma(
    spec: np.ndarray,
    n_sources: int,
    rng: np.random.Generator,
    n_iterations: int = 50,
    n_bases: int = 20,
    demixing: np.ndarray | None = None,
    loading: float = LOADING,
    tick: Tick = nothing,
) -> np.ndarray:
    """Demixing matrices by ILRMA: independent low-rank matrix analysis.

        r_k(f,t) = Σ_b t_k(f,b) v_k(b,t)

    Minimises  Σ_k Σ_f E[|y_k|²/r_k + log r_k] - Σ_f log det(W C Wᴴ)  by alternating
    multiplicative updates (Itakura-Saito divergence) of t and v, and iterative projection of W.

    Parameters
    ----------
    spec : complex ndarray, shape (F, M, T)
    n_sources : int
        K, at most M.
    rng : numpy.random.Generator
        Draws the initial t and v.
    n_iterations : int
    n_bases : int
        Bases of each source.
    demixing, loading, tick
        As for `auxiva`.

    Returns
    -------
    demixing : complex128 ndarray, shape (F, K, M)
        W, scaled so that every source has mean power 1.

    Raises
    ------
    ShapeError, NumericalError
        As for `auxiva`.

    References
    ----------
    D. Kitamura, N. Ono, H. Sawada, H. Kameoka and H. Saruwatari, "Determined blind source
    separation unifying independent vector analysis and nonnegative matrix factorization",
    IEEE/ACM TASLP 24, 2016; the background as in Scheibler & Ono 2019.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> spec = rng.standard_normal((3, 2, 40)).astype(np.complex64)
    >>> ilrma(spec, 2, rng, n_iterations=2, n_bases=2).shape
    (3, 2, 2)
    """
    cov, demixing = prepared(spec, n_sources, demixing, loading)
    n_freqs, _, n_frames = spec.shape
    bases = np.ascontiguousarray(first(rng, n_sources, n_freqs, n_bases).swapaxes(0, 1))
    activations = np.ascontiguousarray(first(rng, n_sources, n_frames, n_bases).swapaxes(1, 2))
    power = np.empty((n_freqs, n_sources, n_frames), spec.real.dtype)
    _kernels.iva.bin_powers(spec, demixing, power)
    scale_to_one(power, demixing)
    for _ in range(n_iterations):
        _kernels.iva.update_bases(power, activations, LEAST_POWER, bases)
        _kernels.iva.update_activations(power, bases, LEAST_POWER, activations)
        _kernels.iva.project_low_rank(spec, bases, activations, LEAST_POWER, cov, loading, demixing)
        _kernels.iva.bin_powers(spec, demixing, power)
        bases *= scale_to_one(power, demixing)[:, None]
        tick()
    return demixing


def first(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Draw the initial values of a low-rank model, from 0.1 to 1."""
    return 0.1 + 0.9 * rng.random(shape)


def scale_to_one(power: np.ndarray, demixing: np.ndarray) -> np.ndarray:
    """Scale every source to mean power 1, in place; return the power gains."""
    mean = power.mean(axis=(0, 2), dtype=np.float64)
    gains = 1 / np.where(mean > 0, mean, 1.0)
    power *= gains[:, None].astype(power.dtype)
    demixing *= np.sqrt(gains)[:, None]
    return gains


def prepared(
    spec: np.ndarray, n_sources: int, demixing: np.ndarray | None, loading: float
) -> tuple[np.ndarray, np.ndarray]:
    """Check the inputs; return the loaded covariance and a copy of the initial matrices."""
    if spec.ndim != 3 or not spec.shape[2]:
        raise ShapeError(f"spec must have shape (F, M, T), T at least 1; got {spec.shape}")
    n_freqs, n_mics, _ = spec.shape
    if not 1 <= n_sources <= n_mics:
        raise ShapeError(
            f"{n_sources} sources need at least as many microphones; there are {n_mics}"
        )
    cov = loaded(spatial_covariance(spec), loading)
    finite = np.isfinite(cov).all(axis=(1, 2))
    if not finite.all():
        raise NumericalError(f"bin {np.argmin(finite)} of the spectrum is not finite")
    if demixing is None:
        return cov, np.tile(np.eye(n_sources, n_mics, dtype=np.complex128), (n_freqs, 1, 1))
    if demixing.shape != (n_freqs, n_sources, n_mics):
        raise ShapeError(
            f"demixing must have shape (F, K, M) = {(n_freqs, n_sources, n_mics)}; "
            f"got {demixing.shape}"
        )
    return cov, demixing.astype(np.complex128)


def mixing_matrices(demixing: np.ndarray, cov: np.ndarray) -> np.ndarray:
    """Mixing matrices: the transfer functions of the sources to the microphones.

        A = C Wᴴ (W C Wᴴ)⁻¹

    Parameters
    ----------
    demixing : complex ndarray, shape (F, K, M)
    cov : complex128 ndarray, shape (F, M, M)
        C, loaded if channels may be identical.

    Returns
    -------
    mixing : complex128 ndarray, shape (F, M, K)
        W⁻¹ if M = K; 0 in silent bins.

    Raises
    ------
    NumericalError
        If two rows of a demixing matrix are linearly dependent.

    Examples
    --------
    >>> mixing_matrices(np.array([[[2, 0], [0, 4]]]), np.eye(2)[None]).real
    array([[[0.5 , 0.  ],
            [0.  , 0.25]]])
    """
    filtered = demixing @ cov
    gram = filtered @ hermitian(demixing)
    gram[silent(cov)] = np.eye(demixing.shape[1])
    try:
        return hermitian(np.linalg.solve(gram, filtered))
    except np.linalg.LinAlgError as error:
        raise NumericalError("two sources of a bin are the same: load the covariance") from error


def project_back(
    demixing: np.ndarray, spec: np.ndarray, reference: int = 0, loading: float = LOADING
) -> np.ndarray:
    """Scale the sources to their image at the reference microphone (projection back).

        w_k ← a_k(ref) w_k

    The scaled sources add up to the reference microphone: exactly if M = K, otherwise except for
    the background, in the least-squares sense.

    Parameters
    ----------
    demixing : complex ndarray, shape (F, K, M)
    spec : complex ndarray, shape (F, M, T)
    reference : int
    loading : float
        Relative loading of the covariance.

    Returns
    -------
    demixing : complex128 ndarray, shape (F, K, M)
        In bins without sound the sources share the reference microphone equally.

    Raises
    ------
    ShapeError
        If the shapes do not fit, or the reference is no microphone.

    References
    ----------
    K. Matsuoka and S. Nakashima, "Minimal distortion principle for blind source separation",
    ICA 2001; N. Murata, S. Ikeda and A. Ziehe, "An approach to blind source separation based
    on temporal structure of speech signals", Neurocomputing 41, 2001.

    Examples
    --------
    >>> spec = np.array([[[1, 0], [0, 1]]], np.complex64)
    >>> project_back(np.array([[[2, 2], [2, -2]]]), spec).real.round(3)
    array([[[ 0.5,  0.5],
            [ 0.5, -0.5]]])
    """
    n_freqs, n_sources, n_mics = demixing.shape
    if spec.ndim != 3 or spec.shape[:2] != (n_freqs, n_mics) or not 0 <= reference < n_mics:
        raise ShapeError(
            f"demixing of shape {demixing.shape} needs a spectrum (F, M, T) and a reference "
            f"below M; got {spec.shape} and {reference}"
        )
    cov = loaded(spatial_covariance(spec), loading)
    scaled = mixing_matrices(demixing, cov)[:, reference, :, None] * demixing
    scaled[silent(cov)] = np.eye(n_mics)[reference] / n_sources
    return scaled


def silent(cov: np.ndarray) -> np.ndarray:
    """Silent bins, bool, shape (F,)."""
    return ~(np.trace(cov, axis1=1, axis2=2).real > 0)


def apply(demixing: np.ndarray, spec: np.ndarray) -> np.ndarray:
    """Apply demixing matrices to a spectrum: y = W x.

    Parameters
    ----------
    demixing : complex ndarray, shape (F, K, M)
    spec : complex64 ndarray, shape (F, M, T)

    Returns
    -------
    sources : complex64 ndarray, shape (F, K, T)

    Raises
    ------
    ShapeError
        If F or M differ.

    Examples
    --------
    >>> demixing = np.array([[[1, 0], [1, -1]]])
    >>> apply(demixing, np.array([[[1, 2], [1, 1]]], np.complex64)).real
    array([[[1., 2.],
            [0., 1.]]], dtype=float32)
    """
    rows = range(demixing.shape[1])
    return np.stack([beamformers.apply(demixing[:, k].conj(), spec) for k in rows], axis=1)


def align(demixing: np.ndarray, spec: np.ndarray, loading: float = LOADING) -> np.ndarray:
    """Align the sources over frequency by the correlation of their activities.

    IVA couples the frequencies by a common activity, yet often swaps the talkers in a whole band.
    The alignment uses the share of each source in the power of a bin, over time,

        p_k(f,t) = ‖a_k‖² |y_k|² / Σ_j ‖a_j‖² |y_j|²

    normalised to zero mean and norm 1. It is correlated first with its mean over all bins, and
    then, bin by bin, with the sum over neighbouring and harmonically related bins (at 2, 3, 1/2
    and 1/3 of the frequency).

    Parameters
    ----------
    demixing : complex ndarray, shape (F, K, M)
    spec : complex ndarray, shape (F, M, T)
    loading : float
        Relative loading of the covariance.

    Returns
    -------
    demixing : complex128 ndarray, shape (F, K, M)
        With permuted rows.

    Raises
    ------
    ConfigError
        If there are more than six sources.

    References
    ----------
    H. Sawada, S. Araki and S. Makino, "Underdetermined convolutive blind source separation
    via frequency bin-wise clustering and permutation alignment", IEEE TASLP 19, 2011.

    Examples
    --------
    >>> spec = np.random.default_rng(0).standard_normal((3, 2, 40)).astype(np.complex64)
    >>> align(np.tile(np.eye(2), (3, 1, 1)), spec).shape
    (3, 2, 2)
    """
    n_freqs, n_sources, _ = demixing.shape
    if n_sources > MOST_SOURCES:
        raise ConfigError(f"at most {MOST_SOURCES} sources can be aligned; got {n_sources}")
    orders = np.array(list(permutations(range(n_sources))))
    shares = power_shares(demixing, spec, loading)
    order = np.tile(np.arange(n_sources), (n_freqs, 1))
    align_to_mean(shares, orders, order)
    for _ in range(LOCAL_ROUNDS):
        if not _kernels.iva.align_to_neighbours(shares, orders, NEAR, order):
            break
    return np.take_along_axis(demixing.astype(np.complex128), order[..., None], axis=1)


def power_shares(demixing: np.ndarray, spec: np.ndarray, loading: float) -> np.ndarray:
    """Shares p_k of `align`, normalised to zero mean and norm 1 over time; shape (F, K, T)."""
    cov = loaded(spatial_covariance(spec), loading)
    heard = np.sum(np.abs(mixing_matrices(demixing, cov)) ** 2, axis=1)
    shares = np.empty((*demixing.shape[:2], spec.shape[2]), spec.real.dtype)
    _kernels.iva.bin_powers(spec, np.sqrt(heard)[..., None] * demixing, shares)
    total = shares.sum(axis=1, keepdims=True)
    shares /= np.where(total > 0, total, 1)
    return normalised(shares)


def normalised(shares: np.ndarray) -> np.ndarray:
    """Normalise to zero mean and norm 1 over time; constants become 0."""
    centred = shares - shares.mean(axis=-1, keepdims=True)
    norm = np.linalg.norm(centred, axis=-1, keepdims=True)
    return centred / np.where(norm > 0, norm, 1)


def align_to_mean(shares: np.ndarray, orders: np.ndarray, order: np.ndarray) -> None:
    """Permute the sources of each bin, in place, for the best correlation with the mean."""
    for _ in range(GLOBAL_ROUNDS):
        mean = normalised(shares.mean(axis=0))
        likeness = np.einsum("fjt,kt->fjk", shares, mean, optimize=True)
        best = likeness[:, orders, np.arange(len(mean))].sum(axis=-1).argmax(axis=1)
        if not best.any():  # the first order is the identity
            return
        shares[:] = np.take_along_axis(shares, orders[best][..., None], axis=1)
        order[:] = np.take_along_axis(order, orders[best], axis=1)
