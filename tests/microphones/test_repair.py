"""What is done to faulty microphones."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh.microphones.diagnostics import survey
from arrayenh.microphones.repair import Conditioning, choose_microphones

RATE = 16000


def recording(levels_db, seed=0):
    """The same noise at every microphone, each with its own, 30 dB below; (M, 1 s)."""
    rng = np.random.default_rng(seed)
    common = rng.standard_normal(RATE)
    own = 10 ** (-30 / 20) * rng.standard_normal((len(levels_db), RATE))
    gains = 0.1 * 10 ** (np.asarray(levels_db) / 20)
    return (gains[:, None] * (common + own)).astype(np.float32)


def chosen(samples, channels=None, reference=0):
    reports = survey(samples, RATE)
    return choose_microphones(reports, channels or range(len(samples)), reference)


def level_db(samples):
    return 10 * np.log10(np.mean(samples.astype(float) ** 2, axis=1))


def test_a_quiet_microphone_is_lifted_to_the_level_most_have():
    """Not to the mean, which one microphone in a far corner lowers."""
    samples = recording([0, 0, 0, -12, -40])
    microphones, log = chosen(samples)
    assert_allclose(20 * np.log10(microphones.gains), [0, 0, 0, 0, 40], atol=0.1)
    mended = Conditioning(microphones)(samples)
    assert_allclose(level_db(mended) - level_db(samples)[0], [0, 0, 0, -12, 0], atol=0.1)
    assert len(log) == 1 and log[0].endswith("corrected")


def test_gains_are_relative_to_the_reference_microphone():
    """A quiet reference is not lifted: the others come down to it."""
    gains = chosen(recording([-40, 0, 0, 0]))[0].gains
    assert_allclose(20 * np.log10(gains), [0, -40, -40, -40], atol=0.1)


def test_a_flipped_microphone_is_turned_back():
    samples = recording([0, 0, 0])
    samples[1] *= -1
    microphones, log = chosen(samples)
    assert microphones.gains.tolist() == [1, -1, 1]
    assert_array_equal(Conditioning(microphones)(samples)[1], -samples[1])
    assert len(log) == 1 and "flipped" in log[0] and log[0].endswith("corrected")


def test_an_offset_is_taken_off_where_it_is_a_fault():
    samples = recording([0, 0, 0])
    samples[2] += 0.2
    samples[1] += 1e-4
    microphones, _ = chosen(samples)
    assert_allclose(microphones.offsets, [0, 0, 0.2], atol=1e-3)
    assert microphones.offsets[1] == 0
    mended = Conditioning(microphones)(samples)
    assert_allclose(mended.mean(axis=1), [0, 1e-4, 0], atol=1e-3)


def test_dead_microphones_are_left_out_and_another_is_the_reference():
    samples = recording([0, 0, 0])
    samples[0] = 0
    microphones, log = chosen(samples, channels=[4, 7, 9])
    assert microphones.rows == (1, 2) and microphones.reference == 0
    assert log[-1] == "microphone 4 cannot be the reference: microphone 7 is used instead"
    block = samples[:, :100]
    assert_array_equal(Conditioning(microphones)(block), block[1:])


def test_where_all_are_silent_silence_stays():
    microphones, log = chosen(np.zeros((3, RATE), np.float32), reference=2)
    assert microphones.rows == (0, 1, 2) and microphones.reference == 2
    assert log == ["the recording is silent"]
    assert not Conditioning(microphones)(np.zeros((3, 10), np.float32)).any()


def test_a_quiet_recording_is_not_called_silent():
    """Below -90 dBFS; only the microphone without any sound is left out."""
    samples = 1e-6 * recording([0] * 3)
    samples[1] = 0
    microphones, log = chosen(samples)
    assert microphones.rows == (0, 2) and (microphones.gains == 1).all()
    assert "the recording is very quiet (-1" in log[0] and "silent" not in " ".join(log)
    assert log[1:] == ["microphone 1 is dead (-inf dBFS): left out"]


@pytest.mark.parametrize("n_mics", [1, 4])
def test_a_healthy_recording_is_passed_as_it_is(n_mics):
    samples = recording([0] * n_mics)
    microphones, log = chosen(samples)
    assert Conditioning(microphones)(samples) is samples and log == []
