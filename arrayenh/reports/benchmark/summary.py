"""The summary of a benchmark: who won, by how much, over whom, at what cost."""

import math
from collections.abc import Sequence
from html import escape

from arrayenh.evaluation.intervals import Interval
from arrayenh.evaluation.results import Results
from arrayenh.evaluation.systems.system import BOUND, OWN, PEER, Cost
from arrayenh.reports.benchmark.axes import linear_axis
from arrayenh.reports.benchmark.findings import (
    baseline,
    best_peer,
    contenders,
    direction,
    kind_of,
    lead,
    level,
    names,
    oracle,
    quality,
    ranks,
    reached,
    winner,
)
from arrayenh.reports.benchmark.words import (
    between,
    joined,
    latency,
    ordinal,
    percent,
    significant,
    speed,
    with_unit,
)
from arrayenh.reports.score_table import label, number, unit

PLURALS = {OWN: "chains of ours", PEER: "peers", BOUND: "bounds"}
SINGULARS = {OWN: "chain of ours", PEER: "peer", BOUND: "bound"}
AHEAD, BEHIND = "is ahead by", "is behind by"
LEVEL = "does not differ significantly in"


def header_html(results: Results) -> str:
    """Title, what was compared, the summary, and its numbers in large."""
    tiles = "".join(metric_tile(results, metric) for metric in results.headlines())
    return (
        f"<header><h1>{escape(results.title)}</h1>"
        f'<p class="kind">{extent(results)}</p>'
        f'<p class="summary">{summary(results)}</p>'
        f'<div class="tiles">{tiles}{cost_tile(results)}</div>{ways_legend(results)}</header>'
    )


def extent(results: Results) -> str:
    """How much was compared."""
    seconds = sum(scene.seconds for scene in results.scenes)
    length = f"{seconds / 60:.1f} minutes" if seconds >= 100 else f"{seconds:.0f} seconds"
    kinds = [
        f"{n} {PLURALS[kind] if n > 1 else SINGULARS[kind]}"
        for kind in PLURALS
        if (n := sum(name != results.baseline for name in names(results, kind)))
    ]
    kinds += [f"baseline {escape(results.baseline)}"] * (baseline(results) is not None)
    scenes = f"{len(results.scenes)} scene{'s' if len(results.scenes) > 1 else ''}"
    return f"{scenes}, {length} · {', '.join(kinds)} · {metrics_words(results)}"


def metrics_words(results: Results) -> str:
    """How many scores."""
    n = len(results.metrics)
    return f"{n} score{'s' if n > 1 else ''}"


def summary(results: Results) -> str:
    """Two or three sentences of HTML."""
    if not results.headlines():
        return "No system has a score: the table says why."
    parts = [victory(results), improvement(results), comparison(results)]
    return " ".join(part for part in parts if part)


def victory(results: Results) -> str:
    """Who is first among whom, and in what."""
    best, rivals = winner(results), contenders(results)
    name = f"<em>{escape(best)}</em>"
    if len(rivals) < 2:
        return f"{name} had no other system of its kind beside it."
    places: dict[int, list[str]] = {}
    for metric in results.headlines():
        place = ranks(results, rivals, metric)[best]
        places.setdefault(place, []).append(escape(label(metric)))
    inside = ", ".join(
        f"{ordinal(place)} in {joined(metrics)}" for place, metrics in sorted(places.items())
    )
    return f"{name} is the best of {len(rivals)} {PLURALS[kind_of(results, best)]}: {inside}."


def improvement(results: Results) -> str:
    """What the winner gains over the baseline, or scores without one, and what that costs."""
    best, base = winner(results), baseline(results)
    if base == best:
        return ""
    parts: list[str] = []
    for metric in results.headlines():
        found = change(results, best, metric)
        if math.isfinite(found.mean):
            number = with_unit(found.mean, metric, sign=base is not None)
            span = between(found, metric, sign=base is not None)
            what = "" if parts else "95 % interval "
            parts.append(
                f"<b>{escape(label(metric))}</b> <strong>{number}</strong>"
                f"{f' ({what}{span})' if span else ''}"
            )
    if not parts:
        return ""
    cost = results.systems[results.system(best)].cost
    at = f", at a real-time factor of {significant(cost.real_time_factor)}" if cost else ""
    verb = "It scores" if base is None else f"Over <em>{escape(base)}</em> it gains"
    return f"{verb} {joined(parts)}{at}."


def change(results: Results, system: str, metric: str) -> Interval:
    """By how much a score differs from the baseline's, as it is: errors fall; else the score."""
    found = quality(results, system, metric)
    if baseline(results) is None or direction(metric) > 0:
        return found
    return Interval(-found.mean, -found.high, -found.low, found.n)


def comparison(results: Results) -> str:
    """The winner against the best peer, paired by scene; what is not significant is said so."""
    best, peer = winner(results), best_peer(results)
    if peer is None:
        return ""
    clauses: dict[str, list[str]] = {}
    for metric in results.headlines():
        found = lead(results, best, peer, metric)
        if math.isfinite(found.mean):
            verdict = verdict_on(found)
            clauses.setdefault(verdict, []).append(difference(found, metric, verdict))
    if not clauses:
        return ""
    words = ", and ".join(f"{verdict} {joined(parts)}" for verdict, parts in clauses.items())
    return f"Against the best peer, <em>{escape(peer)}</em>, it {words}."


def verdict_on(found: Interval) -> str:
    """What a paired difference says; without an interval, its sign."""
    certain = found.excludes_zero or math.isnan(found.low)
    if not certain or found.mean == 0:
        return LEVEL
    return AHEAD if found.mean > 0 else BEHIND


def difference(found: Interval, metric: str, verdict: str) -> str:
    """A difference in a sentence that goes on behind its verdict."""
    name = escape(label(metric))
    if verdict == LEVEL:
        span = between(found, metric, sign=True)
        return f"{name} ({with_unit(found.mean, metric, sign=True)}{f', {span}' if span else ''})"
    if verdict == BEHIND:
        found = Interval(-found.mean, -found.high, -found.low, found.n)
    span = between(found, metric)
    return f"{with_unit(found.mean, metric)} {name}{f' ({span})' if span else ''}"


def metric_tile(results: Results, metric: str) -> str:
    """The winner's gain in large, and how far that goes from the baseline to the oracle."""
    best, base = winner(results), baseline(results)
    mean = level(results, best, metric).mean
    if base is None or base == best:
        large, below = number(mean, metric), ""
    else:
        large = number(change(results, best, metric).mean, metric, sign=True)
        start = level(results, base, metric).mean
        below = f"{number(start, metric)} → {number(mean, metric)}"
    of = f" <small>{unit(metric)}</small>" if unit(metric) else ""
    part = reached(results, best, metric)
    if math.isfinite(part) and results.oracle != best:
        below += f", {percent(part)} of the oracle's gain"
    return tile(label(metric), f"{large}{of}", way(results, metric), below)


def tile(head: str, large: str, drawing: str, below: str) -> str:
    """A number to look at."""
    return (
        f'<div class="tile"><h2>{escape(head)}</h2><p class="large">{large}</p>'
        f"{drawing}<p>{below}</p></div>"
    )


def way(results: Results, metric: str) -> str:
    """The way from the baseline to the oracle, how far the winner came, where the peer is."""
    base, best, peer, limit = (
        baseline(results),
        winner(results),
        best_peer(results),
        oracle(results),
    )
    parts = {name: reached(results, name, metric) for name in (best, peer) if name}
    parts = {name: part for name, part in parts.items() if math.isfinite(part)}
    if best not in parts or limit == best:
        return ""
    axis = linear_axis([0, 1, *parts.values()])
    start, end = 100 * axis.place(0), 100 * axis.place(1)
    reach = 100 * axis.place(parts[best])
    words = f"{best} {percent(parts[best])} of the way from {base} to {limit}"
    tick = ""
    if peer in parts:
        tick = f'<path class="peer" d="M{100 * axis.place(parts[peer]):.1f} 0v10"/>'
        words += f"; {peer} {percent(parts[peer])}"
    return (
        '<svg class="way" viewBox="0 0 100 10" preserveAspectRatio="none" role="img">'
        f"<title>{escape(words)}</title>"
        f'<path class="whole" d="M{start:.1f} 5H{end:.1f}"/>'
        f'<path class="part" d="M{start:.1f} 5H{reach:.1f}"/>{tick}'
        f'<path class="ends" d="M{start:.1f} 1v8M{end:.1f} 1v8"/></svg>'
    )


def ways_legend(results: Results) -> str:
    """What the bars of the tiles show; empty where there are none."""
    if not any(way(results, metric) for metric in results.headlines()):
        return ""
    peer = best_peer(results)
    tick = f"; the tick is {escape(peer)}" if peer else ""
    return (
        f'<p class="legend">Bars: how far {escape(winner(results))} comes on the way from '
        f"{escape(results.baseline)} to {escape(str(results.oracle))}{tick}.</p>"
    )


def cost_tile(results: Results) -> str:
    """What the winner costs; empty where that is not known."""
    cost = results.systems[results.system(winner(results))].cost
    if cost is None:
        return ""
    return tile(
        "Real-time factor", significant(cost.real_time_factor), "", ", ".join(cost_words(cost))
    )


def cost_words(cost: Cost) -> Sequence[str]:
    """Speed, memory and latency in words."""
    memory = [f"{significant(cost.peak_mb)} MB"] if math.isfinite(cost.peak_mb) else []
    delay = "reads the whole recording" if math.isinf(cost.latency_ms) else f"{latency(cost)} delay"
    return [speed(cost), *memory, delay]
