import numpy as np
import pyroomacoustics
import pytest
from numpy.testing import assert_allclose

from arrayenh.acoustics.steering import direction, plane_wave
from arrayenh.errors import ConfigError, GeometryError, ShapeError
from arrayenh.localisation.directions import METHODS, find_directions
from arrayenh.localisation.gcc_phat import gcc_phat
from arrayenh.localisation.grid import DirectionGrid, angle_between
from arrayenh.localisation.music import count_sources, music
from arrayenh.localisation.srp_phat import Pairs, in_band, localise, srp_phat
from arrayenh.microphones.geometry import load_array
from arrayenh.microphones.mic_array import rotation
from arrayenh.microphones.presets import linear
from arrayenh.statistics.covariance import spatial_covariance
from arrayenh.stft import Stft
from tests.signals import (
    RATE,
    arrivals,
    band_limited,
    complex_normal,
    delayed,
    diffuse_noise,
    voice,
)

STFT = Stft(512, 256, "hann")
FREQS = STFT.freqs(RATE)


def wave_from(array, azimuth_deg, seed=0, snr_db=30.0, start=0, n_samples=RATE // 2):
    """Spectrum of a voice in the open, with sensor noise, (F, M, T)."""
    rng, positions = np.random.default_rng(seed), load_array(array).positions
    x = delayed(voice(rng, n_samples, start), arrivals(positions, np.deg2rad(azimuth_deg)))
    x += 10 ** (-snr_db / 20) * rng.standard_normal(x.shape)
    return STFT.analyse(x.astype(np.float32))


def found_deg(array, spec, mask=None):
    return np.rad2deg(localise(spec, load_array(array).positions, FREQS, mask))


def apart(a_deg, b_deg):
    """Angle between two azimuths, degrees."""
    return abs((a_deg - b_deg + 180) % 360 - 180)


@pytest.mark.parametrize("array", ["circular4-35mm", "circular6-46mm", "circular8-50mm"])
def test_a_plane_wave_is_found_all_around_within_two_degrees(array):
    for azimuth_deg in np.arange(-180, 180, 11.3):
        found = found_deg(array, wave_from(array, azimuth_deg))
        assert apart(found, azimuth_deg) < 2, azimuth_deg


@pytest.mark.parametrize("azimuth_deg", [20, 45, 70, 90, 110, 135, 160])
@pytest.mark.parametrize("side", [1, -1])
def test_a_line_along_x_cannot_tell_left_from_right_and_says_left(azimuth_deg, side):
    spec = wave_from("linear4-35mm", side * azimuth_deg)
    assert apart(found_deg("linear4-35mm", spec), azimuth_deg) < 2
    azimuth, power = srp_phat(spec, load_array("linear4-35mm").positions, FREQS)
    at = {round(np.rad2deg(a)): p for a, p in zip(azimuth, power, strict=True)}
    assert at[azimuth_deg] == pytest.approx(at[-azimuth_deg], rel=1e-9)


@pytest.mark.parametrize("azimuth_deg", [0, 180])
def test_endfire_is_found_though_the_cosine_is_flat_there(azimuth_deg):
    found = found_deg("linear8-35mm", wave_from("linear8-35mm", azimuth_deg))
    assert apart(found, azimuth_deg) < 8


def test_power_is_one_where_all_pairs_agree_in_every_bin_and_nowhere_more():
    rng = np.random.default_rng(1)
    positions = load_array("circular6-46mm").positions
    source = complex_normal(rng, len(FREQS), 1, 20)
    a = plane_wave(positions, np.deg2rad(37), FREQS)
    spec = (a[:, :, None] * source).astype(np.complex64)
    azimuth, power = srp_phat(spec, positions, FREQS)
    best = power.argmax()
    assert np.rad2deg(azimuth[best]) == pytest.approx(37)
    assert power[best] == pytest.approx(1, abs=1e-6)
    weighted = srp_phat(spec, positions, FREQS, rng.random((len(FREQS), 20)))[1]
    assert weighted.max() == pytest.approx(1, abs=1e-6)
    noise = complex_normal(rng, len(FREQS), 6, 200, dtype=np.complex64)
    assert np.abs(srp_phat(noise, positions, FREQS)[1]).max() < 0.05


def test_power_is_the_sum_over_pairs_of_the_formula():
    """Σ_{f, m<n} Re{R_mn exp(+j2πf(τ_m - τ_n))}, one term after the other, at 5 angles."""
    rng = np.random.default_rng(2)
    positions = load_array("circular4-35mm").positions
    freqs = np.array([100.0, 500.0, 1500.0, 4000.0, 7000.0])  # the ends lie off the band
    spec = complex_normal(rng, 5, 4, 7, dtype=np.complex64)
    mask = rng.random((5, 7))
    azimuth, power = srp_phat(spec, positions, freqs, mask)
    for k in range(0, 360, 77):
        tau = arrivals(positions, azimuth[k])
        total = weight = 0.0
        for f in (1, 2, 3):
            for t in range(7):
                x = spec[f, :, t].astype(np.complex128)
                for m in range(4):
                    for n in range(m):
                        turn = np.exp(2j * np.pi * freqs[f] * (tau[m] - tau[n]))
                        cross = x[m] * x[n].conj()
                        total += mask[f, t] * (cross / abs(cross) * turn).real
                        weight += mask[f, t]
        assert power[k] == pytest.approx(total / weight, abs=1e-6)


def test_the_mask_picks_the_talker_of_two():
    """Two voices one after the other; the louder one by 12 dB is masked out."""
    array = "circular6-46mm"
    wanted = wave_from(array, 40, seed=3, n_samples=RATE)
    other = 4 * wave_from(array, -100, seed=4, start=RATE // 2, n_samples=RATE)
    spec = wanted + other
    spec[:, :, 30:] = other[:, :, 30:]
    mask = np.zeros((len(FREQS), spec.shape[2]), np.float32)
    mask[:, :28] = 1
    assert apart(found_deg(array, spec, mask), 40) < 2
    assert apart(found_deg(array, spec, 1 - mask), -100) < 2


def test_loudness_does_not_count_phase_does():
    """A bin 60 dB louder from elsewhere is one bin."""
    array = "circular6-46mm"
    spec = wave_from(array, 40)
    spec[100] = 1000 * wave_from(array, -100)[100]
    assert apart(found_deg(array, spec), 40) < 2


@pytest.mark.parametrize("level", [2.0**-60, 2.0**60])
def test_the_level_of_the_recording_does_not_matter(level):
    positions = load_array("circular6-46mm").positions
    spec = wave_from("circular6-46mm", 40)
    power = srp_phat(spec, positions, FREQS)[1]
    assert_allclose(srp_phat(spec * np.float32(level), positions, FREQS)[1], power, atol=1e-6)


def test_faster_sound_is_a_smaller_array():
    """Spectra heard at 331 m/s are those of an array 343/331 as large at 343 m/s."""
    positions = load_array("circular6-46mm").positions
    a = plane_wave(positions, np.deg2rad(25), FREQS, speed_of_sound=331.0)
    spec = np.repeat(a[:, :, None], 5, axis=2).astype(np.complex64)
    power = srp_phat(spec, positions, FREQS, speed_of_sound=331.0)[1]
    assert power.max() == pytest.approx(1, abs=1e-6)
    assert srp_phat(spec, positions, FREQS)[1].max() < 0.9995


@pytest.mark.parametrize("n_mics", [1, 4])
def test_silence_comes_from_nowhere_and_is_no_error(n_mics):
    positions = load_array("linear4-35mm").positions[:n_mics]
    spec = np.zeros((len(FREQS), n_mics, 10), np.complex64)
    for mask in (None, np.zeros((len(FREQS), 10))):
        assert not srp_phat(spec, positions, FREQS, mask)[1].any()
        assert np.isfinite(localise(spec, positions, FREQS, mask))


def test_silent_bins_and_one_silent_microphone_do_not_hurt():
    spec = wave_from("circular6-46mm", 40)
    spec[::3] = 0
    spec[:, 2] = 0
    assert apart(found_deg("circular6-46mm", spec), 40) < 2


def test_bins_too_small_for_a_float_do_not_hurt():
    """A fade-out leaves spectra below 1.2e-38, that have hardly a phase."""
    spec = wave_from("circular6-46mm", 40)
    spec[:, :, 20:] *= np.float32(1e-41)
    assert apart(found_deg("circular6-46mm", spec), 40) < 2


def test_azimuths_are_a_full_circle_from_minus_pi():
    azimuth, _ = srp_phat(np.zeros((257, 2, 1), np.complex64), np.eye(2, 3), FREQS)
    assert_allclose(np.rad2deg(azimuth), np.arange(-180, 180), atol=1e-12)
    assert -np.pi <= azimuth[0] and azimuth[-1] < np.pi


def test_shapes_that_do_not_fit_are_refused():
    spec, positions = np.zeros((257, 4, 3), np.complex64), np.zeros((4, 3))
    for wrong in (
        (spec[:, :3], positions, FREQS),
        (spec, positions[:, :2], FREQS),
        (spec, positions, FREQS[1:]),
        (spec[:, 0], positions, FREQS),
    ):
        with pytest.raises(ShapeError, match="must agree"):
            srp_phat(*wrong)


def test_a_mask_of_other_frames_is_refused():
    """As the docstring says: ShapeError if T differs."""
    spec, positions = np.zeros((257, 4, 3), np.complex64), load_array("linear4-35mm").positions
    for shape in ((257, 4), (256, 3)):
        with pytest.raises(ShapeError, match="mask"):
            srp_phat(spec, positions, FREQS, np.ones(shape))


# ---- delays of a pair --------------------------------------------------------------------


def noise_pair(delay, n_samples=8000, snr_db=40.0, seed=0):
    """Spectra of a sound at two microphones, `delay` samples later at the first."""
    rng = np.random.default_rng(seed)
    x = delayed(band_limited(rng, n_samples), np.array([delay, 0.0]) / RATE)
    x += 10 ** (-snr_db / 20) * rng.standard_normal(x.shape)
    spec = STFT.analyse(x.astype(np.float32))
    return spec[:, 0], spec[:, 1]


@pytest.mark.parametrize("delay", [-7.31, -0.5, -0.03, 0.0, 0.27, 0.77, 4.0, 12.46])
def test_a_fractional_delay_is_found_to_a_twentieth_of_a_sample(delay):
    found, _, _ = gcc_phat(*noise_pair(delay), RATE)
    assert found * RATE == pytest.approx(delay, abs=0.05)


def test_the_parabola_finds_what_lies_between_the_lags():
    """The lags are 1/16 sample apart: without it the error were up to 1/32."""
    for delay in np.arange(0, 1, 0.09):
        found = gcc_phat(*noise_pair(delay, snr_db=80), RATE)[0] * RATE
        assert found == pytest.approx(delay, abs=0.012)


def test_pairs_of_one_baseline_are_counted_as_one_whatever_their_order():
    positions = load_array("linear8-35mm").positions
    for order in (range(8), [3, 7, 0, 5, 1, 6, 2, 4]):
        pairs = Pairs.of(positions[list(order)])
        assert len(pairs.first) == 28 and len(pairs.vectors) == 7
        here = positions[list(order)]
        assert_allclose(
            here[pairs.first] - here[pairs.second], pairs.vectors[pairs.baseline], atol=1e-12
        )
    assert len(Pairs.of(load_array("circular6-46mm").positions).vectors) == 9


def test_the_correlation_is_the_sum_of_the_formula():
    """Σ_f Re{R(f) exp(j2πfτ)} / Σγ, bin by bin and lag by lag."""
    rng = np.random.default_rng(5)
    n_fft, rate = 32, 8000
    a, b = complex_normal(rng, 2, n_fft // 2 + 1, 6)
    mask = rng.random(a.shape)
    delay, lags, r = gcc_phat(a, b, rate, mask)
    assert_allclose(np.diff(lags), 1 / (16 * rate), rtol=1e-9)
    assert lags[0] == -lags[-1]
    weight = mask[1:-1].sum()
    for k in range(0, len(lags), 37):
        total = 0.0
        for f in range(1, n_fft // 2):
            turn = np.exp(2j * np.pi * f * rate / n_fft * lags[k])
            for t in range(6):
                product = a[f, t] * b[f, t].conj()
                total += mask[f, t] * (product / abs(product) * turn).real
        assert r[k] == pytest.approx(total / weight, abs=1e-6)
    assert abs(delay - lags[r.argmax()]) <= 0.5 / (16 * rate)


def test_one_delayed_sound_correlates_to_one_and_noise_does_not():
    a, b = noise_pair(0.0, snr_db=200)
    assert gcc_phat(a, b, RATE)[2].max() == pytest.approx(1, abs=0.02)
    rng = np.random.default_rng(0)
    a, b = complex_normal(rng, 2, 257, 100, dtype=np.complex64)
    assert gcc_phat(a, b, RATE)[2].max() < 0.05


def test_lags_beyond_the_most_are_left_out():
    a, b = noise_pair(4.0)
    found, lags, _ = gcc_phat(a, b, RATE, most_delay=3 / RATE)
    assert lags[-1] == pytest.approx(3 / RATE) and found <= 3.04 / RATE
    assert gcc_phat(a, b, RATE, most_delay=5 / RATE)[0] * RATE == pytest.approx(4, abs=0.05)


def test_silence_has_no_delay_and_shapes_must_agree():
    zero = np.zeros((257, 4), np.complex64)
    delay, _, correlation = gcc_phat(zero, zero, RATE)
    assert delay == 0 and not correlation.any()
    with pytest.raises(ShapeError, match="one shape"):
        gcc_phat(zero, zero[:, 1:], RATE)
    with pytest.raises(ShapeError, match="mask"):
        gcc_phat(zero, zero, RATE, np.ones((257, 3)))


# ---- parity with pyroomacoustics ---------------------------------------------------------


def two_waves(array, where, seed=0, snr_db=30.0, n_samples=RATE, pitches=(120.0, 190.0)):
    """Spectrum of voices that speak at once, from (azimuth, elevation) in degrees."""
    rng, positions = np.random.default_rng(seed), load_array(array).positions
    x = np.zeros((len(positions), n_samples))
    for (azimuth_deg, elevation_deg), pitch in zip(where, pitches, strict=False):
        tau = arrivals(positions, np.deg2rad(azimuth_deg), np.deg2rad(elevation_deg))
        x += delayed(voice(rng, n_samples, pitch=pitch), tau)
    x += 10 ** (-snr_db / 20) * rng.standard_normal(x.shape)
    return STFT.analyse(x.astype(np.float32))


def theirs(method, array, spec, bins, dim=2, n_sources=1):
    """Their spectrum over their grid: values, azimuths, elevations."""
    sphere = {"n_grid": 400} if dim == 3 else {}
    positions = load_array(array).positions.T
    doa = getattr(pyroomacoustics.doa, method)(
        positions, RATE, 512, num_src=n_sources, dim=dim, **sphere
    )
    double = spec.transpose(1, 0, 2).astype(np.complex128)  # as ours: in single they lose digits
    doa.locate_sources(double, num_src=n_sources, freq_bins=bins)
    colatitude = doa.grid.colatitude if dim == 3 else np.pi / 2
    return doa.grid.values, doa.grid.azimuth, np.pi / 2 - colatitude + 0 * doa.grid.azimuth


@pytest.mark.parametrize("array", ["linear4-35mm", "circular6-46mm", "tetrahedral4-40mm"])
@pytest.mark.parametrize("dim", [2, 3])
def test_srp_phat_is_that_of_pyroomacoustics(array, dim):
    """Theirs counts the diagonal, and each pair once: P M(M-1) + M over M(M-1)/2."""
    spec = two_waves(array, [(40, 10), (-110, 0)])
    bins = np.arange(len(FREQS))[in_band(FREQS)]
    values, azimuth, elevation = theirs("SRP", array, spec, bins, dim)
    power = srp_phat(spec, load_array(array).positions, FREQS, azimuth=azimuth, elevation=elevation)
    n_mics = spec.shape[1]
    assert_allclose(2 * power[1] + 2 / (n_mics - 1), values, atol=1e-4)
    assert np.ptp(values) > 0.1


@pytest.mark.parametrize("method, normalise", [("MUSIC", False), ("NormMUSIC", True)])
@pytest.mark.parametrize("array", ["linear4-35mm", "circular6-46mm"])
@pytest.mark.parametrize("dim, n_sources", [(2, 1), (2, 2), (3, 2)])
def test_music_is_that_of_pyroomacoustics(method, normalise, array, dim, n_sources):
    spec, positions = two_waves(array, [(40, 10), (110, 0)]), load_array(array).positions
    bins = np.arange(10, 150)
    values, azimuth, elevation = theirs(method, array, spec, bins, dim, n_sources)
    cov = spatial_covariance(spec[bins])
    u = direction(azimuth, elevation)
    power = music(cov, positions, FREQS[bins], u, n_sources, normalise=normalise)
    assert_allclose(power, values, rtol=1e-4)


# ---- one talker, several talkers ---------------------------------------------------------


def degrees(found):
    return [(np.rad2deg(d.azimuth), np.rad2deg(d.elevation)) for d in found]


@pytest.mark.parametrize(
    "method, snr_db",
    [(m, snr) for m in METHODS for snr in (10, 20, 30) if (m, snr) != ("music", 10)],
)  # a few noisy bins decide the plain mean of MUSIC
@pytest.mark.parametrize("array", ["circular4-35mm", "circular8-50mm", "square4-46mm"])
def test_azimuth_within_two_degrees_in_the_open(array, snr_db, method):
    for seed, azimuth_deg in enumerate((-163.4, -71.7, 12.3, 98.8)):
        spec = wave_from(array, azimuth_deg, seed, snr_db, n_samples=2 * RATE)
        (found,) = degrees(
            find_directions(spec, load_array(array).positions, FREQS, method=method, n_talkers=1)
        )
        assert apart(found[0], azimuth_deg) < 2, azimuth_deg


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("azimuth_deg, elevation_deg", [(20, 35), (-140, -50), (95, 5), (0, 88)])
def test_a_tetrahedron_hears_azimuth_and_elevation(azimuth_deg, elevation_deg, method):
    spec = two_waves("tetrahedral4-40mm", [(azimuth_deg, elevation_deg)])
    positions = load_array("tetrahedral4-40mm").positions
    (found,) = find_directions(spec, positions, FREQS, method=method, n_talkers=1)
    wanted = direction(np.deg2rad(azimuth_deg), np.deg2rad(elevation_deg))
    error = angle_between(direction(found.azimuth, found.elevation), wanted)
    assert np.rad2deg(error) < 2


@pytest.mark.parametrize("method", ["music", "norm-music"])
@pytest.mark.parametrize("n_talkers", [2, None])
@pytest.mark.parametrize("pair", [(30, 110), (-170, -60), (60, 105)])
def test_two_at_once_are_told_apart_within_two_degrees(method, n_talkers, pair):
    positions = load_array("circular8-50mm").positions
    spec = two_waves("circular8-50mm", [(azimuth, 0) for azimuth in pair])
    found = degrees(find_directions(spec, positions, FREQS, method=method, n_talkers=n_talkers))
    assert len(found) == 2
    for azimuth_deg in pair:
        assert min(apart(azimuth, azimuth_deg) for azimuth, _ in found) < 2


def test_one_talker_is_counted_as_one():
    for method in METHODS:
        for array in ("linear4-35mm", "circular6-46mm", "tetrahedral4-40mm"):
            spec = two_waves(array, [(70, 0)], seed=3)
            found = find_directions(spec, load_array(array).positions, FREQS, method=method)
            assert len(found) == 1, (method, array)


def test_no_two_directions_are_closer_than_asked():
    spec, positions = two_waves("circular8-50mm", [(30, 0), (70, 0)]), np.eye(3) / 10
    positions = load_array("circular8-50mm").positions
    close = find_directions(
        spec, positions, FREQS, method="norm-music", n_talkers=2, least_separation_deg=30
    )
    far = find_directions(
        spec, positions, FREQS, method="norm-music", n_talkers=2, least_separation_deg=50
    )
    assert sorted(round(a / 10) for a, _ in degrees(close)) == [3, 7]
    assert all(apart(a, 30) > 49 or apart(a, 70) > 49 for a, _ in degrees(far)[1:])


def test_sources_are_counted_by_description_length():
    rng, positions = np.random.default_rng(8), load_array("circular6-46mm").positions
    freqs = np.linspace(2000, 5000, 40)
    for n_sources in range(4):
        x = 0.1 * complex_normal(rng, 40, 6, 200)
        for k in range(n_sources):
            a = plane_wave(positions, 2 * np.pi * k / 3 + 0.3, freqs)
            x += a[:, :, None] * complex_normal(rng, 40, 1, 200)
        assert count_sources(spatial_covariance(x), 200) == n_sources
    assert count_sources(np.zeros((3, 4, 4)), 10) == 0


@pytest.mark.parametrize("method", METHODS)
def test_a_turned_array_hears_turned_directions(method):
    positions = load_array("tetrahedral4-40mm").positions
    spec = two_waves("tetrahedral4-40mm", [(20, 10)])
    (before,) = find_directions(spec, positions, FREQS, method=method, n_talkers=1)
    turn = rotation(np.deg2rad(73.0), np.deg2rad(-31.0))
    (after,) = find_directions(spec, positions @ turn.T, FREQS, method=method, n_talkers=1)
    wanted = turn @ direction(before.azimuth, before.elevation)
    assert np.rad2deg(angle_between(direction(after.azimuth, after.elevation), wanted)) < 1


def test_confidence_is_one_for_a_plane_wave_and_near_none_for_noise():
    rng, positions = np.random.default_rng(1), load_array("circular6-46mm").positions
    wave = plane_wave(positions, 0.5, FREQS)[:, :, None] * complex_normal(rng, 257, 1, 20)
    (sure,) = find_directions(wave.astype(np.complex64), positions, FREQS, n_talkers=1)
    assert sure.confidence == pytest.approx(1, abs=0.01)
    noise = STFT.analyse(diffuse_noise(rng, positions, RATE).astype(np.float32))
    (unsure,) = find_directions(noise, positions, FREQS, n_talkers=1)
    assert unsure.confidence < 0.1


# ---- what an array can tell --------------------------------------------------------------


def test_a_line_gives_the_left_side_and_no_elevation():
    for azimuth_deg in (-130, 130):
        spec = wave_from("linear4-35mm", azimuth_deg)
        (found,) = find_directions(spec, load_array("linear4-35mm").positions, FREQS, n_talkers=1)
        assert np.rad2deg(found.azimuth) == pytest.approx(130, abs=2)
        assert np.isnan(found.elevation)


def test_talkers_on_one_cone_of_a_line_sound_the_same():
    """cos 48.2 = cos 40 cos 29.5: the angle to the line is all there is."""
    positions = load_array("linear4-35mm").positions
    spec = two_waves("linear4-35mm", [(40, 29.51)])
    (found,) = find_directions(spec, positions, FREQS, n_talkers=1)
    cone = np.arccos(np.cos(np.deg2rad(40)) * np.cos(np.deg2rad(29.51)))
    assert found.azimuth == pytest.approx(cone, abs=np.deg2rad(2))


def test_an_upright_line_hears_elevation_only():
    positions = linear(4, 0.035)[:, [1, 2, 0]]
    tau = arrivals(positions, 2.0, np.deg2rad(25))
    rng = np.random.default_rng(0)
    spec = STFT.analyse(delayed(voice(rng, RATE), tau).astype(np.float32))
    (found,) = find_directions(spec, positions, FREQS, n_talkers=1)
    assert np.isnan(found.azimuth)
    assert np.rad2deg(found.elevation) == pytest.approx(25, abs=2)


@pytest.mark.parametrize("elevation_deg", [50, -50])
def test_a_level_plane_says_up(elevation_deg):
    positions = load_array("circular6-46mm").positions
    spec = two_waves("circular6-46mm", [(-60, elevation_deg)])
    (found,) = degrees(find_directions(spec, positions, FREQS, n_talkers=1))
    assert apart(found[0], -60) < 2
    assert found[1] == pytest.approx(50, abs=3)


@pytest.mark.parametrize(
    "array, kind", [("linear4-35mm", "line"), ("square4-46mm", "plane"), ("binaural4-bte", "plane"),
                    ("tetrahedral4-40mm", "space")],
)  # fmt: skip
def test_grids_cover_all_that_an_array_can_tell_apart(array, kind):
    grid = DirectionGrid.of(load_array(array).positions)
    assert grid.kind == kind and grid.words
    rng = np.random.default_rng(0)
    u = rng.standard_normal((200, 3))
    folded = grid.fold(u)
    assert_allclose(np.linalg.norm(folded, axis=1), 1, atol=1e-12)
    nearest = angle_between(folded[:, None], grid.vectors).min(axis=1)
    assert nearest.max() < grid.step
    positions = load_array(array).positions - load_array(array).positions[0]
    if kind != "line":  # a line keeps the angle to it only for directions of its plane
        u /= np.linalg.norm(u, axis=1, keepdims=True)
    else:
        u[:, 2] = 0
        u /= np.linalg.norm(u, axis=1, keepdims=True)
        folded = grid.fold(u)
    assert_allclose(folded @ positions.T, u @ positions.T, atol=1e-12)  # the same delays


def test_the_refined_peak_is_finer_than_the_grid():
    grid = DirectionGrid.of(load_array("tetrahedral4-40mm").positions)
    rng = np.random.default_rng(0)
    for wanted in grid.fold(rng.standard_normal((20, 3))):
        start = grid.vectors[np.argmax(grid.vectors @ wanted)]
        found = grid.refine(lambda u, wanted=wanted: u @ wanted, start)
        assert angle_between(found, wanted) < grid.step / 8


# ---- what cannot be ----------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_odd_inputs_stay_finite(method):
    rng = np.random.default_rng(0)
    sixteen = load_array("circular16-100mm").positions
    two_frames = complex_normal(rng, 257, 16, 2, dtype=np.complex64)
    alike = np.repeat(complex_normal(rng, 257, 1, 9, dtype=np.complex64), 16, axis=1)
    broken = two_frames.copy()
    broken[:, 3] = 0
    for spec in (two_frames, alike, broken):
        found = find_directions(spec, sixteen, FREQS, method=method)
        assert found and np.isfinite(found).all()
    silence = np.zeros((257, 16, 5), np.complex64)
    assert find_directions(silence, sixteen, FREQS, method=method) == []
    assert find_directions(silence[:, :, :0], sixteen, FREQS, method=method) == []


def test_requests_that_cannot_be_are_refused():
    positions, spec = load_array("linear4-35mm").positions, np.ones((257, 4, 3), np.complex64)
    with pytest.raises(ConfigError, match="method"):
        find_directions(spec, positions, FREQS, method="esprit")
    with pytest.raises(ConfigError, match="at least 1"):
        find_directions(spec, positions, FREQS, n_talkers=0)
    with pytest.raises(ConfigError, match="at most 3"):
        find_directions(spec, positions, FREQS, method="music", n_talkers=4)
    with pytest.raises(ConfigError, match="step"):
        find_directions(spec, positions, FREQS, step_deg=-1)
    with pytest.raises(GeometryError, match="two microphones"):
        find_directions(spec[:, :1], positions[:1], FREQS)
    cov = np.ones((257, 4, 4))
    with pytest.raises(ConfigError, match="1 to 3 sources"):
        music(cov, positions, FREQS, np.eye(3), 4)
    with pytest.raises(ShapeError, match="must agree"):
        music(cov[:, :3], positions, FREQS, np.eye(3))
