"""Geometry of charts: axes with round ticks, rows, boxes, quality over cost.

This module computes the positions; the template `charts.html` draws them as SVG.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

STEPS = (1, 2, 2.5, 5, 10)
LOG_PARTS = (1, 2, 5)
MARGIN = 0.04
"""Margin beyond the outermost values, relative to their range."""

WIDTH = 999
"""Width of a row in drawing units; lines keep their width when it is stretched."""

NAME_REM = (4.0, 8.6)
"""Least and most width of the names' column; longer names take two lines."""

LETTER_REM = 0.5
FEWEST_FOR_A_BOX = 5
"""Least number of scenes for a box; fewer are drawn as points, with a line at the median."""

WHISKER = 1.5
"""Longest whisker, relative to the length of the box (Tukey 1977)."""


@dataclass(frozen=True, slots=True)
class Axis:
    """Axis from `low` to `high` with round ticks."""

    low: float
    high: float
    ticks: tuple[float, ...]
    logarithmic: bool = False

    def place(self, value: float) -> float:
        """Relative position of a value: 0 at the low end, 1 at the high end, clipped."""
        low, high = self.low, self.high
        if self.logarithmic:
            low, high, value = math.log10(low), math.log10(high), math.log10(value)
        return min(max((value - low) / (high - low), 0.0), 1.0)

    def across(self, value: float) -> int:
        """Position of a value in the drawing units of a row."""
        return round(WIDTH * self.place(value))

    def holds(self, value: float) -> bool:
        """Whether the axis contains a value."""
        return self.low <= value <= self.high


def linear_axis(values: Iterable[float], n_ticks: int = 5, zero: bool = False) -> Axis:
    """Make an axis that contains all finite values, and zero if requested."""
    found = [float(value) for value in values if math.isfinite(value)]
    found += [0.0] if zero or not found else []
    low, high = min(found), max(found)
    margin = MARGIN * (high - low) or 0.1 * abs(high) or 1.0
    low, high = low - margin, high + margin
    step = round_step((high - low) / n_ticks)
    first, last = math.ceil(low / step), math.floor(high / step)
    return Axis(low, high, tuple(k * step for k in range(first, last + 1)))


def round_step(least: float) -> float:
    """Smallest of 1, 2, 2.5, 5 times a power of ten that is at least `least`."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(step * power for step in STEPS if step * power >= least * (1 - 1e-9))


def log_axis(values: Iterable[float]) -> Axis:
    """Make an axis of decades that contains all values, which must be above zero."""
    logs = np.log10(list(values))
    low, high = float(logs.min()), float(logs.max())
    middle, half = (low + high) / 2, max((high - low) / 2 * 1.15, 0.35)
    low, high = 10 ** (middle - half), 10 ** (middle + half)
    decades = range(math.floor(middle - half), math.ceil(middle + half) + 1)
    parts = LOG_PARTS if half < 1.2 else (1,)
    ticks = (part * 10.0**decade for decade in decades for part in parts)
    return Axis(low, high, tuple(tick for tick in ticks if low <= tick <= high), True)


def tick_text(tick: float) -> str:
    """Shortest text of a tick, with a real minus."""
    text = f"{tick:.6g}" if abs(tick) > 1e-9 else "0"
    return text.replace("-", "−")


def name_width(names: Sequence[str]) -> str:
    """Width of the longest name of a row chart, as a CSS value."""
    longest = max(map(len, names)) * LETTER_REM + 1.3
    return f"{min(max(longest, NAME_REM[0]), NAME_REM[1]):.2f}rem"


@dataclass(frozen=True, slots=True, eq=False)
class Box:
    """Box plot of `n` finite values; `points` are the values beyond the whiskers."""

    quartiles: tuple[float, float, float]
    whiskers: tuple[float, float]
    points: np.ndarray
    n: int

    def dots(self, axis: Axis) -> list[int]:
        """Positions of the points within the axis."""
        return [axis.across(value) for value in self.points if axis.holds(value)]

    def leaves(self, axis: Axis) -> tuple[bool, bool]:
        """Whether points lie beyond the low end, and beyond the high end."""
        return bool((self.points < axis.low).any()), bool((self.points > axis.high).any())

    @property
    def has_body(self) -> bool:
        """Whether there are enough values for a box."""
        return self.n >= FEWEST_FOR_A_BOX


def box_of(values: np.ndarray) -> Box | None:
    """Compute quartiles, whiskers and outliers; None if no value is finite.

    With few values, all are points.

    References
    ----------
    J. Tukey, "Exploratory Data Analysis", 1977, chapter 2.
    """
    found = np.sort(values[np.isfinite(values)])
    if found.size == 0:
        return None
    low, middle, high = (float(q) for q in np.percentile(found, (25, 50, 75)))
    if found.size < FEWEST_FOR_A_BOX:
        return Box((low, middle, high), (float(found[0]), float(found[-1])), found, found.size)
    reach = WHISKER * (high - low)
    inside = (found >= low - reach) & (found <= high + reach)
    ends = float(found[inside][0]), float(found[inside][-1])
    return Box((low, middle, high), ends, found[~inside], found.size)
