"""Recordings of separate devices, aligned to the clock of one of them."""

from collections.abc import Iterable, Iterator

import numpy as np

from arrayenh.audio import BLOCK, resample
from arrayenh.audio.clocks import Clock, in_step
from arrayenh.chain.capture import Source, rechunk
from arrayenh.errors import AudioError
from arrayenh.microphones.synchrony import (
    MOST_PPM,
    RATE,
    WINDOW,
    Score,
    coarse_clock,
    fine_clock,
    positions,
    sharpness,
)

BEGINNING_SECONDS = 40.0  # in which the start times are searched; bounds their differences
N_WINDOWS = 96  # of the sampling-rate offset, over the whole recording
FINAL_PPM = 10.0  # largest error of an offset estimated from the beginning
SAME_SECONDS, SAME_PPM = 0.015, 2.0  # smaller differences are those of one device


class Synchronised:
    """A recording by separate devices, aligned to the clock of one of them.

    Parameters
    ----------
    source : Source
    reference : int
        Row of the device that gives the time.

    Attributes
    ----------
    clocks : tuple of Clock
        One for each channel.
    log : list of str
        Log lines, one for each channel that is moved.

    Raises
    ------
    AudioError
        If the recording is too short, or a channel shares no sound with the reference.
    """

    def __init__(self, source: Source, reference: int = 0) -> None:
        self.source = source
        self.name, self.channels, self.n_mics = source.name, source.channels, source.n_mics
        self.n_samples, self.sample_rate = source.n_samples, source.sample_rate
        self.notes = source.notes
        self.clocks = find_clocks(source, reference)
        self.log = [
            f"channel {channel} started {abs(clock.start):.3f} s "
            f"{'before' if clock.start > 0 else 'after'} channel {source.channels[reference]} and "
            f"runs {abs(clock.ppm):.1f} ppm {'fast' if clock.ppm > 0 else 'slow'}: aligned"
            for channel, clock in zip(source.channels, self.clocks, strict=True)
            if clock != Clock()
        ] or ["all channels are in step already"]

    def blocks(self, n_samples: int = BLOCK) -> Iterator[np.ndarray]:
        """Aligned samples in consecutive blocks, shape (M, n)."""
        return self.aligned(self.source.blocks(n_samples))

    def aligned(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Align one component of the recording, such as its speech, like the recording."""
        return in_step(blocks, self.sample_rate, self.clocks)


def synchronised(source: Source, reference: int | str) -> tuple[Source, list[str]]:
    """Align a recording to the clock of a reference channel; return it with its log lines.

    With another reference, such as "auto", the first channel gives the time. A recording of one
    channel, or none, is returned as it is.
    """
    if source.n_mics == 1 or source.n_samples == 0:
        return source, []
    known = reference in source.channels
    aligned = Synchronised(source, source.channels.index(int(reference)) if known else 0)
    return aligned, aligned.log


def find_clocks(source: Source, reference: int) -> tuple[Clock, ...]:
    """Estimate the clock of each channel, in two passes and bounded memory.

    The start times are searched in the first 40 s; the sampling-rate offsets, which are assumed to
    be constant, are refined by windows over the whole recording.

    Parameters
    ----------
    source : Source
    reference : int
        Row of the device that gives the time.

    Raises
    ------
    AudioError
        If the recording is too short, or a channel shares no sound with the reference.
    """
    n_samples = source.n_samples * RATE // source.sample_rate
    if n_samples < 2 * WINDOW:
        raise AudioError(f"{source.name} is too short to be synchronised: 2 s are needed")
    size = min(round(BEGINNING_SECONDS * RATE), n_samples)
    beginning = next(rechunk(slow(source), source.n_mics, [size]))
    clocks = []
    for channel, samples in zip(source.channels, beginning, strict=True):
        clock = coarse_clock(beginning[reference], samples)
        if clock is None:
            raise AudioError(
                f"{source.name}: channel {channel} shares no sound with channel "
                f"{source.channels[reference]} in the first {size / RATE:.0f} s; leave it out "
                f"(--channels), choose another --reference, or cut the files to start together"
            )
        clocks.append(clock)
    clocks = refined(clocks, [beginning], reference, size, MOST_PPM, np.max)
    clocks = refined(clocks, slow(source), reference, n_samples, FINAL_PPM)
    clocks[reference] = Clock()
    return tuple(Clock() if is_same(clock) else clock for clock in clocks)


def refined(
    clocks: list[Clock],
    blocks: Iterable[np.ndarray],
    reference: int,
    n_samples: int,
    most_ppm: float,
    score: Score = sharpness,
) -> list[Clock]:
    """Refine all clocks by windows over blocks of `n_samples` in all."""
    starts = np.arange(0, n_samples - WINDOW + 1, max(WINDOW // 2, n_samples // N_WINDOWS))
    places = np.stack([positions(clock, starts) for clock in clocks])
    places[reference] = starts
    found = windows(blocks, places)
    return [
        fine_clock(clock, starts, found[reference], other, most_ppm, score)
        for clock, other in zip(clocks, found, strict=True)
    ]


def slow(source: Source) -> Iterator[np.ndarray]:
    """Samples at the rate at which clocks are compared, in blocks."""
    return resample(source.blocks(), source.n_mics, source.sample_rate, RATE)


def windows(blocks: Iterable[np.ndarray], places: np.ndarray) -> np.ndarray:
    """Cut windows that begin at the samples `places`, (M, W) -> (M, W, WINDOW)."""
    cut = np.zeros((*places.shape, WINDOW), np.float32)
    first = 0
    for block in blocks:
        stop = first + block.shape[1]
        for row, k in np.argwhere((places < stop) & (places + WINDOW > first)):
            place = places[row, k]
            low, high = max(place, first), min(place + WINDOW, stop)
            cut[row, k, low - place : high - place] = block[row, low - first : high - first]
        first = stop
    return cut


def is_same(clock: Clock) -> bool:
    """Whether a clock can be that of the reference device itself."""
    return abs(clock.start) < SAME_SECONDS and abs(clock.ppm) < SAME_PPM
