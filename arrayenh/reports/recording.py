"""HTML report of one enhanced recording: scores or levels, audio, settings."""

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from arrayenh.audio import encode
from arrayenh.errors import AudioError, ShapeError
from arrayenh.evaluation.levels import quiet_and_loud_db
from arrayenh.evaluation.metric import Score
from arrayenh.evaluation.scoring import METRICS
from arrayenh.files import write_whole
from arrayenh.microphones.mic_array import MicArray
from arrayenh.reports.drawings import array_svg, waveform_svg
from arrayenh.reports.listening import Excerpt, address, excerpt_of
from arrayenh.reports.output import check_output
from arrayenh.reports.rendering import render
from arrayenh.reports.spectrogram import loudest_db, spectrogram_db, spectrogram_png
from arrayenh.reports.words import number

SUFFIXES = (".html", ".htm")
EXCERPT_S = 60
"""Longest audio in a report, s; of a longer recording, the part with the most speech."""


@dataclass(frozen=True, slots=True, eq=False)
class StageReport:
    """Output and scores of one stage.

    Attributes
    ----------
    name : str
        Label in the table and on the button: "noisy", "MVDR", "MVDR + MMSE-LSA".
    samples : float ndarray, shape (N,)
        The whole output of the stage.
    scores : mapping of str to Score or float
        By the names of `METRICS`; other names are shown, but not compared.
    note : str
        Short remark about the stage.
    """

    name: str
    samples: np.ndarray
    scores: Mapping[str, Score | float] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """Contents of a report.

    Attributes
    ----------
    title : str
    stages : sequence of StageReport
        In processing order; gains are relative to the first, the summary describes the last.
    sample_rate : int
        Hz.
    facts : mapping of str to str
        Settings, speed and other facts, in the order given.
    notes : sequence of str
        Lines of the log, warnings.
    array : MicArray, optional

    Raises
    ------
    ShapeError
        If there is no stage, or the stages are not waveforms of one length.
    AudioError
        If a sample is not finite.
    """

    title: str
    stages: Sequence[StageReport]
    sample_rate: int
    facts: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    array: MicArray | None = None

    def __post_init__(self) -> None:
        if not self.stages:
            raise ShapeError("a report needs at least one stage; got none")
        n_samples = np.size(self.stages[0].samples)
        for stage in self.stages:
            shape = np.shape(stage.samples)
            if shape != (n_samples,) or n_samples == 0:
                raise ShapeError(
                    f"stage {stage.name!r} must have shape (N,), N > 0 and alike in all "
                    f"stages; got {shape}, the first stage has {n_samples} samples"
                )
            if not np.isfinite(stage.samples).all():
                raise AudioError(f"stage {stage.name!r} holds NaN or infinite samples")


def write_report(path: str | os.PathLike[str], report: Report, overwrite: bool = False) -> Path:
    """Write a report atomically.

    If the recording is longer than a minute, only the minute with the most speech is embedded
    as audio and pictures; the scores are not changed. All stages have one common gain, so that
    their loudness can be compared.

    Parameters
    ----------
    path : path
        Ends in .html.
    report : Report
    overwrite : bool
        Replace an existing file.

    Returns
    -------
    path : Path

    Raises
    ------
    ConfigError
        If the name does not end in .html or .htm.
    AudioError
        If the file exists, the folder does not, or it cannot be written.
    """
    path = check_output(path, SUFFIXES, overwrite)
    content = recording_html(report).encode("utf-8", "replace")
    return write_whole(path, content, overwrite=overwrite)


HIGHEST_RATE = 48_000
"""Highest sample rate in the page, Hz; audio with a higher rate is resampled."""

HEADLINES = ("si_sdr", "pesq_wb", "stoi", "snr", "pesq_nb", "estoi", "seg_snr")
"""Scores for the summary, the most important first."""

MOST_HEADLINES = 3
NO_VALUE = "no value was given"


def recording_html(report: Report) -> str:
    """Render the whole page."""
    stages, rate = report.stages, report.sample_rate
    excerpt = excerpt_of([s.samples for s in stages], rate, EXCERPT_S, min(rate, HIGHEST_RATE))
    levels = [quiet_and_loud_db(sound, excerpt.rate) for sound in excerpt.sounds]
    return render(
        "recording.html",
        report=report,
        excerpt=excerpt,
        cells=cells(stages),
        changes=list(changes(stages))[:MOST_HEADLINES],
        levels=[(loud - excerpt.gain_db, quiet - excerpt.gain_db) for quiet, loud in levels],
        figures=figures(excerpt),
        array=array_svg(report.array) if report.array else None,
    )


@dataclass(frozen=True, slots=True)
class Cell:
    """Score of a stage: text, change from the first stage, or reason why it is missing."""

    text: str = ""
    change: str = ""
    is_best: bool = False
    reason: str = ""


def cells(stages: Sequence[StageReport]) -> dict[str, list[Cell]]:
    """Cells by score: known scores in the order of `METRICS`, then others."""
    present = list(dict.fromkeys(name for stage in stages for name in stage.scores))
    known = [name for name in METRICS if name in present]
    names = known + [name for name in present if name not in METRICS]
    return {name: column(stages, name) for name in names}


def column(stages: Sequence[StageReport], name: str) -> list[Cell]:
    """Cells of one score for all stages; the best is marked if a known score differs."""
    values = [value_of(stage.scores, name) for stage in stages]
    texts = [number(value, name) for value in values]
    there = [value for value in values if not math.isnan(value)]
    best = None
    if name in METRICS and len({number(value, name) for value in there}) > 1:
        best = number((max if METRICS[name].higher_is_better else min)(there), name)
    found = []
    for k, (stage, value, text) in enumerate(zip(stages, values, texts, strict=True)):
        gain = value - values[0]
        if math.isnan(value):
            found.append(Cell(reason=reason_of(stage.scores, name)))
        elif k and name in METRICS and math.isfinite(gain):
            found.append(Cell(text, number(gain, name, sign=True), text == best))
        else:
            found.append(Cell(text, "", text == best))
    return found


def value_of(scores: Mapping[str, Score | float], name: str) -> float:
    """Value of a score; NaN if the stage has none."""
    score = scores.get(name, math.nan)
    return score.value if isinstance(score, Score) else float(score)


def reason_of(scores: Mapping[str, Score | float], name: str) -> str:
    """Reason why a score has no value; empty if the stage does not have that score."""
    score = scores.get(name)
    if score is None:
        return ""
    return (score.reason if isinstance(score, Score) else None) or NO_VALUE


def changes(stages: Sequence[StageReport]) -> Iterator[tuple[str, float, float]]:
    """Scores for the summary: name, value at the last stage, and gain over the first."""
    for name in HEADLINES:
        before, after = (value_of(stages[k].scores, name) for k in (0, -1))
        if len(stages) > 1 and math.isfinite(after - before):
            yield name, after, after - before


@dataclass(frozen=True, slots=True)
class Figure:
    """Waveform drawing, spectrogram and audio of a stage, the latter two as data URLs."""

    wave: str
    picture: str
    sound: str


def figures(excerpt: Excerpt) -> list[Figure]:
    """Make the figures of all stages; spectrograms share one scale, and so do waveforms."""
    levels = [spectrogram_db(sound, excerpt.rate) for sound in excerpt.sounds]
    loudest = loudest_db(levels)
    peak = max(float(np.abs(sound).max()) for sound in excerpt.sounds) or 1.0
    return [
        Figure(
            waveform_svg(sound, peak),
            address("image/png", spectrogram_png(level, loudest)),
            address("audio/flac", encode(sound, excerpt.rate, "FLAC")),
        )
        for sound, level in zip(excerpt.sounds, levels, strict=True)
    ]
