"""Compensation of the clocks of two sound devices, one sample at a time."""

import numpy as np

SETTLING_SECONDS = 2.0  # before the delay that is kept is taken
MEAN_SECONDS = 2.0  # time constant of the mean delay
TOLERANCE = 0.25  # of a block


class Drift:
    """Keeps the number of samples in the buffers of two devices near that at the start.

    If the input is faster than the output, samples pile up between them; else they run out. The
    mean of their number is watched, and if it has moved by a quarter of a block, one block is made
    a sample shorter or longer by linear interpolation. 300 ppm at 48 kHz are 14 such samples per
    second, of 100 possible ones.

    Parameters
    ----------
    block : int
        Samples of a block.
    sample_rate : int
        Hz.

    Attributes
    ----------
    n_removed : int
        Samples that were removed, less those that were added.
    """

    def __init__(self, block: int, sample_rate: int) -> None:
        seconds = block / sample_rate
        self._settling = round(SETTLING_SECONDS / seconds)
        self._weight = min(seconds / MEAN_SECONDS, 1.0)
        self._tolerance = max(TOLERANCE * block, 1.0)
        self._mean: float | None = None
        self._start: float | None = None
        self.n_removed = 0

    def corrected(self, samples: np.ndarray, held: int) -> np.ndarray:
        """The block (C, n), or the same sound in n - 1 or n + 1 samples.

        Parameters
        ----------
        samples : float ndarray, shape (C, n)
        held : int
            Samples in both buffers now, plus any constant.
        """
        self._mean = held if self._mean is None else self._mean
        self._mean += self._weight * (held - self._mean)
        self._settling -= 1
        if self._settling > 0:
            return samples
        self._start = self._mean if self._start is None else self._start
        moved = self._mean - self._start
        if abs(moved) <= self._tolerance or samples.shape[1] < 3:
            return samples
        less = 1 if moved > 0 else -1
        self.n_removed += less
        self._mean -= less
        return stretched(samples, samples.shape[1] - less)


def stretched(samples: np.ndarray, n: int) -> np.ndarray:
    """The same sound, (C, m), in n samples, by linear interpolation, float32."""
    m = samples.shape[1]
    places = np.linspace(0, m - 1, n)
    return np.stack([np.interp(places, np.arange(m), row) for row in samples]).astype(np.float32)
