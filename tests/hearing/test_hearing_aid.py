import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh.errors import ConfigError, ShapeError
from arrayenh.evaluation.metrics.interaural import ild_error_db, itd_error_us
from arrayenh.hearing import (
    STANDARD_AUDIOGRAMS,
    Audiogram,
    HearingAid,
    HearingAidSettings,
    load_audiogram,
)
from arrayenh.scenes.packaged import load_clip

RATE = 16000
FULL_SCALE = 110.0
NAL_HZ = np.array([250, 500, 750, 1000, 1500, 2000, 3000, 4000, 6000])
NAL_K = np.array([-17, -8, -3, 1, 1, -1, -2, -2, -2])


def tone(freq, level_db, seconds, rate=RATE):
    """Tone of a level in dB SPL."""
    t = np.arange(round(seconds * rate)) / rate
    return np.sqrt(2) * 10 ** ((level_db - FULL_SCALE) / 20) * np.sin(2 * np.pi * freq * t)


def both(signal):
    return np.stack([signal, signal]).astype(np.float32)


def level_db(samples):
    return FULL_SCALE + 10 * np.log10(np.mean(np.square(samples, dtype=np.float64), axis=-1))


def level_of_tone(aid, freq, level, seconds=0.3):
    """Level at the left ear, dB SPL, when the aid has settled."""
    aid.reset()
    return level_db(aid.process(both(tone(freq, level, seconds)))[0, -RATE // 10 :])


def flat(loss):
    return Audiogram(np.array([1000.0]), np.full((2, 1), float(loss)))


@pytest.fixture(scope="module")
def speech():
    """Speech from the left at 65 dB SPL: 6 samples later and 6 dB softer at the right ear."""
    voice = load_clip("female")[0][: 3 * RATE].astype(np.float64)
    ears = np.stack([voice, 0.5 * np.roll(voice, 6)])
    return ears / np.std(ears[0]) * 10 ** ((65 - FULL_SCALE) / 20)


@pytest.mark.parametrize("name", STANDARD_AUDIOGRAMS)
def test_a_tone_at_65_db_has_the_gain_of_nal_r(name):
    audiogram = load_audiogram(name)
    loss = audiogram.at(NAL_HZ)[0]
    expected = 0.15 * audiogram.at([500, 1000, 2000])[0].mean() + 0.31 * loss + NAL_K
    tones = np.concatenate([tone(freq, 65, 0.25) for freq in NAL_HZ])
    output = HearingAid(audiogram).process(both(tones))[0].reshape(len(NAL_HZ), -1)
    gain = level_db(output[:, -RATE // 10 :]) - 65
    assert_allclose(gain, np.clip(expected, 0, loss), atol=0.3)


@pytest.mark.parametrize("freq", [620, 1100, 1414, 1800, 2449, 3464, 4899])
def test_between_channels_the_gain_at_65_db_is_nal_r_too(freq):
    audiogram = flat(60)
    expected = 0.46 * 60 + np.interp(np.log(freq), np.log(NAL_HZ), NAL_K)
    assert_allclose(level_of_tone(HearingAid(audiogram), freq, 65) - 65, expected, atol=0.7)


def test_the_curve_of_input_and_output():
    aid = HearingAid(load_audiogram("N4"))
    gain = 0.15 * 175 / 3 + 0.31 * 65 - 1  # at 2 kHz
    most = 105 + 175 / 3 / 4
    for level in (20, 35, 45, 50, 65, 80, 95, 105, 115):
        compressed = 65 + gain + (max(level, 45) - 65) * (1 - 65 / 200)
        expected = min(compressed + min(level - 45, 0), most)
        assert_allclose(level_of_tone(aid, 2000, level), expected, atol=0.25)


def test_normal_hearing_passes_unchanged(speech):
    aid = HearingAid(load_audiogram("NH"))
    assert_allclose(aid.process(speech)[:, 32:], speech[:, :-32], atol=1e-7 * np.abs(speech).max())


@pytest.mark.parametrize(("name", "rate"), [("N4", 16000), ("S3,N7", 44100), ("NH", 48000)])
def test_the_latency_is_that_of_an_impulse(name, rate):
    aid = HearingAid(load_audiogram(name), rate)
    late = aid.latency_samples
    assert 0.0019 < late / rate <= 0.002 + 0.5 / rate
    impulse = np.zeros((2, 4 * late), np.float32)
    impulse[:, 0] = 1e-4  # too soft for compression: the filter itself
    response = aid.process(impulse)
    assert_array_equal(np.abs(response).argmax(axis=1), late)
    assert_allclose(response[:, : 2 * late + 1], response[:, 2 * late :: -1], atol=1e-12)
    assert not response[:, 2 * late + 1 :].any()


def measured_times(settings, loss=65.0):
    """Attack and release by ANSI S3.22: 55 dB, 90 dB and 55 dB SPL again, at 2 kHz."""
    aid = HearingAid(flat(loss), settings=settings)
    soft, loud, later = tone(2000, 55, 1.0), tone(2000, 90, 1.0), tone(2000, 55, 2.0)
    output = aid.process(both(np.concatenate([soft, loud, later])))[0, aid.latency_samples :]
    period = 8
    periods = output[: output.size // period * period].reshape(-1, period)
    level = 10 * np.log10(np.mean(np.square(periods, dtype=np.float64), axis=1))
    second = RATE // period
    # without the periods that the filters blend with the next tone
    rise, fall = level[second : 2 * second - 10], level[2 * second :]
    attack = np.flatnonzero(np.abs(rise - rise[-1]) > 3)
    release = np.flatnonzero(np.abs(fall - fall[-1]) > 4)
    return (attack[-1] + 1) * period / RATE, (release[-1] + 1) * period / RATE


@pytest.mark.parametrize(("attack", "release"), [(0.005, 0.1), (0.02, 0.3)])
def test_attack_and_release_are_those_stated(attack, release):
    settings = HearingAidSettings(attack=attack, release=release, max_output_db=140)
    found = measured_times(settings)
    step = 35 * 65 / 200  # change of the gain, dB
    # the average of 2 ms adds to both: the level rises at once, but falls at 4.34 dB each 2 ms
    assert_allclose(found[0], attack * np.log(step / 3), atol=0.002)
    assert_allclose(found[1], release * np.log(step / 4) + 35 / 4.34 * 0.002, atol=0.01)


def test_times_of_a_common_hearing_aid():
    attack, release = measured_times(None)
    assert attack < 0.01 and 0.05 < release < 0.2


@pytest.mark.parametrize("linked", [True, False])
def test_no_sample_exceeds_the_maximum_output(linked):
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((2, RATE)) * 10 ** (rng.uniform(-3, 1, (2, RATE)))
    settings = HearingAidSettings(max_output_db=108, linked=linked)
    aid = HearingAid(load_audiogram("N5,N2"), settings=settings)
    peak = np.sqrt(2) * 10 ** ((108 - FULL_SCALE) / 20)
    output = aid.process(noise)
    assert 0.99 * peak < np.abs(output).max() <= peak * (1 + 1e-6)


def test_the_limiter_recovers_and_is_idle_below_its_ceiling():
    aid = HearingAid(flat(0))
    burst = np.concatenate([tone(1000, 120, 0.1), tone(1000, 80, 0.9), tone(1000, 104, 0.3)])
    output = aid.process(both(burst))[0, 32:]
    assert_allclose(level_db(output[800:1500]), 105, atol=0.1)
    assert_allclose(output[14400:15900], burst[14400:15900], rtol=1e-3, atol=1e-6)
    assert_allclose(output[17000:20000], burst[17000:20000], atol=1e-6)


def test_the_default_maximum_output_rises_with_the_loss_of_each_ear():
    assert_allclose(HearingAid(load_audiogram("NH,N7")).max_output_db, [105, 105 + 305 / 12])


@pytest.mark.parametrize("size", [1, 7, 160, 511, 513])
def test_the_sizes_of_the_blocks_change_no_bit(speech, size):
    aid = HearingAid(load_audiogram("N3,S2"))
    short = speech[:, : 1600 if size == 1 else 16000]
    whole = aid.process(short)
    aid.reset()
    parts = [aid.process(short[:, k : k + size]) for k in range(0, short.shape[1], size)]
    assert_array_equal(np.concatenate(parts, axis=1), whole)
    assert aid.process(short[:, :0]).shape == (2, 0)


def test_random_splits_change_no_bit(speech):
    rng = np.random.default_rng(4)
    aid = HearingAid(load_audiogram("N6"))
    speech = speech[:, RATE : 2 * RATE]
    whole = aid.process(speech)
    for _ in range(3):
        aid.reset()
        cuts = np.sort(rng.integers(0, speech.shape[1], 40))
        parts = [aid.process(part) for part in np.split(speech, cuts, axis=1)]
        assert_array_equal(np.concatenate(parts, axis=1), whole)


def test_linked_ears_keep_the_cues_and_unlinked_ones_compress_them(speech):
    errors = {}
    for linked in (True, False):
        aid = HearingAid(load_audiogram("N5"), settings=HearingAidSettings(linked=linked))
        clean = speech[:, RATE : 2 * RATE]
        output = aid.process(clean)[:, 32:].astype(np.float64)
        clean = clean[:, :-32]
        errors[linked] = ild_error_db(clean, output, RATE)
        assert itd_error_us(clean, output, RATE) < 3
    assert errors[True] < 0.1 and errors[False] > 1


def test_ears_of_different_hearing_keep_their_time_difference():
    rng = np.random.default_rng(2)
    sound = 10 ** ((60 - FULL_SCALE) / 20) * rng.standard_normal(RATE)
    ears = np.stack([sound, np.roll(sound, 8)])
    left, right = HearingAid(load_audiogram("N2,S3")).process(ears)[:, 2000:].astype(np.float64)
    lags = np.arange(-16, 17)
    products = [left[100:-100] @ right[100 + k : right.size - 100 + k] for k in lags]
    assert lags[np.argmax(products)] == 8


def test_the_gain_stays_below_the_limit_of_feedback():
    settings = HearingAidSettings(most_gain_db=25, max_output_db=130)
    aid = HearingAid(load_audiogram("N5"), settings=settings)
    soft = [level_of_tone(aid, freq, 40, 0.2) - 40 for freq in NAL_HZ]
    assert max(soft) < 25.3
    assert soft[5] > 24.5  # without the limit 39 dB


def test_the_calibration_scales_all_levels(speech):
    speech = speech[:, RATE : 2 * RATE]
    loud = HearingAid(load_audiogram("N3"), settings=HearingAidSettings(full_scale_db=90))
    output = loud.process(10 * speech)
    assert_allclose(output, 10 * HearingAid(load_audiogram("N3")).process(speech), rtol=1e-4)


def test_samples_that_are_not_finite_are_silence(speech):
    aid = HearingAid(load_audiogram("N3"))
    broken, silent = speech[:, :4000].copy(), speech[:, :4000].copy()
    broken[:, 1000:1100] = [[np.nan], [np.inf]]
    silent[:, 1000:1100] = 0
    output = aid.process(broken)
    aid.reset()
    assert_array_equal(output, aid.process(silent))


@pytest.mark.parametrize(
    "block", [np.zeros((1, 8)), np.zeros(8), np.zeros((2, 8), np.int16), np.zeros((2, 8), complex)]
)
def test_other_blocks_are_refused(block):
    with pytest.raises(ShapeError, match="block must"):
        HearingAid(load_audiogram("N1")).process(block)


@pytest.mark.parametrize(
    "wrong",
    [
        {"full_scale_db": 20},
        {"knee_db": 70},
        {"attack": 0},
        {"release": float("nan")},
        {"max_output_db": 200},
        {"most_gain_db": -1},
    ],
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        HearingAidSettings(**wrong)
    with pytest.raises(ConfigError, match="sample_rate must be 16000 to 96000; got 8000"):
        HearingAid(load_audiogram("N1"), 8000)
