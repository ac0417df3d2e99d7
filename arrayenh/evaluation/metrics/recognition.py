"""Word error rate of the speech recogniser PocketSphinx."""

import re
from importlib.resources import as_file, files
from pathlib import Path, PurePath

import numpy as np

from arrayenh.audio import SUFFIXES
from arrayenh.errors import ConfigError, MetricError, MissingExtraError
from arrayenh.evaluation.metric import INF, metric
from arrayenh.evaluation.metrics.rates import RATE, at_16_khz
from arrayenh.evaluation.signals import Signals
from arrayenh.formats import read_table

PEAK = 0.5
"""Peak relative to full scale; normalised so that the level of a file does not matter."""

WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")


def wer(estimate: np.ndarray, sample_rate: int, transcript: str) -> float:
    """Word error rate of PocketSphinx on the estimate.

    PocketSphinx predates deep networks and is sensitive to noise. On the built-in clips it gets
    2 to 3 words in 10 wrong when clean, 4 at 30 dB SNR in white noise, 7 at 20 dB and all at
    10 dB. The score compares enhancements; it does not predict a modern recogniser.

    Parameters
    ----------
    estimate : float ndarray, shape (N,)
    sample_rate : int
        Hz.
    transcript : str
        The words of the talker.

    Returns
    -------
    rate : float
        Without unit, 0 and above; see `word_error_rate`.

    Raises
    ------
    ShapeError
        If the estimate is not a one-dimensional float array.
    MetricError
        If a sample is NaN or infinite, or the transcript has no word.
    MissingExtraError
        If `pocketsphinx` or `jiwer` is not installed.
    """
    word_error_rate(transcript, "")  # raises for an empty transcript before the slow recognition
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
    """Transcribe a signal with PocketSphinx and its US English model.

    Rates other than 16 kHz are resampled with soxr. The peak is normalised, so the gain does
    not matter. Each call has its own decoder, because a decoder adapts to the signals that it
    has processed.

    Parameters
    ----------
    samples : float ndarray, shape (N,)
    sample_rate : int
        Hz.

    Returns
    -------
    heard : str
        In lower case without punctuation; empty if nothing was recognised.

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
    """Word error rate: word edits between transcript and recognised words, per word spoken.

        WER = (substitutions + deletions + insertions) / words spoken

    Case and punctuation do not count; apostrophes within words do. Counted by `jiwer`.

    Parameters
    ----------
    transcript : str
        Words spoken.
    heard : str

    Returns
    -------
    rate : float
        Without unit: 0 if all words are right, 1 if none was recognised; insertions may raise
        it above 1. Lower is better.

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
    """Convert a text to lower-case words separated by one space, without punctuation.

    Examples
    --------
    >>> words("The far-off shore, isn't it?")
    "the far off shore isn't it"
    """
    return " ".join(WORD.findall(text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")))


def packaged_transcripts() -> dict[str, str]:
    """Transcripts of the built-in clips, by name, in the recogniser's spelling."""
    with as_file(files("arrayenh.scenes") / "clips" / "transcripts.csv") as path:
        return read_transcripts(path)


def read_transcripts(path: Path) -> dict[str, str]:
    """Read transcripts of recordings from a table with the columns name and text.

    Parameters
    ----------
    path : Path
        CSV, with quotes around a text with commas; a `.tsv` file is separated by tabs.

    Returns
    -------
    transcripts : dict of str to str
        By name, without folder and without the suffix of an audio file.

    Raises
    ------
    ConfigError
        If the file cannot be read, lacks a column, or a line is not a name and words.
    """
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    found: dict[str, str] = {}
    for row in read_table(path, ("name", "text"), ConfigError, delimiter=delimiter):
        name, text = _stem(row["name"]), row["text"]
        if not name or not words(text):
            raise ConfigError(f"{row.where}: a name and words are required")
        if name in found:
            raise ConfigError(f"{row.where}: {name} occurs twice")
        found[name] = text
    return found


def _stem(name: str) -> str:
    """Name without folder and without the suffix of an audio file."""
    path = PurePath(name.strip())
    return path.stem if path.suffix.lower() in SUFFIXES else path.name
