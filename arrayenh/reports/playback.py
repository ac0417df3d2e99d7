"""Sound as a page plays it: at a rate that browsers know, all stages with one gain."""

from collections.abc import Sequence

import numpy as np

from arrayenh.audio import resample

HIGHEST_RATE = 48_000
"""Hz; sound of a higher rate is resampled for the page, which browsers play anyway so."""

PEAK = 0.9
"""The loudest sample of all stages plays at this; full scale is 1."""

MOST_GAIN = 100.0
"""A recording fainter than 40 dB below `PEAK` stays faint."""


def common_gain(stages: Sequence[np.ndarray]) -> float:
    """The gain that brings the loudest of all samples to `PEAK`; 1 for silence."""
    peak = max(float(np.abs(samples).max()) for samples in stages)
    return min(PEAK / peak, MOST_GAIN) if peak > 0 else 1.0


def resampled(samples: np.ndarray, rate: int, to: int) -> np.ndarray:
    """A waveform, shape (N,), at another rate."""
    return np.concatenate(list(resample([samples[None]], 1, rate, to)), axis=1)[0]
