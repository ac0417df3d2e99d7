"""Delay-and-sum: microphones aligned to a direction, and averaged."""

import numpy as np

from arrayenh import _kernels
from arrayenh.errors import ShapeError

N_TAPS = 64  # of the fractional delay filter


def delay_and_sum(steering: np.ndarray) -> np.ndarray:
    """Weights that align the look direction and average: w = a / aᴴa.

    Their white-noise gain is M where |a_m| = 1, the highest of all distortionless weights
    (Van Trees 2002, eq. 2.188).

    Parameters
    ----------
    steering : complex ndarray, shape (F, M)

    Returns
    -------
    weights : complex128 ndarray, shape (F, M)
        wᴴa = 1.
    """
    return steering / np.sum(np.abs(steering) ** 2, axis=-1, keepdims=True)


def delay_and_sum_samples(
    samples: np.ndarray, tau: np.ndarray, sample_rate: float, n_taps: int = N_TAPS
) -> np.ndarray:
    """Delay-and-sum in the time domain, with fractional delays.

    Microphone m is advanced by τ_m: the whole samples by shifting, the rest by a Kaiser-
    windowed sinc (Laakso, Välimäki, Karjalainen & Laine 1996, eq. 30).

    Parameters
    ----------
    samples : float ndarray, shape (M, N)
    tau : float ndarray, shape (M,)
        Arrival times, seconds, as from `steering.delays`.
    sample_rate : float
        Hz.
    n_taps : int
        Length of each fractional-delay filter.

    Returns
    -------
    summed : float32 ndarray, shape (N,)
        In time with the wave as the microphone of τ = 0 hears it.
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
