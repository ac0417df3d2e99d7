"""Level meters."""

import numpy as np

LEVEL_SECONDS = 0.2  # time constant of the level
HOLD_SECONDS = 1.5  # in which a held peak falls by 20 dB
LOWEST_DB = -120.0


class Meters:
    """Levels and peaks of channels.

    Parameters
    ----------
    n_channels : int
    sample_rate : int
        Hz.
    """

    def __init__(self, n_channels: int, sample_rate: int) -> None:
        self._rate = sample_rate
        self._power, self._peak = np.zeros(n_channels), np.zeros(n_channels)

    def update(self, block: np.ndarray) -> None:
        """Measure the next samples, (M, n); those that are not finite count as zero."""
        seconds = block.shape[1] / self._rate
        if not seconds:
            return
        size = np.abs(np.nan_to_num(block, nan=0.0, posinf=0.0, neginf=0.0))
        power = np.mean(size.astype(np.float64) ** 2, axis=1)
        self._power += min(seconds / LEVEL_SECONDS, 1.0) * (power - self._power)
        self._peak = np.maximum(self._peak * 10 ** (-seconds / HOLD_SECONDS), size.max(axis=1))

    @property
    def levels_db(self) -> tuple[float, ...]:
        """Level of each channel, dB re full scale (of a constant 1)."""
        return decibels(self._power, 10)

    @property
    def peaks_db(self) -> tuple[float, ...]:
        """Held peak of each channel, dB re full scale."""
        return decibels(self._peak, 20)


def decibels(values: np.ndarray, factor: float) -> tuple[float, ...]:
    """Values in dB, at least -120."""
    least = 10 ** (LOWEST_DB / factor)
    return tuple((factor * np.log10(np.maximum(values, least))).tolist())
