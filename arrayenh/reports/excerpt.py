"""Selection of the part of a recording with the most speech."""

import numpy as np

from arrayenh.evaluation.levels import FRAME_S, LOUD_PERCENTILE, frame_levels_db

SPEECH_RANGE_DB = 30.0
"""Range below the loud frames, dB; a frame counts by its level above the floor."""


def choose_excerpt(samples: np.ndarray, sample_rate: int, seconds: int) -> slice:
    """Find the part of a recording with the most loud frames.

    A frame counts by its level above a floor 30 dB below the loud frames (the 95th
    percentile). Its weight is limited to that of the loud frames, so a single slam of a door
    does not dominate.

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
        Slice of samples that starts on a whole second; all samples if the recording is shorter.
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
