"""`arrayenh score`: scores of an estimate against its reference."""

from typing import TYPE_CHECKING, Annotated

import typer

from arrayenh.checks import listed
from arrayenh.cli import terminal
from arrayenh.errors import AudioError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from arrayenh.audio import Recording
    from arrayenh.evaluation.scoring import Score
    from arrayenh.hearing import Audiogram

MOST_EXCESS = 0.01  # relative difference in length that files may have


def command(
    reference: Annotated[
        str, typer.Argument(metavar="REFERENCE", help="The clean speech; LEFT,RIGHT: two ears.")
    ],
    estimate: Annotated[str, typer.Argument(metavar="ESTIMATE", help="The enhanced speech.")],
    mix: Annotated[
        str | None,
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
    audiogram: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help="Hearing of the listener, for HASPI and HASQI: N1 to N7, S1 to S3, NH, two of "
            "them for LEFT,RIGHT, or a TOML, JSON or CSV file. Scores both ears.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Score an estimate against a reference: SNR, SI-SDR, PESQ, STOI, HASPI and more."""
    from arrayenh.audio import split_paths
    from arrayenh.evaluation.scoring import METRICS, chosen
    from arrayenh.hearing import load_audiogram

    listener = None if audiogram is None else load_audiogram(audiogram)
    asked = [] if metrics in (None, "all") else chosen(named(metrics, False, False))
    binaural = listener is not None or len(split_paths(reference)) == 2
    binaural = binaural or any(metric.binaural for metric in asked)
    names = [metric.name for metric in chosen(named(metrics, mix is not None, binaural))]
    files = [reference, estimate, *([mix] if mix else [])]
    (clean, output, *noisy), rate, lags = load(files, channel, align, binaural)
    mixture = noisy[0] if noisy else None
    after, before = (
        None if signal is None else computed(clean, signal, mixture, rate, names, listener)
        for signal in (output, mixture)
    )
    assert after is not None
    if as_json:
        delays = dict(zip(("estimate", "noisy"), lags[1:], strict=False))
        said = {"lags": delays, "aligned": align, "ears": binaural, "audiogram": audiogram}
        terminal.show_json(as_dict(after, before) | said)
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
    terminal.show_table(estimate, columns, rows)
    terminal.warn(reasons(after, ""))
    terminal.warn(reasons(before or {}, "noisy "))


def named(metrics: str | None, with_mix: bool, binaural: bool) -> list[str] | None:
    """Parse the names of scores; "all" selects every score that can be computed."""
    from arrayenh.evaluation.scoring import CORE, METRICS

    if metrics is None:
        both = [name for name, metric in METRICS.items() if metric.binaural]
        return [*CORE, *both] if binaural else None
    names = list(listed(metrics))
    if names != ["all"]:
        return names
    given = {"reference"}
    if with_mix:
        given |= {"noisy"}
    if binaural:
        given |= {"ears", "reference_ears"}
    return [name for name, metric in METRICS.items() if given.issuperset(metric.needs)]


def computed(
    clean: "np.ndarray",
    output: "np.ndarray",
    mixture: "np.ndarray | None",
    rate: int,
    names: list[str],
    listener: "Audiogram | None",
) -> "dict[str, Score]":
    """Scores of one output, (1, N), or of two ears, (2, N)."""
    from arrayenh.evaluation.scoring import Signals, scores_at_ears, scores_of

    if len(clean) == 2:
        return scores_at_ears(clean, output, rate, names, mixture, listener)
    noisy = None if mixture is None else mixture[0]
    return scores_of(Signals(output[0], rate, clean[0], noisy), names)


def load(
    paths: list[str], channel: int | None, align: bool, binaural: bool
) -> "tuple[list[np.ndarray], int, list[int]]":
    """Read one channel, (1, N), or both ears, (2, N), of each file, cut to one length.

    Return also their sample rate and delays.
    """
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
    if binaural:
        signals = two_ears(recordings, paths, channel)
    else:
        named = zip(recordings, paths, strict=True)
        signals = [one_channel(recording, path, channel) for recording, path in named]
    # one delay for both ears: that of the louder one
    loudest = (signals[0] ** 2).sum(axis=1).argmax()
    lags = [lag(signals[0][loudest], signal[loudest], rate) for signal in signals]
    late = [(path, n) for path, n in zip(paths, lags, strict=True) if n]
    terminal.warn(lag_note(path, "the reference", n, rate, align) for path, n in late)
    if align:
        signals = aligned(signals, lags)
    return one_length(signals), rate, lags


def two_ears(
    recordings: "list[Recording]", paths: list[str], channel: int | None
) -> "list[np.ndarray]":
    """Return both channels of each file, with a note on what they are taken for."""
    if channel is not None:
        raise ConfigError("--channel scores one channel, not two ears; omit it, or --audiogram")
    for recording, path in zip(recordings, paths, strict=True):
        if recording.n_mics != 2:
            raise AudioError(
                f"{path} has {recording.n_mics} channels; two ears need 2: a file of two channels, "
                "or LEFT.wav,RIGHT.wav"
            )
    terminal.warn(
        [
            "the two channels are taken for left and right ear; scores of one ear are those of "
            "the better ear"
        ]
    )
    return [recording.samples for recording in recordings]


def one_channel(recording: "Recording", path: str, channel: int | None) -> "np.ndarray":
    """Return the channel to score, (1, N), with a note if it was not chosen among several."""
    if recording.n_mics > 1 and channel is None:
        terminal.warn(
            [f"{path} has {recording.n_mics} channels: channel 0 is scored; --channel chooses"]
        )
    elif recording.n_mics > 1 and not 0 <= (channel or 0) < recording.n_mics:
        raise AudioError(
            f"{path} has {recording.n_mics} channels, 0 to {recording.n_mics - 1}: "
            f"no channel {channel}"
        )
    chosen = 0 if recording.n_mics == 1 else channel or 0
    return recording.samples[chosen : chosen + 1]


def one_length(signals: "list[np.ndarray]") -> "list[np.ndarray]":
    """Cut the signals to the shortest, which may be a little shorter than the others."""
    lengths = [signal.shape[-1] for signal in signals]
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
    return [signal[:, :shortest] for signal in signals]


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
