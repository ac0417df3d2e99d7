"""Post-filters of several microphones, against the Wiener filter of known fields."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh.acoustics.coherence import diffuse_coherence
from arrayenh.errors import ConfigError, NumericalError, ShapeError
from arrayenh.evaluation.scoring import seg_snr, si_sdr
from arrayenh.postfilters.multichannel import RULES, MultichannelWiener, speech_form
from arrayenh.stft import Stft
from tests.reference import multichannel as slow
from tests.signals import RATE, arrivals, complex_normal, delayed, diffuse_noise, voice

HOP = 0.008
FREQS = np.array([200.0, 1000.0, 2500.0, 5000.0])
F = len(FREQS)


def circle(n_mics, radius=0.05):
    angle = 2 * np.pi * np.arange(n_mics) / n_mics
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), 0 * angle], axis=1)


def steer(positions, freqs, azimuth=0.4):
    return np.exp(-2j * np.pi * freqs[:, None] * arrivals(positions, azimuth))


def postfilter(rule, coherence, averaging_seconds=0.06, **arguments):
    known = coherence if rule == "mccowan" else None
    n_freqs = len(coherence)
    return MultichannelWiener(rule, n_freqs, HOP, known, averaging_seconds, **arguments)


def field(rng, steering, noise_cov, speech_power, n_frames):
    """A talker of the powers (F,) in a noise of the covariances (F, M, M): (F, M, T)."""
    n_freqs, n_mics = steering.shape
    speech = complex_normal(rng, n_freqs, 1, n_frames) * np.sqrt(speech_power)[:, None, None]
    noise = complex_normal(rng, n_freqs, n_mics, n_frames)
    noise = np.linalg.cholesky(noise_cov + 1e-12 * np.eye(n_mics)) @ noise
    return (steering[:, :, None] * speech + noise).astype(np.complex64)


def random_transfer(rng, n_mics):
    """Relative transfer functions, 6 dB apart in level and of any phase."""
    rtf = rng.uniform(0.5, 2, (F, n_mics)) * np.exp(2j * np.pi * rng.random((F, n_mics)))
    return rtf / rtf[:, :1]


@pytest.mark.parametrize("n_mics", [2, 4, 16])
@pytest.mark.parametrize("snr_db", [-3.0, 3.0, 10.0])
def test_zelinski_is_the_wiener_filter_in_independent_noise(n_mics, snr_db):
    """ξ/(1 + ξ) of the mean microphone; 20000 frames know φ_s to some 2 %."""
    xi = 10 ** (snr_db / 10)
    steering = steer(circle(n_mics), FREQS)
    noise = np.tile(np.eye(n_mics), (F, 1, 1))
    spec = field(np.random.default_rng(0), steering, noise, np.full(F, xi), 20_000)
    gain = MultichannelWiener("zelinski", F, HOP, averaging_seconds=1e6).update(spec, steering)
    assert_allclose(gain[:, -1], xi / (1 + xi), atol=0.02)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("n_mics", [2, 4, 8])
def test_behind_a_beamformer_the_gain_is_wiener_for_what_it_leaves(rule, n_mics):
    """y = aᴴx/M leaves φ_s of the talker and aᴴΓa/M² of the noise."""
    steering, xi = steer(circle(n_mics), FREQS), 1.0
    gamma = np.tile(np.eye(n_mics), (F, 1, 1))
    if rule == "mccowan":
        gamma = diffuse_coherence(circle(n_mics), FREQS)
    spec = field(np.random.default_rng(1), steering, gamma, np.full(F, xi), 20_000)
    y = np.einsum("fm,fmt->ft", steering.conj() / n_mics, spec)
    left = np.einsum("fi,fij,fj->f", steering.conj(), gamma, steering).real / n_mics**2
    gain = postfilter(rule, gamma, 1e6, most_coherence=0.999).update(spec, steering, y)[:, -1]
    kept = 1 - gamma[:, 0, -1] < 0.05  # hardly anything tells talker and noise apart there
    assert_allclose(gain[~kept], (xi / (xi + left))[~kept], atol=0.04)
    assert (~kept).sum() >= 3


def test_mccowan_is_the_wiener_filter_in_a_diffuse_field_and_zelinski_is_not():
    """Where the microphones hear the noise alike Zelinski takes it for the talker, by
    Σ Γ̃_ij/(M (M - 1)) of it, which is what he is expected to be wrong by."""
    positions, xi = circle(4), 0.5
    steering, gamma = steer(positions, FREQS), diffuse_coherence(positions, FREQS)
    spec = field(np.random.default_rng(2), steering, gamma, np.full(F, xi), 40_000)
    gains = {
        rule: postfilter(rule, gamma, 1e6, most_coherence=0.9999).update(spec, steering)[:, -1]
        for rule in RULES
    }
    wiener = xi / (1 + xi)
    assert_allclose(gains["mccowan"][1:], wiener, atol=0.03)
    assert gains["mccowan"][0] == pytest.approx(wiener, abs=0.1)  # at 200 Hz 1 - Γ is 0.01
    turned = gamma * (steering.conj()[:, :, None] * steering[:, None, :])
    alike = (np.sum(turned.real, axis=(1, 2)) - 4) / 12
    assert_allclose(gains["zelinski"], np.clip((xi + alike) / (1 + xi), 0.18, 1), atol=0.03)
    assert gains["zelinski"][0] > 0.95 and gains["zelinski"][1] > wiener + 0.2


@pytest.mark.parametrize("rule", RULES)
def test_transfer_functions_of_any_level_and_phase_do_as_well_as_plane_waves(rule):
    """φ_s mean|a|² over the power of the mean microphone, blind to geometry but for Γ."""
    rng = np.random.default_rng(3)
    steering, gamma = random_transfer(rng, 4), np.tile(np.eye(4), (F, 1, 1))
    if rule == "mccowan":
        gamma = diffuse_coherence(circle(4), FREQS)
    spec = field(rng, steering, gamma, np.full(F, 1.0), 40_000)
    gain = postfilter(rule, gamma, 1e6, most_coherence=0.9999).update(spec, steering)
    mean = np.mean(np.abs(steering) ** 2, axis=1)
    assert_allclose(gain[:, -1], mean / (mean + 1), atol=0.03)


@pytest.mark.parametrize("rule", RULES)
def test_the_talker_alone_passes_whole_and_another_direction_does_not(rule):
    positions = circle(6)
    steering, gamma = steer(positions, FREQS), diffuse_coherence(positions, FREQS)
    speech = complex_normal(np.random.default_rng(4), F, 1, 50)
    spec = (steering[:, :, None] * speech).astype(np.complex64)
    gain = postfilter(rule, gamma).update(spec, steering)
    assert_allclose(gain, 1, atol=2e-4)
    away = postfilter(rule, gamma).update(spec, steer(positions, FREQS, 0.4 + np.pi))
    assert (away[2:] < 0.5).all()  # from 2.5 kHz on the directions differ by a wavelength


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("n_mics", [2, 5])
@pytest.mark.parametrize("with_output", [False, True])
def test_form_and_recursion_are_least_squares_over_the_pairs(rule, n_mics, with_output):
    rng = np.random.default_rng(5)
    steering, gamma = random_transfer(rng, n_mics), diffuse_coherence(circle(n_mics), FREQS)
    delay = np.exp(1j * rng.uniform(-1, 1, (F, n_mics)))  # as a measured coherence has
    gamma = gamma * delay[:, :, None] * delay[:, None, :].conj()
    spec = field(rng, steering, gamma, np.array([0.1, 1, 2, 10]), 200)
    y = complex_normal(rng, F, 200, dtype=np.complex64) * 2 if with_output else None
    gain = postfilter(rule, gamma, 0.05, most_coherence=0.9).update(spec, steering, y)
    for f in range(F):
        wanted = slow.gain(
            spec[f],
            steering[f],
            np.exp(-HOP / 0.05),
            10 ** (-15 / 20),
            gamma[f] if rule == "mccowan" else None,
            0.9,
            None if y is None else y[f],
        )
        assert_allclose(gain[f], wanted, rtol=1e-4, atol=1e-6)
    assert 0.02 < np.mean((gain > 0.2) & (gain < 0.95))


def test_form_of_unit_steering_is_the_mean_over_the_pairs_of_zelinski():
    """Q = (aaᴴ - I)/(M (M - 1)): 2/(M (M - 1)) Σ_i<j Re x̃_i x̃_j*."""
    steering = steer(circle(5), FREQS)
    outer = steering[:, :, None] * steering[:, None, :].conj()
    assert_allclose(speech_form(steering, None, 1.0), (outer - np.eye(5)) / 20, atol=1e-12)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("cuts", [[1], [0, 3, 3, 50], list(range(1, 120))], ids=len)
def test_frames_come_in_any_pieces(rule, cuts):
    rng = np.random.default_rng(6)
    steering, gamma = steer(circle(3), FREQS), diffuse_coherence(circle(3), FREQS)
    spec = field(rng, steering, gamma, np.full(F, 1.0), 120)
    y = spec.mean(axis=1)
    whole = postfilter(rule, gamma).update(spec, steering, y)
    pieces = postfilter(rule, gamma)
    split = (np.split(x, cuts, axis=-1) for x in (spec, y))
    gains = [pieces.update(x, steering, out) for x, out in zip(*split, strict=True)]
    assert_array_equal(np.concatenate(gains, axis=1), whole)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("n_mics", [2, 16])
def test_silence_is_passed_over(rule, n_mics):
    """Frames of zeros, at first and between: what follows is as without them."""
    rng = np.random.default_rng(7)
    steering, gamma = steer(circle(n_mics), FREQS), diffuse_coherence(circle(n_mics), FREQS)
    spec = field(rng, steering, gamma, np.full(F, 1.0), 60)
    gap = np.zeros((F, n_mics, 20), np.complex64)
    broken = np.concatenate([gap, spec[..., :30], gap, spec[..., 30:]], axis=2)
    gain = postfilter(rule, gamma).update(broken, steering)
    whole = postfilter(rule, gamma).update(spec, steering)
    assert_array_equal(np.delete(gain, np.r_[:20, 50:70], axis=1), whole)
    assert_allclose(gain[:, np.r_[:20, 50:70]], 10 ** (-15 / 20), rtol=1e-6)


@pytest.mark.parametrize("rule", RULES)
def test_one_frame_and_a_silent_output_give_a_gain(rule):
    steering, gamma = steer(circle(2), FREQS), diffuse_coherence(circle(2), FREQS)
    speech = np.ones((F, 1, 1), np.complex64)
    spec = (steering[:, :, None] * speech).astype(np.complex64)
    assert_allclose(postfilter(rule, gamma).update(spec, steering), 1, atol=1e-4)
    silent = np.zeros((F, 1), np.complex64)
    gain = postfilter(rule, gamma, least_gain_db=-20.0).update(spec, steering, silent)
    assert_allclose(gain, 0.1, rtol=1e-6)


def test_time_constant_is_that_of_the_spectra():
    """Noise alone behind the talker alone: φ_s falls by e in 0.2 s, whatever the hop."""
    ones = np.ones((1, 2), np.complex64)
    for hop in (0.004, 0.016):
        n = round(0.2 / hop)
        spec = np.ones((1, 2, 2000 + n), np.complex64)
        spec[0, 1, 2000::2] = -1  # Re x₁x₂* is -1, +1, -1, ...: 0 in the mean
        gain = MultichannelWiener("zelinski", 1, hop, averaging_seconds=0.2).update(spec, ones)
        assert np.mean(gain[0, -2:]) == pytest.approx(np.exp(-1), abs=0.05)


@pytest.mark.parametrize("rule", RULES)
def test_noisy_speech_gains_behind_delay_and_sum(rule):
    """A voice in a diffuse field, 4 microphones: what is left after the beamformer's 2 dB."""
    rng = np.random.default_rng(8)
    positions = np.array([[0.035 * m, 0, 0] for m in range(4)])
    speech = voice(rng, 3 * RATE, RATE // 2)
    tau = arrivals(positions, 0.3)
    noisy = delayed(speech, tau) + 0.5 * diffuse_noise(rng, positions, 3 * RATE)
    stft = Stft(512, 128, "hann")
    freqs = stft.freqs(RATE)
    spec = stft.analyse(noisy.astype(np.float32))
    steering = np.exp(-2j * np.pi * freqs[:, None] * tau)
    y = np.einsum("fm,fmt->ft", steering.conj() / 4, spec)
    gain = postfilter(rule, diffuse_coherence(positions, freqs)).update(spec, steering, y)
    before, after = (stft.synthesise(x, 3 * RATE) for x in (y, gain * y))
    least = {"zelinski": 1.5, "mccowan": 3.0}[rule]
    assert si_sdr(speech, after, RATE) > si_sdr(speech, before, RATE) + least
    assert seg_snr(speech, after, RATE) > seg_snr(speech, before, RATE) + 0.8 * least


def test_what_does_not_fit_is_refused():
    ones, gamma = np.ones((F, 2), complex), diffuse_coherence(circle(2), FREQS)
    with pytest.raises(ConfigError, match="'simmer'; use zelinski, mccowan"):
        MultichannelWiener("simmer", F, HOP)
    for rule, coherence in (("mccowan", None), ("zelinski", gamma)):
        with pytest.raises(ConfigError, match="mccowan needs the coherence"):
            MultichannelWiener(rule, F, HOP, coherence)
    with pytest.raises(ShapeError, match=r"coherence must have shape \(F, M, M\), F = 4"):
        MultichannelWiener("mccowan", F, HOP, gamma[:3])
    wiener = MultichannelWiener("mccowan", F, HOP, gamma)
    for n_freqs, n_mics in ((F, 1), (3, 2)):
        with pytest.raises(ShapeError, match=r"spec must have shape \(F, M, t\)"):
            wiener.update(np.ones((n_freqs, n_mics, 5), complex), ones)
    spec = np.ones((F, 2, 5), complex)
    with pytest.raises(ShapeError, match=r"steering must have shape \(4, 2\); got \(4, 3\)"):
        wiener.update(spec, np.ones((F, 3)))
    with pytest.raises(ShapeError, match=r"beamformed must have shape \(4, 5\); got \(4, 6\)"):
        wiener.update(spec, ones, np.ones((F, 6), complex))
    with pytest.raises(ShapeError, match=r"coherence must have shape \(4, 3, 3\)"):
        wiener.update(np.ones((F, 3, 5), complex), np.ones((F, 3)))


@pytest.mark.parametrize("bad", [[1, 0, 0], [1, np.nan, 1], [0, 0, 0]], ids=str)
def test_a_talker_whom_one_microphone_hears_at_most_is_refused(bad):
    steering = np.ones((F, 3), complex)
    steering[2] = bad
    with pytest.raises(NumericalError, match="speech reaches no pair of microphones in bin 2"):
        MultichannelWiener("zelinski", F, HOP).update(np.ones((F, 3, 2), complex), steering)
