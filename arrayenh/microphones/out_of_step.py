"""Channels that do not belong to one array: late, early, or with a clock of their own."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from scipy import fft

from arrayenh.audio import resample
from arrayenh.microphones.diagnostics import ChannelReport
from arrayenh.microphones.synchrony import (
    LEAST_PROMINENCE,
    MOST_PPM,
    RATE,
    WINDOW,
    best_line,
    coarse_clock,
    whitened,
)

PART_SECONDS = 6.0  # of the beginning, the middle and the end, in which channels are compared
MOST_LAG = 0.015
"""Largest lag within one array, seconds: the travel time of five metres."""

LEAST_SHIFT, LEAST_PPM = 6e-4, 15.0
"""Least change of the lag, seconds, and least rate offset that are reported."""

LAG_ERROR, BEND = 2e-4, 0.02
"""Deviation of the lag in the middle from a steady change that is allowed: seconds, or a share of
the change."""


class Parts:
    """Beginning, middle and end of a recording; a short one has only the beginning.

    Parameters
    ----------
    n_mics, n_samples, sample_rate : int
        Of the recording.
    """

    def __init__(self, n_mics: int, n_samples: int, sample_rate: int) -> None:
        size = min(round(PART_SECONDS * sample_rate), n_samples)
        last = n_samples - size
        self._sample_rate, self._n_done = sample_rate, 0
        self._starts = (0, last // 2, last) if last >= size else (0,)
        self._held = np.zeros((len(self._starts), n_mics, size), np.float32)
        self.times = np.array(self._starts) / sample_rate

    def update(self, block: np.ndarray) -> None:
        """Process the next samples, shape (M, n)."""
        begin, end = self._n_done, self._n_done + block.shape[1]
        for start, held in zip(self._starts, self._held, strict=True):
            low, high = max(start, begin), min(start + held.shape[1], end)
            if low < high:
                held[:, low - start : high - start] = block[:, low - begin : high - begin]
        self._n_done = end

    def slow(self) -> Iterator[np.ndarray]:
        """Each part at the rate at which clocks are compared, shape (M, n)."""
        for held in self._held:
            finite = np.nan_to_num(held, posinf=0, neginf=0)
            yield np.concatenate(
                list(resample([finite], len(held), self._sample_rate, RATE)), axis=1
            )


def compare(reports: Sequence[ChannelReport], parts: Parts) -> tuple[ChannelReport, ...]:
    """Add the faults of channels that are out of step with the others.

    Most channels in step: the others are "N ms behind the others" or "N ms ahead of the others",
    because they were processed or come from another device. No majority in step: the channels
    come from separate devices, and are "N ms behind channel K" or "N ms ahead of channel K". If
    the lag changes steadily, the channel is "N ppm fast" or "N ppm slow".

    Parameters
    ----------
    reports : sequence of ChannelReport
        One for each row of the recording.
    parts : Parts

    Returns
    -------
    reports : tuple of ChannelReport
    """
    live = [row for row, report in enumerate(reports) if report.usable]
    if len(live) < 2 or all(report.dead for report in reports):
        return tuple(reports)
    first, *later = parts.slow()
    reference, *others = live
    lags, faults = {reference: 0.0}, {}
    for row in others:
        lag = lag_between(first[reference], first[row])
        if lag is None:
            continue
        lags[row] = lag
        found = [lag, *(lag_between(part[reference], part[row]) for part in later)]
        if abs(lag) <= MOST_LAG and (ppm := drift(found, parts.times)):
            faults[row] = f"{abs(ppm):.0f} ppm {'fast' if ppm > 0 else 'slow'}"
    faults |= apart(lags, [report.index for report in reports])
    return tuple(
        replace(report, faults=(*report.faults, faults[row])) if row in faults else report
        for row, report in enumerate(reports)
    )


def apart(lags: dict[int, float], labels: Sequence[int]) -> dict[int, str]:
    """Faults of the rows whose lags, in seconds, are too large for one array."""
    together = {
        row: [other for other in lags if abs(lags[other] - lag) <= MOST_LAG]
        for row, lag in lags.items()
    }
    group = max(together.values(), key=len)
    majority = 2 * len(group) > len(lags)
    usual = float(np.median([lags[row] for row in group]))
    others = "the others" if majority else f"channel {labels[group[0]]}"
    usual = usual if majority else lags[group[0]]
    return {
        row: f"{1000 * abs(lag - usual):.0f} ms {'behind' if lag > usual else 'ahead of'} {others}"
        for row, lag in lags.items()
        if row not in group
    }


def lag_between(reference: np.ndarray, other: np.ndarray) -> float | None:
    """Lag of a recording at its middle, seconds; None if the two share no sound."""
    starts = np.arange(0, len(reference) - WINDOW + 1, WINDOW // 2)
    if not starts.size:
        return None
    x, y = (
        whitened(np.stack([samples[k : k + WINDOW] for k in starts]), 2 * WINDOW)
        for samples in (reference, other)
    )
    correlations = fft.fftshift(fft.irfft(y * x.conj(), 2 * WINDOW), axes=1)
    near = correlations[:, WINDOW // 2 : -WINDOW // 2].astype(np.float32)
    times = starts - starts.mean()
    line = best_line(near, times, np.full(len(starts), -WINDOW // 2), MOST_PPM)
    if line.prominence >= LEAST_PROMINENCE:
        return line.lag / RATE
    clock = coarse_clock(reference, other)  # which also finds lags of more than half a second
    return None if clock is None else clock.start + 0.5e-6 * clock.ppm * len(reference) / RATE


def drift(lags: Sequence[float | None], times: np.ndarray) -> float | None:
    """Sampling-rate offset, ppm, if lags change steadily, as between two clocks.

    Parameters
    ----------
    lags : sequence of float or None
        Seconds, at the beginning, in the middle and at the end.
    times : float ndarray, shape (3,)
        Seconds.
    """
    if len(lags) < 3 or any(lag is None for lag in lags):
        return None
    first, middle, last = np.array(lags, np.float64)
    shift, bend = last - first, middle - (first + last) / 2
    ppm = float(1e6 * shift / (times[-1] - times[0]))
    clear = abs(shift) >= LEAST_SHIFT and abs(ppm) >= LEAST_PPM
    return ppm if clear and abs(bend) <= max(LAG_ERROR, BEND * abs(shift)) else None
