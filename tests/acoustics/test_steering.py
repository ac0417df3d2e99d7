import numpy as np
import pytest
from numpy.testing import assert_allclose

from arrayenh.acoustics.rigid_sphere import sphere_wave
from arrayenh.acoustics.steering import delays, direction, plane_wave, spherical_wave
from arrayenh.errors import GeometryError, NumericalError, ShapeError
from arrayenh.microphones.geometry import load_array
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


# ---- a source nearby ---------------------------------------------------------------------


def test_a_source_nearby_is_heard_by_its_distances():
    """3, 4, 5: microphones 0.3 and 0.5 m away; 0.2 m later, and 3/5 as loud."""
    source = np.array([1.0, 2.0, 3.0])
    positions = source + np.array([[0.3, 0, 0], [0.3, 0.4, 0], [0, 0, -0.3]])
    a = spherical_wave(positions, source, FREQS)
    later = 0.6 * np.exp(-2j * np.pi * FREQS * 0.2 / 343)
    assert_allclose(a, np.stack([np.ones(33), later, np.ones(33)], axis=1), atol=1e-12)
    other = spherical_wave(positions, source, FREQS, reference=1, speed_of_sound=331.0)
    wanted = np.exp(2j * np.pi * FREQS * 0.2 / 331) / 0.6
    assert_allclose(other[:, [0, 2]], np.stack([wanted, wanted], axis=1), atol=1e-12)
    assert_allclose(other[:, 1], 1, atol=1e-15)


@pytest.mark.parametrize("distance", [10.0, 1e3, 1e5])
@pytest.mark.parametrize("reference", [0, 4])
def test_far_away_a_spherical_wave_is_plane(distance, reference):
    """Within 2π f r²/2Dc of phase, as (r² - (u·r)²)/2D of path is missing, and 2r/D of level."""
    azimuth, elevation = 2.5, -0.4
    source = distance * direction(azimuth, elevation)
    near = spherical_wave(SCATTERED, source, FREQS, reference=reference)
    far = plane_wave(SCATTERED, azimuth, FREQS, elevation, reference=reference)
    r = np.linalg.norm(SCATTERED, axis=1).max()
    allowed = 2 * np.pi * FREQS * 1.05 * r**2 / (2 * distance * 343) + 2 * r / (distance - r)
    assert (np.abs(near - far).max(axis=1) <= allowed + 1e-10).all()


def test_a_source_in_a_microphone_is_refused():
    with pytest.raises(NumericalError, match="the source is at microphone 2"):
        spherical_wave(SCATTERED, SCATTERED[2], FREQS)
    for positions, source in ((SCATTERED[:, :2], SCATTERED[0]), (SCATTERED, SCATTERED[0, :2])):
        with pytest.raises(ShapeError, match=r"positions must have shape \(M, 3\) and source"):
            spherical_wave(positions, source, FREQS)


# ---- around a head -----------------------------------------------------------------------

RADIUS = 0.0875
EARS = np.array([[0, RADIUS, 0], [0, -RADIUS, 0]])


@pytest.mark.parametrize("azimuth_deg", [-90, -30, 10, 60, 90, 150])
def test_at_low_frequency_the_far_ear_is_half_as_late_again_as_in_the_open(azimuth_deg):
    """3a/c sin θ around a rigid sphere (Kuhn 1977, eq. 5) but 2a/c sin θ without it; at equal
    level. The next terms are of second order in ka, the level's of fourth."""
    azimuth = np.deg2rad(azimuth_deg)
    freqs = np.array([2.0, 10.0, 50.0])
    ka = 2 * np.pi * freqs * RADIUS / 343
    around, open_air = (wave(EARS, azimuth, freqs)[:, 1] for wave in (sphere_wave, plane_wave))
    later, later_open = (-np.angle(a) / (2 * np.pi * freqs) for a in (around, open_air))
    assert_allclose(later_open, 2 * RADIUS / 343 * np.sin(azimuth), rtol=1e-10)
    wanted = 3 * RADIUS / 343 * np.sin(azimuth)
    assert (np.abs(later / wanted - 1) <= 0.4 * ka**2).all()
    assert (np.abs(np.abs(around) - 1) <= 2 * ka**3).all()


def test_a_head_shadows_the_far_ear_and_mirrors_left_and_right():
    """From the left at 4 kHz: 6 dB up before the sphere, and much less behind it."""
    positions = load_array("binaural4-bte").positions
    mirrored = [1, 0, 3, 2]
    for azimuth, elevation in ((0.5, 0.0), (-2.0, 0.3)):
        there = sphere_wave(positions, azimuth, FREQS, elevation)
        back = sphere_wave(positions, -azimuth, FREQS, elevation, reference=1)
        assert_allclose(there, back[:, mirrored], atol=1e-10)
    level_db = 20 * np.log10(np.abs(sphere_wave(positions, np.deg2rad(60), FREQS)[:, 1]))
    assert level_db[0] == 0 and (level_db[FREQS >= 2000] < -8).all()
    assert (level_db[1:] < 0).all()


@pytest.mark.parametrize("reference", [0, 5])
def test_around_a_head_the_reference_hears_the_wave_as_it_is(reference):
    positions = load_array("binaural6-bte").positions
    a = sphere_wave(positions, 0.7, FREQS, reference=reference)
    assert_allclose(a[:, reference], 1, atol=1e-14)
    other = sphere_wave(positions, 0.7, FREQS, reference=1)
    assert_allclose(a, other / other[:, reference, None], rtol=1e-10)


def test_from_above_all_around_the_equator_hear_the_same():
    """And a turn of the head with the source changes nothing."""
    ring = load_array("circular6-90mm").positions
    assert_allclose(sphere_wave(ring, 0.3, FREQS, np.pi / 2), 1, atol=1e-12)
    turned = sphere_wave(ring, 0.2 + np.pi / 3, FREQS)
    assert_allclose(
        turned, np.roll(sphere_wave(ring, 0.2, FREQS, reference=5), 1, axis=1), atol=1e-10
    )


def test_a_microphone_in_the_middle_of_a_head_is_refused():
    with pytest.raises(GeometryError, match="microphone 1 is 18 mm from the centre"):
        sphere_wave(load_array("linear4-35mm").positions, 0.0, FREQS)
    with pytest.raises(ShapeError, match=r"positions must have shape \(M, 3\)"):
        sphere_wave(np.ones((2, 2)), 0.0, FREQS)
