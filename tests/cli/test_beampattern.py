"""`arrayenh arrays beampattern`: its table, its numbers, its figure, its refusals."""

import json
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from arrayenh.beamformers.beampattern import hear, look_direction
from arrayenh.cli.beampattern import STRIP_HEADER, design_for
from arrayenh.cli.figures.beampattern import plot_hearing
from arrayenh.cli.main import run
from arrayenh.microphones.geometry import MicArray, load_array, preset_names

OCTAVES = [125, 250, 500, 1000, 2000, 4000, 8000]
PAIR = "arrays beampattern linear2-12mm"


@pytest.fixture
def call(capsys, tmp_path, monkeypatch):
    """Runs a command line in an empty folder; gives (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def arrayenh(line):
        capsys.readouterr()
        code = run(shlex.split(line))
        return code, *capsys.readouterr()

    return arrayenh


@pytest.fixture
def numbers(call):
    """The numbers of a command line that must succeed without a word on stderr."""

    def arrayenh(line):
        code, out, err = call(f"{line} --json")
        assert (code, err) == (0, "")
        return json.loads(out)

    return arrayenh


# ---- the numbers -------------------------------------------------------------------------


def test_delay_and_sum_by_default(numbers):
    found = numbers("arrays beampattern linear4-35mm")
    assert (found["name"], found["beamformer"], found["field"]) == (
        "linear4-35mm", "das", "spherical")  # fmt: skip
    assert (found["doa_deg"], found["doa_reason"], found["loading"]) == (90, "broadside", None)
    assert found["freqs_hz"] == OCTAVES
    assert_allclose(found["white_noise_gain_db"], 10 * np.log10(4), atol=1e-12)
    assert (np.diff(found["directivity_index_db"]) > 0).all()  # up to 8 kHz nothing aliases
    assert found["beamwidth_deg"][0] == 360 and (np.diff(found["beamwidth_deg"])[3:] < 0).all()
    level = np.array(found["beampattern_db"])
    azimuths = np.array(found["azimuths_deg"])
    assert level.shape == (7, 361)
    assert_allclose(level[:, np.abs(azimuths) == 90], 0, atol=1e-12)  # left and right alike
    assert (level <= 1e-12).all()


def test_the_superdirective_pair_comes_near_six_db(numbers):
    """20 log10 M = 6.02 dB at most (Uzkov 1946), paid for in white noise."""
    found = numbers(f"{PAIR} --beamformer superdirective --loading 1e-6 --freq 1000,250")
    assert found["freqs_hz"] == [250, 1000]
    assert_allclose(found["directivity_index_db"], 20 * np.log10(2), atol=0.03)
    assert found["white_noise_gain_db"][0] < -20
    assert_allclose(found["beamwidth_deg"], 104.9, atol=0.5)  # a hypercardioid's


def test_the_white_noise_gain_is_held(numbers):
    line = f"{PAIR} --beamformer superdirective"
    found = numbers(f"{line} --min-wng -10")
    assert found["min_wng_db"] == -10 and found["loading"] == 1e-6
    assert_allclose(found["white_noise_gain_db"][:3], -10, atol=1e-6)
    free = numbers(f"{line} --loading 1e-6")["directivity_index_db"]
    assert (np.array(found["directivity_index_db"])[:3] < np.array(free)[:3] - 0.5).all()
    assert numbers(line)["loading"] == 0.01


def test_the_field_is_that_of_the_design_and_of_the_index(numbers):
    """In the plane a pair gains 10 log10 3 at most, a cardioid-like 1/3 + 2/3 cos θ."""
    line = f"{PAIR} --beamformer superdirective --loading 1e-6 --freq 500 --field cylindrical"
    found = numbers(line)
    assert_allclose(found["directivity_index_db"], 10 * np.log10(3), atol=0.03)
    behind_db = found["beampattern_db"][0][0]
    assert behind_db == pytest.approx(20 * np.log10(1 / 3), abs=0.1)


def test_the_look_direction_can_be_chosen(numbers):
    found = numbers("arrays beampattern circular8-50mm --doa -30")
    assert (found["doa_deg"], found["doa_reason"]) == (-30, "as asked")
    level = np.array(found["beampattern_db"])[-1]
    assert found["azimuths_deg"][level.argmax()] == -30


def test_a_null_is_null_in_json(numbers):
    """A half wavelength apart along x, seen from their line: the waves cancel."""
    Path("pair.csv").write_text("x,y,z\n0,0,0\n0.17150000,0,0\n")
    found = numbers("arrays beampattern pair.csv --freq 1000")
    ends = [found["beampattern_db"][0][k] for k in (0, 180, 360)]
    assert all(end is None or end < -250 for end in ends)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("linear2-12mm", (0, "endfire")),
        ("linear2-10mm", (0, "endfire")),
        ("linear2-35mm", (90, "broadside")),
        ("linear8-35mm", (90, "broadside")),
        ("kinect", (0, "broadside")),  # its line is along y
        ("circular4-35mm", (0, "forward")),
        ("binaural4-bte", (0, "forward")),
        ("linear1-5mm", (0, "forward")),
    ],
)
def test_the_look_direction_follows_from_the_array(name, expected):
    assert look_direction(load_array(name)) == expected


def test_lines_in_any_direction_have_a_broadside_to_the_front_or_left():
    array = load_array("linear4-35mm")
    for axis_deg in range(-180, 181, 15):
        doa_deg, reason = look_direction(array.rotated(np.deg2rad(axis_deg)))
        assert reason == "broadside" and -90 < doa_deg <= 90
        assert np.cos(np.deg2rad(doa_deg - axis_deg)) == pytest.approx(0, abs=1e-7)
    assert look_direction(array.rotated(tilt=np.pi / 2)) == (0, "forward")


# ---- the table ---------------------------------------------------------------------------


def test_the_table_has_a_row_for_each_octave_and_a_strip_for_each_pattern(call):
    code, out, err = call("arrays beampattern linear4-35mm")
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[0] == "linear4-35mm: delay-and-sum towards 90° (broadside), spherical noise field"
    assert lines[1].split()[:6] == ["Hz", "DI", "dB", "WNG", "dB", "beamwidth"]
    assert lines[1].endswith(STRIP_HEADER)
    rows = lines[2:9]
    assert [int(row.split()[0]) for row in rows] == OCTAVES
    assert {len(row) for row in rows} == {len(lines[1])} and len(lines[1]) <= 80
    low, high = rows[0][-37:], rows[-1][-37:]
    assert low == 37 * "█"
    assert high == high[::-1]  # a line along x hears left and right alike
    assert STRIP_HEADER[8:11] == "-90" and STRIP_HEADER[27:29] == "90"
    assert high[9] == high[27] == "█"
    assert "░" in high
    assert "DI: directivity index" in out


def test_no_lobe_falls_between_two_characters(call):
    """2 m at 8 kHz: the beam is one degree wide, and at 94 degrees."""
    _, out, _ = call("arrays beampattern linear400-5mm --freq 8000 --doa 94")
    strip = out.splitlines()[2][-37:]
    assert strip[27] == "█" and strip.count("█") == 2  # mirrored at -94


def test_superdirective_settings_are_said(call):
    _, out, _ = call(f"{PAIR} --beamformer superdirective --min-wng -10 --field cylindrical")
    assert out.splitlines()[0] == (
        "linear2-12mm: superdirective towards 0° (endfire), cylindrical noise field, "
        "loading 1e-06 or more for a white-noise gain of -10 dB"
    )


# ---- the figure --------------------------------------------------------------------------


@pytest.mark.parametrize(("suffix", "magic"), [(".png", b"\x89PNG"), (".PDF", b"%PDF")])
def test_the_figure_is_written_whole_without_pyplot(call, monkeypatch, suffix, magic):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # import would fail
    code, out, err = call(f"{PAIR} -o x{suffix}")
    assert (code, err) == (0, f"written: x{suffix}\n") and "DI dB" in out
    assert Path(f"x{suffix}").read_bytes().startswith(magic)
    assert [path.name for path in Path().iterdir()] == [f"x{suffix}"]


def test_a_figure_is_replaced_only_when_told(call):
    Path("x.svg").write_text("mine")
    code, out, err = call(f"{PAIR} -o x.svg")
    assert (code, out) == (2, "") and "x.svg exists; use --overwrite" in err
    assert Path("x.svg").read_text() == "mine"
    assert call(f"{PAIR} -o x.svg --overwrite")[0] == 0
    assert Path("x.svg").read_text().startswith("<?xml")


def drawn(name, *, beamformer="superdirective", doa_deg=None, freqs=OCTAVES):
    array = load_array(name) if isinstance(name, str) else name
    design = design_for(array, beamformer, doa_deg, "spherical", None, None)
    figure = plot_hearing(array, hear(array, design, np.array(freqs, float)))
    figure.draw_without_rendering()
    return figure


def titled(figure, text):
    return [axes for axes in figure.axes if text in axes.get_title() + axes.get_ylabel()]


def test_the_figure_shows_what_was_measured():
    figure = drawn("linear2-12mm")
    array = load_array("linear2-12mm")
    design = design_for(array, "superdirective", None, "spherical", None, None)
    (index,) = titled(figure, "directivity index (dB)")
    ours, plain = index.lines[:2]
    at_1k = np.interp(1000, ours.get_xdata(), ours.get_ydata())
    assert at_1k == pytest.approx(
        hear(array, design, np.array([1000.0])).directivity_db[0], abs=1e-3
    )
    assert np.interp(1000, plain.get_xdata(), plain.get_ydata()) < 0.2  # delay-and-sum
    (gain,) = titled(figure, "white-noise gain (dB)")
    assert [text.get_text() for text in gain.get_legend().get_texts()] == [
        "superdirective", "delay-and-sum"]  # fmt: skip
    assert_allclose(gain.lines[1].get_ydata(), 10 * np.log10(2), atol=1e-12)
    cuts = [axes for axes in figure.axes if axes.name == "polar"]
    assert [axes.get_title() for axes in cuts] == ["125 Hz", "500 Hz", "2 kHz", "8 kHz"]
    azimuth, level = cuts[2].lines[0].get_data()
    assert azimuth[level.argmax()] == pytest.approx(0, abs=1e-12)
    assert level[0] == pytest.approx(-8, abs=3) and level.min() == -30


def boxes(figure):
    """Corners of every text that is drawn, in pixels, by what it says."""
    renderer = figure.canvas.get_renderer()
    texts = [*figure.texts]
    for axes in figure.axes:
        texts += [axes.xaxis.label, axes.yaxis.label, axes.title, axes._left_title]
        texts += [*axes.get_xticklabels(), *axes.get_yticklabels()]
    shown = [text for text in texts if text.get_text().strip() and text.get_visible()]
    return [(text.get_text(), text.get_window_extent(renderer)) for text in shown]


@pytest.mark.parametrize("name", ["linear2-12mm", "uma-16", "linear1-5mm"])
def test_no_text_of_the_figure_covers_another_or_leaves_it(name):
    figure = drawn(name, freqs=[80.0, 1000.0, 16000.0])
    found = boxes(figure)
    for k, (text, box) in enumerate(found):
        assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1, text
        assert figure.bbox.y0 <= box.y0 and box.y1 <= figure.bbox.y1, text
        for other, covered in found[k + 1 :]:
            apart = box.x1 <= covered.x0 or covered.x1 <= box.x0
            assert apart or box.y1 <= covered.y0 or covered.y1 <= box.y0, (text, other)


def test_a_name_with_dollars_is_no_formula():
    figure = drawn(MicArray([[0, 0, 0], [0.1, 0, 0]], r"a$\frac b$"), beamformer="das")
    assert figure.texts[0].get_text() == r"a$\frac b$"


# ---- what is refused ---------------------------------------------------------------------

REFUSED = {
    "arrays beampattern bogus": "unknown array 'bogus'",
    "arrays beampattern gone.json": "cannot read gone.json",
    "arrays beampattern": "Missing argument",
    f"{PAIR} --beamformer mvdr": "unknown beamformer 'mvdr'; use das, superdirective",
    f"{PAIR} --field cubic": "unknown field 'cubic'; use spherical, cylindrical",
    f"{PAIR} --doa nan": "doa must be -360 to 360; got nan",
    f"{PAIR} --doa left": "'--doa'",
    f"{PAIR} --loading 0.1": "--loading and --min-wng need --beamformer superdirective",
    f"{PAIR} --min-wng -10": "--loading and --min-wng need --beamformer superdirective",
    f"{PAIR} --beamformer superdirective --loading 0": "loading must be 1e-07 to 1; got 0",
    f"{PAIR} --beamformer superdirective --min-wng 4": "at most 3.01 dB",
    f"{PAIR} --beamformer superdirective --min-wng nan": "--min-wng must be -120 to 60; got nan",
    f"{PAIR} --freq abc": "--freq wants Hz like 500,1000,2000; got 'abc'",
    f"{PAIR} --freq ''": "--freq wants Hz",
    f"{PAIR} --freq 500,nan": "--freq must be 10 to 96000; got nan",
    f"{PAIR} --freq 0": "--freq must be 10 to 96000; got 0",
    f"{PAIR} -o x.bmp": "-o x.bmp should end in .png, .svg, .pdf",
    f"{PAIR} -o x.json": "-o x.json should end in .png, .svg, .pdf",
    f"{PAIR} -o gone/x.png": "cannot write gone/x.png",
}


@pytest.mark.parametrize("line", REFUSED)
def test_what_is_wrong_is_one_line_and_exit_code_2(call, line):
    code, out, err = call(line)
    assert (code, out) == (2, "")
    assert err.startswith("arrayenh: ") and err.count("\n") == 1 and REFUSED[line] in err
    assert list(Path().iterdir()) == []


def test_without_matplotlib_the_message_says_what_to_install(call, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    code, out, err = call(f"{PAIR} -o x.png")
    assert (code, out) == (2, "") and "pip install 'arrayenh[eval]'" in err
    assert call(PAIR)[0] == 0  # the table needs none


def test_help_explains_itself(call):
    code, out, _ = call("arrays beampattern --help")
    assert code == 0 and "Usage: arrayenh arrays beampattern" in " ".join(out.split())


@pytest.mark.parametrize("name", preset_names())
def test_every_array_that_ships_can_be_looked_at(numbers, name):
    """Gains over one microphone: none below 0 dB in the field that the weights are made for."""
    found = numbers(f"arrays beampattern {name} --beamformer superdirective --freq 200,3000")
    assert (np.array(found["directivity_index_db"]) > 0).all()
