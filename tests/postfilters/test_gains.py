import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import special

from arrayenh._kernels.gains import bessel_scaled, exp1
from arrayenh.errors import ConfigError, ShapeError
from arrayenh.evaluation.scoring import seg_snr, si_sdr
from arrayenh.postfilters import postfilter as records
from arrayenh.postfilters.gains import RULES, DecisionDirected, OmLsa, SpectralSubtraction
from arrayenh.postfilters.postfilter import NOISE_TRACKERS
from arrayenh.postfilters.statistical import StatisticalPostFilter
from arrayenh.statistics.noise_psd import SppTracker
from arrayenh.stft import Stft
from tests.reference import gains as slow
from tests.signals import RATE, level_db, voice

EPS = float(np.finfo(np.float32).eps)
FORMULA = {"wiener": slow.wiener, "mmse-lsa": slow.mmse_lsa, "mmse-stsa": slow.mmse_stsa}
POSTFILTERS = [name for name, one in records.POSTFILTERS.items() if one.gain]
FILTERS = [(rule, None) for rule in POSTFILTERS] + [
    ("mmse-lsa", "minimum-statistics"),
    ("mmse-lsa", "imcra"),
    ("om-lsa", "spp"),
    ("spectral-subtraction", "minimum-statistics"),
]


def noisy_power(rng, n_freqs, n_frames):
    """Exponential noise of slowly changing power, and bursts 0 to 40 dB above it."""
    noise_psd = np.geomspace(0.1, 10, n_freqs)[:, None] * rng.uniform(0.5, 2, n_frames)
    burst = rng.random((n_freqs, n_frames)) < 0.3
    snr = np.where(burst, 10 ** rng.uniform(0, 4, (n_freqs, n_frames)), 0)
    return noise_psd * (1 + snr) * rng.exponential(1.0, (n_freqs, n_frames)), noise_psd


def first_gain(rule, gamma, **arguments):
    """Gain of a first frame, where ξ = γ - 1."""
    gamma = np.atleast_1d(gamma)[:, None]
    gains = DecisionDirected(rule, len(gamma), **arguments)
    return gains.update(gamma, np.ones_like(gamma))[:, 0]


def any_gain(rule, n_freqs, least_gain_db=-18.0):
    if rule in RULES:
        return DecisionDirected(rule, n_freqs, least_gain_db=least_gain_db)
    kind = {"spectral-subtraction": SpectralSubtraction, "om-lsa": OmLsa}[rule]
    return kind(n_freqs, least_gain_db=least_gain_db)


def test_exponential_integral_is_that_of_scipy():
    """From the smallest v that occurs, 1e-10, to where e⁻ᵛ is no float64 any more."""
    x = np.concatenate([np.geomspace(1e-10, 700, 400), np.nextafter(2.0, [0, 3]), [2.0]])
    assert_allclose([exp1(v) for v in x], special.exp1(x), rtol=1e-6)


@pytest.mark.parametrize("rule", RULES)
def test_kernel_matches_the_formulas(rule):
    rng = np.random.default_rng(0)
    power, noise_psd = noisy_power(rng, 6, 300)
    gain = DecisionDirected(rule, 6, 0.94, -20.0, -25.0).update(power, noise_psd)
    wanted = slow.decision_directed(power, noise_psd, FORMULA[rule], 0.94, -20.0, -25.0)
    assert_allclose(gain, wanted, rtol=1e-6)  # that of its exponential integral
    assert gain.dtype == np.float32


@pytest.mark.parametrize("order", [0, 1])
def test_scaled_bessel_functions_are_those_of_scipy(order):
    """Of v/2 from its least, 0.5·10⁻¹⁰, to its greatest, with both sides of the seam at 12."""
    x = np.concatenate([[0.0], np.geomspace(5e-11, 1e6, 400), np.nextafter(12.0, [0, 13])])
    assert_allclose([bessel_scaled(v)[order] for v in x], special.ive(order, x), rtol=1e-9)


def test_gains_of_a_first_frame_in_numbers():
    """ξ = γ - 1 = 3, v = 3: Wiener 3/4; LSA 3/4·exp(½E₁(3)) with E₁(3) = 0.013048; STSA
    (√(3π)/8) e^-1.5 (4 I₀(1.5) + 3 I₁(1.5)) with I₀ = 1.646723, I₁ = 0.981666."""
    assert_allclose(first_gain("wiener", 4.0), 0.75, rtol=2 * EPS)
    assert_allclose(first_gain("mmse-lsa", 4.0), 0.75 * np.exp(0.5 * 0.01304838), rtol=1e-6)
    stsa = np.sqrt(3 * np.pi) / 8 * np.exp(-1.5) * (4 * 1.646723 + 3 * 0.981666)
    assert_allclose(first_gain("mmse-stsa", 4.0), stsa, rtol=1e-6)


def test_the_less_certain_the_estimator_the_less_it_takes_away():
    """|ŝ| of the mean amplitude >= of the mean logarithm (Jensen) >= of the Wiener filter."""
    gamma = np.geomspace(0.01, 1e5, 200)
    gains = {rule: first_gain(rule, gamma, least_gain_db=-120.0) for rule in RULES}
    assert (gains["mmse-stsa"] >= gains["mmse-lsa"]).all()
    assert (gains["mmse-lsa"] >= gains["wiener"]).all()
    some = (gamma > 1) & (gamma < 20)
    assert (gains["mmse-stsa"][some] > gains["mmse-lsa"][some] * 1.001).all()
    assert (gains["mmse-lsa"][gamma < 5] > gains["wiener"][gamma < 5] * 1.001).all()
    for rule in ("mmse-stsa", "mmse-lsa"):
        assert_allclose(gains[rule][gamma > 1000], gains["wiener"][gamma > 1000], rtol=3e-4)
    assert (np.diff(gains["wiener"]) >= 0).all()
    assert all(gain[-1] > 0.9999 for gain in gains.values())


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.sampled_from([*RULES, "spectral-subtraction", "om-lsa"]),
    st.integers(0, 2**32 - 1),
    st.floats(-60, 0),
    st.sampled_from([0.0, 1e-30, 1e-6, 1.0, 1e12]),
    st.sampled_from([0.0, 1e-30, 1e-6, 1.0, 1e12]),
)
def test_gain_is_always_between_its_floor_and_one(rule, seed, floor_db, loud, noise):
    rng = np.random.default_rng(seed)
    power = loud * rng.exponential(1.0, (4, 30)) * (rng.random((4, 30)) < 0.8)
    noise_psd = noise * rng.exponential(1.0, (4, 30)) * (rng.random((4, 30)) < 0.8)
    gain = any_gain(rule, 4, floor_db).update(power, noise_psd)
    assert (gain >= np.float32(10 ** (floor_db / 20)) * (1 - EPS)).all()
    assert (gain <= 1).all()


@pytest.mark.parametrize("rule", RULES)
def test_noise_alone_is_brought_to_the_floor_and_speech_kept(rule):
    """γ = 1 on average: ξ rests at its floor, -15 dB, where G is -30 dB but for LSA's
    ½E₁(v), and STSA's √γ in the denominator. What is left is floor, and the peaks of the noise.
    30 dB above it all passes."""
    rng = np.random.default_rng(1)
    ones = np.ones((200, 300))
    power = rng.exponential(1.0, ones.shape)
    quiet = DecisionDirected(rule, 200, least_gain_db=-18.0).update(power, ones)[:, 50:]
    left_db = 10 * np.log10(np.mean(quiet**2 * power[:, 50:]))
    assert -18.1 < left_db < {"wiener": -16, "mmse-lsa": -14, "mmse-stsa": -11}[rule]
    assert rule == "mmse-stsa" or 20 * np.log10(quiet.min()) == pytest.approx(-18, abs=1e-5)
    loud = DecisionDirected(rule, 200).update(1000 * ones, ones)
    assert (loud > 0.998).all()


def test_decision_directed_prior_follows_the_frame_before():
    """ξ(t) = α G²γ of t-1 + (1 - α)(γ - 1): a steady γ of 10 starts at ξ = 9."""
    gain = DecisionDirected("wiener", 1, smoothing=0.9).update(
        np.full((1, 3), 10.0), np.ones((1, 3))
    )
    first = 0.9
    xi = 0.9 * first**2 * 10 + 0.1 * 9
    second = xi / (1 + xi)
    xi = 0.9 * second**2 * 10 + 0.1 * 9
    assert_allclose(gain[0], [first, second, xi / (1 + xi)], rtol=4 * EPS)


@pytest.mark.parametrize("rule", POSTFILTERS)
def test_only_the_ratio_of_power_to_noise_counts(rule):
    power, noise_psd = noisy_power(np.random.default_rng(2), 4, 100)
    gain = any_gain(rule, 4).update(power, noise_psd)
    scaled = any_gain(rule, 4).update(power * 2.0**-40, noise_psd * 2.0**-40)
    assert_array_equal(scaled, gain)


@pytest.mark.parametrize("rule", POSTFILTERS)
@pytest.mark.parametrize("cuts", [[1, 2, 3], [0, 5, 5, 90]], ids=str)
def test_frames_come_in_any_pieces(rule, cuts):
    power, noise_psd = noisy_power(np.random.default_rng(3), 5, 120)
    whole = any_gain(rule, 5).update(power, noise_psd)
    gains = any_gain(rule, 5)
    split = (np.split(x, cuts, axis=1) for x in (power, noise_psd))
    pieces = [gains.update(*piece) for piece in zip(*split, strict=True)]
    assert_array_equal(np.concatenate(pieces, axis=1), whole)


@pytest.mark.parametrize("rule", POSTFILTERS)
def test_without_noise_sound_passes_and_silence_stays(rule):
    """σ² = 0: nothing to take away from |y|² > 0, and nothing to keep of |y|² = 0."""
    gain = any_gain(rule, 1, -20.0).update(np.array([[0.0, 1e-20, 5.0, 0.0]]), np.zeros((1, 4)))
    assert_allclose(gain, [[0.1, 1, 1, 0.1]], rtol=EPS)


def test_rules_and_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ConfigError, match="unknown gain rule 'mmse'; use one of wiener, mmse-lsa"):
        DecisionDirected("mmse", 5)
    for rule in POSTFILTERS:
        gains = any_gain(rule, 5)
        for power, noise_psd in (((5, 3), (5, 4)), ((4, 3), (4, 3))):
            with pytest.raises(ShapeError, match=r"share the shape \(5, t\)"):
                gains.update(np.ones(power), np.ones(noise_psd))
    with pytest.raises(ShapeError, match=r"presence must have shape \(5, 3\); got \(5, 4\)"):
        OmLsa(5).update(np.ones((5, 3)), np.ones((5, 3)), np.ones((5, 4)))


# ---- spectral subtraction and OM-LSA -----------------------------------------------------


@pytest.mark.parametrize(
    "snr_db, factor", [(-20, 4.75), (-5, 4.75), (0, 4.0), (10, 2.5), (20, 1.0), (35, 1.0)]
)
def test_berouti_subtracts_less_the_louder_the_frame(snr_db, factor):
    """One bin, so that γ is the SNR of the frame: G² = 1 - α/γ, or β."""
    gamma = 10 ** (snr_db / 10)
    gain = SpectralSubtraction(1, -20.0).update(np.array([[gamma]]), np.ones((1, 1)))[0, 0]
    floor = 0.01 / gamma if gamma < 1 else 0.01
    wanted = np.sqrt(max(1 - factor / gamma, floor))
    assert gain == pytest.approx(wanted, rel=4 * EPS)


def test_spectral_subtraction_matches_the_formula_and_fills_its_valleys():
    power, noise_psd = noisy_power(np.random.default_rng(10), 40, 200)
    gain = SpectralSubtraction(40, -15.0).update(power, noise_psd)
    wanted = [slow.berouti(*frame, -15.0) for frame in zip(power.T, noise_psd.T, strict=True)]
    assert_allclose(gain, np.transpose(wanted), rtol=1e-6)
    valley = power < 0.5 * noise_psd
    filled = (gain[valley] ** 2 * power[valley]) / noise_psd[valley]
    assert_allclose(filled, np.minimum(10**-1.5, power[valley] / noise_psd[valley]), rtol=1e-5)


def test_om_lsa_matches_the_formulas():
    """A voice, noise, noise with tones (loud nearby, soft in 31 bins): p takes every value."""
    power, noise_psd = noisy_power(np.random.default_rng(11), 60, 200)
    power[:, 60:140] = noise_psd[:, 60:140] * np.random.default_rng(12).exponential(1, (60, 80))
    power[::31, 100:140] *= 5
    gain = OmLsa(60, least_gain_db=-20.0).update(power, noise_psd)
    wanted, presence = (np.transpose(x) for x in slow.om_lsa(power, noise_psd, -20.0))
    assert_allclose(gain, wanted, rtol=2e-5)
    assert (presence < 0.1).mean() > 0.02 and (presence > 0.9).mean() > 0.2


def test_om_lsa_is_lsa_where_speech_is_certain_and_the_floor_where_there_is_none():
    power, noise_psd = noisy_power(np.random.default_rng(13), 20, 150)
    lsa = DecisionDirected("mmse-lsa", 20, 0.92, -25.0, -120.0).update(power, noise_psd)
    ones = np.ones(power.shape)
    certain = OmLsa(20, least_gain_db=-120.0).update(power, noise_psd, ones)
    assert_allclose(certain, lsa, rtol=4 * EPS)
    none = OmLsa(20, least_gain_db=-17.0).update(power, noise_psd, 0 * ones)
    assert_allclose(none, 10 ** (-17 / 20), rtol=EPS)
    half = OmLsa(20, least_gain_db=-40.0).update(power, noise_psd, 0.5 * ones)
    assert_allclose(half, np.clip(np.sqrt(lsa * 0.01), 0.01, 1), rtol=1e-5)


def test_om_lsa_brings_noise_to_its_floor_where_lsa_lets_its_peaks_pass():
    """Presence in noise is 1/(1 + 19·(1 + ξ)e^-v), some 0.06: G is 1 dB above the floor."""
    rng = np.random.default_rng(14)
    power, ones = rng.exponential(1.0, (200, 300)), np.ones((200, 300))
    gain = OmLsa(200, least_gain_db=-20.0).update(power, ones)[:, 50:]
    left_db = 10 * np.log10(np.mean(gain**2 * power[:, 50:]))
    lsa = DecisionDirected("mmse-lsa", 200, 0.92, -25.0, -20.0).update(power, ones)[:, 50:]
    assert -20 < left_db < -18
    assert left_db < 10 * np.log10(np.mean(lsa**2 * power[:, 50:])) - 2
    loud = OmLsa(200).update(1000 * ones, ones)
    assert (loud[:, 1:] > 0.998).all()


# ---- the post-filter on samples ----------------------------------------------------------


def filtered(rule, x, least_gain_db=-15.0, cuts=(), noise=None):
    postfilter = StatisticalPostFilter(rule, RATE, least_gain_db, noise)
    pieces = np.split(x, cuts)
    out = [postfilter.push(p, last=k == len(pieces) - 1) for k, p in enumerate(pieces)]
    return np.concatenate(out)[: len(x)]


@pytest.mark.parametrize("rule, noise", FILTERS)
@pytest.mark.parametrize("least_gain_db", [-15.0, -8.0])
def test_postfilter_brings_stationary_noise_down_nearly_to_its_floor(rule, noise, least_gain_db):
    """Peaks of the noise pass: 4 dB more are left than the floor of -15 dB, 1 dB at -8."""
    x = 0.1 * np.random.default_rng(4).standard_normal(4 * RATE).astype(np.float32)
    y = filtered(rule, x, least_gain_db, noise=noise)
    reduction = level_db(y[RATE:]) - level_db(x[RATE:])
    assert least_gain_db - 0.1 < reduction < least_gain_db / 1.4


@pytest.mark.parametrize("rule, noise", FILTERS)
def test_postfilter_leaves_clean_speech_alone(rule, noise):
    """Noise 60 dB below the syllables: what it takes away lies 20 dB below what it keeps."""
    rng = np.random.default_rng(5)
    speech = 0.1 * voice(rng, 4 * RATE, start=RATE // 2)
    x = (speech + 1e-4 * rng.standard_normal(len(speech))).astype(np.float32)
    y = filtered(rule, x, noise=noise)
    assert si_sdr(speech, y, RATE) > 20
    assert abs(level_db(y) - level_db(x)) < 0.3


@pytest.mark.parametrize("rule, noise", FILTERS)
def test_postfilter_improves_noisy_speech_and_keeps_its_time(rule, noise):
    rng = np.random.default_rng(6)
    speech = 0.1 * voice(rng, 4 * RATE, start=RATE // 2)
    x = (speech + 0.03 * rng.standard_normal(len(speech))).astype(np.float32)
    y = filtered(rule, x, noise=noise)
    assert si_sdr(speech, y, RATE) > si_sdr(speech, x, RATE) + 4
    assert seg_snr(speech, y, RATE) > seg_snr(speech, x, RATE) + 3
    lags = range(-3, 4)
    alike = [np.dot(np.roll(y, lag), speech) for lag in lags]
    assert lags[int(np.argmax(alike))] == 0


@pytest.mark.parametrize("cuts", [[1], [100, 100, 5000], list(range(160, 16000, 160))], ids=len)
@pytest.mark.parametrize("rule, noise", FILTERS)
def test_postfilter_hears_no_block_borders(rule, noise, cuts):
    rng = np.random.default_rng(7)
    x = (0.1 * voice(rng, RATE, 2000) + 0.01 * rng.standard_normal(RATE)).astype(np.float32)
    whole = filtered(rule, x, noise=noise)
    assert_allclose(filtered(rule, x, cuts=cuts, noise=noise), whole, atol=1e-6)


def test_postfilter_is_causal_but_for_its_overlap():
    """n samples in, at least n - 384 out; all of them at the end."""
    x = np.random.default_rng(8).standard_normal(3000).astype(np.float32)
    postfilter, n_out = StatisticalPostFilter("wiener", RATE), 0
    for n in range(0, 3000, 100):
        last = n == 2900
        n_out += len(postfilter.push(x[n : n + 100], last))
        assert n_out >= (3000 if last else n + 100 - 384 - 127)


@pytest.mark.parametrize("n_samples", [1, 100, 5000])
@pytest.mark.parametrize("rule, noise", FILTERS)
def test_postfilter_keeps_silence_silent(rule, noise, n_samples):
    y = filtered(rule, np.zeros(n_samples, np.float32), noise=noise)
    assert_array_equal(y, np.zeros(n_samples))


@pytest.mark.parametrize("rule, noise", FILTERS)
def test_postfilter_survives_silence_between_sounds(rule, noise):
    """Digital silence stays so, and what follows it is filtered as what went before."""
    rng = np.random.default_rng(9)
    x = 0.1 * rng.standard_normal(3 * RATE).astype(np.float32)
    x[RATE : 2 * RATE] = 0
    y = filtered(rule, x, noise=noise)
    assert np.isfinite(y).all()
    assert not y[RATE + 512 : 2 * RATE - 512].any()
    before, after = level_db(y[RATE // 2 : RATE - 512]), level_db(y[2 * RATE + 512 :])
    assert abs(after - before) < 2


def test_postfilter_is_its_parts_put_together():
    """The settings of the chain: SPP at 12 dB and 0.9, α, Hann frames of 512/128."""
    rng = np.random.default_rng(15)
    x = (0.1 * voice(rng, RATE) + 0.02 * rng.standard_normal(RATE)).astype(np.float32)
    stft = Stft(512, 128, "hann")
    spec = stft.analyse(x)
    power = spec.real**2 + spec.imag**2
    noise_psd, _ = SppTracker(257, 128 / RATE, 12.0, 0.9).update(power)
    for rule, alpha in (("wiener", 0.94), ("mmse-lsa", 0.94), ("mmse-stsa", 0.98)):
        gain = DecisionDirected(rule, 257, alpha, least_gain_db=-15.0).update(power, noise_psd)
        assert_array_equal(filtered(rule, x), stft.synthesise(spec * gain, len(x)))


def test_om_lsa_tracks_with_imcra_and_the_others_with_presence():
    x = 0.1 * np.random.default_rng(16).standard_normal(RATE).astype(np.float32)
    for rule in POSTFILTERS:
        own = "imcra" if rule == "om-lsa" else "spp"
        for noise in NOISE_TRACKERS:
            same = np.array_equal(filtered(rule, x), filtered(rule, x, noise=noise))
            assert same == (noise == own)


def test_unknown_names_are_refused():
    with pytest.raises(
        ConfigError, match="unknown postfilter 'lsa' \\(did you mean om-lsa\\?\\); use mmse-lsa"
    ):
        StatisticalPostFilter("lsa", RATE)
    with pytest.raises(ConfigError, match="unknown noise_tracker 'mcra'.*use spp"):
        StatisticalPostFilter("wiener", RATE, noise="mcra")
