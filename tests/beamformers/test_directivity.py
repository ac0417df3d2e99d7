"""Beampatterns and gains against the closed forms of array theory."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import brentq
from scipy.special import j0

from arrayenh.acoustics.coherence import diffuse_coherence
from arrayenh.acoustics.steering import SPEED_OF_SOUND, plane_wave
from arrayenh.beamformers import directivity as patterns
from arrayenh.beamformers.delay_and_sum import delay_and_sum
from arrayenh.beamformers.mvdr import mvdr
from arrayenh.beamformers.superdirective import superdirective
from arrayenh.errors import ConfigError, NumericalError, ShapeError
from arrayenh.microphones.geometry import load_array
from tests.signals import complex_normal

FREQS = np.array([125.0, 500.0, 2000.0, 8000.0])
CIRCLE = np.deg2rad(np.arange(-180.0, 180.0))


def line(n_mics, spacing):
    """Along +x, microphone 0 at the -x end."""
    return np.outer(np.arange(n_mics) * spacing, [1.0, 0, 0])


def at(kd, spacing):
    """Frequency at which neighbours are kd radians apart, shape (1,)."""
    return np.array([kd * SPEED_OF_SOUND / (2 * np.pi * spacing)])


def supergain(positions, azimuth, freqs, field="spherical", loading=1e-13):
    """Steering and superdirective weights."""
    a = plane_wave(positions, azimuth, freqs)
    return a, superdirective(a, diffuse_coherence(positions, freqs, field), loading)


def response(weights, steering):
    return np.sum(weights.conj() * steering, axis=1)


# ---- pattern -----------------------------------------------------------------------------


@pytest.mark.parametrize("look_deg", [0.0, 60.0, 90.0])
def test_the_pattern_of_a_uniform_line_is_the_dirichlet_kernel(look_deg):
    """|B| = |sin(Mψ/2) / (M sin(ψ/2))|, ψ = kd (cos θ - cos θ₀)."""
    n_mics, spacing, look = 5, 0.035, np.deg2rad(look_deg)
    theta = np.deg2rad(np.arange(1.0, 360.0, 2.0))  # never where ψ = 0
    a = plane_wave(line(n_mics, spacing), look, FREQS)
    pattern = patterns.beampattern(delay_and_sum(a), line(n_mics, spacing), FREQS, theta)
    kd = 2 * np.pi * FREQS[:, None] * spacing / SPEED_OF_SOUND
    half = kd * (np.cos(theta) - np.cos(look)) / 2
    assert_allclose(np.abs(pattern), np.abs(np.sin(n_mics * half) / np.sin(half)) / n_mics,
                    atol=1e-11)  # fmt: skip


def test_the_pattern_is_the_response_to_a_plane_wave_also_from_above():
    positions = load_array("tetrahedral4-40mm").positions
    weights = complex_normal(np.random.default_rng(0), len(FREQS), 4)
    azimuths, elevations = np.array([0.3, -2.0]), np.array([0.7, -1.1])
    pattern = patterns.beampattern(weights, positions, FREQS, azimuths, elevations)
    for k in range(2):
        a = plane_wave(positions, azimuths[k], FREQS, elevations[k])
        assert_allclose(pattern[:, k], response(weights, a), rtol=1e-12)


def test_a_slower_wave_has_the_pattern_of_a_higher_frequency():
    positions = load_array("circular4-35mm").positions
    weights = complex_normal(np.random.default_rng(0), len(FREQS), 4)
    slow = patterns.beampattern(weights, positions, FREQS, CIRCLE, speed_of_sound=171.5)
    assert_allclose(slow, patterns.beampattern(weights, positions, 2 * FREQS, CIRCLE), atol=1e-11)


@pytest.mark.parametrize(("delay_part", "null_deg"), [(0.0, 90.0), (1.0, 180.0), (1 / 3, 109.4712)])
def test_a_subtracted_pair_is_a_dipole_a_cardioid_a_hypercardioid(delay_part, null_deg):
    """Front minus rear delayed by β d/c: |B| ∝ |sin(kd (cos θ + β)/2)|, null at cos θ = -β."""
    spacing = 0.012
    pair, freqs = line(2, spacing), np.array([500.0, 1000.0])
    delay = np.exp(-2j * np.pi * freqs * delay_part * spacing / SPEED_OF_SOUND)
    weights = np.stack([-delay, np.ones(2)], axis=1).conj()  # microphone 1 is in front
    half = np.pi * freqs[:, None] * spacing / SPEED_OF_SOUND
    pattern = patterns.beampattern(weights, pair, freqs, CIRCLE)
    expected = 2 * np.abs(np.sin(half * (np.cos(CIRCLE) + delay_part)))
    assert_allclose(np.abs(pattern), expected, atol=1e-13)
    null = patterns.beampattern(weights, pair, freqs, np.deg2rad([null_deg, -null_deg]))
    assert np.abs(null).max() < 1e-6


@pytest.mark.parametrize(("field", "alpha"), [("spherical", 1 / 4), ("cylindrical", 1 / 3)])
def test_the_superdirective_pair_is_the_hypercardioid_of_its_field(field, alpha):
    """α + (1 - α) cos θ, α = 1/4 in space and 1/3 in the plane, with an error of order (kd)²."""
    errors = []
    for kd in (0.1, 0.05):
        freqs = at(kd, 0.012)
        _, weights = supergain(line(2, 0.012), 0.0, freqs, field)
        level = np.abs(patterns.beampattern(weights, line(2, 0.012), freqs, CIRCLE)[0])
        errors.append(np.abs(level - np.abs(alpha + (1 - alpha) * np.cos(CIRCLE))).max())
    assert errors[0] < 0.1**2 and errors[0] / errors[1] == pytest.approx(4, rel=0.02)


# ---- white noise -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["linear1-5mm", "linear4-35mm", "circular8-50mm", "kinect"])
def test_delay_and_sum_gains_ten_log_m_in_white_noise(name):
    positions = load_array(name).positions
    a = plane_wave(positions, 0.4, FREQS)
    gain_db = patterns.white_noise_gain(delay_and_sum(a), a)
    assert_allclose(gain_db, 10 * np.log10(len(positions)), atol=1e-12)
    scaled = patterns.white_noise_gain(3j * delay_and_sum(a), a)  # a level is no gain
    assert_allclose(scaled, gain_db, atol=1e-12)


def test_a_subtracted_pair_amplifies_white_noise():
    """The superdirective endfire pair at kd << 1: ‖w‖² → 2 (3/4)² / (kd)²."""
    kd = 0.01
    a, weights = supergain(line(2, 0.012), 0.0, at(kd, 0.012))
    expected_db = -10 * np.log10(2 * (3 / 4 / kd) ** 2)
    assert_allclose(patterns.white_noise_gain(weights, a), expected_db, atol=1e-3)


def test_the_look_direction_is_kept_to_the_last_digit_where_the_field_is_near_singular():
    """wᴴa = 1 to the rounding of its own sum of M products, M·eps·Σ|w||a|, whatever the solve
    lost: three directions of noise, 50 dB apart each, seldom leave more than ten of its digits."""
    rng, n_mics = np.random.default_rng(4), 3
    mixing = complex_normal(rng, 5000, n_mics, n_mics) * 10.0 ** np.linspace(0, -5, n_mics)
    steering = np.exp(1j * rng.uniform(-np.pi, np.pi, (5000, n_mics)))
    weights = superdirective(steering, mixing @ mixing.conj().swapaxes(1, 2), 1e-10)
    rounding = n_mics * np.finfo(float).eps * np.abs(weights).sum(axis=1)
    assert np.all(np.abs(response(weights, steering) - 1) < rounding)


# ---- directivity -------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["spherical", "cylindrical"])
def test_one_microphone_has_no_directivity(field):
    weights, a = np.full((4, 1), 2.0), np.ones((4, 1))
    index = patterns.directivity_index(weights, a, np.zeros((1, 3)), FREQS, field)
    assert_allclose(index, 0, atol=1e-14)


@pytest.mark.parametrize("look_deg", [0.0, 37.0, 90.0])
@pytest.mark.parametrize("n_mics", [2, 5, 8])
def test_delay_and_sum_half_a_wavelength_apart_has_directivity_m(n_mics, look_deg):
    """There the microphones hear independent spherical noise, wherever the beam looks."""
    positions, freqs = line(n_mics, 0.05), at(np.pi, 0.05)
    a = plane_wave(positions, np.deg2rad(look_deg), freqs)
    index = patterns.directivity_index(delay_and_sum(a), a, positions, freqs)
    assert_allclose(index, 10 * np.log10(n_mics), atol=1e-12)


@pytest.mark.parametrize("n_mics", [2, 3, 4])
@pytest.mark.parametrize("field", ["spherical", "cylindrical"])
def test_supergain_at_endfire_comes_to_m_squared_in_space_2m_less_1_in_the_plane(field, n_mics):
    """(Uzkov 1946) as d → 0; the shortfall goes with (kd)², so it falls to a quarter."""
    limit = n_mics**2 if field == "spherical" else 2 * n_mics - 1
    short = []
    for kd in (0.4, 0.2):
        positions, freqs = line(n_mics, 0.02), at(kd, 0.02)
        a, weights = supergain(positions, 0.0, freqs, field)
        factor = patterns.directivity_factor(weights, a, positions, freqs, field)[0]
        short.append(1 - factor / limit)
    assert 0 < short[0] < 0.05 and short[0] / short[1] == pytest.approx(4, rel=0.05)


def sphere(n_rings, n_around):
    """Directions and shares of the sphere: Gauss-Legendre in sin(elevation)."""
    height, share = np.polynomial.legendre.leggauss(n_rings)
    around = 2 * np.pi * np.arange(n_around) / n_around
    azimuths, elevations = np.meshgrid(around, np.arcsin(height))
    shares = np.repeat(share / 2 / n_around, n_around)
    return azimuths.ravel(), elevations.ravel(), shares


@pytest.mark.parametrize("name", ["tetrahedral4-40mm", "circular6-46mm"])
def test_directivity_is_the_look_power_over_its_mean_over_the_sphere(name):
    """The pattern has spherical harmonics to kD ≈ 14 at 8 kHz, squared to 28: 32 rings do."""
    positions = load_array(name).positions
    a = plane_wave(positions, 0.4, FREQS, 0.2)
    weights = a * complex_normal(np.random.default_rng(1), *a.shape)
    azimuths, elevations, shares = sphere(40, 80)
    pattern = patterns.beampattern(weights, positions, FREQS, azimuths, elevations)
    mean = np.abs(pattern) ** 2 @ shares
    factor = patterns.directivity_factor(weights, a, positions, FREQS)
    assert_allclose(factor, np.abs(response(weights, a)) ** 2 / mean, rtol=1e-9)


def test_cylindrical_directivity_is_the_same_over_the_horizon():
    positions = load_array("circular6-46mm").positions
    a = plane_wave(positions, 0.4, FREQS)
    weights = a * complex_normal(np.random.default_rng(1), *a.shape)
    pattern = patterns.beampattern(weights, positions, FREQS, CIRCLE)
    mean = np.mean(np.abs(pattern) ** 2, axis=1)
    factor = patterns.directivity_factor(weights, a, positions, FREQS, "cylindrical")
    assert_allclose(factor, np.abs(response(weights, a)) ** 2 / mean, rtol=1e-9)


# ---- beamwidth ---------------------------------------------------------------------------


def dirichlet_half_width(n_mics):
    """ψ at which |sin(Mψ/2) / (M sin(ψ/2))|² = 1/2."""
    return brentq(
        lambda psi: np.sin(n_mics * psi / 2) / (n_mics * np.sin(psi / 2)) - np.sqrt(0.5),
        1e-6, 2 * np.pi / n_mics)  # fmt: skip


@pytest.mark.parametrize(("n_mics", "spacing"), [(4, 0.05), (8, 0.05), (40, 0.3), (9, 0.01)])
def test_beamwidth_of_a_uniform_line_at_broadside(n_mics, spacing):
    """2 asin(ψ/kd).  Linear interpolation over 0.25 degrees: h²/8·|P''/P'| is below 1e-4."""
    positions, freqs = line(n_mics, spacing), np.array([3430.0])
    a = plane_wave(positions, np.pi / 2, freqs)
    kd = 2 * np.pi * freqs[0] * spacing / SPEED_OF_SOUND
    width = patterns.beamwidth(delay_and_sum(a), positions, freqs, np.pi / 2)
    assert_allclose(width, 2 * np.arcsin(dirichlet_half_width(n_mics) / kd), rtol=2e-3)


def test_beamwidths_of_first_order_patterns():
    """Hypercardioid: cos θ = (√½ - ¼)/¾, 104.9 degrees over all."""
    freqs = at(0.005, 0.012)
    _, weights = supergain(line(2, 0.012), 0.0, freqs)
    width = patterns.beamwidth(weights, line(2, 0.012), freqs, 0.0)
    assert_allclose(
        np.rad2deg(width), 2 * np.rad2deg(np.arccos((0.5**0.5 - 0.25) / 0.75)), atol=0.01
    )


def test_a_beam_is_measured_on_both_its_sides():
    """A line steered to 30 degrees: |cos θ - cos 30°| = ψ/kd, wider towards endfire."""
    positions, freqs = line(8, 0.05), np.array([3430.0])
    look = np.deg2rad(60)
    a = plane_wave(positions, look, freqs)
    reach = dirichlet_half_width(8) / np.pi
    ends = np.arccos(np.cos(look) - reach), np.arccos(np.cos(look) + reach)
    width = patterns.beamwidth(delay_and_sum(a), positions, freqs, look)
    assert_allclose(width, ends[0] - ends[1], rtol=1e-4)


def test_a_beam_may_reach_round_the_back_to_a_notch():
    """A centre less a ring aligned to 0: |B| = 1 - J0(2kr sin(Δ/2)), Δ from the notch at 0."""
    ring = load_array("circular16-100mm").positions
    positions, freqs = np.vstack([np.zeros(3), ring]), at(2.0, 0.1)
    weights = np.concatenate([np.ones((1, 1)), -plane_wave(positions, 0.0, freqs)[:, 1:] / 16], 1)
    look = np.pi / 3

    def level(apart):
        return 1 - j0(4 * np.sin(apart / 2))

    edge = brentq(lambda apart: level(apart) - level(look) * np.sqrt(0.5), 0.1, look)
    width = patterns.beamwidth(weights, positions, freqs, look)
    assert edge < look - 0.1
    assert_allclose(width, 2 * np.pi - 2 * edge, rtol=1e-4)


def test_a_single_microphone_has_no_beam():
    widths = patterns.beamwidth(np.ones((4, 1)), np.zeros((1, 3)), FREQS, 1.0)
    assert_allclose(widths, 2 * np.pi)


# ---- superdirective weights --------------------------------------------------------------


@pytest.mark.parametrize("loading", [1e-9, 1e-2])
@pytest.mark.parametrize("name", ["linear2-12mm", "circular8-50mm", "uma-16"])
def test_superdirective_keeps_the_look_direction(name, loading):
    positions = load_array(name).positions
    a, weights = supergain(positions, 0.3, FREQS, loading=loading)
    assert_allclose(response(weights, a), 1, atol=1e-10)


@pytest.mark.parametrize("field", ["spherical", "cylindrical"])
def test_superdirective_is_the_most_directive(field):
    """No perturbation that keeps the look direction hears less of the field."""
    positions = load_array("circular4-35mm").positions
    a, weights = supergain(positions, 0.3, FREQS, field)
    best = patterns.directivity_factor(weights, a, positions, FREQS, field)
    assert (best > 1.0).all()
    rng = np.random.default_rng(0)
    for _ in range(20):
        change = complex_normal(rng, *a.shape)
        change -= a * (np.sum(a.conj() * change, axis=1) / 4)[:, None]
        other = weights + 1e-3 * np.linalg.norm(weights, axis=1)[:, None] * change
        assert (patterns.directivity_factor(other, a, positions, FREQS, field) < best).all()


def test_heavy_loading_is_delay_and_sum_and_white_noise_too():
    positions = load_array("linear4-35mm").positions
    a, weights = supergain(positions, 0.3, FREQS, loading=1e9)
    assert_allclose(weights, delay_and_sum(a), atol=1e-8)
    white = superdirective(a, diffuse_coherence(positions, FREQS, "uncorrelated"), 0.0)
    assert_allclose(white, delay_and_sum(a), atol=1e-14)


def test_loading_is_that_of_mvdr():
    positions = load_array("linear4-35mm").positions
    a, weights = supergain(positions, 0.3, FREQS, loading=1e-3)
    coherence = diffuse_coherence(positions, FREQS) + 1e-3 * np.eye(4)
    assert_allclose(weights, mvdr(a, coherence, 0.0), rtol=1e-9)


@pytest.mark.parametrize("least_db", [-20.0, 0.0, 10 * np.log10(4)])
def test_the_white_noise_gain_wanted_is_kept_and_no_more(least_db):
    """Bins that have it keep their weights; the others get just it, and lose directivity."""
    positions = load_array("linear4-35mm").positions
    coherence = diffuse_coherence(positions, FREQS)
    a, free = supergain(positions, 0.0, FREQS, loading=1e-9)
    held = superdirective(a, coherence, 1e-9, least_wng_db=least_db)
    short = patterns.white_noise_gain(free, a) < least_db
    assert short[0]
    gain_db = patterns.white_noise_gain(held, a)
    assert_allclose(gain_db[short], least_db, atol=1e-6)
    assert_allclose(held[~short], free[~short], rtol=1e-9)
    assert_allclose(response(held, a), 1, atol=1e-10)
    lost, had = (patterns.directivity_factor(w, a, positions, FREQS) for w in (held, free))
    assert (lost[short] < had[short]).all()


def test_the_white_noise_gain_is_just_that_wanted_from_a_heavy_loading_on():
    """A tenth of a decibel above what δ = 1/2 gives takes hardly more than δ."""
    positions = load_array("linear4-35mm").positions
    a, free = supergain(positions, 0.0, FREQS[:1], loading=0.5)
    wanted = patterns.white_noise_gain(free, a)[0] + 0.1
    coherence = diffuse_coherence(positions, FREQS[:1])
    held = superdirective(a, coherence, 0.5, least_wng_db=wanted)
    assert_allclose(patterns.white_noise_gain(held, a), wanted, atol=1e-6)


# ---- what is refused ---------------------------------------------------------------------

A = np.ones((4, 3), complex)
LINE = line(3, 0.05)


ALIKE = np.ones((4, 3, 3))
REFUSED = [
    (lambda: patterns.beampattern(A, LINE[:2], FREQS, CIRCLE), ShapeError, r"\(4, 3\), \(2, 3\)"),
    (lambda: patterns.beampattern(A, LINE[:, :2], FREQS, CIRCLE), ShapeError, r"\(M, 3\)"),
    (lambda: patterns.beampattern(A, LINE, FREQS[:3], CIRCLE), ShapeError, r"freqs \(F,\)"),
    (lambda: patterns.beampattern(A, LINE, FREQS, 0.0), ShapeError, r"azimuths .* got \(\)"),
    (lambda: patterns.beampattern(A, LINE, FREQS, CIRCLE, np.zeros(2)), ShapeError, "elevation"),
    (lambda: patterns.white_noise_gain(A, A[:3]), ShapeError, r"share the shape \(F, M\)"),
    (lambda: patterns.white_noise_gain(0 * A, A), NumericalError, "bin 0 have a null"),
    (lambda: patterns.white_noise_gain(np.nan * A, A), NumericalError, "bin 0 have a null"),
    (lambda: patterns.directivity_index(A, A, LINE, FREQS, "cubic"), ConfigError, "'cubic'"),
    (lambda: patterns.beamwidth(0 * A, LINE, FREQS, 0.0), NumericalError, "bin 0 have a null"),
    (lambda: superdirective(A, ALIKE[:, :2]), ShapeError, r"coherence \(F, M, M\)"),
    (lambda: superdirective(A, ALIKE, -1.0), ConfigError, "0 or more; got -1"),
    (lambda: superdirective(A, ALIKE, np.nan), ConfigError, "got nan"),
    (lambda: superdirective(A, ALIKE, 0.0), NumericalError, "bin 0 is singular"),
    (lambda: superdirective(A, ALIKE, least_wng_db=5), ConfigError, "at most 4.77 dB"),
    (lambda: superdirective(A, ALIKE, least_wng_db=np.nan), ConfigError, "got nan"),
]


@pytest.mark.parametrize(("call", "error", "words"), REFUSED, ids=range(len(REFUSED)))
def test_what_does_not_fit_is_said(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_weights_that_hear_nothing_of_the_field_are_refused():
    """wᴴΓw = 0 but for rounding: two microphones at one place, subtracted."""
    weights, a = np.array([[1.0, -1.0]]), np.array([[1.0, 0.5]])
    with pytest.raises(NumericalError, match="bin 0 are too large to compute"):
        patterns.directivity_factor(weights, a, np.zeros((2, 3)), np.array([500.0]))


def test_a_null_is_minus_infinity():
    assert patterns.level_db(np.array([0.0, 10j])).tolist() == [-np.inf, 20.0]
