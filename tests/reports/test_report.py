"""The report: all of it inside, its numbers right, hostile names harmless, whole or not at all."""

import base64
import io
import math
import re
import struct
import sys
import zlib
from html.parser import HTMLParser

import numpy as np
import pytest
import soundfile
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh.audio import encode
from arrayenh.errors import AudioError, ConfigError, MissingExtraError, ShapeError
from arrayenh.evaluation.levels import quiet_and_loud_db
from arrayenh.evaluation.scoring import Score
from arrayenh.microphones.geometry import load_array
from arrayenh.microphones.mic_array import MicArray
from arrayenh.reports import Report, StageReport, output, write_report
from arrayenh.reports.drawings import array_svg, waveform_svg
from arrayenh.reports.excerpt import choose_excerpt
from arrayenh.reports.pictures import save_before_after, spectrogram_figure
from arrayenh.reports.spectrogram import (
    indexed_png,
    loudest_db,
    palette,
    spectrogram_db,
    spectrogram_png,
)

RATE = 16_000
HOSTILE = """<script>alert(1)</script>"onload='x' & </style><img src=x onerror=alert(1)>"""
VOID = {"meta", "link", "img", "input", "wbr"}


class Elements(HTMLParser):
    """Every element of a page with its attributes, and its text; refuses bad nesting."""

    def __init__(self, page):
        super().__init__()
        self.found, self.text, self._open = [], [], []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.text.append((tuple(self._open), data))

    def all(self, tag):
        return [attrs for found, attrs in self.found if found == tag]

    def texts(self, tag):
        return [data for path, data in self.text if tag in path]


def noise(seconds=1.0, rate=RATE, seed=0, level=0.1):
    rng = np.random.default_rng(seed)
    return (level * rng.standard_normal(round(seconds * rate))).astype(np.float32)


def stages(*scores, seconds=1.0):
    return [
        StageReport(f"stage {k}", noise(seconds, seed=k), score) for k, score in enumerate(scores)
    ]


def written(tmp_path, report):
    text = write_report(tmp_path / "report.html", report).read_text("utf-8")
    return text, Elements(text)


def sounds(page):
    """Each embedded sound: samples and rate."""
    found = []
    for attrs in page.all("audio"):
        head, _, data = attrs["src"].partition(",")
        assert head == "data:audio/flac;base64"
        found.append(soundfile.read(io.BytesIO(base64.b64decode(data)), dtype="float32"))
    return found


def rows(page_text):
    """Cells of the body of the table, row by row, without markup."""
    body = page_text.split("<tbody>")[1].split("</tbody>")[0]
    return [
        [re.sub("<[^>]*>", " ", cell).split() for cell in re.findall(r"<t[hd].*?</t[hd]>", row)]
        for row in body.split("</tr>")[:-1]
    ]


def test_nothing_comes_from_outside(tmp_path):
    report = Report(
        "A room", stages({"snr": 1.0}, {"snr": 5.0}), RATE, array=load_array("linear4-35mm")
    )
    text, page = written(tmp_path, report)
    assert "http://" not in text and "https://" not in text and "@import" not in text
    assert "url(" not in text
    for tag, attrs in page.found:
        for key in ("src", "href", "data", "action", "srcset", "poster"):
            target = attrs.get(key, "data:")
            assert target.startswith(("data:", "#")), (tag, target[:40])
    policy = next(a["content"] for a in page.all("meta") if "http-equiv" in a)
    assert policy.startswith("default-src 'none'")


def test_table_shows_scores_gains_and_the_best(tmp_path):
    report = Report(
        "A room",
        stages(
            {"si_sdr": Score(-1.25), "pesq_wb": 1.5, "stoi": 0.7, "real_time_factor": 0.125},
            {"si_sdr": Score(7.0), "pesq_wb": 1.25, "stoi": 0.7, "real_time_factor": 0.5},
            {"si_sdr": Score(6.0), "pesq_wb": 1.75, "stoi": 0.7, "real_time_factor": 0.25},
        ),
        RATE,
    )
    text, page = written(tmp_path, report)
    assert rows(text) == [
        [["stage", "0"], ["−1.25"], ["1.500"], ["0.700"], ["0.125"]],
        [["stage", "1"], ["7.00", "+8.25"], ["1.250", "−0.250"], ["0.700", "±0.000"], ["0.500"]],
        [["stage", "2"], ["6.00", "+7.25"], ["1.750", "+0.250"], ["0.700", "±0.000"], ["0.250"]],
    ]
    table = text.split("<tbody>")[1].split("</tbody>")[0]
    assert re.findall(r'class="best"><strong>(.*?)<', table) == ["7.00", "1.750"]
    summary = re.search(r'<p class="summary">(.*?)</p>', text)[1]
    assert re.sub("<[^>]*>", "", summary) == (
        "From stage 0 to stage 2: SI-SDR up 7.25 dB to 6.00 dB, PESQ-WB up 0.250 to 1.750, "
        "STOI unchanged at 0.700."
    )


def test_summary_admits_a_loss(tmp_path):
    text, _ = written(tmp_path, Report("x", stages({"snr": 5.0}, {"snr": 3.5}), RATE))
    assert "<strong>down 1.50 dB</strong> to 3.50 dB" in text


def test_missing_score_says_why_as_tooltip_and_footnote(tmp_path):
    reason = 'pesq is missing: pip install "arrayenh[eval]"'
    report = Report(
        "x",
        stages(
            {"snr": 1.0, "pesq_wb": Score(math.nan, reason)},
            {"snr": math.nan, "pesq_wb": Score(math.nan, reason)},
            {"snr": math.inf},
        ),
        RATE,
    )
    text, page = written(tmp_path, report)
    titles = [a.get("title") for a in page.all("td") if a.get("class") == "missing"]
    assert titles == [reason, "no value was given", reason, None]
    assert rows(text)[1][1:] == [["n/a", "2"], ["n/a", "1"]]
    assert rows(text)[2][1:] == [["∞"], ["–"]]
    notes = text.split('<ol class="reasons">')[1].split("</ol>")[0]
    assert Elements(f"<ol>{notes}</ol>").texts("li") == [reason, "no value was given"]


def test_hostile_names_stay_text(tmp_path):
    report = Report(
        HOSTILE,
        [
            StageReport(HOSTILE, noise(), {HOSTILE: 1.0, "snr": Score(math.nan, HOSTILE)}, HOSTILE),
            StageReport("\udcff file", noise(), {}),
        ],
        RATE,
        {HOSTILE: HOSTILE},
        [HOSTILE],
        MicArray([[0, 0, 0], [0.1, 0, 0]], "<b>array</b>"),
    )
    text, page = written(tmp_path, report)
    assert len(page.all("script")) == 1 and len(page.all("style")) == 1
    assert not any({"onload", "onerror"} & set(attrs) for _, attrs in page.found)
    assert "<b>array</b>" not in text
    everywhere = [data for data in page.texts("body") if HOSTILE in data]
    assert len(everywhere) >= 9  # title, table, footnote, button, caption, fact, note
    assert HOSTILE in page.texts("title")
    assert "? file" in page.texts("button")


def test_sounds_are_the_stages_with_one_gain(tmp_path):
    loud, soft = noise(seed=1, level=0.05), noise(seed=2, level=0.005)
    report = Report("x", [StageReport("loud", loud), StageReport("soft", soft)], RATE)
    text, page = written(tmp_path, report)
    gain = 0.9 / np.abs(loud).max()
    for (samples, rate), stage in zip(sounds(page), (loud, soft), strict=True):
        assert rate == RATE
        assert_allclose(samples, gain * stage, atol=1 / 32768)
    assert f"same gain, +{20 * math.log10(gain):.1f} dB" in text


def test_without_scores_levels_are_compared(tmp_path):
    hush = np.concatenate([noise(level=0.01), noise(level=0.1)])
    gated = hush * np.repeat(np.float32([0.1, 1.0]), RATE)
    report = Report("x", [StageReport("before", hush), StageReport("after", gated)], RATE)
    text, _ = written(tmp_path, report)
    (_, loud, quiet), (_, loud_after, quiet_after) = rows(text)
    assert loud == loud_after
    assert float(loud[0].replace("−", "-")) == pytest.approx(-20, abs=1)
    assert float(quiet[0].replace("−", "-")) == pytest.approx(-40, abs=1)
    assert float(quiet_after[0].replace("−", "-")) == pytest.approx(-60, abs=1)
    assert "<strong>20.0 dB softer</strong>" in text


def test_player_has_a_button_per_stage_and_plain_controls_without_script(tmp_path):
    _, page = written(tmp_path, Report("x", stages({}, {}, {}), RATE))
    names = [f"stage {k}" for k in range(3)]
    assert [a["data-stage"] for a in page.all("button") if "data-stage" in a] == ["0", "1", "2"]
    assert [a["aria-label"] for a in page.all("audio")] == names
    assert all("controls" in a for a in page.all("audio"))
    assert [name for name in page.texts("button") if name in names] == names
    player = next(a for a in page.all("div") if a.get("id") == "player")
    assert float(player["data-duration"]) == 1.0 and float(player["data-start"]) == 0.0


def test_long_recording_gives_the_speech_rich_minute(tmp_path):
    rate = 8000
    samples = noise(190, rate, level=0.001)
    samples[100 * rate : 160 * rate] *= 50
    samples[20 * rate : 20 * rate + 400] = 1.0  # a slammed door is not speech
    report = Report("x", [StageReport("a", samples, {"snr": 3.0})] * 2, rate)
    text, page = written(tmp_path, report)
    (heard, _), _ = sounds(page)
    gain = 0.9 / np.abs(samples[100 * rate : 160 * rate]).max()
    assert_allclose(heard, gain * samples[100 * rate : 160 * rate], atol=1 / 32768)
    assert "an excerpt, 1:40 to 2:40 of 3:10" in text
    assert "The scores are those of the whole recording" in text
    assert 'data-start="100.0000"' in text
    assert ">1:40</span>" in text


def test_a_minute_is_not_cut():
    assert choose_excerpt(noise(60, 8000), 8000, 60) == slice(0, 480_000)


def test_sound_above_48_khz_is_resampled(tmp_path):
    time = np.arange(96_000) / 96_000
    tone = (0.5 * np.sin(2 * np.pi * 1000 * time)).astype(np.float32)
    text, page = written(tmp_path, Report("x", [StageReport("a", tone)], 96_000))
    ((samples, rate),) = sounds(page)
    assert rate == 48_000 and samples.size == 48_000
    assert_allclose(samples[4800:-4800], 1.8 * tone[::2][4800:-4800], atol=2e-3)
    assert "1.0 s at 96 kHz" in text and "Shown up to 8 of 48 kHz" in text


@pytest.mark.parametrize("samples", [np.zeros(RATE, np.float32), np.zeros(1, np.float32)])
def test_silence_is_dark_and_makes_no_fuss(tmp_path, samples):
    _, page = written(tmp_path, Report("x", [StageReport("nothing", samples)], RATE))
    png = base64.b64decode(page.all("img")[0]["src"].partition(",")[2])
    _, indices, _ = decoded(png)
    assert_array_equal(indices, 0)


def test_size_of_four_stages_of_ten_seconds(tmp_path):
    report = Report("x", stages({}, {}, {}, {}, seconds=10), RATE)
    text, _ = written(tmp_path, report)
    assert len(text) < 5_000_000


def test_existing_report_is_kept_unless_asked(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("mine")
    report = Report("x", stages({}), RATE)
    with pytest.raises(AudioError, match="report.html exists; use --overwrite"):
        write_report(path, report)
    assert path.read_text() == "mine"
    assert write_report(path, report, overwrite=True) == path
    assert path.read_text("utf-8").startswith("<!doctype html>")


def test_failed_write_leaves_the_old_report_and_no_debris(tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(output.os, "replace", full)
    with pytest.raises(AudioError, match="No space left on device"):
        write_report(path, Report("x", stages({}), RATE), overwrite=True)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "name, error, words",
    [
        ("report.pdf", ConfigError, "should end in .html"),
        ("nowhere/report.html", AudioError, "the folder .*nowhere does not exist"),
        ("folder.html", AudioError, "is a folder"),
    ],
)
def test_impossible_path_is_refused(tmp_path, name, error, words):
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(error, match=words):
        write_report(tmp_path / name, Report("x", stages({}), RATE), overwrite=True)


@pytest.mark.parametrize(
    "samples, error, words",
    [
        ([np.zeros((2, 5))], ShapeError, "must have shape"),
        ([np.zeros(0)], ShapeError, "must have shape"),
        ([np.zeros(5), np.zeros(6)], ShapeError, "the first stage has 5 samples"),
        ([np.full(5, np.nan)], AudioError, "NaN"),
        ([], ShapeError, "at least one stage"),
    ],
)
def test_impossible_stages_are_refused(samples, error, words):
    with pytest.raises(error, match=words):
        Report("x", [StageReport("a", each) for each in samples], RATE)


def decoded(png):
    """Size, indices and palette of an indexed PNG, from the specification."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, at = {}, 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        kind, content = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        (check,) = struct.unpack(">I", png[at + 8 + length : at + 12 + length])
        assert check == zlib.crc32(kind + content)
        chunks[kind], at = content, at + 12 + length
    assert list(chunks) == [b"IHDR", b"PLTE", b"IDAT", b"IEND"]
    width, height, *depth = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert depth == [8, 3, 0, 0, 0]
    raw = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, -1)
    assert not raw[:, 0].any()
    colours = np.frombuffer(chunks[b"PLTE"], np.uint8).reshape(256, 3)
    return (width, height), raw[:, 1:], colours


def test_png_holds_its_indices():
    indices = np.arange(15, dtype=np.uint8).reshape(3, 5)
    size, found, colours = decoded(indexed_png(indices, palette()))
    assert size == (5, 3)
    assert_array_equal(found, indices)
    assert_array_equal(colours, palette())


def test_spectrogram_picture_has_low_frequencies_below_and_its_range_in_db():
    level_db = np.array([[0.0, -30.0], [-60.0, -90.0]])
    _, indices, _ = decoded(spectrogram_png(level_db, loudest_db=0.0))
    assert_array_equal(indices, [[0, 0], [255, 128]])


@pytest.mark.parametrize("rate", [8000, 16_000, 44_100, 48_000])
def test_sine_is_in_its_row_at_minus_six_db(rate):
    time = np.arange(2 * rate) / rate
    level_db = spectrogram_db(np.sin(2 * np.pi * 1000 * time), rate)
    top = min(8000, rate / 2)
    row = round(1000 / top * (len(level_db) - 1))
    middle = level_db[:, 20:-20]
    assert set(middle.argmax(axis=0)) == {row}
    # 44.1 kHz: 1 kHz lies 0.02 of a bin off the middle of its row
    assert_allclose(middle[row], -20 * math.log10(2), atol=0.05)


@pytest.mark.parametrize("seconds", [2, 55])
def test_columns_divide_the_duration_evenly(seconds):
    samples = np.zeros(seconds * RATE, np.float32)
    samples[round(0.75 * samples.size)] = 1.0
    level_db = spectrogram_db(samples, RATE)
    assert level_db.shape[1] <= 1400
    heard = np.flatnonzero(level_db.max(axis=0) > -100)
    column_s = seconds / level_db.shape[1]
    middle = (heard.mean() + 0.5) * column_s
    assert middle == pytest.approx(0.75 * seconds, abs=column_s)


def test_rumble_does_not_darken_the_picture():
    level_db = np.full((257, 100), -60.0)
    level_db[0] = 0.0  # one row in 257
    assert loudest_db([level_db]) == -60.0


def test_quiet_and_loud_of_two_levels():
    square = np.tile(np.float32([1, -1]), RATE // 2)
    samples = np.concatenate([0.01 * square, 0.1 * square])
    assert_allclose(quiet_and_loud_db(samples, RATE), [-40, -20], atol=1e-4)


def test_waveform_reaches_its_peaks():
    samples = np.zeros(7000, np.float32)
    samples[5] = 0.5
    samples[6999] = -0.25
    points = re.search(r'd="M(.*)Z"', waveform_svg(samples, 0.5))[1].split()
    assert len(points) == 1400
    assert points[0] == "0,-100" and points[700] == "699,50"


def test_array_drawing_has_left_up_and_the_reference_marked():
    drawing = array_svg(load_array("square4-46mm"))
    circles = Elements(drawing).all("circle")
    positions = load_array("square4-46mm").positions
    drawn = np.array([[float(c["cx"]), float(c["cy"])] for c in circles])[::-1]
    scale = 100 / np.ptp(positions[:, 0])
    assert_allclose(np.diff(drawn[:, 0]), scale * np.diff(positions[:, 0]), atol=0.11)
    assert_allclose(np.diff(drawn[:, 1]), -scale * np.diff(positions[:, 1]), atol=0.11)
    assert [c.get("class") for c in circles] == [None, None, None, "reference"]
    assert sorted(Elements(drawing).texts("text")) == ["0", "1", "2", "3"]


def test_single_microphone_can_be_drawn():
    assert Elements(array_svg(MicArray([[1.0, 2.0, 3.0]]))).texts("text") == ["0"]


@pytest.mark.parametrize("kind", ["FLAC", "WAV"])
def test_encoded_sound_is_a_file_of_16_bits(kind):
    both = np.stack([noise(0.1, seed=1), noise(0.1, seed=2)])
    content = io.BytesIO(encode(both, RATE, kind))
    info = soundfile.info(content)
    assert (info.format, info.subtype, info.samplerate) == (kind, "PCM_16", RATE)
    content.seek(0)
    assert_allclose(soundfile.read(content)[0].T, both, atol=1 / 32768)


def test_encode_clips_and_refuses():
    content = io.BytesIO(encode(np.float32([2.0, -2.0]), RATE, "WAV"))
    assert_allclose(soundfile.read(content)[0], [1, -1], atol=1 / 32767)
    with pytest.raises(ConfigError, match="FLAC or WAV; got 'MP3'"):
        encode(noise(), RATE, "MP3")
    with pytest.raises(AudioError, match="NaN"):
        encode(np.float32([0, np.nan]), RATE)


def test_before_and_after_share_one_scale():
    loud = noise(seed=1, level=0.1)
    figure = spectrogram_figure([loud, 0.1 * loud], RATE, ["$before", "after"])
    waves, pictures = figure.axes[:2], figure.axes[2:4]
    assert [axes.get_title(loc="left") for axes in waves] == ["$before", "after"]
    assert waves[0].get_ylim() == waves[1].get_ylim()
    before, after = (axes.images[0].get_array() for axes in pictures)
    assert_allclose(before - after, 20, atol=1e-3)
    assert {axes.images[0].get_clim() for axes in pictures} == {(-60, 0)}


def test_before_and_after_is_saved_whole(tmp_path):
    path = tmp_path / "picture.png"
    assert save_before_after(path, noise(), noise(seed=1), RATE, ("a", "b")) == path
    assert path.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(AudioError, match="exists"):
        save_before_after(path, noise(), noise(), RATE)
    with pytest.raises(ConfigError, match="should end in .png"):
        save_before_after(tmp_path / "picture.gif", noise(), noise(), RATE)
    with pytest.raises(ShapeError, match="one length"):
        save_before_after(tmp_path / "other.png", noise(), noise(2), RATE)


def test_report_needs_no_matplotlib_and_the_figure_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for name in [name for name in sys.modules if name.startswith("matplotlib.")]:
        monkeypatch.setitem(sys.modules, name, None)
    write_report(tmp_path / "report.html", Report("x", stages({}), RATE))
    with pytest.raises(MissingExtraError, match=r"arrayenh\[eval\]"):
        spectrogram_figure([noise()], RATE, ["a"])
