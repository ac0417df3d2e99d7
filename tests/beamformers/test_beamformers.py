import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh import beamformers
from arrayenh.acoustics.steering import delays, plane_wave
from arrayenh.beamformers.mpdr import MPDR_LOADING
from arrayenh.errors import NumericalError, ShapeError
from arrayenh.evaluation.scoring import shadow_snr
from arrayenh.microphones.geometry import load_array
from arrayenh.statistics.covariance import spatial_covariance
from arrayenh.statistics.loading import position_loading
from arrayenh.stft import Stft
from tests.reference import beamformers as slow
from tests.signals import (
    RATE,
    arrivals,
    band_limited,
    complex_normal,
    delayed,
    level_db,
    random_covariances,
)

EPS = float(np.finfo(np.float32).eps)
FREQS = np.arange(100.0, 8000.0, 250.0)
LINE = load_array("linear4-35mm").positions


def outer(a, power=1.0):
    """power · a aᴴ, one matrix per bin."""
    return power * a[:, :, None] * a[:, None].conj()


def response(weights, steering):
    """wᴴa, shape (F,)."""
    return np.sum(weights.conj() * steering, axis=1)


def output_power(weights, cov):
    """wᴴΦw, shape (F,)."""
    return np.einsum("fi,fij,fj->f", weights.conj(), cov, weights).real


@pytest.fixture(scope="module")
def steering():
    return plane_wave(LINE, np.deg2rad(60), FREQS)


@pytest.fixture(scope="module")
def noise_cov():
    """Condition numbers of 10 to 10⁴."""
    return random_covariances(np.random.default_rng(0), len(FREQS), 4, n_frames=8)


# ---- applying ----------------------------------------------------------------------------


@pytest.mark.parametrize("n_frames", [1, 50, 2000])
@pytest.mark.parametrize("n_mics", [1, 2, 5, 8])
def test_apply_matches_the_formula(n_mics, n_frames):
    """Weights and M complex products are rounded to float32: (M + 4)·eps·Σ|w||x|."""
    rng = np.random.default_rng(n_mics)
    weights = complex_normal(rng, 3, n_mics)
    spec = complex_normal(rng, 3, n_mics, n_frames, dtype=np.complex64)
    bound = (n_mics + 4) * EPS * np.einsum("fm,fmt->ft", np.abs(weights), np.abs(spec))
    error = np.abs(beamformers.apply(weights, spec) - slow.filter_and_sum(weights, spec))
    assert (error <= bound).all()


@pytest.mark.parametrize(
    "view", [np.s_[::2], np.s_[:, ::-1], np.s_[:, :, ::3]], ids=["bins", "mics", "frames"]
)
def test_apply_follows_the_strides_of_a_view(view):
    rng = np.random.default_rng(0)
    spec = complex_normal(rng, 6, 4, 60, dtype=np.complex64)[view]
    weights = complex_normal(rng, *spec.shape[:2])
    assert_allclose(
        beamformers.apply(weights, spec), slow.filter_and_sum(weights, spec), atol=64 * EPS
    )


def test_weights_that_pass_one_microphone_pass_it_exactly():
    spec = complex_normal(np.random.default_rng(0), 3, 4, 20, dtype=np.complex64)
    weights = np.zeros((3, 4))
    weights[:, 2] = 1
    assert_array_equal(beamformers.apply(weights, spec), spec[:, 2])


def test_apply_is_linear_so_that_it_can_be_shadowed():
    rng = np.random.default_rng(0)
    speech, noise = complex_normal(rng, 2, 3, 4, 50, dtype=np.complex64)
    weights = complex_normal(rng, 3, 4)
    apart = beamformers.apply(weights, speech) + beamformers.apply(weights, noise)
    assert_allclose(beamformers.apply(weights, speech + noise), apart, atol=64 * EPS)


@pytest.mark.parametrize("shape", [(3, 5), (4, 4), (3, 4, 1)], ids=str)
def test_weights_of_another_shape_are_refused(shape):
    with pytest.raises(ShapeError, match=r"weights must have shape \(F, M\) to match spec"):
        beamformers.apply(np.ones(shape, complex), np.ones((3, 4, 9), np.complex64))


# ---- delay and sum -----------------------------------------------------------------------


@pytest.mark.parametrize("array", ["linear2-35mm", "linear4-35mm", "circular8-50mm"])
def test_white_noise_falls_by_ten_log_m(array):
    """5 s of noise: its power is known to √(2/80000), 0.02 dB."""
    positions, rng = load_array(array).positions, np.random.default_rng(3)
    n_mics = len(positions)
    x = rng.standard_normal((n_mics, 5 * RATE)).astype(np.float32)
    stft = Stft(512, 128, "hann")
    a = plane_wave(positions, rng.uniform(-np.pi, np.pi), stft.freqs(RATE))
    y = stft.synthesise(
        beamformers.apply(beamformers.delay_and_sum(a), stft.analyse(x)), x.shape[1]
    )
    assert abs(level_db(x) - level_db(y) - 10 * np.log10(n_mics)) < 0.2


def test_delay_and_sum_keeps_the_look_direction_and_weighs_all_alike(steering):
    w = beamformers.delay_and_sum(steering)
    assert_allclose(response(w, steering), 1, atol=1e-14)
    assert_allclose(np.abs(w), 0.25, atol=1e-14)
    unequal = steering * np.array([1, 2, 0.5, 1])  # near field: still wᴴa = 1, w ∥ a
    assert_allclose(response(beamformers.delay_and_sum(unequal), unequal), 1, atol=1e-14)


@pytest.mark.parametrize("azimuth", [0.0, 0.7, np.pi / 2, 3.0, -2.1])
@pytest.mark.parametrize("array", ["circular6-46mm", "linear4-35mm", "table8-200mm"])
def test_a_plane_wave_comes_out_of_samples_as_the_reference_heard_it(array, azimuth):
    """64 taps under a Kaiser window of β = 8: -80 dB up to 0.9 of half the rate."""
    positions, rng = load_array(array).positions, np.random.default_rng(1)
    wave = band_limited(rng, RATE, 50, 7200)
    x = delayed(wave, arrivals(positions, azimuth))
    y = beamformers.delay_and_sum_samples(x, delays(positions, azimuth), RATE)
    inside = slice(200, -200)  # the wave is periodic, the filter's surroundings are zero
    assert level_db((y - wave)[inside]) - level_db(wave) < -80


def test_samples_between_samples_are_the_sinc_series():
    """Delays of both signs and many samples, on noise unlike at each microphone."""
    rng = np.random.default_rng(2)
    x = np.array([band_limited(rng, 1200, 50, 7000) for _ in range(3)]).astype(np.float32)
    tau = np.array([0.0, 37.31, -52.77]) / RATE
    wanted = slow.delay_and_sum_samples(x.astype(np.float64), tau, RATE)
    y = beamformers.delay_and_sum_samples(x, tau, RATE)
    inside = slice(200, -200)
    assert level_db((y - wanted)[inside]) < -60  # the series ends with the signal, at 1/200


def test_whole_samples_are_shifted_and_what_is_not_there_is_silence():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 300)).astype(np.float32)
    y = beamformers.delay_and_sum_samples(x, np.array([5.0, -290.0]) / RATE, RATE)
    wanted = np.zeros(300)
    wanted[:295] += x[0, 5:] / 2
    wanted[290:] += x[1, :10] / 2
    assert_allclose(y, wanted, atol=1e-5)  # τ·fs is whole to 1e-13 only, a sinc of it is not 0


def test_samples_and_spectra_are_delayed_and_summed_alike():
    """The circular shift of a frame and the short filter differ at the edges of the frame."""
    positions, rng = load_array("circular6-46mm").positions, np.random.default_rng(1)
    x = np.array([band_limited(rng, 2 * RATE, 50, 7000) for _ in positions])
    stft = Stft(2048, 512, "hann")
    a = plane_wave(positions, 0.8, stft.freqs(RATE))
    spec = beamformers.apply(beamformers.delay_and_sum(a), stft.analyse(x))
    in_spectra = stft.synthesise(spec, x.shape[1])
    in_samples = beamformers.delay_and_sum_samples(x, delays(positions, 0.8), RATE)
    inside = slice(200, -200)
    assert level_db((in_spectra - in_samples)[inside]) - level_db(in_samples) < -50


def test_tau_for_another_number_of_microphones_is_refused():
    with pytest.raises(ShapeError, match=r"got \(3, 100\), \(2,\)"):
        beamformers.delay_and_sum_samples(np.zeros((3, 100)), np.zeros(2), RATE)


# ---- MVDR --------------------------------------------------------------------------------


@pytest.mark.parametrize("n_mics", [1, 2, 4, 8])
def test_mvdr_is_distortionless(n_mics):
    rng = np.random.default_rng(n_mics)
    a = np.exp(2j * np.pi * rng.random((50, n_mics)))
    cov = random_covariances(rng, 50, n_mics, n_frames=2 * n_mics)
    for loading in (0.0, 1e-6, 0.1):
        w = beamformers.mvdr(a, cov, loading)
        assert_allclose(response(w, a), 1, atol=1e-10)


def test_mvdr_matches_the_formula(steering, noise_cov):
    """Solved and inverted in double: eps times the condition number, below 10⁵, apart."""
    w = beamformers.mvdr(steering, noise_cov, 0.0)
    wanted = slow.mvdr(steering, noise_cov)
    scale = np.abs(wanted).max(axis=1, keepdims=True)
    assert_allclose(w / scale, wanted / scale, atol=1e-10)


def test_mvdr_in_white_noise_is_delay_and_sum(steering):
    w = beamformers.mvdr(steering, np.broadcast_to(np.eye(4), (len(FREQS), 4, 4)))
    assert_allclose(w, beamformers.delay_and_sum(steering), atol=1e-12)


@pytest.mark.parametrize("interferer_deg", [0, 30, 60, 120, 150, 180])
def test_unloaded_mvdr_puts_a_null_on_an_interferer(interferer_deg):
    """INR 30 dB at each microphone, look broadside, above 300 Hz: deeper than 30 dB."""
    freqs = np.arange(300.0, 8000.0, 50.0)
    look, jammer = (plane_wave(LINE, np.deg2rad(deg), freqs) for deg in (90, interferer_deg))
    w = beamformers.mvdr(look, outer(jammer, 1e3) + np.eye(4), loading=0.0)
    assert (20 * np.log10(np.abs(response(w, jammer)) + 1e-12) < -30).all()
    assert_allclose(response(w, look), 1, atol=1e-10)


def test_null_and_look_direction_hold_for_statistics_of_a_recording():
    """The covariance of 4 s of noise from 150 degrees; a talker from 90 is kept."""
    rng = np.random.default_rng(4)
    stft = Stft(512, 128, "hann")
    freqs = stft.freqs(RATE)
    noise = delayed(band_limited(rng, 4 * RATE, 50, 7900), arrivals(LINE, np.deg2rad(150)))
    sensors = 10 ** (-30 / 20) * rng.standard_normal(noise.shape)
    talker = delayed(band_limited(rng, 4 * RATE, 300, 7000), arrivals(LINE, np.deg2rad(90)))
    noise_cov = spatial_covariance(stft.analyse(noise + sensors))
    w = beamformers.mvdr(plane_wave(LINE, np.deg2rad(90), freqs), noise_cov)
    w[freqs < 300] = 0
    gains = {}
    for name, x in {"noise": noise, "talker": talker}.items():
        y = stft.synthesise(beamformers.apply(w, stft.analyse(x)), x.shape[1])
        gains[name] = level_db(y) - level_db(x[0])
        if name == "talker":
            inside = slice(512, -512)
            assert level_db((y - x[0])[inside]) < -30
    assert gains["noise"] < -25
    assert abs(gains["talker"]) < 0.1


def test_mvdr_is_never_louder_than_delay_and_sum_nor_than_any_other_distortionless_weights():
    rng = np.random.default_rng(5)
    a = np.exp(2j * np.pi * rng.random((500, 4)))
    cov = random_covariances(rng, 500, 4, n_frames=6)
    least = output_power(beamformers.mvdr(a, cov, 0.0), cov)
    assert (least <= output_power(beamformers.delay_and_sum(a), cov) * (1 + 1e-10)).all()
    other = complex_normal(rng, 500, 4)
    other = other / response(other, a).conj()[:, None]
    assert (least <= output_power(other, cov) * (1 + 1e-10)).all()


def test_permuted_microphones_permute_the_weights(steering, noise_cov):
    order = np.array([2, 0, 3, 1])
    shuffled = noise_cov[:, order][:, :, order]
    w = beamformers.mvdr(steering, noise_cov)
    assert_allclose(beamformers.mvdr(steering[:, order], shuffled), w[:, order], rtol=1e-9)
    speech_cov = outer(steering)
    blind = beamformers.souden_mvdr(speech_cov, noise_cov, reference=0)
    permuted = beamformers.souden_mvdr(
        speech_cov[:, order][:, :, order], shuffled, reference=int(np.argmin(order))
    )
    assert_allclose(permuted, blind[:, order], rtol=1e-9)


def test_loading_adds_its_part_of_the_mean_power_to_the_diagonal(steering, noise_cov):
    loading = np.linspace(0, 1, len(FREQS))
    mean_power = np.trace(noise_cov, axis1=1, axis2=2).real / 4
    loaded = noise_cov + (loading * mean_power)[:, None, None] * np.eye(4)
    w = beamformers.mvdr(steering, noise_cov, loading)
    assert_allclose(w, slow.mvdr(steering, loaded), atol=1e-9)
    for f in (3, 20):
        alone = beamformers.mvdr(steering[f : f + 1], noise_cov[f : f + 1], float(loading[f]))
        assert_allclose(alone[0], w[f], rtol=1e-12)


@pytest.mark.parametrize("scale", [1e-12, 1e-4, 1e6])
def test_the_level_of_a_recording_does_not_change_its_weights(steering, noise_cov, scale):
    speech_cov = outer(steering) + 0.1 * noise_cov
    for loading in (1e-6, 0.1):
        w = beamformers.mvdr(steering, noise_cov, loading)
        assert_allclose(beamformers.mvdr(steering, scale * noise_cov, loading), w, rtol=1e-9)
        blind = beamformers.souden_mvdr(speech_cov, noise_cov, 0, loading)
        scaled = beamformers.souden_mvdr(scale * speech_cov, scale * noise_cov, 0, loading)
        assert_allclose(scaled, blind, rtol=1e-9)


def test_more_loading_is_more_robust_and_ends_as_delay_and_sum(steering, noise_cov):
    """White-noise gain 1/‖w‖² grows with loading (Cox, Zeskind & Owen 1987)."""
    norms = [
        np.sum(np.abs(beamformers.mvdr(steering, noise_cov, loading)) ** 2, axis=1)
        for loading in (0.0, 1e-3, 1e-2, 0.1, 1.0, 1e6)
    ]
    assert (np.diff(norms, axis=0) <= 1e-12).all()
    assert_allclose(norms[-1], 0.25, rtol=1e-4)


# ---- MPDR: the recording as it is --------------------------------------------------------


@pytest.mark.parametrize("power", [1e-2, 1.0, 1e3])
def test_mpdr_of_exact_steering_is_mvdr(steering, noise_cov, power):
    """Φₓ = Φₙ + σ² a aᴴ: what is added lies in the look direction, which is kept (Woodbury).

    Rounding grows with the condition of Φₓ, below 1e4·1e3: 1e-15·1e7.
    """
    w = beamformers.mpdr(steering, noise_cov + outer(steering, power), 0.0)
    assert_allclose(w, beamformers.mvdr(steering, noise_cov, 0.0), atol=1e-8)


def test_mpdr_cancels_a_talker_beside_its_direction_the_less_the_more_it_is_loaded():
    """Sensor noise 1 and a talker of power P: by the matrix inversion lemma, with c = bᴴa and
    p = P / (1 + δ (1 + P)), he is kept to c / (M (1 + pM) - p|c|²) (Cox 1973)."""
    a, towards = (plane_wave(LINE, np.deg2rad(deg), FREQS) for deg in (60, 70))
    c = response(towards, a)
    kept = []
    for loading in (1e-6, MPDR_LOADING):
        w = beamformers.mpdr(towards, outer(a, 100.0) + np.eye(4), loading)
        p = 100 / (1 + 101 * loading)
        assert_allclose(response(w, a), c / (4 * (1 + 4 * p) - p * np.abs(c) ** 2), rtol=1e-9)
        kept.append(level_db(response(w, a)))
    assert kept[1] > kept[0] + 3
    assert_allclose(w, beamformers.mpdr(towards, outer(a, 100.0) + np.eye(4)), rtol=1e-12)


# ---- MVDR without steering ---------------------------------------------------------------


@pytest.mark.parametrize("reference", [0, 2])
def test_souden_mvdr_of_rank_one_speech_is_steered_mvdr(noise_cov, reference):
    a = plane_wave(LINE, np.deg2rad(60), FREQS, reference=reference)
    power = np.geomspace(1e-3, 1e3, len(FREQS))
    w = beamformers.souden_mvdr(power[:, None, None] * outer(a), noise_cov, reference)
    assert_allclose(w, beamformers.mvdr(a, noise_cov), rtol=1e-8)


def test_souden_mvdr_keeps_the_speech_of_its_reference_microphone(noise_cov):
    """Rank one, other gains than 1: wᴴa is what the reference hears, not 1."""
    rng = np.random.default_rng(0)
    transfer = complex_normal(rng, len(FREQS), 4)
    for reference in range(4):
        w = beamformers.souden_mvdr(outer(transfer), noise_cov, reference)
        assert_allclose(response(w, transfer), transfer[:, reference], rtol=1e-9)


# ---- signal-to-noise ratio ---------------------------------------------------------------


def test_shadow_filtered_snr_is_the_closed_form(steering):
    """SNR = wᴴΦₛw / wᴴΦₙw, and for the MVDR of rank-one speech σ² aᴴΦₙ⁻¹a.

    Spectra, and what comes out, are float32: 1e-3 dB where the condition is below 10⁴.
    """
    rng = np.random.default_rng(6)
    n_bins, sigma2 = 8, 0.3
    a = steering[::4][:n_bins]
    source = np.sqrt(sigma2) * complex_normal(rng, n_bins, 1, 400)
    source *= np.sqrt(sigma2 / np.mean(np.abs(source) ** 2, axis=2, keepdims=True))
    speech = (a[:, :, None] * source).astype(np.complex64)
    mixing = complex_normal(rng, n_bins, 4, 4)
    noise = (mixing @ complex_normal(rng, n_bins, 4, 400)).astype(np.complex64)
    speech_cov, noise_cov = spatial_covariance(speech), spatial_covariance(noise)

    def measured_db(w, f):
        behind = [beamformers.apply(w, x)[f].view(np.float32) for x in (speech, noise)]
        return shadow_snr(*behind)

    optimum = sigma2 * np.einsum("fi,fij,fj->f", a.conj(), np.linalg.inv(noise_cov), a).real
    for w in (beamformers.delay_and_sum(a), beamformers.mvdr(a, noise_cov, 0.0)):
        formula = output_power(w, speech_cov) / output_power(w, noise_cov)
        for f in range(n_bins):
            assert measured_db(w, f) == pytest.approx(10 * np.log10(formula[f]), abs=1e-3)
    for f in range(n_bins):  # w is still the MVDR
        assert measured_db(w, f) == pytest.approx(10 * np.log10(optimum[f]), abs=1e-3)
        blind = beamformers.souden_mvdr(speech_cov, noise_cov, 1, 0.0)
        assert measured_db(blind, f) == pytest.approx(10 * np.log10(optimum[f]), abs=1e-3)


# ---- no answer ---------------------------------------------------------------------------


def broken(cov, bad, bin=7):
    cov = cov.copy()
    cov[bin] = bad
    return cov


@pytest.mark.parametrize("bad", [0.0, np.nan, np.inf], ids=str)
@pytest.mark.parametrize("loading", [0.0, 1e-6])
def test_a_noise_covariance_without_inverse_is_named(steering, noise_cov, bad, loading):
    cov = broken(noise_cov, bad)
    with pytest.raises(NumericalError, match="bin 7"):
        beamformers.mvdr(steering, cov, loading)
    with pytest.raises(NumericalError, match="bin 7"):
        beamformers.souden_mvdr(outer(steering), cov, 0, loading)


def test_a_noise_covariance_of_one_frame_is_singular_unless_loaded(steering, noise_cov):
    """x xᴴ with x = (1, 0, 1, 1): a row of zeros, singular to the last bit."""
    x = np.array([1.0, 0.0, 1.0, 1.0])
    cov = broken(noise_cov, np.outer(x, x))
    with pytest.raises(NumericalError, match="bin 7"):
        beamformers.mvdr(steering, cov, 0.0)
    w = beamformers.mvdr(steering, cov, 1e-6)
    assert_allclose(response(w, steering), 1, atol=1e-9)


def test_speech_that_is_empty_or_no_number_is_named(steering, noise_cov):
    for bad in (0.0, np.nan):
        with pytest.raises(NumericalError, match="bin 7"):
            beamformers.souden_mvdr(broken(outer(steering), bad), noise_cov)


def test_covariances_that_do_not_fit_are_refused(steering, noise_cov):
    with pytest.raises(ShapeError, match=r"match steering \(32, 4\); got \(32, 3, 3\)"):
        beamformers.mvdr(steering, noise_cov[:, :3, :3])
    with pytest.raises(ShapeError, match=r"got \(31, 4, 4\)"):
        beamformers.mvdr(steering, noise_cov[1:])
    with pytest.raises(ShapeError, match=r"share the shape \(F, M, M\)"):
        beamformers.souden_mvdr(noise_cov[:, :3, :3], noise_cov)
    for reference in (4, -1):
        with pytest.raises(ShapeError, match=f"reference must be 0 to 3; got {reference}"):
            beamformers.souden_mvdr(noise_cov, noise_cov, reference)


def test_loading_for_positions_is_what_errors_make_of_steering():
    """The mean of a aᴴ over misplaced microphones is the loaded aᴴa, scaled."""
    rng, freqs, sigma = np.random.default_rng(3), np.array([500.0, 2000.0, 6000.0]), 0.004
    k = 2 * np.pi * freqs / 343.0
    phase = np.exp(1j * k[:, None] * rng.normal(0, sigma, (200_000, 1, 2)))  # (N, F, 2)
    mean = np.mean(phase[:, :, 0] * phase[:, :, 1].conj(), axis=0)
    found = position_loading(freqs, sigma)
    assert_allclose(1 / np.abs(mean) - 1, found, rtol=0.05, atol=2e-3)
    assert position_loading(np.array([0.0]), 0.01) == 0
    assert position_loading(np.array([8000.0]), 1.0) == 1
