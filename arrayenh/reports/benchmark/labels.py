"""Names beside the points of a chart, so that they cover neither points nor each other."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LETTER = 7.4
"""Width of a letter, drawing units, at the size below: that of wide fonts."""

SIZE = 12.0
CLEAR = 10.0
"""From the middle of a point to its label."""

DISTANCES = (1.0, 2.0, 3.2, 4.6)
"""Tried from near to far, times `CLEAR`; labels that stand far get a line to their point."""

DIRECTIONS = ((1, 0), (0, -1), (0, 1), (-1, 0), (0.8, -0.8), (0.8, 0.8), (-0.8, -0.8), (-0.8, 0.8))
OUTSIDE, FAR = 50.0, 6.0
"""Penalties: per unit beyond the chart, and per unit of distance; overlap costs its area."""


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A part of the chart."""

    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: "Rectangle") -> float:
        """Area that both cover."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(width, 0.0) * max(height, 0.0)

    def outside(self, of: "Rectangle") -> float:
        """How far it reaches beyond another."""
        return (
            max(of.left - self.left, 0.0)
            + max(of.top - self.top, 0.0)
            + max(self.right - of.right, 0.0)
            + max(self.bottom - of.bottom, 0.0)
        )


def place_labels(
    points: np.ndarray, names: Sequence[str], taken: Sequence[Rectangle], chart: Rectangle
) -> list[Rectangle]:
    """A rectangle for each name: each takes the cheapest place left, the crowded ones first.

    Parameters
    ----------
    points : float ndarray, shape (P, 2)
        Right and down, drawing units.
    names : sequence of str
    taken : sequence of Rectangle
        What must not be covered: marks, whiskers.
    chart : Rectangle
        Where labels have to stay.
    """
    busy, placed = list(taken), {}
    for k in crowded_first(points):
        options = candidates(points[k], len(names[k]) * LETTER)
        place, _ = min(options, key=lambda option: penalty(option[0], option[1], busy, chart))
        placed[k] = place
        busy.append(place)
    return [placed[k] for k in range(len(names))]


def crowded_first(points: np.ndarray) -> list[int]:
    """Order of points by the distance to their nearest neighbour."""
    if len(points) < 2:
        return list(range(len(points)))
    distances = np.linalg.norm(points[:, None] - points, axis=-1)
    np.fill_diagonal(distances, np.inf)
    return [int(k) for k in np.argsort(distances.min(axis=1), kind="stable")]


def candidates(point: np.ndarray, width: float) -> list[tuple[Rectangle, float]]:
    """Places around a point, and how far each is from it."""
    found = []
    for distance in DISTANCES:
        for right, down in DIRECTIONS:
            x = point[0] + right * CLEAR * distance
            y = point[1] + down * CLEAR * distance * (1 if right else 1.2)
            left = x - width * (0.5 - 0.5 * np.sign(right))
            found.append((Rectangle(left, y - SIZE / 2, left + width, y + SIZE / 2), distance))
    return found


def penalty(
    rectangle: Rectangle, distance: float, busy: Sequence[Rectangle], chart: Rectangle
) -> float:
    """What speaks against a place."""
    covered = sum(rectangle.overlap(other) for other in busy)
    return covered + OUTSIDE * rectangle.outside(chart) + FAR * distance
