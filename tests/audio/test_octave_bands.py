import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh.audio.octave_bands import OctaveBands
from tests.signals import level_db

SINE_DBFS = 10 * np.log10(0.5)  # of amplitude 1


def levels(samples, rate=16_000, block=None):
    bands = OctaveBands(len(samples), rate)
    step = block or max(samples.shape[1], 1)
    for start in range(0, samples.shape[1], step):
        bands.update(samples[:, start : start + step].astype(np.float32))
    return bands.levels_dbfs()


def sine(frequency, rate, seconds=2.0):
    return np.sin(2 * np.pi * frequency * np.arange(int(seconds * rate)) / rate)[None]


@pytest.mark.parametrize("rate, last", [(8000, 4000), (16_000, 8000), (44_100, 16_000)])
def test_bands_are_octaves_up_to_the_nyquist_frequency(rate, last):
    centres = OctaveBands(1, rate).centres
    assert centres[0] == 125 and centres[-1] == last
    assert_array_equal(np.diff(np.log2(centres)), 1)


@pytest.mark.parametrize("rate", [8000, 16_000, 44_100, 192_000])
@pytest.mark.parametrize("amplitude_db", [0, -60])
def test_a_sine_has_its_level_in_its_band_and_none_elsewhere(rate, amplitude_db):
    for k, centre in enumerate(OctaveBands(1, rate).centres):
        if centre >= rate / 2:
            continue
        found = levels(10 ** (amplitude_db / 20) * sine(centre, rate), rate)[0]
        assert_allclose(found[k], SINE_DBFS + amplitude_db, atol=0.2)
        assert np.delete(found, k).max() < found[k] - 30  # Hann: sidelobes far below


@pytest.mark.parametrize("tone", [420.0, 600.0])
def test_a_sine_off_the_centre_stays_in_its_band(tone):
    """354 to 707 Hz is the band around 500 Hz: well inside, nothing spills over."""
    found = levels(sine(tone, 16_000))[0]
    assert_allclose(found[2], SINE_DBFS, atol=0.2)


def test_bands_add_up_to_the_level_of_the_channel():
    """White noise between 88 Hz and 8 kHz; what is below the lowest edge is 1.1 %."""
    x = 0.1 * np.random.default_rng(0).standard_normal((3, 160_000))
    total = 10 * np.log10(np.sum(10 ** (levels(x) / 10), axis=1))
    for channel, level in zip(x, total, strict=True):
        assert_allclose(level, level_db(channel), atol=0.2)


def test_an_octave_of_white_noise_has_twice_the_power_of_the_one_below():
    found = levels(np.random.default_rng(1).standard_normal((1, 960_000)))[0]
    assert_allclose(np.diff(found[2:-1]), 10 * np.log10(2), atol=0.2)


@pytest.mark.parametrize("block", [1, 399, 400, 401, 5000])
def test_levels_do_not_depend_on_the_cut(block):
    x = np.random.default_rng(2).standard_normal((2, 3000 if block == 1 else 20_000))
    assert_allclose(levels(x, block=block), levels(x), atol=1e-3)


def test_channels_are_kept_apart():
    x = np.concatenate([sine(500, 16_000), np.zeros((1, 32_000)), 0.1 * sine(2000, 16_000)])
    found = levels(x)
    assert_allclose([found[0, 2], found[2, 4]], [SINE_DBFS, SINE_DBFS - 20], atol=0.2)
    assert (found[1] == -np.inf).all()


@pytest.mark.parametrize("n_samples", [0, 1, 799])
def test_less_than_a_frame_has_no_spectrum(n_samples):
    assert np.isnan(levels(np.ones((2, n_samples)))).all()
    assert not np.isnan(levels(np.ones((2, 800)))).any()
