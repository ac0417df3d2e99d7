"""The chart of gains: every system's mean improvement over the baseline, with its interval."""

import math
from collections.abc import Sequence
from html import escape

from arrayenh.evaluation.intervals import Interval
from arrayenh.evaluation.results import Results
from arrayenh.reports.benchmark.axes import Axis, linear_axis
from arrayenh.reports.benchmark.findings import (
    baseline,
    direction,
    gain,
    kind_of,
    names,
    ranking,
    winner,
)
from arrayenh.reports.benchmark.rows import (
    HEIGHT,
    ChartRow,
    across,
    chart_html,
    dots,
    name_width,
)
from arrayenh.reports.benchmark.words import between
from arrayenh.reports.score_table import label, number, unit


def gains_html(results: Results) -> str:
    """One chart for each headline score, systems in the same order; empty without a baseline."""
    base = baseline(results)
    shown = [name for name in ranking(results, names(results)) if name != base]
    if base is None or not shown:
        return ""
    charts = "".join(gain_chart(results, shown, metric) for metric in results.headlines())
    return (
        f'<section id="gains"><h2>Gain over {escape(base)}</h2>'
        f'<div class="charts" style="--name: {name_width(shown)}">{charts}</div>'
        '<p class="legend">Mean over scenes and its 95 % interval, paired by scene; the best '
        "mean rank first.</p></section>"
    )


def gain_chart(results: Results, systems: Sequence[str], metric: str) -> str:
    """Systems from the best to the worst, a dot and its interval each."""
    found = {name: gain(results, name, metric) for name in systems}
    ends = [end for interval in found.values() for end in reach(interval)]
    axis = linear_axis(ends, n_ticks=4, zero=True)
    best = winner(results)
    rows = [
        gain_row(results, name, metric, interval, axis, name == best)
        for name, interval in found.items()
    ]
    of = f" <small>{unit(metric)}</small>" if unit(metric) else ""
    less = ", improvement" if direction(metric) < 0 else ""
    return chart_html(f"{escape(label(metric))}{less}{of}", axis, rows)


def reach(interval: Interval) -> tuple[float, float, float]:
    """What an axis has to hold of an interval."""
    return interval.low, interval.mean, interval.high


def gain_row(
    results: Results, name: str, metric: str, interval: Interval, axis: Axis, strong: bool
) -> ChartRow:
    """One system."""
    index = results.system(name)
    span = between(interval, metric, sign=True)
    words = f"{number(interval.mean, metric, sign=True)}{f' ({span})' if span else ''}"
    return ChartRow(
        index,
        name,
        kind_of(results, name),
        interval_drawing(interval, axis),
        words,
        number(interval.mean, metric, sign=True),
        strong,
    )


def interval_drawing(interval: Interval, axis: Axis) -> str:
    """A line from end to end and a dot at the mean; nothing of what is not finite."""
    if not math.isfinite(interval.mean):
        return ""
    middle = dots([across(axis, interval.mean)])
    if not math.isfinite(interval.low + interval.high):
        return middle
    low, high = across(axis, interval.low), across(axis, interval.high)
    caps = f"M{low:g} 6v8M{high:g} 6v8"
    return f'<path class="line" d="M{low:g} {HEIGHT // 2}H{high:g}{caps}"/>{middle}'
