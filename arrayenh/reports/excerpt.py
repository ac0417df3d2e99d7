"""The minute of a recording worth hearing."""

import numpy as np

from arrayenh.evaluation.levels import FRAME_S, LOUD_PERCENTILE, frame_levels_db

SPEECH_RANGE_DB = 30.0
"""A frame counts by how far it rises out of this range below the loud ones."""


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
