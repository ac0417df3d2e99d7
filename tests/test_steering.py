import numpy as np
import pytest
from numpy.testing import assert_allclose

from arrayenh.errors import ShapeError
from arrayenh.geometry import load_array
from arrayenh.spatial.steering import delays, direction, plane_wave
from arrayenh.stft import Stft
from tests.signals import RATE, arrivals, band_limited, delayed

RNG = np.random.default_rng(0)
SCATTERED = RNG.uniform(-0.1, 0.1, (6, 3))
FREQS = np.linspace(0, 8000, 33)


@pytest.mark.parametrize(
    "azimuth_deg, elevation_deg, towards",
    [
        (0, 0, [1, 0, 0]),
        (90, 0, [0, 1, 0]),
        (180, 0, [-1, 0, 0]),
        (-90, 0, [0, -1, 0]),
        (37, 90, [0, 0, 1]),
        (45, 45, [0.5, 0.5, np.sqrt(0.5)]),
    ],
)
def test_azimuth_turns_from_forward_to_left_and_elevation_up(azimuth_deg, elevation_deg, towards):
    found = direction(np.deg2rad(azimuth_deg), np.deg2rad(elevation_deg))
    assert_allclose(found, towards, atol=1e-15)


def test_endfire_wave_reaches_the_far_microphone_first():
    pair = load_array("linear2-343mm").positions  # microphone 0 at the -x end
    d = plane_wave(pair, azimuth=0.0, freqs=np.array([250.0]))
    assert_allclose(d, [[1.0, 1j]], atol=1e-12)  # 1 ms early is +90 degrees at 250 Hz
    assert_allclose(delays(pair, 0.0), [0, -1e-3], atol=1e-15)


@pytest.mark.parametrize("azimuth, elevation", [(0.3, 0.0), (2.5, 0.4), (-1.2, -1.0)])
def test_delays_are_those_of_a_source_far_away(azimuth, elevation):
    """Within r²/2D/c of a source at D: 0.17 m, 10 km, 4 ns."""
    distance = 1e4
    source = distance * direction(azimuth, elevation)
    travel = np.linalg.norm(source - SCATTERED, axis=1) / 343
    tau = delays(SCATTERED, azimuth, elevation, reference=2)
    assert_allclose(tau, travel - travel[2], atol=1e-8)
    assert_allclose(tau, arrivals(SCATTERED, azimuth, elevation, 2), atol=1e-15)


def test_many_directions_at_once_are_each_on_their_own():
    azimuth, elevation = np.array([0.1, 0.2, 3.0]), np.array([0.0, 0.5, -0.5])
    together = delays(SCATTERED, azimuth, elevation, reference=1)
    for k in range(3):
        alone = delays(SCATTERED, azimuth[k], elevation[k], reference=1)
        assert_allclose(together[k], alone, atol=1e-18)


def test_steering_vector_is_the_transfer_function_of_a_plane_wave():
    """Spectra at the microphones are the reference's times a; frames cut the wave's edges."""
    rng = np.random.default_rng(1)
    positions = load_array("circular6-46mm").positions
    tau = arrivals(positions, 0.9, 0.3)
    x = delayed(band_limited(rng, RATE), tau)
    stft = Stft(4096, 1024, "hann")
    spec = stft.analyse(x)[:, :, 4:-4].astype(np.complex128)
    freqs = stft.freqs(RATE)
    band = (freqs > 100) & (freqs < 6500)
    cross = np.sum(spec * spec[:, :1].conj(), axis=2)
    transfer = (cross / cross[:, :1])[band]
    a = plane_wave(positions, 0.9, freqs[band], 0.3)
    assert np.abs(transfer - a).max() < 0.02
    assert np.abs(transfer - a.conj()).max() > 1


@pytest.mark.parametrize("reference", [0, 3])
def test_reference_hears_the_wave_as_it_is_and_only_shifts_the_others(reference):
    a = plane_wave(SCATTERED, 1.1, FREQS, 0.2, reference=reference)
    assert_allclose(np.abs(a), 1, atol=1e-14)
    assert_allclose(a[:, reference], 1, atol=1e-14)
    other = plane_wave(SCATTERED, 1.1, FREQS, 0.2, reference=5)
    assert_allclose(a, other / other[:, reference, None], atol=1e-12)


def test_opposite_directions_are_conjugate():
    there, back = (plane_wave(SCATTERED, azimuth, FREQS) for azimuth in (0.4, 0.4 + np.pi))
    assert_allclose(there, back.conj(), atol=1e-12)


def test_slower_sound_comes_later():
    warm, cold = (delays(SCATTERED, 0.7, speed_of_sound=c) for c in (346.0, 331.0))
    assert_allclose(cold, warm * 346 / 331, rtol=1e-14)
    shifted = plane_wave(SCATTERED, 0.7, FREQS * 331 / 343, speed_of_sound=331.0)
    assert_allclose(shifted, plane_wave(SCATTERED, 0.7, FREQS), atol=1e-12)


def test_positions_of_another_shape_are_refused():
    with pytest.raises(ShapeError, match=r"positions must have shape \(M, 3\); got \(3, 4\)"):
        delays(np.zeros((3, 4)), 0.0)
