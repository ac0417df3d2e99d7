"""Resampling for scores that work at 16 kHz, or at most 16 kHz."""

import numpy as np
import soxr

from arrayenh.errors import MetricError
from arrayenh.evaluation.metrics.checks import waveform

RATE = 16000
"""Hz."""


def at_16_khz(role: str, signal: np.ndarray, sample_rate: int) -> np.ndarray:
    """Resample a signal to 16 kHz.

    Parameters
    ----------
    role : str
        Name of the signal for error messages.
    signal : float ndarray, shape (N,)
    sample_rate : int
        Hz; other rates than 16 kHz are resampled with soxr.

    Returns
    -------
    samples : float64 ndarray, shape (N',)

    Raises
    ------
    ShapeError
        If the signal is not a one-dimensional float array.
    MetricError
        If a sample is NaN or infinite, or the rate is not a whole number above 0.
    """
    if int(sample_rate) != sample_rate or sample_rate <= 0:
        raise MetricError(f"sample_rate must be a whole number of Hz above 0; got {sample_rate}")
    samples = waveform(role, signal)
    return samples if sample_rate == RATE else soxr.resample(samples, sample_rate, RATE)


def at_most_16_khz(*signals: np.ndarray, sample_rate: int) -> tuple[list[np.ndarray], int]:
    """Resample signals above 16 kHz to 16 kHz, leave others unchanged; return the rate too."""
    if sample_rate <= RATE:
        return list(signals), sample_rate
    return [soxr.resample(x, sample_rate, RATE) for x in signals], RATE
