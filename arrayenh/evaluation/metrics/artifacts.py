"""Scores that need no reference: artifacts, clipping, dynamic range.

Artifacts are found by comparing an output with the input it was made from. The two must be
in time with each other; a common gain does not matter.
"""

import math

import numpy as np
from scipy.ndimage import grey_closing, maximum_filter1d

from arrayenh.evaluation.levels import quiet_and_loud_db
from arrayenh.evaluation.metric import INF, alone, of_pair
from arrayenh.evaluation.metrics.checks import refuse_silence, waveform
from arrayenh.evaluation.metrics.comparison import (
    aligned_pair,
    box,
    inaudible,
    least_speech,
    level_factor,
    powers,
    quiet_and_loud,
)
from arrayenh.evaluation.metrics.musical_noise import musical_noise, musical_share
from arrayenh.microphones.diagnostics import survey

__all__ = ["artifact_score", "clicks", "clipping", "dynamic_range_db", "gaps", "musical_noise"]

GAP_FRAME, GAP_HOP = 0.016, 0.004  # s
GAP_BINS = 3
GAP_SECONDS, GAP_DB = 0.05, 10.0
"""A gap is no longer, and at least so deep."""

KEPT_DB = -3.0
"""Gain before and after a gap: what is kept can be missed, other voices may be gone."""

MOST_GAPS = 0.005
"""Part of the speech in gaps that is as bad as can be."""

CLICK_SECONDS, CLICK_GUARD = 0.020, 0.001
"""Before and after a click: what it is compared with, and what is left out beside it."""

CLICK_PROMINENCE, CLICK_RATIO = 10.0, 2.0
"""A click stands out so much, and so much more than anything in the input 2 ms around."""

CLICK_FLOOR = 1e-4
"""Of the peak: rounding between digital zeros does not click."""

MOST_CLICKS = 2.0
"""Clicks a second that are as bad as can be."""


def artifact_score(noisy: np.ndarray, estimate: np.ndarray, sample_rate: int) -> float:
    """How much an output suffers from its enhancement: tones, gaps, clicks.

        A = 1 - (1 - m) (1 - min(g/0.005, 1)) (1 - min(c/2, 1))

    with the `musical_noise` m, the part g of the speech that is in `gaps`, and the `clicks`
    c per second: one of the three suffices to spoil an output, and each alone reads as
    itself.

    In 14 simulated rooms, -1 to 6 dB SNR, MMSE-LSA with a floor of -15 dB gives 0.05 to 0.1,
    behind MVDR 0.1 to 0.3; spectral subtraction with that floor 0.2, with one of -60 dB 0.4 to
    0.7; bins gated at random 0.4 to 1; a hole of 20 ms each second 0.8 or more. The clean
    speech itself gives 0.05 to 0.3: what was weak beside the noise stands alone in its pauses.

    Parameters
    ----------
    noisy, estimate : float ndarray, shape (N,)
        Input and output.
    sample_rate : int
        Hz.

    Returns
    -------
    score : float
        Without unit, in [0, 1]; 0 for the input itself, whatever its gain; lower is better.

    Raises
    ------
    ShapeError
        If the two are not one-dimensional float arrays of equal length.
    MetricError
        If a sample is NaN or infinite, a signal is silent, or shorter than 1 s.
    """
    x, y = aligned_pair(noisy, estimate, sample_rate)
    music = musical_share(x, y, sample_rate)
    missing = min(_gap_share(x, y, sample_rate) / MOST_GAPS, 1.0)
    clicking = min(_click_rate(x, y, sample_rate) / MOST_CLICKS, 1.0)
    return float(1 - (1 - music) * (1 - missing) * (1 - clicking))


ARTIFACT_SCORE = of_pair(
    artifact_score,
    "artifact score",
    "",
    (0.0, 1.0),
    "tones, gaps and clicks that the input has not",
    lower_is_better=True,
    needs="noisy",
    rank=360,
)


def gaps(noisy: np.ndarray, estimate: np.ndarray, sample_rate: int) -> float:
    """Part of the speech that vanishes and returns within 50 ms.

        g(b,t) = 10 log10( P_out(b,t) / P_in(b,t) ),   P over 16 ms and 187 Hz
        gap where  c(g) - g >= 10,  c(p) - p >= 10,  c(g) >= -3 dB  and  c(p) is of speech,
        p = 10 log10 P_out

    The morphological closing c over 50 ms fills every shorter valley. The output must fall,
    not the input rise, which is how a burst of noise that was removed looks; and before and
    after there must be speech that was kept, which the words of other talkers are not. Counted are
    points of speech: at least 10 dB above the noise of the input, and within 40 dB of its
    loudest tenth of the frames. The gain that 90 % of them stay below is taken for 0 dB.

    Parameters
    ----------
    noisy, estimate : float ndarray, shape (N,)
        Input and output.
    sample_rate : int
        Hz.

    Returns
    -------
    share : float
        Without unit, in [0, 1]; lower is better.

    Raises
    ------
    ShapeError
        If the two are not one-dimensional float arrays of equal length.
    MetricError
        If a sample is NaN or infinite, a signal is silent, or shorter than 1 s.
    """
    x, y = aligned_pair(noisy, estimate, sample_rate)
    return _gap_share(x, y, sample_rate)


def clicks(noisy: np.ndarray, estimate: np.ndarray, sample_rate: int) -> float:
    """Impulses of an output that its input has not, per second.

        p(n) = |d(n)| / max( rms of d in the 20 ms before n, rms in the 20 ms after n )

    with the second difference d(n) = x(n) - 2x(n-1) + x(n-2), in which clicks stand out. A
    click has p >= 10 in the output, twice what the input has within 2 ms. Plosives and
    voice onsets go on, so that one of the two rms is large. Clicks within 5 ms are one.

    Parameters
    ----------
    noisy, estimate : float ndarray, shape (N,)
        Input and output.
    sample_rate : int
        Hz.

    Returns
    -------
    rate : float
        Per second; lower is better.

    Raises
    ------
    ShapeError
        If the two are not one-dimensional float arrays of equal length.
    MetricError
        If a sample is NaN or infinite, a signal is silent, or shorter than 1 s.
    """
    x, y = aligned_pair(noisy, estimate, sample_rate)
    return _click_rate(x, y, sample_rate)


def clipping(estimate: np.ndarray, sample_rate: int) -> float:
    """Part of the samples that lie in flat tops, as `arrayenh.microphones.diagnostics` finds them.

    A flat top is a run of at least three equal samples at the signal's own positive or
    negative extreme, at any level.

    Parameters
    ----------
    estimate : float ndarray, shape (N,)
    sample_rate : int
        Hz, at least 2000.

    Returns
    -------
    share : float
        Without unit, in [0, 1]; lower is better.

    Raises
    ------
    ShapeError
        If the signal is not a one-dimensional float array.
    MetricError
        If a sample is NaN or infinite.
    """
    y = waveform("estimate", estimate).astype(np.float32)  # as files are
    return survey(y[None], sample_rate)[0].clipped_fraction


CLIPPING = alone(
    clipping,
    "clipping",
    "",
    (0.0, 1.0),
    "part of the samples in flat tops",
    lower_is_better=True,
    rank=380,
)


def dynamic_range_db(estimate: np.ndarray, sample_rate: int) -> float:
    """Level of the speech above the background: 95th less 10th percentile of 20 ms frames.

    Parameters
    ----------
    estimate : float ndarray, shape (N,)
    sample_rate : int
        Hz.

    Returns
    -------
    range_db : float
        dB, at least 0; frames below -100 dB of full scale count as -100 dB.

    Raises
    ------
    ShapeError
        If the signal is not a one-dimensional float array.
    MetricError
        If a sample is NaN or infinite, or all are zero.
    """
    y = waveform("estimate", estimate)
    refuse_silence(estimate=y)
    quiet_db, loud_db = quiet_and_loud_db(y, sample_rate)
    return loud_db - quiet_db


DYNAMIC_RANGE_DB = alone(
    dynamic_range_db,
    "dynamic range",
    "dB",
    (0.0, INF),
    "level of speech above the background",
    rank=390,
)


def _gap_share(x: np.ndarray, y: np.ndarray, sample_rate: int) -> float:
    power_in, power_out = (
        box(powers(s, sample_rate, GAP_FRAME, GAP_HOP), GAP_BINS, 1) for s in (x, y)
    )
    quiet, loud = quiet_and_loud(power_in, GAP_HOP)
    least = least_speech(power_in, quiet, loud)
    active = power_in > least
    if not active.any():
        return 0.0
    power_out *= level_factor(power_in, power_out, active)
    in_db, out_db, least_db = (
        10 * np.log10(np.maximum(power, inaudible(power_in, loud)))
        for power in (power_in, power_out, least)
    )
    gain_db = out_db - in_db
    filled_db, filled_gain_db = _without_valleys(out_db), _without_valleys(gain_db)
    gone = (filled_db - out_db >= GAP_DB) & (filled_gain_db - gain_db >= GAP_DB)
    kept_around = (filled_gain_db >= KEPT_DB) & (filled_db >= least_db)
    return float(np.mean((gone & kept_around)[active]))


def _without_valleys(level_db: np.ndarray) -> np.ndarray:
    """Levels, shape (F, T), with every valley shorter than 50 ms filled up."""
    return grey_closing(level_db, (1, 2 * round(GAP_SECONDS / GAP_HOP / 2) + 1))


def _click_rate(x: np.ndarray, y: np.ndarray, sample_rate: int) -> float:
    around = 2 * round(0.002 * sample_rate) + 1
    before = maximum_filter1d(_prominence(x, sample_rate), around)
    after = _prominence(y, sample_rate)
    at = np.flatnonzero((after >= CLICK_PROMINENCE) & (after >= CLICK_RATIO * before))
    apart = np.diff(at, prepend=-math.inf) > 0.005 * sample_rate
    return float(np.count_nonzero(apart) / (x.size / sample_rate))


def _prominence(signal: np.ndarray, sample_rate: int) -> np.ndarray:
    """How far each sample's second difference stands out of those beside it, shape (N,)."""
    difference = np.pad(np.abs(np.diff(signal, 2)), (2, 0))  # to begin is no click
    width, guard = round(CLICK_SECONDS * sample_rate), round(CLICK_GUARD * sample_rate)
    energy = np.concatenate([[0.0], np.cumsum(difference**2)])
    here = np.arange(signal.size)

    def rms(start: np.ndarray, stop: np.ndarray) -> np.ndarray:
        start, stop = (np.clip(edge, 0, signal.size) for edge in (start, stop))
        return np.sqrt(np.maximum(energy[stop] - energy[start], 0) / (width - guard))

    beside = np.maximum(rms(here - width, here - guard), rms(here + guard + 1, here + width + 1))
    return difference / np.maximum(beside, CLICK_FLOOR * np.abs(signal).max())
