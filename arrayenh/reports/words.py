"""Text formats of scores, intervals and costs in pages."""

import math
import re
from collections.abc import Sequence

from markupsafe import Markup, escape

from arrayenh.evaluation.intervals import Interval
from arrayenh.evaluation.metric import ANY_DB, Metric, metric
from arrayenh.evaluation.scoring import METRICS
from arrayenh.evaluation.systems.system import BOUND, OWN, PEER, Cost

UNNAMED = ("", "MOS")
"""Units omitted in sentences."""

KINDS = {OWN: "ours", BOUND: "bound", PEER: "peer"}
PLURALS = {OWN: "chains of ours", PEER: "peers", BOUND: "bounds"}
SINGULARS = {OWN: "chain of ours", PEER: "peer", BOUND: "bound"}
PLACES = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth")
MINUS = re.compile(r"(?<!\S)-(?=\d)")
BREAKS = re.compile(r"(?<=[]@+=,/])(?=.)|(?<=.)(?=\[)")
"""Characters after which a system's name may be broken."""


def metric_of(name: str) -> Metric:
    """Record of a score; an empty record for an unknown name."""
    label = name.replace("_", " ")
    return METRICS.get(name) or metric(name, label, "", ANY_DB, (), lambda _: math.nan, "")


def number(value: float, name: str, sign: bool = False) -> str:
    """Format a score with its decimals and a real minus, without unit."""
    if math.isnan(value):
        return "n/a"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    text = f"{value:{'+' if sign else ''}.{metric_of(name).decimals}f}"
    if float(text) == 0:
        text = ("±" if sign else "") + text.lstrip("+-")
    return text.replace("-", "−")


def with_unit(value: float, name: str, sign: bool = False) -> str:
    """Format a score with its unit, unless the unit is omitted in sentences."""
    text, unit = number(value, name, sign), metric_of(name).unit
    return text if unit in UNNAMED else f"{text}\N{NO-BREAK SPACE}{unit}"


def half_width(interval: Interval, name: str) -> str:
    """Format ± half the width of an interval; empty if there is none."""
    width = (interval.high - interval.low) / 2
    return f"±{number(width, name)}" if math.isfinite(width) else ""


def between(interval: Interval, name: str, sign: bool = False) -> str:
    """Format the ends of an interval; empty if there is none."""
    if not math.isfinite(interval.low + interval.high):
        return ""
    return f"{number(interval.low, name, sign)} to {number(interval.high, name, sign)}"


def decibels(value: float, sign: bool = True) -> str:
    """Format a level or a gain without unit."""
    return f"{value:{'+' if sign else ''}.1f}".replace("-", "−")


def percent(fraction: float) -> str:
    """Format a fraction of the oracle's gain in percent."""
    if not math.isfinite(fraction):
        return "n/a"
    text = f"{100 * fraction:.0f}".replace("-", "−")
    return f"{'0' if text == '−0' else text}\N{NO-BREAK SPACE}%"


def real_minus(text: str) -> str:
    """Replace the hyphens of negative numbers by a real minus."""
    return MINUS.sub("−", text)


def breakable(name: str) -> Markup:
    """Insert line-break opportunities after the parts of a name."""
    return Markup("<wbr>").join(escape(part) for part in BREAKS.split(name))


def joined(parts: Sequence[str]) -> Markup:
    """Join words with commas and "and"."""
    if len(parts) < 2:
        return Markup("").join(parts)
    return Markup("{} and {}").format(Markup(", ").join(parts[:-1]), parts[-1])


def ordinal(place: int) -> str:
    """Format a rank in words."""
    return PLACES[place - 1] if place <= len(PLACES) else f"number {place}"


def significant(value: float) -> str:
    """Format a cost with two significant digits, without exponent: 0.012, 4.7, 350."""
    if not math.isfinite(value):
        return "∞" if value > 0 else "n/a"
    if value <= 0:
        return "0"
    digits = max(0, 1 - math.floor(math.log10(value)))
    return f"{value:.{digits}f}" if value < 100 else f"{value:.0f}"


def latency(cost: Cost) -> str:
    """Format a latency."""
    if math.isinf(cost.latency_ms):
        return "whole recording"
    return f"{significant(cost.latency_ms)} ms"


def speed(cost: Cost) -> str:
    """Describe a real-time factor."""
    factor = cost.real_time_factor
    if not 0 < factor < math.inf:
        return "speed not known"
    if factor <= 1:
        return f"{significant(1 / factor)} times faster than real time"
    return f"{significant(factor)} times slower than real time"


def clock(seconds: float) -> str:
    """Format a time as minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"


def length(seconds: float) -> str:
    """Format the duration of a recording."""
    return f"{seconds:.1f} s" if seconds < 60 else f"{clock(seconds)} min"
