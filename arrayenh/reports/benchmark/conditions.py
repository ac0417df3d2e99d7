"""Condition by condition: the box plots of a benchmark, as gains or as scores."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape

import numpy as np

from arrayenh.evaluation.results import Results
from arrayenh.reports.benchmark.axes import Axis, linear_axis
from arrayenh.reports.benchmark.boxes import FEWEST_FOR_A_BOX, box_of, box_row
from arrayenh.reports.benchmark.findings import (
    baseline,
    best_peer,
    direction,
    improvements,
    kind_of,
    names,
    oracle,
    scored,
    winner,
)
from arrayenh.reports.benchmark.metrics import by_metric, metric_buttons
from arrayenh.reports.benchmark.rows import chart_html, mark, name_width
from arrayenh.reports.benchmark.words import condition_html, gain_words
from arrayenh.reports.score_table import label, unit

MOST_SHOWN = 5
"""So many systems or fewer are all shown from the start."""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What is drawn of one score: `values`, shape (scenes,), by system; gains or the scores."""

    metric: str
    is_gain: bool
    values: dict[str, np.ndarray]
    axis: Axis


def conditions_html(results: Results) -> str:
    """The section: all scenes, then each condition; empty for a single scene."""
    metrics = scored(results)
    if len(results.scenes) < 2 or not metrics:
        return ""
    shown = shown_at_first(results)
    blocks = "".join(
        by_metric(metric, metrics, "", views_html(results, metric, shown)) for metric in metrics
    )
    return (
        '<section id="conditions"><h2>Condition by condition</h2>'
        f"{metric_buttons(metrics)}{view_buttons(results)}{system_boxes(results, shown)}"
        f'<div style="--name: {name_width(names(results))}">{blocks}</div>'
        f"{shared_conditions(results)}"
        '<p class="legend">Box: the middle half of the scenes, with the median, which is also '
        "the number at the right; whiskers: the last scene within 1.5 times the box; dots: scenes "
        f"beyond, or all scenes where they are fewer than {FEWEST_FOR_A_BOX}; an arrow: scenes "
        "outside the chart. What is infinite or missing is not drawn.</p></section>"
    )


def shown_at_first(results: Results) -> list[str]:
    """The systems that matter: baseline, winner, best peer, oracle; all where there are few."""
    if len(results.systems) <= MOST_SHOWN:
        return names(results)
    wanted = {baseline(results), winner(results), best_peer(results), oracle(results)}
    return [name for name in names(results) if name in wanted]


def view_buttons(results: Results) -> str:
    """Gains or scores; no choice without a baseline."""
    base = baseline(results)
    if base is None:
        return ""
    return (
        '<div class="choose views" role="group" aria-label="What is drawn">'
        '<button type="button" data-view="gain" aria-pressed="true">gain over '
        f'{escape(base)}</button><button type="button" data-view="score" aria-pressed="false">'
        "score itself</button></div>"
    )


def system_boxes(results: Results, shown: Sequence[str]) -> str:
    """Boxes to tick, one for each system; none where all are shown anyway."""
    if len(shown) == len(results.systems):
        return ""
    boxes = "".join(
        f'<label><input type="checkbox" value="{k}"{" checked" * (system.name in shown)}>'
        f"{mark(kind_of(results, system.name))}{escape(system.name)}</label>"
        for k, system in enumerate(results.systems)
    )
    return f'<fieldset class="systems"><legend>Systems that are shown</legend>{boxes}</fieldset>'


def views_html(results: Results, metric: str, shown: Sequence[str]) -> str:
    """One score: its gains, where there is a baseline, and its values."""
    return "".join(
        f'<div class="by-view" data-view="{"gain" if view.is_gain else "score"}"'
        f"{' hidden' * (k > 0)}>"
        f'<p class="measure">{escape(view_words(results, view))}</p>'
        f"{charts_html(results, view, shown)}</div>"
        for k, view in enumerate(views(results, metric))
    )


def views(results: Results, metric: str) -> Iterator[View]:
    """What there is to draw of a score."""
    if baseline(results) is not None:
        others = [name for name in names(results) if name != results.baseline]
        yield view_of(results, metric, {n: improvements(results, n, metric) for n in others}, True)
    everyone = names(results)
    yield view_of(results, metric, {name: results.of(name, metric) for name in everyone}, False)


def view_of(results: Results, metric: str, values: dict[str, np.ndarray], is_gain: bool) -> View:
    """A view whose axis holds the whiskers of all systems in all conditions."""
    ends = [
        end
        for of_system in values.values()
        for where in groups(results)
        if (box := box_of(of_system[where]))
        for end in box.whiskers
    ]
    return View(metric, is_gain, values, linear_axis(ends, n_ticks=5, zero=is_gain))


def groups(results: Results) -> Iterator[np.ndarray]:
    """Which scenes are in each chart, shape (scenes,), bool."""
    yield np.ones(len(results.scenes), bool)
    for condition, values in results.conditions().items():
        for value in values:
            yield results.where(condition, value)


def view_words(results: Results, view: View) -> str:
    """What is drawn, its unit, and which way is better."""
    if view.is_gain:
        return f"{gain_words(view.metric, results.baseline)}; farther right is better"
    of = f", {unit(view.metric)}" if unit(view.metric) else ""
    way = "right" if direction(view.metric) > 0 else "left"
    return f"{label(view.metric)}{of}; farther {way} is better"


def charts_html(results: Results, view: View, shown: Sequence[str]) -> str:
    """All charts of a view."""
    everywhere = np.ones(len(results.scenes), bool)
    whole = facet(results, view, f"All {everywhere.size} scenes", everywhere, shown)
    parts = [f'<div class="charts">{whole}</div>']
    for condition, values in results.conditions().items():
        charts = (
            facet(results, view, condition_html(value), results.where(condition, value), shown)
            for value in values
        )
        parts.append(f'<h3>{escape(condition)}</h3><div class="charts">{"".join(charts)}</div>')
    return "".join(parts)


def facet(results: Results, view: View, title: str, where: np.ndarray, shown: Sequence[str]) -> str:
    """One chart: the scenes of one condition."""
    best, rows = winner(results), []
    for name, values in view.values.items():
        k, kind = results.system(name), kind_of(results, name)
        row = box_row(k, name, kind, values[where], view.metric, view.axis, view.is_gain)
        rows.append(replace(row, strong=name == best, hidden=name not in shown))
    n = int(where.sum())
    count = "" if where.all() else f" <small>{n} scene{'s' if n > 1 else ''}</small>"
    return chart_html(f"{title}{count}", view.axis, rows)


def shared_conditions(results: Results) -> str:
    """What is the same in all scenes."""
    varied = results.conditions()
    same = [
        f"{escape(key)} {condition_html(value)}"
        for key, value in results.scenes[0].conditions.items()
        if key not in varied and all(s.conditions.get(key) == value for s in results.scenes)
    ]
    return f'<p class="legend">The same in all scenes: {", ".join(same)}.</p>' if same else ""
