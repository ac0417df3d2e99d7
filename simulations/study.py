"""Framework of the studies: scenes of several conditions, a table and a plot.

A study is a list of conditions, each with the tree of a scene file, and a function that scores
named systems on one rendered scene. Scene k is drawn from the same random numbers in every
condition, so the conditions use the same rooms as far as possible.
"""

import argparse
import csv
import io
import multiprocessing
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from arrayenh.cli import terminal
from arrayenh.cli.figures.array import write_figure
from arrayenh.drawing import new_figure
from arrayenh.files import write_whole
from arrayenh.scenes.dataset import with_folders
from arrayenh.scenes.draw import draw_scene
from arrayenh.scenes.recipe import Recipe
from arrayenh.scenes.render import Rendered, render

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
MARKERS = "osD^vP*"
Scores = dict[str, float]
AROUND = {"uniform": [-180.0, 180.0]}


@dataclass(frozen=True, slots=True)
class Condition:
    """One point on the horizontal axis: label, position, scene tree.

    Lines connect only conditions of the same group.
    """

    label: str
    x: float
    tree: Mapping[str, Any]
    group: str = ""


@dataclass(frozen=True, slots=True)
class Study:
    """One study.

    Attributes
    ----------
    name, question : str
    x_label, y_label : str
    conditions : sequence of Condition
    score : callable
        Called with a rendered scene and the label of its condition; returns a score by system.
    n_scenes : int
        Default number of scenes.
    """

    name: str
    question: str
    x_label: str
    y_label: str
    conditions: Sequence[Condition]
    score: Callable[[Rendered, str], Scores]
    n_scenes: int = 8


def scene_tree(**changes: Any) -> dict[str, Any]:
    """Scene tree of a meeting room with one talker, a fan and diffuse noise, with changes."""
    tree: dict[str, Any] = {
        "seconds": 6.0,
        "snr_db": 5.0,
        "separation_deg": 30.0,
        "room": {"size": {"uniform": [[4.5, 4.0, 2.5], [7.0, 6.0, 3.2]]}, "rt60": 0.3},
        "array": {"name": "circular4-35mm", "clearance": 1.2, "azimuth_deg": AROUND},
        "talkers": [{"azimuth_deg": AROUND, "distance": 1.2, "height": 1.2}],
        "noises": [
            {"signal": "fan", "azimuth_deg": AROUND, "distance": 1.6, "height": 1.2},
            {"kind": "diffuse", "signal": "pink"},
        ],
    }
    for key, value in changes.items():
        tree[key] = {**tree[key], **value} if isinstance(value, dict) else value
    return tree


def one_scene(study: Study, speech: str | None, seed: int, task: tuple[int, int]) -> Scores:
    """Score one scene of one condition."""
    which, index = task
    condition = study.conditions[which]
    tree = with_folders(condition.tree, speech, None)
    scene = draw_scene(Recipe(study.name, tree), index, seed)
    return study.score(render(scene), condition.label)


def measure(
    study: Study, n_scenes: int, seed: int = 0, jobs: int = 1, speech: str | None = None
) -> list[list[Scores]]:
    """Score all scenes, by condition and scene; the result does not depend on `jobs`."""
    tasks = [(which, k) for which in range(len(study.conditions)) for k in range(n_scenes)]
    work = partial(one_scene, study, speech, seed)
    found: list[Scores] = []
    with terminal.progress(len(tasks), study.name) as progress:
        if jobs == 1:
            for task in tasks:
                found.append(work(task))
                progress(len(found))
        else:
            context = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(jobs, context) as pool:
                for scores in pool.map(work, tasks):
                    found.append(scores)
                    progress(len(found))
    return [found[k : k + n_scenes] for k in range(0, len(found), n_scenes)]


def summary(found: list[list[Scores]]) -> list[dict[str, tuple[float, float]]]:
    """Mean and standard error of each system in each condition."""
    rows = []
    for scenes in found:
        row = {}
        for system in scenes[0]:
            values = np.array([scores[system] for scores in scenes])
            error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
            row[system] = (float(values.mean()), float(error))
        rows.append(row)
    return rows


def markdown(study: Study, rows: list[dict[str, tuple[float, float]]], n_scenes: int) -> str:
    """Format the table as Markdown."""
    systems = list(rows[0])
    lines = [
        f"{study.question} {study.y_label}; mean ± standard error over {n_scenes} scenes.",
        "",
        f"| {study.x_label} | {' | '.join(systems)} |",
        f"|---|{'---:|' * len(systems)}",
    ]
    for condition, row in zip(study.conditions, rows, strict=True):
        cells = (f"{mean:.2f} ± {error:.2f}" for mean, error in row.values())
        lines.append(f"| {condition.label} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def as_csv(study: Study, rows: list[dict[str, tuple[float, float]]]) -> str:
    """Format the results as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("condition", "x", "system", "mean", "standard_error"))
    for condition, row in zip(study.conditions, rows, strict=True):
        for system, (mean, error) in row.items():
            writer.writerow((condition.label, condition.x, system, f"{mean:.4f}", f"{error:.4f}"))
    return text.getvalue()


def plot(study: Study, rows: list[dict[str, tuple[float, float]]], path: Path) -> None:
    """Plot every system over the conditions, with its standard error."""
    figure = new_figure((7.5, 4.6))
    axes = figure.add_subplot()
    x = np.array([condition.x for condition in study.conditions])
    groups = np.array([condition.group for condition in study.conditions])
    for k, system in enumerate(rows[0]):
        means, errors = np.array([row[system] for row in rows]).T
        for group in dict.fromkeys(groups):
            part = groups == group
            axes.errorbar(
                x[part],
                means[part],
                yerr=None if np.isnan(errors).any() else errors[part],
                label=system if group == groups[0] else None,
                color=COLOURS[k % len(COLOURS)],
                marker=MARKERS[k % len(MARKERS)],
                markersize=5,
                capsize=2,
                linestyle="--" if "theory" in system else "-",
            )
    axes.set_xticks(x, [condition.label for condition in study.conditions])
    axes.set_xlabel(study.x_label)
    axes.set_ylabel(study.y_label)
    axes.grid(color="0.9")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right upper", fontsize=8)
    figure.set_layout_engine("constrained")
    write_figure(figure, path)


def main(study: Study) -> None:
    """Measure, print the table, write table and plot."""
    parser = argparse.ArgumentParser(description=study.question)
    parser.add_argument("-n", type=int, default=study.n_scenes, help="scenes of each condition")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--speech", help="folder of speech instead of the packaged voices")
    parser.add_argument(
        "-o", "--output", type=Path, default=Path(__file__).parent / "results", metavar="DIR"
    )
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    rows = summary(measure(study, args.n, args.seed, args.jobs, args.speech))
    table = markdown(study, rows, args.n)
    sys.stdout.write(table)
    write_whole(args.output / f"{study.name}.md", table)
    write_whole(args.output / f"{study.name}.csv", as_csv(study, rows))
    plot(study, rows, args.output / f"{study.name}.png")
