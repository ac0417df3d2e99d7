"""Delay of a signal against its reference, from their cross-correlation."""

from collections.abc import Sequence

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft

MOST_LAG = 1.0  # seconds
BLOCK_SECONDS = 10.0  # of the reference, correlated at once

LEAST_CORRELATION, LEAST_GAIN_DB = 0.2, 1.0
"""A delay counts if the correlation there is this high, and the SI-SDR higher by this much."""


def lag(reference: np.ndarray, signal: np.ndarray, sample_rate: int) -> int:
    """Delay of a signal against its reference.

    Parameters
    ----------
    reference, signal : float ndarray, shape (N,) and (N',)
    sample_rate : int
        Hz.

    Returns
    -------
    lag : int
        Samples, at most one second; positive if the signal is late, 0 if no delay is evident.
    """
    most = min(round(MOST_LAG * sample_rate), len(reference) - 1, len(signal) - 1)
    energies = [float(np.sum(np.square(x, dtype=np.float64))) for x in (reference, signal)]
    if most < 1 or min(energies) == 0:
        return 0
    correlation = cross_correlation(reference, signal, most, round(BLOCK_SECONDS * sample_rate))
    squared = correlation**2 / (energies[0] * energies[1])
    best = int(squared.argmax())
    gain = si_sdr_of(squared[best]) - si_sdr_of(squared[most])
    evident = squared[best] >= LEAST_CORRELATION**2 and gain >= LEAST_GAIN_DB
    return best - most if evident else 0


def si_sdr_of(squared: float) -> float:
    """SI-SDR of an estimate, dB, from its squared correlation coefficient with the reference."""
    squared = float(np.clip(squared, 1e-12, 1 - 1e-12))
    return float(10 * np.log10(squared / (1 - squared)))


def cross_correlation(
    reference: np.ndarray, signal: np.ndarray, most: int, block: int
) -> np.ndarray:
    """Cross-correlation Σ_t r(t) x(t + l) at lags l of -most to most, shape (2 most + 1,).

    It is summed over blocks of the reference, to bound the memory.
    """
    n_fft = next_fast_len(block + 2 * most, real=True)
    padded = np.pad(np.asarray(signal, np.float64), most)
    found = np.zeros(2 * most + 1)
    for start in range(0, len(reference), block):
        part = np.asarray(reference[start : start + block], np.float64)
        around = padded[start : start + len(part) + 2 * most]
        product = rfft(around, n_fft) * np.conj(rfft(part, n_fft))
        found += irfft(product, n_fft)[: 2 * most + 1]
    return found


def aligned(signals: Sequence[np.ndarray], lags: Sequence[int]) -> list[np.ndarray]:
    """Shift each signal, shape (..., N_k), by its delay, and cut all to the part they share."""
    pairs = list(zip(signals, lags, strict=True))
    start = max(0, -min(lags))
    stop = min(signal.shape[-1] - late for signal, late in pairs)
    return [signal[..., start + late : stop + late] for signal, late in pairs]


def lag_note(name: str, against: str, late: int, sample_rate: int, align: bool) -> str:
    """Note for the user about a delay, and on what was done about it."""
    word = "lags" if late > 0 else "leads"
    amount = f"{abs(late)} samples ({1000 * abs(late) / sample_rate:.1f} ms)"
    end = "aligned" if align else "the scores suffer; --align aligns it first"
    return f"{name} {word} {against} by {amount}: {end}"
