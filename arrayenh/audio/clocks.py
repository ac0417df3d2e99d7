"""Clocks of recorders that were started one by one: alignment of their recordings."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import soxr


@dataclass(frozen=True, slots=True)
class Clock:
    """Clock of a recorder relative to the reference's: time s = (1 + 10^-6 ppm) r + start.

    Attributes
    ----------
    start : float
        Seconds; positive if the recorder was started before the reference.
    ppm : float
        Sampling-rate offset, parts per million; positive if its clock is faster.
    """

    start: float = 0.0
    ppm: float = 0.0

    def at(self, seconds: np.ndarray) -> np.ndarray:
        """Times of this recorder at times of the reference, seconds."""
        return (1 + 1e-6 * self.ppm) * seconds + self.start


def in_step(
    blocks: Iterable[np.ndarray], sample_rate: int, clocks: Sequence[Clock]
) -> Iterator[np.ndarray]:
    """Align the recordings of several recorders to the clock of the reference.

    Every channel is shifted by whole samples and resampled (soxr, "VHQ"). The part of a sample
    that remains is a constant delay, as of a microphone a centimetre further away.

    Parameters
    ----------
    blocks : iterable of float32 ndarray, shape (M, n)
    sample_rate : int
        Hz.
    clocks : sequence of Clock, length M

    Yields
    ------
    block : float32 ndarray, shape (M, n')
        In all as many samples as came in; silence where a recorder did not run.
    """
    channels = [Aligned(clock, sample_rate) for clock in clocks]
    left = 0
    for block in blocks:
        left += block.shape[1]
        for channel, samples in zip(channels, block, strict=True):
            channel.push(samples)
        n = min(min(channel.n_ready for channel in channels), left)
        left -= n
        yield np.stack([channel.pop(n) for channel in channels])
    for channel in channels:
        channel.end()
    yield np.stack([channel.pop(left) for channel in channels])


class Aligned:
    """One channel on its way to the clock of the reference."""

    def __init__(self, clock: Clock, sample_rate: int) -> None:
        lead = round(clock.start * sample_rate)
        self._skip, self.n_ready = 0, 0
        self._parts: list[np.ndarray] = []
        self._stream = None
        if clock.ppm:
            rate = sample_rate * (1 + 1e-6 * clock.ppm)
            self._stream = soxr.ResampleStream(rate, sample_rate, 1, "float32", quality="VHQ")
        self.push(np.zeros(max(-lead, 0), np.float32))
        self._skip = max(lead, 0)

    def push(self, samples: np.ndarray, last: bool = False) -> None:
        """Take the next samples of the recorder, shape (n,)."""
        kept = np.ascontiguousarray(samples[self._skip :])
        self._skip -= len(samples) - len(kept)
        if self._stream is not None:
            kept = self._stream.resample_chunk(kept, last=last)
        self._parts.append(kept)
        self.n_ready += len(kept)

    def end(self) -> None:
        """Take the last samples out of the resampler."""
        self.push(np.zeros(0, np.float32), last=True)

    def pop(self, n: int) -> np.ndarray:
        """Return the next samples on the clock of the reference, (n,); zeros after the end."""
        held = np.concatenate(self._parts)
        self._parts, self.n_ready = [held[n:]], max(len(held) - n, 0)
        return np.pad(held[:n], (0, max(n - len(held), 0)))
