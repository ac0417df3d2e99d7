"""Chart of quality over cost: positions of marks, Pareto front, labels without overlap."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from arrayenh.evaluation.intervals import Interval
from arrayenh.reports.charts import Axis, linear_axis, log_axis

SIZES = {"wide": (760.0, 400.0), "narrow": (350.0, 340.0)}
"""Two sizes, for desktop and print and for phones, so that the text keeps its size."""

LEFT, RIGHT, TOP, BOTTOM = 46.0, 14.0, 12.0, 44.0
RADIUS = 6.0
LONGEST_NAME = 24
LETTER = 7.4
"""Width of a letter of a wide font in drawing units, at the size below."""

SIZE = 12.0
CLEAR = 10.0
"""Distance from the centre of a mark to its name."""

DISTANCES = (1.0, 2.0, 3.2, 4.6)
"""Distances to try, in units of `CLEAR`; distant names get a line to their mark."""

DIRECTIONS = ((1, 0), (0, -1), (0, 1), (-1, 0), (0.8, -0.8), (0.8, 0.8), (-0.8, -0.8), (-0.8, 0.8))
OUTSIDE, FAR = 50.0, 6.0
"""Penalties per unit beyond the chart and per unit of distance; overlap costs its area."""


@dataclass(frozen=True, slots=True)
class Rectangle:
    """Rectangle in the chart, drawing units."""

    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: "Rectangle") -> float:
        """Area of the intersection with another rectangle."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(width, 0.0) * max(height, 0.0)

    def outside(self, of: "Rectangle") -> float:
        """Total length by which it extends beyond another rectangle."""
        across = max(of.left - self.left, 0.0) + max(self.right - of.right, 0.0)
        return across + max(of.top - self.top, 0.0) + max(self.bottom - of.bottom, 0.0)


@dataclass(frozen=True, slots=True)
class Point:
    """A system in the chart: real-time factor, and gain or, without a baseline, score."""

    name: str
    kind: str
    cost: float
    quality: Interval
    words: str = ""


@dataclass(frozen=True, slots=True)
class Name:
    """Label in the chart: position, alignment, and a line to a distant mark."""

    text: str
    x: float
    y: float
    anchor: str = "start"
    leader: str = ""


class Scatter:
    """Chart of quality over cost.

    Parameters
    ----------
    points : sequence of Point
        At least one.
    front : sequence of Point
        Pareto front, in rising order of cost.
    limits : mapping of str to float
        Quality of each bound.
    size : {"wide", "narrow"}
    """

    def __init__(
        self,
        points: Sequence[Point],
        front: Sequence[Point],
        limits: Mapping[str, float],
        size: str,
    ) -> None:
        ends = [v for p in points for v in (p.quality.low, p.quality.mean, p.quality.high)]
        self.points, self.limits, self.size = points, limits, size
        self.width, self.height = SIZES[size]
        self.across: Axis = log_axis(point.cost for point in points)
        self.up: Axis = linear_axis([*ends, *limits.values()], n_ticks=6)
        self.inside = Rectangle(LEFT, TOP, self.width - RIGHT, self.height - BOTTOM)
        self.corners = self._corners(front)

    def x(self, cost: float) -> float:
        """Horizontal position of a real-time factor."""
        inside = self.inside
        return round(inside.left + (inside.right - inside.left) * self.across.place(cost), 1)

    def y(self, quality: float) -> float:
        """Vertical position of a gain or a score."""
        inside = self.inside
        return round(inside.bottom - (inside.bottom - inside.top) * self.up.place(quality), 1)

    def _corners(self, front: Sequence[Point]) -> list[tuple[float, float]]:
        """Corners of the front's steps from left to right: the best quality up to each cost."""
        rights = [self.x(point.cost) for point in front[1:]] + [self.inside.right]
        return [
            (x, self.y(point.quality.mean))
            for point, right in zip(front, rights, strict=True)
            for x in (self.x(point.cost), right)
        ]

    def names(self) -> tuple[list[Name], list[Name]]:
        """Labels of bounds on their lines, and of points beside their marks."""
        taken = [self._around(point) for point in self.points] + self._steps()
        bounds = []
        for name, mean in self.limits.items():
            place = self._on_line(shortened(name), self.y(mean), taken)
            taken.append(place)
            bounds.append(Name(shortened(name), place.left, place.bottom - 2))
        names = [shortened(point.name) for point in self.points]
        middles = np.array([(self.x(p.cost), self.y(p.quality.mean)) for p in self.points])
        places = place_labels(middles, names, taken, self.inside)
        return bounds, [
            beside(name, middle, place)
            for name, middle, place in zip(names, middles, places, strict=True)
        ]

    def _around(self, point: Point) -> Rectangle:
        """Area of a mark with its interval."""
        x, y = self.x(point.cost), self.y(point.quality.mean)
        ends = [self.y(v) for v in (point.quality.low, point.quality.high) if math.isfinite(v)]
        top, bottom = min([y - RADIUS, *ends]), max([y + RADIUS, *ends])
        return Rectangle(x - RADIUS, top, x + RADIUS, bottom)

    def _steps(self) -> list[Rectangle]:
        """Area of the front's line."""
        return [
            Rectangle(min(a, c) - 1, min(b, d) - 1, max(a, c) + 1, max(b, d) + 1)
            for (a, b), (c, d) in zip(self.corners, self.corners[1:], strict=False)
        ]

    def _on_line(self, name: str, y: float, taken: Sequence[Rectangle]) -> Rectangle:
        """Position of a bound's label: above or below its line, at one of its ends."""
        width, inside = len(name) * LETTER, self.inside
        options = [
            Rectangle(left, top, left + width, top + SIZE)
            for left in (inside.left + 4, inside.right - 4 - width)
            for top in (y - SIZE - 2, y + 3)
        ]
        return min(options, key=lambda o: sum(map(o.overlap, taken)) + OUTSIDE * o.outside(inside))


def pareto_front(points: Sequence[Point], better: int) -> list[Point]:
    """Points that no other point of the same or lower cost surpasses, in rising order of cost.

    `better` is 1 if a higher quality is better, -1 if a lower one is.
    """
    front: list[Point] = []
    for point in sorted(points, key=lambda p: (p.cost, -better * p.quality.mean)):
        if not front or better * (point.quality.mean - front[-1].quality.mean) > 0:
            front.append(point)
    return front


def shortened(name: str) -> str:
    """Shorten a name to fit beside its mark."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def beside(name: str, middle: np.ndarray, place: Rectangle) -> Name:
    """Align a label towards its mark, because the text width depends on the reader's font."""
    y, leader = place.bottom - 2, leader_of(middle, place)
    if place.left >= middle[0]:
        return Name(name, place.left, y, "start", leader)
    if place.right <= middle[0]:
        return Name(name, place.right, y, "end", leader)
    return Name(name, (place.left + place.right) / 2, y, "middle", leader)


def leader_of(middle: np.ndarray, place: Rectangle) -> str:
    """Path from a mark to a distant label; empty if the label is beside the mark."""
    x = min(max(middle[0], place.left), place.right)
    y = min(max(middle[1], place.top), place.bottom)
    distance = math.hypot(x - middle[0], y - middle[1])
    if distance < 2 * RADIUS:
        return ""
    start = middle + (np.array([x, y]) - middle) * (RADIUS / distance)
    return f"M{start[0]:.1f} {start[1]:.1f}L{x:.1f} {y:.1f}"


def place_labels(
    points: np.ndarray, names: Sequence[str], taken: Sequence[Rectangle], chart: Rectangle
) -> list[Rectangle]:
    """Place labels greedily, crowded points first, each at the position of least penalty.

    Parameters
    ----------
    points : float ndarray, shape (P, 2)
        Right and down, drawing units.
    names : sequence of str
    taken : sequence of Rectangle
        Areas that must not be covered: marks, whiskers.
    chart : Rectangle
        Area for the labels.
    """
    busy, placed = list(taken), {}

    def penalty(option: tuple[Rectangle, float]) -> float:
        place, distance = option
        covered = sum(map(place.overlap, busy))
        return covered + OUTSIDE * place.outside(chart) + FAR * distance

    for k in crowded_first(points):
        placed[k], _ = min(candidates(points[k], len(names[k]) * LETTER), key=penalty)
        busy.append(placed[k])
    return [placed[k] for k in range(len(names))]


def crowded_first(points: np.ndarray) -> list[int]:
    """Order of the points by the distance to their nearest neighbour."""
    distances = np.linalg.norm(points[:, None] - points, axis=-1)
    np.fill_diagonal(distances, np.inf)
    return [int(k) for k in np.argsort(distances.min(axis=1), kind="stable")]


def candidates(point: np.ndarray, width: float) -> list[tuple[Rectangle, float]]:
    """Candidate positions around a point, with their distances."""
    found = []
    for distance in DISTANCES:
        for right, down in DIRECTIONS:
            x = point[0] + right * CLEAR * distance
            y = point[1] + down * CLEAR * distance * (1 if right else 1.2)
            left = x - width * (0.5 - 0.5 * np.sign(right))
            found.append((Rectangle(left, y - SIZE / 2, left + width, y + SIZE / 2), distance))
    return found
