"""Drawings of a microphone array, in the terminal or as a figure."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from arrayenh.cli.figures.labels import place_labels
from arrayenh.drawing import drawn, new_figure
from arrayenh.errors import ConfigError, GeometryError
from arrayenh.files import write_whole
from arrayenh.microphones.mic_array import MicArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MIN_WIDTH = 24
"""Least width of a text drawing, columns: room for the labels and the scale."""

SMALLEST_VIEW = 0.02
"""Least extent of a drawing, metres, so that a single microphone has a scale too."""

FIGURE_SUFFIXES = (".png", ".svg", ".pdf")
REFERENCE_COLOUR = "#d1495b"
MIC_COLOUR = "#26547c"

TOP_VIEW_SIZE = (5.2, 4.6)
"""Largest size of the top view, inches: width and height."""


def render_text(array: MicArray, width: int = 48) -> str:
    """Draw the array from above, in characters: +x to the right, +y up.

    Each microphone is drawn as its number. Microphones that are too close share one label:
    `2+1` is microphone 2 and one more.

    Parameters
    ----------
    array : MicArray
    width : int
        Columns inside the frame; the number of rows depends on the shape of the array.

    Returns
    -------
    drawing : str
        The framed drawing, then a scale bar, then two lines of caption.

    Raises
    ------
    ConfigError
        If `width` is less than 24.
    """
    if width < MIN_WIDTH:
        raise ConfigError(f"width must be at least {MIN_WIDTH} columns; got {width}")
    metres_per_column = _metres_per_column(array, width)
    rows = _text_rows(array, width, metres_per_column)
    return "\n".join(
        [
            f"┌{'─' * width}┐",
            *(f"│{row}│" for row in rows),
            f"└{'─' * width}┘",
            _scale_bar(metres_per_column, width),
            _caption(array),
            "top view: +x (forward, azimuth 0) to the right, +y (left) up",
        ]
    )


def _caption(array: MicArray) -> str:
    count = f"{array.n_mics} microphone{'s' if array.n_mics > 1 else ''}"
    return f"{array.name}: {count}, aperture {1000 * array.aperture:.4g} mm"


def _label_width(array: MicArray) -> int:
    """Columns of the longest label, a shared one such as 12+3."""
    digits = len(str(array.n_mics))
    return 2 * digits + 1


def _metres_per_column(array: MicArray, width: int) -> float:
    """Scale that fits x into `width` columns and y into half as many rows of twice the height."""
    across, up, _ = np.ptp(array.positions, axis=0)
    columns = width - 2 * _label_width(array)
    return max(across, up, SMALLEST_VIEW) / columns


def _text_rows(array: MicArray, width: int, metres_per_column: float) -> list[str]:
    x, y = array.positions[:, 0], array.positions[:, 1]
    middle = (x.min() + x.max()) / 2
    column = np.rint((x - middle) / metres_per_column).astype(int) + width // 2
    row = np.rint((y.max() - y) / (2 * metres_per_column)).astype(int)
    drawn = []
    for here in range(row.max() + 1):
        mics = [int(mic) for mic in np.flatnonzero(row == here)]
        mics.sort(key=lambda mic: (column[mic], mic))
        drawn.append(_text_row([(int(column[mic]), mic) for mic in mics], width))
    blank = " " * width
    return [blank, *drawn, blank]


def _text_row(marks: list[tuple[int, int]], width: int) -> str:
    """Format one line of labels from (column, microphone), sorted by column."""
    groups: list[tuple[int, list[int]]] = []
    end = -1
    for column, mic in marks:
        if column > end + 1 or not groups:
            groups.append((column, [mic]))
        else:
            groups[-1][1].append(mic)
        end = groups[-1][0] + len(_shared(groups[-1][1])) - 1
    line = ""
    for column, mics in groups:
        line = line.ljust(column) + _shared(mics)
    return line.ljust(width)


def _shared(mics: list[int]) -> str:
    others = len(mics) - 1
    return f"{min(mics)}+{others}" if others else f"{mics[0]}"


def _scale_bar(metres_per_column: float, width: int) -> str:
    """Draw the longest bar of 1, 2 or 5 times a power of ten within a third of the width."""
    room = metres_per_column * (width // 3)
    decade = 10.0 ** np.floor(np.log10(room))
    length = max(step * decade for step in (1, 2, 5) if step * decade <= room)
    columns = max(2, round(length / metres_per_column))
    return f" ├{'─' * (columns - 2)}┤ {1000 * length:.4g} mm"


def save_figure(array: MicArray, path: str | os.PathLike[str], overwrite: bool = True) -> None:
    """Save a drawing of the array from above and from the side.

    Parameters
    ----------
    array : MicArray
    path : str or path
        Ends in .png, .svg or .pdf.
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    GeometryError
        If the suffix is not one of these, or the file cannot be written.
    """
    write_figure(plot_array(array), path, overwrite)


def write_figure(figure: Figure, path: str | os.PathLike[str], overwrite: bool = True) -> None:
    """Write a figure atomically, in the format of the suffix.

    Raises
    ------
    GeometryError
        If the suffix is not .png, .svg or .pdf, or the file cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in FIGURE_SUFFIXES:
        raise GeometryError(
            f"{path}: a figure ends in {', '.join(FIGURE_SUFFIXES)}; "
            f"got {path.suffix or 'no suffix'}"
        )
    write_whole(path, drawn(figure, suffix[1:], dpi=150), overwrite=overwrite)


def plot_array(array: MicArray) -> Figure:
    """Draw the array from above and, below it, from its right-hand side.

    Both views share the x axis and one scale. Microphones are numbered where there is room;
    the reference, microphone 0, is red.

    Parameters
    ----------
    array : MicArray

    Returns
    -------
    figure : matplotlib.figure.Figure
        Belongs to the caller; pyplot is not involved.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    layout = _Layout.of(array)
    figure = new_figure(layout.figure_size)
    top = figure.add_axes(layout.top_view)
    _draw_view(top, array, (0, 1), layout)
    top.set_ylabel("y, left (mm)")
    top.set_xlabel("x, forward (mm)")
    side = figure.add_axes(layout.side_view)
    _draw_view(side, array, (0, 2), layout)
    side.set_ylabel("z, up (mm)")
    side.set_xlabel("x, forward (mm)")
    _draw_titles(figure, array, layout)
    return figure


@dataclass(frozen=True, slots=True)
class _Layout:
    """Layout of the figure: limits in mm, shape (3, 2); sizes in inches."""

    limits: np.ndarray
    inches_per_mm: float
    figure_size: tuple[float, float]
    top_view: tuple[float, float, float, float]
    side_view: tuple[float, float, float, float]

    @classmethod
    def of(cls, array: MicArray) -> _Layout:
        limits = _view_limits(array)
        spans = np.ptp(limits, axis=1)
        scale = float(min(TOP_VIEW_SIZE[0] / spans[0], TOP_VIEW_SIZE[1] / spans[1]))
        across, up, high = (spans * scale).tolist()
        left, bottom, gap, head = 0.9, 0.65, 0.9, 1.0
        width = max(left + across + 0.4, 6.0)
        height = bottom + high + gap + up + head
        edge = (width + left - 0.4 - across) / 2 / width
        side = (edge, bottom / height, across / width, high / height)
        above = (bottom + high + gap) / height
        top = (edge, above, across / width, up / height)
        return cls(limits, scale, (width, height), top, side)


def _view_limits(array: MicArray) -> np.ndarray:
    """Limits of x, y and z in mm with a margin and a least extent, shape (3, 2)."""
    low, high = 1000 * array.positions.min(axis=0), 1000 * array.positions.max(axis=0)
    size = max((high - low).max(), 1000 * SMALLEST_VIEW)
    half = np.maximum((high - low) / 2 + 0.15 * size, 0.25 * size)
    middle = (high + low) / 2
    return np.stack([middle - half, middle + half], axis=1)


def _draw_titles(figure: Figure, array: MicArray, layout: _Layout) -> None:
    height = layout.figure_size[1]
    name, _, measures = _caption(array).rpartition(": ")
    figure.text(
        0.5, 1 - 0.3 / height, name, size=13, weight="bold",
        ha="center", va="center", parse_math=False,
    )  # fmt: skip
    figure.text(
        0.5, 1 - 0.57 / height, f"{measures}; microphone 0 (red) is the reference",
        size=9, ha="center", va="center", color="0.35",
    )  # fmt: skip
    for title, view in (
        ("from above", layout.top_view),
        ("from the right", layout.side_view),
    ):
        left, bottom, _, high = view
        figure.text(left, bottom + high + 0.06 / height, title, size=9, va="bottom")


def _draw_view(axes: Axes, array: MicArray, dims: tuple[int, int], layout: _Layout) -> None:
    """Draw one projection: points, numbers, equal scales, few ticks."""
    across, up = dims
    points = 1000 * array.positions[:, dims]
    colours = [REFERENCE_COLOUR] + [MIC_COLOUR] * (array.n_mics - 1)
    axes.axhline(0, color="0.85", linewidth=0.8, zorder=0)
    axes.axvline(0, color="0.85", linewidth=0.8, zorder=0)
    axes.scatter(points[::-1, 0], points[::-1, 1], s=26, c=colours[::-1], zorder=2)
    _draw_labels(axes, points, 72 * layout.inches_per_mm)
    axes.set_xlim(*layout.limits[across])
    axes.set_ylim(*layout.limits[up])
    axes.set_aspect("equal")
    inches = layout.inches_per_mm * np.ptp(layout.limits, axis=1)
    axes.locator_params(axis="x", nbins=max(2, int(1.6 * inches[across])))
    axes.locator_params(axis="y", nbins=max(2, int(1.6 * inches[up])))
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_labels(axes: Axes, points: np.ndarray, points_per_mm: float) -> None:
    """Write a number beside each of the points, shape (M, 2), where there is room."""
    for label in place_labels(points * points_per_mm):
        axes.annotate(
            label.text,
            points[label.mics[0]],
            xytext=label.offset,
            textcoords="offset points",
            ha="center",
            va="center",
            size=9,
            color=REFERENCE_COLOUR if 0 in label.mics else "black",
            zorder=3,
        )
