"""The report of a benchmark: one HTML file to read, hear, print and pass on.

Everything is inside the file, sound and pictures too; it asks nothing of the network.
"""

import os
from collections.abc import Sequence
from html import escape
from pathlib import Path

from arrayenh.errors import ShapeError
from arrayenh.evaluation.results import Results, SystemFacts
from arrayenh.files import write_whole
from arrayenh.reports import SUFFIXES
from arrayenh.reports.benchmark.conditions import conditions_html
from arrayenh.reports.benchmark.cost import cost_html
from arrayenh.reports.benchmark.excerpts import SceneSounds
from arrayenh.reports.benchmark.findings import kind_of
from arrayenh.reports.benchmark.gains import gains_html
from arrayenh.reports.benchmark.rows import mark
from arrayenh.reports.benchmark.scenes import pick_scenes, scenes_html
from arrayenh.reports.benchmark.sounds import anchors, sounds_html
from arrayenh.reports.benchmark.summary import header_html
from arrayenh.reports.benchmark.table import table_html
from arrayenh.reports.benchmark.words import kind_words
from arrayenh.reports.document import html_document
from arrayenh.reports.output import check_output

__all__ = ["SceneSounds", "pick_scenes", "write_benchmark_report"]

LARGEST_PAGE = 4_800_000
"""Characters: sounds are as fine as the rest of the page leaves room for."""

LONGEST_FACT = 80
"""A longer one, or one of several lines, stands in a block of its own."""


def write_benchmark_report(
    path: str | os.PathLike[str],
    results: Results,
    sounds: Sequence[SceneSounds] = (),
    overwrite: bool = False,
) -> Path:
    """Write the report of a benchmark, whole or not at all.

    Parameters
    ----------
    path : path
        Ends in .html.
    results : Results
    sounds : sequence of SceneSounds
        Scenes to listen to, such as those of `pick_scenes`; of more than 10 seconds the
        stretch richest in speech is taken.
    overwrite : bool
        Replace an existing file.

    Returns
    -------
    path : Path

    Raises
    ------
    ConfigError
        If the name does not end in .html or .htm.
    ShapeError
        If there is no scene, system or metric, or `values` is not of their shape.
    AudioError
        If the file exists, the folder does not, or it cannot be written.
    """
    check_results(results)
    path = check_output(path, SUFFIXES, overwrite)
    page = benchmark_html(results, sounds)
    return write_whole(path, page.encode("utf-8", "replace"))


def check_results(results: Results) -> None:
    """Refuse results that are no table of scenes, systems and metrics."""
    shape = len(results.scenes), len(results.systems), len(results.metrics)
    if 0 in shape or results.values.shape != shape:
        raise ShapeError(
            f"values must have shape (scenes, systems, metrics) = {shape}, none of them 0; "
            f"got {results.values.shape}"
        )


def benchmark_html(results: Results, sounds: Sequence[SceneSounds] = ()) -> str:
    """The whole page."""
    numbers = [
        header_html(results),
        gains_html(results),
        table_html(results),
        cost_html(results),
        conditions_html(results),
        scenes_html(results, anchors(sounds)),
    ]
    end = reproduction_html(results)
    room = LARGEST_PAGE - sum(map(len, [*numbers, end]))
    main = "\n".join(filter(None, [*numbers, sounds_html(results, sounds, room), end]))
    return html_document(
        results.title,
        main,
        ("report.css", "benchmark.css"),
        ("player.js", "benchmark.js"),
    )


def reproduction_html(results: Results) -> str:
    """Facts, and what every system is."""
    short: list[tuple[str, str]] = []
    long: list[tuple[str, str]] = []
    for key, value in results.facts.items():
        (long if "\n" in value or len(value) > LONGEST_FACT else short).append((key, value))
    facts = "".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in short)
    blocks = "".join(f"<h3>{escape(k)}</h3><pre>{escape(v.strip())}</pre>" for k, v in long)
    systems = "".join(system_html(results, system) for system in results.systems)
    return (
        '<section id="reproduction"><h2>Reproduction</h2>'
        f"{f'<dl class=facts>{facts}</dl>' if facts else ''}{blocks}"
        f'<h3>Systems</h3><ul class="notes systems-list">{systems}</ul></section>'
    )


def system_html(results: Results, system: SystemFacts) -> str:
    """One system in a line."""
    words = f": {escape(system.describe)}" if system.describe else ""
    return (
        f"<li>{mark(kind_of(results, system.name))}<b>{escape(system.name)}</b> "
        f"({kind_words(results, system.name)}){words}</li>"
    )
