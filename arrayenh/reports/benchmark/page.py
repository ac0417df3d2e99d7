"""HTML report of a benchmark: one self-contained file with text, plots and audio.

Audio and pictures are embedded, so a report needs no other file and no network connection.
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
"""Most characters of a page: the audio quality depends on the room that is left."""

LONGEST_FACT = 80
"""Longest fact in a row, characters; longer or multi-line facts get their own block."""


def write_benchmark_report(
    path: str | os.PathLike[str],
    results: Results,
    sounds: Sequence[SceneSounds] = (),
    overwrite: bool = False,
) -> Path:
    """Write the report of a benchmark atomically.

    Parameters
    ----------
    path : path
        Ends in .html.
    results : Results
    sounds : sequence of SceneSounds
        Scenes with audio, such as those of `pick_scenes`; scenes longer than 10 seconds are
        cut to the part with the most speech.
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
    return write_whole(path, page.encode("utf-8", "replace"), overwrite=overwrite)


def check_results(results: Results) -> None:
    """Raise an error if the results do not have the shape (scenes, systems, metrics)."""
    shape = len(results.scenes), len(results.systems), len(results.metrics)
    if 0 in shape or results.values.shape != shape:
        raise ShapeError(
            f"values must have shape (scenes, systems, metrics) = {shape}, none of them 0; "
            f"got {results.values.shape}"
        )


def benchmark_html(results: Results, sounds: Sequence[SceneSounds] = ()) -> str:
    """Render the whole page."""
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
    """Split the facts into short ones and those with their own block."""
    short: list[tuple[str, str]] = []
    long: list[tuple[str, str]] = []
    for key, value in results.facts.items():
        (long if "\n" in value or len(value) > LONGEST_FACT else short).append((key, value))
    return short, long
