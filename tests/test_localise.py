import numpy as np
import pytest
from numpy.testing import assert_allclose

from arrayenh.errors import ShapeError
from arrayenh.geometry import load_array
from arrayenh.spatial.localise import localise, srp_phat
from arrayenh.spatial.steering import plane_wave
from arrayenh.stft import Stft
from tests.signals import RATE, arrivals, complex_normal, delayed, voice

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
