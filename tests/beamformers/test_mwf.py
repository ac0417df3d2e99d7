"""Relative transfer functions and the beamformers of covariances, against closed forms."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.linalg import eigh

from arrayenh.beamformers.gev import gev
from arrayenh.beamformers.gsc import sidelobe_canceller
from arrayenh.beamformers.lcmv import lcmv
from arrayenh.beamformers.mpdr import mpdr
from arrayenh.beamformers.mvdr import mvdr, souden_mvdr
from arrayenh.beamformers.mwf import best_reference, least_squares, mwf, rank_one_mwf
from arrayenh.beamformers.weights import apply
from arrayenh.errors import ConfigError, NumericalError, ShapeError
from arrayenh.statistics.transfer_functions import (
    generalised_eigen,
    rank_one,
    rtf_by_subtraction,
    rtf_by_whitening,
    speech_covariance,
)

F, M = 7, 4


def random(rng, *shape):
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


@pytest.fixture
def field():
    """A talker's transfer function, its covariance, and that of a noise."""
    rng = np.random.default_rng(0)
    rtf = random(rng, F, M)
    rtf /= rtf[:, :1]
    power = rng.uniform(1, 5, F)
    speech = power[:, None, None] * rtf[:, :, None] * rtf[:, None, :].conj()
    mixing = random(rng, F, M, 2 * M)
    return rtf, speech, mixing @ np.swapaxes(mixing, 1, 2).conj() / (2 * M)


def output(weights, cov):
    return np.einsum("fi,fij,fj->f", weights.conj(), cov, weights).real


def test_transfer_functions_of_one_talker_are_exact(field):
    rtf, speech, noise = field
    assert_allclose(rtf_by_subtraction(speech + noise, noise), rtf, rtol=1e-10)
    for cov in (speech, speech + noise):
        assert_allclose(rtf_by_whitening(cov, noise, loading=0), rtf, rtol=1e-9)
    other = rtf / rtf[:, 2:3]
    assert_allclose(rtf_by_whitening(speech, noise, reference=2, loading=0), other, rtol=1e-9)


def test_one_talker_stays_as_he_is_and_of_two_the_stronger(field):
    rtf, speech, noise = field
    assert_allclose(rank_one(speech, noise, loading=0), speech, atol=1e-10)
    second = random(np.random.default_rng(1), F, M)
    both = speech + 1e-3 * second[:, :, None] * second[:, None].conj()
    reduced = rank_one(both, noise, loading=0)
    assert np.linalg.matrix_rank(reduced, tol=1e-9).tolist() == [1] * F
    assert np.abs(reduced - speech).max() < 0.1


def test_speech_is_what_a_noisy_covariance_holds_beyond_the_noise(field):
    """Of any rank; and where it holds less, none: diag(3, ½, 1, 2) beyond I is (2, 0, 0, 1)."""
    _, speech, noise = field
    second = random(np.random.default_rng(1), F, M)
    both = speech + second[:, :, None] * second[:, None].conj()
    for cov in (speech, both, noise, 0 * noise):
        assert_allclose(speech_covariance(cov + noise, noise, 0.0), cov, atol=1e-9)
    white, noisy = np.eye(M)[None], np.diag([3, 0.5, 1, 2])[None]
    assert_allclose(speech_covariance(noisy, white, 0.0)[0], np.diag([2, 0, 0, 1]), atol=1e-12)


def test_what_noise_exceeds_is_left_out_and_nothing_else(field):
    """Φₛ has no negative power anywhere, and differs from Φₓ - Φₙ only where that has: what
    is left out is orthogonal to what stays, measured by the noise."""
    _, speech, noise = field
    noisy = speech + 0.7 * noise
    found = speech_covariance(noisy, noise, 0.0)
    assert_allclose(found, found.conj().swapaxes(1, 2), atol=1e-12)
    assert (np.linalg.eigvalsh(found) > -1e-10).all()
    left_out = found - (noisy - noise)
    assert (np.linalg.eigvalsh(left_out) > -1e-10).all()
    assert_allclose(left_out @ np.linalg.solve(noise, found), 0, atol=1e-9)
    assert (np.trace(left_out, axis1=1, axis2=2).real > 0.1).all()


def test_the_mvdr_of_a_transfer_function_is_that_of_souden(field):
    rtf, speech, noise = field
    found = mvdr(rtf_by_whitening(speech, noise, loading=0), noise, 0.0)
    assert_allclose(found, souden_mvdr(speech, noise, loading=0.0), rtol=1e-9)
    assert_allclose(rank_one_mwf(speech, noise, 0.0, loading=0.0), found, rtol=1e-9)


@pytest.mark.parametrize("mu", [0.1, 1.0, 5.0])
def test_the_wiener_filter_of_one_talker_is_the_rank_one_form(field, mu):
    _, speech, noise = field
    full = mwf(speech, noise, mu, reference=1, loading=0.0)
    assert_allclose(full, rank_one_mwf(speech, noise, mu, reference=1, loading=0.0), rtol=1e-8)


def test_the_wiener_filter_has_the_least_error(field):
    _, speech, noise = field
    weights = mwf(speech, noise, loading=0.0)

    def error(w):
        difference = w - np.eye(M)[0]
        return output(difference, speech) + output(w, noise)

    rng = np.random.default_rng(2)
    for _ in range(20):
        assert np.all(error(weights) < error(weights + 0.05 * random(rng, F, M)))


def test_more_mu_leaves_less_noise_and_less_speech(field):
    _, speech, noise = field
    found = [mwf(speech, noise, mu) for mu in (0.1, 1.0, 10.0)]
    for cov in (noise, speech):
        levels = np.array([output(w, cov) for w in found])
        assert np.all(np.diff(levels, axis=0) < 0)


def test_gev_has_the_snr_of_the_largest_eigenvalue(field):
    _, speech, noise = field
    rng = np.random.default_rng(3)
    second = random(rng, F, M)
    both = speech + second[:, :, None] * second[:, None].conj()
    weights = gev(both, noise, loading=0.0)
    _, values, _ = generalised_eigen(both, noise, 0.0)
    assert_allclose(output(weights, both) / output(weights, noise), values[:, -1], rtol=1e-9)
    heard = np.einsum("fi,fi->f", weights.conj(), both[..., 0])
    assert_allclose(np.angle(heard), 0, atol=1e-9)


def test_no_weights_have_more_snr_than_gev(field):
    """λ_max of Φₛ w = λ Φₙ w, from LAPACK's generalised solver; and random weights try."""
    _, speech, noise = field
    rng = np.random.default_rng(6)
    second = random(rng, F, M)
    both = speech + second[:, :, None] * second[:, None].conj()
    weights = gev(both, noise, loading=0.0)
    snr = output(weights, both) / output(weights, noise)
    wanted = [eigh(b, n, eigvals_only=True)[-1] for b, n in zip(both, noise, strict=True)]
    assert_allclose(snr, wanted, rtol=1e-9)
    for _ in range(20):
        other = weights + 0.1 * random(rng, F, M)
        assert (output(other, both) / output(other, noise) < snr).all()


@pytest.mark.parametrize("condition", [1e2, 1e5, 1e8])
def test_constraints_hold_for_covariances_that_are_nearly_singular(condition):
    """Not loaded: wᴴa = 1 to eps·κ·√M, 1e-7, and each of several constraints to 1e-5."""
    rng = np.random.default_rng(7)
    unitary = np.linalg.qr(random(rng, 200, 6, 6))[0]
    cov = (unitary * np.geomspace(1, 1 / condition, 6)) @ unitary.conj().swapaxes(1, 2)
    cov = (cov + cov.conj().swapaxes(1, 2)) / 2
    a = np.exp(2j * np.pi * rng.random((200, 6)))
    one = np.array([1.0])
    for weights in (
        mvdr(a, cov, 0.0),
        mpdr(a, cov, 0.0),
        lcmv(a[:, :, None], one, cov, 0.0),
        sidelobe_canceller(a, cov, loading=0.0),
    ):
        assert_allclose(np.sum(weights.conj() * a, axis=1), 1, rtol=0, atol=1e-6)
    constraints = np.concatenate([a[:, :, None], random(rng, 200, 6, 2)], axis=2)
    weights = lcmv(constraints, np.array([1.0, 0.0, 0.5j]), cov, 0.0)
    found = np.einsum("fm,fmk->fk", weights.conj(), constraints)
    assert_allclose(found, np.tile([1.0, 0.0, 0.5j], (200, 1)), rtol=0, atol=1e-5)


def test_normalised_gev_in_white_noise_keeps_the_talker_to_the_mean_level(field):
    rtf, speech, _ = field
    white = np.tile(np.eye(M, dtype=complex), (F, 1, 1))
    weights = gev(speech, white, loading=0.0)
    # wᴴw = 1 / M: the talker comes with the RMS of his transfer functions
    kept = np.abs(np.einsum("fi,fi->f", weights.conj(), rtf))
    assert_allclose(kept, np.sqrt(np.mean(np.abs(rtf) ** 2, axis=1)), rtol=1e-9)


def test_lcmv_keeps_every_constraint_with_the_least_noise(field):
    rtf, _, noise = field
    rng = np.random.default_rng(4)
    directions = np.concatenate([rtf[..., None], random(rng, F, M, 2)], axis=2)
    responses = np.array([1.0, 0.0, 0.3j])
    weights = lcmv(directions, responses, noise, loading=0.0)
    found = np.einsum("fm,fmk->fk", weights.conj(), directions)
    assert_allclose(found, np.tile(responses, (F, 1)), atol=1e-9)
    # any step that keeps the constraints makes more noise
    step = random(rng, F, M)
    basis = np.linalg.qr(directions)[0]
    step -= (basis @ (np.swapaxes(basis, 1, 2).conj() @ step[..., None]))[..., 0]
    assert np.all(output(weights + 0.1 * step, noise) > output(weights, noise))
    one = lcmv(directions[..., :1], np.array([1.0]), noise, loading=0.0)
    assert_allclose(one, mvdr(rtf, noise, 0.0), rtol=1e-9)


def test_lcmv_refuses_what_cannot_be_kept(field):
    rtf, _, noise = field
    twice = np.stack([rtf, 2 * rtf], axis=2)
    with pytest.raises(NumericalError, match="are the same direction"):
        lcmv(twice, np.array([1.0, 0.0]), noise)
    with pytest.raises(ShapeError, match="4 microphones cannot keep 5 constraints"):
        lcmv(np.zeros((F, M, 5)), np.ones(5), noise)
    with pytest.raises(ShapeError, match=r"responses must have shape \(K,\) or \(F, K\), K = 2"):
        lcmv(twice, np.ones(3), noise)


def test_least_squares_is_that_of_numpy():
    rng = np.random.default_rng(5)
    spec, target = random(rng, F, M, 50).astype(np.complex64), random(rng, F, 50)
    weights = least_squares(spec, target, loading=0.0)
    for f in range(F):
        wanted, *_ = np.linalg.lstsq(spec[f].T.astype(complex), target[f], rcond=None)
        assert_allclose(weights[f].conj(), wanted, rtol=1e-8)
    exact = np.einsum("m,fmt->ft", np.array([0.5, 0, 1j, 0]), spec)
    assert_allclose(apply(least_squares(spec, exact, 0.0), spec), exact, atol=1e-5)


@pytest.mark.parametrize(
    "estimate",
    [mwf, rank_one_mwf, souden_mvdr, rtf_by_whitening, rank_one, speech_covariance],
    ids=lambda estimate: estimate.__name__,
)
def test_loading_is_white_noise_of_a_part_of_the_mean_power(field, estimate):
    _, speech, noise = field
    power = np.trace(noise, axis1=1, axis2=2).real / M
    white = 0.3 * power[:, None, None] * np.eye(M)
    assert_allclose(
        estimate(speech, noise, loading=0.3),
        estimate(speech, noise + white, loading=0.0),
        atol=1e-10,
    )


def test_the_best_reference_is_where_the_talker_is_heard_in_little_noise():
    """In each bin one talker has one SNR whatever the reference: what counts is the sum."""
    rtf = np.ones((F, M), complex) * np.array([0.2, 0.2, 3.0, 0.2])
    rtf[: F // 2, 2] = 1.0
    speech = rtf[:, :, None] * rtf[:, None].conj()
    noise = np.tile(np.eye(M, dtype=complex), (F, 1, 1))
    noise[F // 2 :] *= 0.1
    assert best_reference(speech, noise) == 2


def test_the_best_reference_keeps_the_talker_where_noise_is_loud():
    """The MVDR leaves bin f the speech |a_r|² and the noise |a_r|² / λ, λ its best SNR: microphone
    0 has 3 to 10.02 with λ = 1/10 and 100, microphone 1 has 1 to 1. A Wiener filter would damp
    bin 0, and prefer microphone 0 for what is left."""
    rtf = np.array([[1, 0], [0, 1], [np.sqrt(2), 0]], complex)
    speech = rtf[:, :, None] * rtf[:, None]
    noise = np.eye(2) * np.array([10, 1, 0.02])[:, None, None]
    assert best_reference(speech, noise) == 1


def test_what_does_not_fit_is_refused(field):
    rtf, speech, noise = field
    with pytest.raises(ConfigError, match="mu must be above 0"):
        mwf(speech, noise, 0.0)
    with pytest.raises(ConfigError, match="mu must be at least 0; got -1"):
        rank_one_mwf(speech, noise, -1)
    with pytest.raises(ShapeError, match="reference must be 0 to 3; got 4"):
        gev(speech, noise, 4)
    with pytest.raises(ShapeError, match=r"share the shape \(F, M, M\)"):
        rtf_by_whitening(speech[:3], noise)
    with pytest.raises(NumericalError, match="no more power with speech than without"):
        rtf_by_subtraction(noise, noise)
    with pytest.raises(NumericalError, match="a noise covariance is singular"):
        gev(speech, 0 * noise, loading=0.0)
    with pytest.raises(NumericalError, match="speech covariance of bin 2 is not finite"):
        bad = speech.copy()
        bad[2, 0, 0] = np.nan
        gev(bad, noise)
