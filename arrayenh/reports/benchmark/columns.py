"""Columns of a benchmark's table: means, gains, parts of the oracle's gain, costs."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from arrayenh.evaluation.intervals import Interval
from arrayenh.evaluation.results import Results
from arrayenh.evaluation.systems.system import Cost
from arrayenh.reports.benchmark.findings import (
    baseline,
    direction,
    gain,
    level,
    names,
    oracle,
    reached,
)
from arrayenh.reports.benchmark.words import (
    between,
    describe,
    half_width,
    latency,
    percent,
    significant,
)
from arrayenh.reports.score_table import NO_VALUE, label, number, unit


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell: HTML, the value it is sorted by, and the text that is compared for the best."""

    html: str
    value: float
    text: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column under a group of columns; `best` is the direction in which it is sorted first."""

    group: str
    unit: str
    head: str
    title: str
    best: int
    cells: Sequence[Cell]
    compared: bool = True


class Footnotes:
    """Why scores are missing, each reason once, in the order of the cells."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def mark(self, text: str) -> str:
        """A reference to a footnote."""
        if text not in self.texts:
            self.texts.append(text)
        number = self.texts.index(text) + 1
        return (
            f'<a href="#reason-{number}" title="{escape(text)}" aria-label="reason {number}">'
            f"<sup>{number}</sup></a>"
        )

    def html(self) -> str:
        """The list of them; empty where nothing is missing."""
        items = "".join(
            f'<li id="reason-{k}">{escape(text)}</li>' for k, text in enumerate(self.texts, 1)
        )
        return f'<ol class="reasons">{items}</ol>' if items else ""


def headline_columns(results: Results, metric: str, notes: Footnotes) -> list[Column]:
    """Mean, gain over the baseline, part of the oracle's gain: as far as these are known."""
    found = [mean_column(results, metric, notes, "mean")]
    if baseline(results) is None:
        return found
    systems = names(results)
    gains = [gain_cell(results, name, metric) for name in systems]
    found.append(Column(label(metric), unit(metric), "gain", gain_words(results), 1, gains))
    if oracle(results) is not None:
        parts = [part_cell(reached(results, name, metric)) for name in systems]
        title = f"part of the gain of {results.oracle}"
        found.append(
            Column(label(metric), unit(metric), "of oracle", title, 1, parts, compared=False)
        )
    return found


def gain_words(results: Results) -> str:
    """What a column of gains holds."""
    return f"mean improvement over {results.baseline}, paired by scene"


def mean_column(results: Results, metric: str, notes: Footnotes, head: str = "mean") -> Column:
    """Mean and interval of a score."""
    cells = [mean_cell(results, k, metric, notes) for k in range(len(results.systems))]
    title = describe(metric)
    return Column(label(metric), unit(metric), head, title, direction(metric), cells)


def mean_cell(results: Results, system: int, metric: str, notes: Footnotes) -> Cell:
    """Mean and half the interval; with a footnote where scenes lack a score."""
    interval = level(results, results.systems[system].name, metric)
    marks = missing_marks(results, system, metric, notes)
    if interval.n == 0:
        return Cell(f'<span class="missing">n/a{marks}</span>', math.nan)
    return Cell(
        interval_html(interval, metric, marks), interval.mean, number(interval.mean, metric)
    )


def interval_html(interval: Interval, metric: str, marks: str = "", sign: bool = False) -> str:
    """A mean, and small, what it may be off."""
    width = half_width(interval, metric)
    span = between(interval, metric, sign)
    small = f'<small title="{span}">{width}</small>' if width else "<small></small>"
    return f"<b>{number(interval.mean, metric, sign)}</b>{marks}{small}"


def missing_marks(results: Results, system: int, metric: str, notes: Footnotes) -> str:
    """References to the reasons why scenes of a system have no such score."""
    k = results.metrics.index(metric)
    lacking = np.flatnonzero(np.isnan(results.values[:, system, k]))
    counts: dict[str, int] = {}
    for scene in lacking:
        reason = results.reasons.get((int(scene), system, k)) or NO_VALUE
        counts[reason] = counts.get(reason, 0) + 1
    return "".join(
        notes.mark(f"{reason} ({count_words(count, len(results.scenes))})")
        for reason, count in counts.items()
    )


def count_words(count: int, n_scenes: int) -> str:
    """How many scenes a reason stands for."""
    return "all scenes" if count == n_scenes else f"{count} of {n_scenes} scenes"


def gain_cell(results: Results, system: str, metric: str) -> Cell:
    """The paired gain; none of the baseline itself."""
    if system == results.baseline:
        return Cell('<span class="missing">–</span>', math.nan)
    interval = gain(results, system, metric)
    if interval.n == 0:
        return Cell('<span class="missing">n/a</span>', math.nan)
    text = number(interval.mean, metric, sign=True)
    return Cell(interval_html(interval, metric, sign=True), interval.mean, text)


def part_cell(part: float) -> Cell:
    """Part of the oracle's gain."""
    if not math.isfinite(part):
        return Cell('<span class="missing">–</span>', math.nan)
    return Cell(percent(part), part)


def cost_columns(results: Results) -> list[Column]:
    """What systems cost; none where no cost is known."""
    costs = [system.cost for system in results.systems]
    if not any(costs):
        return []

    def column(
        head: str, title: str, text: Callable[[Cost], str], value: Callable[[Cost], float]
    ) -> Column:
        cells = [
            Cell(text(cost), value(cost), text(cost))
            if cost
            else Cell('<span class="missing">–</span>', math.nan)
            for cost in costs
        ]
        return Column("Cost", "", head, title, -1, cells)

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
