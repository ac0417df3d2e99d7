import sys

import numpy as np
import pytest
import soxr
from numpy.testing import assert_allclose

from arrayenh.errors import ConfigError, MetricError, MissingExtraError, ShapeError
from arrayenh.evaluation.metrics.recognition import (
    packaged_transcripts,
    read_transcripts,
    transcribe,
    wer,
    word_error_rate,
    words,
)
from arrayenh.scenes.packaged import CLIPS, load_clip

RATE = 16000


@pytest.fixture(scope="module")
def speech():
    return load_clip("male")[0].astype(np.float64)


@pytest.fixture
def jiwer():
    return pytest.importorskip("jiwer", reason="counting words needs jiwer: arrayenh[recognition]")


@pytest.fixture
def recogniser():
    return pytest.importorskip(
        "pocketsphinx", reason="recognition needs pocketsphinx: arrayenh[recognition]"
    )


@pytest.mark.parametrize(
    ("heard", "rate"),
    [
        ("the cat sat on the mat", 0),
        ("The cat, sat -- on the MAT!", 0),
        ("the cat sat on mat", 1 / 6),
        ("the bat sat on the mat", 1 / 6),
        ("the cat sat on on the mat", 1 / 6),
        ("", 1),
        ("mat", 5 / 6),
        ("one two three four five six seven eight nine", 9 / 6),
    ],
)
def test_each_wrong_word_counts_once(jiwer, heard, rate):
    assert_allclose(word_error_rate("The cat sat on the mat.", heard), rate, atol=1e-12)


def test_what_is_a_word():
    assert words("It's  7 o'clock:\n'far-off' No_Name…") == "it's 7 o'clock far off no name"
    assert words("Isn\N{RIGHT SINGLE QUOTATION MARK}t") == "isn't"


@pytest.mark.parametrize("transcript", ["", " ", "?!"])
def test_no_words_have_no_error_rate(jiwer, speech, transcript):
    with pytest.raises(MetricError, match="the transcript holds no word"):
        word_error_rate(transcript, "hello")
    with pytest.raises(MetricError, match="the transcript holds no word"):
        wer(speech, RATE, transcript)


def test_most_of_a_clean_clip_is_understood(recogniser, jiwer, speech):
    assert wer(speech, RATE, packaged_transcripts()["male"]) < 0.3


@pytest.mark.slow
def test_noise_leaves_little(recogniser, jiwer, speech):
    noise = speech.std() * np.random.default_rng(0).standard_normal(speech.size)
    text = packaged_transcripts()["male"]
    rates = [wer(speech + gain * noise, RATE, text) for gain in (0.01, 0.1)]
    assert 0.3 > rates[0] > 0 and rates[1] > 0.6


@pytest.mark.slow
def test_it_hears_the_same_again_at_any_gain(recogniser, speech):
    # a decoder that is used again hears some clips differently, the second time
    part = load_clip("female")[0].astype(np.float64)
    first = transcribe(part, RATE)
    transcribe(speech[: 2 * RATE], RATE)
    assert transcribe(part, RATE) == first
    assert transcribe(1e-4 * part, RATE) == first
    assert first == words(first)


def test_other_rates_are_resampled(recogniser, speech):
    # soxr there and back leaves all but the last 1 % of the band, where there is no filter
    assert transcribe(soxr.resample(speech, RATE, 48000), 48000) == transcribe(speech, RATE)


def test_silence_says_nothing(recogniser, capfd):
    assert transcribe(np.zeros(RATE), RATE) == ""
    assert transcribe(np.array([0.1]), RATE) == ""
    assert transcribe(np.array([0.1]), 96000) == ""
    assert capfd.readouterr() == ("", "")  # its log


def test_what_is_no_recording_is_refused(recogniser, speech):
    with pytest.raises(ShapeError, match=r"samples must have shape \(N,\)"):
        transcribe(speech[None], RATE)
    with pytest.raises(MetricError, match="samples must be finite"):
        transcribe(speech + np.nan, RATE)
    with pytest.raises(MetricError, match="whole number of Hz"):
        transcribe(speech, -1)


@pytest.mark.parametrize(("name", "call"), [("jiwer", word_error_rate), ("pocketsphinx", None)])
def test_what_is_missing_is_said(monkeypatch, speech, name, call):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=rf"{name}: pip install 'arrayenh\[recognition\]'$"):
        if call is None:
            transcribe(speech, RATE)
        else:
            call("a", "b")


def test_every_clip_that_ships_has_its_text():
    texts = packaged_transcripts()
    assert set(texts) == set(CLIPS)
    assert texts["male"].startswith("Yesterday our neighbor fixed")


@pytest.mark.parametrize("name", ["texts.csv", "texts.tsv", "TEXTS.TSV"])
def test_transcripts_are_read_by_name(tmp_path, name):
    path = tmp_path / name
    lines = ["name,text,by", '84-1-2.flac,"Well, yes",me', "in/b.c,No,you", ""]
    if path.suffix.lower() == ".tsv":
        lines = ["name\ttext\tby", "84-1-2.flac\tWell, yes\tme", "in/b.c\tNo\tyou", ""]
    path.write_text("\ufeff" + "\r\n".join(lines), encoding="utf-8")
    assert read_transcripts(path) == {"84-1-2": "Well, yes", "b.c": "No"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "needs a first line with the columns name and text, by commas"),
        ("a,hello\n", "needs a first line with the columns name and text, by commas"),
        ("name\ttext\na\tb\n", "needs a first line with the columns name and text, by commas"),
        ("name,text\n", "has no line below the names of its columns"),
        (
            "name,text\na,Well, yes\n",
            "line 2: 3 cells for 2 columns; put quotes around a text with commas",
        ),
        ("name,text\na,b\nc,\n", "line 3: text must be given"),
        ("name,text\na,b\nc\n", "line 3: text must be given"),
        ("name,text\n,b\n", "line 2: name must be given"),
        ("name,text\na,...\n", "line 2: a name and words are required"),
        ("name,text\na,b\na.wav,c\n", "line 3: a occurs twice"),
        ('name,text\na,"b\n', "line 2: not CSV: unexpected end of data"),
    ],
)
def test_a_table_that_is_none_is_refused_in_one_line(tmp_path, text, problem):
    path = tmp_path / "texts.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_transcripts(path)
    message = str(caught.value)
    assert problem in message and message.startswith(str(path)) and "\n" not in message


def test_a_table_that_cannot_be_read(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_transcripts(tmp_path / "none.csv")
    (tmp_path / "latin.csv").write_bytes("name,text\na,é\n".encode("latin-1"))
    with pytest.raises(ConfigError, match="latin.csv is not UTF-8 text"):
        read_transcripts(tmp_path / "latin.csv")
