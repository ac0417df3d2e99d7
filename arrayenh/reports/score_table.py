"""The table of a report: one row per stage, one column per score, and its summary."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from arrayenh.evaluation.scoring import METRICS, Score

UNKNOWN_DECIMALS = 3
"""Digits after the point of a number that is no score known here."""

HEADLINES = ("si_sdr", "pesq_wb", "stoi", "snr", "pesq_nb", "estoi", "seg_snr")
"""Scores for the summary, the most telling first."""

MOST_HEADLINES = 3
NO_VALUE = "no value was given"

Scores = Mapping[str, Score | float]


@dataclass(frozen=True, slots=True)
class Row:
    """One stage of the table."""

    name: str
    note: str
    scores: Scores


def label(name: str) -> str:
    """What a column is called."""
    return METRICS[name].label if name in METRICS else name.replace("_", " ")


def unit(name: str) -> str:
    """Unit of a score; empty for one that has none or is not known here."""
    return METRICS[name].unit if name in METRICS else ""


def decimals(name: str) -> int:
    """Digits after the point."""
    return METRICS[name].decimals if name in METRICS else UNKNOWN_DECIMALS


def value_of(scores: Scores, name: str) -> float:
    """A score as a number; NaN if the stage has none."""
    score = scores.get(name, math.nan)
    return score.value if isinstance(score, Score) else float(score)


def reason_of(scores: Scores, name: str) -> str:
    """Why a score has no value; empty if the stage was not given that score at all."""
    score = scores.get(name)
    if score is None:
        return ""
    return (score.reason if isinstance(score, Score) else None) or NO_VALUE


def number(value: float, name: str, sign: bool = False) -> str:
    """A score as text, with a real minus and its digits; no unit."""
    if math.isnan(value):
        return "n/a"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    text = f"{value:{'+' if sign else ''}.{decimals(name)}f}"
    if float(text) == 0:
        text = ("±" if sign else "") + text.lstrip("+-")
    return text.replace("-", "−")


def columns(rows: Sequence[Row]) -> list[str]:
    """Scores that any stage has: known ones in the order of `METRICS`, then the others."""
    present = list(dict.fromkeys(name for row in rows for name in row.scores))
    known = [name for name in METRICS if name in present]
    return known + [name for name in present if name not in METRICS]


def best_text(rows: Sequence[Row], name: str) -> str | None:
    """The best score of a column, as printed; None where nothing is to be compared."""
    values = [value_of(row.scores, name) for row in rows]
    values = [value for value in values if not math.isnan(value)]
    if name not in METRICS or len({number(value, name) for value in values}) < 2:
        return None
    best = max if METRICS[name].higher_is_better else min
    return number(best(values), name)


def summary(rows: Sequence[Row]) -> str:
    """What the last stage gained over the first: a clause of HTML, empty without scores."""
    first, last = rows[0].scores, rows[-1].scores
    clauses = []
    for name in HEADLINES:
        after = value_of(last, name)
        gain = after - value_of(first, name)
        if len(rows) < 2 or not math.isfinite(gain):
            continue
        size = number(abs(gain), name)
        named = " dB" if unit(name) == "dB" else ""
        change = f"{'up' if gain > 0 else 'down'} {size}{named}"
        now = f"to {number(after, name)}{named}"
        if float(size) == 0:
            change, now = "unchanged", now.replace("to", "at")
        clauses.append(f"<b>{label(name)}</b> <strong>{change}</strong> {now}")
    return ", ".join(clauses[:MOST_HEADLINES])


def table_html(rows: Sequence[Row]) -> str:
    """The table and, below it, what its columns mean and why a score is missing."""
    names = columns(rows)
    reasons: list[str] = []
    best = {name: best_text(rows, name) for name in names}
    body = []
    for row in rows:
        cells = "".join(_cell(row, rows[0], name, best[name], reasons) for name in names)
        note = f"<small>{escape(row.note)}</small>" if row.note else ""
        body.append(f'<tr><th scope="row">{escape(row.name)}{note}</th>{cells}</tr>')
    head = "".join(_heading(name) for name in names)
    return (
        '<div class="scroll" role="region" aria-label="Scores of each stage" tabindex="0">'
        f'<table><thead><tr><th scope="col">Stage</th>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
        f"{_footnotes(reasons)}{_legend(names, len(rows) > 1)}"
    )


def _heading(name: str) -> str:
    title = f' title="{escape(METRICS[name].describe)}"' if name in METRICS else ""
    below = f"<small>{escape(unit(name))}</small>" if unit(name) else ""
    return f'<th scope="col"{title}>{escape(label(name))}{below}</th>'


def _cell(row: Row, first: Row, name: str, best: str | None, reasons: list[str]) -> str:
    value = value_of(row.scores, name)
    if math.isnan(value):
        return _missing(reason_of(row.scores, name), reasons)
    text = number(value, name)
    gain = value - value_of(first.scores, name)
    change = ""
    if row is not first and name in METRICS and math.isfinite(gain):
        change = f"<small>{number(gain, name, sign=True)}</small>"
    if text == best:
        return f'<td class="best"><strong>{text}</strong>{change}</td>'
    return f"<td>{text}{change}</td>"


def _missing(reason: str, reasons: list[str]) -> str:
    """A cell without a value; the reason is its tooltip and a footnote, given once."""
    if not reason:
        return '<td class="missing">–</td>'
    if reason not in reasons:
        reasons.append(reason)
    mark = reasons.index(reason) + 1
    return (
        f'<td class="missing" title="{escape(reason)}">n/a'
        f'<a href="#reason-{mark}" aria-label="reason {mark}"><sup>{mark}</sup></a></td>'
    )


def _footnotes(reasons: Sequence[str]) -> str:
    if not reasons:
        return ""
    items = "".join(
        f'<li id="reason-{mark}">{escape(reason)}</li>' for mark, reason in enumerate(reasons, 1)
    )
    return f'<ol class="reasons">{items}</ol>'


def _legend(names: Sequence[str], compared: bool) -> str:
    """What each column measures, for paper and for fingers, which know no tooltips."""
    known = [name for name in names if name in METRICS]
    terms = [f"<b>{escape(label(n))}</b> {escape(METRICS[n].describe)}" for n in known]
    if not terms:
        return ""
    lower = [label(name) for name in known if not METRICS[name].higher_is_better]
    rule = "Higher is better"
    if lower:
        rule += f", except for {', '.join(lower)}"
    mark = "; the best of each column is bold, small numbers are the change from the first row"
    return f'<p class="legend">{"; ".join(terms)}. {rule}{mark if compared else ""}.</p>'
