"""Filters over several frames: sums by hand, then slow sums in double precision."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh.errors import ConfigError, NumericalError, ShapeError
from arrayenh.statistics.lagged import (
    LOADING,
    MOST_LOADING,
    lagged_covariance,
    lagged_cross_covariance,
    lagged_filter,
    solve_loaded,
)
from tests.reference import convolutional as slow
from tests.signals import complex_normal, random_covariances

EPS = float(np.finfo(np.float32).eps)
# in double: a product is rounded five times, and 2500 terms add up like noise, as √2500
SUM_ROUNDING = (5 + 50) * float(np.finfo(float).eps)
DELAYS = [(0,), (0, 2, 3, 4), (3,), (0, 1, 2, 3, 7)]


def spectrum(rng, n_freqs, n_mics, n_frames):
    """Coloured over the microphones, with correlation from frame to frame."""
    mixing = complex_normal(rng, n_freqs, n_mics, n_mics)
    x = mixing @ complex_normal(rng, n_freqs, n_mics, n_frames + 1)
    return (x[:, :, 1:] + (0.5 - 0.4j) * x[:, :, :-1]).astype(np.complex64)


def weights_of(rng, n_freqs, n_frames):
    """What 1 / λ looks like: three decades."""
    return 10 ** rng.uniform(-3, 0, (n_freqs, n_frames)).astype(np.float32)


def assert_covariance(spec, weight, delays):
    found = lagged_covariance(spec, weight, delays)
    wanted, magnitude = slow.lagged_covariance(spec, weight, delays)
    assert (np.abs(found - wanted) <= SUM_ROUNDING * magnitude).all()
    assert_array_equal(found, found.conj().swapaxes(1, 2))  # Hermitian to the last bit


def test_covariance_of_two_clicks_by_hand():
    """2j at microphone 0 in frame 5, 3 at microphone 1 in frame 8, frames 3 apart."""
    spec = np.zeros((1, 2, 12), np.complex64)
    spec[0, 0, 5], spec[0, 1, 8] = 2j, 3
    weight = np.arange(16, 28, dtype=np.float32)[None] / 16  # γ(t) = 1 + t / 16
    cov = lagged_covariance(spec, weight, (0, 3))[0]
    at = {t: 1 + t / 16 for t in (5, 8, 11)}
    wanted = np.diag([4 * at[5], 9 * at[8], 4 * at[8], 9 * at[11]]).astype(complex)
    wanted[2, 1] = 2j * 3 * at[8]  # x₀(t - 3) x₁*(t) at t = 8
    wanted[1, 2] = -2j * 3 * at[8]
    assert_allclose(cov, wanted, rtol=2 * EPS)


def test_a_microphone_that_hears_an_echo_of_another_shows_its_gain():
    """x₁(t) = c x₀(t - 2): Σ x₁(t) x₀*(t - 2) = c Σ |x₀(t - 2)|²."""
    x = complex_normal(np.random.default_rng(0), 1, 1, 300, dtype=np.complex64)
    echo = np.zeros_like(x)
    echo[:, :, 2:] = (0.3 - 0.6j) * x[:, :, :-2]
    spec = np.concatenate([x, echo], axis=1)
    cov = lagged_covariance(spec, np.ones((1, 300), np.float32), (0, 2))[0]
    assert_allclose(cov[1, 2] / cov[2, 2], 0.3 - 0.6j, atol=2 * EPS)  # the echo is rounded


@pytest.mark.parametrize("n_frames", [1, 2, 6, 512, 513, 2500])
@pytest.mark.parametrize("delays", DELAYS, ids=str)
@pytest.mark.parametrize("n_mics", [1, 2, 4, 5])
def test_covariance_matches_the_formula(n_mics, delays, n_frames):
    rng = np.random.default_rng([n_mics, n_frames])
    n_freqs = 3 if n_frames < 100 else 1
    spec = spectrum(rng, n_freqs, n_mics, n_frames)
    assert_covariance(spec, weights_of(rng, n_freqs, n_frames), delays)


def test_covariance_of_delays_longer_than_a_chunk_of_the_kernel():
    rng = np.random.default_rng(1)
    assert_covariance(spectrum(rng, 1, 2, 2200), weights_of(rng, 1, 2200), (0, 1030, 2047, 2300))


def test_covariance_follows_the_strides_of_a_view_and_takes_double_precision():
    rng = np.random.default_rng(2)
    spec, weight = spectrum(rng, 6, 4, 90), weights_of(rng, 6, 90)
    assert_covariance(spec[::2, ::-1, ::3], weight[::2, ::3], (0, 2, 3))
    assert_covariance(np.asfortranarray(spec), np.asfortranarray(weight), (0, 2, 3))
    assert_covariance(spec.astype(np.complex128), weight.astype(np.float64), (0, 2, 3))


@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_the_scale_of_the_weights_only_scales(scale):
    rng = np.random.default_rng(3)
    spec, weight = spectrum(rng, 3, 2, 200), weights_of(rng, 3, 200).astype(np.float64)
    per_bin = scale * np.array([[1], [1e-20], [1e20]])
    assert_covariance(spec, per_bin * weight, (0, 2, 3))


def test_without_weight_or_frames_there_is_nothing():
    spec = spectrum(np.random.default_rng(4), 2, 2, 20)
    assert not lagged_covariance(spec, np.zeros((2, 20), np.float32), (0, 2)).any()
    none = lagged_covariance(spec[:, :, :0], np.zeros((2, 0), np.float32), (0, 2))
    assert_array_equal(none, np.zeros((2, 4, 4)))


def test_a_long_recording_does_not_lose_digits():
    """10⁶ equal terms: in one float32 sum they are wrong in the third digit."""
    spec = np.full((1, 1, 1_000_000), 0.1 + 0.1j, np.complex64)
    cov = lagged_covariance(spec, np.ones((1, 1_000_000), np.float32), (0, 1))
    power = 2 * float(np.float32(0.1)) ** 2
    wanted = power * np.array([[1e6, 1e6 - 1], [1e6 - 1, 1e6 - 1]])
    assert_allclose(cov[0], wanted, rtol=1e-12)


def test_each_delay_answers_with_its_own_conjugate_weight():
    """A click of 1 at microphone m: y(δ_a) = w_{a,m}*."""
    filters = np.arange(1, 13).reshape(1, 3, 2, 2) * (1 + 2j)
    for mic in (0, 1):
        spec = np.zeros((1, 2, 9), np.complex64)
        spec[0, mic, 1] = 1
        wanted = np.zeros((1, 2, 9), complex)
        for a, delay in enumerate((0, 2, 5)):
            wanted[0, :, 1 + delay] = filters[0, a, mic].conj()
        assert_array_equal(lagged_filter(filters, spec, (0, 2, 5)), wanted)


@pytest.mark.parametrize("n_frames", [1, 6, 512, 513, 2500])
@pytest.mark.parametrize("delays", DELAYS, ids=str)
@pytest.mark.parametrize("n_mics, n_out", [(1, 1), (2, 3), (4, 1), (5, 2)])
@pytest.mark.parametrize("n_past", [None, 0, 2, 40])
def test_filter_matches_the_formula(n_mics, n_out, delays, n_frames, n_past):
    rng = np.random.default_rng([n_mics, n_frames])
    spec = spectrum(rng, 2, n_mics, n_frames)
    filters = complex_normal(rng, 2, len(delays), n_mics, n_out)
    past = None if n_past is None else spectrum(rng, 2, n_mics, n_past)
    found = lagged_filter(filters, spec, delays, past)
    wanted, magnitude = slow.lagged_filter(filters, spec, delays, past)
    # a real part sums 2·A·M products, each rounded to half an eps, and so is w before
    bound = np.sqrt(2) * (len(delays) * n_mics + 2) * EPS * magnitude
    assert (np.abs(found - wanted) <= bound).all()


def test_blocks_with_their_past_are_the_whole():
    rng = np.random.default_rng(5)
    spec = spectrum(rng, 3, 3, 60)
    filters = complex_normal(rng, 3, 3, 3, 2)
    whole = lagged_filter(filters, spec, (0, 2, 7))
    cuts = [0, 1, 2, 30, 33, 60]
    blocks = [
        lagged_filter(filters, spec[:, :, a:b], (0, 2, 7), spec[:, :, :a])
        for a, b in zip(cuts, cuts[1:], strict=False)
    ]
    assert_array_equal(np.concatenate(blocks, axis=2), whole)


def test_solutions_are_those_of_numpy():
    rng = np.random.default_rng(6)
    cov, right = random_covariances(rng, 5, 6), complex_normal(rng, 5, 6, 3)
    mean = np.trace(cov, axis1=1, axis2=2).real[:, None, None] / 6
    for loading in (LOADING, 1e-3):
        wanted = np.linalg.solve(cov + loading * mean * np.eye(6), right)
        found, used = solve_loaded(cov, right, loading)
        bound = 6**2 * np.finfo(float).eps * np.linalg.cond(cov)[:, None, None]
        error = np.linalg.norm(found - wanted, axis=1, keepdims=True)
        assert (error <= bound * np.linalg.norm(wanted, axis=1, keepdims=True)).all()
        assert_array_equal(used, loading)


def with_least(value):
    """A Hermitian matrix of mean eigenvalue 1 whose least is `value`, turned."""
    rng = np.random.default_rng(7)
    basis, _ = np.linalg.qr(complex_normal(rng, 3, 3))
    return (basis * [value, 1.0, 2.0 - value]) @ basis.conj().T


@pytest.mark.parametrize(
    "least, enough",
    [(1e-3, 1e-10), (-1e-9, 1e-8), (-1e-7, 1e-6), (-1e-5, 1e-4), (-9e-3, 1e-2)],
)
def test_a_bin_gets_as_much_loading_as_it_takes_and_says_so(least, enough):
    cov = np.stack([with_least(0.5), with_least(least)])
    right = complex_normal(np.random.default_rng(8), 2, 3, 1)
    found, used = solve_loaded(cov, right, 1e-10)
    assert_allclose(used, [1e-10, enough], rtol=1e-12)
    loaded = cov + used[:, None, None] * np.eye(3)  # the mean eigenvalue is 1
    residual = np.abs(loaded @ found - right).max(axis=(1, 2))
    # what rounding leaves of a matrix of norm 2, relative to the answer
    assert (residual <= 20 * np.finfo(float).eps * np.abs(found).max(axis=(1, 2))).all()


def test_the_last_loading_is_one_per_cent_whatever_the_first():
    right = np.ones((1, 3, 1), complex)
    for first in (0.0, 3e-10, 2e-4):
        _, used = solve_loaded(with_least(-9e-3)[None], right, first)
        assert used == [MOST_LOADING]
        with pytest.raises(NumericalError, match="bin 0"):
            solve_loaded(with_least(-1.1e-2)[None], right, first)


def test_without_loading_a_singular_matrix_gets_the_least():
    """From 0 on there must be an end: identical microphones share their sound."""
    found, used = solve_loaded(np.ones((1, 2, 2), complex), np.ones((1, 2, 1), complex), 0.0)
    assert 0 < used[0] < 1e-13
    assert_allclose(found[0, :, 0].sum(), 1, rtol=1e-12)


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf], ids=["silent", "nan", "inf"])
@pytest.mark.parametrize("size", [1, 3])
def test_a_bin_without_statistics_is_named(size, value):
    cov = np.tile(np.eye(size, dtype=complex), (4, 1, 1))
    cov[2] *= 0
    cov[2, 0, 0] = value
    if size == 3 and value == 0:
        assert solve_loaded(cov[:2], np.ones((2, size, 1)))[1].tolist() == [LOADING] * 2
    with pytest.raises(NumericalError, match="bin 2 is silent, or its statistics are not"):
        solve_loaded(cov, np.ones((4, size, 1), complex))


@pytest.mark.parametrize("delays", [(), (-1, 0), (2, 1), (0, 0), (0.0, 1.5)], ids=str)
def test_delays_that_do_not_rise_are_refused(delays):
    spec = np.ones((2, 2, 9), np.complex64)
    with pytest.raises(ConfigError, match="delays must be whole, rise, and not be negative"):
        lagged_covariance(spec, np.ones((2, 9), np.float32), delays)
    with pytest.raises(ConfigError, match="delays must be whole, rise, and not be negative"):
        lagged_filter(np.ones((2, len(delays), 2, 1)), spec, delays)


def test_shapes_that_do_not_fit_are_refused_with_both():
    spec = np.ones((2, 3, 9), np.complex64)
    with pytest.raises(ShapeError, match=r"\(F, T\) = \(2, 9\) to match spec; got \(2, 8\)"):
        lagged_covariance(spec, np.ones((2, 8), np.float32), (0,))
    with pytest.raises(ShapeError, match=r"\(F, M, T\); got \(2, 9\)"):
        lagged_covariance(spec[:, 0], np.ones((2, 9), np.float32), (0,))
    for shape in ((2, 1, 3, 1), (2, 2, 2, 1), (1, 2, 3, 1), (2, 2, 3)):
        with pytest.raises(ShapeError, match=r"\(F, A, M, O\), A = 2, to match spec \(2, 3, 9\)"):
            lagged_filter(np.ones(shape), spec, (0, 1))


@pytest.mark.parametrize("delays", DELAYS)
@pytest.mark.parametrize("n_mics, n_frames", [(1, 1), (2, 5), (4, 1500)])
def test_cross_covariance_matches_the_formula(delays, n_mics, n_frames):
    rng = np.random.default_rng(11)
    spec = spectrum(rng, 3, n_mics, n_frames)
    target = complex_normal(rng, 3, n_frames, dtype=np.complex64)
    found = lagged_cross_covariance(spec, target, delays)
    late = slow.stacked(spec, delays).reshape(3, len(delays), n_mics, n_frames)
    wanted = np.einsum("famt,ft->fam", late, target.conj().astype(complex))
    bound = 1e-12 * np.einsum("famt,ft->fam", np.abs(late), np.abs(target)) + 1e-300
    assert (np.abs(found - wanted) <= bound).all()


def test_cross_covariance_refuses_a_target_that_does_not_fit():
    spec = np.zeros((3, 2, 8), np.complex64)
    with pytest.raises(ShapeError, match=r"target must have shape \(F, T\)"):
        lagged_cross_covariance(spec, spec[:, 0, :7], (0, 1))
