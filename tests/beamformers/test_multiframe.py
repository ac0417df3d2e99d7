"""Beamformers over several frames: what they must keep, and that nothing does better."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh import beamformers
from arrayenh.beamformers.beamformer import Statistics
from arrayenh.beamformers.mcwf import MCWF, multi_frame_least_squares
from arrayenh.beamformers.mvdr import MVDR
from arrayenh.beamformers.wpd import wpd
from arrayenh.chain.settings import Settings
from arrayenh.dereverberation.wpe import LEAST_POWER, inverse_power
from arrayenh.errors import NumericalError, ShapeError
from arrayenh.statistics.lagged import LOADING, apply_lagged, lagged_covariance
from tests.reference import dereverb as slow
from tests.reference.convolutional import stacked
from tests.signals import (
    complex_normal,
    difference_db,
    level_db,
    random_covariances,
    reverberant_speech,
)

EPS = float(np.finfo(np.float32).eps)
F, M, T = 3, 3, 400
DELAYS = (0, 2, 3)


@pytest.fixture
def spec():
    """Coloured sound whose frames share a little of the one before."""
    rng = np.random.default_rng(0)
    x = complex_normal(rng, F, M, M) @ complex_normal(rng, F, M, T + 1)
    return (x[:, :, 1:] + 0.3j * x[:, :, :-1]).astype(np.complex64)


def conditioned(spec, delays, weight=1.0):
    """What a loading of 1e-12 and the float32 output leave uncertain, given the condition κ."""
    x = stacked(spec, delays)
    cond = np.linalg.cond((weight * x) @ x.conj().swapaxes(1, 2)).max()
    return 2e-12 * cond + 10 * EPS


def error(spec, target, delays):
    weights = multi_frame_least_squares(spec, target, delays)
    return np.sum(np.abs(target - apply_lagged(weights, spec, delays)) ** 2, axis=1)


def test_a_target_that_is_a_filtering_of_the_input_is_met(spec):
    rng = np.random.default_rng(1)
    weights = complex_normal(rng, F, len(DELAYS), M)
    target = np.einsum("fi,fit->ft", weights.reshape(F, -1).conj(), stacked(spec, DELAYS))
    found = multi_frame_least_squares(spec, target, DELAYS, loading=1e-12)
    bound = conditioned(spec, DELAYS)
    assert_allclose(found, weights, atol=bound * np.abs(weights).max())
    level = np.abs(target).max()
    assert_allclose(apply_lagged(found, spec, DELAYS), target, atol=bound * level)


def test_weights_are_those_of_numpy(spec):
    target = complex_normal(np.random.default_rng(2), F, T, dtype=np.complex64)
    found = multi_frame_least_squares(spec, target, (1, 4), loading=1e-12)
    for f in range(F):
        wanted, *_ = np.linalg.lstsq(stacked(spec, (1, 4))[f].T, target[f], rcond=None)
        assert_allclose(found[f].ravel().conj(), wanted, atol=conditioned(spec, (1, 4)))


def test_one_frame_is_the_least_squares_of_one_frame(spec):
    target = complex_normal(np.random.default_rng(3), F, T)
    found = multi_frame_least_squares(spec, target, (0,), loading=1e-3)
    wanted = beamformers.least_squares(spec, target, loading=1e-3)
    assert_allclose(found[:, 0], wanted, atol=conditioned(spec, (0,)))
    beamformed = apply_lagged(wanted[:, None], spec, (0,))
    assert_allclose(beamformed, beamformers.apply(wanted, spec), atol=10 * EPS)


def test_more_frames_never_raise_the_error(spec):
    target = spec[:, 0] + 0.5 * complex_normal(np.random.default_rng(4), F, T)
    target[:, 3:] += 0.4 * spec[:, 1, :-3]
    errors = np.array([error(spec, target, (0, 2, 3, 5)[:n]) for n in range(1, 5)])
    assert (np.diff(errors, axis=0) <= 1e-6 * errors[0]).all()  # loading costs as much
    assert (errors[2] < 0.9 * errors[1]).all()  # the third hears what the target holds


def test_delays_longer_than_the_recording_add_nothing(spec):
    target = complex_normal(np.random.default_rng(5), F, 5)
    found = multi_frame_least_squares(spec[:, :1, :5], target, (0, 5, 7))
    assert not found[:, 1:].any()
    short = multi_frame_least_squares(spec[:, :1, :5], target, (0,))
    assert_allclose(found[:, 0], short[:, 0], rtol=1e-5)  # but for the loading


def test_where_hardly_anything_is_speech_a_tenth_stays_and_no_hole(spec):
    """Of one frame the filter to a part of the MVDR's output is that part of its weights."""
    mask = np.ones((F, T), np.float32)
    mask[1] = 1e-3
    rng = np.random.default_rng(8)
    speech, noise = (random_covariances(rng, F, M) for _ in range(2))
    heard = Statistics(spec, mask, speech, noise, np.full(F, 1e-9), reference=0)
    settings = Settings(beamformer="mcwf", frames=1)
    mvdr = MVDR.estimate(heard, settings).weights[:, 0, :, 0]
    found = MCWF.estimate(heard, settings).weights[:, 0, :, 0]
    gain = found[0, 0] / mvdr[0, 0]  # one for all bins: that of the speech level
    parts = np.array([1, 0.1, 1])[:, None]
    tolerance = conditioned(spec, (0,)) * np.abs(gain * mvdr).max()
    assert_allclose(found, gain * parts * mvdr, atol=tolerance)


def wpd_output(spec):
    """Output of WPD towards a talker in front of all microphones."""
    weights, delays = wpd(spec, np.ones(spec.shape[:2]))
    return apply_lagged(weights, spec, delays)


def mcwf_output(spec):
    """Output of the multi-frame filter towards the mean of the microphones, gated."""
    target = spec.mean(axis=1) * (np.arange(spec.shape[2]) % 7 < 4)
    return apply_lagged(multi_frame_least_squares(spec, target, range(4)), spec, range(4))


@pytest.mark.parametrize("enhance", [wpd_output, mcwf_output])
def test_gain_and_order_of_microphones_do_not_matter_in_reverberant_speech(enhance):
    spec = reverberant_speech()
    wanted = enhance(spec)
    for gain in (1e-3, 1e3):
        assert difference_db(enhance(np.float32(gain) * spec) / gain, wanted) < -100
    assert difference_db(enhance(np.ascontiguousarray(spec[:, [2, 0, 1]])), wanted) < -100


def test_on_reverberant_speech_wpd_is_the_formula_in_double_precision():
    spec = reverberant_speech()
    past = stacked(spec, [0, 2, 3, 4, 5, 6])
    towards = np.zeros(past.shape[:2])
    towards[:, : spec.shape[1]] = 1
    power = np.mean(np.abs(spec.astype(complex)) ** 2, axis=1)
    for _ in range(2):
        power = np.maximum(power, LEAST_POWER * power.mean(axis=1, keepdims=True))
        cov = (past / power[:, None]) @ past.conj().swapaxes(1, 2)
        mean = np.trace(cov, axis1=1, axis2=2).real / cov.shape[1]
        cov += LOADING * mean[:, None, None] * np.eye(cov.shape[1])
        weights = np.linalg.solve(cov, towards[:, :, None])[:, :, 0]
        weights /= np.sum(towards * weights, axis=1, keepdims=True)
        output = np.sum(weights.conj()[:, :, None] * past, axis=1)
        power = np.abs(output) ** 2
    assert difference_db(wpd_output(spec), output) < -100


@pytest.fixture
def talker():
    """A talker with pauses in a noise of little direction, and reverberation of both."""
    rng = np.random.default_rng(6)
    rtf = complex_normal(rng, F, M)
    rtf /= rtf[:, :1]
    dry = 10 ** rng.uniform(-2, 0, (F, T)) * complex_normal(rng, F, T)
    filters = 0.25 * complex_normal(rng, F, 2, M, M)
    filters *= 0.6 / np.linalg.norm(filters, 2, axis=(2, 3)).sum(axis=1)[:, None, None, None]
    noise = 0.02 * complex_normal(rng, F, M, T)
    wet = slow.reverberate(rtf[..., None] * dry[:, None] + noise, filters, 2)
    return wet.astype(np.complex64), rtf, dry


def test_the_talker_passes_undistorted(talker):
    spec, rtf, _ = talker
    for iterations in (1, 3):
        weights, delays = wpd(spec, rtf, taps=3, delay=2, iterations=iterations)
        assert delays == [0, 2, 3, 4] and weights.shape[1] == 4
        gain = np.einsum("fm,fm->f", weights[:, 0].conj(), rtf)
        assert_allclose(gain, 1, atol=1e-12)


def test_no_other_weights_that_keep_the_talker_have_less_weighted_power(talker):
    spec, rtf, dry = talker
    power = np.abs(dry) ** 2
    weights, delays = wpd(spec, rtf, power, taps=2, delay=2, iterations=1, loading=1e-12)
    cov = lagged_covariance(spec, inverse_power(np.sqrt(power)[:, None]), delays)

    def weighted(w):
        w = w.reshape(F, -1)
        return np.einsum("fi,fij,fj->f", w.conj(), cov, w).real

    rng = np.random.default_rng(7)
    for _ in range(20):
        step = 0.05 * complex_normal(rng, F, 3, M)
        along = np.einsum("fm,fm->f", rtf.conj(), step[:, 0]) / np.sum(np.abs(rtf) ** 2, axis=1)
        step[:, 0] -= along[:, None] * rtf
        assert (weighted(weights + step) > weighted(weights)).all()
    alone = np.zeros_like(weights)
    alone[:, 0] = beamformers.mvdr(rtf, cov[:, :M, :M], 0.0)
    assert (weighted(weights) < 0.7 * weighted(alone)).all()


def test_without_reverberation_it_is_the_weighted_mpdr():
    """Past frames that tell nothing of this one cost K·M / T of the power at most."""
    rng = np.random.default_rng(8)
    n_frames = 4000
    rtf = complex_normal(rng, F, M)
    dry = 10 ** rng.uniform(-1, 0, (F, n_frames)) * complex_normal(rng, F, n_frames)
    noise = complex_normal(rng, F, M, M) @ complex_normal(rng, F, M, n_frames)
    spec = (rtf[..., None] * dry[:, None] + 0.1 * noise).astype(np.complex64)
    power = np.abs(dry) ** 2
    weights, delays = wpd(spec, rtf, power, taps=1, delay=1, iterations=1)
    cov = lagged_covariance(spec, inverse_power(np.sqrt(power)[:, None]), (0,))
    mpdr = beamformers.mvdr(rtf, cov, 0.0)
    found, wanted = apply_lagged(weights, spec, delays), beamformers.apply(mpdr, spec)
    apart = np.sum(np.abs(found - wanted) ** 2, axis=1) / np.sum(np.abs(wanted) ** 2, axis=1)
    assert (apart < 2 * M / n_frames).all()


def test_the_given_power_weighs_and_iterations_find_it(talker):
    spec, rtf, dry = talker

    def distortion(**kwargs):
        weights, delays = wpd(spec, rtf, taps=3, delay=2, **kwargs)
        return level_db(apply_lagged(weights, spec, delays) - dry)

    known = distortion(power=np.abs(dry) ** 2, iterations=1)
    first, second = distortion(iterations=1), distortion(iterations=2)
    assert known < second < first < level_db(spec[:, 0] - dry) - 3
    assert distortion(power=np.abs(dry) ** 2, iterations=2) != known


def test_only_the_ratio_of_powers_and_the_level_of_nothing_count(talker):
    spec, rtf, dry = talker
    power = np.abs(dry) ** 2
    weights, _ = wpd(spec, rtf, power)
    assert_allclose(wpd(spec, rtf, 1e8 * power)[0], weights, rtol=1e-3, atol=1e-5)
    assert_array_equal(wpd(spec / 1024, rtf, power / 2.0**20)[0], weights)


def test_what_does_not_fit_is_refused(spec):
    rtf = np.ones((F, M), complex)
    with pytest.raises(ShapeError, match=r"\(F, M\) to match spec \(3, 3, 400\); got \(3, 2\)"):
        wpd(spec, rtf[:, :2])
    with pytest.raises(ShapeError, match=r"weight must have shape \(F, T\) = \(3, 400\)"):
        wpd(spec, rtf, np.ones((F, T - 1)))
    with pytest.raises(ShapeError, match=r"\(F, T\) to match spec \(3, 3, 400\); got \(3, 399\)"):
        multi_frame_least_squares(spec, np.ones((F, T - 1)), DELAYS)
    rtf[1] = 0
    with pytest.raises(NumericalError, match="the transfer function of bin 1 is zero"):
        wpd(spec, rtf)
    spec[2] = 0
    with pytest.raises(NumericalError, match="bin 2 is silent"):
        multi_frame_least_squares(spec, spec[:, 0], DELAYS)
    with pytest.raises(NumericalError, match="bin 2 is silent"):
        wpd(spec, np.ones((F, M), complex))
