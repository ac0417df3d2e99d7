"""`arrayenh inspect`: spectral features, before and after, the figure."""

import json
import shlex
import sys

import numpy as np
import pytest
import soundfile

from arrayenh.cli.figures.spectra import MOST_CHANGE_DB, level_db, log_frequencies, plot_spectra
from arrayenh.cli.inspection import inspect
from arrayenh.cli.main import run
from arrayenh.evaluation.metrics.features import long_term_spectrum, spectral_features
from tests.signals import RATE

KEYS = ("centroid_hz", "bandwidth_hz", "flatness", "rolloff_hz")


def save(path, samples, rate=RATE):
    soundfile.write(path, np.atleast_2d(samples).T, rate, "FLOAT")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """in.wav: two channels of noise; out.wav: the first without what is above 1 kHz."""
    monkeypatch.chdir(tmp_path)
    noise = 0.1 * np.random.default_rng(0).standard_normal((2, 2 * RATE))
    spectrum = np.fft.rfft(noise[0])
    spectrum[2 * 1000 :] = 0  # half a hertz a bin
    save("in.wav", noise)
    save("out.wav", np.fft.irfft(spectrum))
    save("zero.wav", np.zeros(RATE))
    return tmp_path


@pytest.fixture
def call(capsys):
    """Runs a command line; gives (exit code, stdout, stderr)."""

    def arrayenh(line):
        capsys.readouterr()
        code = run(shlex.split(line))
        return code, *capsys.readouterr()

    return arrayenh


def test_features_of_every_channel_in_table_and_json(here, call):
    code, out, err = call("inspect in.wav --json")
    found = json.loads(out)
    assert (code, err) == (0, "") and "spectrum_hz" not in found
    samples = soundfile.read("in.wav", always_2d=True)[0].T
    for channel, signal in zip(found["channels"], samples, strict=True):
        wanted = spectral_features(signal, RATE)
        for key in KEYS:
            assert channel[key] == pytest.approx(getattr(wanted, key), rel=1e-5)
    lines = call("inspect in.wav")[1].splitlines()
    row = lines[lines.index("Spectrum") + 3].split()
    assert row[0] == "1" and row[3] == f"{found['channels'][1]['flatness']:.3f}"
    assert [row[1], row[2], row[4]] == [
        f"{found['channels'][1][key]:.0f}" for key in ("centroid_hz", "bandwidth_hz", "rolloff_hz")
    ]


def test_before_and_after(here, call):
    code, out, err = call("inspect in.wav --channels 0 --against out.wav")
    lines = out.splitlines()
    assert code == 0 and err == ""
    assert lines[0].startswith("in.wav: 1 channel") and "out.wav: 1 channel" in out
    at = lines.index("Spectrum, before and after")
    before, after, change = (line.split() for line in lines[at + 2 : at + 5])
    assert [row[0] for row in (before, after, change)] == ["before", "after", "change"]
    assert float(after[4]) == pytest.approx(950, abs=20)  # 95 % of what is below 1 kHz
    for old, new, by in zip(before[1:], after[1:], change[1:], strict=True):
        assert by[0] in "+-" and float(by) == pytest.approx(float(new) - float(old), abs=1.01)
    bands = lines[-1].split()
    assert lines[-4].split()[:2] == ["125", "Hz"] and bands[0] == "change"
    assert bands[1:3] == ["+0", "+0"] or all(abs(int(cell)) == 0 for cell in bands[1:4])
    assert int(bands[6]) < -40


def test_before_and_after_in_json(here, call):
    found = json.loads(call("inspect in.wav --against out.wav --json")[1])
    assert found["name"] == "in.wav" and found["against"]["name"] == "out.wav"
    samples = soundfile.read("out.wav")[0]
    freqs, level = long_term_spectrum(samples, RATE)
    assert found["against"]["spectrum_hz"] == pytest.approx(freqs.tolist())
    (channel,) = found["against"]["channels"]
    assert channel["spectrum_dbfs_per_hz"] == pytest.approx(level.tolist(), abs=0.1)
    assert len(found["channels"]) == 2
    assert len(found["channels"][1]["spectrum_dbfs_per_hz"]) == len(found["spectrum_hz"])


def test_silence_has_no_features(here, call):
    code, out, err = call("inspect zero.wav --against zero.wav")
    assert code == 0 and "n/a" in out and out.count("nan") == 2  # the crest factor
    assert json.loads(call("inspect zero.wav --json")[1])["channels"][0]["flatness"] is None


WRONG = {
    "inspect . --against out.wav": "--against is one file for 3 recordings; inspect one",
    "inspect . --plot x.png": "--plot is one file for 3 recordings; inspect one",
    "inspect in.wav --plot x.bmp": "--plot x.bmp should end in .png, .svg, .pdf",
    "inspect in.wav --plot old.png": "old.png exists; use --overwrite to replace it",
    "inspect in.wav --plot in.wav/x.png": "in.wav is a file",
    "inspect in.wav --against gone.wav": "gone.wav does not exist",
}


@pytest.mark.parametrize("line", WRONG)
def test_what_is_wrong_is_one_line(here, call, line):
    (here / "old.png").touch()
    code, out, err = call(line)
    assert (code, out) == (2, "") and err.count("\n") == 1 and WRONG[line] in err


def test_a_figure_without_matplotlib(here, call, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setitem(sys.modules, "matplotlib.backends.backend_agg", None)
    code, out, err = call("inspect in.wav --plot x.png")
    assert (code, out) == (2, "") and "figures need matplotlib: pip install" in err
    assert not (here / "x.png").exists()


# ---- the figure --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "suffix, start", [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")]
)
def test_a_figure_is_written(here, call, suffix, start):
    pytest.importorskip("matplotlib")
    code, _, err = call(f"inspect in.wav --against out.wav --plot new/x.{suffix}")
    assert code == 0 and err == f"written: new/x.{suffix}\n"
    assert (here / f"new/x.{suffix}").read_bytes().startswith(start)
    assert call(f"inspect zero.wav --plot new/x.{suffix} --overwrite")[0] == 0


def test_the_figure_shows_both_and_what_changed(here):
    pytest.importorskip("matplotlib")
    before, after = (inspect(name, None, None, False) for name in ("in.wav", "out.wav"))
    top, below = plot_spectra(before, after).axes
    words = [text.get_text() for text in top.get_legend().get_texts()]
    assert [word for word in words if "Hz" not in word] == ["before", "after"]
    assert f"centroid {after.features[0].centroid_hz:.0f} Hz" in words
    curve = {line.get_label(): line.get_xydata() for line in top.get_lines()}
    (change,) = (line.get_xydata() for line in below.get_lines() if len(line.get_xydata()) > 2)
    low = change[:, 0] < 800
    assert np.allclose(change[low, 1], (curve["after"] - curve["before"])[low, 1])
    assert abs(change[low, 1]).max() < 1 and change[change[:, 0] > 2000, 1].max() < -40
    one = plot_spectra(before)
    assert len(one.axes) == 1 and "the other 1 pale" in one.texts[1].get_text()


def test_silence_is_drawn_too(here):
    pytest.importorskip("matplotlib")
    sound, silence = (inspect(name, None, None, False) for name in ("in.wav", "zero.wav"))
    top, below = plot_spectra(silence, sound).axes
    change = next(line.get_ydata() for line in below.get_lines() if len(line.get_ydata()) > 2)
    assert (change == MOST_CHANGE_DB).all()
    assert plot_spectra(silence).axes[0].texts[0].get_text() == "silence"


def test_averaging_keeps_the_density_of_white_noise(here):
    found = inspect("in.wav", None, None, False)
    freqs = log_frequencies(found, None)
    level = level_db(found, found.spectrum.density()[0], freqs)
    assert freqs[0] == 50 and freqs[-1] == pytest.approx(8000 / 2 ** (1 / 12))
    assert np.allclose(level[freqs > 500], -20 - 10 * np.log10(RATE / 2), atol=1.5)
