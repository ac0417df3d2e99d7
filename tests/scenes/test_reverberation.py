"""Reverberation: measured on decays that are known, and as long as asked in shoeboxes."""

import numpy as np
import pytest

from arrayenh.errors import SceneError, ShapeError
from arrayenh.scenes.image_source import shoebox_responses
from arrayenh.scenes.reverberation import (
    calibrated_absorption,
    direct_to_reverberant,
    energy_decay,
    measure_rt60,
)

FS = 16000


def exponential(rt60, seconds=2.0):
    return np.exp(-np.log(1e3) * np.arange(int(seconds * FS)) / (FS * rt60))


@pytest.mark.parametrize("rt60", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("decay_db", [20.0, 30.0])
def test_an_exponential_decay_is_measured(rt60, decay_db):
    assert measure_rt60(exponential(rt60), FS, decay_db) == pytest.approx(rt60, rel=1e-3)
    noise = np.random.default_rng(0).standard_normal(2 * FS)
    # the curve of decaying noise fluctuates: 13.8 / (B T) independent values, some percent
    assert measure_rt60(noise * exponential(rt60), FS, decay_db) == pytest.approx(rt60, rel=0.05)


def test_the_decay_curve_of_an_exponential_is_a_line():
    curve = energy_decay(exponential(0.5))
    assert curve[0] == 0
    assert curve[FS // 4] == pytest.approx(-30, abs=0.01)


def test_direct_to_reverberant_ratio_of_a_known_response():
    response = np.zeros(FS)
    response[100], response[1000:1100] = 1.0, 0.05
    assert direct_to_reverberant(response, FS) == pytest.approx(10 * np.log10(1 / 0.25))
    assert direct_to_reverberant(response[:500], FS) == np.inf


def rooms():
    rng = np.random.default_rng(1)
    for rt60 in np.linspace(0.2, 0.8, 13):
        size = rng.uniform((4, 3.5, 2.5), (8, 7, 3.5))
        yield size, rt60, rng.uniform(0.15, 0.85, 3) * size, rng.uniform(0.15, 0.85, (2, 3)) * size


@pytest.mark.parametrize("size, rt60, source, mics", list(rooms()))
def test_rooms_reverberate_as_long_as_asked_anywhere(size, rt60, source, mics):
    absorption = calibrated_absorption(size, rt60)
    responses = shoebox_responses(size, absorption, source, mics, FS, length_s=rt60)
    for response in responses:
        assert measure_rt60(response, FS) == pytest.approx(rt60, rel=0.15)


def test_a_longer_time_needs_less_absorption():
    size = np.array([6.0, 5.0, 2.8])
    found = [calibrated_absorption(size, rt60) for rt60 in (0.2, 0.4, 0.8, 1.2)]
    assert np.all(np.diff(found) < 0) and 0 < found[-1] < found[0] < 1
    assert calibrated_absorption(size, 0.4) == found[1]


@pytest.mark.parametrize(
    "rt60, message", [(0.01, ": no reflection arrives so early"), (0.05, ", only")]
)
def test_a_time_that_cannot_be_reached_is_refused(rt60, message):
    with pytest.raises(SceneError, match=f"cannot be reached in a room of 20 x 15 x 6 m{message}"):
        calibrated_absorption(np.array([20.0, 15.0, 6.0]), rt60)


def test_a_decay_in_steps_hides_no_answer():
    # between the ends of the search, walls that give back 0.1 % leave a flat step in the decay
    size, rt60 = np.array([3.34149815, 4.09462564, 2.77988235]), 0.8267
    assert 0.05 < calibrated_absorption(size, rt60) < 0.15


def test_what_has_no_decay_is_refused():
    with pytest.raises(SceneError, match="silent response has no decay"):
        energy_decay(np.zeros(10))
    with pytest.raises(SceneError, match="does not decay from -5 to -35 dB"):
        measure_rt60(np.ones(1000), FS)
    with pytest.raises(ShapeError, match=r"shape \(L,\); got \(2, 3\)"):
        energy_decay(np.zeros((2, 3)))
    with pytest.raises(SceneError, match="rt60 must be above 0 seconds; got -0.1"):
        calibrated_absorption(np.ones(3), -0.1)
