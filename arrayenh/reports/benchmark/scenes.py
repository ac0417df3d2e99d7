"""The scenes of a benchmark by what the winner gains in them: best, worst, typical."""

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from arrayenh.evaluation.results import Results
from arrayenh.reports.benchmark.findings import (
    baseline,
    direction,
    improvements,
    scored,
    winner,
)
from arrayenh.reports.benchmark.metrics import by_metric, metric_buttons
from arrayenh.reports.benchmark.words import (
    condition_html,
    metric_words,
    with_unit,
)
from arrayenh.reports.score_table import label, number

N_EXTREMES = 5
"""So many of the best scenes, and of the worst."""


def pick_scenes(results: Results, metric: str) -> list[tuple[int, str]]:
    """Scenes worth hearing: the typical one, and those of the largest and smallest gain.

    Judged by what the winner gains over the baseline, paired; by its score where there is
    no baseline. Typical is the scene nearest the median.

    Parameters
    ----------
    results : Results
    metric : str
        One of its metrics.

    Returns
    -------
    scenes : list of (int, str)
        Index and reason, without repetition; the first scene where none has a score.
    """
    merits = scene_merits(results, metric)
    order = by_merit(merits)
    if not order:
        return [(0, "the first scene")]
    picked: dict[int, str] = {}
    median = float(np.median(merits[order]))
    typical = min(order, key=lambda k: abs(merits[k] - median))
    for scene, which in ((typical, "median"), (order[0], "largest"), (order[-1], "smallest")):
        picked.setdefault(scene, reason(results, metric, which, merits[scene]))
    return list(picked.items())


def scene_merits(results: Results, metric: str) -> np.ndarray:
    """What the winner gains in each scene, or scores, shape (scenes,); higher is better."""
    best = winner(results)
    if baseline(results) is None or best == results.baseline:
        return direction(metric) * results.of(best, metric)
    return improvements(results, best, metric)


def by_merit(merits: np.ndarray) -> list[int]:
    """Scenes of a finite merit, the best first."""
    known = np.flatnonzero(np.isfinite(merits))
    return [int(k) for k in known[np.argsort(-merits[known], kind="stable")]]


def reason(results: Results, metric: str, which: str, merit: float) -> str:
    """Why a scene was picked."""
    best, name = winner(results), label(metric)
    if baseline(results) is None or best == results.baseline:
        return f"{which} {name} of {best}, {with_unit(direction(metric) * merit, metric)}"
    return f"{which} gain of {best}, {name} {with_unit(merit, metric, sign=True)}"


def scenes_html(results: Results, anchors: Mapping[str, str]) -> str:
    """The section: best and worst scenes by each score; empty where no scene has any.

    Parameters
    ----------
    results : Results
    anchors : mapping of str to str
        Where in the page a scene can be heard, by its name.
    """
    metrics = [m for m in scored(results) if by_merit(scene_merits(results, m))]
    if not metrics or len(results.scenes) < 2:
        return ""
    lists = "".join(
        by_metric(metric, metrics, metric_words(metric), extremes_html(results, metric, anchors))
        for metric in metrics
    )
    return (
        '<section id="scenes"><h2>Best and worst scenes</h2>'
        f"{metric_buttons(metrics)}{lists}"
        f'<p class="legend">By what <b>{escape(winner(results))}</b> {judged_by(results)}.</p>'
        "</section>"
    )


def judged_by(results: Results) -> str:
    """By what scenes are sorted."""
    base = baseline(results)
    return "scores" if base in (None, winner(results)) else f"gains over {escape(str(base))}"


def extremes_html(results: Results, metric: str, anchors: Mapping[str, str]) -> str:
    """Five best and five worst; all of them where there are no more than that."""
    merits = scene_merits(results, metric)
    order = by_merit(merits)
    blocks = [("Best", order[:N_EXTREMES]), ("Worst", order[-N_EXTREMES:])]
    if len(order) <= 2 * N_EXTREMES:
        blocks = [("Best to worst", order)]
    keys = list(results.conditions())
    body = "".join(
        f'<tbody><tr class="block"><th scope="rowgroup" colspan="{len(keys) + 4}">{title}</th></tr>'
        + "".join(scene_row(results, metric, k, merits[k], keys, anchors) for k in block)
        + "</tbody>"
        for title, block in blocks
    )
    words = f"Best and worst scenes by {escape(label(metric))}"
    return (
        f'<div class="scroll" role="region" aria-label="{words}" tabindex="0">'
        f'<table class="scenes-table"><thead><tr><th scope="col">Scene</th>'
        f"{scene_heads(results, keys)}</tr></thead>{body}</table></div>"
    )


def scene_heads(results: Results, keys: Sequence[str]) -> str:
    """Headings behind that of the scene: gain, the scores it is between, conditions."""
    numbers = "".join(f'<th scope="col">{escape(head)}</th>' for head in number_heads(results))
    conditions = "".join(f'<th scope="col" class="condition">{escape(key)}</th>' for key in keys)
    return numbers + conditions


def number_heads(results: Results) -> list[str]:
    """What the numbers of a scene are: a gain and two scores, or one score."""
    best, base = winner(results), baseline(results)
    return [best] if base in (None, best) else ["gain", str(base), best]


def scene_row(
    results: Results,
    metric: str,
    k: int,
    merit: float,
    keys: Sequence[str],
    anchors: Mapping[str, str],
) -> str:
    """One scene: name, gain, scores, conditions."""
    scene = results.scenes[k]
    name = condition_html(scene.name)
    if scene.name in anchors:
        name = f'<a href="#{anchors[scene.name]}">{name}</a>'
    cells = ""
    for head in number_heads(results):
        if head == "gain":
            cells += f"<td><b>{number(merit, metric, sign=True)}</b></td>"
        else:
            cells += f"<td>{number(float(results.of(head, metric)[k]), metric)}</td>"
    conditions = (condition_html(scene.conditions.get(key, "–")) for key in keys)
    cells += "".join(f'<td class="condition">{value}</td>' for value in conditions)
    return f'<tr><th scope="row">{name}</th>{cells}</tr>'
