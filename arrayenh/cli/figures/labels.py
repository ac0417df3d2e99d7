"""Placement of the microphones' numbers in a figure, without overlap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ONE_PLACE = 3.0
"""Distance below which microphones share one label, points."""

DOT = 3.5
"""Radius of a microphone's mark, points."""


@dataclass(frozen=True, slots=True)
class Label:
    """Label of one or several microphones, `offset` points from the mark of `mics[0]`."""

    text: str
    mics: tuple[int, ...]
    offset: tuple[float, float]


def place_labels(marks: np.ndarray) -> list[Label]:
    """Find a place beside each mark for its number.

    Microphones drawn at one place share a label. A label without a free place is omitted.

    Parameters
    ----------
    marks : float ndarray, shape (M, 2)
        Positions of the microphones on the page, in points (1/72 inch).

    Returns
    -------
    labels : list of Label
    """
    groups = _coinciding(marks)
    taken = [_Box.around(marks[mics[0]], DOT, DOT) for mics in groups]
    labels = []
    for mics in groups:
        text = _listed(mics)
        offset = _free_offset(marks[mics[0]], text, taken)
        if offset is not None:
            taken.append(_label_box(marks[mics[0]] + offset, text))
            labels.append(Label(text, tuple(mics), offset))
    return labels


def _coinciding(marks: np.ndarray) -> list[list[int]]:
    """Group the microphones that are drawn at one place; marks (M, 2), points."""
    groups: list[list[int]] = []
    for mic, mark in enumerate(marks):
        for group in groups:
            if np.linalg.norm(marks[group[0]] - mark) < ONE_PLACE:
                group.append(mic)
                break
        else:
            groups.append([mic])
    return groups


def _listed(mics: list[int]) -> str:
    shown = ", ".join(map(str, mics[:4]))
    return shown if len(mics) <= 4 else f"{shown}, +{len(mics) - 4}"


@dataclass(frozen=True, slots=True)
class _Box:
    """A rectangle on the page, in points."""

    left: float
    right: float
    bottom: float
    top: float

    @classmethod
    def around(cls, middle: np.ndarray, half_width: float, half_height: float) -> _Box:
        x, y = middle.tolist()
        return cls(x - half_width, x + half_width, y - half_height, y + half_height)

    def overlaps(self, other: _Box) -> bool:
        beside = self.right <= other.left or other.right <= self.left
        above = self.top <= other.bottom or other.top <= self.bottom
        return not (beside or above)


def _label_box(place: np.ndarray, text: str) -> _Box:
    return _Box.around(place, 1.5 + 2.7 * len(text), 5.5)


def _free_offset(mark: np.ndarray, text: str, taken: list[_Box]) -> tuple[float, float] | None:
    """First offset from `mark`, (2,), without overlap; None if all overlap.

    The order is above, below, the sides, the corners, and a second row.
    """
    beside = 6.5 + 2.7 * len(text)
    offsets = [(0.0, 11.0), (0.0, -11.0), (beside, 0.0), (-beside, 0.0)]
    offsets += [(x, y) for y in (10.0, -10.0) for x in (0.6 * beside, -0.6 * beside)]
    offsets += [(0.0, 23.0), (0.0, -23.0)]
    for offset in offsets:
        box = _label_box(mark + offset, text)
        if not any(box.overlaps(other) for other in taken):
            return offset
    return None
