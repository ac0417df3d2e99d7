"""Tables of a benchmark: means, gains, fractions of the oracle's gain, costs."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from arrayenh.evaluation.systems.system import OWN, Cost
from arrayenh.reports.benchmark.findings import Findings, direction
from arrayenh.reports.words import (
    between,
    half_width,
    latency,
    metric_of,
    number,
    percent,
    significant,
)

MOST_OTHERS = 4
"""Most scores beside the headlines in one table; more get a second table."""

NO_VALUE = "no value was given"


@dataclass(frozen=True, slots=True)
class Cell:
    """A table cell: text, sort value, and small text beside the mean of an interval.

    `reasons` explain missing scores; `width` is None if the value is not a mean.
    """

    text: str
    value: float = math.nan
    width: str | None = None
    span: str = ""
    reasons: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Column:
    """A column in a group of columns; `best` is its first sort direction."""

    group: str
    unit: str
    head: str
    title: str
    best: int
    cells: Sequence[Cell]
    best_text: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """Groups of columns, and their caption."""

    words: str
    groups: Sequence[Sequence[Column]]


def tables_of(found: Findings) -> list[Table]:
    """Make one table, or two if there are many scores."""
    others = other_metrics(found)
    main = [column for name in found.headlines for column in headline_columns(found, name)]
    rest = [mean_column(found, name) for name in others]
    costs = cost_columns(found)
    if len(others) <= MOST_OTHERS:
        return [table("Scores of each system", [*main, *rest, *costs])]
    scores = table("Scores of each system", [*main, *costs])
    return [scores, table("Further scores of each system", rest)]


def table(words: str, columns: Sequence[Column]) -> Table:
    """Make a table of columns, with one heading for each group."""
    return Table(words, [list(group) for _, group in groupby(columns, lambda c: c.group)])


def other_metrics(found: Findings) -> list[str]:
    """Metrics beside the headlines; those without any value last, to show their reasons."""
    everything = dict.fromkeys([*found.scored, *found.results.metrics])
    return [name for name in everything if name not in found.headlines]


def headline_columns(found: Findings, metric: str) -> list[Column]:
    """Columns of mean, gain over the baseline and fraction of the oracle's gain, if available."""
    columns = [mean_column(found, metric)]
    if found.baseline is None:
        return columns
    label, unit = metric_of(metric).label, metric_of(metric).unit
    gains = [gain_cell(found, name, metric) for name in found.names]
    title = f"mean improvement over {found.baseline}, paired by scene"
    columns.append(Column(label, unit, "gain", title, 1, gains, best_own(found, gains, 1)))
    if found.oracle is not None:
        parts = [part_cell(found.reached(name, metric)) for name in found.names]
        title = f"fraction of the gain of {found.oracle}"
        columns.append(Column(label, unit, "of oracle", title, 1, parts))
    return columns


def mean_column(found: Findings, metric: str) -> Column:
    """Column of the mean and interval of a score."""
    cells = [mean_cell(found, k, metric) for k in range(len(found.names))]
    record, best = metric_of(metric), direction(metric)
    title, top = record.describe, best_own(found, cells, best)
    return Column(record.label, record.unit, "mean", title, best, cells, top)


def best_own(found: Findings, cells: Sequence[Cell], best: int) -> str | None:
    """Text of the best cell among the own systems; None if there is no comparison."""
    own = [
        cell
        for cell, system in zip(cells, found.results.systems, strict=True)
        if found.kind(system.name) == OWN and not math.isnan(cell.value)
    ]
    if len({cell.text for cell in own}) < 2:
        return None
    return max(own, key=lambda cell: best * cell.value).text


def mean_cell(found: Findings, system: int, metric: str) -> Cell:
    """Cell of the mean and half the interval, with the reasons for missing scores."""
    interval = found.level(found.names[system], metric)
    reasons = reasons_of(found, system, metric)
    if interval.n == 0:
        return Cell("n/a", reasons=reasons)
    text, width = number(interval.mean, metric), half_width(interval, metric)
    return Cell(text, interval.mean, width, between(interval, metric), reasons)


def reasons_of(found: Findings, system: int, metric: str) -> list[str]:
    """Reasons for missing scores of a system, each with its number of scenes."""
    results, k = found.results, found.results.metrics.index(metric)
    counts: dict[str, int] = {}
    for scene in np.flatnonzero(np.isnan(results.values[:, system, k])):
        reason = results.reasons.get((int(scene), system, k)) or NO_VALUE
        counts[reason] = counts.get(reason, 0) + 1
    n = len(results.scenes)
    return [
        f"{reason} ({'all scenes' if count == n else f'{count} of {n} scenes'})"
        for reason, count in counts.items()
    ]


def gain_cell(found: Findings, system: str, metric: str) -> Cell:
    """Cell of the paired gain; empty for the baseline itself."""
    if system == found.baseline:
        return Cell("–")
    interval = found.gain(system, metric)
    if interval.n == 0:
        return Cell("n/a")
    text = number(interval.mean, metric, sign=True)
    width, span = half_width(interval, metric), between(interval, metric, sign=True)
    return Cell(text, interval.mean, width, span)


def part_cell(part: float) -> Cell:
    """Cell of the fraction of the oracle's gain."""
    return Cell(percent(part), part) if math.isfinite(part) else Cell("–")


def cost_columns(found: Findings) -> list[Column]:
    """Columns of the costs; empty if no cost is known."""
    costs = [system.cost for system in found.results.systems]

    def column(
        head: str, title: str, text: Callable[[Cost], str], value: Callable[[Cost], float]
    ) -> Column:
        cells = [Cell(text(cost), value(cost)) if cost else Cell("–") for cost in costs]
        return Column("Cost", "", head, title, -1, cells, best_own(found, cells, -1))

    if not any(costs):
        return []
    return [
        column(
            "real-time factor",
            "CPU seconds per second of audio, one thread",
            lambda cost: significant(cost.real_time_factor),
            lambda cost: cost.real_time_factor,
        ),
        column(
            "peak MB",
            "peak memory of the process",
            lambda cost: significant(cost.peak_mb),
            lambda cost: cost.peak_mb,
        ),
        column("latency", "algorithmic", latency, lambda cost: cost.latency_ms),
    ]
