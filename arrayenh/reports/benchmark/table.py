"""The table of a benchmark: one row per system; scores, gains, part of the oracle's, cost."""

import math
from collections.abc import Sequence
from html import escape

from arrayenh.evaluation.results import Results
from arrayenh.evaluation.systems.system import BOUND, OWN, PEER
from arrayenh.reports.benchmark.columns import (
    Cell,
    Column,
    Footnotes,
    cost_columns,
    headline_columns,
    mean_column,
)
from arrayenh.reports.benchmark.findings import (
    direction,
    kind_of,
    names,
    scored,
)
from arrayenh.reports.benchmark.rows import breakable, mark
from arrayenh.reports.benchmark.words import (
    describe,
    kind_words,
)
from arrayenh.reports.score_table import label

MOST_OTHERS = 4
"""More scores beside the headlines than this get a table of their own."""


def table_html(results: Results) -> str:
    """The section: one table, or two where there are many scores, footnotes and a legend."""
    notes = Footnotes()
    first, found = results.headlines(), scored(results)
    others = [name for name in [*found, *unscored(results)] if name not in first]
    main = [column for name in first for column in headline_columns(results, name, notes)]
    rest = [mean_column(results, name, notes) for name in others]
    if len(others) <= MOST_OTHERS:
        tables = table(results, [*main, *rest, *cost_columns(results)], "Scores of each system")
    else:
        tables = table(results, [*main, *cost_columns(results)], "Scores of each system")
        tables += table(results, rest, "Further scores of each system")
    return (
        f'<section id="table"><h2>Scores and costs</h2>{tables}{notes.html()}'
        f"{legend(results, [*first, *others])}</section>"
    )


def unscored(results: Results) -> list[str]:
    """Metrics of which no system has a value, but a reason why."""
    return [name for name in results.metrics if name not in scored(results)]


def table(results: Results, columns: Sequence[Column], words: str) -> str:
    """The table itself, to scroll sideways on a narrow page."""
    best = [best_own(results, column) for column in columns]
    rows = "".join(row_html(results, k, columns, best) for k in range(len(results.systems)))
    return (
        f'<div class="scroll" role="region" aria-label="{escape(words)}" tabindex="0">'
        f'<table class="systems-table"><thead>{head_html(columns)}</thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def best_own(results: Results, column: Column) -> str | None:
    """The best text among our own systems; None where there is nothing to compare."""
    own = [
        cell
        for cell, system in zip(column.cells, results.systems, strict=True)
        if system.kind == OWN and system.name != results.baseline and not math.isnan(cell.value)
    ]
    if not column.compared or len({cell.text for cell in own}) < 2:
        return None
    return max(own, key=lambda cell: column.best * cell.value).text


def head_html(columns: Sequence[Column]) -> str:
    """Two rows of headings: groups, and the columns of each, which are buttons to sort by."""
    groups: list[list[Column]] = []
    for column in columns:
        if groups and groups[-1][0].group == column.group:
            groups[-1].append(column)
        else:
            groups.append([column])
    above = "".join(group_html(group) for group in groups)
    below = "".join(heading(column, column is group[0]) for group in groups for column in group)
    name = heading_button("System", "", 1)
    return f'<tr><th scope="col" rowspan="2" class="sorts">{name}</th>{above}</tr><tr>{below}</tr>'


def group_html(group: Sequence[Column]) -> str:
    """Heading of a group of columns."""
    first = group[0]
    of = f" <small>{escape(first.unit)}</small>" if first.unit else ""
    title = f' title="{escape(first.title)}"' if first.head == "mean" and first.title else ""
    return (
        f'<th scope="colgroup" colspan="{len(group)}" class="group"{title}>'
        f"<span>{escape(first.group)}{of}</span></th>"
    )


def heading(column: Column, begins: bool) -> str:
    """Heading of a column."""
    kind = "sorts begins" if begins else "sorts"
    button = heading_button(column.head, f"{column.group}, ", column.best)
    return f'<th scope="col" class="{kind}" title="{escape(column.title)}">{button}</th>'


def heading_button(head: str, of: str, best: int) -> str:
    """What sorts the rows; plain text where there is no script."""
    return (
        f'<button type="button" data-best="{best}"><span class="unseen">{escape(of)}</span>'
        f"{escape(head)}</button>"
    )


def row_html(
    results: Results, k: int, columns: Sequence[Column], best: Sequence[str | None]
) -> str:
    """One system."""
    system = results.systems[k]
    own = system.kind == OWN
    begins = [j == 0 or columns[j - 1].group != c.group for j, c in enumerate(columns)]
    cells = "".join(
        cell_html(column.cells[k], first, own and top is not None and column.cells[k].text == top)
        for column, first, top in zip(columns, begins, best, strict=True)
    )
    words = ", ".join(filter(None, (kind_words(results, system.name), system.describe)))
    return (
        f'<tr><th scope="row"><span class="system">{mark(kind_of(results, system.name))}'
        f"{breakable(system.name)}</span>"
        f"<small>{escape(words)}</small></th>{cells}</tr>"
    )


def cell_html(cell: Cell, begins: bool, best: bool) -> str:
    """One cell; what it is sorted by stands beside it."""
    kinds = " ".join(["begins"] * begins + ["best"] * best)
    css = f' class="{kinds}"' if kinds else ""
    value = f"{cell.value:.6g}".replace("inf", "Infinity")  # as JavaScript writes it
    known = "" if math.isnan(cell.value) else f' data-value="{value}"'
    return f"<td{css}{known}>{cell.html}</td>"


def legend(results: Results, metrics: Sequence[str]) -> str:
    """What columns measure, and what is bold."""
    terms = [f"<b>{escape(label(m))}</b> {escape(describe(m))}" for m in metrics if describe(m)]
    lower = [escape(label(m)) for m in metrics if direction(m) < 0]
    rule = f"Higher is better, except for {', '.join(lower)}" if lower else "Higher is better"
    kinds = ", ".join(
        f"{mark(kind)} {words}"
        for kind, words in ((OWN, "our chains"), (BOUND, "baseline and bounds"), (PEER, "peers"))
        if names(results, kind)
    )
    marks = "± is half the 95 % interval of a mean over scenes; the best of our chains is bold"
    return f'<p class="legend">{kinds}. {"; ".join(terms)}. {rule}; {marks}.</p>'
