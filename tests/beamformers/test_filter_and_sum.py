"""Beams of a chosen width, and beamformers as filters in the time domain."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from arrayenh.acoustics.steering import plane_wave
from arrayenh.beamformers.delay_and_sum import delay_and_sum
from arrayenh.beamformers.directivity import beampattern, beamwidth, white_noise_gain
from arrayenh.beamformers.filter_and_sum import (
    beam_of_width,
    constrained,
    filter_and_sum,
    fir_filters,
    wanted_response,
)
from arrayenh.beamformers.weights import apply
from arrayenh.errors import ConfigError, ShapeError
from arrayenh.microphones.geometry import load_array
from arrayenh.stft import Stft
from tests.signals import (
    RATE,
    arrivals,
    band_limited,
    complex_normal,
    delayed,
    level_db,
    random_covariances,
)

FREQS = np.array([250.0, 500, 1000, 2000, 4000, 7900])
OCTAVES = np.array([500.0, 1000, 2000])


@pytest.mark.parametrize("name", ["circular8-50mm", "linear4-35mm", "tetrahedral4-40mm"])
@pytest.mark.parametrize("azimuth, elevation, reference", [(0.3, 0.0, 0), (-2.0, 0.4, 2)])
def test_the_look_direction_is_kept_as_the_reference_hears_it(name, azimuth, elevation, reference):
    positions = load_array(name).positions
    weights = beam_of_width(
        positions, azimuth, FREQS, elevation=elevation, reference=reference, speed_of_sound=330.0
    )
    a = plane_wave(positions, azimuth, FREQS, elevation, reference=reference, speed_of_sound=330.0)
    assert_allclose(np.sum(weights.conj() * a, axis=1), 1, atol=1e-12)


@pytest.mark.parametrize("least_wng_db", [-20.0, -10.0, 0.0, 6.0, 10 * np.log10(8)])
def test_the_white_noise_gain_is_no_less_than_its_least(least_wng_db):
    positions = load_array("circular8-50mm").positions
    weights = beam_of_width(positions, 0.3, FREQS, least_wng_db=least_wng_db)
    gain_db = white_noise_gain(weights, plane_wave(positions, 0.3, FREQS))
    assert (gain_db >= least_wng_db - 1e-8).all()
    if least_wng_db > 9:  # all there is: delay-and-sum
        wanted = delay_and_sum(plane_wave(positions, 0.3, FREQS))
        assert_allclose(weights, wanted, atol=1e-4)


@pytest.mark.parametrize(
    "name, width_deg, azimuth",
    [("circular12-50mm", 90, 0.3), ("circular16-100mm", 60, 0.3), ("circular16-100mm", 60, 1.57)],
)
def test_the_beam_is_as_wide_over_octaves_where_delay_and_sum_is_not(name, width_deg, azimuth):
    """Two octaves below the wavelength of the array's spacing: as wanted to 7 %, and
    delay-and-sum four times as wide at the bottom as at the top."""
    positions = load_array(name).positions
    weights = beam_of_width(positions, azimuth, OCTAVES, np.deg2rad(width_deg))
    widths = np.rad2deg(beamwidth(weights, positions, OCTAVES, azimuth))
    assert_allclose(widths, width_deg, rtol=0.07)
    plain = delay_and_sum(plane_wave(positions, azimuth, OCTAVES))
    usual = beamwidth(plain, positions, OCTAVES, azimuth)
    assert usual[0] > 4 * usual[2]


def test_the_beam_follows_the_wanted_response_all_around():
    """Away from the look direction, too: it is nearer to it than delay-and-sum is, by far."""
    positions = load_array("circular16-100mm").positions
    angles = np.linspace(-np.pi, np.pi, 200)
    wanted = wanted_response(angles - 0.3, np.deg2rad(60))
    weights = beam_of_width(positions, 0.3, OCTAVES, np.deg2rad(60), least_wng_db=-15)
    plain = delay_and_sum(plane_wave(positions, 0.3, OCTAVES))
    errors = [
        np.sqrt(np.mean(np.abs(beampattern(w, positions, OCTAVES, angles) - wanted) ** 2, axis=1))
        for w in (weights, plain)
    ]
    assert (errors[0] < 0.12).all() and (errors[0] < errors[1] / 2).all()


def test_the_beam_is_the_nearest_that_keeps_the_look_direction():
    """Lagrange: the gradient (R + νI) w - c of the squared error lies along a, and wᴴa = 1."""
    rng = np.random.default_rng(4)
    gram, cross, look = random_covariances(rng, 6, 4), *complex_normal(rng, 2, 6, 4)
    share = np.geomspace(1e-6, 10, 6)
    w = constrained(gram, cross, look, share)
    assert_allclose(np.sum(w.conj() * look, axis=1), 1, atol=1e-12)
    gradient = (gram @ w[:, :, None])[:, :, 0] + share[:, None] * w - cross
    along = np.sum(look.conj() * gradient, axis=1) / np.sum(np.abs(look) ** 2, axis=1)
    assert_allclose(gradient, along[:, None] * look, atol=1e-10)


def test_the_wanted_response_has_half_its_power_at_the_edges():
    width = np.deg2rad(80)
    edges = wanted_response(np.array([-width / 2, width / 2, 2 * np.pi - width / 2]), width)
    assert_allclose(edges**2, 0.5, rtol=1e-12)
    assert_allclose(wanted_response(np.array([0.0, np.pi]), width), [1, 0], atol=1e-15)


def test_beams_that_cannot_be_are_refused():
    positions = load_array("linear4-35mm").positions
    for width in (0.0, 3.2, np.nan):
        with pytest.raises(ConfigError, match="width must be above 0 and at most π"):
            beam_of_width(positions, 0.0, FREQS, width)
    with pytest.raises(ConfigError, match=r"least_wng_db must be at most 6\.02 dB; got 6\.1"):
        beam_of_width(positions, 0.0, FREQS, least_wng_db=6.1)


# ---- in the time domain ------------------------------------------------------------------


def test_filters_in_time_are_the_weights_in_frequency():
    """All frames overlap by three quarters; the weights' own delays, 0.2 ms, reach past the
    frame's edges where the window is small: 50 dB below the output."""
    positions, rng = load_array("circular8-50mm").positions, np.random.default_rng(1)
    x = np.array([band_limited(rng, 2 * RATE, 200, 7000) for _ in positions])
    stft = Stft(2048, 512, "hann")
    weights = delay_and_sum(plane_wave(positions, 0.8, stft.freqs(RATE)))
    in_spectra = stft.synthesise(apply(weights, stft.analyse(x)), x.shape[1])
    in_samples = filter_and_sum(x, fir_filters(weights))
    inside = slice(2048, -2048)
    assert level_db((in_spectra - in_samples)[inside]) - level_db(in_samples) < -50


@pytest.mark.parametrize("n_taps", [None, 128])
def test_the_talker_comes_out_in_time_with_the_reference(n_taps):
    """Their delay of n_taps / 2 is taken off; windowed filters differ at the band's edges."""
    positions, rng = load_array("circular8-50mm").positions, np.random.default_rng(2)
    tau = arrivals(positions, 0.8, reference=3)
    x = delayed(band_limited(rng, RATE, 500, 7000), tau)
    freqs = np.fft.rfftfreq(512, 1 / RATE)
    beam = beam_of_width(positions, 0.8, freqs, reference=3, least_wng_db=0.0)
    plain = delay_and_sum(plane_wave(positions, 0.8, freqs, reference=3))
    inside = slice(512, -512)
    for weights, least_db in ((plain, -50), (beam, -30)):
        y = filter_and_sum(x, fir_filters(weights, n_taps))
        assert y.shape == (RATE,) and y.dtype == np.float32
        assert level_db((y - x[3])[inside]) - level_db(x[3]) < least_db


def test_filtering_is_the_sum_written_out():
    """y(n) = Σ_m Σ_k h_m(k) x_m(n + K/2 - k), silence before and after."""
    rng = np.random.default_rng(3)
    x, h = rng.standard_normal((3, 40)), rng.standard_normal((3, 8))
    wanted = np.zeros(40)
    for n in range(40):
        for m in range(3):
            for k in range(8):
                if 0 <= n + 4 - k < 40:
                    wanted[n] += h[m, k] * x[m, n + 4 - k]
    assert_allclose(filter_and_sum(x, h), wanted, atol=1e-5)


def test_filters_of_a_pure_delay_are_a_pulse():
    """w* = exp(-j 2π f τ) with τ of three samples later: a pulse at n_taps / 2 + 3."""
    freqs = np.fft.rfftfreq(64)
    later = np.exp(2j * np.pi * freqs * 3)[:, None]  # w, whose conjugate delays
    for n_taps in (64, 16):
        (filters,) = fir_filters(later, n_taps)
        wanted = np.zeros(n_taps)
        wanted[n_taps // 2 + 3] = 1 if n_taps == 64 else np.cos(np.pi * 3 / 16) ** 2
        assert_allclose(filters, wanted, atol=1e-12)


def test_lengths_that_do_not_fit_are_refused():
    weights = np.ones((33, 2))
    for n_taps in (0, 7, 66):
        with pytest.raises(ConfigError, match=f"even and 2 to 64; got {n_taps}"):
            fir_filters(weights, n_taps)
    with pytest.raises(ShapeError, match=r"share M; got \(3, 100\), \(2, 64\)"):
        filter_and_sum(np.zeros((3, 100)), fir_filters(weights))
