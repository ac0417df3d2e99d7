"""What a recogniser understands: word error rate, by PocketSphinx."""

import csv
import re
from importlib.resources import as_file, files
from pathlib import Path, PurePath
from typing import TextIO

import numpy as np

from arrayenh.audio import SUFFIXES
from arrayenh.errors import ConfigError, MetricError, MissingExtraError
from arrayenh.evaluation.metric import INF, metric
from arrayenh.evaluation.metrics.rates import RATE, at_16_khz
from arrayenh.evaluation.signals import Signals

PEAK = 0.5
"""Of full scale: a recogniser's words do not depend on how loud a file is."""

WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")


def wer(estimate: np.ndarray, sample_rate: int, transcript: str) -> float:
    """Word error rate of PocketSphinx on the estimate.

    A recogniser of before deep networks, easily disturbed: of the clips that ship it gets 2 to
    3 words in 10 wrong when clean, 4 at 30 dB of white noise, 7 at 20 dB and all at 10 dB. It
    compares enhancements; it does not say what a recogniser of today would do.

    Parameters
    ----------
    estimate : float ndarray, shape (N,)
    sample_rate : int
        Hz.
    transcript : str
        The words that are spoken.

    Returns
    -------
    rate : float
        Without unit, 0 and above; as of `word_error_rate`.

    Raises
    ------
    ShapeError
        If the estimate is not a one-dimensional float array.
    MetricError
        If a sample is NaN or infinite, or the transcript holds no word.
    MissingExtraError
        If `pocketsphinx` or `jiwer` is not installed.
    """
    word_error_rate(transcript, "")  # an empty transcript is refused before it takes seconds
    return word_error_rate(transcript, transcribe(estimate, sample_rate))


def _wer(signals: Signals) -> float:
    assert signals.transcript is not None
    return wer(signals.estimate, signals.sample_rate, signals.transcript)


WER = metric(
    "wer",
    "WER",
    "",
    (0.0, INF),
    ("transcript",),
    _wer,
    "words that a recogniser gets wrong",
    lower_is_better=True,
    rank=340,
)


def transcribe(samples: np.ndarray, sample_rate: int) -> str:
    """Words that PocketSphinx hears, with the US English model that it ships.

    At 16 kHz, other rates resampled with soxr; set to one peak, so that the gain does not
    matter. Each call has its own decoder: one that has heard something before hears
    the same signal differently.

    Parameters
    ----------
    samples : float ndarray, shape (N,)
    sample_rate : int
        Hz.

    Returns
    -------
    heard : str
        In lower case without punctuation; empty where nothing was understood.

    Raises
    ------
    ShapeError
        If the samples are not a one-dimensional float array.
    MetricError
        If a sample is NaN or infinite.
    MissingExtraError
        If `pocketsphinx` is not installed.

    References
    ----------
    D. Huggins-Daines et al., "PocketSphinx: a free, real-time continuous speech recognition
    system for hand-held devices", ICASSP 2006.
    """
    try:
        import pocketsphinx
    except ImportError as error:
        raise MissingExtraError(
            "speech recognition needs pocketsphinx: pip install 'arrayenh[recognition]'"
        ) from error
    y = at_16_khz("samples", samples, sample_rate)
    if not y.any():
        return ""
    pcm = np.round(y * (PEAK * 32767 / np.abs(y).max())).astype("<i2")
    decoder = pocketsphinx.Decoder(samprate=RATE, cmn="batch", loglevel="FATAL")
    decoder.start_utt()
    decoder.process_raw(pcm.tobytes(), full_utt=True)
    decoder.end_utt()
    heard = decoder.hyp()
    return heard.hypstr if heard else ""


def word_error_rate(transcript: str, heard: str) -> float:
    """Words that must be changed in what was heard, for each word that was said.

        WER = (substituted + left out + added) / said

    Case and punctuation do not count; apostrophes within words do. Counted by `jiwer`.

    Parameters
    ----------
    transcript : str
        What was said.
    heard : str

    Returns
    -------
    rate : float
        Without unit: 0 where all is right, 1 where nothing was heard; above 1 where more
        words were made up than said. Lower is better.

    Raises
    ------
    MetricError
        If the transcript holds no word.
    MissingExtraError
        If `jiwer` is not installed.
    """
    try:
        import jiwer
    except ImportError as error:
        raise MissingExtraError(
            "word error rates need jiwer: pip install 'arrayenh[recognition]'"
        ) from error
    said = words(transcript)
    if not said:
        raise MetricError(f"the transcript holds no word: {transcript!r}")
    return float(jiwer.wer(said, words(heard)))


def words(text: str) -> str:
    """Words in lower case with one space between, without punctuation.

    Examples
    --------
    >>> words("The far-off shore, isn't it?")
    "the far off shore isn't it"
    """
    return " ".join(WORD.findall(text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")))


def packaged_transcripts() -> dict[str, str]:
    """What the voices say that ship, by the name of the clip, spelt as the recogniser does."""
    with as_file(files("arrayenh.scenes") / "clips" / "transcripts.csv") as path:
        return read_transcripts(path)


def read_transcripts(path: Path) -> dict[str, str]:
    """What is said in recordings, from a table with the columns name and text.

    Parameters
    ----------
    path : Path
        CSV, in which a text with commas stands between quotes, or, called `.tsv`, with tabs.

    Returns
    -------
    transcripts : dict of str to str
        By name, without folder and without the suffix of a sound file.

    Raises
    ------
    ConfigError
        If the file cannot be read, lacks a column, or a line is not a name and words.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            return _transcripts(file, path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path} is not a table of UTF-8 text: {error}") from error


def _transcripts(file: TextIO, path: Path) -> dict[str, str]:
    """The lines of an open table."""
    delimiter, called = ("\t", "tabs") if path.suffix.lower() == ".tsv" else (",", "commas")
    table = csv.DictReader(file, delimiter=delimiter, strict=True)
    if not {"name", "text"} <= set(table.fieldnames or ()):
        raise ConfigError(f"{path} needs a first line with the columns name and text, by {called}")
    found: dict[str, str] = {}
    for row in table:
        name, text = _stem(row["name"] or ""), row["text"] or ""
        where = f"{path}, line {table.line_num}"
        if None in row:
            raise ConfigError(f"{where}: put quotes around a text with {called}")
        if not name or not words(text):
            raise ConfigError(f"{where}: it needs a name and words")
        if name in found:
            raise ConfigError(f"{where}: {name} is there a second time")
        found[name] = text
    if not found:
        raise ConfigError(f"{path} holds no transcripts")
    return found


def _stem(name: str) -> str:
    """A name without folder and without the suffix of a sound file."""
    path = PurePath(name.strip())
    return path.stem if path.suffix.lower() in SUFFIXES else path.name
