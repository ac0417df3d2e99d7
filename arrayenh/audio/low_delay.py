"""Resampling of a live stream, with a short delay that is known exactly.

A stream must give as many samples as it takes, at once. The resampler of files (soxr) computes in
long blocks, which delay a stream by 40 ms and more; this one delays it by half its filter.
"""

from math import floor, gcd

import numpy as np

from arrayenh import _kernels
from arrayenh.errors import ShapeError

ATTENUATION_DB = 60.0  # of the filter, which determines the width of its transition
KAISER_BETA = 0.1102 * (ATTENUATION_DB - 8.7)  # Kaiser 1974, eq. 4.4


class LowDelayResampler:
    """Resamples a stream with a polyphase filter; no output waits for later input than its own.

        y(k) = Σ_j x(j) h(k/R' - j/R),   h(τ) = 2f sinc(2f (τ - D)) w(τ - D)

    with the rates R and R', f half the lower of them, and the Kaiser window w of length 2 D. The
    output is delayed by D. Content within (A - 8) / 57.4 D Hz of f is attenuated; A = 60 dB of it
    is left above: 0.9 kHz for a delay of 1 ms.

    Parameters
    ----------
    rate, to : int
        R and R', Hz.
    n_channels : int
    delay : float
        D, seconds.

    Examples
    --------
    >>> resampler = LowDelayResampler(48_000, 16_000, n_channels=1, delay=0.001)
    >>> resampler.push(np.ones((1, 480), np.float32)).shape
    (1, 160)
    """

    def __init__(self, rate: int, to: int, n_channels: int, delay: float) -> None:
        common = gcd(rate, to)
        self.delay, self.n_channels = delay, n_channels
        self._n_phases, self._step = to // common, rate // common
        self._taps = polyphase_taps(rate, to, self._n_phases, delay)
        self.reset()

    def reset(self) -> None:
        """Reset the state."""
        self._tail = np.zeros((self.n_channels, self._taps.shape[1] - 1), np.float32)
        self._next = 0  # position of the next output after the next input, 1 / n_phases samples

    def push(self, block: np.ndarray) -> np.ndarray:
        """Resample the next samples.

        Parameters
        ----------
        block : float32 ndarray, shape (C, n)
            Any n, including 0.

        Returns
        -------
        resampled : float32 ndarray, shape (C, n')
            All outputs up to the time of the last sample. Their bits do not depend on how the
            stream is split into blocks.

        Raises
        ------
        ShapeError
            If the number of channels differs.
        """
        if block.ndim != 2 or len(block) != self.n_channels:
            raise ShapeError(f"block must have shape ({self.n_channels}, n); got {block.shape}")
        samples = np.concatenate([self._tail, block], axis=1, dtype=np.float32)
        ahead = block.shape[1] * self._n_phases - self._next
        out = np.empty((self.n_channels, max(-(-ahead // self._step), 0)), np.float32)
        _kernels.low_delay.polyphase(samples, self._taps, self._next, self._step, out)
        self._next -= block.shape[1] * self._n_phases - out.shape[1] * self._step
        self._tail = samples[:, samples.shape[1] - self._tail.shape[1] :].copy()
        return out


def polyphase_taps(rate: int, to: int, n_phases: int, delay: float) -> np.ndarray:
    """Filter of each phase, oldest sample first, float64, shape (n_phases, n_taps).

    Each phase is scaled to pass a constant exactly.
    """
    n_taps = floor(2 * delay * rate) + 1
    part = np.arange(n_phases)[:, None] / n_phases  # of a sample, behind the newest one
    late = (part + np.arange(n_taps)[::-1]) / rate - delay
    inside = np.sqrt(np.maximum(1 - (late / delay) ** 2, 0))
    window = np.where(np.abs(late) <= delay, np.i0(KAISER_BETA * inside), 0)
    taps = np.sinc(min(rate, to) * late) * window
    return taps / taps.sum(axis=1, keepdims=True)
