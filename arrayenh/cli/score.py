"""`arrayenh score`: scores of an estimate against its reference."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from arrayenh.checks import listed
from arrayenh.cli import terminal
from arrayenh.errors import AudioError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from arrayenh.audio import Recording
    from arrayenh.evaluation.scoring import Score

MOST_EXCESS = 0.01  # relative difference in length that files may have


def command(
    reference: Annotated[Path, typer.Argument(help="The clean speech.")],
    estimate: Annotated[Path, typer.Argument(help="The enhanced speech.")],
    mix: Annotated[
        Path | None,
        typer.Option(
            metavar="NOISY", help="Noisy microphone: adds its scores and the gains over it."
        ),
    ] = None,
    channel: Annotated[
        int | None, typer.Option(help="Channel of files that have several. Default: 0.")
    ] = None,
    align: Annotated[
        bool, typer.Option("--align", help="Shift files that are late or early by up to 1 s.")
    ] = False,
    metrics: Annotated[
        str | None,
        typer.Option(
            metavar="LIST|all",
            help="Scores: si_sdr,csig,srmr; 'arrayenh benchmark --list' lists all.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Score an estimate against a reference: SNR, SI-SDR, PESQ, STOI and more."""
    from arrayenh.evaluation.scoring import METRICS, Signals, chosen, scores_of

    names = [metric.name for metric in chosen(named(metrics, mix is not None))]
    files = [reference, estimate, *([mix] if mix else [])]
    (clean, output, *noisy), rate, lags = load(files, channel, align)
    mixture = noisy[0] if noisy else None
    after = scores_of(Signals(output, rate, clean, mixture), names)
    before = None
    if mixture is not None:
        before = scores_of(Signals(mixture, rate, clean, mixture), names)
    if as_json:
        delays = dict(zip(("estimate", "noisy"), lags[1:], strict=False))
        terminal.show_json(as_dict(after, before) | {"lags": delays, "aligned": align})
        return
    rows = []
    for name, score in after.items():
        metric = METRICS[name]
        cells = [metric.text(score.value)]
        if before:
            was = before[name].value
            cells = [metric.text(was), *cells, metric.text(score.value - was, "+")]
        rows.append((name, *cells, metric.unit))
    columns = ("score", "noisy", "estimate", "gain", "unit") if before else ("score", "", "unit")
    terminal.show_table(str(estimate), columns, rows)
    terminal.warn(reasons(after, ""))
    terminal.warn(reasons(before or {}, "noisy "))


def named(metrics: str | None, with_mix: bool) -> list[str] | None:
    """Parse the names of scores; "all" selects every score that can be computed."""
    from arrayenh.evaluation.scoring import METRICS

    names = None if metrics is None else list(listed(metrics))
    if names != ["all"]:
        return names
    given = {"reference", "noisy"} if with_mix else {"reference"}
    return [name for name, metric in METRICS.items() if given.issuperset(metric.needs)]


def load(
    paths: list[Path], channel: int | None, align: bool
) -> "tuple[list[np.ndarray], int, list[int]]":
    """Read one channel of each file, cut to one length; return also their rate and delays."""
    from arrayenh.audio import read
    from arrayenh.evaluation.alignment import aligned, lag, lag_note

    recordings = [read(path) for path in paths]
    for path, recording in zip(paths, recordings, strict=True):
        terminal.warn(f"{path}: {note}" for note in recording.notes)
        if recording.sample_rate != recordings[0].sample_rate:
            raise AudioError(
                f"{path} has {recording.sample_rate} Hz but {paths[0]} has "
                f"{recordings[0].sample_rate} Hz; resample one of them"
            )
    rate = recordings[0].sample_rate
    signals = [one_channel(r, path, channel) for r, path in zip(recordings, paths, strict=True)]
    lags = [lag(signals[0], signal, rate) for signal in signals]
    late = [(path, n) for path, n in zip(paths, lags, strict=True) if n]
    terminal.warn(lag_note(str(path), "the reference", n, rate, align) for path, n in late)
    if align:
        signals = aligned(signals, lags)
    return one_length(signals), rate, lags


def one_channel(recording: "Recording", path: Path, channel: int | None) -> "np.ndarray":
    """Return the channel to score, with a note if it is one of several and none was chosen."""
    if recording.n_mics == 1:
        return recording.samples[0]
    if channel is None:
        terminal.warn(
            [f"{path} has {recording.n_mics} channels: channel 0 is scored; --channel chooses"]
        )
    elif not 0 <= channel < recording.n_mics:
        raise AudioError(
            f"{path} has {recording.n_mics} channels, 0 to {recording.n_mics - 1}: "
            f"no channel {channel}"
        )
    return recording.samples[channel or 0]


def one_length(signals: "list[np.ndarray]") -> "list[np.ndarray]":
    """Cut the signals to the shortest, which may be a little shorter than the others."""
    lengths = [len(signal) for signal in signals]
    shortest = min(lengths)
    if max(lengths) > shortest * (1 + MOST_EXCESS):
        raise AudioError(
            f"the files differ in length, {shortest} to {max(lengths)} samples: "
            f"they must be aligned and equally long; --align does it"
        )
    if max(lengths) > shortest:
        terminal.warn(
            [f"lengths differ, {shortest} to {max(lengths)} samples: all cut to shortest"]
        )
    return [signal[:shortest] for signal in signals]


def reasons(found: "Mapping[str, Score]", which: str) -> list[str]:
    """Return a line for each reason why scores are missing."""
    names: dict[str, list[str]] = {}
    for name, score in found.items():
        if score.reason is not None:
            names.setdefault(score.reason, []).append(which + name)
    return [f"{', '.join(missing)}: {reason}" for reason, missing in names.items()]


def as_dict(
    after: "dict[str, Score]", before: "dict[str, Score] | None"
) -> dict[str, dict[str, float | str | None]]:
    """Scores, gains and reasons for JSON."""
    result: dict[str, dict[str, float | str | None]] = {
        "estimate": {name: score.value for name, score in after.items()},
        "reasons": {name: score.why for name, score in after.items() if score.why},
    }
    if before:
        result["noisy_reasons"] = {name: score.why for name, score in before.items() if score.why}
        result["noisy"] = {name: score.value for name, score in before.items()}
        result["gains"] = {
            f"delta_{name}": score.value - before[name].value for name, score in after.items()
        }
    return result
