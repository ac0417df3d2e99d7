"""Delays of signals against their reference."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh.evaluation.alignment import aligned, cross_correlation, lag
from tests.signals import voice

RATE = 16_000


@pytest.fixture(scope="module")
def speech():
    return voice(np.random.default_rng(0), 2 * RATE)


def shifted(signal, late):
    """The signal, late by a number of samples, of the same length."""
    found = np.zeros_like(signal)
    if late >= 0:
        found[late:] = signal[: len(signal) - late]
    else:
        found[:late] = signal[-late:]
    return found


@pytest.mark.parametrize("late", [0, 1, 1006, -1, -8000, 15_999])
@pytest.mark.parametrize("gain", [1, -0.01])
def test_a_delay_is_found_whatever_the_gain(speech, late, gain):
    noise = 0.3 * np.std(speech) * np.random.default_rng(1).standard_normal(speech.size)
    assert lag(speech, gain * (shifted(speech, late) + noise), RATE) == late


def test_signals_that_have_nothing_in_common_have_no_delay(speech):
    rng = np.random.default_rng(2)
    assert lag(speech, rng.standard_normal(speech.size), RATE) == 0
    assert lag(speech, np.zeros_like(speech), RATE) == 0
    assert lag(speech[:1], speech[:1], RATE) == 0


def test_the_correlation_of_blocks_is_that_of_the_whole():
    rng = np.random.default_rng(0)
    r, x = rng.standard_normal(1000), rng.standard_normal(900)
    whole = np.correlate(np.pad(x, (50, 150)), r, "valid")[:101]
    for block in (64, 333, 5000):
        assert_allclose(cross_correlation(r, x, 50, block), whole, atol=1e-10)


def test_signals_are_shifted_to_the_part_they_share():
    t = np.arange(100)
    signals = [t, np.r_[-np.ones(7, int), t], t[3:], t[:60]]
    found = aligned(signals, [0, 7, -3, 0])
    for signal in found:
        assert_array_equal(signal, np.arange(3, 60))
