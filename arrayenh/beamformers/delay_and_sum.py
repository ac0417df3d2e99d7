"""Delay-and-sum beamformers: microphones aligned to a direction and averaged."""

import numpy as np

from arrayenh import _kernels
from arrayenh.beamformers.beamformer import (
    Beamformer,
    BeamformerSettings,
    Statistics,
    Stream,
    Update,
)
from arrayenh.beamformers.filters import Filters
from arrayenh.beamformers.weights import apply
from arrayenh.errors import ShapeError

TURN_SECONDS = 0.3  # time constant towards a new direction in the recursive form
N_TAPS = 64  # length of the fractional-delay filters


def delay_and_sum(steering: np.ndarray) -> np.ndarray:
    """Delay-and-sum weights: w = a / aᴴa.

    If |a_m| = 1 the white-noise gain is M, the maximum of all distortionless weights (Van Trees
    2002, eq. 2.188).

    Parameters
    ----------
    steering : complex ndarray, shape (F, M)

    Returns
    -------
    weights : complex128 ndarray, shape (F, M)
        wᴴa = 1.

    Examples
    --------
    >>> delay_and_sum(np.array([[1, 1j]]))
    array([[0.5+0.j , 0. +0.5j]])
    """
    return steering / np.sum(np.abs(steering) ** 2, axis=-1, keepdims=True)


def delay_and_sum_samples(
    samples: np.ndarray, tau: np.ndarray, sample_rate: float, n_taps: int = N_TAPS
) -> np.ndarray:
    """Delay-and-sum in the time domain, with fractional delays.

    Microphone m is advanced by τ_m: by a shift of whole samples and a Kaiser-windowed sinc for
    the fraction (Laakso, Välimäki, Karjalainen & Laine 1996, eq. 30).

    Parameters
    ----------
    samples : float ndarray, shape (M, N)
    tau : float ndarray, shape (M,)
        Arrival times, seconds; see `arrayenh.acoustics.steering.delays`.
    sample_rate : float
        Hz.
    n_taps : int
        Length of each fractional-delay filter.

    Returns
    -------
    summed : float32 ndarray, shape (N,)
        Aligned with the wave at the position where τ = 0.

    Examples
    --------
    >>> samples = np.zeros((2, 100), np.float32)
    >>> samples[0, 50] = samples[1, 52] = 1  # microphone 1 is 2 samples late
    >>> delay_and_sum_samples(samples, np.array([0, 2 / 16_000]), 16_000).argmax().item()
    50
    """
    if samples.ndim != 2 or tau.shape != samples.shape[:1]:
        raise ShapeError(
            f"samples must have shape (M, N) and tau (M,); got {samples.shape}, {tau.shape}"
        )
    advance = tau * sample_rate
    whole = np.floor(advance).astype(np.int64)
    # tap k looks at sample n + first - k, and the sinc peaks where that is n + advance
    first = whole + n_taps // 2
    distance = first[:, None] - np.arange(n_taps) - advance[:, None]
    taps = np.sinc(distance) * np.i0(
        8.0 * np.sqrt(np.clip(1 - (distance / (n_taps / 2 + 1)) ** 2, 0, None))
    )
    taps /= taps.sum(axis=1, keepdims=True)
    out = np.empty(samples.shape[1], np.float32)
    _kernels.delay_and_sum.delay_sum(
        samples.astype(np.float32), taps.astype(np.float32), first, out
    )
    return out


class RecursiveDas:
    """Recursive delay-and-sum towards a moving direction, with smoothly changing weights.

    Parameters
    ----------
    n_freqs, n_mics : int
    hop_seconds : float
        Time from frame to frame, s.
    memory_seconds : float
        Time constant of the change to a new direction, s; 0: at once.

    Examples
    --------
    >>> beam = RecursiveDas(n_freqs=1, n_mics=2, hop_seconds=0.008)
    >>> beam.update(np.array([[[1], [1j]]], np.complex64), steering=np.array([[1, 1j]]))
    array([[1.+0.j]], dtype=complex64)
    """

    def __init__(
        self, n_freqs: int, n_mics: int, hop_seconds: float, memory_seconds: float = 0.0
    ) -> None:
        self._shape = n_freqs, n_mics
        self.keep = float(np.exp(-hop_seconds / memory_seconds)) if memory_seconds > 0 else 0.0
        self.reset()

    def reset(self) -> None:
        """Reset the weights."""
        self.weights: np.ndarray | None = None

    def update(self, spec: np.ndarray, steering: np.ndarray) -> np.ndarray:
        """Beamform the next frames towards `steering`, (F, M); (F, M, t) -> (F, t)."""
        wanted = delay_and_sum(steering)
        if self.weights is None:
            self.weights = wanted
        n_frames = spec.shape[2]
        left = self.keep ** np.arange(1, n_frames + 1)  # share of the previous weights
        old = apply(self.weights, spec)
        new = apply(wanted, spec)
        if n_frames:
            self.weights = wanted + left[-1] * (self.weights - wanted)
        return (new + left.astype(np.float32) * (old - new)).astype(np.complex64)


def estimate_delay_and_sum(heard: Statistics, settings: BeamformerSettings) -> Filters:
    """Delay-and-sum filters of a segment."""
    return Filters.of(delay_and_sum(heard.towards))


def recursive_delay_and_sum(stream: Stream, settings: BeamformerSettings) -> Update:
    """Make a recursive delay-and-sum; it returns None until a direction is known."""
    beam = RecursiveDas(stream.n_freqs, stream.n_mics, stream.hop_seconds, TURN_SECONDS)

    def update(
        spec: np.ndarray, mask: np.ndarray | None, steering: np.ndarray | None
    ) -> np.ndarray | None:
        return None if steering is None else beam.update(spec, steering)[:, None]

    return update


DAS = Beamformer(
    "das",
    "delay-and-sum",
    "microphones aligned to a direction and averaged",
    estimate_delay_and_sum,
    steering="required",
    fixed=True,
    recursive=recursive_delay_and_sum,
)
