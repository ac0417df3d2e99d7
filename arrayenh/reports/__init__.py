"""A report of one enhanced recording: one HTML file to read, hear, print and pass on.

Everything is inside the file, sound and pictures too; it asks nothing of the network.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from arrayenh.errors import AudioError, ShapeError
from arrayenh.evaluation.scoring import Score
from arrayenh.files import write_whole
from arrayenh.microphones.mic_array import MicArray
from arrayenh.reports.document import page_html
from arrayenh.reports.excerpt import choose_excerpt
from arrayenh.reports.output import check_output
from arrayenh.reports.page import Page, StageSound
from arrayenh.reports.playback import HIGHEST_RATE, common_gain, resampled
from arrayenh.reports.score_table import Row

SUFFIXES = (".html", ".htm")
EXCERPT_S = 60
"""Seconds of sound in a report; a longer recording gives its richest stretch."""


@dataclass(frozen=True, slots=True, eq=False)
class StageReport:
    """What one stage gives.

    Attributes
    ----------
    name : str
        As it stands in the table and on its button: "noisy", "MVDR", "MVDR + MMSE-LSA".
    samples : float ndarray, shape (N,)
        The whole output of the stage.
    scores : mapping of str to Score or float
        By the names of `METRICS`; other names are shown, but not compared.
    note : str
        A few words about the stage.
    """

    name: str
    samples: np.ndarray
    scores: Mapping[str, Score | float] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """All that a report says.

    Attributes
    ----------
    title : str
    stages : sequence of StageReport
        In the order of the flow; gains are over the first, the summary is of the last.
    sample_rate : int
        Hz.
    facts : mapping of str to str
        What was used and how fast, in the order given.
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
    """Write a report, whole or not at all.

    Of a recording longer than a minute, the minute richest in speech is embedded as sound
    and pictures; the scores stay those that were given. All stages play with one common
    gain, so that their loudness compares.

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
    return write_whole(path, page_html(report_page(report)).encode("utf-8", "replace"))


def report_page(report: Report) -> Page:
    """The report as its page shows it: an excerpt, at a rate and level to listen to."""
    whole = report.stages[-1].samples
    excerpt = choose_excerpt(whole, report.sample_rate, EXCERPT_S)
    cut = [np.asarray(stage.samples[excerpt], dtype=np.float32) for stage in report.stages]
    rate = min(report.sample_rate, HIGHEST_RATE)
    cut = [resampled(samples, report.sample_rate, rate) for samples in cut]
    gain = common_gain(cut)
    return Page(
        report.title,
        [
            StageSound(Row(stage.name, stage.note, stage.scores), samples * np.float32(gain))
            for stage, samples in zip(report.stages, cut, strict=True)
        ],
        rate,
        excerpt.start / report.sample_rate,
        whole.size / report.sample_rate,
        report.sample_rate,
        float(20 * np.log10(gain)),
        report.facts,
        report.notes,
        report.array,
    )
