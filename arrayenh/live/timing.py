"""Time that a live chain takes for its blocks."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

LOAD_SECONDS = 1.0  # time constant of the load


class Timing:
    """Real-time factor, worst block and present load.

    Parameters
    ----------
    sample_rate : int
        Hz.

    Attributes
    ----------
    seconds : float
        Sound that was processed.
    busy_seconds : float
        Time that it took.
    worst_seconds : float
        Longest time for one block.
    load : float
        Processing time over the duration of the sound, in the last second.
    """

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self.seconds = self.busy_seconds = self.worst_seconds = self.load = 0.0

    @contextmanager
    def block(self, n: int) -> Iterator[None]:
        """Measure the processing of n samples."""
        started = time.perf_counter()
        yield
        self.took(n, time.perf_counter() - started)

    def took(self, n: int, elapsed: float) -> None:
        """Add a block of n samples that took so many seconds."""
        duration = n / self._rate
        self.seconds += duration
        self.busy_seconds += elapsed
        self.worst_seconds = max(self.worst_seconds, elapsed)
        weight = min(duration / LOAD_SECONDS, 1.0)
        self.load += weight * (elapsed / duration - self.load) if duration else 0.0

    @property
    def real_time_factor(self) -> float:
        """Processing time over the duration of the sound."""
        return self.busy_seconds / self.seconds if self.seconds else 0.0
