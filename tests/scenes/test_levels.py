"""Active speech level against constructions whose level is known; noise under speech."""

import numpy as np
import pytest

from arrayenh.errors import SceneError, ShapeError
from arrayenh.scenes.levels import SNR_LADDER_DB, active_speech_level, mix_white
from arrayenh.scenes.packaged import load_clip

FS = 16000


def rms_db(x):
    return 10 * np.log10(np.mean(np.square(x)))


def test_a_steady_sound_is_active_all_the_time():
    x = 0.1 * np.random.default_rng(0).standard_normal(5 * FS)
    level_db, activity = active_speech_level(x, FS)
    # the envelope needs two time constants to rise
    assert level_db == pytest.approx(rms_db(x), abs=0.1) and activity > 0.97


@pytest.mark.parametrize("part", [0.25, 0.5, 0.75])
def test_pauses_do_not_count(part):
    x = 0.1 * np.random.default_rng(0).standard_normal(20 * FS)
    active = np.arange(len(x)) % (4 * FS) < 4 * FS * part
    level_db, activity = active_speech_level(x * active, FS)
    # the hangover counts 0.2 s of each pause as speech, after the 0.08 s in which the
    # envelope falls by the margin
    held = part + 0.28 / 4
    assert activity == pytest.approx(held, abs=0.02)
    assert level_db == pytest.approx(rms_db(x) + 10 * np.log10(part / held), abs=0.15)


@pytest.mark.parametrize("gain_db", [-60.0, -6.0, 20.0])
def test_the_level_moves_with_the_gain(gain_db):
    speech = load_clip("female")[0].astype(float)
    level_db, activity = active_speech_level(speech, FS)
    moved_db, same = active_speech_level(10 ** (gain_db / 20) * speech, FS)
    assert moved_db - level_db == pytest.approx(gain_db, abs=1e-9)
    assert same == pytest.approx(activity, abs=1e-9)


def test_the_rate_does_not_matter():
    speech = load_clip("male")[0].astype(float)
    level_db, _ = active_speech_level(speech, FS)
    slow_db, _ = active_speech_level(np.repeat(speech, 3), 3 * FS)
    assert slow_db == pytest.approx(level_db, abs=0.05)


def test_silence_around_speech_changes_nothing():
    speech = load_clip("female")[0].astype(float)
    level_db, activity = active_speech_level(speech, FS)
    padded_db, less = active_speech_level(np.pad(speech, 5 * FS), FS)
    assert padded_db == pytest.approx(level_db, abs=0.15)
    assert less < 0.6 * activity
    assert 0.5 < activity < 1 and level_db > rms_db(speech)


def test_silence_has_no_level():
    with pytest.raises(SceneError, match="silent signal has no active speech level"):
        active_speech_level(np.zeros(100), FS)
    with pytest.raises(ShapeError, match=r"shape \(N,\); got \(2, 5\)"):
        active_speech_level(np.zeros((2, 5)), FS)


@pytest.mark.parametrize("snr_db", SNR_LADDER_DB)
def test_white_noise_is_mixed_by_the_ratio_of_rms(snr_db):
    clean = np.random.default_rng(1).standard_normal((3, FS)) * [[1.0], [0.5], [2.0]]
    noisy, noise = mix_white(clean, snr_db, np.random.default_rng(2), reference=1)
    assert rms_db(clean[1]) - rms_db(noise[1]) == pytest.approx(snr_db, abs=1e-9)
    np.testing.assert_array_equal(noisy, clean + noise)
    assert abs(np.corrcoef(noise)[0, 1]) < 0.04
    with pytest.raises(SceneError, match="microphone 0 is silent"):
        mix_white(0 * clean, 0, np.random.default_rng(0))
