"""`arrayenh localize`: tables, CSV, JSON, figures, and requests that cannot be."""

import csv
import json
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from arrayenh.acoustics.steering import direction
from arrayenh.chain import localisation as located_module
from arrayenh.chain.localisation import Request, Rows, locate
from arrayenh.cli.figures.directions import azimuth_range, plot_directions
from arrayenh.cli.localize import COLUMNS
from arrayenh.cli.main import run
from arrayenh.localisation.grid import DirectionGrid
from arrayenh.localisation.tracking import Moment
from arrayenh.localisation.tracks import Track
from arrayenh.microphones.geometry import load_array
from tests.signals import RATE, arrivals, delayed, voice

ROOT = Path(__file__).parents[2]
REQUEST = Request("circular4-35mm", None, None, False, "srp-phat", None, 0.25)


def heard(array, *parts, n_samples=3 * RATE, rate=RATE):
    """A voice, or several in turn, (azimuth_deg, elevation_deg, from_s, to_s), float32 (M, N)."""
    rng, positions = np.random.default_rng(0), load_array(array).positions
    x = 1e-4 * rng.standard_normal((len(positions), n_samples))
    for azimuth_deg, elevation_deg, start, stop in parts:
        sound = 0.05 * voice(rng, n_samples, rate=rate)
        sound[: int(start * rate)] = sound[int(stop * rate) :] = 0
        tau = arrivals(positions, np.deg2rad(azimuth_deg), np.deg2rad(elevation_deg))
        x += delayed(sound, tau, rate)
    return x.astype(np.float32)


def save(path, samples, rate=RATE):
    soundfile.write(path, np.atleast_2d(samples).T, rate, "FLOAT")
    return path


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save("rec.wav", heard("circular4-35mm", (60, 0, 0, 3)))
    return tmp_path


@pytest.fixture
def call(capsys):
    """Runs a command line; gives (exit code, stdout, stderr)."""

    def arrayenh(line):
        capsys.readouterr()
        code = run(shlex.split(line))
        return code, *capsys.readouterr()

    return arrayenh


def found_in(call, line):
    code, out, err = call(f"localize {line} --json")
    assert code == 0, err
    return json.loads(out)


# ---- what is found -----------------------------------------------------------------------


def test_the_table_says_when_from_where_and_what_cannot_be_told(here, call):
    code, out, err = call("localize rec.wav --array circular4-35mm --step 0.5")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert "rec.wav: 3.00 s, circular4-35mm, channels 0, 1, 2, 3, srp-phat" in lines[0]
    rows = [line.split() for line in lines if line[1:2] == "." and line[:1].isdigit()]
    assert [row[0] for row in rows][-4:] == ["1.00", "1.50", "2.00", "2.50"]
    assert all(abs(float(row[2]) - 60) < 2 for row in rows)
    assert "Talkers, over the whole recording" in out and "100 %" in out
    assert "cannot distinguish up from down" in lines[-1]


def test_json_has_the_numbers_of_the_table(here, call):
    result = found_in(call, "rec.wav --array circular4-35mm")
    (talker,) = result["talkers"]
    assert talker["azimuth_deg"] == pytest.approx(60, abs=2)
    assert talker["share"] == 1 and talker["spread_deg"] < 5
    assert result["hears"] == "plane" and result["channels"] == [0, 1, 2, 3]
    assert result["array"] == "circular4-35mm" and result["method"] == "srp-phat"
    times = [row["time_s"] for row in result["directions"]]
    assert np.allclose(np.diff(times), 0.25) and times[0] % 0.25 == 0
    assert all(0 < row["confidence"] <= 1 for row in result["directions"])


def test_csv_holds_every_row(here, call):
    code, _, err = call("localize rec.wav --array circular4-35mm --csv out/rows.csv")
    assert code == 0 and "written: out/rows.csv" in err
    with open("out/rows.csv") as file:
        rows = list(csv.DictReader(file))
    result = found_in(call, "rec.wav --array circular4-35mm")
    assert tuple(rows[0]) == COLUMNS and len(rows) == len(result["directions"])
    for row, wanted in zip(rows, result["directions"], strict=True):
        assert float(row["azimuth_deg"]) == pytest.approx(wanted["azimuth_deg"], abs=0.051)
        assert float(row["time_s"]) == pytest.approx(wanted["time_s"])


@pytest.mark.parametrize("method", ["music", "norm-music"])
def test_the_methods_agree_in_the_open(here, call, method):
    result = found_in(call, f"rec.wav --array circular4-35mm --method {method}")
    assert result["method"] == method
    assert result["talkers"][0]["azimuth_deg"] == pytest.approx(60, abs=3)


def test_a_line_says_so_and_leaves_elevation_empty(here, call):
    save("line.wav", heard("linear4-35mm", (-120, 0, 0, 3)))
    result = found_in(call, "line.wav --array linear4-35mm")
    assert result["hears"] == "line" and "mirror image" in result["ambiguity"]
    assert result["talkers"][0]["azimuth_deg"] == pytest.approx(120, abs=2)
    assert {row["elevation_deg"] for row in result["directions"]} == {None}
    _, out, _ = call("localize line.wav --array linear4-35mm --csv line.csv")
    assert "mirror image is equivalent" in out
    assert Path("line.csv").read_text().splitlines()[1].split(",")[3] == ""


def test_a_tetrahedron_gives_elevation(here, call):
    save("tetra.wav", heard("tetrahedral4-40mm", (-75, -40, 0, 3)))
    (talker,) = found_in(call, "tetra.wav --array tetrahedral4-40mm")["talkers"]
    assert talker["azimuth_deg"] == pytest.approx(-75, abs=3)
    assert talker["elevation_deg"] == pytest.approx(-40, abs=3)


def test_two_in_turn_are_two_talkers_unless_one_is_asked_for(here, call):
    save("two.wav", heard("circular4-35mm", (60, 0, 0, 2), (-100, 0, 2, 4), n_samples=4 * RATE))
    talkers = found_in(call, "two.wav --array circular4-35mm")["talkers"]
    assert sorted(round(t["azimuth_deg"] / 10) for t in talkers) == [-10, 6]
    assert len(found_in(call, "two.wav --array circular4-35mm --talkers 1")["talkers"]) == 1


def test_channels_pick_the_microphones_of_the_array(here, call):
    shuffled = heard("circular4-35mm", (60, 0, 0, 3))[[3, 1, 0, 2]]
    rng = np.random.default_rng(1)
    save("six.wav", np.concatenate([1e-3 * rng.standard_normal((2, shuffled.shape[1])), shuffled]))
    result = found_in(call, "six.wav --array circular4-35mm --channels 4,3,5,2")
    assert result["talkers"][0]["azimuth_deg"] == pytest.approx(60, abs=2)
    assert result["channels"] == [4, 3, 5, 2]


def test_a_dead_microphone_is_left_out(here, call):
    x = heard("circular6-46mm", (60, 0, 0, 3))
    x[2] = 0
    save("faulty.wav", x)
    code, out, err = call("localize faulty.wav --array circular6-46mm")
    assert code == 0 and "microphone 2 is dead" in err
    result = found_in(call, "faulty.wav --array circular6-46mm")
    assert result["channels"] == [0, 1, 3, 4, 5] and len(result["log"]) >= 1
    assert result["talkers"][0]["azimuth_deg"] == pytest.approx(60, abs=2)


def test_other_rates_give_the_same_direction_and_time(here, call):
    save("fast.wav", heard("circular4-35mm", (60, 0, 0, 3), n_samples=3 * 44100, rate=44100), 44100)
    fast, slow = (
        found_in(call, f"{name} --array circular4-35mm") for name in ("fast.wav", "rec.wav")
    )
    assert fast["talkers"][0]["azimuth_deg"] == pytest.approx(60, abs=2)
    assert fast["directions"][-1]["time_s"] == slow["directions"][-1]["time_s"]


def test_a_flipped_microphone_is_put_right(here, call):
    x = heard("circular3-35mm", (60, 0, 0, 3))
    x[1] *= -1
    save("flipped.wav", x)
    result = found_in(call, "flipped.wav --array circular3-35mm")
    assert any("polarity" in line for line in result["log"])
    assert result["talkers"][0]["azimuth_deg"] == pytest.approx(60, abs=2)


def test_the_file_gives_what_the_spectrum_gives_to_its_last_block(here):
    """2.98 s: the last block of 0.1 s is complete only with the frames after the end."""
    x = heard("circular4-35mm", (60, 0, 0, 3))[:, : int(2.98 * RATE)]
    found = locate(str(save("short.wav", x)), REQUEST)
    config = located_module.TrackerConfig("srp-phat", None, 0.1)
    frames, positions = located_module.FRAMES, load_array("circular4-35mm").positions
    tracker = located_module.DirectionTracker(positions, frames.freqs(RATE), 0.01, config)
    rows = Rows(tracker.grid, 0.25)
    moments = tracker.push(frames.analyse(x))
    assert len(moments) == 30 and moments[-1].directions
    for moment in moments:
        rows.add(moment)
    assert [row.direction for row in found.rows] == [row.direction for row in rows.done()]


def test_blocks_of_reading_do_not_matter(here, monkeypatch):
    whole = locate("rec.wav", REQUEST)
    monkeypatch.setattr(located_module, "PIECE", 777)
    pieces = locate("rec.wav", REQUEST)
    assert [row.direction for row in pieces.rows] == [row.direction for row in whole.rows]


def test_silence_has_no_direction_and_is_no_error(here, call):
    save("silent.wav", np.zeros((4, RATE)))
    code, out, err = call("localize silent.wav --array circular4-35mm --plot silent.png")
    assert code == 0 and "no direction" in out and "the recording is silent" in err
    assert Path("silent.png").stat().st_size > 1000
    result = found_in(call, "silent.wav --array circular4-35mm")
    assert result["directions"] == [] and result["talkers"] == []


def test_a_folder_is_localised_file_by_file(here, call):
    save("other.wav", heard("circular4-35mm", (-30, 0, 0, 3)))
    save("mono.wav", np.zeros(RATE))
    code, out, err = call("localize . --array circular4-35mm --json")
    assert code == 1 and "1 of 3 recordings" in err and "mono.wav has one channel" in err
    found = {r["input"]: r["talkers"][0]["azimuth_deg"] for r in json.loads(out)}
    assert found == {
        "other.wav": pytest.approx(-30, abs=2),
        "rec.wav": pytest.approx(60, abs=2),
    }


def test_rows_average_the_blocks_of_a_step_by_confidence():
    rows = Rows(DirectionGrid.of(load_array("circular4-35mm").positions), 0.5)
    for time, azimuth, confidence in ((0.1, 0.1, 0.1), (0.3, 0.3, 0.3), (0.6, 1.0, 0.2)):
        track = Track(1, direction(azimuth), confidence)
        rows.add(Moment(time, (track,), ()))
    first, second = rows.done()
    assert (first.time, second.time) == (0.0, 0.5)
    assert first.direction.azimuth == pytest.approx(0.25, abs=0.001)
    assert first.direction.confidence == pytest.approx(0.2)
    assert second.direction.azimuth == pytest.approx(1.0)


# ---- the figure --------------------------------------------------------------------------


def test_the_figure_shows_every_row_and_talker(here):
    figure = plot_directions(found := locate("rec.wav", REQUEST))
    azimuth, elevation = figure.axes
    points = np.concatenate([np.asarray(c.get_offsets()) for c in azimuth.collections])
    assert len(points) == len(found.rows)
    assert np.allclose(np.median(points[:, 1]), 60, atol=2)
    assert points[:, 0].min() >= 0 and points[:, 0].max() <= 3
    assert [text.get_text().split(":")[0].strip() for text in azimuth.texts] == ["talker 1"]
    assert "elevation" in elevation.get_ylabel()
    assert any("up from down" in text.get_text() for text in figure.texts)


def test_a_line_has_one_panel_with_its_half_circle(here):
    save("line.wav", heard("linear4-35mm", (120, 0, 0, 2), n_samples=2 * RATE))
    found = locate("line.wav", Request("linear4-35mm", None, None, False, "srp-phat", None, 0.25))
    assert azimuth_range(found) == pytest.approx((0, 180))
    assert len(plot_directions(found).axes) == 1
    assert azimuth_range(locate("rec.wav", REQUEST)) == (-180, 180)


@pytest.mark.parametrize(
    "suffix, start", [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")]
)
def test_figures_are_written_as_their_suffix_says(here, call, suffix, start):
    code, _, err = call(f"localize rec.wav --array circular4-35mm --plot plots/a.{suffix}")
    assert code == 0 and f"written: plots/a.{suffix}" in err
    assert Path(f"plots/a.{suffix}").read_bytes().startswith(start)


def test_without_matplotlib_the_message_says_what_to_install(here, call, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    code, out, err = call("localize rec.wav --array circular4-35mm --plot a.png")
    assert code == 2 and out == "" and "pip install 'arrayenh[eval]'" in err


# ---- what is wrong is one line and exit code 2 -------------------------------------------

WRONG = {
    "rec.wav": "localize needs --array NAME|FILE, the microphone positions: a name such as",
    "rec.wav --array nonsense": "unknown array 'nonsense'",
    "rec.wav --array circular6-46mm": "has 6 microphones but rec.wav gives 4",
    "rec.wav --array circular4-35mm --mics 3": "has 4 microphones but rec.wav gives 3",
    "rec.wav --array circular4-35mm --channels 0,1,2,9": "no channel 9",
    "mono.wav --array circular4-35mm": "mono.wav has one channel; a direction needs two or more",
    "missing.wav --array circular4-35mm": "missing.wav does not exist",
    "one.wav --array circular4-35mm": "only microphone 1 is usable; two are needed",
    "rec.wav --array circular4-35mm --method esprit": "method",
    "rec.wav --array circular4-35mm --talkers 0": "at least 1",
    "rec.wav --array circular4-35mm --method music --talkers 4": "at most 3",
    "rec.wav --array circular4-35mm --step 0": "--step",
    "rec.wav --array circular4-35mm --step nan": "--step",
    "rec.wav --array circular4-35mm --csv old.csv": "old.csv exists; use --overwrite",
    "rec.wav --array circular4-35mm --csv rec.wav --overwrite": "is an input of this command",
    "rec.wav --array circular4-35mm --plot a.gif": "should end in .png, .svg, .pdf",
    ". --array circular4-35mm --csv a.csv": "--csv is one file for",
}


@pytest.mark.parametrize("line", WRONG)
def test_what_is_wrong_is_one_line(here, call, line):
    save("mono.wav", np.zeros(RATE))
    one = np.zeros((4, RATE), np.float32)
    one[1] = heard("circular4-35mm", (60, 0, 0, 1), n_samples=RATE)[1]
    save("one.wav", one)
    Path("old.csv").touch()
    code, out, err = call(f"localize {line}")
    assert (code, out) == (2, "")
    assert WRONG[line] in err and err.startswith("arrayenh: ") and err.count("\n") == 1


def test_old_files_are_replaced_if_asked(here, call):
    Path("old.csv").touch()
    assert call("localize rec.wav --array circular4-35mm --csv old.csv --overwrite")[0] == 0
    assert Path("old.csv").read_text().startswith("time_s,track,")


def test_the_command_explains_itself_and_starts_light(here, call):
    code, out, _ = call("localize --help")
    assert code == 0 and "Usage: arrayenh localize" in " ".join(out.split())
    heavy = "import sys, arrayenh.cli.localize; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", heavy], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert {"numba", "matplotlib", "scipy.spatial"}.isdisjoint(done.stdout.split())
