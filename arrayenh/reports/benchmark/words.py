"""Scores, intervals and costs of a benchmark as text."""

import math
import re
from collections.abc import Sequence
from html import escape

from arrayenh.evaluation.intervals import Interval
from arrayenh.evaluation.results import Results
from arrayenh.evaluation.scoring import METRICS
from arrayenh.evaluation.systems.system import BOUND, OWN, PEER, Cost
from arrayenh.reports.benchmark.findings import direction
from arrayenh.reports.score_table import label, number, unit

UNNAMED = ("", "MOS")
"""Units that a sentence leaves out."""

KINDS = {OWN: "ours", BOUND: "bound", PEER: "peer"}
MINUS = re.compile(r"(?<!\S)-(?=\d)")
PLACES = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth")


def with_unit(value: float, metric: str, sign: bool = False) -> str:
    """A score and its unit, where that is one to speak of."""
    text = number(value, metric, sign)
    return text if unit(metric) in UNNAMED else f"{text}\N{NO-BREAK SPACE}{unit(metric)}"


def half_width(interval: Interval, metric: str) -> str:
    """±, half the width of an interval; empty where there is none."""
    width = (interval.high - interval.low) / 2
    return f"±{number(width, metric)}" if math.isfinite(width) else ""


def between(interval: Interval, metric: str, sign: bool = False) -> str:
    """The ends of an interval; empty where there is none."""
    if not math.isfinite(interval.low + interval.high):
        return ""
    return f"{number(interval.low, metric, sign)} to {number(interval.high, metric, sign)}"


def percent(fraction: float) -> str:
    """Part of the oracle's gain."""
    if not math.isfinite(fraction):
        return "n/a"
    text = f"{100 * fraction:.0f}".replace("-", "−")
    return f"{'0' if text == '−0' else text}\N{NO-BREAK SPACE}%"


def condition_html(value: str) -> str:
    """The value of a condition, or the name of a scene, as HTML with a real minus."""
    return escape(MINUS.sub("−", value))


def kind_words(results: Results, system: str) -> str:
    """What a system is to the others."""
    if system == results.baseline:
        return "baseline"
    return KINDS[results.systems[results.system(system)].kind]


def joined(parts: Sequence[str]) -> str:
    """Words of a list, as in a sentence."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def ordinal(place: int) -> str:
    """A place in words."""
    return PLACES[place - 1] if place <= len(PLACES) else f"number {place}"


def metric_words(metric: str) -> str:
    """What a chart of a score says above its axis: name, unit, which way is better."""
    of = f", {unit(metric)}" if unit(metric) else ""
    return f"{label(metric)}{of}; {'higher' if direction(metric) > 0 else 'lower'} is better"


def gain_words(metric: str, base: str) -> str:
    """What a chart of gains says: of errors these are reductions."""
    of = f", {unit(metric)}" if unit(metric) else ""
    what = "gain" if direction(metric) > 0 else "improvement"
    return f"{label(metric)} {what} over {base}{of}"


def describe(metric: str) -> str:
    """What a score measures; empty for one that is not known here."""
    return METRICS[metric].describe if metric in METRICS else ""


def significant(value: float) -> str:
    """A cost with two significant digits, never in powers of ten: 0.012, 4.7, 350."""
    if not math.isfinite(value):
        return "∞" if value > 0 else "n/a"
    if value <= 0:
        return "0"
    digits = max(0, 1 - math.floor(math.log10(value)))
    return f"{value:.{digits}f}" if value < 100 else f"{value:.0f}"


def latency(cost: Cost) -> str:
    """Latency in words."""
    if math.isinf(cost.latency_ms):
        return "whole recording"
    return f"{significant(cost.latency_ms)} ms"


def speed(cost: Cost) -> str:
    """Real-time factor in words."""
    factor = cost.real_time_factor
    if not 0 < factor < math.inf:
        return "speed not known"
    if factor <= 1:
        return f"{significant(1 / factor)} times faster than real time"
    return f"{significant(factor)} times slower than real time"
