"""The report of a benchmark: one HTML file to read, hear, print and pass on.

Everything is inside the file, sound and pictures too; it asks nothing of the network.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from arrayenh.errors import ShapeError
from arrayenh.evaluation.results import Results
from arrayenh.files import write_whole
from arrayenh.reports import SUFFIXES
from arrayenh.reports.benchmark import charts
from arrayenh.reports.benchmark.excerpts import (
    SceneSounds,
    addresses_of,
    excerpts_of,
    pictures_of,
)
from arrayenh.reports.benchmark.findings import Findings
from arrayenh.reports.benchmark.scenes import extremes, pick_scenes
from arrayenh.reports.benchmark.table import other_metrics, tables_of
from arrayenh.reports.charts import FEWEST_FOR_A_BOX, name_width
from arrayenh.reports.output import check_output
from arrayenh.reports.rendering import render

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
    found = Findings(results)
    excerpts = excerpts_of(sounds)
    pictures = [pictures_of(excerpt) for excerpt in excerpts]
    what = {
        "found": found,
        "results": results,
        "charts": charts,
        "tables": tables_of(found),
        "metrics": [*found.headlines, *other_metrics(found)],
        "against": charts.against_cost(found),
        "extremes": extremes(found),
        "facts": facts_of(results),
        "anchors": {scene.scene: f"scene-{k}" for k, scene in enumerate(sounds, 1)},
        "name_width": name_width,
        "fewest": FEWEST_FOR_A_BOX,
    }
    room = LARGEST_PAGE - len(render("benchmark.html", **what, scenes=[]))
    room -= sum(len(picture) for scene in pictures for picture in scene)
    heard = zip(sounds, excerpts, pictures, addresses_of(excerpts, room), strict=True)
    return render("benchmark.html", **what, scenes=list(heard))


def facts_of(results: Results) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Short facts, and those that stand in a block of their own."""
    short: list[tuple[str, str]] = []
    long: list[tuple[str, str]] = []
    for key, value in results.facts.items():
        (long if "\n" in value or len(value) > LONGEST_FACT else short).append((key, value))
    return short, long
