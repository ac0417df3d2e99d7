"""The drawing of quality over cost: marks, a stepped front, bounds, names that do not collide."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from arrayenh.evaluation.intervals import Interval
from arrayenh.evaluation.systems.system import BOUND, OWN, PEER
from arrayenh.reports.benchmark.axes import Axis, linear_axis, log_axis, tick_text
from arrayenh.reports.benchmark.labels import LETTER, SIZE, Rectangle, place_labels

SIZES = {"wide": (760.0, 400.0), "narrow": (350.0, 340.0)}
"""Drawn twice, for the desk and paper, and for the phone: so that text keeps its size."""

LEFT, RIGHT, TOP, BOTTOM = 46.0, 14.0, 12.0, 44.0
RADIUS = 6.0
LONGEST_NAME = 24


SHAPES = {
    OWN: '<circle cx="6" cy="6" r="5"/>',
    PEER: '<path d="M6 0l6 6-6 6-6-6z"/>',
    BOUND: '<circle cx="6" cy="6" r="4.2"/>',
}
"""Of a mark, by its kind, 12 units wide."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A point: where it is, whether it is on the front, and its tooltip."""

    name: str
    kind: str
    cost: float
    quality: Interval
    ahead: bool
    words: str


@dataclass(frozen=True, slots=True)
class Canvas:
    """Where values lie in the drawing."""

    width: float
    height: float
    across: Axis
    up: Axis

    def x(self, cost: float) -> float:
        """Of a real-time factor."""
        return round(LEFT + (self.width - LEFT - RIGHT) * self.across.place(cost), 1)

    def y(self, quality: float) -> float:
        """Of a gain or a score."""
        inside = self.inside
        return round(inside.bottom - (inside.bottom - inside.top) * self.up.place(quality), 1)

    @property
    def inside(self) -> Rectangle:
        """What the axes enclose."""
        return Rectangle(LEFT, TOP, self.width - RIGHT, self.height - BOTTOM)


def scatter_svg(title: str, marks: Sequence[Mark], limits: Mapping[str, float], size: str) -> str:
    """One chart.

    Parameters
    ----------
    title : str
        What quality is.
    marks : sequence of Mark
        At least one.
    limits : mapping of str to float
        Quality of each bound.
    size : {"wide", "narrow"}
    """
    ends = [v for m in marks for v in (m.quality.low, m.quality.mean, m.quality.high)]
    up = linear_axis([*ends, *limits.values()], n_ticks=6)
    canvas = Canvas(*SIZES[size], log_axis(m.cost for m in marks), up)
    front = sorted((m for m in marks if m.ahead), key=lambda m: m.cost)
    return (
        f'<svg class="scatter {size}" viewBox="0 0 {canvas.width:g} {canvas.height:g}" role="img">'
        f"<title>{escape(title)} over the real-time factor</title>"
        f"<desc>{escape('; '.join(mark.words for mark in marks))}</desc>"
        f"{frame(canvas)}{limit_lines(canvas, limits)}{front_line(canvas, front)}"
        f"{''.join(mark_svg(canvas, mark) for mark in marks)}"
        f"{names_svg(canvas, marks, front, limits)}</svg>"
    )


def frame(canvas: Canvas) -> str:
    """Grid, ticks, the axis' name, and real time where that is in reach."""
    inside, lines, texts = canvas.inside, [], []
    for tick in canvas.across.ticks:
        lines.append(f"M{canvas.x(tick):g} {TOP:g}V{inside.bottom:g}")
        texts.append(text(canvas.x(tick), inside.bottom + 16, tick_text(tick), "middle"))
    for tick in canvas.up.ticks:
        lines.append(f"M{LEFT:g} {canvas.y(tick):g}H{inside.right:g}")
        texts.append(text(LEFT - 7, canvas.y(tick) + 4, tick_text(tick), "end"))
    middle = (inside.left + inside.right) / 2
    texts.append(text(middle, inside.bottom + 36, "real-time factor", "middle"))
    real_time = ""
    if canvas.across.holds(1.0):
        real_time = f'<path class="real-time" d="M{canvas.x(1.0):g} {TOP:g}V{inside.bottom:g}"/>'
        texts.append(text(canvas.x(1.0) - 4, TOP + 10, "real time", "end"))
    return (
        f'<path class="lines" d="{"".join(lines)}"/>'
        f'<path class="base" d="M{LEFT:g} {inside.bottom:g}H{inside.right:g}"/>'
        f"{real_time}{''.join(texts)}"
    )


def text(x: float, y: float, words: str, anchor: str = "start", kind: str = "") -> str:
    """Words in the drawing."""
    css = f' class="{kind}"' if kind else ""
    side = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text{css} x="{x:.1f}" y="{y:.1f}"{side}>{escape(words)}</text>'


def limit_lines(canvas: Canvas, limits: Mapping[str, float]) -> str:
    """A dashed line for each bound."""
    right = canvas.inside.right
    lines = "".join(f"M{LEFT:g} {canvas.y(mean):g}H{right:g}" for mean in limits.values())
    return f'<path class="bound-line" d="{lines}"/>' if lines else ""


def corners(canvas: Canvas, front: Sequence[Mark]) -> list[tuple[float, float]]:
    """The front's steps, left to right: what is reached at most at each cost."""
    rights = [canvas.x(mark.cost) for mark in front[1:]] + [canvas.inside.right]
    found = []
    for mark, right in zip(front, rights, strict=True):
        y = canvas.y(mark.quality.mean)
        found += [(canvas.x(mark.cost), y), (right, y)]
    return found


def front_line(canvas: Canvas, front: Sequence[Mark]) -> str:
    """The front as a line."""
    points = " ".join(f"{x:g},{y:g}" for x, y in corners(canvas, front))
    return f'<polyline class="front" points="{points}"/>'


def mark_svg(canvas: Canvas, mark: Mark) -> str:
    """A mark with its interval."""
    x, y = canvas.x(mark.cost), canvas.y(mark.quality.mean)
    interval = ""
    if math.isfinite(mark.quality.low + mark.quality.high):
        low, high = canvas.y(mark.quality.low), canvas.y(mark.quality.high)
        interval = f'<path class="line" d="M{x:g} {low:g}V{high:g}"/>'
    return (
        f'<g class="{mark.kind}{" ahead" * mark.ahead}"><title>{escape(mark.words)}</title>'
        f'{interval}<g transform="translate({x - RADIUS:g} {y - RADIUS:g})">'
        f"{SHAPES[mark.kind]}</g></g>"
    )


def names_svg(
    canvas: Canvas, marks: Sequence[Mark], front: Sequence[Mark], limits: Mapping[str, float]
) -> str:
    """Names of bounds on their lines, names of systems beside their marks."""
    taken = [around(canvas, mark) for mark in marks] + steps(canvas, front)
    parts = []
    for name, mean in limits.items():
        name = shortened(name)
        place = limit_place(canvas, name, canvas.y(mean), taken)
        taken.append(place)
        parts.append(text(place.left, place.bottom - 2, name, kind="bound-name"))
    names = [shortened(mark.name) for mark in marks]
    middles = np.array([(canvas.x(m.cost), canvas.y(m.quality.mean)) for m in marks])
    places = place_labels(middles, names, taken, canvas.inside)
    for mark, name, middle, place in zip(marks, names, middles, places, strict=True):
        parts.append(leader(middle, place) + name_text(name, middle, place, mark.ahead))
    return "".join(parts)


def name_text(name: str, middle: np.ndarray, place: Rectangle, ahead: bool) -> str:
    """A name, held at the side of its mark: how wide letters are depends on the reader's font."""
    kind, y = "name" + " ahead" * ahead, place.bottom - 2
    if place.left >= middle[0]:
        return text(place.left, y, name, kind=kind)
    if place.right <= middle[0]:
        return text(place.right, y, name, "end", kind)
    return text((place.left + place.right) / 2, y, name, "middle", kind)


def shortened(name: str) -> str:
    """A name that fits beside its mark."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def around(canvas: Canvas, mark: Mark) -> Rectangle:
    """What a mark covers, its interval too."""
    x, y = canvas.x(mark.cost), canvas.y(mark.quality.mean)
    ends = [canvas.y(v) for v in (mark.quality.low, mark.quality.high) if math.isfinite(v)]
    top, bottom = min([y - RADIUS, *ends]), max([y + RADIUS, *ends])
    return Rectangle(x - RADIUS, top, x + RADIUS, bottom)


def steps(canvas: Canvas, front: Sequence[Mark]) -> list[Rectangle]:
    """What the front's line covers."""
    points = corners(canvas, front)
    return [
        Rectangle(min(a, c) - 1, min(b, d) - 1, max(a, c) + 1, max(b, d) + 1)
        for (a, b), (c, d) in zip(points, points[1:], strict=False)
    ]


def limit_place(canvas: Canvas, name: str, y: float, taken: Sequence[Rectangle]) -> Rectangle:
    """Where the name of a bound stands: above or below its line, at one of its ends."""
    width, inside = len(name) * LETTER, canvas.inside
    options = [
        Rectangle(left, top, left + width, top + SIZE)
        for left in (inside.left + 4, inside.right - 4 - width)
        for top in (y - SIZE - 2, y + 3)
    ]
    return min(options, key=lambda o: sum(map(o.overlap, taken)) + 50 * o.outside(inside))


def leader(middle: np.ndarray, place: Rectangle) -> str:
    """A line from a mark to a name that does not stand right beside it."""
    x = min(max(middle[0], place.left), place.right)
    y = min(max(middle[1], place.top), place.bottom)
    distance = math.hypot(x - middle[0], y - middle[1])
    if distance < 2 * RADIUS:
        return ""
    start = middle + (np.array([x, y]) - middle) * (RADIUS / distance)
    return f'<path class="leader" d="M{start[0]:.1f} {start[1]:.1f}L{x:.1f} {y:.1f}"/>'
