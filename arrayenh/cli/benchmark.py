"""`arrayenh benchmark`: score and time every system on every scene, and report the results."""

import json
import math
import shlex
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from arrayenh.checks import listed
from arrayenh.cli import terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arrayenh.evaluation.cases.case import Source
    from arrayenh.evaluation.results import Results
    from arrayenh.evaluation.runner import Benchmark, Map
    from arrayenh.evaluation.suite import Suite
    from arrayenh.evaluation.systems.system import System

FOLDER_SYSTEMS = "noisy,mvdr,default"
PLAN = "benchmark.json"
TABLES = ("results.md", "results.csv", "results.parquet")
PACKAGES = ("numpy", "scipy", "numba", "pyroomacoustics", "pesq", "pystoi")


def command(
    what: Annotated[
        str,
        typer.Argument(
            metavar="SUITE|FOLDER|SCENES.toml",
            help="A suite by name (--list), scenes to draw, or a folder: a data set of "
            "'arrayenh simulate', folders noisy and clean, or recordings alone.",
        ),
    ] = "",
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="DIR", help="Folder of tables and the report."),
    ] = None,
    systems: Annotated[
        str | None,
        typer.Option(
            metavar="LIST", help="Systems, joined by commas: noisy,das,mvdr+mmse-lsa; see --list."
        ),
    ] = None,
    metrics: Annotated[
        str | None, typer.Option(metavar="LIST", help="Scores, such as si_sdr,pesq_wb,stoi.")
    ] = None,
    count: Annotated[
        int | None,
        typer.Option("-n", "--count", min=1, help="Number of scenes; the first in a folder."),
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed for drawing the scenes.")] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="A corpus with a manifest.csv: the suite's speech and noise."
        ),
    ] = None,
    split: Annotated[str, typer.Option(help="Split of the corpus.")] = "valid",
    speech: Annotated[
        str | None, typer.Option(metavar="DIR|LIST.csv", help="Speech instead of the suite's.")
    ] = None,
    noise: Annotated[
        str | None, typer.Option(metavar="DIR|LIST.csv", help="Noise instead of the suite's.")
    ] = None,
    array: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="Geometry of a folder's recordings.")
    ] = None,
    target: Annotated[
        str | None, typer.Option(metavar="early|reverberant", help="Reference for the scores.")
    ] = None,
    transcripts: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="CSV of names and texts, for the word error rate."),
    ] = None,
    audiogram: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE", help="Hearing of the listener, for HASPI and HASQI: N3, N3,S2, ..."
        ),
    ] = None,
    baseline: Annotated[str | None, typer.Option(help="System that gains are relative to.")] = None,
    jobs: Annotated[int, typer.Option("--jobs", min=1, help="Processes.")] = 1,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Dask scheduler, tcp://HOST:PORT, instead of --jobs."),
    ] = None,
    costs: Annotated[
        bool, typer.Option(help="Measure speed and memory too, one system after the other.")
    ] = True,
    report: Annotated[bool, typer.Option(help="Write report.html with audio.")] = True,
    show_list: Annotated[
        bool, typer.Option("--list", help="List suites, systems and scores, and stop.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the means as JSON.")] = False,
) -> None:
    """Score every system on every scene, compared with other systems and oracle bounds.

    Writes results.md, results.csv, report.html and, with pyarrow, results.parquet. The same
    command resumes a run that was stopped; after adding a system or a score it computes only
    the new results.
    """
    from arrayenh.errors import ConfigError
    from arrayenh.hearing import load_audiogram

    if show_list:
        from arrayenh.cli.benchmark_list import list_all

        list_all()
        return
    if not what or output is None:
        raise ConfigError(
            "no suite or no -o DIR; for example: arrayenh benchmark quick -o DIR (see --list)"
        )
    listener = None if audiogram is None else load_audiogram(audiogram)
    start = time.perf_counter()
    options = {"seed": seed, "scenes": count, "target": target, "baseline": baseline}
    source, suite = cases(what, output, options, (data, split, speech, noise, array, transcripts))
    bench = benchmark(source, suite, systems, metrics, output)
    bench = replace(bench, audiogram=listener)
    check_plan(output, source)
    results = measured(bench, suite, workers(scheduler, jobs), costs, what)
    write_tables(results, output)
    write_ladders(results, output)
    if report:
        write_report(results, bench, output)
    show(results, output, time.perf_counter() - start, as_json)


def cases(
    what: str, output: Path, options: dict[str, Any], sounds: tuple[Any, ...]
) -> "tuple[Source, Suite]":
    """Cases to enhance and score, and the suite's settings for them."""
    from arrayenh.cli.outputs import check_folder, make_folder, refuse_inputs
    from arrayenh.errors import ConfigError
    from arrayenh.evaluation.cases.drawn import DrawnScenes
    from arrayenh.evaluation.cases.folders import find_cases
    from arrayenh.evaluation.corpus import with_corpus, with_folders
    from arrayenh.evaluation.metrics.recognition import packaged_transcripts, read_transcripts
    from arrayenh.evaluation.suite import Suite, check_target, load_suite
    from arrayenh.microphones.geometry import load_array

    data, split, speech, noise, array, spoken = sounds
    given = {key: value for key, value in options.items() if value is not None}
    texts = packaged_transcripts() | (read_transcripts(spoken) if spoken else {})
    check_folder(output)
    read = map(Path, filter(None, (what, speech, noise, array, spoken)))
    refuse_inputs((output / name for name in (PLAN, *TABLES)), read)
    check_target(given.get("target", "early"))
    if Path(what).is_dir():
        if data or speech or noise or "seed" in given:
            raise ConfigError(
                "a folder has its own recordings: omit --data, --speech, --noise and --seed"
            )
        suite = replace(
            Suite(scene={}, systems=listed(FOLDER_SYSTEMS)),
            **{key: value for key, value in given.items() if key != "scenes"},
        )
        found = find_cases(
            Path(what).resolve(), suite.target, load_array(array) if array else None, texts
        )
        found = replace(found, files=found.files[: given.get("scenes")])
        terminal.warn(found.notes())
        return found, suite
    if array:
        raise ConfigError("--array belongs to a folder of recordings; scenes have their own")
    suite = replace(load_suite(what), **given)
    make_folder(output)
    if data:
        suite = with_corpus(suite, data, split, output / "material")
    suite = with_folders(suite, speech, noise)
    return DrawnScenes(suite, suite.scenes, suite.seed, texts), suite


def benchmark(
    source: "Source", suite: "Suite", systems: str | None, metrics: str | None, output: Path
) -> "Benchmark":
    """Systems and scores, validated before any recording is processed."""
    from arrayenh.evaluation.cache import Cache
    from arrayenh.evaluation.runner import Benchmark
    from arrayenh.evaluation.scoring import METRICS, chosen
    from arrayenh.evaluation.systems.names import systems as named

    names = listed(metrics) if metrics else suite.metrics
    if metrics == "all":
        names = tuple(METRICS)
    chosen(names)
    return Benchmark(
        source,
        tuple(named(systems or ",".join(suite.systems))),
        names,
        Cache((output / "cache").absolute()),
    )


def check_plan(output: Path, source: "Source") -> None:
    """Raise an error if the folder holds the results of another benchmark."""
    from arrayenh.cli.outputs import make_folder
    from arrayenh.errors import AudioError
    from arrayenh.evaluation.cache import stored
    from arrayenh.files import write_whole

    described, said = output / PLAN, source.identity()
    before = stored(described)
    if before and before != said:
        raise AudioError(
            f"{output} holds another benchmark ({next(iter(before.values()))}); "
            f"give another folder, or resume it with the same suite, seed and sounds"
        )
    make_folder(output)
    write_whole(described, json.dumps(said))


def workers(scheduler: str | None, jobs: int) -> "Map":
    """Worker pool: always single-threaded processes, so that scores are reproducible."""
    from arrayenh.cli.simulate import workers as elsewhere
    from arrayenh.scenes.workers import in_processes

    return elsewhere(scheduler, jobs) if scheduler else in_processes(jobs)


def measured(
    bench: "Benchmark", suite: "Suite", mapped: "Map", costs: bool, what: str
) -> "Results":
    """Compute the scores, then the costs."""
    from arrayenh.evaluation.cost import SECONDS, measure_costs
    from arrayenh.evaluation.runner import results_of, run

    with terminal.progress(len(bench.source), "scenes") as progress:
        found = run(bench, mapped, progress)
    facts = {"Command": shlex.join(["arrayenh", *sys.argv[1:]]), **versions()}
    if costs:
        trial = bench.source.case(0).trial
        with terminal.progress(len(bench.systems), "costs") as progress:
            problems = measure_costs(bench.systems, trial, bench.cache, progress)
        terminal.warn(f"{name}: {problem}" for name, problem in problems.items())
        facts["Costs"] = (
            f"one thread, {SECONDS:g} s of {len(trial.mixture)} microphones at "
            f"{trial.sample_rate} Hz, a process for each system"
        )
    facts["Target"] = f"{suite.target} speech at microphone 0"
    title = suite.describe or f"Benchmark of {what}"
    return results_of(title, bench, found, suite.baseline, suite.oracle, facts, suite.headline)


def versions() -> dict[str, str]:
    """Versions of the packages that compute the scores."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    from arrayenh.version import __version__

    found = [f"arrayenh {__version__}"]
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return {"Versions": ", ".join([*found, f"Python {platform.python_version()}"])}


def write_tables(results: "Results", output: Path) -> None:
    """Write the tables atomically."""
    from arrayenh.errors import MissingExtraError
    from arrayenh.evaluation.tables import csv_text, markdown, parquet_bytes
    from arrayenh.files import write_whole

    # the command and the systems may name files in bytes that are not UTF-8
    write_whole(output / TABLES[0], markdown(results).encode("utf-8", "replace"))
    write_whole(output / TABLES[1], csv_text(results).encode("utf-8", "replace"))
    try:
        write_whole(output / TABLES[2], parquet_bytes(results))
    except MissingExtraError as error:
        terminal.warn([str(error)])


def write_ladders(results: "Results", output: Path) -> None:
    """Draw the scores over SNR where the scenes have several SNRs."""
    from arrayenh.cli.figures.ladder import ladder, plot_ladder
    from arrayenh.errors import MissingExtraError
    from arrayenh.files import write_whole

    if ladder(results) is None:
        return
    try:
        write_whole(output / "over-snr.png", plot_ladder(results))
    except MissingExtraError as error:
        terminal.warn([str(error)])


def write_report(results: "Results", bench: "Benchmark", output: Path) -> None:
    """Write the HTML report, with audio of representative scenes."""
    from arrayenh.reports.benchmark.page import (
        SceneSounds,
        pick_scenes,
        write_benchmark_report,
    )

    picked = pick_scenes(results, results.headlines()[0]) if results.headlines() else []
    sounds = []
    with terminal.progress(len(picked), "sounds") as progress:
        for k, (index, why) in enumerate(picked, 1):
            trial = bench.source.case(index).trial
            stages = outputs(bench.systems, trial)
            sounds.append(SceneSounds(results.scenes[index].name, why, trial.sample_rate, stages))
            progress(k)
    write_benchmark_report(output / "report.html", results, sounds, overwrite=True)


def outputs(systems: "Sequence[System]", trial: Any) -> dict[str, Any]:
    """Outputs of the systems that do not fail, and the target."""
    from arrayenh.errors import ArrayenhError

    found = {}
    for system in systems:
        try:
            found[system.name] = system.run(trial).samples
        except ArrayenhError:  # the tables say why
            continue
    return found if trial.target is None else {**found, "target": trial.target[0]}


def show(results: "Results", output: Path, took: float, as_json: bool) -> None:
    """Print the means."""
    from arrayenh.evaluation.tables import printed

    if as_json:
        terminal.show_json(as_dict(results, output, took))
        return
    heads, rows = printed(results)
    terminal.show_table(results.title, heads, rows)
    terminal.say(f"{output}: {len(results.scenes)} cases in {took:.0f} s")
    missing = {(results.systems[s].name, why) for (_, s, _), why in results.reasons.items()}
    terminal.warn(f"{name}: {why}" for name, why in sorted(missing)[:10])


def as_dict(results: "Results", output: Path, took: float) -> dict[str, Any]:
    """Mean scores for JSON."""
    from arrayenh.evaluation.intervals import mean_interval
    from arrayenh.evaluation.metric import infinite

    means: dict[str, Any] = {}
    reasons = {(s, m): why for (_, s, m), why in results.reasons.items()}
    for s, system in enumerate(results.systems):
        row: dict[str, Any] = {}
        for m, name in enumerate(results.metrics):
            found = mean_interval(results.of(system.name, name))
            row[name] = {"mean": found.mean, "low": found.low, "high": found.high, "n": found.n}
            if not math.isfinite(found.mean):
                row[name]["reason"] = infinite(found.mean) or reasons.get((s, m))
        if system.cost:
            row["real_time_factor"] = system.cost.real_time_factor
            row["peak_mb"] = system.cost.peak_mb
            row["latency_ms"] = system.cost.latency_ms
        means[system.name] = row
    said = {"folder": str(output), "cases": len(results.scenes), "took_s": took}
    return {**said, "systems": means}
