"""The generalised sidelobe canceller: what is blocked, and that it is an MVDR."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh.beamformers.beamformer import Stream
from arrayenh.beamformers.delay_and_sum import delay_and_sum
from arrayenh.beamformers.gsc import GSC, blocking_matrix, sidelobe_canceller
from arrayenh.beamformers.mvdr import MVDR, mvdr
from arrayenh.chain.settings import Settings
from arrayenh.errors import NumericalError, ShapeError
from arrayenh.statistics.loading import LOADING
from tests.signals import complex_normal, random_covariances

F = 40


def response(weights, steering):
    return np.sum(weights.conj() * steering, axis=1)


@pytest.mark.parametrize("first", ["as the others", "positive", "negative", "zero", "alone"])
@pytest.mark.parametrize("n_mics", [2, 3, 8])
def test_a_blocking_matrix_hears_all_but_the_look_direction(n_mics, first):
    """Bᴴa = 0 and BᴴB = I to M eps, whatever the reference hears; with a, B spans it all."""
    a = complex_normal(np.random.default_rng(n_mics), F, n_mics)
    if first in ("positive", "negative"):
        a[:, 0] = np.abs(a[:, 0]) * (1 if first == "positive" else -1)
    elif first == "zero":
        a[:, 0] = 0
    elif first == "alone":
        a[:, 1:] = 0
    blocking = blocking_matrix(a)
    adjoint = blocking.conj().swapaxes(1, 2)
    assert_allclose(adjoint @ a[:, :, None], 0, atol=1e-14)
    assert_allclose(adjoint @ blocking, np.tile(np.eye(n_mics - 1), (F, 1, 1)), atol=1e-14)
    unit = a / np.linalg.norm(a, axis=1, keepdims=True)
    both = blocking @ adjoint + unit[:, :, None] * unit[:, None].conj()
    assert_allclose(both, np.tile(np.eye(n_mics), (F, 1, 1)), atol=1e-14)


def test_a_blocking_matrix_turns_with_the_direction_without_a_jump():
    """What was learnt behind it stays nearly right: no column changes its sign midway."""
    turn = np.linspace(0, 2 * np.pi, 721)
    blocking = blocking_matrix(np.exp(1j * np.outer(turn, [0.0, 1.0, -2.0])))
    assert np.abs(np.diff(blocking, axis=0)).max() < 3 * np.diff(turn)[0]


@pytest.mark.parametrize("loading", [0.0, LOADING, 0.1])
def test_the_sidelobe_canceller_is_the_mvdr(loading):
    """κ up to 1e4: 1e-15·κ; from delay-and-sum and from any other distortionless weights."""
    rng = np.random.default_rng(1)
    a, cov = complex_normal(rng, F, 4), random_covariances(rng, F, 4, n_frames=8)
    wanted = mvdr(a, cov, loading)
    scale = np.abs(wanted).max()
    assert_allclose(sidelobe_canceller(a, cov, loading=loading), wanted, atol=1e-10 * scale)
    other = complex_normal(rng, F, 4)
    other /= response(other, a).conj()[:, None]
    found = sidelobe_canceller(a, cov, other, loading)
    assert_allclose(found, wanted, atol=1e-10 * scale)
    assert_allclose(response(found, a), 1, atol=1e-12)


def test_of_a_fixed_beamformer_it_keeps_the_response():
    """Twice the talker in, twice the talker out: the canceller takes off but noise."""
    rng = np.random.default_rng(2)
    a, cov = complex_normal(rng, F, 4), random_covariances(rng, F, 4)
    found = sidelobe_canceller(a, cov, 2j * delay_and_sum(a))
    assert_allclose(found, 2j * mvdr(a, cov), rtol=1e-8)


def test_as_long_as_no_direction_is_known_the_recursive_one_is_the_blind_mvdr():
    rng = np.random.default_rng(4)
    spec = complex_normal(rng, F, 3, 30, dtype=np.complex64)
    mask = rng.random((F, 30)).astype(np.float32)
    stream, settings = Stream(F, 3, 0.008), Settings(beamformer="gsc", online=True, doa="auto")
    found = GSC.recursive(stream, settings)(spec, mask, None)
    assert_array_equal(found, MVDR.recursive(stream, settings)(spec, mask, None))


def test_what_cannot_be_blocked_is_refused():
    rng = np.random.default_rng(3)
    a, cov = complex_normal(rng, F, 4), random_covariances(rng, F, 4)
    a[5] = 0
    with pytest.raises(NumericalError, match="the steering vector of bin 5 is zero"):
        blocking_matrix(a)
    with pytest.raises(ShapeError, match=r"\(F, M\), M at least 2; got \(40, 1\)"):
        blocking_matrix(a[:, :1])
    with pytest.raises(ShapeError, match=r"match steering \(40, 4\); got \(40, 3, 3\)"):
        sidelobe_canceller(a, cov[:, :3, :3])
    cov[7] = 0
    with pytest.raises(NumericalError, match="bin 7"):
        sidelobe_canceller(np.ones((F, 4)), cov)
