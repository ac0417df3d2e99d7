import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import special

from arrayenh._kernels.gains import exp1
from arrayenh.errors import ConfigError, ShapeError
from arrayenh.evaluation.metrics import si_sdr
from arrayenh.postfilter.classical import ClassicalPostFilter
from arrayenh.postfilter.gains import RULES, DecisionDirected
from tests.reference import gains as slow
from tests.signals import RATE, level_db, voice

EPS = float(np.finfo(np.float32).eps)
FORMULA = {"wiener": slow.wiener, "mmse-lsa": slow.mmse_lsa}


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


def test_gains_of_a_first_frame_in_numbers():
    """ξ = γ - 1 = 3: Wiener 3/4; LSA 3/4·exp(½E₁(3)) with E₁(3) = 0.013048."""
    assert_allclose(first_gain("wiener", 4.0), 0.75, rtol=2 * EPS)
    assert_allclose(first_gain("mmse-lsa", 4.0), 0.75 * np.exp(0.5 * 0.01304838), rtol=1e-6)


def test_lsa_takes_away_less_than_wiener_at_the_same_snr():
    gamma = np.geomspace(0.01, 1e5, 200)
    lsa, wiener = (first_gain(rule, gamma, least_gain_db=-120.0) for rule in RULES[::-1])
    assert (lsa >= wiener).all()
    assert (lsa[gamma < 5] > wiener[gamma < 5] * 1.001).all()
    assert_allclose(lsa[gamma > 1000], wiener[gamma > 1000], rtol=1e-6)
    assert (np.diff(wiener) >= 0).all()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.sampled_from(RULES),
    st.integers(0, 2**32 - 1),
    st.floats(-60, 0),
    st.sampled_from([0.0, 1e-30, 1e-6, 1.0, 1e12]),
    st.sampled_from([0.0, 1e-30, 1e-6, 1.0, 1e12]),
)
def test_gain_is_always_between_its_floor_and_one(rule, seed, floor_db, loud, noise):
    rng = np.random.default_rng(seed)
    power = loud * rng.exponential(1.0, (4, 30)) * (rng.random((4, 30)) < 0.8)
    noise_psd = noise * rng.exponential(1.0, (4, 30)) * (rng.random((4, 30)) < 0.8)
    gain = DecisionDirected(rule, 4, least_gain_db=floor_db).update(power, noise_psd)
    assert (gain >= np.float32(10 ** (floor_db / 20)) * (1 - EPS)).all()
    assert (gain <= 1).all()


@pytest.mark.parametrize("rule", RULES)
def test_noise_alone_is_brought_to_the_floor_and_speech_kept(rule):
    """γ = 1 on average: ξ rests at its floor, -15 dB, where G is -30 dB but for LSA's
    ½E₁(v). What is left is floor, and the peaks of the noise. 30 dB above it all passes."""
    rng = np.random.default_rng(1)
    ones = np.ones((200, 300))
    power = rng.exponential(1.0, ones.shape)
    quiet = DecisionDirected(rule, 200, least_gain_db=-18.0).update(power, ones)[:, 50:]
    left_db = 10 * np.log10(np.mean(quiet**2 * power[:, 50:]))
    assert -18.1 < left_db < (-16 if rule == "wiener" else -14)
    assert 20 * np.log10(quiet.min()) == pytest.approx(-18, abs=1e-5)
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


@pytest.mark.parametrize("rule", RULES)
def test_only_the_ratio_of_power_to_noise_counts(rule):
    power, noise_psd = noisy_power(np.random.default_rng(2), 4, 100)
    gain = DecisionDirected(rule, 4).update(power, noise_psd)
    scaled = DecisionDirected(rule, 4).update(power * 2.0**-40, noise_psd * 2.0**-40)
    assert_array_equal(scaled, gain)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("cuts", [[1, 2, 3], [0, 5, 5, 90]], ids=str)
def test_frames_come_in_any_pieces(rule, cuts):
    power, noise_psd = noisy_power(np.random.default_rng(3), 5, 120)
    whole = DecisionDirected(rule, 5).update(power, noise_psd)
    gains = DecisionDirected(rule, 5)
    split = (np.split(x, cuts, axis=1) for x in (power, noise_psd))
    pieces = [gains.update(*piece) for piece in zip(*split, strict=True)]
    assert_array_equal(np.concatenate(pieces, axis=1), whole)


@pytest.mark.parametrize("rule", RULES)
def test_without_noise_sound_passes_and_silence_stays(rule):
    """σ² = 0: nothing to take away from |y|² > 0, and nothing to keep of |y|² = 0."""
    gain = DecisionDirected(rule, 1, least_gain_db=-20.0).update(
        np.array([[0.0, 1e-20, 5.0, 0.0]]), np.zeros((1, 4))
    )
    assert_allclose(gain, [[0.1, 1, 1, 0.1]], rtol=EPS)


def test_rules_and_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ConfigError, match="unknown gain rule 'mmse'; use one of wiener, mmse-lsa"):
        DecisionDirected("mmse", 5)
    gains = DecisionDirected("wiener", 5)
    for power, noise_psd in (((5, 3), (5, 4)), ((4, 3), (4, 3))):
        with pytest.raises(ShapeError, match=r"share the shape \(5, t\)"):
            gains.update(np.ones(power), np.ones(noise_psd))


# ---- the post-filter on samples ----------------------------------------------------------


def filtered(rule, x, least_gain_db=-15.0, cuts=()):
    postfilter = ClassicalPostFilter(rule, RATE, least_gain_db)
    pieces = np.split(x, cuts)
    out = [postfilter.push(p, last=k == len(pieces) - 1) for k, p in enumerate(pieces)]
    return np.concatenate(out)[: len(x)]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("least_gain_db", [-15.0, -8.0])
def test_postfilter_brings_stationary_noise_down_nearly_to_its_floor(rule, least_gain_db):
    """Peaks of the noise pass: 4 dB more are left than the floor of -15 dB, 1 dB at -8."""
    x = 0.1 * np.random.default_rng(4).standard_normal(4 * RATE).astype(np.float32)
    y = filtered(rule, x, least_gain_db)
    reduction = level_db(y[RATE:]) - level_db(x[RATE:])
    assert least_gain_db - 0.1 < reduction < least_gain_db / 1.4


@pytest.mark.parametrize("rule", RULES)
def test_postfilter_leaves_clean_speech_alone(rule):
    """Noise 60 dB below the syllables: what it takes away lies 20 dB below what it keeps."""
    rng = np.random.default_rng(5)
    speech = 0.1 * voice(rng, 4 * RATE, start=RATE // 2)
    x = (speech + 1e-4 * rng.standard_normal(len(speech))).astype(np.float32)
    y = filtered(rule, x)
    assert si_sdr(speech, y, RATE) > 20
    assert abs(level_db(y) - level_db(x)) < 0.3


@pytest.mark.parametrize("rule", RULES)
def test_postfilter_improves_noisy_speech_and_keeps_its_time(rule):
    rng = np.random.default_rng(6)
    speech = 0.1 * voice(rng, 4 * RATE, start=RATE // 2)
    x = (speech + 0.03 * rng.standard_normal(len(speech))).astype(np.float32)
    y = filtered(rule, x)
    assert si_sdr(speech, y, RATE) > si_sdr(speech, x, RATE) + 4
    lags = range(-3, 4)
    alike = [np.dot(np.roll(y, lag), speech) for lag in lags]
    assert lags[int(np.argmax(alike))] == 0


@pytest.mark.parametrize("cuts", [[1], [100, 100, 5000], list(range(160, 16000, 160))], ids=len)
def test_postfilter_hears_no_block_borders(cuts):
    rng = np.random.default_rng(7)
    x = (0.1 * voice(rng, RATE, 2000) + 0.01 * rng.standard_normal(RATE)).astype(np.float32)
    assert_allclose(filtered("mmse-lsa", x, cuts=cuts), filtered("mmse-lsa", x), atol=1e-6)


def test_postfilter_is_causal_but_for_its_overlap():
    """n samples in, at least n - 384 out; all of them at the end."""
    x = np.random.default_rng(8).standard_normal(3000).astype(np.float32)
    postfilter, n_out = ClassicalPostFilter("wiener", RATE), 0
    for n in range(0, 3000, 100):
        last = n == 2900
        n_out += len(postfilter.push(x[n : n + 100], last))
        assert n_out >= (3000 if last else n + 100 - 384 - 127)


@pytest.mark.parametrize("n_samples", [1, 100, 5000])
def test_postfilter_keeps_silence_silent(n_samples):
    y = filtered("mmse-lsa", np.zeros(n_samples, np.float32))
    assert_array_equal(y, np.zeros(n_samples))
