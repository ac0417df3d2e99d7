import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh.errors import ConfigError, NumericalError, ShapeError
from arrayenh.statistics.covariance import (
    RecursiveCovariance,
    blocked_covariance,
    spatial_covariance,
    speech_noise_covariances,
)
from tests.reference import covariance as slow
from tests.signals import complex_normal

EPS = float(np.finfo(np.float32).eps)


def spectrum(rng, n_freqs, n_mics, n_frames):
    """Coloured over the microphones: strong off-diagonal elements of any phase."""
    mixing = complex_normal(rng, n_freqs, n_mics, n_mics)
    return (mixing @ complex_normal(rng, n_freqs, n_mics, n_frames)).astype(np.complex64)


def assert_close_to(cov, wanted):
    """Products are rounded to float32 five times at most, 5·eps/2, whatever T: sums are not.

    |Φ_ij| adds up terms whose magnitudes sum to no more than √(Φ_ii Φ_jj).
    """
    power = np.diagonal(wanted, axis1=1, axis2=2).real
    bound = 2.5 * EPS * np.sqrt(power[:, :, None] * power[:, None])
    assert (np.abs(cov - wanted) <= bound).all()


@pytest.mark.parametrize("n_frames", [1, 2, 7, 50, 2000])
@pytest.mark.parametrize("n_mics", [1, 2, 3, 5, 8])
def test_kernel_matches_the_formula(n_mics, n_frames):
    rng = np.random.default_rng(n_mics)
    spec = spectrum(rng, 3, n_mics, n_frames)
    mask = rng.uniform(0.01, 1, (3, n_frames)).astype(np.float32)
    other = rng.uniform(0.01, 1, (3, n_frames)).astype(np.float32)
    wanted = slow.spatial_covariance(spec, mask)
    assert_close_to(spatial_covariance(spec, mask), wanted)
    speech_cov, noise_cov = speech_noise_covariances(spec, mask, other)
    assert_close_to(speech_cov, wanted)
    assert_close_to(noise_cov, slow.spatial_covariance(spec, other))


@pytest.mark.parametrize(
    "bins, mics, frames",
    [
        (np.s_[::2], np.s_[:], np.s_[:]),
        (np.s_[:], np.s_[::-1], np.s_[:]),
        (np.s_[:], np.s_[:], np.s_[::3]),
        (np.s_[1:3], np.s_[1:], np.s_[5:]),
    ],
    ids=["bins", "mics", "frames", "part"],
)
def test_kernel_follows_the_strides_of_a_view(bins, mics, frames):
    rng = np.random.default_rng(0)
    spec = spectrum(rng, 6, 4, 60)[bins, mics, frames]
    mask = rng.uniform(0.01, 1, (6, 60)).astype(np.float32)[bins, frames]
    assert_close_to(spatial_covariance(spec, mask), slow.spatial_covariance(spec, mask))


def test_kernel_takes_double_precision_and_any_order():
    rng = np.random.default_rng(0)
    spec = spectrum(rng, 3, 4, 50).astype(np.complex128)
    mask = rng.uniform(0.01, 1, (3, 50))
    wanted = slow.spatial_covariance(spec, mask)
    assert_close_to(spatial_covariance(spec, mask), wanted)
    by_columns = spatial_covariance(np.asfortranarray(spec), np.asfortranarray(mask))
    assert_close_to(by_columns, wanted)


def test_a_long_recording_does_not_lose_digits():
    """10⁶ equal terms: summed in float32 they are wrong in the third digit."""
    spec = np.full((1, 1, 1_000_000), 0.1 + 0.1j, np.complex64)
    assert_allclose(spatial_covariance(spec), [[[0.02]]], rtol=4 * EPS)


def test_covariance_is_hermitian_to_the_last_bit():
    """As its docstring says: a fused multiply-add must not leave an imaginary power."""
    rng = np.random.default_rng(1)
    spec, mask = spectrum(rng, 5, 4, 100), rng.uniform(0, 1, (5, 100)).astype(np.float32)
    for cov in (spatial_covariance(spec, mask), *speech_noise_covariances(spec, mask, 1 - mask)):
        assert_array_equal(cov, cov.conj().swapaxes(1, 2))


@pytest.mark.parametrize("n_frames", [1, 3, 100])
def test_covariance_is_positive_semidefinite_of_the_rank_of_its_frames(n_frames):
    spec = spectrum(np.random.default_rng(1), 5, 4, n_frames)
    cov = spatial_covariance(spec)
    values = np.linalg.eigvalsh(cov)
    trace = np.trace(cov, axis1=1, axis2=2).real[:, None]
    assert (values >= -4 * EPS * trace).all()
    assert ((values > 1e-4 * trace).sum(axis=1) == min(n_frames, 4)).all()


def test_a_wave_that_comes_later_to_a_microphone_shows_its_delay():
    """x₁ = x₀ exp(-jφ):  Φ₀₁ = E{x₀ x₁*} = exp(+jφ)."""
    x = complex_normal(np.random.default_rng(0), 1, 1, 40)
    spec = np.concatenate([x, x * np.exp(-0.7j)], axis=1).astype(np.complex64)
    cov = spatial_covariance(spec)
    assert_allclose(cov[0, 0, 1] / cov[0, 0, 0], np.exp(0.7j), atol=4 * EPS)


def test_a_mask_of_ones_and_zeros_selects_frames():
    rng = np.random.default_rng(0)
    spec = spectrum(rng, 3, 4, 60)
    heard = rng.random(60) < 0.4
    mask = np.broadcast_to(heard, (3, 60)).astype(np.float32)
    selected = spatial_covariance(np.ascontiguousarray(spec[:, :, heard]))
    assert_close_to(spatial_covariance(spec, mask), selected)


def test_only_the_ratio_of_mask_values_counts():
    rng = np.random.default_rng(0)
    spec = spectrum(rng, 3, 4, 60)
    mask = rng.uniform(0.01, 1, (3, 60)).astype(np.float32)
    cov = spatial_covariance(spec, mask)
    assert_array_equal(spatial_covariance(spec, mask / 8), cov)
    assert_array_equal(spatial_covariance(4 * spec, mask), 16 * cov)


def test_nan_is_not_swallowed_and_stays_in_its_bin():
    spec = spectrum(np.random.default_rng(0), 3, 2, 40)
    spec[1, 0, 17] = np.nan
    cov = spatial_covariance(spec)
    assert np.isnan(cov[1, 0]).all() and np.isfinite(cov[1, 1, 1])
    assert np.isfinite(cov[[0, 2]]).all()


@pytest.mark.parametrize("value", [0.0, np.nan, -1.0], ids=["empty", "nan", "negative"])
def test_a_bin_without_mask_is_named(value):
    spec = spectrum(np.random.default_rng(0), 5, 2, 10)
    mask = np.ones((5, 10), np.float32)
    empty = mask.copy()
    empty[3] = value
    with pytest.raises(NumericalError, match="bin 3"):
        spatial_covariance(spec, empty)
    for masks in ((empty, mask), (mask, empty)):
        with pytest.raises(NumericalError, match="bin 3"):
            speech_noise_covariances(spec, *masks)


def test_shapes_that_do_not_fit_are_refused_with_both():
    spec = spectrum(np.random.default_rng(0), 5, 2, 10)
    with pytest.raises(ShapeError, match=r"\(F, T\) = \(5, 10\) to match spec; got \(5, 9\)"):
        spatial_covariance(spec, np.ones((5, 9), np.float32))
    with pytest.raises(ShapeError, match=r"got \(10, 5\)"):
        speech_noise_covariances(spec, np.ones((5, 10)), np.ones((10, 5)))
    with pytest.raises(ShapeError, match=r"\(F, M, T\); got \(5, 2\)"):
        spatial_covariance(spec[:, :, 0])


def test_blocks_are_the_covariances_of_their_frames():
    rng = np.random.default_rng(0)
    spec, mask = spectrum(rng, 3, 4, 23), rng.uniform(0, 1, (3, 23)).astype(np.float32)
    mask[1, 10:20] = 0
    found = blocked_covariance(spec, 10, mask)
    assert len(found) == 3
    for b, part in enumerate((slice(0, 10), slice(10, 20), slice(20, 23))):
        heard = np.flatnonzero(mask[:, part].any(axis=1))
        wanted = slow.spatial_covariance(spec[heard][:, :, part], mask[heard][:, part])
        assert_close_to(found[b][heard], wanted)
    assert not found[1, 1].any()
    assert_array_equal(blocked_covariance(spec, 100, mask)[0], spatial_covariance(spec, mask))
    with pytest.raises(ConfigError, match="n_frames must be at least 1"):
        blocked_covariance(spec, 0)


def test_a_recursive_covariance_follows_its_recursion():
    rng = np.random.default_rng(1)
    spec, mask = spectrum(rng, 3, 2, 40), rng.uniform(0, 1, (3, 40)).astype(np.float32)
    recursion = RecursiveCovariance(3, 2, hop_seconds=0.01, memory_seconds=0.05)
    beta = 1 - np.exp(-0.2)
    total, mass = np.zeros((3, 2, 2), complex), np.zeros(3)
    for t in range(40):
        x, rate = spec[:, :, t].astype(complex), beta * mask[:, t].astype(float)
        total = (1 - rate)[:, None, None] * total
        total += rate[:, None, None] * x[:, :, None] * x[:, None].conj()
        mass = (1 - rate) * mass + rate
    whole = recursion.update(spec, mask)
    assert_allclose(whole, total / mass[:, None, None], rtol=0, atol=5 * EPS * np.abs(whole).max())
    assert_allclose(recursion.mass, mass, rtol=1e-12)
    recursion.reset()
    for part in np.split(np.arange(40), [1, 1, 17]):
        pieces = recursion.update(spec[:, :, part], mask[:, part])
    assert_allclose(pieces, whole, rtol=0, atol=5 * EPS * np.abs(whole).max())


def test_a_bin_that_is_masked_out_keeps_what_it_knows():
    rng = np.random.default_rng(2)
    recursion = RecursiveCovariance(2, 3, 0.01, 0.1)
    assert not recursion.cov.any()
    before = recursion.update(spectrum(rng, 2, 3, 50))
    mask = np.ones((2, 500), np.float32)
    mask[0] = 0
    after = recursion.update(10 * spectrum(rng, 2, 3, 500), mask)
    assert_array_equal(after[0], before[0])
    assert np.trace(after[1]).real > 10 * np.trace(before[1]).real
    with pytest.raises(ConfigError, match="must be positive"):
        RecursiveCovariance(2, 3, 0.01, 0)
    with pytest.raises(ShapeError, match=r"spec must have shape \(2, 3, 't'\)"):
        recursion.update(spectrum(rng, 2, 4, 5))
