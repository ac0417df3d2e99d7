"""`arrayenh enhance`: enhance multichannel recordings, one clean voice each."""

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from arrayenh.chain.profile import resolve
from arrayenh.chain.setting_record import INPUT, OUTPUT
from arrayenh.chain.settings import Settings
from arrayenh.cli import terminal
from arrayenh.cli.batch import Request, batch, enhance_one, enhancer_of, outputs_of
from arrayenh.cli.inputs import Job, plan, selection
from arrayenh.cli.options import Array, Channels, Mics, Profile, given, neural, with_settings
from arrayenh.cli.results import Summary
from arrayenh.errors import ConfigError


@with_settings
def command(
    recordings: Annotated[
        list[str],
        typer.Argument(
            metavar="REC...",
            help="Multichannel file, folder, glob, or one mono file per microphone: a.wav,b.wav",
        ),
    ],
    options: dict[str, Any],
    mics: Mics = None,
    channels: Channels = None,
    pad: Annotated[
        bool,
        typer.Option("--pad", help="Pad shorter mono files with silence.", rich_help_panel=INPUT),
    ] = False,
    profile: Profile = None,
    array: Array = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE|DIR",
            help="Output. Default: NAME_enhanced.wav beside REC.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    stages: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Also write the output of every stage.", rich_help_panel=OUTPUT
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.html",
            help="Also write an HTML report with plots and audio.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    rate: Annotated[
        int | None,
        typer.Option(
            metavar="HZ", help="Rate of the output. Default: the input's.", rich_help_panel=OUTPUT
        ),
    ] = None,
    normalise: Annotated[
        bool,
        typer.Option(
            "--normalise",
            help="Normalise the peak of the output to -1 dBFS.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace existing outputs.", rich_help_panel=OUTPUT),
    ] = False,
    jobs: Annotated[
        int,
        typer.Option(
            min=1, help="Number of recordings processed in parallel.", rich_help_panel=OUTPUT
        ),
    ] = 1,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print the summary as JSON.", rich_help_panel=OUTPUT),
    ] = False,
) -> None:
    """Enhance recordings: beamformer, post-filter, one clean voice each.

    Without --array the chain is blind: it needs no geometry. The output has the length, the
    sample rate and the level of the input. If a recording of a batch fails, the others are
    still processed; the failures are listed at the end and the exit code is 1.
    """
    chosen = selection(mics, channels)
    first = chosen[0] if chosen else None
    settings = resolve(profile, given(options, reference=first, **neural(options.get("model"))))
    request = Request(
        settings, array, mics, chosen, pad, stages, report, rate, normalise, overwrite
    )
    planned = plan(recordings, output)
    check(request, planned)
    if len(planned) == 1:
        with terminal.progress(1, Path(planned[0].recording).name) as progress:
            done: list[Summary | str] = [enhance_one(planned[0], request, progress)]
    else:
        with terminal.progress(len(planned), f"{len(planned)} recordings") as progress:
            done = []
            for result in batch(planned, request, jobs):
                done.append(result)
                progress(len(done))
    finish(planned, done, settings if as_json else None)


def check(request: Request, planned: list[Job]) -> None:
    """Validate the request before any recording is processed."""
    from arrayenh.audio import LEAST_RATE, MOST_RATE, split_paths
    from arrayenh.cli.outputs import refuse_inputs

    if request.rate is not None and not LEAST_RATE <= request.rate <= MOST_RATE:
        raise ConfigError(f"--rate must be {LEAST_RATE} to {MOST_RATE} Hz; got {request.rate}")
    if request.report is not None and len(planned) > 1:
        raise ConfigError(
            f"--report is one file for {len(planned)} recordings; enhance one, or omit it"
        )
    if request.stages is not None:
        (place, count), *_ = Counter(job.within / job.output.stem for job in planned).most_common(1)
        if count > 1:
            raise ConfigError(
                f"{count} recordings would write {request.stages / place}.*.wav; "
                f"give each its own --stages folder"
            )
    read = [path for job in planned for path in split_paths(job.recording)]
    written = (outputs_of(job, request).paths(request.settings) for job in planned)
    refuse_inputs((path for paths in written for path in paths), read)
    enhancer_of(request.settings, request.array)  # which the batch goes on with


def finish(planned: list[Job], done: list[Summary | str], as_json: Settings | None) -> None:
    """Print the summaries, for scripts with the settings; exit with 1 if a recording failed."""
    failed = [
        (job.recording, result)
        for job, result in zip(planned, done, strict=True)
        if isinstance(result, str)
    ]
    summaries = [result for result in done if not isinstance(result, str)]
    if as_json is not None:
        results = [
            asdict(result) | {"input": job.recording, "settings": asdict(as_json)}
            for job, result in zip(planned, done, strict=True)
            if not isinstance(result, str)
        ]
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


def show(summary: Summary) -> None:
    """Print the summary as text."""
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
