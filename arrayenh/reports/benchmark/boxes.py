"""Box plots as rows of a chart: how the scores of a system spread over scenes."""

from dataclasses import dataclass

import numpy as np

from arrayenh.evaluation.systems.system import OWN
from arrayenh.reports.benchmark.axes import Axis
from arrayenh.reports.benchmark.rows import HEIGHT, WIDTH, ChartRow, across, dots
from arrayenh.reports.score_table import number

FEWEST_FOR_A_BOX = 5
"""Fewer scenes are drawn as points, with a line at their median."""

WHISKER = 1.5
"""Whiskers end at the last value within so many times the box's length (Tukey 1977)."""

MIDDLE = HEIGHT // 2


@dataclass(frozen=True, slots=True, eq=False)
class Box:
    """What a box plot shows of `n` finite values; `points` lie beyond the whiskers."""

    quartiles: tuple[float, float, float]
    whiskers: tuple[float, float]
    points: np.ndarray
    n: int


def box_of(values: np.ndarray) -> Box | None:
    """Quartiles, whiskers and the values beyond these; None where no value is finite.

    Of few values, all are points.

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


def box_row(
    index: int, name: str, kind: str, values: np.ndarray, metric: str, axis: Axis, sign: bool
) -> ChartRow:
    """One system: its box, and the median as a number, with a `sign` where it is a gain."""
    box = box_of(values)
    if box is None:
        return ChartRow(index, name, kind, "", "no finite score", "n/a")
    low, middle, high = (number(value, metric, sign) for value in box.quartiles)
    words = f"median {middle}, half of the scenes {low} to {high}"
    if box.n < values.size:
        words += f", {box.n} of {values.size} scenes"
    return ChartRow(index, name, kind, box_drawing(box, axis, filled=kind == OWN), words, middle)


def box_drawing(box: Box, axis: Axis, filled: bool) -> str:
    """Whiskers, box, median, and what lies beyond."""
    low, middle, high = (across(axis, value) for value in box.quartiles)
    median = f'<path class="median" d="M{middle:g} 3v14"/>'
    points = beyond(box.points, axis)
    if box.n < FEWEST_FOR_A_BOX:
        return median + points
    least, most = (across(axis, value) for value in box.whiskers)
    whiskers = f"M{least:g} {MIDDLE}H{low:g}M{high:g} {MIDDLE}H{most:g}"
    body = f"M{low:g} 4H{high:g}V16H{low:g}z"
    css = ' class="box"' if filled else ""
    return f'<path d="{whiskers}"/><path{css} d="{body}"/>{median}{points}'


def beyond(points: np.ndarray, axis: Axis) -> str:
    """Single scenes as dots; those that the axis does not hold as an arrow at its end."""
    inside = [across(axis, value) for value in points if axis.holds(value)]
    arrows = ""
    if points.size and points.min() < axis.low:
        arrows += "M9 4L1 10l8 6"
    if points.size and points.max() > axis.high:
        arrows += f"M{WIDTH - 9} 4l8 6-8 6"
    return dots(inside) + (f'<path d="{arrows}"/>' if arrows else "")
