"""Axes of a benchmark's charts: round ticks, and where a value lies between the ends."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

STEPS = (1, 2, 2.5, 5, 10)
LOG_PARTS = (1, 2, 5)
MARGIN = 0.04
"""Room beyond the outermost values, as a part of their range."""


@dataclass(frozen=True, slots=True)
class Axis:
    """From `low` to `high`, with round ticks in between."""

    low: float
    high: float
    ticks: tuple[float, ...]
    logarithmic: bool = False

    def place(self, value: float) -> float:
        """Where a value lies: 0 at the low end, 1 at the high end, clipped to these."""
        low, high = self.low, self.high
        if self.logarithmic:
            low, high, value = math.log10(low), math.log10(high), math.log10(value)
        return min(max((value - low) / (high - low), 0.0), 1.0)

    def holds(self, value: float) -> bool:
        """Whether a value lies between the ends."""
        return self.low <= value <= self.high


def linear_axis(values: Iterable[float], n_ticks: int = 5, zero: bool = False) -> Axis:
    """An axis that holds all finite values, and zero where that is asked for."""
    found = [float(value) for value in values if math.isfinite(value)]
    found += [0.0] if zero or not found else []
    low, high = min(found), max(found)
    margin = MARGIN * (high - low) or 0.1 * abs(high) or 1.0
    low, high = low - margin, high + margin
    step = round_step((high - low) / n_ticks)
    first, last = math.ceil(low / step), math.floor(high / step)
    return Axis(low, high, tuple(k * step for k in range(first, last + 1)))


def round_step(least: float) -> float:
    """The smallest of 1, 2, 2.5, 5 times a power of ten that is at least this."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(step * power for step in STEPS if step * power >= least * (1 - 1e-9))


def log_axis(values: Iterable[float]) -> Axis:
    """An axis of decades that holds all values, which must be above zero."""
    logs = np.log10(list(values))
    low, high = float(logs.min()), float(logs.max())
    middle, half = (low + high) / 2, max((high - low) / 2 * 1.15, 0.35)
    low, high = 10 ** (middle - half), 10 ** (middle + half)
    decades = range(math.floor(middle - half), math.ceil(middle + half) + 1)
    parts = LOG_PARTS if half < 1.2 else (1,)
    ticks = (part * 10.0**decade for decade in decades for part in parts)
    return Axis(low, high, tuple(tick for tick in ticks if low <= tick <= high), True)


def tick_text(tick: float) -> str:
    """A tick as short as it can be, with a real minus."""
    text = f"{tick:.6g}" if abs(tick) > 1e-9 else "0"
    return text.replace("-", "−")
