"""Artifacts, musical noise, clipping and dynamic range: known faults, and real chains."""

import numpy as np
import pytest
import soxr
from numpy.testing import assert_allclose

from arrayenh.audio import Recording
from arrayenh.chain.enhancer import Enhancer
from arrayenh.chain.settings import Settings
from arrayenh.errors import MetricError, ShapeError
from arrayenh.evaluation.levels import quiet_and_loud_db
from arrayenh.evaluation.metrics import artifacts
from arrayenh.evaluation.metrics import musical_noise as musical
from arrayenh.evaluation.metrics.artifacts import (
    artifact_score,
    clicks,
    clipping,
    dynamic_range_db,
    gaps,
    musical_noise,
)
from arrayenh.microphones.diagnostics import survey
from arrayenh.scenes.demo import demo_scene
from arrayenh.stft import Stft
from tests.signals import RATE, voice

SCORES = [artifact_score, musical_noise, gaps, clicks]
STFT = Stft(512, 128, "hann")


@pytest.fixture(scope="module")
def noisy():
    """4 s of a voice from 1 s on, in white noise 20 dB below it."""
    rng = np.random.default_rng(0)
    return 0.1 * voice(rng, 4 * RATE, start=RATE) + 0.01 * rng.standard_normal(4 * RATE)


@pytest.fixture(scope="module")
def scene():
    """The demo's scene: 3 dB SNR in a room; input, clean speech, outputs of the chain."""
    rendered = demo_scene().rendered
    recording = Recording(rendered.mixture, RATE, "demo")

    def enhanced(**settings):
        return Enhancer(Settings(**settings)).enhance(recording).samples

    return {
        "noisy": rendered.mixture[0],
        "clean": rendered.early_image[0],
        "mvdr": enhanced(postfilter="none"),
        "default": enhanced(),
        "mmse-lsa": enhanced(beamformer="none"),
        "floored": enhanced(beamformer="none", postfilter="spectral-subtraction"),
        "bare": enhanced(beamformer="none", postfilter="spectral-subtraction", least_gain_db=-60.0),
    }


def masked(signal, mask_of):
    """The signal with a mask on its spectrum, a function of the power (F, T)."""
    spec = STFT.analyse(signal)
    mask = mask_of(np.abs(spec) ** 2)
    return STFT.synthesise((spec * mask).astype(np.complex64), signal.size)


def with_holes(signal, seconds, every):
    """The signal with a hole of so many seconds, again and again."""
    time = np.arange(signal.size) / RATE % every
    return np.where(time < every - seconds, signal, 0.0)


# ---- what has none -----------------------------------------------------------------------


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("gain", [1.0, -3.0, 1e-3, 1e3])
def test_the_input_has_no_artifacts_whatever_its_gain(noisy, score, gain):
    assert score(noisy, gain * noisy, RATE) == 0


@pytest.mark.parametrize("gain", [1e-3, 1e3])
def test_a_common_gain_does_not_matter(scene, gain):
    noisy, output = (scene[name].astype(float) for name in ("noisy", "bare"))
    found = artifact_score(gain * noisy, gain * output, RATE)
    assert_allclose(found, artifact_score(noisy, output, RATE), atol=0.005)  # points at a bound


def test_a_filter_has_no_artifacts(noisy):
    filtered = np.convolve(noisy, [0.5, 0.3, 0.2, -0.1], "same")
    assert artifact_score(noisy, filtered, RATE) < 0.01


# ---- musical noise -----------------------------------------------------------------------


def test_kurtosis_of_a_patch():
    ones = np.ones((20, 40))
    assert_allclose(musical.patch_kurtosis(ones), 1)
    spike = 1e-9 * ones
    spike[10, 20] = 1.0  # alone among 5 x 15: <P⁴>/<P²>² = 75
    kurtosis = musical.patch_kurtosis(spike)
    assert_allclose(kurtosis[8:13, 13:28], 75, rtol=1e-6)
    assert_allclose(kurtosis[:8], 1)  # the box is summed afresh: nothing is left of the spike


def test_kurtosis_of_noise_is_six(monkeypatch):
    monkeypatch.setattr(musical, "PATCH_BINS", 101)
    power = np.random.default_rng(0).exponential(size=(101, 4000))
    assert_allclose(musical.patch_kurtosis(power)[50].mean(), 6, rtol=0.1)


def test_subtraction_is_the_more_musical_the_less_it_leaves(noisy):
    noise = np.mean(np.abs(STFT.analyse(noisy[:RATE])) ** 2, axis=1, keepdims=True)

    def subtracted(factor):
        return masked(
            noisy, lambda p: np.sqrt(np.maximum(1 - factor * noise / np.maximum(p, 1e-12), 0))
        )

    once, twice, four_times = (musical_noise(noisy, subtracted(k), RATE) for k in (1, 2, 4))
    assert once < 0.1 < 0.4 < twice < four_times  # 0.06, 0.51, 0.60


@pytest.mark.parametrize("gain, least, most", [(1.0, 0.6, 0.9), (1e-3, 0.0, 0.02)])
def test_few_tones_in_silence_are_musical_as_long_as_they_are_heard(gain, least, most):
    rng = np.random.default_rng(1)
    speech, noise = 0.1 * voice(rng, 4 * RATE, start=RATE), 0.01 * rng.standard_normal(4 * RATE)
    few = masked(noise, lambda power: rng.random(power.shape) < 0.03)
    assert least <= musical_noise(speech + noise, speech + gain * few, RATE) < most


def test_noise_that_is_turned_down_is_not_musical():
    rng = np.random.default_rng(1)
    speech, noise = 0.1 * voice(rng, 4 * RATE, start=RATE), 0.01 * rng.standard_normal(4 * RATE)
    assert musical_noise(speech + noise, speech + 0.1 * noise, RATE) < 0.02
    other = 0.1 * rng.permutation(noise)  # as another microphone would hear it
    assert musical_noise(speech + noise, speech + other, RATE) < 0.1


def test_noise_is_looked_for_beside_digital_silence(noisy):
    rng = np.random.default_rng(5)
    few = masked(noisy, lambda power: rng.random(power.shape) < 0.03)
    led_in = [np.concatenate([np.zeros(RATE), signal]) for signal in (noisy, few)]
    assert musical_noise(*led_in, RATE) > 0.5


def test_pauses_of_digital_silence_hold_no_noise_that_could_be_musical():
    speech = voice(np.random.default_rng(0), 4 * RATE)
    assert musical_noise(speech, 0.5 * speech, RATE) == 0
    assert artifact_score(speech, np.convolve(speech, [0.6, 0.4], "same"), RATE) < 0.05


# ---- gaps and clicks ---------------------------------------------------------------------


@pytest.mark.parametrize("seconds, most, least", [(0.02, 0.06, 0.01), (0.04, 0.12, 0.02)])
def test_holes_in_the_speech_are_gaps(noisy, seconds, most, least):
    found = gaps(noisy, with_holes(noisy, seconds, 0.5), RATE)
    assert least < found < most  # 2 / s of them, blurred by the frame of 16 ms


def test_what_stays_away_longer_is_a_gate_not_a_gap(noisy):
    assert gaps(noisy, with_holes(noisy, 0.15, 0.5), RATE) < 0.003


def test_bursts_of_noise_that_are_removed_leave_no_gaps(noisy):
    rng = np.random.default_rng(2)
    bursts = with_holes(0.3 * rng.standard_normal(noisy.size), 0.27, 0.3)
    assert gaps(noisy + bursts, noisy, RATE) < 0.002
    assert gaps(noisy + bursts, with_holes(noisy + bursts, 0.02, 0.5), RATE) > 0.01


def test_another_talker_that_is_removed_leaves_no_gaps():
    rng = np.random.default_rng(3)
    speech, noise = 0.1 * voice(rng, 4 * RATE, start=RATE), 0.001 * rng.standard_normal(4 * RATE)
    rival = 0.1 * voice(rng, 4 * RATE, start=RATE // 2, pitch=190.0)
    assert gaps(speech + rival + noise, speech + 0.1 * noise, RATE) < 0.005


def test_what_is_turned_down_may_flutter():
    rng = np.random.default_rng(3)
    speech, noise = 0.1 * voice(rng, 4 * RATE, start=RATE), 1e-4 * rng.standard_normal(4 * RATE)
    rival = 0.1 * voice(rng, 4 * RATE, start=RATE + RATE // 4, pitch=190.0)
    left = with_holes(0.1 * rival, 0.02, 0.1)
    assert gaps(speech + rival + noise, speech + left + noise, RATE) < 0.002


def test_dips_that_the_input_has_too_are_no_gaps(noisy):
    rng = np.random.default_rng(4)
    speech = 0.1 * voice(rng, 4 * RATE, start=RATE)
    dipped = 0.2 * speech + 0.8 * with_holes(speech, 0.02, 0.1)  # by 14 dB
    assert gaps(dipped, dipped + 1e-4 * rng.standard_normal(speech.size), RATE) == 0
    assert gaps(speech, dipped, RATE) > 0.05


@pytest.mark.parametrize("rate", [8000, 16_000, 48_000])
def test_clicks_are_counted(noisy, rate):
    x = soxr.resample(noisy, RATE, rate)
    clicked = x.copy()
    at = np.arange(rate // 3, x.size, rate // 2)
    clicked[at] += 1.0
    assert clicks(x, clicked, rate) == pytest.approx(at.size / (x.size / rate))
    assert clicks(clicked, clicked, rate) == 0  # they were there
    late = rate // 1000  # by a millisecond
    assert clicks(clicked[late:], clicked[:-late], rate) == 0
    assert clicks(clicked, x, rate) == 0  # they were removed
    wide = clicked.copy()
    wide[at + rate // 2000] -= 1.0  # half a millisecond on: the same click
    assert clicks(x, wide, rate) == clicks(x, clicked, rate)


def test_a_voice_has_no_clicks_of_its_own(noisy, scene):
    assert clicks(scene["noisy"], scene["clean"], RATE) == 0
    silent = with_holes(noisy, 0.4, 0.8)
    assert clicks(noisy, np.round(silent * 2**15) / 2**15, RATE) < 1  # at edges of the gate


def test_one_of_the_three_suffices(noisy):
    y = noisy.copy()
    y[RATE + RATE // 8 :: RATE] += 1.0  # in the middle of a syllable
    rate = clicks(noisy, y, RATE)
    assert rate == 0.75 and musical_noise(noisy, y, RATE) == gaps(noisy, y, RATE) == 0
    assert artifact_score(noisy, y, RATE) == rate / artifacts.MOST_CLICKS


# ---- real chains -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, low, high",
    [
        ("clean", 0.0, 0.3),  # as good as can be: 0.16
        ("mvdr", 0.0, 0.15),  # linear: 0.07
        ("mmse-lsa", 0.0, 0.2),  # 0.10
        ("default", 0.05, 0.3),  # 0.18
        ("floored", 0.15, 0.3),  # 0.23
        ("bare", 0.5, 0.8),  # 0.61
    ],
)
def test_scores_of_real_chains(scene, name, low, high):
    assert low <= artifact_score(scene["noisy"], scene[name], RATE) < high


def test_random_gates_are_as_bad_as_can_be(scene):
    noisy, rng = scene["noisy"], np.random.default_rng(0)
    gated = noisy * np.repeat(rng.random(noisy.size // 320 + 1) < 0.5, 320)[: noisy.size]
    assert artifact_score(noisy, gated, RATE) > 0.95
    bins = masked(noisy, lambda power: rng.random(power.shape) < 0.5)
    assert artifact_score(noisy, bins, RATE) > 0.5


@pytest.mark.parametrize("rate", [8000, 44_100, 48_000])
def test_other_rates_agree(scene, rate):
    noisy, good, bad = (
        soxr.resample(scene[name], RATE, rate) for name in ("noisy", "mmse-lsa", "bare")
    )
    assert artifact_score(noisy, noisy, rate) == 0
    assert artifact_score(noisy, good, rate) < 0.25
    assert artifact_score(noisy, bad, rate) > 0.45


# ---- alone -------------------------------------------------------------------------------


def test_clipping_is_that_of_the_channel_survey(noisy):
    clipped = np.clip(noisy, -0.1, 0.05).astype(np.float32)
    share = survey(clipped[None], RATE)[0].clipped_fraction
    assert clipping(clipped, RATE) == share > 0.01
    assert clipping(noisy, RATE) == 0
    square = np.tile([0.5, 0.5, 0.5, 0.5, -0.5, -0.5, 0.0, 0.0], 1000)
    assert clipping(square, RATE) == 0.5  # two samples in a row are no flat top


def test_dynamic_range_of_two_levels():
    tone = np.sin(2 * np.pi * 500 * np.arange(2 * RATE) / RATE)
    signal = np.where(np.arange(2 * RATE) < RATE, 0.5, 0.005) * tone
    assert_allclose(dynamic_range_db(signal, RATE), 40, atol=1e-6)
    quiet, loud = quiet_and_loud_db(signal, RATE)
    assert dynamic_range_db(signal, RATE) == loud - quiet
    signal[RATE:] = 0  # digital silence counts as -100 dB
    assert_allclose(dynamic_range_db(signal, RATE), 100 + 20 * np.log10(0.5 / 2**0.5), atol=1e-6)


# ---- what cannot be judged ---------------------------------------------------------------


@pytest.mark.parametrize("score", SCORES)
def test_pairs_that_cannot_be_judged(noisy, score):
    with pytest.raises(MetricError, match="scores need 1 s or more; got 0.50 s"):
        score(noisy[: RATE // 2], noisy[: RATE // 2], RATE)
    with pytest.raises(MetricError, match="estimate is silent"):
        score(noisy, 0 * noisy, RATE)
    with pytest.raises(MetricError, match="noisy is silent"):
        score(0 * noisy, noisy, RATE)
    with pytest.raises(ShapeError, match="noisy and estimate must have equal length"):
        score(noisy, noisy[1:], RATE)
    with pytest.raises(MetricError, match="estimate must be finite"):
        score(noisy, np.where(noisy > 0.1, np.nan, noisy), RATE)


def test_a_signal_without_speech_or_noise_cannot_be_judged():
    early = np.zeros(2 * RATE)
    early[0] = 0.1  # where the window of the first whole frame is zero
    with pytest.raises(MetricError, match="silent between 100 Hz and 8 kHz"):
        artifact_score(early, early, RATE)


def test_signals_that_cannot_be_judged():
    with pytest.raises(MetricError, match="estimate is silent"):
        dynamic_range_db(np.zeros(RATE), RATE)
    with pytest.raises(ShapeError, match="must have shape"):
        clipping(np.zeros((2, RATE)), RATE)
