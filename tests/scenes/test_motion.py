"""Moving sources, against Doppler, distance and the source that stands still."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh.errors import SceneError, ShapeError
from arrayenh.scenes.convolution import convolve
from arrayenh.scenes.image_source import shoebox_responses
from arrayenh.scenes.motion import SPACING, Path, hat, moving_image, places

FS, C = 16000, 343.0
MICS = np.array([[0.0, 0.0, 0.0], [0.0, 0.05, 0.0]])


def silent(position):
    return np.zeros((2, 10))


def tone(freq, seconds):
    return np.sin(2 * np.pi * freq * np.arange(int(seconds * FS)) / FS)


def test_a_path_goes_straight_between_its_waypoints_and_waits_at_the_ends():
    path = Path(waypoints=((0, 0, 0), (2, 0, 0), (2, 1, 0)), times=(1.0, 2.0, 4.0))
    wanted = [[0, 0, 0], [0, 0, 0], [1, 0, 0], [2, 0.5, 0], [2, 1, 0]]
    assert_allclose(path.position(np.array([0.0, 1.0, 1.5, 3.0, 9.0])), wanted)
    assert path.length == 3


@pytest.mark.parametrize(
    "waypoints, times, message",
    [
        (((0, 0, 0),), (0.0, 1.0), "a time for each waypoint; got 1 waypoints and 2 times"),
        (((0, 0, 0), (1, 0, 0)), (1.0, 1.0), r"times of a path must increase; got \[1.0, 1.0\]"),
        (((0, 0, 0), (90, 0, 0)), (0.0, 1.0), "cannot move at 90.0 m/s; at most 20 m/s"),
        (((0, 0), (1, 0)), (0.0, 1.0), "waypoints must be"),
        (((0, 0, np.nan),), (0.0,), "waypoints must be"),
    ],
)
def test_paths_that_cannot_be_are_refused(waypoints, times, message):
    with pytest.raises(SceneError, match=message):
        Path(waypoints=waypoints, times=times)


@pytest.mark.parametrize("speed", [-15.0, 3.0, 15.0])
def test_the_pitch_is_that_of_doppler(speed):
    """A source that moves along the line to the microphone: f / (1 + v / c)."""
    path = Path(waypoints=((20, 0, 0), (20 + speed, 0, 0)), times=(0.0, 1.0))
    image = moving_image(tone(1000, 1.0), path, MICS, silent, FS)[0]
    part = image[FS // 4 : 3 * FS // 4] * np.hanning(FS // 2)
    spectrum = np.abs(np.fft.rfft(part, 1 << 20))
    found = np.argmax(spectrum) * FS / (1 << 20)
    assert found == pytest.approx(1000 / (1 + speed / C), abs=0.2)


def test_the_level_goes_with_the_distance():
    path = Path(waypoints=((1, 0, 0), (4, 0, 0)), times=(0.0, 2.0))
    image = moving_image(tone(1000, 2.0), path, MICS, silent, FS)[0]
    for time in (0.5, 1.0, 1.8):
        around = image[int(time * FS) - 160 : int(time * FS) + 160]
        sent = time - np.linalg.norm(path.position(time)) / C
        wanted = 1 / np.linalg.norm(path.position(sent))
        assert np.sqrt(2 * np.mean(around**2)) == pytest.approx(wanted, rel=0.02)


def test_a_moving_tone_has_no_clicks():
    size, start = np.array([5.0, 4.0, 2.7]), np.array([1.0, 1.0, 1.2])
    mics = np.array([[3.0, 2.0, 1.2]])

    def reflections(position):
        full = shoebox_responses(size, 0.4, position, mics, FS, length_s=0.15)
        direct = shoebox_responses(size, 1.0, position, mics, FS, length_s=0.0)
        full[:, : direct.shape[1]] -= direct
        return full

    path = Path(waypoints=(tuple(start), (2.0, 3.0, 1.4)), times=(0.2, 1.5))
    image = moving_image(tone(500, 2.0), path, mics, reflections, FS)[0]
    spectrum = np.abs(np.fft.rfft(image * np.hanning(len(image)))) ** 2
    freqs = np.fft.rfftfreq(len(image), 1 / FS)
    # a click, of any kind, is loud at all frequencies
    assert 10 * np.log10(spectrum[freqs > 1000].sum() / spectrum.sum()) < -60


def test_reflections_between_places_are_close_to_those_rendered_there():
    """Crossfades 10 cm apart against 2 cm apart, speech band, direct path apart."""
    size = np.array([5.0, 4.0, 2.7])
    mics = np.array([[3.0, 2.0, 1.2]])
    noise = np.random.default_rng(0).standard_normal(FS)
    signal = np.convolve(noise, np.ones(8) / 8, "same")  # as speech, mostly below 2 kHz
    path = Path(waypoints=((1.0, 1.0, 1.2), (1.6, 1.2, 1.2)), times=(0.0, 1.0))

    def reflections(position):
        full = shoebox_responses(size, 0.4, position, mics, FS, length_s=0.15)
        direct = shoebox_responses(size, 1.0, position, mics, FS, length_s=0.0)
        full[:, : direct.shape[1]] -= direct
        return full

    images = [
        moving_image(signal, path, mics, reflections, FS, spacing=spacing)[0]
        for spacing in (SPACING, 0.02)
    ]
    error = np.sum((images[0] - images[1]) ** 2) / np.sum(images[1] ** 2)
    assert 10 * np.log10(error) < -6


def test_a_source_that_waits_is_convolved():
    response = np.random.default_rng(1).standard_normal((2, 300))
    signal = np.random.default_rng(2).standard_normal(FS)
    path = Path(waypoints=((3, 0, 0),), times=(0.0,))
    image = moving_image(signal, path, MICS, lambda position: response, FS)
    alone = moving_image(signal, path, MICS, silent, FS)
    assert_allclose(image - alone, convolve(signal, response), atol=1e-4)


def test_crossfades_add_up_to_one():
    path = Path(waypoints=((0, 0, 0), (1, 0, 0), (1, 0, 0), (1, 2, 0)), times=(0, 1, 2, 3))
    times = places(path, 10.0)
    assert {0.0, 1.0, 2.0, 3.0} <= set(times.round(9))
    n = np.linspace(-1, 12, 200)
    assert_allclose(sum(hat(n, times, k) for k in range(len(times))), 1.0)
    walked = np.diff(path.position(times), axis=0)
    assert np.linalg.norm(walked, axis=1).max() <= SPACING + 1e-9


def test_the_same_bytes_and_what_is_refused():
    path = Path(waypoints=((3, 0, 0), (4, 1, 0)), times=(0.0, 0.5))
    one, two = (moving_image(tone(300, 0.5), path, MICS, silent, FS) for _ in range(2))
    assert_array_equal(one, two)
    with pytest.raises(ShapeError, match=r"signal must have shape \(N,\); got \(2, 5\)"):
        moving_image(np.zeros((2, 5)), path, MICS, silent, FS)
