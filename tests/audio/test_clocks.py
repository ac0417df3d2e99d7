import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh.audio.clocks import Clock, in_step
from tests.signals import RATE


def aligned(samples, clocks, block=5_000):
    blocks = (samples[:, k : k + block] for k in range(0, samples.shape[1], block))
    return np.concatenate(list(in_step(blocks, RATE, clocks)), axis=1)


def chirp(seconds):
    return np.sin(2 * np.pi * (300 * seconds + 20 * seconds**2))


@pytest.mark.parametrize("clock", [Clock(0.25, 300.0), Clock(-0.4, -150.0), Clock(0.1), Clock()])
def test_a_recording_is_back_on_the_clock_of_the_reference(clock):
    time = np.arange(8 * RATE) / RATE
    # at the time s of its own clock, the recorder hears what happened at r = (s - start) / rate
    own = chirp((time - clock.start) / (1 + 1e-6 * clock.ppm)) * (time >= clock.start)
    recorded = np.stack([chirp(time), own]).astype(np.float32)
    found = aligned(recorded, [Clock(), clock])
    assert found.shape == recorded.shape
    assert_array_equal(found[0], recorded[0])
    middle = slice(round(0.5 * RATE), round(7.5 * RATE))
    assert_allclose(found[1, middle], recorded[0, middle], atol=1e-4)


def test_the_size_of_the_blocks_does_not_matter():
    noise = np.random.default_rng(0).standard_normal((2, 3 * RATE)).astype(np.float32)
    clocks = [Clock(), Clock(-0.3, 60.0)]
    whole = aligned(noise, clocks, noise.shape[1])
    assert_allclose(aligned(noise, clocks, 777), whole, atol=1e-6)


def test_where_a_recorder_did_not_run_there_is_silence():
    ones = np.ones((2, RATE), np.float32)
    found = aligned(ones, [Clock(), Clock(-0.5)])
    assert_array_equal(found[1], np.arange(RATE) >= RATE // 2)
    assert not aligned(ones, [Clock(), Clock(0.5)])[1, RATE // 2 :].any()
