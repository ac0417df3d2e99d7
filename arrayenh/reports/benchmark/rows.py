"""Charts of rows: a name, a mark on a common axis, a number; one row for each system.

Names and numbers are text of the page, so that they keep their size on any width; between
them each row has a drawing that is stretched to what is left.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from arrayenh.reports.benchmark.axes import Axis, tick_text

WIDTH, HEIGHT = 999, 20
"""Drawing units of a row; stretched, lines keep their width."""

NAME_REM = (4.0, 8.6)
"""Least and most width of the names' column; longer names take two lines."""

BREAKS = re.compile(r"(?<=[]@+=,/])(?=.)|(?<=.)(?=\[)")
"""Where a name may be broken."""

LETTER_REM = 0.5


@dataclass(frozen=True, slots=True)
class ChartRow:
    """A row: `drawing` is SVG in units of `WIDTH` by `HEIGHT`, `words` say what it shows."""

    system: int
    name: str
    kind: str
    drawing: str
    words: str
    value: str
    strong: bool = False
    hidden: bool = False


def mark(kind: str) -> str:
    """The small shape that stands for a kind of system: disc, diamond, ring."""
    return f'<i class="mark {kind}"></i>'


def across(axis: Axis, value: float) -> int:
    """Where a value lies in the drawing of a row."""
    return round(WIDTH * axis.place(value))


def dots(places: Sequence[float]) -> str:
    """Round dots, which stay round however the row is stretched."""
    if not places:
        return ""
    points = "".join(f"M{x:g} {HEIGHT // 2}h.01" for x in places)
    return f'<path class="dots" d="{points}"/>'


def chart_html(title: str, axis: Axis, rows: Sequence[ChartRow]) -> str:
    """A title, rows over a common grid, and the axis below them.

    Parameters
    ----------
    title : str
        HTML.
    axis : Axis
    rows : sequence of ChartRow
    """
    body = "".join(row_html(row) for row in rows)
    return (
        f'<div class="chart"><h4>{title}</h4>'
        f'<div class="rows">{grid(axis)}{body}</div>{axis_html(axis)}</div>'
    )


def name_width(names: Sequence[str]) -> str:
    """Room for the longest name, as a CSS value."""
    longest = max(map(len, names)) * LETTER_REM + 1.3
    return f"{min(max(longest, NAME_REM[0]), NAME_REM[1]):.2f}rem"


def breakable(name: str) -> str:
    """A name as HTML that may go on in the next line behind its parts."""
    return "<wbr>".join(escape(part) for part in BREAKS.split(name))


def row_html(row: ChartRow) -> str:
    """One row."""
    words = escape(row.words)
    return (
        f'<div class="row {row.kind}{" strong" * row.strong}" '
        f'data-system="{row.system}"{" hidden" * row.hidden}>'
        f'<span class="name">{breakable(row.name)}</span>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img">'
        f"<title>{words}</title>{row.drawing}</svg>"
        f'<span class="value">{escape(row.value)}</span></div>'
    )


def grid(axis: Axis) -> str:
    """A line through all rows at each tick, a stronger one at zero."""
    lines = "".join(
        f'<path{" class=zero" if abs(tick) < 1e-9 else ""} d="M{across(axis, tick):g} 0v10"/>'
        for tick in axis.ticks
    )
    return (
        f'<svg class="grid" viewBox="0 0 {WIDTH} 10" preserveAspectRatio="none" '
        f'aria-hidden="true">{lines}</svg>'
    )


def axis_html(axis: Axis) -> str:
    """The ticks' numbers, below the rows."""
    ticks = "".join(
        f'<span style="left: {100 * axis.place(tick):.1f}%">{tick_text(tick)}</span>'
        for tick in axis.ticks
    )
    return f'<div class="ticks" aria-hidden="true">{ticks}</div>'
