import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh import beamformers
from arrayenh.acoustics.steering import plane_wave
from arrayenh.beamformers.blind import (
    BlindBeam,
    blind_mvdr,
    residual_noise,
    steered_mvdr,
    with_phase,
)
from arrayenh.beamformers.weights import passing
from arrayenh.microphones.geometry import load_array
from arrayenh.statistics.covariance import covariances, sounding
from arrayenh.statistics.loading import adaptive_loading, ill_conditioned, solvable
from arrayenh.stft import Stft
from tests.signals import (
    RATE,
    arrivals,
    band_limited,
    complex_normal,
    delayed,
    random_covariances,
)

EPS = float(np.finfo(np.float32).eps)
LINE = load_array("linear4-35mm").positions
FREQS = np.arange(250.0, 4500.0, 250.0)


@pytest.fixture
def scene():
    """A talker of rank one in the second half of the frames, coloured noise in all.

    Returns spec, the mask that knows, and the talker's steering.
    """
    rng = np.random.default_rng(0)
    n_freqs, n_frames = len(FREQS), 400
    steering = plane_wave(LINE, np.deg2rad(60), FREQS)
    noise = complex_normal(rng, n_freqs, 4, 4) @ complex_normal(rng, n_freqs, 4, n_frames)
    talker = 3 * steering[:, :, None] * complex_normal(rng, n_freqs, 1, n_frames)
    mask = np.zeros((n_freqs, n_frames), np.float32)
    mask[:, 200:] = 1
    return (noise + mask[:, None] * talker).astype(np.complex64), mask, steering


def estimates(spec, mask, steering, reference=0, loading=1e-6):
    """Weights and passed bins of both kinds of MVDR."""
    return [
        blind_mvdr(spec, mask, reference, loading),
        steered_mvdr(spec, mask, steering, reference, loading),
    ]


def response(weights, steering):
    return np.sum(weights.conj() * steering, axis=1)


def assert_alike_but_for_one_gain(weights, others):
    """The same filters; blind weights share one gain that restores the level of speech."""
    gain = np.linalg.norm(weights) / np.linalg.norm(others)
    assert_allclose(weights, gain * others, rtol=1e-9)
    assert 0.9 < gain < 1.1


def test_both_keep_the_talker_and_take_noise_away(scene):
    spec, mask, steering = scene
    quiet = np.ascontiguousarray(spec[:, :, :200])
    for weights, n_passed in estimates(spec, mask, steering):
        assert n_passed == 0
        kept = np.sqrt(np.mean(np.abs(response(weights, steering)) ** 2))
        assert kept == pytest.approx(1, abs=0.2)  # 1.6 dB; Φₛ holds noise too
        left = np.mean(np.abs(beamformers.apply(weights, quiet)) ** 2)
        assert left < 0.5 * np.mean(np.abs(quiet[:, 0]) ** 2)
    steered = estimates(spec, mask, steering)[1][0]
    assert_allclose(response(steered, steering), 1, atol=1e-9)


def test_noise_statistics_come_from_where_the_mask_is_low(scene):
    """With the mask upside down the talker is the noise, and is nulled."""
    spec, mask, steering = scene
    towards = plane_wave(LINE, np.deg2rad(120), FREQS)
    right, _ = steered_mvdr(spec, mask, towards, 0, 1e-6)
    wrong, _ = steered_mvdr(spec, 1 - mask, towards, 0, 1e-6)
    heard = [np.mean(np.abs(response(w, steering)) ** 2) for w in (right, wrong)]
    assert heard[1] < 0.1 * heard[0]


def test_masks_count_by_their_square(scene):
    """A mask of ½ leaves a quarter of the frame in either covariance."""
    spec, mask, _ = scene
    soft = np.where(mask > 0, np.float32(0.8), np.float32(0.1))
    speech_cov, noise_cov = covariances(spec, soft, np.ones(len(spec), bool))
    x = spec.astype(np.complex128)
    for cov, weight in ((speech_cov, soft**2), (noise_cov, (1 - soft) ** 2)):
        wanted = np.einsum("ft,fit,fjt->fij", weight, x, x.conj())
        wanted /= weight.sum(axis=1)[:, None, None]
        assert_allclose(cov, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("reference", [0, 2])
def test_silent_bins_pass_the_reference_and_are_counted(scene, reference):
    spec, mask, steering = scene
    spec = spec.copy()
    spec[3] = 0
    spec[10] *= 1e-8  # -160 dB: what float32 leaves of a missing band
    spec[12, 1] = 0  # one microphone has no sound there
    full = estimates(scene[0], mask, steering, reference)
    for (weights, n_passed), (before, _) in zip(
        estimates(spec, mask, steering, reference), full, strict=True
    ):
        assert n_passed == 3
        for f in (3, 10, 12):
            assert weights[f].tolist() == [float(m == reference) for m in range(4)]
        others = np.delete(np.arange(len(spec)), [3, 10, 12])
        assert_alike_but_for_one_gain(weights[others], before[others])


def test_a_quiet_bin_is_not_a_silent_one(scene):
    """-120 dB below the others there still are statistics."""
    spec, mask, steering = scene
    soft = spec.copy()
    soft[10] *= np.float32(2.0**-20)
    for (weights, n_passed), (before, _) in zip(
        estimates(soft, mask, steering), estimates(spec, mask, steering), strict=True
    ):
        assert n_passed == 0
        assert_alike_but_for_one_gain(weights, before)


@pytest.mark.parametrize("level", [2.0**-40, 2.0**-20, 2.0**20])
def test_the_level_of_the_recording_does_not_matter(scene, level):
    spec, mask, steering = scene
    scaled = (spec * np.float32(level)).astype(np.complex64)
    for (weights, n_passed), (before, _) in zip(
        estimates(scaled, mask, steering), estimates(spec, mask, steering), strict=True
    ):
        assert n_passed == 0
        assert_allclose(weights, before, rtol=1e-9)


def test_silence_passes_the_reference_everywhere(scene):
    spec, mask, steering = scene
    for weights, n_passed in estimates(0 * spec, mask, steering, reference=1):
        assert n_passed == len(spec)
        assert_array_equal(weights, passing(len(spec), 4, 1))


@pytest.mark.parametrize("value", [0.0, 1.0, 1e-9])
def test_a_mask_without_speech_or_without_noise_is_no_error(scene, value):
    """One of the covariances then is that of all frames, and so is the other."""
    spec, mask, steering = scene
    for weights, n_passed in estimates(spec, np.full_like(mask, value), steering):
        assert np.isfinite(weights).all() and n_passed == 0


@pytest.mark.parametrize("n_frames", [1, 2, 3])
def test_fewer_frames_than_microphones_still_have_an_answer(scene, n_frames):
    spec, mask, steering = scene
    cut = np.s_[:, :, 199 : 199 + n_frames]
    spec = np.ascontiguousarray(spec[cut])
    for weights, _ in estimates(spec, mask[:, 199 : 199 + n_frames], steering):
        assert np.isfinite(weights).all()
        assert (np.sum(np.abs(weights) ** 2, axis=1) <= 1000).all()


def test_a_recording_low_passed_before_passes_what_it_never_had():
    """Upsampled from 8 kHz: bins above 4 kHz hold nothing but rounding."""
    rng = np.random.default_rng(1)
    sources = [band_limited(rng, 2 * RATE, 50, 3600) for _ in range(4)]
    x = sum(delayed(s, arrivals(LINE, k)) for k, s in enumerate(sources))
    stft = Stft(512, 128, "hann")
    spec = stft.analyse(0.1 * x[:, 3000:-3000])[:, :, 4:-4]
    spec = np.ascontiguousarray(spec)
    missing = stft.freqs(RATE) > 4500
    spec[missing] *= np.float32(1e-3)
    mask = rng.random((257, spec.shape[2])).astype(np.float32)
    weights, n_passed = blind_mvdr(spec, mask, 0, 1e-6)
    assert n_passed >= missing.sum()
    assert_array_equal(weights[missing], passing(missing.sum(), 4, 0))


def test_loading_grows_with_the_snr_and_never_beyond_one():
    """δ (1 + (ξ/10)⁴), at most 1."""
    noise_cov = random_covariances(np.random.default_rng(2), 60, 4)
    snr = np.geomspace(1e-3, 1e6, 60)
    scale = np.trace(noise_cov, axis1=1, axis2=2).real / 4
    speech_cov = (snr * scale)[:, None, None] * np.eye(4)
    loading = adaptive_loading(speech_cov, noise_cov, 1e-6)
    assert (np.diff(loading) >= 0).all()
    assert loading[0] == pytest.approx(1e-6, rel=1e-9) and loading[-1] == 1
    middle = (snr > 1) & (snr < 100)
    assert_allclose(loading[middle], 1e-6 * (1 + (snr[middle] / 10) ** 4), rtol=1e-9)
    without_noise = adaptive_loading(speech_cov, 0 * noise_cov, 1e-6)
    assert (without_noise == 1).all()


@pytest.mark.parametrize("loading", [1e-6, 0.0])
def test_steered_weights_amplify_sensor_noise_by_no_more_than_thirty_decibel(loading):
    """Two microphones 12 mm apart at 60 Hz: unbounded, a null costs 40 dB of noise."""
    rng = np.random.default_rng(3)
    freqs = np.array([60.0, 120.0, 1000.0])
    pair = load_array("linear2-12mm").positions
    look, jammer = (plane_wave(pair, azimuth, freqs) for azimuth in (0.0, np.pi))
    noise = jammer[:, :, None] * complex_normal(rng, 3, 1, 300)
    spec = (noise + 1e-4 * complex_normal(rng, 3, 2, 300)).astype(np.complex64)
    mask = np.zeros((3, 300), np.float32)
    unbounded = beamformers.mvdr(look, covariances(spec, mask, np.ones(3, bool))[1])
    norms = np.sum(np.abs(unbounded) ** 2, axis=1)
    assert norms[0] > 2e3 and norms[2] < 1e2
    weights, _ = steered_mvdr(spec, mask, look, 0, loading)
    assert (np.sum(np.abs(weights) ** 2, axis=1) <= 1e3).all()
    assert_allclose(response(weights, look), 1, atol=1e-9)
    assert_allclose(weights[2], unbounded[2], rtol=1e-2)  # where it need not be bounded


def test_covariances_are_ill_conditioned_above_1e8():
    mixing = np.linalg.qr(complex_normal(np.random.default_rng(0), 3, 3))[0]
    least = np.array([1.1e-8, 0.9e-8, 0.0])
    cov = np.array([(mixing * [1.0, 0.5, value]) @ mixing.conj().T for value in least])
    assert ill_conditioned(cov).tolist() == [False, True, True]


# ---- the noise that a beamformer leaves --------------------------------------------------


def towards(steering, cov):
    """Distortionless weights of least noise:  w = Φ⁻¹d / (dᴴ Φ⁻¹ d)."""
    solved = np.linalg.solve(cov, steering[..., None])[..., 0]
    return solved / np.sum(steering.conj() * solved, axis=1, keepdims=True)


@pytest.fixture
def field():
    """Noise covariances, weights that look somewhere, the direction, frames of that noise."""
    rng = np.random.default_rng(5)
    mixing = complex_normal(rng, 6, 4, 4)
    noise_cov = mixing @ mixing.conj().swapaxes(1, 2)
    steering = complex_normal(rng, 6, 4)
    noise = (mixing @ complex_normal(rng, 6, 4, 20_000)).astype(np.complex64)
    return noise_cov, towards(steering, noise_cov), steering, noise


def residual(spec, weights, noise_cov):
    return residual_noise(spec, weights, noise_cov, beamformers.apply(weights, spec))


def by_the_formula(spec, weights, noise_cov):
    """n, one bin and frame after the other."""
    n_freqs, n_mics, n_frames = spec.shape
    noise = np.zeros((n_freqs, n_frames))
    for f, t in np.ndindex(noise.shape):
        x, w, cov = np.complex128(spec[f, :, t]), weights[f], noise_cov[f]
        whole = np.vdot(w, cov @ w).real * np.vdot(x, np.linalg.solve(cov, x)).real
        noise[f, t] = (whole - np.abs(np.vdot(w, x)) ** 2) / (n_mics - 1)
    return np.sqrt(np.maximum(noise, 0))


@pytest.mark.parametrize("n_freqs, n_mics", [(5, 2), (130, 4), (5, 7)])
def test_the_noise_left_over_follows_its_formula(n_freqs, n_mics):
    rng = np.random.default_rng(n_mics)
    spec = complex_normal(rng, n_freqs, n_mics, 9, dtype=np.complex64)
    noise_cov = random_covariances(rng, n_freqs, n_mics)
    weights = complex_normal(rng, n_freqs, n_mics)
    noise = residual(spec, weights, noise_cov)
    assert noise.dtype == np.float32
    wanted = by_the_formula(spec, weights, noise_cov)
    assert_allclose(noise, wanted, rtol=1e-4, atol=1e-4 * wanted.max())


def test_the_power_of_the_noise_left_over_is_that_in_the_output(field):
    """E n² = wᴴ Φₙ w, for any weights; of 3·20000 exponentials the mean is within 0.4 %."""
    noise_cov, weights, _, noise = field
    for w in (weights, passing(6, 4, 2), complex_normal(np.random.default_rng(6), 6, 4)):
        wanted = np.einsum("fm,fmn,fn->f", w.conj(), noise_cov, w).real
        found = np.mean(np.square(residual(noise, w, noise_cov), dtype=np.float64), axis=1)
        assert_allclose(found, wanted, rtol=5 * 0.0041)


def test_the_noise_left_over_is_independent_of_the_noise_that_passes(field):
    """Component of white noise and mean of the others: their powers are uncorrelated."""
    noise_cov, weights, _, noise = field
    passed = np.abs(beamformers.apply(weights, noise)) ** 2
    told = residual(noise, weights, noise_cov) ** 2
    for f in range(len(noise)):
        assert abs(np.corrcoef(passed[f], told[f])[0, 1]) < 5 / np.sqrt(20_000)


def test_a_talker_in_the_beam_is_no_noise(field):
    """Alone, he leaves the roots of a few roundings; above noise, as much as that alone."""
    noise_cov, weights, steering, noise = field
    source = complex_normal(np.random.default_rng(7), 6, 1, 500)
    talker = (10 * steering[:, :, None] * source).astype(np.complex64)
    passed = np.abs(beamformers.apply(weights, talker))
    assert (residual(talker, weights, noise_cov) <= np.sqrt(64 * EPS) * passed).all()
    noise = noise[:, :, :500]
    alone, both = (residual(x, weights, noise_cov) for x in (noise, noise + talker))
    loudest = np.abs(noise + talker).max()
    assert_allclose(both**2, alone**2, rtol=1e-3, atol=64 * EPS * loudest**2)


def test_noise_from_elsewhere_is_told_however_well_it_is_nulled(field):
    """n² = wᴴ Φₙ w · vᴴ Φₙ⁻¹ v / (M - 1) of a sound v that the weights null."""
    noise_cov, weights, _, _ = field
    jammer = complex_normal(np.random.default_rng(8), 6, 4)
    along = np.sum(weights.conj() * jammer, axis=1) / np.sum(np.abs(weights) ** 2, axis=1)
    jammer = (jammer - along[:, None] * weights)[:, :, None].astype(np.complex64)
    output = np.einsum("fm,fmn,fn->f", weights.conj(), noise_cov, weights).real
    whole = np.sum(jammer.conj() * np.linalg.solve(noise_cov, jammer), axis=1).real
    wanted = np.sqrt(output[:, None] * whole / 3)
    assert_allclose(residual(jammer, weights, noise_cov), wanted, rtol=1e-4)


def test_mixing_the_microphones_does_not_change_what_is_told(field):
    """x → A x, Φ → A Φ Aᴴ, w → A⁻ᴴ w."""
    noise_cov, weights, _, noise = field
    spec = noise[:, :, :50]
    a = complex_normal(np.random.default_rng(9), 6, 4, 4)
    mixed_cov = a @ noise_cov @ a.conj().swapaxes(1, 2)
    mixed_weights = np.linalg.solve(a.conj().swapaxes(1, 2), weights[..., None])[..., 0]
    mixed = residual((a @ spec).astype(np.complex64), mixed_weights, mixed_cov)
    told = residual(spec, weights, noise_cov)
    assert_allclose(mixed, told, rtol=1e-3, atol=1e-3 * told.max())


@pytest.mark.parametrize("gain", [2.0**-30, 2.0**20])
def test_what_is_told_has_the_level_of_the_recording(field, gain):
    noise_cov, weights, _, noise = field
    spec = noise[:, :, :50]
    told = residual(spec, weights, noise_cov)
    scaled = residual(np.float32(gain) * spec, weights, gain**2 * noise_cov)
    assert_allclose(scaled, gain * told, rtol=1e-4)
    assert_allclose(residual(spec, weights, gain * noise_cov), told, rtol=1e-4)


@pytest.mark.parametrize("condition", [1e2, 1e9])
def test_the_noise_left_over_is_never_below_zero(condition):
    """Whatever the weights, and however alike the microphones are."""
    rng = np.random.default_rng(10)
    unitary = np.linalg.qr(complex_normal(rng, 40, 3, 3))[0]
    noise_cov = (unitary * [1.0, 1.0, 1 / condition]) @ unitary.conj().swapaxes(1, 2)
    weights, spec = complex_normal(rng, 40, 3), complex_normal(rng, 40, 3, 30, dtype=np.complex64)
    weights[:5], spec[:, :, :5] = 0, 0
    noise = residual(spec, weights, noise_cov)
    assert np.isfinite(noise).all() and (noise >= 0).all()
    assert not noise[:5].any() and not noise[:, :5].any()
    assert (noise[5:, 5:] > 0).all()


def test_one_microphone_and_bins_without_noise_tell_nothing(field):
    noise_cov, weights, _, noise = field
    spec = noise[:, :, :20]
    told = residual(spec, weights, noise_cov)
    noise_cov = noise_cov.copy()
    noise_cov[[1, 4]] = 0
    found = residual(spec, weights, noise_cov)
    assert not found[[1, 4]].any()
    assert_array_equal(found[[0, 2, 3, 5]], told[[0, 2, 3, 5]])
    assert not residual(spec[:, :1], np.ones((6, 1)), np.ones((6, 1, 1), np.complex128)).any()
    assert not residual(spec, weights, 0 * noise_cov).any()


def test_magnitudes_get_the_phases_of_another_signal():
    rng = np.random.default_rng(11)
    magnitude = rng.uniform(0, 2, (5, 7)).astype(np.float32)
    of = complex_normal(rng, 5, 7, dtype=np.complex64)
    of[2, 3], magnitude[1, 1] = 0, 0
    found = with_phase(magnitude, of)
    assert found.dtype == np.complex64 and found[2, 3] == found[1, 1] == 0
    wanted = magnitude * np.exp(1j * np.angle(of)) * (of != 0)
    assert_allclose(found, wanted, atol=8 * EPS)


@pytest.mark.parametrize("loading, least", [(0.0, 1e-9), (1e-2, 1e-2)])
def test_a_covariance_is_made_solvable_by_its_loading(loading, least):
    """Φ + δ tr(Φ)/M I, δ at least 1e-9: of rank one it can be factored."""
    steering = complex_normal(np.random.default_rng(12), 6, 4)
    cov = steering[:, :, None] * steering[:, None].conj()
    found = solvable(cov, np.full(6, loading))
    power = np.sum(np.abs(steering) ** 2, axis=1) / 4
    added = found - cov
    assert_allclose(added, least * power[:, None, None] * np.eye(4), atol=1e-14)
    assert np.isfinite(np.linalg.cholesky(found)).all()


# ---- one beamformer for one mask after the other -----------------------------------------


def blind_beam(spec, reference=0, loading=1e-6):
    return BlindBeam(spec, reference, loading, sounding(spec))


@pytest.mark.parametrize("reference", [0, 3])
def test_a_beam_is_blind_mvdr_and_its_output(scene, reference):
    spec, mask, _ = scene
    spec = spec.copy()
    spec[3] = 0
    beam = blind_beam(spec, reference, 1e-4)
    for m in (mask, 1 - mask, np.full_like(mask, 0.3)):  # one after the other
        weights, n_passed = blind_mvdr(spec, m, reference, 1e-4)
        assert n_passed == 1
        assert_array_equal(beam.weights(m)[0], weights)
        assert_array_equal(beam(m), beamformers.apply(weights, spec))
        assert_array_equal(beam.with_noise(m)[0], beam(m))


def test_the_noise_of_a_beam_is_told_from_its_own_covariances(scene):
    spec, mask, _ = scene
    spec = spec[:, :, 150:250].copy()
    spec[3] = 0
    mask = np.clip(mask[:, 150:250], 0.1, 0.9)
    weights, noise_cov = blind_beam(spec).weights(mask)
    beamformed, noise = blind_beam(spec).with_noise(mask)
    others = np.delete(np.arange(len(spec)), 3)
    assert not noise[3].any() and not noise_cov[3].any()
    wanted = by_the_formula(spec[others], weights[others], noise_cov[others])
    assert_allclose(noise[others], wanted, rtol=1e-3, atol=1e-3 * np.abs(beamformed).max())


def test_the_noise_of_a_beam_is_about_what_it_leaves(scene):
    """Where the mask knows: the mean power of the noise frames behind the beamformer."""
    spec, mask, _ = scene
    beamformed, noise = blind_beam(spec).with_noise(mask)
    left = np.mean(np.abs(beamformed[:, :200]) ** 2, axis=1)
    for frames in (np.s_[:200], np.s_[200:]):  # whether or not the talker speaks
        told = np.mean(noise[:, frames] ** 2, axis=1)
        assert_allclose(told, left, rtol=0.5)  # 5 deviations of a mean of 200
    assert np.mean(noise**2) == pytest.approx(np.mean(left), rel=0.1)


def test_covariances_come_with_the_loading_that_the_weights_needed():
    """Weights of 30 dB white-noise gain at the most: where they need more loading, it is told."""
    rng = np.random.default_rng(3)
    freqs = np.array([60.0, 120.0, 1000.0])
    pair = load_array("linear2-12mm").positions
    look, jammer = (plane_wave(pair, azimuth, freqs) for azimuth in (0.0, np.pi))
    noise = jammer[:, :, None] * complex_normal(rng, 3, 1, 300)
    noise += 1e-4 * complex_normal(rng, 3, 2, 300)
    mask = np.zeros((3, 300), np.float32)
    mask[:, 150:] = 1
    spec = noise + mask[:, None] * look[:, :, None] * complex_normal(rng, 3, 1, 300)
    spec = spec.astype(np.complex64)
    weights, noise_cov = blind_beam(spec, loading=1e-9).weights(mask)
    speech_cov, plain = covariances(spec, mask, np.ones(3, bool))
    power = np.trace(plain, axis1=1, axis2=2).real / 2
    loading = (noise_cov - plain)[:, 0, 0].real / power
    assert loading[0] > 4 * loading[2] > 0
    added = (loading * power)[:, None, None] * np.eye(2)
    assert_allclose(noise_cov, plain + added, rtol=1e-9)
    again = beamformers.souden_mvdr(speech_cov, noise_cov, 0, 0.0)
    assert_allclose(weights, again * np.linalg.norm(weights) / np.linalg.norm(again), rtol=1e-9)
