"""Two ears: what the binaural Wiener filter does to where sounds come from."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh.acoustics.rigid_sphere import sphere_wave
from arrayenh.beamformers.binaural import binaural_mwf, ears, interaural_cues
from arrayenh.beamformers.mwf import mwf, rank_one_mwf
from arrayenh.beamformers.weights import apply
from arrayenh.errors import ConfigError, ShapeError
from arrayenh.microphones.geometry import load_array
from tests.signals import complex_normal, random_covariances

ARRAY = load_array("binaural4-bte").positions
FREQS = np.arange(125.0, 8000, 125)
TALKER, NOISE = np.deg2rad(20), np.deg2rad(-70)
EARS = (0, 1)


def outer(a, power=1.0):
    return power * a[:, :, None] * a[:, None].conj()


def cues(weights, cov):
    """Level difference, dB, and phase difference of a sound of this covariance at both ears."""
    left, right = weights
    at_left, at_right = (np.einsum("fi,fij,fj->f", w.conj(), cov, w).real for w in (left, right))
    cross = np.einsum("fi,fij,fj->f", left.conj(), cov, right)
    return 10 * np.log10(at_left / at_right), np.angle(cross)


def passing():
    """Both ears as they are."""
    weights = np.zeros((2, len(FREQS), 4), complex)
    weights[0, :, 0] = weights[1, :, 1] = 1
    return weights


def turned(angle):
    """Phase difference in (-π, π]."""
    return np.abs((angle + np.pi) % (2 * np.pi) - np.pi)


@pytest.fixture
def field():
    """A talker and one noise around a head, and sensors 30 dB below; his transfer function."""
    a, b = (sphere_wave(ARRAY, azimuth, FREQS) for azimuth in (TALKER, NOISE))
    return a, outer(a), outer(b) + 1e-3 * np.eye(4)


@pytest.mark.parametrize("partial", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("rank_one", [True, False])
def test_one_talker_keeps_his_place_exactly(field, partial, rank_one):
    """w_l and w_r take a to multiples of a_l and a_r by the same real factor."""
    a, speech, noise = field
    weights = binaural_mwf(speech, noise, EARS, 1.0, partial, rank_one, 0.0)
    ild, ipd = cues(weights, speech)
    wanted_ild, wanted_ipd = cues(passing(), speech)
    assert_allclose(ild, wanted_ild, atol=1e-6)
    assert_allclose(turned(ipd - wanted_ipd), 0, atol=1e-7)
    heard = np.einsum("efm,fm->ef", weights.conj(), a) / a[:, list(EARS)].T
    assert_allclose(heard[0], heard[1], atol=1e-7)
    assert_allclose(heard.imag, 0, atol=1e-7)


def test_without_partial_noise_what_is_left_of_it_comes_from_the_talker(field):
    """Both ears have one filter but for a factor a_l* / a_r*: so has all that passes."""
    a, speech, noise = field
    weights = binaural_mwf(speech, noise, EARS, 1.0, 0.0, loading=0.0)
    ild, ipd = cues(weights, noise)
    assert_allclose(ild, 20 * np.log10(np.abs(a[:, 0] / a[:, 1])), atol=1e-6)
    assert_allclose(turned(ipd - np.angle(a[:, 0] / a[:, 1])), 0, atol=1e-7)


def test_the_more_noise_stays_the_more_it_stays_where_it_was(field):
    """Of a noise whose amplitude the Wiener filter takes to ρ times at an ear, the part in the
    talker's place is at most q = (1 - η) ρ / η of that which stays. So the level at the ear is
    within 1 ± q, and the cross-spectrum, of coherence γ, within (q_l + q_r + q_l q_r) / γ.
    Measured on average: 14 dB and 1.6 radians off at η = 0, 1.3 dB and 0.06 at 0.2."""
    _, speech, noise = field
    noise = noise + 0.03 * np.eye(4)  # not so coherent that no noise is left
    partials = [0.0, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0]
    wanted_ild, wanted_ipd = cues(passing(), noise)
    at_ears = np.sqrt(noise[:, list(EARS), list(EARS)].real.T)
    coherence = np.abs(noise[:, 0, 1]) / at_ears.prod(axis=0)
    filtered = binaural_mwf(speech, noise, EARS, 1.0, 0.0)
    left_over = np.sqrt(np.einsum("efi,fij,efj->ef", filtered.conj(), noise, filtered).real)
    ild_errors, ipd_errors = [], []
    for partial in partials:
        ild, ipd = cues(binaural_mwf(speech, noise, EARS, 1.0, partial), noise)
        ild_errors.append(np.abs(ild - wanted_ild))
        ipd_errors.append(turned(ipd - wanted_ipd))
        if partial >= 0.2:
            q = (1 - partial) / partial * left_over / at_ears
            most = -20 * np.log10(1 - np.minimum(q, 1 - 1e-9)).sum(axis=0)
            assert (ild_errors[-1] <= most + 1e-9).all()
            shift = (q[0] + q[1] + q[0] * q[1]) / coherence
            assert (
                ipd_errors[-1] <= np.where(shift < 1, np.arcsin(np.minimum(shift, 1)), np.pi) + 1e-9
            ).all()
            assert np.median(shift) < 1  # the bounds say something
    for errors in (ild_errors, ipd_errors):
        means = np.mean(errors, axis=1)
        assert (np.diff(means) < 0).all() and means[-1] < 1e-9
    assert np.mean(ild_errors[0]) > 5 and np.mean(ipd_errors[0]) > 1
    print(np.mean(ild_errors, axis=1), np.mean(ipd_errors, axis=1))


def test_it_is_a_wiener_filter_for_each_ear_and_a_part_of_the_ear():
    rng = np.random.default_rng(1)
    speech, noise = random_covariances(rng, 9, 4), random_covariances(rng, 9, 4)
    for rank_one, filtered in ((True, rank_one_mwf), (False, mwf)):
        weights = binaural_mwf(speech, noise, (3, 1), 2.0, 0.3, rank_one, 1e-3)
        for w, ear in zip(weights, (3, 1), strict=True):
            wanted = 0.7 * filtered(speech, noise, 2.0, ear, 1e-3) + 0.3 * np.eye(4)[ear]
            assert_allclose(w, wanted, rtol=1e-12)


@pytest.mark.parametrize("name", ["binaural4-bte", "binaural6-bte"])
def test_the_ears_are_the_foremost_microphones_left_is_y(name):
    array = load_array(name)
    left, right = ears(array.positions)
    assert array.names[left] == "left front" and array.names[right] == "right front"
    assert array.positions[left, 1] > 0 > array.positions[right, 1]
    assert ears(array.positions[::-1]) == (array.n_mics - 1 - left, array.n_mics - 1 - right)
    assert ears(array.positions * [1, -1, 1]) == (right, left)
    assert ears(array.positions * [-1, 1, 1])[0] == array.names.index("left rear")


def test_a_line_ahead_has_no_ears():
    with pytest.raises(ShapeError, match="microphones on the left and on the right of the centre"):
        ears(load_array("linear4-35mm").positions)


@pytest.mark.parametrize("gain, later", [(1.0, 0.0), (2.0, 2e-4), (0.3, -1e-4)])
def test_cues_are_the_level_and_the_time_that_the_right_ear_lacks(gain, later):
    freqs = np.arange(100.0, 2400, 100)  # below half a turn
    right = complex_normal(np.random.default_rng(2), len(freqs), 50)
    left = gain * right * np.exp(2j * np.pi * freqs * later)[:, None]
    ild, ipd = interaural_cues(left, right)
    assert_allclose(ild, 20 * np.log10(gain), atol=1e-12)
    assert_allclose(ipd / (2 * np.pi * freqs), later, atol=1e-15)


def test_cues_of_spectra_are_those_of_their_covariance(field):
    """float32 spectra of 4000 frames, filtered: 1e-4 dB and 1e-5 radians."""
    _, speech, noise = field
    rng = np.random.default_rng(3)
    factor = np.linalg.cholesky(noise)
    spec = (factor @ complex_normal(rng, len(FREQS), 4, 4000)).astype(np.complex64)
    cov = spec.astype(complex) @ spec.astype(complex).conj().swapaxes(1, 2)
    weights = binaural_mwf(speech, noise, EARS, partial=0.3)
    ild, ipd = interaural_cues(*(apply(w, spec) for w in weights))
    wanted_ild, wanted_ipd = cues(weights, cov)
    assert_allclose(ild, wanted_ild, atol=1e-4)
    assert_allclose(turned(ipd - wanted_ipd), 0, atol=1e-5)


def test_silence_at_an_ear_has_no_level():
    one = np.ones((2, 3))
    assert_array_equal(interaural_cues(one, 0 * one)[0], np.inf)
    with pytest.raises(ShapeError, match=r"share \(F, T\); got \(2, 3\), \(2, 2\)"):
        interaural_cues(one, one[:, :2])


def test_what_is_out_of_range_is_refused(field):
    _, speech, noise = field
    for partial in (-0.1, 1.1, np.nan):
        with pytest.raises(ConfigError, match="partial must be 0 to 1"):
            binaural_mwf(speech, noise, EARS, partial=partial)
    with pytest.raises(ShapeError, match="reference must be 0 to 3; got 4"):
        binaural_mwf(speech, noise, (0, 4))
