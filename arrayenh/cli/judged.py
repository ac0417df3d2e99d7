"""Quality checks of one recording: find and align the output and the reference, then judge."""

import os
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from arrayenh.audio import SUFFIXES, Recording, headroom, read, split_paths
from arrayenh.chain.enhancer import Enhancer, restored
from arrayenh.cli import terminal
from arrayenh.cli.inputs import MARK
from arrayenh.cli.score import MOST_EXCESS
from arrayenh.errors import AudioError
from arrayenh.evaluation.alignment import aligned, lag, lag_note
from arrayenh.evaluation.qa import Verdict, judge
from arrayenh.evaluation.signals import Signals
from arrayenh.evaluation.thresholds import Profile


@dataclass(frozen=True, slots=True)
class Request:
    """Settings of the quality checks, shared by all recordings.

    The outputs are computed by `enhancer` or read from `enhanced`, a file or a folder. The
    clean speech, `reference`, is a file or a folder too.
    """

    profile: Profile
    enhancer: Enhancer | None
    enhanced: Path | None
    reference: Path | None
    mics: int | None
    channels: tuple[int, ...] | None
    pad: bool
    channel: int | None
    align: bool = False


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict, the files it was computed from, and the log lines."""

    verdict: Verdict
    enhanced: Path | None = None
    reference: Path | None = None
    channel: int | None = None
    log: tuple[str, ...] = ()


def attempt(recording: str, within: Path, request: Request) -> Judged:
    """Judge one recording of a batch; a failure becomes the error of its verdict."""
    started = time.perf_counter()
    try:
        found = judged(recording, within, request)
    except terminal.FAILURES as error:
        found = Judged(Verdict(recording, error=terminal.words(error)))
    elapsed = time.perf_counter() - started
    return replace(found, verdict=replace(found.verdict, seconds=elapsed))


def judged(recording: str, within: Path, request: Request) -> Judged:
    """Judge a recording.

    Raises
    ------
    AudioError
        If a file is missing or cannot be read, or rates or lengths do not match.
    MetricError
        If no check of the profile could be computed.
    """
    source = read(recording, request.mics, request.channels, request.pad)
    enhanced, clean = request.enhanced, request.reference
    if enhanced is not None:
        enhanced = partner(enhanced, recording, within, (MARK, ""), "output")
    if clean is not None:
        clean = partner(clean, recording, within, ("",), "reference")
    if enhanced is None:
        assert request.enhancer is not None
        estimate, channel, log = enhance(request.enhancer, source)
        output = Recording(estimate[None], source.sample_rate, f"enhanced {source.name}")
    else:
        output, log = read(enhanced), source.notes
        channel = source.channels[0] if request.channel is None else request.channel
    files = [(source, row(source, channel)), (output, 0)]
    if clean is not None:
        target = read(clean)
        files.append((target, row(target, channel) if target.n_mics > 1 else 0))
    signals, notes = together(files, request.align)
    after = Signals(signals[1], source.sample_rate, signals[2] if clean else None, noisy=signals[0])
    checks = judge(replace(after, estimate=signals[0]), after, request.profile)
    return Judged(Verdict(recording, checks), enhanced, clean, channel, (*log, *notes))


def partner(given: Path, recording: str, within: Path, marks: tuple[str, ...], what: str) -> Path:
    """Output or reference file of a recording: `given`, or the file of its name in that folder.

    The folder is searched at the recording's relative path, then at the top. The name is that
    of the recording plus the first of `marks` for which a file exists.
    """
    if not given.is_dir():
        return given
    paths = split_paths(recording)
    names = [f"{Path(paths[0]).stem}{mark}" for mark in marks]
    folders = dict.fromkeys((given / within, given))
    for folder in filter(os.path.isdir, folders):
        for name in names:
            there = sorted(
                path
                for path in folder.iterdir()
                if path.stem == name
                and path.suffix.lower() in SUFFIXES
                and not any(os.path.samefile(path, part) for part in paths if part.exists())
            )
            if len(there) > 1:
                raise AudioError(f"{there[0]} and {there[1]} may both be the {what}; give the file")
            if there:
                return there[0]
    raise AudioError(f"{given} holds no {what} called {' or '.join(n + '.*' for n in names)}")


def enhance(enhancer: Enhancer, source: Recording) -> tuple[np.ndarray, int, tuple[str, ...]]:
    """Run the chain as `arrayenh enhance` does.

    Returns the output, (N,), the reference channel and the log lines. Of a binaural output,
    the left ear.

    """
    session = enhancer.open(source)
    pieces = [piece["enhanced"] for piece in session.stages(max(source.n_samples, 1))]
    enhanced = np.atleast_2d(restored(pieces, session.sample_rate, source))
    gain = headroom(float(np.abs(enhanced).max(initial=0.0)))
    return enhanced[0] * np.float32(gain), session.used[session.outputs[0]], tuple(session.log)


def row(recording: Recording, channel: int) -> int:
    """Row of a channel, given its number in the file."""
    if channel not in recording.channels:
        raise AudioError(
            f"{recording.name} has no channel {channel}; in use are "
            f"{', '.join(map(str, recording.channels))}"
        )
    return recording.channels.index(channel)


def together(
    files: list[tuple[Recording, int]], align: bool
) -> tuple[list[np.ndarray], tuple[str, ...]]:
    """The chosen row of each recording, cut to one length, and the log lines.

    Delays are those against the last one, which is the reference, or against the input.
    """
    first, *others = (recording for recording, _ in files)
    for recording in others:
        if recording.sample_rate != first.sample_rate:
            raise AudioError(
                f"{recording.name} has {recording.sample_rate} Hz but {first.name} has "
                f"{first.sample_rate} Hz; resample one of them"
            )
    notes = [f"{recording.name}: {note}" for recording in others for note in recording.notes]
    if others[0].n_mics > 1:
        notes.append(f"{others[0].name} has {others[0].n_mics} channels: channel 0 is judged")
    signals = [recording.samples[row] for recording, row in files]
    k = -1 if len(files) > 2 else 0
    against = files[k][0].name
    lags = [lag(signals[k], signal, first.sample_rate) for signal in signals]
    late = [(recording.name, n) for (recording, _), n in zip(files, lags, strict=True) if n]
    notes += [lag_note(name, against, n, first.sample_rate, align) for name, n in late]
    if align:
        signals = aligned(signals, lags)
    shortest = min(map(len, signals))
    for recording, signal in zip(others, signals[1:], strict=True):
        if max(len(signals[0]), len(signal)) > shortest * (1 + MOST_EXCESS):
            raise AudioError(
                f"{recording.name} has {len(signal)} samples but {first.name} has "
                f"{len(signals[0])}: they must be aligned and equally long; --align does it"
            )
    longest = max(map(len, signals))
    if longest > shortest:
        notes.append(f"lengths differ, {shortest} to {longest} samples: all cut to the shortest")
    return [signal[:shortest] for signal in signals], tuple(notes)
