"""Recorders out of step: estimation of their start times and sampling-rate offsets.

Windows of the reference, one second long, are found in the other recording by GCC-PHAT. The lag of
a window at the time r of the reference is τ + ε r: τ is the difference of the start times plus that
of the travel times of the sound, ε the sampling-rate offset. The correlations of all windows are
summed along lines of the slope ε. With the right slope, each direction and each strong reflection
gives one sharp peak, whoever speaks when.

References
----------
Miyabe, Ono and Makino, "Blind compensation of interchannel sampling frequency mismatch for ad hoc
microphone array based on maximum likelihood estimation", 2015, for the model.
Knapp and Carter, "The generalized correlation method for estimation of time delay", 1976.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import fft

from arrayenh.audio.clocks import Clock

RATE = 8_000  # Hz, at which recordings are compared
BAND_HZ = (200.0, 3800.0)
WINDOW = RATE  # samples
MOST_WINDOWS = 32  # of the coarse search; the loudest
MOST_PPM = 500.0
POOL = 8  # samples, of which the largest correlation counts in the coarse search
FINE = 4  # upsampling of the correlation in the fine search
REACH = RATE // 50  # samples; largest error of a clock that the fine search corrects
LEAST_PROMINENCE = 8.0
"""Least height of the sum of correlations, in standard deviations, of recordings in common."""


Score = Callable[[np.ndarray], float]


def sharpness(total: np.ndarray) -> float:
    """Fourth power of a sum of correlations: large if it has a few high peaks."""
    return float(np.sum(total**4))


def coarse_clock(reference: np.ndarray, other: np.ndarray) -> Clock | None:
    """Find one recording in another, to about 2 ms and 50 ppm.

    Parameters
    ----------
    reference, other : float32 ndarray, shape (N,) and (N',)
        At `RATE`.

    Returns
    -------
    clock : Clock or None
        None if the recordings share no sound.
    """
    starts = loudest(reference)
    if not starts.size or len(other) < WINDOW:
        return None
    n_fft = fft.next_fast_len(len(other) + WINDOW, real=True)
    whole = whitened(other, n_fft)
    n_pools = len(other) // POOL
    correlations = np.zeros((len(starts), n_pools), np.float32)
    for row, start in zip(correlations, starts, strict=True):
        window = whitened(reference[start : start + WINDOW], n_fft)
        found = fft.irfft(whole * window.conj(), n_fft)[: n_pools * POOL]
        row[:] = found.reshape(n_pools, POOL).max(axis=1)
    correlations -= correlations.mean(axis=1, keepdims=True)
    line = best_line(correlations, starts / POOL, -starts / POOL, MOST_PPM)
    if line.prominence < LEAST_PROMINENCE:
        return None
    return Clock((line.lag + 0.5) * POOL / RATE, line.ppm)


def fine_clock(
    clock: Clock,
    starts: np.ndarray,
    reference: np.ndarray,
    other: np.ndarray,
    most_ppm: float,
    score: Score = sharpness,
) -> Clock:
    """Refine a clock, to about 1 ppm in half a minute.

    Parameters
    ----------
    clock : Clock
        Exact to 20 ms within the windows, and to `most_ppm`.
    starts : int ndarray, shape (W,)
        Samples at which the windows begin in the reference.
    reference : float32 ndarray, shape (W, WINDOW)
    other : float32 ndarray, shape (W, WINDOW)
        Its windows begin at `positions(clock, starts)`.
    most_ppm : float
    score : callable
        See `best_line`.
    """
    n_fft = 2 * WINDOW
    cross = whitened(other, n_fft) * whitened(reference, n_fft).conj()
    correlations = np.roll(fft.irfft(cross, FINE * n_fft), FINE * REACH, axis=1)
    exact = clock.at(starts / RATE) * RATE
    line = best_line(
        correlations[:, : 2 * FINE * REACH + 1].astype(np.float32),
        FINE * starts,
        FINE * (positions(clock, starts) - exact - REACH),
        most_ppm,
        score,
    )
    return Clock(clock.start + line.lag / FINE / RATE, clock.ppm + line.ppm)


def positions(clock: Clock, starts: np.ndarray) -> np.ndarray:
    """Samples of another recording that correspond to those of the reference, (W,)."""
    return np.rint(clock.at(starts / RATE) * RATE).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Line:
    """The best line through the correlations at several times.

    Attributes
    ----------
    lag : float
        At time 0, samples of the correlations.
    ppm : float
        Slope.
    prominence : float
        Height of the sum above the mean of all lags, in standard deviations.
    """

    lag: float
    ppm: float
    prominence: float


def best_line(
    correlations: np.ndarray,
    times: np.ndarray,
    first_lags: np.ndarray,
    most_ppm: float,
    score: Score = np.max,
) -> Line:
    """Search all lags, and slopes up to `most_ppm`.

    Parameters
    ----------
    correlations : float32 ndarray, shape (W, L)
    times : ndarray, shape (W,)
        In samples of the correlations.
    first_lags : ndarray, shape (W,)
        Lag of column 0.
    most_ppm : float
    score : callable
        Value of a slope, from the sum of the correlations at all lags.
    """
    step = 1e6 / max(float(np.ptp(times)), 1.0)  # one sample from the first row to the last
    n_steps = int(np.ceil(most_ppm / step)) if len(times) > 1 else 0
    low = int(np.floor(first_lags.min())) - 1
    n_lags = correlations.shape[1] + int(np.ceil(np.ptp(first_lags))) + 2

    def sums(slope: int) -> np.ndarray:
        total = np.zeros(n_lags, np.float32)
        drifts = 1e-6 * step * slope * times
        for row, first in zip(correlations, np.rint(first_lags - drifts - low), strict=True):
            at = int(first)
            part = total[max(at, 0) : max(at + len(row), 0)]
            part += row[max(-at, 0) : max(-at, 0) + len(part)]
        return total

    best = max(range(-n_steps, n_steps + 1), key=lambda slope: score(sums(slope)))
    total = sums(best)
    peak = int(np.clip(total.argmax(), 1, n_lags - 2))
    beside = [score(sums(best + k)) for k in (-1, 0, 1)]
    return Line(
        low + peak + parabola_peak(total[peak - 1 : peak + 2]),
        step * (best + (parabola_peak(beside) if n_steps else 0.0)),
        float((total[peak] - total.mean()) / max(float(total.std()), 1e-12)),
    )


def parabola_peak(around: Sequence[float] | np.ndarray) -> float:
    """Position of the maximum of a parabola through three equidistant values, -0.5 to 0.5."""
    before, here, after = around
    bend = before - 2 * here + after
    return float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5)) if bend < 0 else 0.0


def loudest(samples: np.ndarray) -> np.ndarray:
    """First samples of the loudest windows, increasing, shape (W,); silent ones are left out."""
    n_windows = len(samples) // WINDOW
    power = np.mean(samples[: n_windows * WINDOW].reshape(n_windows, WINDOW) ** 2, axis=1)
    chosen = np.sort(np.argsort(power)[::-1][:MOST_WINDOWS])
    return chosen[power[chosen] > 0] * WINDOW


def whitened(samples: np.ndarray, n_fft: int) -> np.ndarray:
    """Spectra of magnitude 1 within the band and 0 outside, (..., n) -> (..., F)."""
    spec = fft.rfft(samples, n_fft)
    freqs = fft.rfftfreq(n_fft, 1 / RATE)
    level = np.abs(spec)
    kept = (freqs >= BAND_HZ[0]) & (freqs <= BAND_HZ[1]) & (level > 0)
    return np.where(kept, spec / np.where(kept, level, 1), 0)
