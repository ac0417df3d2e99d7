"""Clean speech passes as it is: from what ratio on, and through the chain that ships."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh.audio import Recording
from arrayenh.chain.enhancer import Enhancer
from arrayenh.chain.settings import Settings
from arrayenh.evaluation.scoring import scores
from arrayenh.microphones.geometry import load_array
from arrayenh.networks.cleanness import CLEAN_DB, ONE_PLACE_DB, QUIET_DB, cleanness, from_one_place
from tests.signals import RATE, arrivals, band_limited, delayed, level_db, voice

QUIET = np.array([[1.0] * 36 + [1e-6] * 4])  # with a pause


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e9])
@pytest.mark.parametrize("ratio_db, share", [(-100, 0), (14, 0), (15, 0.25), (17, 0.75), (60, 1)])
def test_the_share_rises_with_the_ratio(ratio_db, share, scale):
    speech = scale * np.array([[1.0, 3.0], [0.0, 6.0]])
    other = scale * np.array([[10.0, 0.0], [0.0, 0.0]]) * 10 ** (-ratio_db / 10)
    assert CLEAN_DB == (14.0, 18.0)
    assert_allclose(cleanness(scale * QUIET, speech, other), share, atol=1e-9)


@pytest.mark.parametrize("pause_db, share", [(0, 0), (26, 0), (29, 0.5), (32, 1), (90, 1)])
def test_the_share_rises_with_what_is_not_heard_in_pauses(pause_db, share):
    frames = np.ones((2, 1000))
    frames[:, 200:260] = 10 ** (-pause_db / 10)
    quiet = 10 * np.log10(frames.mean() / frames[0, 200])  # by 0.3 dB less
    assert QUIET_DB == (26.0, 32.0)
    wanted = np.clip((quiet - 26) / 6, 0, 1)
    assert_allclose(wanted, share, atol=0.06)
    assert_allclose(cleanness(frames, np.ones(3), np.zeros(3)), wanted, atol=1e-6)


def test_silence_is_not_clean_and_speech_alone_is():
    nothing, speech = np.zeros((3, 4)), np.ones((3, 4))
    assert cleanness(nothing, nothing, nothing) == 0
    assert cleanness(QUIET, nothing, nothing) == cleanness(QUIET, nothing, speech) == 0
    assert cleanness(speech, speech, nothing) == 0  # without a pause
    assert cleanness(QUIET, speech, nothing) == 1


@pytest.mark.parametrize("ratio_db, share", [(0, 0), (20, 0), (23, 0.5), (26, 1), (60, 1)])
def test_what_comes_from_one_place_passes_if_nearly_nothing_else_is_there(ratio_db, share):
    odds = 10 ** (ratio_db / 20)  # speech m², the rest (1 - m)²
    mask = np.full(QUIET.shape, odds / (odds + 1))
    assert ONE_PLACE_DB == (20.0, 26.0)
    assert_allclose(from_one_place(QUIET, mask), share, atol=1e-9)
    assert from_one_place(np.ones(QUIET.shape), mask) == 0  # without a pause


def clean(n_mics, seconds=4):
    rng = np.random.default_rng(3)
    array = load_array("circular4-35mm")
    speech = 0.1 * voice(rng, seconds * RATE)
    mics = delayed(speech, arrivals(array.positions, np.deg2rad(40)))[:n_mics]
    return (mics + 1e-5 * rng.standard_normal(mics.shape)).astype(np.float32)


@pytest.mark.parametrize("n_mics", [1, 2, 4])
def test_clean_anechoic_speech_comes_out_as_it_went_in(n_mics):
    x = clean(n_mics)
    out = Enhancer(Settings()).enhance(Recording(x, RATE)).samples
    found = scores(x[0], out, RATE, ("si_sdr", "stoi"))
    assert found["si_sdr"].value >= 20
    assert found["stoi"].value >= 0.995


@pytest.mark.parametrize("n_mics", [1, 4])
def test_noise_does_not_pass(n_mics):
    rng = np.random.default_rng(4)
    noise = np.stack([0.1 * band_limited(rng, 4 * RATE) for _ in range(n_mics)])
    x = clean(n_mics) + noise.astype(np.float32)
    out = Enhancer(Settings()).enhance(Recording(x, RATE)).samples
    before = level_db(x[0] - clean(n_mics)[0])
    assert level_db(out - clean(n_mics)[0]) < before - 0.5


@pytest.mark.parametrize("n_mics", [1, 3])
def test_silence_stays_silent(n_mics):
    x = np.zeros((n_mics, 3 * RATE), np.float32)
    assert not Enhancer(Settings()).enhance(Recording(x, RATE)).samples.any()
    faint = 1e-5 * np.random.default_rng(5).standard_normal(x.shape).astype(np.float32)
    out = Enhancer(Settings()).enhance(Recording(faint, RATE)).samples
    assert level_db(out) < -80


@pytest.mark.parametrize("online", [False, True])
@pytest.mark.parametrize("n_mics", [1, 4])
def test_the_level_of_the_input_does_not_matter(n_mics, online):
    """Within 0.5 dB over 40 dB."""
    rng = np.random.default_rng(6)
    x = clean(n_mics) + (0.03 * rng.standard_normal((n_mics, 4 * RATE))).astype(np.float32)
    chain = Enhancer(Settings(online=online))
    wanted = chain.enhance(Recording(x, RATE)).samples
    for gain in (0.1, 0.01):
        found = chain.enhance(Recording((gain * x).astype(np.float32), RATE)).samples / gain
        assert abs(level_db(found) - level_db(wanted)) < 0.5
        assert level_db(found - wanted) < level_db(wanted) - 20


def test_the_same_comes_out_every_time():
    x = clean(3) + 0.01 * np.random.default_rng(7).standard_normal((3, 4 * RATE))
    x = x.astype(np.float32)
    first, again = (Enhancer().enhance(Recording(x, RATE)).samples for _ in range(2))
    assert_array_equal(first, again)
