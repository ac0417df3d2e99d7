"""Scores without a reference: artifacts, clipping, dynamic range.

Artifacts are detected by comparing an output with its input. The two must be time-aligned; a
common gain does not matter.
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
"""Longest duration of a gap, s, and its least depth, dB."""

KEPT_DB = -3.0
"""Least gain beside a gap, dB: only kept speech counts; other talkers may be removed."""

MOST_GAPS = 0.005
"""Share of the speech in gaps that gives the worst score."""

CLICK_SECONDS, CLICK_GUARD = 0.020, 0.001
"""Seconds around a click: the comparison windows, and the guard interval beside it."""

CLICK_PROMINENCE, CLICK_RATIO = 10.0, 2.0
"""Least prominence of a click, and its least ratio to that of the input within 2 ms."""

CLICK_FLOOR = 1e-4
"""Least amplitude relative to the peak: rounding between digital zeros is not a click."""

MOST_CLICKS = 2.0
"""Clicks per second that give the worst score."""


def artifact_score(noisy: np.ndarray, estimate: np.ndarray, sample_rate: int) -> float:
    """Artifact score of an enhanced output: musical tones, gaps and clicks.

        A = 1 - (1 - m) (1 - min(g/0.005, 1)) (1 - min(c/2, 1))

    with the `musical_noise` m, the share g of the speech that is in `gaps`, and the `clicks`
    c per second. Any one of the three can spoil an output; with only one present, the score
    equals its term.

    In 14 simulated rooms, -1 to 6 dB SNR, MMSE-LSA with a floor of -15 dB gives 0.05 to 0.1,
    behind MVDR 0.1 to 0.3; spectral subtraction with that floor 0.2, with one of -60 dB 0.4 to
    0.7; bins gated at random 0.4 to 1; a hole of 20 ms each second 0.8 or more. The clean
    speech itself gives 0.05 to 0.3, because weak sounds that the noise masked are isolated in
    its pauses.

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
    "tones, gaps and clicks that the input does not have",
    lower_is_better=True,
    needs="noisy",
    rank=360,
)


def gaps(noisy: np.ndarray, estimate: np.ndarray, sample_rate: int) -> float:
    """Share of the speech that vanishes and returns within 50 ms.

        g(b,t) = 10 log10( P_out(b,t) / P_in(b,t) ),   P over 16 ms and 187 Hz
        gap where  c(g) - g >= 10,  c(p) - p >= 10,  c(g) >= -3 dB  and  c(p) is of speech,
        p = 10 log10 P_out

    The morphological closing c over 50 ms fills every shorter valley. The output must fall; if
    only the input rises, a burst of noise was removed. Before and after the gap there must be
    speech that was kept, which excludes other talkers. Only points of speech count: at least
    10 dB above the noise of the input, and within 40 dB of its loudest tenth of the frames. The
    90th percentile of their gain is the 0 dB reference.

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
    """Impulses per second of an output that its input does not have.

        p(n) = |d(n)| / max( rms of d in the 20 ms before n, rms in the 20 ms after n )

    with the second difference d(n) = x(n) - 2x(n-1) + x(n-2), which emphasises clicks. A
    click has p >= 10 in the output, twice the value of the input within 2 ms. After plosives
    and voice onsets the sound continues, so one of the two rms is large. Clicks within 5 ms
    count as one.

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
    """Share of clipped samples: in flat tops, as `arrayenh.microphones.diagnostics` detects them.

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
    y = waveform("estimate", estimate).astype(np.float32)  # the sample format of files
    return survey(y[None], sample_rate)[0].clipped_fraction


CLIPPING = alone(
    clipping,
    "clipping",
    "",
    (0.0, 1.0),
    "share of the samples in flat tops",
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
    """Fill every valley shorter than 50 ms; levels of shape (F, T)."""
    return grey_closing(level_db, (1, 2 * round(GAP_SECONDS / GAP_HOP / 2) + 1))


def _click_rate(x: np.ndarray, y: np.ndarray, sample_rate: int) -> float:
    around = 2 * round(0.002 * sample_rate) + 1
    before = maximum_filter1d(_prominence(x, sample_rate), around)
    after = _prominence(y, sample_rate)
    at = np.flatnonzero((after >= CLICK_PROMINENCE) & (after >= CLICK_RATIO * before))
    apart = np.diff(at, prepend=-math.inf) > 0.005 * sample_rate
    return float(np.count_nonzero(apart) / (x.size / sample_rate))


def _prominence(signal: np.ndarray, sample_rate: int) -> np.ndarray:
    """Ratio of each sample's second difference to the rms beside it, shape (N,)."""
    # the start of the signal is not a click
    difference = np.pad(np.abs(np.diff(signal, 2)), (2, 0))
    width, guard = round(CLICK_SECONDS * sample_rate), round(CLICK_GUARD * sample_rate)
    energy = np.concatenate([[0.0], np.cumsum(difference**2)])
    here = np.arange(signal.size)

    def rms(start: np.ndarray, stop: np.ndarray) -> np.ndarray:
        start, stop = (np.clip(edge, 0, signal.size) for edge in (start, stop))
        return np.sqrt(np.maximum(energy[stop] - energy[start], 0) / (width - guard))

    beside = np.maximum(rms(here - width, here - guard), rms(here + guard + 1, here + width + 1))
    return difference / np.maximum(beside, CLICK_FLOOR * np.abs(signal).max())
