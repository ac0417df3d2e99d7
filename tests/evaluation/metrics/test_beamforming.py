import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from arrayenh.errors import MetricError, ShapeError
from arrayenh.evaluation.metrics.beamforming import noise_reduction_db, speech_distortion_index

SCORES = [noise_reduction_db, speech_distortion_index]


@pytest.fixture(scope="module")
def signal():
    return np.random.default_rng(0).standard_normal(16000)


def test_white_noise_at_four_microphones_is_reduced_by_ten_log_four():
    noise = np.random.default_rng(0).standard_normal((4, 200_000))
    reduction_db = noise_reduction_db(noise[0], noise.mean(axis=0))
    # four standard errors of a power over N samples: 4·(10/ln 10)·sqrt(2·2/N)
    assert_allclose(reduction_db, 10 * np.log10(4), atol=0.08)


@pytest.mark.parametrize("gain", [0.5, 1.0, 2.0])
def test_a_gain_is_that_much_reduction(signal, gain):
    assert_allclose(noise_reduction_db(signal, gain * signal), -20 * np.log10(gain), atol=1e-9)


@pytest.mark.parametrize("gain", [0.0, 0.7, 1.0, 3.0])
def test_a_gain_distorts_by_its_distance_from_one(signal, gain):
    assert_allclose(speech_distortion_index(signal, gain * signal), (gain - 1) ** 2, atol=1e-12)


def test_both_are_ratios_to_what_went_in(signal):
    # swapped arguments would give the inverse, or 4
    assert_allclose(speech_distortion_index(2 * signal, signal), 0.25, atol=1e-12)
    assert noise_reduction_db(2 * signal, signal) > 0


def test_noise_that_is_gone_is_reduced_without_end(signal):
    assert noise_reduction_db(signal, 0 * signal) == math.inf


def test_without_noise_or_speech_there_is_no_score(signal):
    with pytest.raises(MetricError, match="the noise is silent"):
        noise_reduction_db(0 * signal, signal)
    with pytest.raises(MetricError, match="the speech is silent"):
        speech_distortion_index(0 * signal, signal)


@pytest.mark.parametrize("compute", SCORES)
def test_what_is_no_pair_of_signals_is_refused(signal, compute):
    with pytest.raises(ShapeError, match="_out must have equal length; got 16000 and 15999"):
        compute(signal, signal[:-1])
    with pytest.raises(ShapeError, match=r"must have shape \(N,\)"):
        compute(signal[None], signal)
    bad = signal.copy()
    bad[5] = np.nan
    with pytest.raises(MetricError, match="_out must be finite; 1 samples"):
        compute(signal, bad)
