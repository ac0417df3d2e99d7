"""`arrayenh separate`: separate simultaneous talkers into one file each."""

import os
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from arrayenh.cli import terminal
from arrayenh.cli.inputs import OTHER_SUFFIXES, find, selection
from arrayenh.errors import ConfigError

if TYPE_CHECKING:
    from arrayenh.audio import RecordingFile
    from arrayenh.chain.separation import Separation, SeparationConfig
    from arrayenh.cli.files import Progress

ESTIMATING = 0.9  # share of the run time, approximately


@dataclass(frozen=True, slots=True)
class Summary:
    """Summary of the separation of one recording, for the terminal and for `--json`."""

    input: str
    outputs: tuple[str, ...]
    channels: tuple[int, ...]
    method: str
    sample_rate: int
    seconds: float
    elapsed_seconds: float
    real_time_factor: float
    levels_dbfs: tuple[float | None, ...]
    lowered_db: float
    log: tuple[str, ...]


def command(
    recording: Annotated[
        str, typer.Argument(metavar="REC", help="Recording, as in 'arrayenh enhance'.")
    ],
    talkers: Annotated[int, typer.Option(metavar="K", help="Number of talkers, 2 to 6.")] = 2,
    mics: Annotated[int | None, typer.Option(help="Use only the first N microphones.")] = None,
    channels: Annotated[
        str | None, typer.Option(metavar="LIST", help="Use these channels, 0-based: 0,2,3,5.")
    ] = None,
    reference: Annotated[
        int | None,
        typer.Option(metavar="K", help="Reference channel of the outputs. Default: first."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="DIR", help="Folder to write to. Default: that of REC."
        ),
    ] = None,
    method: Annotated[str, typer.Option(help="ilrma, or auxiva (faster).")] = "ilrma",
    iterations: Annotated[
        int | None, typer.Option(min=1, help="Iterations. Default: 50 (ilrma) or 60 (auxiva).")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the random start of ilrma.")] = 0,
    rate: Annotated[
        int | None, typer.Option(metavar="HZ", help="Rate of the outputs. Default: the input's.")
    ] = None,
    pad: Annotated[
        bool, typer.Option("--pad", help="Pad shorter mono files with silence.")
    ] = False,
    sync: Annotated[
        bool,
        typer.Option("--sync", help="Align recordings of separate devices; mono files may differ."),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace existing outputs.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Separate simultaneous talkers: NAME_talker1.wav, NAME_talker2.wav, the loudest first.

    No geometry is needed, but at least as many microphones as talkers, and talkers that do not
    move. The outputs have the length and the sample rate of the input. Each is the signal of
    one talker at the reference microphone.
    """
    from arrayenh.audio import LEAST_RATE, MOST_RATE, open_recording
    from arrayenh.chain.separation import SeparationConfig

    chosen = selection(mics, channels)
    first = chosen[0] if chosen else 0
    config = SeparationConfig(
        talkers=talkers,
        method=method,
        iterations=iterations,
        reference=first if reference is None else reference,
        seed=seed,
        sync=sync,
    )
    if rate is not None and not LEAST_RATE <= rate <= MOST_RATE:
        raise ConfigError(f"--rate must be {LEAST_RATE} to {MOST_RATE} Hz; got {rate}")
    source = open_recording(only_one(recording), mics, chosen, pad or sync)
    outputs = places(source, output, talkers, overwrite)
    with terminal.progress(1, source.name) as progress:
        summary = separate_file(source, config, outputs, rate, overwrite, progress)
    if as_json:
        terminal.show_json(asdict(summary))
    else:
        show(summary)


def only_one(recording: str) -> str:
    """Return the recording that REC names; raise an error if there are several."""
    found = [name for name, _ in find(recording)]
    if len(found) > 1:
        raise ConfigError(f"{recording} holds {len(found)} recordings; separate one at a time")
    return found[0]


def places(
    source: "RecordingFile", output: Path | None, talkers: int, overwrite: bool
) -> list[Path]:
    """Output paths of the talkers, validated before processing starts."""
    from arrayenh.audio import SUFFIXES, check_new
    from arrayenh.cli.outputs import check_folder, refuse_inputs

    first = source.paths[0]
    folder = first.parent if output is None else output
    if folder.suffix.lower() in SUFFIXES | OTHER_SUFFIXES and not os.path.isdir(folder):
        raise ConfigError(f"-o {folder} is one file for {talkers} talkers; give a folder instead")
    outputs = [folder / f"{first.stem}_talker{k + 1}.wav" for k in range(talkers)]
    refuse_inputs(outputs, source.paths)
    for path in outputs:
        check_new(path, overwrite)
    check_folder(folder)
    return outputs


def separate_file(
    source: "RecordingFile",
    config: "SeparationConfig",
    outputs: list[Path],
    rate: int | None = None,
    overwrite: bool = False,
    progress: "Progress" = lambda part: None,
) -> Summary:
    """Separate a recording on disk in bounded memory, and write a file for each talker.

    Parameters
    ----------
    source : RecordingFile
    config : SeparationConfig
    outputs : list of path
        One for each talker.
    rate : int, optional
        Sample rate of the outputs, Hz.
    overwrite : bool
    progress : callable
        Called with the fraction that is done, 0 to 1.

    Raises
    ------
    AudioError
        If the input is damaged or has too few microphones, or an output cannot be written.
    """
    from arrayenh.chain.separation import Separation
    from arrayenh.cli.files import rate_note
    from arrayenh.cli.outputs import make_folder

    started = time.perf_counter()
    rate = rate or source.sample_rate
    separation = Separation(config, source, lambda part: progress(ESTIMATING * part))
    make_folder(outputs[0].parent)
    gain, powers = written(separation, source, outputs, rate, overwrite, progress)
    elapsed, seconds = time.perf_counter() - started, source.n_samples / source.sample_rate
    return Summary(
        source.name,
        tuple(map(str, outputs)),
        separation.used,
        config.method,
        rate,
        seconds,
        elapsed,
        elapsed / seconds,
        tuple(level_dbfs(gain**2 * power) for power in powers),
        max(0.0, level_dbfs(gain**-2) or 0.0),
        (*first_of(source), *separation.log, *rate_note(rate)),
    )


def written(
    separation: "Separation",
    source: "RecordingFile",
    outputs: list[Path],
    rate: int,
    overwrite: bool,
    progress: "Progress",
) -> tuple[float, list[float]]:
    """Write every talker; return the common gain and each talker's mean power before it."""
    from arrayenh.audio import AudioWriter, headroom, resample
    from arrayenh.chain.capture import RATE
    from arrayenh.cli.files import Spool

    powers = [0.0] * len(outputs)
    n_samples = -(-source.n_samples * rate // source.sample_rate)
    with ExitStack() as stack:
        spools = [stack.enter_context(Spool(path.parent, 1)) for path in outputs]
        done = 0
        for block in resample(separation.voices(), len(outputs), RATE, rate):
            for k, (spool, voice) in enumerate(zip(spools, block, strict=True)):
                spool.write(voice[None])
                powers[k] += float(np.sum(voice.astype(np.float64) ** 2)) / n_samples
            done += block.shape[1]
            progress(ESTIMATING + (1 - ESTIMATING) * min(1.0, done / n_samples))
        gain = headroom(
            max(spool.peak for spool in spools)
        )  # one gain for all, to keep their balance
        writers = [
            stack.enter_context(
                AudioWriter(path, rate, 1, n_samples, source.subtype, source.metadata, overwrite)
            )
            for path in outputs
        ]
        for spool, writer in zip(spools, writers, strict=True):
            for piece in spool.read(n_samples):
                writer.write(piece * np.float32(gain))
    return gain, powers


def level_dbfs(power: float) -> float | None:
    """Convert mean power to a level in dBFS; None for silence."""
    return float(10 * np.log10(power)) if power > 0 else None


def first_of(source: "RecordingFile") -> tuple[str, ...]:
    """Note for the user when --mics omits channels."""
    n_mics = source.n_mics
    if n_mics == source.n_channels or source.channels != tuple(range(n_mics)):
        return ()
    return (f"channels used: the first {n_mics} of {source.n_channels}",)


def show(summary: Summary) -> None:
    """Print the summary as text."""
    terminal.warn(f"{summary.input}: {line}" for line in summary.log)
    rows = [
        ("method", summary.method),
        ("channels", ", ".join(map(str, summary.channels))),
        (
            "speed",
            f"{summary.seconds:.1f} s in {summary.elapsed_seconds:.2f} s, "
            f"real-time factor {summary.real_time_factor:.3f}",
        ),
    ]
    if summary.lowered_db > 0.005:
        rows.append(("lowered", f"{summary.lowered_db:.1f} dB, to keep them from clipping"))
    for path, level in zip(summary.outputs, summary.levels_dbfs, strict=True):
        loud = "silent" if level is None else f"{level:.1f} dBFS"
        rows.append(("written", f"{path} ({summary.sample_rate} Hz, {loud})"))
    terminal.out.print(f"[bold]{terminal.escape(summary.input)}[/]")
    for key, value in rows:
        terminal.out.print(f"  [dim]{key:9}[/] {terminal.escape(value)}")
