"""`arrayenh enhance`: recordings in, clean voices out."""

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from arrayenh.app import terminal
from arrayenh.app.inputs import Job, channel_list, direction, plan
from arrayenh.errors import ArrayenhError, ConfigError

if TYPE_CHECKING:
    from arrayenh.app.files import Summary
    from arrayenh.config import EnhanceConfig


@dataclass(frozen=True, slots=True)
class Request:
    """Everything but the recording: the same for all of a batch."""

    config: "EnhanceConfig"
    array: str | None
    mics: int | None
    channels: tuple[int, ...] | None
    pad: bool
    stages: Path | None
    report: Path | None
    rate: int | None
    normalise: bool
    overwrite: bool


def command(
    recordings: Annotated[
        list[str],
        typer.Argument(
            metavar="REC...",
            help="Multichannel file, folder, glob, or one mono file per microphone: a.wav,b.wav",
        ),
    ],
    mics: Annotated[int | None, typer.Option(help="Use the first so many microphones.")] = None,
    channels: Annotated[
        str | None, typer.Option(metavar="LIST", help="Use these channels, 0-based: 0,2,3,5.")
    ] = None,
    array: Annotated[
        str | None,
        typer.Option(metavar="NAME|FILE", help="Geometry; see 'arrayenh arrays list'."),
    ] = None,
    reference: Annotated[
        int | None, typer.Option(metavar="K", help="Channel whose speech is kept. Default: first.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE|DIR",
            help="Where to write. Default: NAME_enhanced.wav beside REC.",
        ),
    ] = None,
    beamformer: Annotated[
        str | None, typer.Option(help="mvdr, das or none. Default: mvdr.")
    ] = None,
    masks: Annotated[
        str | None, typer.Option(help="Source of the speech statistics: spp. Default: spp.")
    ] = None,
    doa: Annotated[
        str | None,
        typer.Option(metavar="auto|DEG", help="Direction of the talker; needs --array."),
    ] = None,
    postfilter: Annotated[
        str | None, typer.Option(help="mmse-lsa, wiener or none. Default: mmse-lsa.")
    ] = None,
    strength: Annotated[
        float | None, typer.Option(help="Blend, 0 (input) to 1 (all). Default: 1.")
    ] = None,
    stages: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Also write the output of every stage.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Also write a page to look and listen.")
    ] = None,
    rate: Annotated[
        int | None, typer.Option(metavar="HZ", help="Rate of the output. Default: the input's.")
    ] = None,
    segment: Annotated[
        float | None,
        typer.Option(metavar="S", help="Seconds that share one beamformer. Default: 30."),
    ] = None,
    normalise: Annotated[
        bool, typer.Option("--normalise", help="Bring the peak of the output to -1 dBFS.")
    ] = False,
    pad: Annotated[
        bool, typer.Option("--pad", help="Fill up shorter mono files with silence.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace outputs that exist.")
    ] = False,
    jobs: Annotated[int, typer.Option(min=1, help="Recordings enhanced at once.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    profile: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE", help="Settings: conference, gentle, recogniser or TOML file."
        ),
    ] = None,
) -> None:
    """Enhance recordings: beamformer, post-filter, one clean voice each.

    Without --array the chain is blind: it needs no geometry. The output is as long as the
    input, at its rate and level. A batch goes on when one recording fails, lists the
    failures at the end, and exits with 1.
    """
    from arrayenh.app.profiles import resolve

    chosen = channel_list(channels)
    options = {
        "beamformer": beamformer,
        "masks": masks,
        "doa": direction(doa),
        "postfilter": postfilter,
        "strength": strength,
        "segment_seconds": segment,
        "reference": chosen[0] if reference is None and chosen else reference,
    }
    planned = plan(recordings, output)
    if report is not None and len(planned) > 1:
        raise ConfigError(f"--report is one file for {len(planned)} recordings")
    request = Request(
        resolve(profile, options),
        array,
        mics,
        chosen,
        pad,
        stages,
        report,
        rate,
        normalise,
        overwrite,
    )
    if len(planned) == 1:
        with terminal.progress(1, Path(planned[0].recording).name) as progress:
            done: list[Summary | str] = [enhance_one(planned[0], request, progress)]
    else:
        with terminal.progress(len(planned), f"{len(planned)} recordings") as progress:
            done = []
            for result in batch(planned, request, jobs):
                done.append(result)
                progress(len(done))
    finish(planned, done, as_json)


def enhance_one(job: Job, request: Request, progress=lambda part: None) -> "Summary":  # type: ignore[no-untyped-def]
    """Enhance one recording of the batch."""
    from arrayenh.app.files import Outputs, enhance_file, make_folder
    from arrayenh.audio import LEAST_RATE, MOST_RATE, open_recording
    from arrayenh.pipeline import Enhancer

    if request.rate is not None and not LEAST_RATE <= request.rate <= MOST_RATE:
        raise ConfigError(f"--rate must be 8000 to 192000 Hz; got {request.rate}")
    source = open_recording(job.recording, request.mics, request.channels, request.pad)
    make_folder(job.output.parent)
    outputs = Outputs(
        job.output,
        request.stages,
        request.report,
        request.rate,
        request.normalise,
        request.overwrite,
    )
    summary = enhance_file(Enhancer(request.config, request.array), source, outputs, progress)
    if request.mics is not None and request.mics < source.n_channels:
        line = f"the first {request.mics} of {source.n_channels} channels are used"
        summary = with_line(summary, line)
    return summary


def with_line(summary: "Summary", line: str) -> "Summary":
    """The summary with one more line in its log."""
    from dataclasses import replace

    return replace(summary, log=(line, *summary.log))


def attempt(job: Job, request: Request) -> "Summary | str":
    """Enhance one of a batch; a failure is its message, not the batch's end."""
    try:
        return enhance_one(job, request)
    except ArrayenhError as error:
        return str(error)


def batch(planned: list[Job], request: Request, jobs: int) -> "Iterator[Summary | str]":
    """Results in the order of the jobs."""
    if jobs == 1:
        yield from (attempt(job, request) for job in planned)
        return
    threads = max(1, (os.cpu_count() or 1) // jobs)
    with ProcessPoolExecutor(
        min(jobs, len(planned)), get_context("spawn"), limit_threads, (threads,)
    ) as pool:
        yield from pool.map(attempt, planned, [request] * len(planned))


def limit_threads(threads: int) -> None:
    """Let the workers of a batch share the processors."""
    os.environ["NUMBA_NUM_THREADS"] = str(threads)


def finish(planned: list[Job], done: "list[Summary | str]", as_json: bool) -> None:
    """Print what was done; exit with 1 if some of it failed."""
    from arrayenh.app import files

    failed = [
        (job.recording, result)
        for job, result in zip(planned, done, strict=True)
        if isinstance(result, str)
    ]
    summaries = [result for result in done if not isinstance(result, str)]
    if as_json:
        results = [files.as_json(summary) for summary in summaries]
        errors = [{"input": name, "error": message} for name, message in failed]
        terminal.show_json(
            results[0] if len(planned) == 1 else {"enhanced": results, "failed": errors}
        )
    else:
        for summary in summaries:
            show(summary)
    if failed:
        terminal.say(f"{len(failed)} of {len(planned)} recordings failed:")
        for name, message in failed:
            terminal.say(f"  {name}: {message}")
        raise typer.Exit(1)


def show(summary: "Summary") -> None:
    """The summary for people."""
    terminal.warn(f"{summary.input}: {line}" for line in summary.log)
    level = summary.level_change_db
    rows = [
        ("stages", " > ".join(summary.stages)),
        ("channels", ", ".join(map(str, summary.channels))),
        (
            "speed",
            f"{summary.seconds:.1f} s in {summary.elapsed_seconds:.2f} s, "
            f"real-time factor {summary.real_time_factor:.3f}",
        ),
        ("level", "silent" if level is None else f"{level:+.1f} dB"),
    ]
    if summary.lowered_db > 0.005:
        rows.append(("lowered", f"{summary.lowered_db:.1f} dB, to keep it from clipping"))
    rows.append(("written", f"{summary.output} ({summary.sample_rate} Hz)"))
    terminal.out.print(f"[bold]{terminal.escape(summary.input)}[/]")
    for key, value in rows:
        terminal.out.print(f"  [dim]{key:9}[/] {terminal.escape(value)}")
