"""Weighted prediction error: reverberation that is known goes, speech and silence stay."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh.dereverberation.wpe import (
    LEAST_POWER,
    RecursiveWpe,
    apply_wpe,
    frame_power,
    inverse_power,
    wpe,
    wpe_filters,
)
from arrayenh.errors import ConfigError, ShapeError
from arrayenh.evaluation.metrics.waveform import si_sdr
from arrayenh.scenes.convolution import convolve
from arrayenh.scenes.image_source import shoebox_responses
from arrayenh.scenes.packaged import load_clip
from arrayenh.statistics.lagged import LOADING
from arrayenh.stft import Stft
from tests.reference import dereverb as slow
from tests.reference.convolutional import stacked
from tests.signals import RATE, complex_normal, difference_db, level_db, reverberant_speech

EPS = float(np.finfo(np.float32).eps)
F, M, K, D = 3, 2, 3, 2


def random_filters(rng, n_freqs, n_mics, taps, size=0.6):
    """Prediction filters whose recursion dies away: Σ_k |G_k| = `size` in each bin."""
    filters = complex_normal(rng, n_freqs, taps, n_mics, n_mics)
    norms = np.linalg.norm(filters, 2, axis=(2, 3)).sum(axis=1)
    return size * filters / norms[:, None, None, None]


def reverberant(rng, n_frames, decades, n_freqs=F, n_mics=M):
    """Dry sound whose power changes by so many decades, alike at all microphones; wet; G."""
    level = 10 ** rng.uniform(-decades / 2, 0, (n_freqs, 1, n_frames))
    dry = level * complex_normal(rng, n_freqs, n_mics, n_frames)
    filters = random_filters(rng, n_freqs, n_mics, K)
    wet = slow.reverberate(dry, filters, D)
    return dry, wet.astype(np.complex64), filters


def ratio_db(wanted, found):
    return level_db(wanted) - level_db(found - wanted)


def excess(filters, true, spec, dry):
    """Power of what wrong filters leave or add, relative to the dry sound: (F,)."""
    wrong = apply_wpe(filters, spec, D) - apply_wpe(true, spec, D)
    return np.sum(np.abs(wrong) ** 2, axis=(1, 2)) / np.sum(np.abs(dry) ** 2, axis=(1, 2))


def uncertainty(early, spec, taps, delay):
    """What the loading may change of filters below 1.

    δ times the condition number, of the last of a few iterations that pull the same way.
    """
    past = stacked(spec, range(delay, delay + taps))
    weight = inverse_power(early)[:, None]
    return 2 * LOADING * np.linalg.cond((weight * past) @ past.conj().swapaxes(1, 2)).max()


def test_the_true_filters_give_the_dry_sound():
    dry, wet, filters = reverberant(np.random.default_rng(0), 300, 2)
    # K·M complex products and the casts to float32, each of half an eps of what is heard
    bound = (K * M + 3) * EPS * np.abs(wet).max()
    assert np.abs(apply_wpe(filters, wet, D) - dry).max() < bound


def test_one_echo_is_taken_off_by_hand():
    """x(t) = click(t) + g* click(t - D - 1), G_1 = g."""
    filters = np.zeros((1, 2, 1, 1), complex)
    filters[0, 1] = 0.5 + 0.25j
    spec = np.zeros((1, 1, 8), np.complex64)
    spec[0, 0, 1], spec[0, 0, 1 + 3 + 1] = 1, 0.5 - 0.25j
    early = apply_wpe(filters, spec, delay=3)
    assert early[0, 0].tolist() == [0, 1, 0, 0, 0, 0, 0, 0]
    cross = np.zeros((1, 1, 2, 2), complex)
    cross[0, 0, 1, 0] = 1j  # what microphone 1 tells of microphone 0
    spec = np.zeros((1, 2, 5), np.complex64)
    spec[0, 1, 0] = 1
    early = apply_wpe(cross, spec, delay=2)
    assert early[0, 0].tolist() == [0, 0, 1j, 0, 0]  # - (1j)* · 1
    assert early[0, 1].tolist() == [1, 0, 0, 0, 0]


def test_known_reverberation_is_found_and_removed():
    """K·M numbers cost each microphone K·M / T of its power at most: far less, weighted by 1 / λ,
    once the loud frames no longer count for more.
    """
    rng, n_frames = np.random.default_rng(1), 3000
    dry, wet, filters = reverberant(rng, n_frames, 3)
    found = wpe_filters(wet, K, D, 3)
    assert (excess(found, filters, wet, dry) < 0.5 * K * M / n_frames).all()
    assert_allclose(found, filters, atol=0.05)
    early = wpe(wet, K, D, 3)
    assert_array_equal(early, apply_wpe(found, wet, D))
    assert ratio_db(dry, wet) < 12 < 25 < ratio_db(dry, early)


def test_each_iteration_knows_the_power_of_the_dry_sound_better():
    rng = np.random.default_rng(2)
    dry, wet, filters = reverberant(rng, 1000, 4, n_freqs=8)
    errors = [excess(wpe_filters(wet, K, D, n), filters, wet, dry).sum() for n in (1, 2, 4)]
    assert errors[0] > 2 * errors[1] and errors[1] > errors[2]


@pytest.mark.parametrize("n_mics, taps, delay", [(1, 1, 1), (1, 4, 3), (2, 3, 2), (3, 2, 1)])
def test_filters_match_the_formula(n_mics, taps, delay):
    rng = np.random.default_rng(n_mics)
    _, wet, _ = reverberant(rng, 200, 2, n_mics=n_mics)
    early, filters = slow.wpe(wet, taps, delay, 3)
    bound = uncertainty(early, wet, taps, delay)
    assert_allclose(wpe_filters(wet, taps, delay, 3), filters, atol=bound)
    assert_allclose(wpe(wet, taps, delay, 3), early, atol=bound * np.abs(wet).max())


def test_offline_is_that_of_nara_wpe():
    nara = pytest.importorskip("nara_wpe.wpe")
    rng = np.random.default_rng(3)
    _, wet, _ = reverberant(rng, 400, 1, n_freqs=6, n_mics=4)
    early = wpe(wet, 4, 3, 3)
    wanted = nara.wpe_v8(wet.astype(np.complex128), taps=4, delay=3, iterations=3)
    assert inverse_power(early).max() < 1  # no frame below the floor, which theirs lacks
    bound = uncertainty(wanted, wet, 4, 3)
    assert_allclose(early, wanted, atol=bound * np.abs(wet).max())


def online(spec):
    """Recursive WPE with its own settings."""
    return RecursiveWpe(*spec.shape[:2]).update(spec)


@pytest.mark.parametrize("gain", [1e-3, 1e3])
@pytest.mark.parametrize("dereverberate", [wpe, online], ids=["offline", "online"])
def test_a_gain_of_reverberant_speech_only_scales_it(dereverberate, gain):
    spec = reverberant_speech()
    found = dereverberate(np.float32(gain) * spec)
    assert difference_db(found / gain, dereverberate(spec)) < -100


@pytest.mark.parametrize("dereverberate", [wpe, online], ids=["offline", "online"])
def test_the_order_of_the_microphones_does_not_matter_in_reverberant_speech(dereverberate):
    spec = reverberant_speech()
    found = dereverberate(np.ascontiguousarray(spec[:, [2, 0, 1]]))
    assert difference_db(found, dereverberate(spec)[:, [2, 0, 1]]) < -100


def test_on_reverberant_speech_it_is_the_formula_in_double_precision():
    spec = np.ascontiguousarray(reverberant_speech()[::4])
    wanted, filters = slow.wpe(spec, 5, 2, 3, loading=LOADING)
    assert difference_db(wpe(spec), wanted) < -100
    assert difference_db(wpe_filters(spec), filters) < -90


def test_on_reverberant_speech_it_is_that_of_nara_wpe_but_for_loading_and_floor():
    nara = pytest.importorskip("nara_wpe.wpe")
    spec = reverberant_speech()
    wanted = nara.wpe_v8(spec.astype(complex), taps=5, delay=2, iterations=3)
    assert difference_db(wpe(spec, loading=1e-14, least_power=1e-10), wanted) < -90
    assert difference_db(wpe(spec), wanted) > -50


def test_the_power_is_that_of_all_microphones_with_a_floor():
    spec = np.zeros((2, 2, 4), np.complex64)
    spec[0] = [[3 + 4j, 0, 0, 0.01], [0, 1j, 0, 0]]
    power = frame_power(spec)
    assert_allclose(power[0], [12.5, 0.5, 0, 5e-5], rtol=2 * EPS)
    least = LEAST_POWER * power[0].mean()
    assert_allclose(inverse_power(spec)[0], [least / 12.5, least / 0.5, 1, 1], rtol=4 * EPS)
    assert_array_equal(inverse_power(spec)[1], 1)  # silence has no 0 / 0


@pytest.mark.parametrize("scale", [2.0**-40, 2.0**30])
def test_the_level_of_the_recording_does_not_matter(scale):
    _, wet, _ = reverberant(np.random.default_rng(4), 150, 2)
    early = wpe(wet, K, D, 2)
    assert_array_equal(wpe(np.float32(scale) * wet, K, D, 2), np.float32(scale) * early)


def test_silent_bins_stay_silent_and_leave_the_others_alone():
    _, wet, _ = reverberant(np.random.default_rng(5), 150, 2, n_freqs=5)
    early = wpe(wet, K, D, 2)
    wet[[0, 3]] = 0
    found = wpe(wet, K, D, 2)
    assert not found[[0, 3]].any()
    assert_array_equal(found[[1, 2, 4]], early[[1, 2, 4]])
    assert not wpe_filters(0 * wet, K, D, 2).any()


@pytest.mark.parametrize("n_frames", [0, 1, D, D + 1, D + 3])
def test_what_is_too_short_to_predict_stays_as_it_is(n_frames):
    """Nor does what begins in the last D frames reverberate within them."""
    spec = complex_normal(np.random.default_rng(6), F, M, n_frames, dtype=np.complex64)
    spec[1, :, : max(n_frames - D, 0)] = 0
    early = wpe(spec, K, D, 2)
    assert_array_equal(early[:, :, :D], spec[:, :, :D])
    assert_array_equal(early[1], spec[1])
    assert np.isfinite(early).all()


def test_identical_microphones_and_a_single_click_are_finite():
    wet = np.repeat(reverberant(np.random.default_rng(7), 300, 2)[1][:, :1], 3, axis=1)
    early = wpe(wet, K, D)
    for m in range(3):  # as one microphone alone: loading is all that differs
        assert_allclose(early[:, m], wpe(wet[:, :1], K, D)[:, 0], atol=1e-3 * np.abs(wet).max())
    click = np.zeros((2, 2, 40), np.complex64)
    click[:, :, 10] = 1
    assert_allclose(wpe(click, K, D), click, atol=1e-6)


def test_blocks_with_their_past_are_the_whole():
    _, wet, filters = reverberant(np.random.default_rng(8), 60, 2)
    whole = apply_wpe(filters, wet, D)
    cuts = [0, 1, 3, 30, 60]
    blocks = [
        apply_wpe(filters, wet[:, :, a:b], D, wet[:, :, :a])
        for a, b in zip(cuts, cuts[1:], strict=False)
    ]
    assert_array_equal(np.concatenate(blocks, axis=2), whole)
    kept = wet.copy()
    apply_wpe(filters, wet, D)
    assert_array_equal(wet, kept)  # the recording is not written to


@pytest.mark.parametrize("clip", ["female", "male"])
def test_in_a_room_early_speech_is_heard_better(clip):
    """A talker 5.6 m away in a hall of 1 s: the first 50 ms of his sound are what is wanted."""
    speech = load_clip(clip)[0]
    mics = np.array([2.0, 1.5, 1.4]) + np.array([[0, 0, 0], [0.06, 0, 0], [0, 0.06, 0]])
    size, source = np.array([8.0, 6.0, 3.0]), np.array([6.6, 4.7, 1.6])
    responses = shoebox_responses(size, 0.15, source, mics, RATE, length_s=1.0)
    cut = np.abs(responses[0]).argmax() + round(0.05 * RATE)
    heard = convolve(speech, responses)[:, : len(speech)]
    wanted = convolve(speech, responses[:1, :cut])[0, : len(speech)]
    heard = heard + 1e-4 * np.random.default_rng(9).standard_normal(heard.shape)
    stft = Stft(2048, 512)
    early = stft.synthesise(wpe(stft.analyse(heard.astype(np.float32)))[:, 0], len(speech))
    before = si_sdr(wanted, heard[0], RATE)
    assert before < 2 and si_sdr(wanted, early, RATE) > before + 7


def test_online_is_that_of_nara_wpe():
    """Their delay d leaves d + 2 frames alone."""
    nara = pytest.importorskip("nara_wpe.wpe")
    _, wet, _ = reverberant(np.random.default_rng(10), 300, 2, n_mics=3)
    online = RecursiveWpe(F, 3, K, 3, hop_seconds=0.01, memory_seconds=0.5)
    theirs = nara.OnlineWPE(K, 1, online.keep, channel=3, frequency_bins=F)
    theirs.inv_cov *= online.keep**3  # it fades while nothing is heard, the first D frames
    wanted = np.stack([theirs.step_frame(x) for x in wet.transpose(2, 0, 1).astype(complex)], 2)
    assert_allclose(online.update(wet), wanted, atol=4 * EPS * np.abs(wet).max())
    taps = theirs.filter_taps.reshape(F, 3, K, 3)  # microphone, then the oldest frame first
    assert_allclose(online.filters, taps.transpose(0, 2, 1, 3)[:, ::-1], atol=1e-6)


@pytest.mark.parametrize("n_mics, taps, delay", [(1, 1, 1), (1, 4, 3), (3, 2, 2)])
def test_online_matches_the_formula(n_mics, taps, delay):
    _, wet, _ = reverberant(np.random.default_rng(11), 200, 2, n_mics=n_mics)
    online = RecursiveWpe(F, n_mics, taps, delay, 0.016, 0.4)
    assert online.keep == pytest.approx(np.exp(-0.04))
    early, filters = slow.online_wpe(wet, taps, delay, online.keep)
    assert_allclose(online.update(wet), early, atol=4 * EPS * np.abs(wet).max())
    assert_allclose(online.filters, filters, atol=1e-6)


def test_online_filters_become_those_of_the_whole():
    """Stationary sound and a memory that hardly fades: both know G to K·M / T.

    λ is the mean of N = (K + D - 1) M numbers, the newest frame's among them: where sound and
    late sound add up it is larger, and G comes out smaller by 1 / N at most.
    """
    rng, n_frames = np.random.default_rng(12), 4000
    dry, wet, filters = reverberant(rng, n_frames, 0)
    online = RecursiveWpe(F, M, K, D, 0.01, 1e6)
    early = online.update(wet)
    shrunk = excess(0 * filters, filters, wet, dry) / ((K + D - 1) * M) ** 2
    bound = 2 * K * M / n_frames + shrunk
    assert (excess(online.filters, filters, wet, dry) < bound).all()
    assert (excess(online.filters, wpe_filters(wet, K, D), wet, dry) < bound).all()
    late = slice(n_frames // 2, None)
    assert ratio_db(dry[:, :, late], early[:, :, late]) > ratio_db(dry, wet) + 10


def test_a_short_memory_follows_a_change_of_the_room():
    rng, half = np.random.default_rng(13), 1500
    dry, first, filters = reverberant(rng, half, 0)
    second = slow.reverberate(dry, -filters, D).astype(np.complex64)
    online = RecursiveWpe(F, M, K, D, 0.01, 2.0)
    online.update(first)
    # 200 frames of memory: about K·M / (2·200) wrong
    assert (excess(online.filters, filters, first, dry) < 2 * K * M / 400).all()
    online.update(second)
    assert (excess(online.filters, -filters, second, dry) < 2 * K * M / 400).all()


@pytest.mark.parametrize("blocks", [[1] * 40, [0, 3, 30, 7]], ids=["frames", "blocks"])
def test_online_blocks_are_the_whole_exactly(blocks):
    _, wet, _ = reverberant(np.random.default_rng(14), 40, 2)
    whole, parts = RecursiveWpe(F, M, K, D), RecursiveWpe(F, M, K, D)
    wanted = whole.update(wet)
    pieces = np.split(wet, np.cumsum(blocks)[:-1], axis=2)
    found = np.concatenate([parts.update(np.ascontiguousarray(p)) for p in pieces], axis=2)
    assert_array_equal(found, wanted)
    assert_array_equal(parts.filters, whole.filters)
    parts.reset()
    assert not parts.filters.any()
    assert_array_equal(parts.update(wet), wanted)


def test_silence_leaves_the_online_state_as_it_is():
    _, wet, _ = reverberant(np.random.default_rng(15), 100, 2)
    online = RecursiveWpe(F, M, K, D)
    online.update(wet)
    online.update(np.zeros((F, M, K + D), np.complex64))  # what reverberates has died away
    before = online.filters.copy(), online._inverse[0].copy(), online._inverse[1].copy()
    assert not online.update(np.zeros((F, M, 500), np.complex64)).any()
    assert_array_equal(online.filters, before[0])
    assert_array_equal(online._inverse, before[1:])


@pytest.mark.parametrize("scale", [2.0**-60, 2.0**30])
def test_the_level_does_not_matter_online(scale):
    _, wet, _ = reverberant(np.random.default_rng(16), 100, 2)
    early = RecursiveWpe(F, M, K, D).update(wet)
    found = RecursiveWpe(F, M, K, D).update(np.float32(scale) * wet)
    assert_array_equal(found, np.float32(scale) * early)


@pytest.mark.parametrize("twins", [False, True], ids=["different", "identical"])
def test_a_long_run_stays_finite_and_hermitian(twins):
    """3000 frames of a memory of 60: e⁵⁰ in directions that are never heard."""
    _, wet, _ = reverberant(np.random.default_rng(17), 3000, 2)
    if twins:
        wet = np.repeat(wet[:, :1], M, axis=1)
    online = RecursiveWpe(F, M, K, D, 0.01, 0.6)
    early = online.update(wet)
    assert np.isfinite(early).all()
    assert level_db(early) < level_db(wet)
    inverse = online._inverse[0] + 1j * online._inverse[1]
    assert_array_equal(inverse, inverse.conj().swapaxes(1, 2))
    if not twins:
        assert (np.linalg.eigvalsh(inverse) > 0).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_broken_frame_is_forgotten(value):
    _, wet, _ = reverberant(np.random.default_rng(18), 200, 2)
    wet[1, 0, 100] = value
    online = RecursiveWpe(F, M, K, D)
    early = online.update(wet)
    assert np.isfinite(early[[0, 2]]).all()
    assert np.isfinite(early[1, :, 100 + K + D :]).all()
    assert np.isfinite(online.filters).all()


def test_what_does_not_fit_is_refused():
    spec = np.ones((F, M, 9), np.complex64)
    for name in ("taps", "delay", "iterations"):
        with pytest.raises(ConfigError, match=f"{name} must be at least 1; got 0"):
            wpe_filters(spec, **{name: 0})
    with pytest.raises(ShapeError, match=r"\(F, M, T\); got \(3, 2\)"):
        wpe_filters(spec[:, :, 0])
    for shape in ((F, K, M), (F, K, M, M + 1), (F + 1, K, M, M)):
        with pytest.raises(ShapeError, match=r"\(F, K, M, M\) to match spec \(3, 2, 9\); got"):
            apply_wpe(np.ones(shape), spec)
    with pytest.raises(ConfigError, match="must be positive"):
        RecursiveWpe(F, M, taps=0)
    with pytest.raises(ConfigError, match="must be positive"):
        RecursiveWpe(F, M, hop_seconds=0.0)
    with pytest.raises(ConfigError, match=r"at least a hop, 0.01; got 0.005"):
        RecursiveWpe(F, M, hop_seconds=0.01, memory_seconds=0.005)
    with pytest.raises(ShapeError, match=r"\(3, 2, 't'\); got \(3, 3, 9\)"):
        RecursiveWpe(F, M).update(np.ones((F, 3, 9), np.complex64))
