"""The page of a report: from sounds and scores to HTML, all in one string."""

from collections.abc import Sequence
from html import escape
from importlib.resources import files

from arrayenh.evaluation.levels import quiet_and_loud_db
from arrayenh.reports.drawings import array_svg
from arrayenh.reports.listening import listening_html
from arrayenh.reports.page import Page, clock
from arrayenh.reports.score_table import columns, summary, table_html
from arrayenh.reports.spectrogram import MAGMA
from arrayenh.version import __version__

POLICY = (
    "default-src 'none'; img-src data:; media-src data:; "
    "style-src 'unsafe-inline'; script-src 'unsafe-inline'"
)
"""The browser itself refuses whatever would come from outside the page."""


def page_html(page: Page) -> str:
    """The whole page of one enhanced recording."""
    return html_document(
        page.title,
        f"{_header(page)}\n{_table(page)}\n{listening_html(page)}\n{_background(page)}",
        ("report.css",),
        ("player.js",),
    )


def html_document(title: str, main: str, styles: Sequence[str], scripts: Sequence[str]) -> str:
    """A page with everything inside.

    Parameters
    ----------
    title : str
    main : str
        HTML.
    styles, scripts : sequence of str
        Files beside this one, in the order they take effect.
    """
    here = files("arrayenh.reports")
    style = "".join(here.joinpath(name).read_text("utf-8") for name in styles)
    script = "".join(here.joinpath(name).read_text("utf-8") for name in scripts)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="arrayenh {escape(__version__)}">
<title>{escape(title)}</title>
<link rel="icon" href="data:,">
<style>
{style}
.scale i {{ background: linear-gradient(to right, {_gradient()}); }}
</style>
</head>
<body>
<main>
{main}
</main>
<footer>Made by arrayenh {escape(__version__)}. Sound and pictures are inside this file.</footer>
<script>
{script}</script>
</body>
</html>
"""


def _gradient() -> str:
    return ", ".join(f"#{colour}" for colour in MAGMA.split())


def _header(page: Page) -> str:
    kind = [f"{_length(page.whole_duration)} at {page.recorded_rate / 1000:g} kHz"]
    kind.append(f"{len(page.stages)} stage{'s' if len(page.stages) > 1 else ''}")
    if page.array:
        kind.append(f"{page.array.n_mics} microphones")
    return (
        f"<header><h1>{escape(page.title)}</h1>"
        f'<p class="summary">{_summary(page)}</p>'
        f'<p class="kind">{" · ".join(kind)}</p></header>'
    )


def _summary(page: Page) -> str:
    """One sentence: what the last stage did to the first."""
    rows = [stage.row for stage in page.stages]
    if len(rows) < 2:
        return f"One stage, {escape(rows[0].name)}: there is nothing to compare it with."
    way = f"From <em>{escape(rows[0].name)}</em> to <em>{escape(rows[-1].name)}</em>"
    gained = summary(rows)
    if gained:
        return f"{way}: {gained}."
    (quiet, loud), (quieter, louder) = (
        quiet_and_loud_db(stage.samples, page.rate) for stage in (page.stages[0], page.stages[-1])
    )
    return (
        f"{way}: the quiet parts are {_change_db(quieter - quiet)}, "
        f"the loud parts {_change_db(louder - loud)}."
    )


def _change_db(change: float) -> str:
    if abs(change) < 0.05:
        return "unchanged"
    return f"<strong>{abs(change):.1f} dB {'louder' if change > 0 else 'softer'}</strong>"


def _table(page: Page) -> str:
    """The scores; without any (no reference, so none exist), the levels of each stage."""
    rows = [stage.row for stage in page.stages]
    if columns(rows):
        return f"<section><h2>Scores</h2>{table_html(rows)}</section>"
    body = []
    for stage in page.stages:
        quiet, loud = quiet_and_loud_db(stage.samples, page.rate)
        note = f"<small>{escape(stage.row.note)}</small>" if stage.row.note else ""
        body.append(
            f'<tr><th scope="row">{escape(stage.row.name)}{note}</th>'
            + "".join(
                f"<td>{level - page.gain_db:.1f}</td>".replace("-", "−") for level in (loud, quiet)
            )
            + "</tr>"
        )
    return (
        '<section><h2>Levels</h2><table><thead><tr><th scope="col">Stage</th>'
        '<th scope="col">Loud parts<small>dB FS</small></th>'
        '<th scope="col">Quiet parts<small>dB FS</small></th></tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table>"
        '<p class="legend">Levels that 95 % (loud: speech) and 10 % (quiet: background) of '
        f"all frames of 20 ms {'of the excerpt ' if page.is_excerpt else ''}stay below. "
        "There is no reference for scores.</p></section>"
    )


def _background(page: Page) -> str:
    """Facts, the array, and the notes; nothing where there is none of them."""
    parts = []
    if page.facts:
        entries = "".join(
            f"<div><dt>{escape(key)}</dt><dd>{escape(str(value))}</dd></div>"
            for key, value in page.facts.items()
        )
        parts.append(f'<section><h2>Facts</h2><dl class="facts">{entries}</dl></section>')
    if page.array:
        parts.append(
            f"<section><h2>Microphones</h2>{array_svg(page.array)}"
            f'<p class="legend">{escape(page.array.name)}, aperture '
            f"{1000 * page.array.aperture:.4g} mm, from above: forward is to the right. "
            "The filled one, 0, is the reference.</p></section>"
        )
    if page.notes:
        items = "".join(f"<li>{escape(note)}</li>" for note in page.notes)
        parts.append(f'<section><h2>Notes</h2><ul class="notes">{items}</ul></section>')
    return "".join(parts)


def _length(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else f"{clock(seconds)} min"
