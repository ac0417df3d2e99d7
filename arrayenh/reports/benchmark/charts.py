"""Data of a benchmark's charts: gains, distributions by condition, quality over cost."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from arrayenh.evaluation.intervals import Interval
from arrayenh.evaluation.systems.system import BOUND
from arrayenh.reports.benchmark.findings import Findings
from arrayenh.reports.charts import Axis, Box, box_of, linear_axis
from arrayenh.reports.scatter import Point, Scatter, pareto_front
from arrayenh.reports.words import between, metric_of, number, percent, significant, with_unit

MOST_SHOWN = 5
"""Up to this many systems are all shown at first."""


@dataclass(frozen=True, slots=True)
class Row:
    """A system in a chart: an interval or a box, its description, and a number."""

    name: str
    words: str
    value: str
    interval: Interval | None = None
    box: Box | None = None


@dataclass(frozen=True, slots=True)
class Chart:
    """Rows over a common axis, for a number of scenes."""

    title: str
    axis: Axis
    rows: Sequence[Row]
    n_scenes: int


def gain_chart(found: Findings, systems: Sequence[str], metric: str) -> Chart:
    """Chart of the mean improvement of systems over the baseline, with intervals."""
    gains = {name: found.gain(name, metric) for name in systems}
    ends = [end for gain in gains.values() for end in (gain.low, gain.mean, gain.high)]
    rows = []
    for name, gain in gains.items():
        value, span = number(gain.mean, metric, sign=True), between(gain, metric, sign=True)
        rows.append(Row(name, f"{value} ({span})" if span else value, value, interval=gain))
    axis = linear_axis(ends, n_ticks=4, zero=True)
    return Chart(metric_of(metric).label, axis, rows, len(found.results.scenes))


@dataclass(frozen=True, slots=True)
class View:
    """Box plots of one score or of its gains, for all scenes and for each condition."""

    is_gain: bool
    words: str
    everywhere: Chart
    conditions: dict[str, list[Chart]]


def views(found: Findings, metric: str) -> Iterator[View]:
    """Views of a score: its gains, if there is a baseline, and its values."""
    record, names = metric_of(metric), found.names
    of = f", {record.unit}" if record.unit else ""
    if found.baseline is not None:
        others = [name for name in names if name != found.baseline]
        gains = {name: found.improvements(name, metric) for name in others}
        words = f"{gain_words(metric, found.baseline)}; farther right is better"
        yield view(found, metric, gains, True, words)
    way = "right" if record.higher_is_better else "left"
    values = {name: found.results.of(name, metric) for name in names}
    yield view(found, metric, values, False, f"{record.label}{of}; farther {way} is better")


def view(
    found: Findings, metric: str, values: dict[str, np.ndarray], is_gain: bool, words: str
) -> View:
    """Make charts with a common axis that spans the whiskers of all systems and conditions."""
    results = found.results
    groups = {
        condition: {value: results.where(condition, value) for value in there}
        for condition, there in results.conditions().items()
    }
    everywhere = np.ones(len(results.scenes), bool)
    all_of = [everywhere, *(where for group in groups.values() for where in group.values())]
    boxes = (box_of(v[where]) for v in values.values() for where in all_of)
    axis = linear_axis([end for box in boxes if box for end in box.whiskers], zero=is_gain)

    def chart(title: str, where: np.ndarray) -> Chart:
        rows = [box_row(name, v[where], metric, is_gain) for name, v in values.items()]
        return Chart(title, axis, rows, int(where.sum()))

    return View(
        is_gain,
        words,
        chart(f"All {everywhere.size} scenes", everywhere),
        {key: [chart(*one) for one in group.items()] for key, group in groups.items()},
    )


def box_row(name: str, values: np.ndarray, metric: str, sign: bool) -> Row:
    """Row of one system: its box, and the median as a number, with a `sign` if it is a gain."""
    box = box_of(values)
    if box is None:
        return Row(name, "no finite score", "n/a")
    low, middle, high = (number(value, metric, sign) for value in box.quartiles)
    words = f"median {middle}, half of the scenes {low} to {high}"
    if box.n < values.size:
        words += f", {box.n} of {values.size} scenes"
    return Row(name, words, middle, box=box)


def shown_at_first(found: Findings) -> list[str]:
    """Systems shown at first: baseline, winner, best peer, oracle; all if there are few."""
    wanted = {found.baseline, found.winner, found.best_peer, found.oracle}
    few = len(found.names) <= MOST_SHOWN
    return [name for name in found.names if few or name in wanted]


def metric_words(metric: str) -> str:
    """Title of a score's axis: name, unit, direction."""
    record = metric_of(metric)
    of = f", {record.unit}" if record.unit else ""
    return f"{record.label}{of}; {'higher' if record.higher_is_better else 'lower'} is better"


def gain_words(metric: str, base: str) -> str:
    """Title of a gain's axis; gains of error scores are reductions."""
    record = metric_of(metric)
    of = f", {record.unit}" if record.unit else ""
    what = "gain" if record.higher_is_better else "improvement"
    return f"{record.label} {what} over {base}{of}"


@dataclass(frozen=True, slots=True)
class Against:
    """One score over cost: a chart of each size, and the Pareto front."""

    words: str
    charts: Sequence[Scatter]
    front: Sequence[Point]


def against_cost(found: Findings) -> dict[str, Against]:
    """Charts over cost of the scores, if the cost of any system is known."""
    shown = {metric: points_of(found, metric) for metric in found.scored}
    return {metric: against(found, metric, points) for metric, points in shown.items() if points}


def against(found: Findings, metric: str, points: Sequence[Point]) -> Against:
    """Chart of one score over cost."""
    front = pareto_front(points, found.quality_direction(metric))
    bounds = {name: found.quality(name, metric).mean for name in found.of_kind(BOUND)}
    limits = {name: mean for name, mean in bounds.items() if math.isfinite(mean)}
    words = metric_words(metric)
    if found.baseline is not None:
        words = f"{gain_words(metric, found.baseline)}; higher is better"
    charts = [Scatter(points, front, limits, size) for size in ("wide", "narrow")]
    return Against(words, charts, front)


def points_of(found: Findings, metric: str) -> list[Point]:
    """Systems with a known cost and score, without the bounds."""
    points = []
    for system in found.results.systems:
        quality = found.quality(system.name, metric)
        cost = system.cost.real_time_factor if system.cost else math.nan
        is_bound = found.kind(system.name) == BOUND
        if not is_bound and math.isfinite(quality.mean) and 0 < cost < math.inf:
            of = with_unit(quality.mean, metric, sign=found.baseline is not None)
            words = f"({of} at {significant(cost)})"
            points.append(Point(system.name, system.kind, cost, quality, words))
    return points


@dataclass(frozen=True, slots=True)
class Way:
    """Scale from the baseline to the oracle, in percent, with the positions of systems on it."""

    start: float
    end: float
    reach: float
    peer: float | None
    words: str


def way(found: Findings, metric: str) -> Way | None:
    """Positions of the winner and the best peer; None without a baseline or an oracle."""
    best, peer = found.winner, found.best_peer
    parts = {name: found.reached(name, metric) for name in (best, peer) if name}
    parts = {name: part for name, part in parts.items() if math.isfinite(part)}
    if best not in parts or found.oracle == best:
        return None
    axis = linear_axis([0, 1, *parts.values()])
    words = f"{best} {percent(parts[best])} of the way from {found.baseline} to {found.oracle}"
    tick = None
    if peer in parts:
        tick = 100 * axis.place(parts[peer])
        words += f"; {peer} {percent(parts[peer])}"
    start, end, reach = (100 * axis.place(part) for part in (0, 1, parts[best]))
    return Way(start, end, reach, tick, words)
