import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh.geometry import load_array
from arrayenh.spatial import beamformers, statistics
from arrayenh.spatial.steering import plane_wave
from arrayenh.stft import Stft
from tests.signals import (
    RATE,
    arrivals,
    band_limited,
    complex_normal,
    delayed,
    random_covariances,
)

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
        statistics.blind_mvdr(spec, mask, reference, loading),
        statistics.steered_mvdr(spec, mask, steering, reference, loading),
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
    right, _ = statistics.steered_mvdr(spec, mask, towards, 0, 1e-6)
    wrong, _ = statistics.steered_mvdr(spec, 1 - mask, towards, 0, 1e-6)
    heard = [np.mean(np.abs(response(w, steering)) ** 2) for w in (right, wrong)]
    assert heard[1] < 0.1 * heard[0]


def test_masks_count_by_their_square(scene):
    """A mask of ½ leaves a quarter of the frame in either covariance."""
    spec, mask, _ = scene
    soft = np.where(mask > 0, np.float32(0.8), np.float32(0.1))
    speech_cov, noise_cov = statistics.covariances(spec, soft, np.ones(len(spec), bool))
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
        assert_array_equal(weights, statistics.passing(len(spec), 4, 1))


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
    weights, n_passed = statistics.blind_mvdr(spec, mask, 0, 1e-6)
    assert n_passed >= missing.sum()
    assert_array_equal(weights[missing], statistics.passing(missing.sum(), 4, 0))


def test_loading_grows_with_the_snr_and_never_beyond_one():
    """δ (1 + (ξ/10)⁴), at most 1."""
    noise_cov = random_covariances(np.random.default_rng(2), 60, 4)
    snr = np.geomspace(1e-3, 1e6, 60)
    scale = np.trace(noise_cov, axis1=1, axis2=2).real / 4
    speech_cov = (snr * scale)[:, None, None] * np.eye(4)
    loading = statistics.adaptive_loading(speech_cov, noise_cov, 1e-6)
    assert (np.diff(loading) >= 0).all()
    assert loading[0] == pytest.approx(1e-6, rel=1e-9) and loading[-1] == 1
    middle = (snr > 1) & (snr < 100)
    assert_allclose(loading[middle], 1e-6 * (1 + (snr[middle] / 10) ** 4), rtol=1e-9)
    without_noise = statistics.adaptive_loading(speech_cov, 0 * noise_cov, 1e-6)
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
    unbounded = beamformers.mvdr(look, statistics.covariances(spec, mask, np.ones(3, bool))[1])
    norms = np.sum(np.abs(unbounded) ** 2, axis=1)
    assert norms[0] > 2e3 and norms[2] < 1e2
    weights, _ = statistics.steered_mvdr(spec, mask, look, 0, loading)
    assert (np.sum(np.abs(weights) ** 2, axis=1) <= 1e3).all()
    assert_allclose(response(weights, look), 1, atol=1e-9)
    assert_allclose(weights[2], unbounded[2], rtol=1e-2)  # where it need not be bounded


def test_covariances_are_ill_conditioned_above_1e8():
    mixing = np.linalg.qr(complex_normal(np.random.default_rng(0), 3, 3))[0]
    least = np.array([1.1e-8, 0.9e-8, 0.0])
    cov = np.array([(mixing * [1.0, 0.5, value]) @ mixing.conj().T for value in least])
    assert statistics.ill_conditioned(cov).tolist() == [False, True, True]
