"""Levels over time without a reference, and the minute of a recording worth hearing."""

import numpy as np

FRAME_S = 0.02
SPEECH_RANGE_DB = 30.0
"""A frame counts by how far it rises out of this range below the loud ones."""

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


def choose_excerpt(samples: np.ndarray, sample_rate: int, seconds: int) -> slice:
    """The stretch of a recording that is richest in loud frames.

    A frame counts by its level above a floor 30 dB below the loud frames (the 95th
    percentile), and none counts for more than those: a door that slams is one frame.

    Parameters
    ----------
    samples : float ndarray, shape (N,)
    sample_rate : int
        Hz.
    seconds : int
        Length of the excerpt.

    Returns
    -------
    excerpt : slice
        Of samples, beginning on a whole second; everything, if that is not longer.
    """
    if samples.size <= seconds * sample_rate:
        return slice(0, samples.size)
    levels = frame_levels_db(samples, sample_rate)
    loud = np.percentile(levels, LOUD_PERCENTILE)
    counts = np.clip(levels - (loud - SPEECH_RANGE_DB), 0, SPEECH_RANGE_DB)
    total = np.concatenate([[0.0], np.cumsum(counts)])
    firsts = np.arange(samples.size // sample_rate - seconds + 1)
    size = round(FRAME_S * sample_rate)
    begin = firsts * sample_rate // size
    end = np.minimum((firsts + seconds) * sample_rate // size, levels.size)
    start = int(firsts[np.argmax(total[end] - total[begin])]) * sample_rate
    return slice(start, start + seconds * sample_rate)
