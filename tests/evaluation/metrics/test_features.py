"""Spectral features: tones and noise whose features are known beforehand."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh.errors import MetricError, ShapeError
from arrayenh.evaluation.metrics.features import (
    LongTermSpectrum,
    features_of,
    long_term_spectrum,
    spectral_features,
)
from tests.signals import RATE, level_db

RATES = [8000, 16_000, 44_100, 48_000]


def sine(frequency, rate=RATE, seconds=2.0, amplitude=1.0):
    return amplitude * np.sin(2 * np.pi * frequency * np.arange(int(seconds * rate)) / rate)


def white(seconds=30.0, rate=RATE, seed=0):
    return np.random.default_rng(seed).standard_normal(int(seconds * rate))


# ---- features ----------------------------------------------------------------------------


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("frequency", [200.0, 1000.0, 1013.7, 3000.0])
def test_a_sine_has_its_frequency_for_a_centroid(frequency, rate):
    found = spectral_features(sine(frequency, rate), rate)
    assert_allclose(found.centroid_hz, frequency, atol=1)
    assert found.bandwidth_hz < 20  # one bin
    assert found.flatness < 1e-6
    assert abs(found.rolloff_hz - frequency) < 40  # the main lobe


@pytest.mark.parametrize("rate", RATES)
def test_white_noise_is_flat_and_fills_the_band(rate):
    found = spectral_features(white(20, rate), rate)
    # within 5 standard deviations of what 20 s leave to chance, and 2 bins of DC
    assert_allclose(found.centroid_hz, rate / 4, rtol=0.02)
    assert_allclose(found.bandwidth_hz, rate / 2 / 12**0.5, rtol=0.02)
    assert_allclose(found.rolloff_hz, 0.95 * rate / 2, rtol=0.01)
    assert 0.99 < found.flatness < 1


def test_two_tones():
    found = spectral_features(sine(1000) + 3**0.5 * sine(3000), RATE)  # powers 1 : 3
    assert_allclose(found.centroid_hz, 2500, atol=1)
    assert_allclose(found.bandwidth_hz, 3**0.5 / 4 * 2000, atol=1)
    assert abs(found.rolloff_hz - 3000) < 40
    assert abs(spectral_features(sine(1000) + 0.2 * sine(3000), RATE).rolloff_hz - 1000) < 40


def test_features_of_a_spectrum_by_hand():
    freqs = np.arange(6.0) * 100
    power = np.array([9.0, 9.0, 1.0, 4.0, 4.8, 0.2])  # DC in the first two
    found = features_of(freqs, power)
    assert_allclose(found.centroid_hz, (200 + 1200 + 1920 + 100) / 10)
    assert_allclose(found.bandwidth_hz, (power[2:] @ (freqs[2:] - 342) ** 2 / 10) ** 0.5)
    assert_allclose(found.flatness, (4 * 4.8 * 0.2) ** 0.25 / 2.5)
    assert_allclose(found.rolloff_hz, 350 + 100 * 4.5 / 4.8)  # 350 to 450 Hz hold 4.8
    tone = features_of(freqs, np.array([0.0, 0.0, 0.0, 1.0, 0.0, 0.0]))
    assert tone.flatness == 0 and tone.centroid_hz == 300 and tone.bandwidth_hz == 0
    assert tone.rolloff_hz == pytest.approx(345)  # within its bin, 250 to 350 Hz


def test_features_do_not_hear_gain_and_offset():
    plain = spectral_features(white(2), RATE)
    other = spectral_features(1e-3 * white(2) + 0.5, RATE)
    for key in plain.__dataclass_fields__:
        assert_allclose(getattr(other, key), getattr(plain, key), rtol=1e-6)


def test_silence_and_hardly_any_sound_have_no_features():
    for samples in (np.zeros(RATE), np.full(RATE, 0.0), white(0.04)):
        found = spectral_features(samples, RATE)
        assert all(np.isnan(getattr(found, key)) for key in found.__dataclass_fields__)


# ---- the long-term spectrum --------------------------------------------------------------


@pytest.mark.parametrize("rate", RATES)
def test_the_density_of_white_noise(rate):
    freqs, level = long_term_spectrum(0.1 * white(20, rate), rate)
    assert_allclose(level[3:-3], -20 - 10 * np.log10(rate / 2), atol=2)
    assert freqs[0] == 0 and freqs[-1] == rate / 2 and freqs[1] <= 20


@pytest.mark.parametrize("rate", RATES)
def test_the_density_adds_up_to_the_level(rate):
    for signal in (sine(1000, rate), 0.1 * white(5, rate), 0.2 + sine(rate / 2 - 50, rate)):
        freqs, level = long_term_spectrum(signal, rate)
        total = 10 * np.log10(np.sum(10 ** (level / 10)) * freqs[1])
        assert_allclose(total, level_db(signal), atol=0.05)


def test_blocks_do_not_matter():
    samples = np.stack([white(1), sine(500, seconds=1)]).astype(np.float32)
    whole, pieces = LongTermSpectrum(2, RATE), LongTermSpectrum(2, RATE)
    whole.update(samples)
    for start in range(0, RATE, 777):
        pieces.update(samples[:, start : start + 777])
    assert_allclose(pieces.density(), whole.density(), rtol=1e-12)
    for found, channel in zip(whole.features(), samples, strict=True):
        one = spectral_features(channel, RATE)
        assert found.centroid_hz == pytest.approx(one.centroid_hz, rel=1e-6)


def test_silence_is_minus_infinity_and_too_little_is_nothing():
    assert_array_equal(long_term_spectrum(np.zeros(RATE), RATE)[1], -np.inf)
    assert np.isnan(long_term_spectrum(white(0.04), RATE)[1]).all()


def test_what_is_no_spectrum():
    with pytest.raises(ShapeError, match="one shape"):
        features_of(np.arange(5.0), np.ones(4))
    with pytest.raises(ShapeError, match="one shape"):
        features_of(np.arange(2.0), np.ones(2))
    with pytest.raises(ShapeError, match="must have shape"):
        spectral_features(np.ones((2, 100)), RATE)
    with pytest.raises(MetricError, match="finite"):
        long_term_spectrum(np.full(RATE, np.nan), RATE)
