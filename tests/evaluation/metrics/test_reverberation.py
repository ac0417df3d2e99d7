"""Scores of reverberation: known responses, slow filters, a number that others publish."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from numpy.testing import assert_allclose
from scipy import signal
from scipy.linalg import toeplitz

import arrayenh.scenes
from arrayenh.errors import MetricError, ShapeError
from arrayenh.evaluation.metrics import auditory
from arrayenh.evaluation.metrics.reverberation import LOADING, c50, drr, fitted_response, srmr
from tests.evaluation.test_scoring import noise_at, speech_like
from tests.reference import reverberation as slow

RATE = 16000
OF_RESPONSE = [c50, drr]


@pytest.fixture(scope="module")
def speech():
    clip = Path(arrayenh.scenes.__file__).parent / "clips" / "male.flac"
    return soundfile.read(clip)[0]


def room(t60, drr_db, rate=RATE, seed=0):
    """A direct sound, 2.5 ms of nothing, then noise that decays by 60 dB in t60."""
    t = np.arange(round(0.5 * rate)) / rate
    tail = np.random.default_rng(seed).standard_normal(t.size) * 10 ** (-3 * t / t60)
    tail[t <= 0.0025] = 0.0
    tail *= 10 ** (-drr_db / 20) / np.linalg.norm(tail)
    tail[0] = 1.0
    return tail


def heard_in(response, s):
    return signal.fftconvolve(s, response)[: s.size]


def white(seconds=4.0, rate=RATE, seed=1):
    return np.random.default_rng(seed).standard_normal(round(seconds * rate))


ROOMS = [(0.3, 6.0), (0.6, 0.0), (0.9, -3.0)]


@pytest.mark.parametrize(("t60", "drr_db"), ROOMS)
def test_a_known_response_is_found_from_speech(speech, t60, drr_db):
    h = room(t60, drr_db)
    clarity, direct = slow.clarity(h, RATE)
    assert_allclose(direct, drr_db, atol=1e-9)
    y = heard_in(h, speech)
    assert_allclose(c50(speech, y, RATE), clarity, atol=0.5)
    assert_allclose(drr(speech, y, RATE), direct, atol=0.5)
    y += noise_at(10.0, y)
    assert_allclose(c50(speech, y, RATE), clarity, atol=2.0)
    assert_allclose(drr(speech, y, RATE), direct, atol=1.0)


@pytest.mark.parametrize("rate", [8000, 10000, 16000])
@pytest.mark.parametrize(("t60", "drr_db"), ROOMS)
def test_a_known_response_is_found_from_white_noise(rate, t60, drr_db):
    s, h = white(rate=rate), room(t60, drr_db, rate)
    clarity, direct = slow.clarity(h, rate)
    y = heard_in(h, s)
    # what the last 0.5 s of 4 s ring on is cut off: up to 6 % of the tail, 0.3 dB
    assert_allclose(c50(s, y, rate), clarity, atol=0.3)
    assert_allclose(drr(s, y, rate), direct, atol=0.3)


def test_noise_in_the_estimate_is_no_reverberation(speech):
    h = room(0.6, 0.0)
    y = heard_in(h, speech)
    for snr_db in (20.0, 5.0):
        noisy = y + noise_at(snr_db, y)
        assert_allclose(c50(speech, noisy, RATE), slow.clarity(h, RATE)[0], atol=1.5)


@pytest.mark.parametrize("compute", OF_RESPONSE)
def test_more_reverberation_scores_less(speech, compute):
    values = [compute(speech, heard_in(room(t60, level), speech), RATE) for t60, level in ROOMS]
    assert np.all(np.diff(values) < -1)
    assert compute(speech, speech, RATE) > values[0]


def test_a_dry_estimate_is_bounded_by_the_loading(speech):
    assert 40 < c50(speech, speech, RATE) < 80
    assert 20 < drr(speech, speech, RATE) < 60


@pytest.mark.parametrize("compute", OF_RESPONSE)
def test_neither_gain_nor_delay_matters(speech, compute):
    h = room(0.6, 0.0)
    y = heard_in(h, speech)
    plain = compute(speech, y, RATE)
    assert_allclose(compute(speech, -1e-6 * y, RATE), plain, atol=1e-6)
    assert_allclose(compute(1e6 * speech, y, RATE), plain, atol=1e-6)
    for delay in (-160, 800):
        assert_allclose(compute(speech, np.roll(y, delay), RATE), plain, atol=0.5)


@pytest.mark.parametrize("compute", OF_RESPONSE)
def test_higher_rates_are_resampled_to_16_khz(compute):
    s = soxr.resample(white(2.5), RATE, 48000)
    y = heard_in(room(0.4, 3.0, 48000), s)
    at_16k = compute(soxr.resample(s, 48000, RATE), soxr.resample(y, 48000, RATE), RATE)
    assert compute(s, y, 48000) == at_16k


def test_the_fitted_response_solves_the_loaded_least_squares():
    s, y = white(0.02), white(0.02, seed=2)
    n_before, n_after = 7, 12
    padded = np.concatenate((s, np.zeros(n_before + n_after - 1)))
    delays = toeplitz(padded, np.eye(1, n_before + n_after)[0] * s[0])  # first: -7
    target = np.concatenate((np.zeros(n_before), y, np.zeros(n_after - 1)))
    weight = np.sqrt(LOADING * np.sum(s**2)) * np.eye(n_before + n_after)
    expected = np.linalg.lstsq(
        np.vstack((delays, weight)),
        np.concatenate((target, np.zeros(n_before + n_after))),
        rcond=None,
    )[0]
    assert_allclose(fitted_response(s, y, n_before, n_after), expected, atol=1e-12)


@pytest.mark.parametrize("compute", OF_RESPONSE)
def test_what_has_no_response(speech, compute):
    with pytest.raises(MetricError, match=r"2 s of speech; got 1\.99 s"):
        compute(speech[:31900], speech[:31900], RATE)
    with pytest.raises(MetricError, match="the reference is not detectable above the noise"):
        compute(white(), white(seed=5), RATE)
    with pytest.raises(MetricError, match=r"follows the reference by 0\.47 s: align"):
        compute(white(), np.roll(white(), 7520), RATE)
    with pytest.raises(MetricError, match="the reference is silent"):
        compute(0 * speech, speech, RATE)
    with pytest.raises(MetricError, match="the estimate is silent"):
        compute(speech, 0 * speech, RATE)
    with pytest.raises(MetricError, match="estimate must be finite"):
        compute(speech, np.nan * speech, RATE)
    with pytest.raises(ShapeError, match="equal length"):
        compute(speech, speech[1:], RATE)


def test_srmr_that_torchmetrics_publishes():
    # torch.manual_seed(42); its translation of SRMRpy, of randn(8000) at 8 kHz: 0.3191
    assert_allclose(srmr(torch_noise(), 8000), 0.3191, atol=5e-5)


def torch_noise():
    return slow.torch_randn(42, 8000).astype(np.float64)


@pytest.mark.parametrize("rate", [8000, 16000])
def test_srmr_matches_the_slow_one(rate):
    s = speech_like(0.6, rate)
    # the slow gammatone is the ideal one, Slaney's departs from it at the top
    assert_allclose(srmr(s, rate), slow.srmr(s, rate), rtol=5e-3)


def test_srmr_of_modulated_noise_is_where_the_modulation_is():
    t = np.arange(4 * RATE) / RATE
    slow_beat, fast_beat = (1 + np.cos(2 * np.pi * f * t) for f in (6.0, 60.0))
    assert srmr(slow_beat * white(), RATE) > 1.5
    assert srmr(fast_beat * white(), RATE) < 0.15


def test_srmr_falls_with_reverberation_and_noise(speech):
    dry = srmr(speech, RATE)
    wet = [srmr(heard_in(room(t60, level), speech), RATE) for t60, level in ROOMS]
    assert np.all(np.diff([dry, *wet]) < 0)
    assert srmr(speech + noise_at(0.0, speech), RATE) < dry / 2


def test_srmr_does_not_hear_gain(speech):
    s = speech[: 2 * RATE]
    assert_allclose(srmr(1e-5 * s, RATE), srmr(s, RATE), rtol=1e-9)
    assert_allclose(srmr(-1e5 * s, RATE), srmr(s, RATE), rtol=1e-9)


@pytest.mark.parametrize("rate", [10000, 44100, 48000])
def test_srmr_of_other_rates_is_that_of_16_khz(speech, rate):
    s = soxr.resample(speech[: 3 * RATE], RATE, rate)
    assert_allclose(srmr(s, rate), srmr(soxr.resample(s, rate, RATE), RATE), rtol=1e-12)


def test_srmr_needs_a_frame(speech):
    assert np.isfinite(srmr(speech[8000:12096], RATE))
    with pytest.raises(MetricError, match="one frame of 256 ms; got 250 ms"):
        srmr(speech[8000:12000], RATE)


def test_what_has_no_srmr(speech):
    for rate in (8000, RATE):
        with pytest.raises(MetricError, match="the estimate is silent"):
            srmr(0 * speech, rate)
        with pytest.raises(MetricError, match="estimate must be finite"):
            srmr(np.nan * speech, rate)
    with pytest.raises(MetricError, match="too faint"):
        srmr(1e-200 * speech, RATE)  # its energy is 0 in double precision
    with pytest.raises(ShapeError, match="one channel at a time"):
        srmr(speech[None], RATE)
    with pytest.raises(MetricError, match="whole number"):
        srmr(speech, 44100.5)


def test_gammatone_filters_are_gammatone():
    for centre in auditory.erb_centres(125.0, 8000.0, 23)[:18]:
        _, response = signal.sosfreqz(auditory.gammatone(centre, RATE), 8192, fs=RATE)
        ideal = np.fft.rfft(slow.gammatone(centre, RATE, 16384))[:-1]
        assert_allclose(np.abs(response), np.abs(ideal), atol=3e-3)


def test_erb_centres_are_a_step_apart():
    centres = auditory.erb_centres(125.0, 8000.0, 23)
    number = 9.26449 * np.log(1 + centres / (9.26449 * 24.7))  # ∫ df / ERB(f)
    top = 9.26449 * np.log(1 + 8000.0 / (9.26449 * 24.7))
    assert_allclose(centres[0], 125.0)
    assert_allclose(np.diff([*number, top]), (top - number[0]) / 23, rtol=1e-12)


@pytest.mark.parametrize("centre", [4.0, 29.0, 128.0])
def test_a_modulation_filter_is_3_db_down_at_its_edge(centre):
    b, a, _ = auditory.modulation_filter(centre, 2.0, RATE)
    _, at_centre = signal.freqz(b, a, [centre], fs=RATE)
    assert_allclose(np.abs(at_centre), 1.0, atol=1e-9)
    # Q = 2: between the edges f √(1 + 1/16) ± f/4
    edges = centre * (np.sqrt(1 + 1 / 16) + np.array([-0.25, 0.25]))
    _, at_edges = signal.freqz(b, a, edges, fs=RATE)
    assert_allclose(np.abs(at_edges) ** 2, 0.5, rtol=1e-3)
    # SRMR takes f - f/4 for the lower edge
    assert_allclose(auditory.modulation_filter(centre, 2.0, RATE)[2], 0.75 * centre, rtol=1e-3)
