"""The room, the renderer, the packaged voices and the demonstration."""

import dataclasses
import time

import numpy as np
import pyroomacoustics as pra
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh.errors import SceneError, ShapeError
from arrayenh.scenes.demo import demo_scene, fan, from_array, wall_positions
from arrayenh.scenes.packaged import load_clip
from arrayenh.scenes.render import (
    DIFFUSE_ORDER,
    early_responses,
    render,
    room_impulse_responses,
)
from arrayenh.scenes.scene import SPEED_OF_SOUND, Room, Scene

FS = 16000
SIZE = (4.0, 3.5, 2.5)
MICS = np.array([[1.8, 1.7, 1.2], [1.85, 1.7, 1.2], [1.9, 1.7, 1.2]])
TARGET = (2.8, 2.4, 1.5)
N = 8000


def scene(**changes):
    base = Scene(
        room=Room(SIZE, 0.25),
        mic_positions=MICS,
        target_position=TARGET,
        directional=[(0.5, 0.5, 1.4), (3.5, 0.6, 1.3)],
        diffuse=[(0.2, 3.0, 1.0), (3.8, 3.0, 2.0), (2.0, 0.1, 0.5)],
        snr_db=3.0,
        directional_gains_db=(0.0, -3.0),
        diffuse_to_directional_db=2.0,
        seed=7,
    )
    return dataclasses.replace(base, **changes)


def signals(seed=0, n_samples=N):
    rng = np.random.default_rng(seed)
    return (
        rng.standard_normal(n_samples),
        rng.standard_normal((2, n_samples)),
        rng.standard_normal((3, n_samples)),
    )


@pytest.fixture(scope="module")
def rendered():
    return render(scene(), *signals())


def db(ratio):
    return 10 * np.log10(ratio)


def power(image):
    return np.mean(np.asarray(image[0], np.float64) ** 2)


def decay_time(rir):
    """RT60 from the -5 to -25 dB part of the backward-integrated energy (Schroeder)."""
    energy = db(np.cumsum(rir[::-1] ** 2)[::-1] / np.sum(rir**2))
    part = slice(np.argmax(energy < -5), np.argmax(energy < -25))
    slope = np.polyfit(np.arange(rir.size)[part] / FS, energy[part], 1)[0]
    return -60 / slope


@pytest.mark.parametrize("distance", [0.5, 1.0, 1.37])
def test_the_direct_path_arrives_after_d_over_c_at_level_one_over_d(distance):
    mics = np.array([[1.0, 1.0, 1.0]])
    source = np.array([1.0 + distance, 1.0, 1.0])
    rir = room_impulse_responses(Room(SIZE, 0.0), source, mics, FS)[0]
    # delay by the phase at 1 to 3 kHz, level by the gain there
    freqs = np.arange(1000, 3001, 100)
    response = np.exp(-2j * np.pi * np.outer(freqs, np.arange(rir.size)) / FS) @ rir
    delay = -np.polyfit(2 * np.pi * freqs, np.unwrap(np.angle(response)), 1)[0]
    assert_allclose(delay, distance / SPEED_OF_SOUND, atol=0.01 / FS)
    assert_allclose(np.abs(response), 1 / distance, rtol=0.01)


def test_closer_microphones_hear_the_source_earlier():
    rirs = room_impulse_responses(Room(SIZE, 0.0), np.array([3.0, 1.7, 1.2]), MICS, FS)
    assert_array_equal(np.argmax(rirs, axis=1), [56, 54, 51])


def test_the_floor_reflection_has_the_absorption_of_the_wall():
    room = Room((30.0, 30.0, 2.5), 2.0)  # side walls are far: the floor comes alone
    source, mic = np.array([15.0, 15.0, 1.0]), np.array([[16.0, 15.0, 1.0]])
    direct = room_impulse_responses(room, source, mic, FS, max_order=0)[0]
    rir = room_impulse_responses(room, source, mic, FS, max_order=1)[0]
    rir[: direct.size] -= direct
    distance = np.hypot(1.0, 2.0)
    arrival = round(distance / SPEED_OF_SOUND * FS)
    # its own 81 taps: the ceiling, 3.16 m away, begins where they end
    pulse = rir[arrival - 40 : arrival + 21]
    freqs = np.arange(1000, 3001, 100)
    gain = np.exp(-2j * np.pi * np.outer(freqs, np.arange(pulse.size)) / FS) @ pulse
    expected = np.sqrt(1 - room.absorption) / distance
    assert_allclose(np.abs(gain).mean(), expected, rtol=0.03)


@pytest.mark.parametrize("rt60", [0.3, 0.5])
def test_the_room_decays_in_the_requested_time(rt60):
    room = Room((6.0, 5.0, 2.8), rt60)
    rir = room_impulse_responses(room, np.array([4.0, 3.5, 1.5]), MICS[:1], FS)[0]
    assert decay_time(rir) == pytest.approx(rt60, rel=0.15)


def test_absorption_and_order_are_those_of_pyroomacoustics():
    room = Room((6.0, 5.0, 2.8), 0.5)
    absorption, order = pra.inverse_sabine(0.5, [6.0, 5.0, 2.8], c=SPEED_OF_SOUND)
    assert room.absorption == pytest.approx(absorption, rel=1e-12)
    assert room.image_order == order


def test_components_sum_to_the_mixture(rendered):
    r = rendered
    assert_array_equal(r.mixture, r.target_image + r.noise_image)
    sensor = r.noise_image - r.directional_image - r.diffuse_image
    assert db(power(r.target_image) / power(sensor)) == pytest.approx(40, abs=0.2)


def test_levels_are_those_of_the_scene(rendered):
    r = rendered
    noise = r.directional_image + r.diffuse_image
    assert db(power(r.target_image) / power(noise)) == pytest.approx(3.0, abs=1e-3)
    ratio = power(r.diffuse_image) / power(r.directional_image)
    assert db(ratio) == pytest.approx(2.0, abs=1e-3)
    assert db(power(r.target_image)) == pytest.approx(-26.0, abs=1e-3)


def test_each_directional_source_has_its_level_at_microphone_0():
    target, directional, diffuse = signals()
    quiet = scene(directional_gains_db=(0.0, -60.0))
    swapped = scene(directional_gains_db=(-60.0, 0.0))
    first = render(quiet, target, directional * [[1.0], [50.0]], diffuse)
    second = render(swapped, target, directional * [[1.0], [50.0]], diffuse)
    # 60 dB apart, whatever the signals' own levels: what is left is the other source
    alone = [first.directional_image[0], second.directional_image[0]]
    assert abs(np.corrcoef(alone)[0, 1]) < 0.05
    for image, position, signal in zip(alone, quiet.directional, directional, strict=True):
        rir = room_impulse_responses(quiet.room, position, MICS[:1], FS)[0]
        heard = np.convolve(signal, rir)[:N]
        assert np.corrcoef(image, heard)[0, 1] > 0.999
    assert power(first.directional_image) == pytest.approx(
        power(second.directional_image), rel=0.02
    )


def test_a_loud_mixture_is_turned_down_to_the_peak():
    target, directional, diffuse = signals()
    target[100:] = 0  # a click: high peak, low power
    r = render(scene(snr_db=-30.0), target, directional, diffuse)
    assert np.abs(r.mixture).max() == pytest.approx(0.9, rel=1e-5)
    noise = r.directional_image + r.diffuse_image
    assert db(power(r.target_image) / power(noise)) == pytest.approx(-30.0, abs=1e-2)


def test_the_early_image_ends_fifty_milliseconds_after_the_direct_path():
    target, directional, diffuse = signals()
    target[:] = 0
    target[1000] = 1.0
    r = render(scene(), target, directional, diffuse)
    for m, distance in enumerate(np.linalg.norm(MICS - TARGET, axis=1)):
        end = 1000 + int(np.ceil((distance / SPEED_OF_SOUND + 0.05) * FS))
        peak = np.abs(r.early_image[m]).max()
        # FFT convolution leaves rounding, 1e-7 of the peak, behind the response
        assert np.abs(r.early_image[m, end:]).max() < 1e-6 * peak
        assert_allclose(r.early_image[m, :end], r.target_image[m, :end], atol=1e-6 * peak)
        assert np.abs(r.target_image[m, end:]).max() > 1e-3 * peak


def test_the_dry_signal_through_the_responses_is_the_target_image(rendered):
    r = rendered
    image = [np.convolve(r.dry.astype(float), rir)[:N] for rir in r.rirs.astype(float)]
    assert_allclose(r.target_image, image, atol=1e-5 * np.abs(r.target_image).max())
    early = early_responses(r.rirs, r.scene)
    image = [np.convolve(r.dry.astype(float), rir)[:N] for rir in early.astype(float)]
    assert_allclose(r.early_image, image, atol=1e-5 * np.abs(r.target_image).max())


def test_diffuse_sources_keep_only_low_order_reflections():
    room, position = Room(SIZE, 0.5), np.array([0.2, 3.0, 1.0])
    full = room_impulse_responses(room, position, MICS, FS)
    capped = room_impulse_responses(room, position, MICS, FS, DIFFUSE_ORDER)
    assert capped.shape[1] < full.shape[1]
    assert full.shape[1] <= 0.5 * FS + 42  # half a filter: nothing comes after RT60
    # the nearest image of order n is (n - 1) / |1/size| away: nearer, both are alike
    same = int(DIFFUSE_ORDER / np.linalg.norm(1 / room.size) / SPEED_OF_SOUND * FS) - 40
    left, right = (np.diff(rirs[:, :same]) for rirs in (capped, full))
    # the slope of the 10 Hz high-pass filter's tail differs, 1e-4 of the peak
    assert_allclose(left, right, atol=1e-3 * np.abs(right).max())
    assert np.abs(np.diff(full[:, same + 200 :])).max() > 1e-2 * np.abs(right).max()

    click = np.eye(1, N)
    one = scene(room=room, diffuse=[position], directional=(), directional_gains_db=())
    image = render(one, signals()[0], diffuse=click).diffuse_image
    assert np.abs(image[:, capped.shape[1] :]).max() < 1e-6 * np.abs(image).max()


def test_the_same_seed_gives_the_same_bytes_and_another_other_sensor_noise(rendered):
    again = render(scene(), *signals())
    other = render(scene(seed=8), *signals())
    assert again.mixture.tobytes() == rendered.mixture.tobytes()
    assert_array_equal(other.directional_image, rendered.directional_image)
    assert np.abs(other.noise_image - rendered.noise_image).max() > 0


def test_rendering_leaves_the_threads_of_pyroomacoustics_as_they_were():
    before = pra.constants.get("num_threads")
    try:
        pra.constants.set("num_threads", 3)
        render(scene(), *signals())
        assert pra.constants.get("num_threads") == 3
    finally:
        pra.constants.set("num_threads", before)


def test_a_scene_without_noise_sources_has_sensor_noise_only():
    r = render(scene(directional=(), diffuse=(), directional_gains_db=()), signals()[0])
    assert db(power(r.target_image) / power(r.noise_image)) == pytest.approx(40, abs=0.2)
    assert not r.directional_image.any() and not r.diffuse_image.any()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target_position": (5.0, 1.0, 1.0)}, r"the target at \(5.00, 1.00, 1.00\) m"),
        ({"target_position": (np.nan, 1.0, 1.0)}, "the target"),
        ({"directional": [(1, 1, 1), (1, 1, 2.5)]}, "directional source 1"),
        ({"diffuse": [(-0.1, 1, 1)]}, "diffuse source 0"),
        ({"mic_positions": [(1, 1, 1), (1, 3.6, 1)]}, "microphone 1"),
        ({"target_position": MICS[2] + 0.05}, "0.087 m from microphone 2"),
        ({"snr_db": np.nan}, "snr_db must be finite"),
        ({"directional_gains_db": (0.0, np.inf)}, r"directional_gains_db\[1\]"),
    ],
)
def test_an_impossible_scene_is_refused_by_name(changes, message):
    with pytest.raises(SceneError, match=message):
        scene(**changes)


def test_a_room_too_large_for_its_reverberation_time_is_refused():
    with pytest.raises(SceneError, match="cannot be reached in a room of 20 x 15 x 6 m"):
        Room((20.0, 15.0, 6.0), 0.2)
    shortest = 24 * np.log(10) * 20 * 15 * 6 / (SPEED_OF_SOUND * 2 * (300 + 120 + 90))
    Room((20.0, 15.0, 6.0), shortest * 1.001)


@pytest.mark.parametrize("size", [(4.0, 3.0), (4.0, 3.0, 0.0), (4.0, 3.0, np.nan)])
def test_a_malformed_room_is_refused(size):
    with pytest.raises((SceneError, ShapeError), match="room s"):
        Room(size, 0.3)


def test_signals_must_match_the_sources():
    target, directional, diffuse = signals()
    with pytest.raises(ShapeError, match=r"directional signals must have shape \(2, 80"):
        render(scene(), target, directional[:1], diffuse)
    with pytest.raises(ShapeError, match="diffuse signals"):
        render(scene(), target, directional, diffuse[:, 1:])
    with pytest.raises(ShapeError, match="one value for each of the 2 directional"):
        scene(directional_gains_db=(0.0,))


def test_silent_signals_are_refused_by_name():
    target, directional, diffuse = signals()
    with pytest.raises(SceneError, match="target is silent"):
        render(scene(), 0 * target, directional, diffuse)
    with pytest.raises(SceneError, match="directional source 1 is silent"):
        render(scene(), target, directional * [[1.0], [0.0]], diffuse)
    with pytest.raises(SceneError, match="diffuse noise is silent"):
        render(scene(), target, directional, 0 * diffuse)


@pytest.mark.parametrize("name", ["female", "male"])
def test_packaged_voices(name):
    samples, rate = load_clip(name)
    assert rate == FS and samples.dtype == np.float32
    assert 8 * FS < samples.size < 9.2 * FS
    assert 20 * np.log10(np.abs(samples).max()) == pytest.approx(-3, abs=0.01)


def test_an_unknown_voice_is_refused():
    with pytest.raises(SceneError, match="there are female, male"):
        load_clip("child")


@pytest.fixture(scope="module")
def demo():
    return demo_scene()


def test_the_demo_is_what_it_says(demo):
    r, lead = demo.rendered, FS // 2
    assert r.mixture.shape[0] == demo.array.n_mics == 4
    noise = r.directional_image + r.diffuse_image
    assert db(power(r.target_image) / power(noise)) == pytest.approx(3, abs=0.01)
    assert power(r.target_image[:, :lead]) < 1e-9 * power(r.target_image)
    assert power(r.noise_image[:, :lead]) == pytest.approx(power(noise), rel=0.3)


def test_the_demo_talker_sits_at_its_azimuth(demo):
    scene = demo.rendered.scene
    offset = scene.target_position - scene.mic_positions.mean(axis=0)
    assert np.arctan2(offset[1], offset[0]) == pytest.approx(demo.azimuth)
    assert np.hypot(*offset[:2]) == pytest.approx(1.5)
    # and its wave sweeps along the array: +x, nearer to 70 degrees, hears it first
    assert_array_equal(np.diff(np.argmax(demo.rendered.rirs, axis=1)) <= 0, True)


def test_the_demo_rival_adds_to_the_noise_and_keeps_the_target_dry():
    quiet, rival = demo_scene(seed=3), demo_scene(seed=3, competing_talker=True)
    assert len(rival.rendered.scene.directional) == 2
    scale = np.linalg.norm(rival.rendered.dry) / np.linalg.norm(quiet.rendered.dry)
    assert_allclose(rival.rendered.dry, scale * quiet.rendered.dry, atol=1e-6)


def test_wall_sources_go_round_the_room():
    points = wall_positions(np.random.default_rng(0), 12)
    margins = np.minimum(points[:, :2], [6.0, 5.0] - points[:, :2]).min(axis=1)
    assert_allclose(margins, 0.2)
    sides = {tuple(np.sign(p[:2] - [3.0, 2.5])) for p in points}
    assert len(sides) == 4


def test_the_fan_hums_at_its_motor():
    spectrum = np.abs(np.fft.rfft(fan(np.random.default_rng(0), 2 * FS, FS))) ** 2
    assert spectrum[240] > 20 * np.median(spectrum[200:280])  # 120 Hz in 0.5 Hz bins


def test_azimuth_turns_from_x_to_y():
    assert_allclose(from_array(np.pi / 2, 1.0), [2.6, 3.1, 1.2])


def test_a_demo_takes_less_than_three_seconds():
    started = time.process_time()
    demo_scene(seed=1)
    assert time.process_time() - started < 3
