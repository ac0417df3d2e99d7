"""Quality against cost: which systems there are, and which of them none outdoes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from arrayenh.evaluation.intervals import Interval
from arrayenh.evaluation.results import Results
from arrayenh.evaluation.systems.system import BOUND
from arrayenh.reports.benchmark.findings import (
    baseline,
    kind_of,
    quality,
    quality_direction,
    scored,
)
from arrayenh.reports.benchmark.metrics import by_metric, metric_buttons
from arrayenh.reports.benchmark.scatter import Mark, scatter_svg
from arrayenh.reports.benchmark.words import (
    gain_words,
    joined,
    metric_words,
    significant,
    with_unit,
)
from arrayenh.reports.score_table import label


@dataclass(frozen=True, slots=True)
class Point:
    """A system by its real-time factor, and its gain or, without a baseline, its score."""

    name: str
    kind: str
    cost: float
    quality: Interval


def cost_html(results: Results) -> str:
    """The section, a chart for each score; empty where no cost is known."""
    metrics = [metric for metric in scored(results) if points_of(results, metric)]
    if not metrics:
        return ""
    charts = "".join(
        by_metric(metric, metrics, chart_words(results, metric), chart_html(results, metric))
        for metric in metrics
    )
    return (
        f'<section id="cost"><h2>Quality against cost</h2>{metric_buttons(metrics)}{charts}'
        '<p class="legend">Real-time factor: seconds of CPU for a second of sound, one thread; '
        "farther left is cheaper. Vertical lines are 95 % intervals. The stepped line joins the "
        "systems that none outdoes in both, which are filled. Bounds are dashed lines: what they "
        "would cost does not count.</p></section>"
    )


def chart_words(results: Results, metric: str) -> str:
    """What stands above the chart."""
    base = baseline(results)
    if base is None:
        return metric_words(metric)
    return f"{gain_words(metric, base)}; higher is better"


def points_of(results: Results, metric: str) -> list[Point]:
    """Systems of a known cost and score, but for the bounds."""
    found = []
    for system in results.systems:
        reach = quality(results, system.name, metric)
        factor = system.cost.real_time_factor if system.cost else math.nan
        if kind_of(results, system.name) == BOUND or not math.isfinite(reach.mean):
            continue
        if 0 < factor < math.inf:
            found.append(Point(system.name, system.kind, factor, reach))
    return found


def bounds_of(results: Results, metric: str) -> dict[str, float]:
    """Bounds and their quality, those that have one."""
    found = {
        system.name: quality(results, system.name, metric).mean
        for system in results.systems
        if kind_of(results, system.name) == BOUND
    }
    return {name: mean for name, mean in found.items() if math.isfinite(mean)}


def pareto_front(points: Sequence[Point], better: int) -> list[Point]:
    """Points that no other is better than at most at their cost, from the cheapest on.

    `better` is 1 where a higher quality is better, -1 where a lower one is.
    """
    front: list[Point] = []
    for point in sorted(points, key=lambda p: (p.cost, -better * p.quality.mean)):
        if not front or better * (point.quality.mean - front[-1].quality.mean) > 0:
            front.append(point)
    return front


def chart_html(results: Results, metric: str) -> str:
    """The chart for wide and for narrow pages, and the front in words."""
    points = points_of(results, metric)
    front = pareto_front(points, quality_direction(results, metric))
    signed = baseline(results) is not None
    marks = [
        Mark(p.name, p.kind, p.cost, p.quality, p in front, words(p, metric, signed))
        for p in points
    ]
    limits = bounds_of(results, metric)
    charts = "".join(scatter_svg(label(metric), marks, limits, size) for size in ("wide", "narrow"))
    best = joined([f"<b>{escape(p.name)}</b> {at_cost(p, metric, signed)}" for p in front])
    return (
        f'<div class="against"><div>{charts}</div><p>Not outdone at their cost: {best}.</p></div>'
    )


def words(point: Point, metric: str, signed: bool) -> str:
    """A point as its tooltip says it."""
    return f"{point.name} {at_cost(point, metric, signed)}"


def at_cost(point: Point, metric: str, signed: bool) -> str:
    """Quality and cost of a point."""
    return f"({with_unit(point.quality.mean, metric, signed)} at {significant(point.cost)})"
