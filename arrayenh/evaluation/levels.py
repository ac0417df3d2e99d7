"""Levels of speech and background over time, without a reference."""

import numpy as np

FRAME_S = 0.02
SILENCE_DB = -100.0
"""Level assigned to digital silence, just below the last of 16 bits, dB."""

QUIET_PERCENTILE, LOUD_PERCENTILE = 10, 95


def frame_levels_db(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """Level of each frame of 20 ms: 10 log10 of its mean square, shape (T,).

    Parameters
    ----------
    samples : float ndarray, shape (N,)
        Full scale is 1.0.
    sample_rate : int
        Hz.

    Returns
    -------
    level_db : float64 ndarray, shape (T,)
        dB relative to full scale, at least -100; an incomplete last frame is dropped unless
        it is the only one.
    """
    size = min(round(FRAME_S * sample_rate), samples.size)
    n_frames = samples.size // size
    frames = samples[: n_frames * size].astype(np.float64).reshape(n_frames, size)
    power = np.mean(frames**2, axis=1)
    return 10 * np.log10(np.maximum(power, 10 ** (SILENCE_DB / 10)))


def quiet_and_loud_db(samples: np.ndarray, sample_rate: int) -> tuple[float, float]:
    """10th and 95th percentile of the frame levels: background and speech, dB."""
    levels = frame_levels_db(samples, sample_rate)
    quiet, loud = np.percentile(levels, (QUIET_PERCENTILE, LOUD_PERCENTILE))
    return float(quiet), float(loud)
