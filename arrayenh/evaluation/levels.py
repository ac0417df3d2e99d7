"""Levels over time, without a reference: of speech, and of the background."""

import numpy as np

FRAME_S = 0.02
SILENCE_DB = -100.0
"""Level given to digital silence, just below the last bit of 16."""

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
        dB relative to full scale, at least -100; what is left of a last frame is not in it,
        unless it is the only one.
    """
    size = min(round(FRAME_S * sample_rate), samples.size)
    n_frames = samples.size // size
    frames = samples[: n_frames * size].astype(np.float64).reshape(n_frames, size)
    power = np.mean(frames**2, axis=1)
    return 10 * np.log10(np.maximum(power, 10 ** (SILENCE_DB / 10)))


def quiet_and_loud_db(samples: np.ndarray, sample_rate: int) -> tuple[float, float]:
    """Levels that 10 % and 95 % of the frames stay below: background and speech, dB."""
    levels = frame_levels_db(samples, sample_rate)
    quiet, loud = np.percentile(levels, (QUIET_PERCENTILE, LOUD_PERCENTILE))
    return float(quiet), float(loud)
