"""The table of a benchmark: means, gains, parts of the oracle's gain, costs."""

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
"""More scores beside the headlines than this get a table of their own."""

NO_VALUE = "no value was given"


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell: what it says, the value it is sorted by, and what is small beside an interval's mean.

    `reasons` say why scores are missing; `width` is None of what is no mean.
    """

    text: str
    value: float = math.nan
    width: str | None = None
    span: str = ""
    reasons: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Column:
    """A column under a group of columns; `best` is the direction in which it is sorted first."""

    group: str
    unit: str
    head: str
    title: str
    best: int
    cells: Sequence[Cell]
    best_text: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """Groups of columns, and what is said of them all."""

    words: str
    groups: Sequence[Sequence[Column]]


def tables_of(found: Findings) -> list[Table]:
    """One table, or two where there are many scores."""
    others = other_metrics(found)
    main = [column for name in found.headlines for column in headline_columns(found, name)]
    rest = [mean_column(found, name) for name in others]
    costs = cost_columns(found)
    if len(others) <= MOST_OTHERS:
        return [table("Scores of each system", [*main, *rest, *costs])]
    scores = table("Scores of each system", [*main, *costs])
    return [scores, table("Further scores of each system", rest)]


def table(words: str, columns: Sequence[Column]) -> Table:
    """Columns side by side, those of one group under one heading."""
    return Table(words, [list(group) for _, group in groupby(columns, lambda c: c.group)])


def other_metrics(found: Findings) -> list[str]:
    """Metrics beside the headlines; those without any value last, for their reasons."""
    everything = dict.fromkeys([*found.scored, *found.results.metrics])
    return [name for name in everything if name not in found.headlines]


def headline_columns(found: Findings, metric: str) -> list[Column]:
    """Mean, gain over the baseline, part of the oracle's gain: as far as these are known."""
    columns = [mean_column(found, metric)]
    if found.baseline is None:
        return columns
    label, unit = metric_of(metric).label, metric_of(metric).unit
    gains = [gain_cell(found, name, metric) for name in found.names]
    title = f"mean improvement over {found.baseline}, paired by scene"
    columns.append(Column(label, unit, "gain", title, 1, gains, best_own(found, gains, 1)))
    if found.oracle is not None:
        parts = [part_cell(found.reached(name, metric)) for name in found.names]
        title = f"part of the gain of {found.oracle}"
        columns.append(Column(label, unit, "of oracle", title, 1, parts))
    return columns


def mean_column(found: Findings, metric: str) -> Column:
    """Mean and interval of a score."""
    cells = [mean_cell(found, k, metric) for k in range(len(found.names))]
    record, best = metric_of(metric), direction(metric)
    title, top = record.describe, best_own(found, cells, best)
    return Column(record.label, record.unit, "mean", title, best, cells, top)


def best_own(found: Findings, cells: Sequence[Cell], best: int) -> str | None:
    """The best text among our own systems; None where there is nothing to compare."""
    own = [
        cell
        for cell, system in zip(cells, found.results.systems, strict=True)
        if found.kind(system.name) == OWN and not math.isnan(cell.value)
    ]
    if len({cell.text for cell in own}) < 2:
        return None
    return max(own, key=lambda cell: best * cell.value).text


def mean_cell(found: Findings, system: int, metric: str) -> Cell:
    """Mean and half the interval; with its reasons where scenes lack a score."""
    interval = found.level(found.names[system], metric)
    reasons = reasons_of(found, system, metric)
    if interval.n == 0:
        return Cell("n/a", reasons=reasons)
    text, width = number(interval.mean, metric), half_width(interval, metric)
    return Cell(text, interval.mean, width, between(interval, metric), reasons)


def reasons_of(found: Findings, system: int, metric: str) -> list[str]:
    """Why scenes of a system have no such score, and how many have not."""
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
    """The paired gain; none of the baseline itself."""
    if system == found.baseline:
        return Cell("–")
    interval = found.gain(system, metric)
    if interval.n == 0:
        return Cell("n/a")
    text = number(interval.mean, metric, sign=True)
    width, span = half_width(interval, metric), between(interval, metric, sign=True)
    return Cell(text, interval.mean, width, span)


def part_cell(part: float) -> Cell:
    """Part of the oracle's gain."""
    return Cell(percent(part), part) if math.isfinite(part) else Cell("–")


def cost_columns(found: Findings) -> list[Column]:
    """What systems cost; none where no cost is known."""
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
            "seconds of CPU for a second of sound, one thread",
            lambda cost: significant(cost.real_time_factor),
            lambda cost: cost.real_time_factor,
        ),
        column(
            "peak MB",
            "most memory that the process held",
            lambda cost: significant(cost.peak_mb),
            lambda cost: cost.peak_mb,
        ),
        column("latency", "algorithmic", latency, lambda cost: cost.latency_ms),
    ]
