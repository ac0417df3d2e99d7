"""Figure of `arrayenh localize`: azimuth and elevation over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from arrayenh.chain.localisation import Located
from arrayenh.drawing import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
MARKERS = "osD^vP"  # distinguishable without colour
FULL_SIZE = 0.4  # confidence of the largest marker


def plot_directions(located: Located) -> Figure:
    """Draw azimuth and elevation over time, as far as the array resolves them.

    Each track has a colour and a marker; the size of a point grows with its confidence. Dashed
    lines are the talkers of the whole recording.

    Parameters
    ----------
    located : Located

    Returns
    -------
    figure : matplotlib.figure.Figure
        Belongs to the caller; pyplot is not involved.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    kind = located.grid.kind
    shown = [
        *([] if kind == "upright" else ["azimuth"]),
        *([] if kind == "line" else ["elevation"]),
    ]
    figure = new_figure((10, 5.4 if len(shown) == 1 else 7.6))
    draw_titles(figure, located)
    heights = (0.77,) if len(shown) == 1 else (0.52, 0.24)
    top = 0.87
    for angle, height in zip(shown, heights, strict=True):
        axes = figure.add_axes((0.08, top - height, 0.81, height))
        top -= height + 0.035
        draw_angle(axes, located, angle)
        if angle != shown[-1]:
            axes.tick_params(axis="x", labelbottom=False)
    axes.set_xlabel("time (s)")
    return figure


def draw_titles(figure: Figure, located: Located) -> None:
    """Draw the title: the recording, and the angles that its array resolves."""
    middle: dict[str, Any] = {"ha": "center", "va": "center", "parse_math": False}
    words = f"{located.array.name}, {located.config.method}"
    figure.text(0.5, 0.968, located.source.name, size=13, weight="bold", **middle)
    figure.text(0.5, 0.932, words, size=9.5, color="0.35", **middle)
    figure.text(0.5, 0.897, located.grid.words, size=7.5, color="0.35", **middle)


def draw_angle(axes: Axes, located: Located, angle: str) -> None:
    """Draw one angle of all rows over time, degrees."""
    tracks = np.array([row.track for row in located.rows], int)
    times = np.array([row.time for row in located.rows]) + located.step / 2
    angles = np.rad2deg([getattr(row.direction, angle) for row in located.rows])
    sure = np.array([row.direction.confidence for row in located.rows])
    for k, label in enumerate(np.unique(tracks)):
        mine = tracks == label
        axes.scatter(
            times[mine],
            angles[mine],
            s=6 + 34 * np.minimum(sure[mine] / FULL_SIZE, 1),
            c=COLOURS[k % len(COLOURS)],
            marker=MARKERS[k % len(MARKERS)],
            linewidths=0,
            alpha=0.8,
            rasterized=len(times) > 2000,
        )
    for k, place in enumerate(located.places):
        value = float(np.rad2deg(getattr(place, angle)))
        axes.axhline(value, color="0.25", linestyle="--", linewidth=0.9, zorder=0)
        if angle == "azimuth":
            way = " to ".join(f"{np.rad2deg(at):.0f}°" for at in (*place.way, place.azimuth))
            # two lines, as the margin is no wider than one direction
            name = f" talker {k + 1}:{chr(10) if place.way else ''} {way}"
            axes.annotate(
                name, (1, value), xycoords=("axes fraction", "data"), size=8, va="center",
                annotation_clip=False,
            )  # fmt: skip
    if not located.rows:
        axes.text(0.5, 0.5, "no direction", transform=axes.transAxes, ha="center", color="0.4")
    set_scale(axes, located, angle)


def set_scale(axes: Axes, located: Located, angle: str) -> None:
    """Set the axis to the whole range of an angle, with round steps."""
    source = located.source
    axes.set_xlim(0, source.n_samples / source.sample_rate)
    if angle == "elevation":
        axes.set_ylim(-5 if located.grid.kind == "plane" else -92, 92)
        axes.set_yticks(np.arange(0 if located.grid.kind == "plane" else -90, 91, 30))
        axes.set_ylabel("elevation (degrees)")
    else:
        lowest, highest = azimuth_range(located)
        axes.set_yticks(np.arange(-180, 181, 45))
        axes.set_ylim(lowest - 4, highest + 4)
        axes.set_ylabel("azimuth (degrees, counter-clockwise from forward)", size=9)
    axes.grid(color="0.9", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def azimuth_range(located: Located) -> tuple[float, float]:
    """Limits of the azimuths, degrees: a half circle for a linear array if it does not wrap."""
    vectors = located.grid.vectors
    azimuths = np.rad2deg(np.arctan2(vectors[:, 1], vectors[:, 0]))
    if located.grid.kind == "line" and np.ptp(azimuths) <= 180.001:
        return float(azimuths.min()), float(azimuths.max())
    return -180.0, 180.0
