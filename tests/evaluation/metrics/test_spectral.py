"""Scores of the short-time spectrum: against slow ones, and by what they must not hear."""

import numpy as np
import pytest
import soxr
from numpy.testing import assert_allclose

from arrayenh.errors import MetricError, ShapeError
from arrayenh.evaluation.metrics import spectral
from arrayenh.evaluation.metrics.critical_bands import CENTRES_HZ, band_filters
from arrayenh.evaluation.metrics.linear_prediction import (
    autocorrelation,
    cepstra,
    levinson,
    residual_energy,
)
from tests.evaluation.test_scoring import noise_at, speech_like
from tests.reference import spectral as slow

RATE = 16000
DISTANCES = [
    spectral.log_spectral_distance,
    spectral.cepstral_distance,
    spectral.llr,
    spectral.wss,
]
ALL = [spectral.fw_seg_snr, *DISTANCES]
LEVEL_BLIND = [spectral.fw_seg_snr, spectral.cepstral_distance, spectral.llr, spectral.wss]


def room_tone(seconds=1.0, rate=RATE, seed=0):
    """Speech over a noise floor of -40 dB, as a recording has it."""
    s = speech_like(seconds, rate, seed)
    return s + noise_at(40.0, s, seed=seed + 100)


@pytest.fixture(scope="module")
def speech():
    return room_tone()


@pytest.mark.parametrize(("rate", "order"), [(8000, 10), (10000, 16), (16000, 16)])
def test_all_match_the_slow_ones(rate, order):
    s = room_tone(0.2, rate)
    y = s + noise_at(8.0, s)
    assert_allclose(spectral.fw_seg_snr(s, y, rate), slow.fw_seg_snr(s, y, rate), atol=1e-9)
    assert_allclose(spectral.wss(s, y, rate), slow.wss(s, y, rate), atol=1e-9)
    assert_allclose(spectral.llr(s, y, rate), slow.llr(s, y, rate, order), atol=1e-9)
    assert_allclose(
        spectral.cepstral_distance(s, y, rate),
        slow.cepstral_distance(s, y, rate, order),
        atol=1e-9,
    )
    assert_allclose(
        spectral.log_spectral_distance(s, y, rate),
        slow.log_spectral_distance(s, y, rate),
        atol=1e-9,
    )


def test_perfect_estimates(speech):
    assert spectral.fw_seg_snr(speech, speech, RATE) == 35.0
    for distance in DISTANCES:
        assert distance(speech, speech, RATE) == 0.0


@pytest.mark.parametrize("compute", ALL)
def test_every_score_worsens_with_more_noise(speech, compute):
    values = [compute(speech, speech + noise_at(db, speech), RATE) for db in (30.0, 15.0, 0.0)]
    assert np.all(np.diff(values) * (-1 if compute is spectral.fw_seg_snr else 1) > 0)


@pytest.mark.parametrize("compute", LEVEL_BLIND)
def test_level_does_not_matter(speech, compute):
    y = speech + noise_at(5.0, speech)
    plain = compute(speech, y, RATE)
    for gain in (1e-3, -2.0, 1e3):
        assert_allclose(compute(speech, gain * y, RATE), plain, rtol=1e-9)
        assert_allclose(compute(gain * speech, y, RATE), plain, rtol=1e-9)


def test_a_gain_is_its_own_log_spectral_distance():
    s = np.random.default_rng(0).standard_normal(RATE)
    # white: one bin in 10⁴ or so lies below the floor of -50 dB, and moves less
    assert_allclose(spectral.log_spectral_distance(s, 2 * s, RATE), 6.02, atol=0.02)
    assert_allclose(spectral.log_spectral_distance(s, s / 2, RATE), 6.02, atol=0.02)


def test_log_spectral_distance_hears_no_more_than_50_db(speech):
    faint = 1e-6 * speech
    floor = spectral.log_spectral_distance(speech, faint, RATE)
    assert spectral.log_spectral_distance(speech, 1e-3 * faint, RATE) == floor < 50


def test_limits_of_one_frame():
    noise = np.random.default_rng(3).standard_normal(RATE)
    tone = np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE)
    assert spectral.llr(tone, noise, RATE) == 2.0
    assert spectral.cepstral_distance(tone, noise, RATE) == 10.0
    assert -10.0 <= spectral.fw_seg_snr(tone, noise, RATE) < 0.0


def autoregressive(pole, n_samples, seed):
    x = np.random.default_rng(seed).standard_normal(n_samples)
    for n in range(1, n_samples):
        x[n] += pole * x[n - 1]
    return x


def test_llr_of_white_and_first_order_noise():
    white, red = autoregressive(0.0, RATE, 1), autoregressive(0.9, RATE, 2)
    # aᵀ(y) R(s) a(y) / aᵀ(s) R(s) a(s): 1 + 0.9² one way, 1 / (1 - 0.9²) the other;
    # 16 poles fitted to 30 ms are off by about 16 / 240 on each side
    assert_allclose(spectral.llr(white, red, RATE), np.log(1 + 0.81), atol=0.15)
    assert_allclose(spectral.llr(red, white, RATE), np.log(1 / 0.19), atol=0.15)


def test_a_first_order_model_is_found_exactly():
    lags = 0.9 ** np.arange(6.0)[None]
    filters = levinson(lags)
    assert_allclose(filters, [[1, -0.9, 0, 0, 0, 0]], atol=1e-14)
    assert_allclose(cepstra(filters), [0.9 ** np.arange(1, 6) / np.arange(1, 6)], atol=1e-14)
    assert_allclose(residual_energy(filters, lags), [1 - 0.81], atol=1e-14)


def test_a_silent_frame_is_white():
    lags = autocorrelation(np.zeros((1, 100)), 4)
    assert_allclose(lags, [[1 + 1e-9, 0, 0, 0, 0]], rtol=0, atol=0)


def test_the_peak_of_a_slope_is_the_programs():
    levels = np.random.default_rng(4).standard_normal((50, 25))
    levels[0], levels[1], levels[2] = np.arange(25.0), -np.arange(25.0), 0.0
    ours = np.take_along_axis(levels, spectral.nearest_peak(levels), axis=-1)
    assert_allclose(ours, [slow.peak_levels(list(frame)) for frame in levels], atol=0)


@pytest.mark.parametrize("rate", [8000, 10000, 16000, 44100, 48000])
def test_critical_bands_keep_their_place_at_every_rate(rate):
    n_fft = 2 ** int(np.ceil(np.log2(0.060 * rate)))
    filters = band_filters(rate, n_fft)
    assert_allclose(CENTRES_HZ, [centre for centre, _ in slow.BANDS], atol=0.006)
    bins = np.arange(n_fft // 2) * rate / n_fft
    assert np.all(np.abs(bins[filters.argmax(axis=1)] - CENTRES_HZ) <= rate / n_fft)
    # bands of equal area: the peak falls as the width grows
    assert_allclose(filters.max(axis=1), [70.0 / width for _, width in slow.BANDS], rtol=1e-9)


@pytest.mark.parametrize("compute", ALL)
@pytest.mark.parametrize("rate", [8000, 10000, 44100, 48000])
def test_other_rates_give_about_the_same(compute, rate):
    s = soxr.resample(room_tone(), RATE, 8000)
    y = s + noise_at(10.0, s)
    narrow = compute(s, y, 8000)
    value = compute(soxr.resample(s, 8000, rate), soxr.resample(y, 8000, rate), rate)
    # the models of LPC and the LSD look at the empty band above 4 kHz too
    assert 0.1 * narrow < value < 2.2 * narrow
    if compute in (spectral.fw_seg_snr, spectral.wss):
        assert_allclose(value, narrow, rtol=0.05)


@pytest.mark.parametrize("compute", [spectral.llr, spectral.cepstral_distance])
def test_linear_prediction_is_done_at_16_khz_at_most(compute):
    s = room_tone(0.5, 48000)
    y = s + noise_at(10.0, s)
    at_16k = compute(soxr.resample(s, 48000, 16000), soxr.resample(y, 48000, 16000), 16000)
    assert compute(s, y, 48000) == at_16k


@pytest.mark.parametrize("compute", LEVEL_BLIND)
def test_where_the_reference_is_silent_nothing_is_compared(speech, compute):
    s = np.concatenate((speech, np.zeros(RATE)))
    clean, dirty = s.copy(), s.copy()
    clean[-RATE // 2 :] = 1e-9 * speech[: RATE // 2]
    dirty[-RATE // 2 :] = 0.01 * speech[: RATE // 2]
    assert compute(s, dirty, RATE) == compute(s, clean, RATE)
    # a reference 100 dB down is no more than the rounding of 16 bits
    tail = s + 1e-7 * np.concatenate((np.zeros(speech.size), speech))
    assert_allclose(compute(tail, dirty, RATE), compute(s, dirty, RATE), rtol=1e-3)


def test_log_spectral_distance_hears_what_is_left_in_pauses(speech):
    s = np.concatenate((speech, np.zeros(RATE)))
    dirty = s.copy()
    dirty[-RATE // 2 :] = 0.1 * speech[: RATE // 2]
    assert spectral.log_spectral_distance(s, dirty, RATE) > 0.5


def test_a_hole_in_the_estimate_has_a_score(speech):
    y = speech.copy()
    y[RATE // 2 :] = 0.0
    # half of the frames are perfect, half are nothing: X² / (X - 0)² is 0 dB
    assert_allclose(spectral.fw_seg_snr(speech, y, RATE), 35.0 / 2, atol=35 * 4 / 130)
    rounded = y + 1e-9 * np.roll(speech, 77) * (y == 0)
    for distance in DISTANCES:
        assert 0 < distance(speech, y, RATE) < np.inf
        assert_allclose(distance(speech, rounded, RATE), distance(speech, y, RATE), rtol=1e-4)


@pytest.mark.parametrize("compute", ALL)
def test_signals_without_a_band_have_a_score(compute):
    t = np.arange(RATE) / RATE
    signals = [np.sin(2 * np.pi * 440 * t), np.ones(RATE), (-1.0) ** np.arange(RATE)]
    signals.append(np.eye(1, RATE, RATE // 2)[0])
    for s in signals:
        for y in signals:
            assert np.isfinite(compute(s, y, RATE))


@pytest.mark.parametrize("compute", ALL)
def test_one_frame_is_enough_and_less_is_not(compute, speech):
    s = speech[4000:4480]
    assert np.isfinite(compute(s, s[::-1], RATE))
    with pytest.raises(MetricError, match="30 ms = 480 samples at 16000 Hz; got 479"):
        compute(s[1:], s[1:], RATE)


@pytest.mark.parametrize("compute", ALL)
def test_silence_has_no_score(compute, speech):
    with pytest.raises(MetricError, match="the reference is silent"):
        compute(0 * speech, speech, RATE)
    with pytest.raises(MetricError, match="the estimate is silent"):
        compute(speech, 0 * speech, RATE)
    click = np.zeros(RATE + 10)
    click[-1] = 1.0  # behind the last whole frame
    with pytest.raises(MetricError, match="silent in all of its frames"):
        compute(click, click, RATE)


@pytest.mark.parametrize("compute", ALL)
def test_what_is_no_signal_is_refused(compute, speech):
    y = speech.copy()
    y[[3, 9]] = np.nan, np.inf
    with pytest.raises(MetricError, match="estimate must be finite; 2 samples"):
        compute(speech, y, RATE)
    with pytest.raises(ShapeError, match="equal length"):
        compute(speech, speech[:-1], RATE)
    with pytest.raises(ShapeError, match="got int16"):
        compute((1000 * speech).astype(np.int16), speech, RATE)
    with pytest.raises(MetricError, match="whole number"):
        compute(speech, speech, 16000.5)


@pytest.mark.parametrize("compute", [spectral.fw_seg_snr, spectral.wss])
def test_critical_bands_need_8_khz(compute, speech):
    with pytest.raises(MetricError, match="8000 Hz or more; got 7999"):
        compute(speech, speech, 7999)


@pytest.mark.parametrize("compute", ALL)
def test_inputs_are_left_alone(compute, speech):
    s, y = speech.copy(), speech + noise_at(5.0, speech)
    y[: RATE // 4] = 0.0
    kept = y.copy()
    compute(s, y, RATE)
    assert np.array_equal(s, speech)
    assert np.array_equal(y, kept)
