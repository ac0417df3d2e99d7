"""Resampling with a short delay, against exact sines."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh.audio.low_delay import ATTENUATION_DB, LowDelayResampler
from arrayenh.errors import ShapeError
from tests.signals import level_db

EPS = float(np.finfo(np.float32).eps)
PAIRS = [(48_000, 16_000), (16_000, 48_000), (44_100, 16_000), (16_000, 44_100)]
PAIRS += [(8000, 16_000), (16_000, 8000), (96_000, 16_000), (22_050, 16_000), (16_000, 16_000)]
DELAY = 0.001


def sine(freq, rate, n_samples, delay=0.0):
    return np.sin(2 * np.pi * freq * (np.arange(n_samples) / rate - delay))


def resampled(rate, to, samples, delay=DELAY):
    return LowDelayResampler(rate, to, 1, delay).push(samples[None].astype(np.float32))[0]


@pytest.mark.parametrize(("rate", "to"), PAIRS)
@pytest.mark.parametrize("delay", [0.001, 0.0010204, 0.002])
def test_a_sine_comes_out_delayed_exactly(rate, to, delay):
    """Below the transition, (A - 8) / 57.4 D Hz wide, the error is that of the attenuation."""
    pass_band = min(rate, to) / 2 - (ATTENUATION_DB - 8) / (57.4 * delay)
    for freq in (50.0, 1000.0, 0.5 * pass_band, pass_band):
        found = resampled(rate, to, sine(freq, rate, rate // 10), delay)
        assert len(found) == to // 10
        wanted = sine(freq, to, len(found), delay)
        settled = slice(round(2 * delay * to) + 1, None)
        assert level_db((found - wanted)[settled]) - level_db(wanted) < -50


@pytest.mark.parametrize(("rate", "to"), [pair for pair in PAIRS if pair[0] > pair[1]])
def test_what_the_new_rate_cannot_hold_is_attenuated(rate, to):
    """By 50 dB and more beyond the transition; soft edges, so that nothing else is there."""
    stop = to / 2 + (ATTENUATION_DB - 8) / (57.4 * DELAY)
    for freq in np.linspace(min(stop, 0.49 * rate), 0.49 * rate, 4):
        tone = sine(freq, rate, rate // 10) * np.hanning(rate // 10)
        assert level_db(resampled(rate, to, tone)) - level_db(tone) < -50


@pytest.mark.parametrize(("rate", "to"), PAIRS)
def test_a_constant_passes_exactly(rate, to):
    found = resampled(rate, to, np.full(rate // 20, 0.7))
    assert_allclose(found[round(2 * DELAY * to) + 1 :], np.float32(0.7), rtol=2 * EPS)


@pytest.mark.parametrize(("rate", "to"), PAIRS)
def test_an_impulse_peaks_at_the_delay(rate, to):
    """Its samples are those of the windowed sinc around the delay, symmetric about it."""
    impulse = np.zeros(rate // 20)
    impulse[rate // 100] = 1
    found = resampled(rate, to, impulse)
    peak = (0.01 + DELAY) * to
    assert abs(int(found.argmax()) - peak) <= 0.5 + 1e-9
    first, last = np.flatnonzero(found)[[0, -1]]
    assert peak - DELAY * to <= first and last <= peak + DELAY * to


@settings(max_examples=20, deadline=None, derandomize=True)
@given(
    pair=st.sampled_from(PAIRS),
    sizes=st.lists(st.integers(0, 300), min_size=1, max_size=6).filter(any),
)
def test_bits_do_not_depend_on_the_blocks(pair, sizes):
    """Each block gives all outputs up to the time of its last sample."""
    rate, to = pair
    x = np.random.default_rng(0).standard_normal((2, 1000)).astype(np.float32)
    stream, parts, start, n_out, k = LowDelayResampler(rate, to, 2, DELAY), [], 0, 0, 0
    while start < x.shape[1]:
        parts.append(stream.push(x[:, start : start + sizes[k % len(sizes)]]))
        start, k = min(start + sizes[k % len(sizes)], x.shape[1]), k + 1
        n_out += parts[-1].shape[1]
        assert n_out == -(-start * to // rate)
    stream.reset()
    assert_array_equal(np.concatenate(parts, axis=1), stream.push(x))


def test_channels_do_not_mix():
    x = np.zeros((3, 480), np.float32)
    x[1] = sine(1000, 48_000, 480)
    found = LowDelayResampler(48_000, 16_000, 3, DELAY).push(x)
    assert not found[[0, 2]].any()
    assert_array_equal(found[1], resampled(48_000, 16_000, x[1]))


@pytest.mark.parametrize("shape", [(480,), (1, 480), (3, 480), (2, 480, 1)])
def test_another_number_of_channels_is_refused(shape):
    with pytest.raises(ShapeError, match=r"must have shape \(2, n\)"):
        LowDelayResampler(48_000, 16_000, 2, DELAY).push(np.zeros(shape, np.float32))
