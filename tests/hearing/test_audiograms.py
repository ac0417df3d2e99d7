import json

import numpy as np
import pytest
from numpy.testing import assert_allclose

from arrayenh.errors import ConfigError
from arrayenh.hearing.audiograms import STANDARD_AUDIOGRAMS, Audiogram, load_audiogram
from arrayenh.hearing.nal_r import NAL_R_HZ, insertion_gain_db, nal_r_gain_db

FILES = {
    "both.toml": "frequencies = [500, 4000]\nleft = [20, 60]\nright = [30, 70.5]\n",
    "both.json": '{"frequencies": [500, 4000], "left": [20, 60], "right": [30, 70.5]}',
    "both.csv": "frequency,left,right\n500,20,30\n4000,60,70.5\n",
}


def written(folder, name, text):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_the_standard_audiograms_are_the_published_ones():
    # three-frequency averages and thresholds at 250 and 6000 Hz of Bisgaard et al. 2010
    published = {
        "N1": (35 / 3, 10, 40),
        "N2": (80 / 3, 20, 50),
        "N3": (125 / 3, 35, 65),
        "N4": (175 / 3, 55, 80),
        "N5": (225 / 3, 65, 80),
        "N6": (255 / 3, 75, 100),
        "N7": (305 / 3, 90, 105),
        "S1": (35 / 3, 10, 70),
        "S2": (100 / 3, 20, 95),
        "S3": (170 / 3, 30, 85),
    }
    assert {"NH", *published} == set(STANDARD_AUDIOGRAMS)
    for name, (mean, low, high) in published.items():
        audiogram = load_audiogram(name)
        assert_allclose(audiogram.three_frequency_average(), mean)
        assert_allclose(audiogram.at([250, 6000]), [[low, high]] * 2)


def test_two_names_are_left_and_right_in_any_case():
    audiogram = load_audiogram(" n3, S2 ")
    assert_allclose(audiogram.at([4000]), [[60], [95]])


@pytest.mark.parametrize("name", FILES)
def test_files_of_all_formats_hold_both_ears(tmp_path, name):
    audiogram = load_audiogram(written(tmp_path, name, FILES[name]))
    # halfway on the logarithm of frequency; constant beyond the ends
    assert_allclose(
        audiogram.at([100, np.sqrt(500 * 4000), 8000]), [[20, 40, 60], [30, 50.25, 70.5]]
    )


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.toml", "frequencies = [500]\nleft = [20]\n", "right: must be given"),
        ("a.toml", "frequencies = [500]\nleft = [20]\nrihgt = [2]", "did you mean right"),
        ("a.json", "[1, 2]", "must hold the keys frequencies, left and right"),
        ("a.json", '{"frequencies": [500], "left": [1, 2], "right": [3]}', "got 1, 2 and 1"),
        ("a.json", '{"frequencies": [500], "left": ["x"], "right": [3]}', "left"),
        ("a.toml", "frequencies = [500, 400]\nleft = [1, 2]\nright = [1, 2]", "must rise"),
        ("a.toml", "frequencies = []\nleft = []\nright = []", "0 frequencies"),
        ("a.toml", "frequencies = [500]\nleft = [nan]\nright = [1]", "got nan"),
        ("a.csv", "frequency,left,right\n500,20,130\n", "-20 to 120 dB HL; got 130"),
        ("a.csv", "frequency,left,right\n500,nan,30\n", "-20 to 120 dB HL; got nan"),
        ("a.csv", "frequency,left,right\n500,loud,30\n", "line 2: left must be a number"),
        ("a.csv", "frequency,left\n500,20\n", "columns frequency, left and right"),
    ],
)
def test_a_wrong_file_is_one_clear_line(tmp_path, name, text, message):
    path = written(tmp_path, name, text)
    with pytest.raises(ConfigError) as error:
        load_audiogram(path)
    assert path in str(error.value) and message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["N9", "", "N3,N4,N5", "N3,x", "audiogram.xml", ","])
def test_an_unknown_name_lists_the_known_ones(name):
    with pytest.raises(ConfigError, match=r"give NH, N1.*N3,S2.*\.toml, \.json, \.csv"):
        load_audiogram(name)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match="none.json cannot be read"):
        load_audiogram(tmp_path / "none.json")


def test_nal_r_of_a_flat_loss_of_40_db():
    # 0.15 · 40 + 0.31 · 40 = 18.4 dB, and k(f)
    flat = Audiogram(np.array([1000.0]), np.full((2, 1), 40.0))
    expected = 18.4 + np.array([-17, -8, -3, 1, 1, -1, -2, -2, -2])
    assert_allclose(nal_r_gain_db(flat), [expected] * 2)


def test_nal_r_of_each_ear_is_its_own_and_never_negative_or_beyond_the_loss():
    gains = nal_r_gain_db(load_audiogram("NH,S1"))
    # S1: 0.15 · 35/3 = 1.75; at 6 kHz 1.75 + 0.31 · 70 - 2
    assert_allclose(gains[1, [0, 3, 8]], [0, 1.75 + 3.1 + 1, 21.45])
    assert_allclose(gains[0], 0)


def test_nal_r_is_that_of_another_program():
    nalr = pytest.importorskip("clarity.enhancer.nalr", reason="arrayenh[hearing]")
    from clarity.utils.audiogram import Audiogram as Levels

    freqs = np.array([250, 500, 1000, 2000, 4000, 6000])
    rate = 16000
    for name in ("N2", "N3", "N4", "S2", "S3"):
        levels = Levels(load_audiogram(name).at(freqs)[0], freqs)
        taps, _ = nalr.NALR(500, rate).build(levels)
        bins = 2j * np.pi * freqs[:, None] / rate * np.arange(taps.size)
        response = 20 * np.log10(np.abs(np.exp(-bins) @ taps))
        ours = nal_r_gain_db(load_audiogram(name))[0, np.isin(NAL_R_HZ, freqs)]
        assert_allclose(ours, response, atol=0.6)  # of its filter


def test_the_gain_between_two_frequencies_is_interpolated_over_octaves():
    audiogram = load_audiogram("N5")
    ends = insertion_gain_db(audiogram, np.array([3000.0, 4000.0, 6000.0, 9000.0]))[0]
    middle = insertion_gain_db(audiogram, np.array([np.sqrt(3000 * 4000)]))[0]
    assert_allclose(middle, ends[:2].mean())
    assert ends[2] == ends[3]


def test_an_audiogram_cannot_be_changed():
    source = np.array([[20.0], [30.0]])
    audiogram = Audiogram(np.array([1000.0]), source)
    source[:] = 90
    assert_allclose(audiogram.loss_db, [[20], [30]])
    with pytest.raises(ValueError, match="read-only"):
        audiogram.loss_db[0, 0] = 1


def test_the_json_of_a_file_of_many_frequencies(tmp_path):
    content = {"frequencies": [250, 1000, 8000], "left": [0, 5, 90], "right": [-10, 0, 120]}
    audiogram = load_audiogram(written(tmp_path, "A.JSON", json.dumps(content)))
    assert_allclose(audiogram.loss_db, [content["left"], content["right"]])
