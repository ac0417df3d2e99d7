"""Results as Markdown, CSV and Parquet."""

import csv
import io
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from arrayenh.checks import printable
from arrayenh.errors import MissingExtraError
from arrayenh.evaluation.intervals import Interval, fraction_of_gain, mean_interval, paired_interval
from arrayenh.evaluation.results import Results
from arrayenh.evaluation.scoring import METRICS
from arrayenh.evaluation.systems.system import Cost

FORMULA = re.compile(r"[=+\-@](?![\d.]+( dB)?$)")
"""Beginning of a formula in a spreadsheet, and not of a number or a level."""

COLUMNS = ("case", "seconds", "system", "kind", "metric", "value", "reason")


def markdown(results: Results) -> str:
    """All tables in Markdown: systems, gains, and breakdowns by condition."""
    parts = [
        f"# {results.title}",
        f"{len(results.scenes)} cases, {minutes(results)}. Means, with half the width of their "
        "95 % bootstrap interval.",
        stage_table(results),
        f"Gains over `{results.baseline}`, case by case:",
        gain_table(results),
    ]
    for condition in results.conditions():
        for metric in results.headlines():
            parts += [f"{metric} by {condition}:", breakdown_table(results, condition, metric)]
    parts += missing(results)
    parts += ["\n".join(f"- {key}: {value}" for key, value in results.facts.items())]
    return "\n\n".join(part for part in parts if part) + "\n"


def minutes(results: Results) -> str:
    """Total duration of the cases."""
    return f"{sum(scene.seconds for scene in results.scenes) / 60:.1f} min"


def stage_table(results: Results) -> str:
    """Table of each system's scores, fraction of the oracle's gain, and cost."""
    parts = headline_fractions(results)
    costs = any(system.cost for system in results.systems)
    heads = ["system", *(with_unit(name) for name in results.metrics)]
    heads += [f"of oracle gain, {name}" for name in parts]
    heads += ["real-time factor", "peak MB", "latency ms"] if costs else []
    rows = []
    for system in results.systems:
        row = [f"`{system.name}`"]
        row += [
            cell(mean_interval(results.of(system.name, name)), name) for name in results.metrics
        ]
        row += [number(fraction(results, system.name, name), 2) for name in parts]
        row += cost_cells(system.cost) if costs else []
        rows.append(row)
    return table(heads, rows)


def headline_fractions(results: Results) -> list[str]:
    """Scores for which the fraction of the oracle's gain is shown."""
    return [] if results.oracle is None else results.headlines()


def fraction(results: Results, system: str, metric: str) -> float:
    """Fraction of the oracle's gain."""
    assert results.oracle is not None
    return fraction_of_gain(
        results.of(system, metric),
        results.of(results.baseline, metric),
        results.of(results.oracle, metric),
    )


def cost_cells(cost: Cost | None) -> list[str]:
    """Table cells of speed, memory and latency."""
    if cost is None:
        return ["n/a"] * 3
    late = "whole recording" if math.isinf(cost.latency_ms) else f"{cost.latency_ms:.0f}"
    return [f"{cost.real_time_factor:.4f}", f"{cost.peak_mb:.0f}", late]


def gain_table(results: Results) -> str:
    """Table of paired differences to the baseline, bold if their interval excludes zero."""
    rows = []
    for system in results.systems:
        if system.name == results.baseline:
            continue
        row = [f"`{system.name}`"]
        for name in results.metrics:
            gain = paired_interval(
                results.of(system.name, name), results.of(results.baseline, name)
            )
            text = cell(gain, name, sign=True)
            row.append(f"**{text}**" if gain.excludes_zero else text)
        rows.append(row)
    return table(["system", *(with_unit(name) for name in results.metrics)], rows) if rows else ""


def breakdown_table(results: Results, condition: str, metric: str) -> str:
    """Table of the means of one score, a column for each value of a condition."""
    values = results.conditions()[condition]
    where = [results.where(condition, value) for value in values]
    heads = [f"{value} ({int(there.sum())})" for value, there in zip(values, where, strict=True)]
    rows = [
        [
            f"`{system.name}`",
            *(
                number(
                    mean_interval(results.of(system.name, metric)[there]).mean,
                    METRICS[metric].decimals,
                )
                for there in where
            ),
        ]
        for system in results.systems
    ]
    return table(["system", *heads], rows)


def missing(results: Results) -> list[str]:
    """Reasons for missing scores, each once."""
    found: dict[tuple[str, str], list[str]] = {}
    for (_, s, m), reason in results.reasons.items():
        cases = found.setdefault((results.systems[s].name, reason), [])
        if results.metrics[m] not in cases:
            cases.append(results.metrics[m])
    if not found:
        return []
    lines = [
        f"- `{system}` {', '.join(names)}: {reason}" for (system, reason), names in found.items()
    ]
    return ["Missing scores:", "\n".join(lines)]


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Format a table in Markdown."""
    lines = ["| " + " | ".join(heads) + " |", "|---|" + "---:|" * (len(heads) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def with_unit(metric: str) -> str:
    """Name of a score with its unit."""
    unit = METRICS[metric].unit
    return f"{metric}, {unit}" if unit else metric


def cell(interval: Interval, metric: str, sign: bool = False) -> str:
    """Format a mean and half the width of its interval."""
    digits = METRICS[metric].decimals
    text = number(interval.mean, digits, sign)
    half = (interval.high - interval.low) / 2
    return text if math.isnan(half) else f"{text} ± {half:.{digits}f}"


def number(value: float, digits: int, sign: bool = False) -> str:
    """Format a number; "n/a" for NaN."""
    if math.isnan(value):
        return "n/a"
    value = round(value, digits) + 0.0 if math.isfinite(value) else value  # no -0.00
    return f"{value:{'+' if sign else ''}.{digits}f}"


def rows_of(results: Results) -> Iterator[dict[str, Any]]:
    """Yield one row for each score, with the conditions of its case."""
    keys = sorted({key for scene in results.scenes for key in scene.conditions})
    for c, scene in enumerate(results.scenes):
        conditions = {key: scene.conditions.get(key, "") for key in keys}
        for s, system in enumerate(results.systems):
            for m, metric in enumerate(results.metrics):
                row = {
                    "case": scene.name,
                    "seconds": scene.seconds,
                    "system": system.name,
                    "kind": system.kind,
                    "metric": metric,
                    "value": float(results.values[c, s, m]),
                    "reason": results.reasons.get((c, s, m), ""),
                    **conditions,
                }
                yield {
                    key: printable(cell) if isinstance(cell, str) else cell
                    for key, cell in row.items()
                }


def csv_text(results: Results) -> str:
    """CSV with one line for each score; a missing score is empty."""
    rows = list(rows_of(results))
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]) if rows else COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        value = "" if math.isnan(row["value"]) else repr(row["value"])
        texts = {key: no_formula(cell) for key, cell in row.items() if isinstance(cell, str)}
        writer.writerow({**row, **texts, "value": value})
    return out.getvalue()


def no_formula(cell: str) -> str:
    """Prefix a text that a spreadsheet would execute as a formula, such as a file name, by '."""
    return f"'{cell}" if FORMULA.match(cell) else cell


def parquet_bytes(results: Results) -> bytes:
    """Parquet file with one row for each score.

    Raises
    ------
    MissingExtraError
        If the package pyarrow is not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtraError(
            "results.parquet is not written: it needs the package pyarrow (pip install pyarrow)"
        ) from error
    rows = list(rows_of(results))
    columns = {key: [row[key] for row in rows] for key in (rows[0] if rows else COLUMNS)}
    sink = pyarrow.BufferOutputStream()
    parquet.write_table(pyarrow.table(columns), sink)
    return bytes(sink.getvalue())


def printed(results: Results) -> tuple[list[str], list[list[str]]]:
    """Column headings and rows of the table on the terminal."""
    parts = headline_fractions(results)
    heads = [
        "system",
        *(with_unit(n) for n in results.metrics),
        *(f"of oracle, {n}" for n in parts),
    ]
    rows = []
    for system in results.systems:
        means = [
            number(
                float(np.nanmean(found)) if (~np.isnan(found)).any() else math.nan,
                METRICS[n].decimals,
            )
            for n in results.metrics
            for found in (results.of(system.name, n),)
        ]
        rows.append(
            [system.name, *means, *(number(fraction(results, system.name, n), 2) for n in parts)]
        )
    return heads, rows
