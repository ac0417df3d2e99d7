"""`arrayenh enhance`: recordings in, clean voices out."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from arrayenh.cli import terminal
from arrayenh.cli.batch import Request, batch, enhance_one
from arrayenh.cli.inputs import Job, direction, microphone, plan, selection
from arrayenh.errors import ConfigError

if TYPE_CHECKING:
    from arrayenh.cli.files import Summary


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
        str | None,
        typer.Option(metavar="K|auto", help="Channel whose speech is kept. Default: first."),
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
        str | None,
        typer.Option(
            metavar="NAME",
            help="mvdr, das, filter-and-sum, superdirective, mpdr, lcmv, gsc, mwf, rank1-mwf, "
            "gev, mcwf, wpd, binaural-mwf or none. Default: mvdr.",
        ),
    ] = None,
    masks: Annotated[
        str | None,
        typer.Option(
            help="Source of the speech statistics: cacgmm, spp or neural. Default: cacgmm."
        ),
    ] = None,
    noise: Annotated[
        str | None,
        typer.Option(metavar="T-T", help="Stretch without speech, 0:00-0:02: the noise."),
    ] = None,
    doa: Annotated[
        str | None,
        typer.Option(metavar="auto|DEG", help="Where the talker is, of several; needs --array."),
    ] = None,
    distance: Annotated[
        float | None, typer.Option(metavar="M", help="Of the talker, if he is near. Default: far.")
    ] = None,
    head: Annotated[
        bool, typer.Option("--head", help="Steer around a head: the microphones are on one.")
    ] = False,
    nulls: Annotated[
        str | None,
        typer.Option(metavar="DEG,DEG", help="Directions that lcmv does not hear: -60,120."),
    ] = None,
    ears: Annotated[
        str | None,
        typer.Option(metavar="L,R", help="Channels of binaural-mwf. Default: from --array."),
    ] = None,
    mu: Annotated[
        float | None, typer.Option(help="mwf: noise against speech distortion. Default: 1.")
    ] = None,
    partial: Annotated[
        float | None, typer.Option(help="binaural-mwf: noise that stays, 0 to 1. Default: 0.2.")
    ] = None,
    frames: Annotated[
        int | None, typer.Option(help="mcwf: frames that the filter sees. Default: 4.")
    ] = None,
    online: Annotated[
        bool,
        typer.Option("--online", help="Frame by frame, as if live: das, mvdr, rank1-mwf, gsc."),
    ] = False,
    memory: Annotated[
        float | None, typer.Option(metavar="S", help="Of --online, seconds. Default: 2.")
    ] = None,
    dereverb: Annotated[
        str | None, typer.Option(help="none or wpe, in front of the beamformer. Default: none.")
    ] = None,
    postfilter: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="mmse-lsa, mmse-stsa, wiener, spectral-subtraction, om-lsa, zelinski, mccowan, "
            "neural or none. Default: mmse-lsa.",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help="Network of the masks, of the post-filter, or A,B of both; see 'arrayenh models'.",
        ),
    ] = None,
    noise_tracker: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Of the post-filter: spp, minimum-statistics or imcra. Default: its own.",
        ),
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
        typer.Option(metavar="S", help="Seconds that share one beamformer. Default: 20."),
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
    from arrayenh.chain.profile import resolve

    chosen, implied = selection(mics, channels), neural(model)
    options = {
        "beamformer": beamformer,
        "masks": masks or implied.get("masks"),
        "noise": noise,
        "doa": direction(doa),
        "distance": distance,
        "head": head or None,
        "nulls": nulls,
        "ears": ears,
        "mu": mu,
        "partial": partial,
        "frames": frames,
        "online": online or None,
        "memory_seconds": memory,
        "dereverb": dereverb,
        "postfilter": postfilter or implied.get("postfilter"),
        "model": model,
        "noise_tracker": noise_tracker,
        "strength": strength,
        "segment_seconds": segment,
        "reference": chosen[0] if reference is None and chosen else microphone(reference),
    }
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
    finish(planned, done, as_json)


def neural(model: str | None) -> dict[str, str]:
    """Settings that are neural because a model for them is given, where nobody says otherwise."""
    if model is None:
        return {}
    from arrayenh.chain.networks import SETTINGS, by_task

    return {SETTINGS[task]: "neural" for task in by_task(model)}


def check(request: Request, planned: list[Job]) -> None:
    """Refuse what is wrong for any recording, before the first of them."""
    from arrayenh.audio import LEAST_RATE, MOST_RATE
    from arrayenh.chain.pipeline import Enhancer

    if request.rate is not None and not LEAST_RATE <= request.rate <= MOST_RATE:
        raise ConfigError(f"--rate must be {LEAST_RATE} to {MOST_RATE} Hz; got {request.rate}")
    if request.report is not None and len(planned) > 1:
        raise ConfigError(
            f"--report is one file for {len(planned)} recordings; enhance one, or leave it out"
        )
    if request.stages is not None:
        (place, count), *_ = Counter(job.within / job.output.stem for job in planned).most_common(1)
        if count > 1:
            raise ConfigError(
                f"{count} recordings would write {request.stages / place}.*.wav; "
                f"give each its own --stages folder"
            )
    Enhancer(request.config, request.array)


def finish(planned: list[Job], done: "list[Summary | str]", as_json: bool) -> None:
    """Print what was done; exit with 1 if some of it failed."""
    from arrayenh.cli import files

    failed = [
        (job.recording, result)
        for job, result in zip(planned, done, strict=True)
        if isinstance(result, str)
    ]
    summaries = [result for result in done if not isinstance(result, str)]
    if as_json:
        results = [
            files.as_json(result) | {"input": job.recording}
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
