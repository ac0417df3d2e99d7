"""Impulse responses of a scene, and images of walking talkers."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from arrayenh.errors import SceneError
from arrayenh.scenes.head import Head, Sphere
from arrayenh.scenes.image_source import shoebox_responses
from arrayenh.scenes.measured import MeasuredHead, direct_sample, measured_responses
from arrayenh.scenes.motion import SPACING, Path, moving_image
from arrayenh.scenes.rooms import Measured, Polygon, sound_speed
from arrayenh.scenes.scene import PATTERNS, PlacedArray, Scene

RAY_SPACING = 0.4  # metres between the positions of a walk for which rays are traced
WALL_ORDER = 12  # most reflections for noise sources along the walls: about 0.1 s


@dataclass(frozen=True, eq=False)
class Responses:
    """Impulse responses of a scene, float32: of the talkers and of the sources of each noise.

    Attributes
    ----------
    talkers : tuple of ndarray, shape (M, L)
        From the position of each talker, or the start of its path.
    noises : tuple of tuple of ndarray, shape (M, L)
        Empty for noise fields.
    """

    talkers: tuple[np.ndarray, ...]
    noises: tuple[tuple[np.ndarray, ...], ...]


def room_responses(scene: Scene) -> Responses:
    """Impulse responses from all sources; from the start of the path for moving ones."""
    if isinstance(scene.room, Measured):
        files = iter(scene.room.files)
        return Responses(
            tuple(from_file(scene, next(files)) for _ in scene.talkers),
            tuple(
                tuple(from_file(scene, next(files)) for _ in noise.positions)
                for noise in scene.noises
            ),
        )
    talkers = tuple(responses_at(scene, np.array(talker.position)) for talker in scene.talkers)
    noises = tuple(
        tuple(
            responses_at(scene, np.array(position), WALL_ORDER if noise.kind == "walls" else None)
            for position in noise.positions
        )
        for noise in scene.noises
    )
    return Responses(talkers, noises)


def responses_at(scene: Scene, position: np.ndarray, max_order: int | None = None) -> np.ndarray:
    """Responses of a simulated room from one position, float32, shape (M, L)."""
    assert not isinstance(scene.room, Measured)
    array, rate = scene.array, scene.sample_rate
    if array.head != "none":
        head = head_of(array, rate, sound_speed(scene.room))
        found = scene.room.head_responses(
            position, np.array(array.centre), head, array.turn(), rate, max_order
        )
    else:
        found = scene.room.responses(
            position,
            array.mic_positions(),
            rate,
            axes=array.axes(),
            pattern=PATTERNS[array.directivity],
            max_order=max_order,
            seed=scene.seed,
        )
    return found.astype(np.float32)


@lru_cache(maxsize=8)
def head_of(array: PlacedArray, sample_rate: int, speed: float) -> Head:
    """Head model of an array."""
    if array.head == "sphere":
        own = np.array(array.positions)
        if array.faults is not None:
            own = own + np.array(array.faults.displacements)
        return Sphere(own, sample_rate, speed)
    return MeasuredHead(array.head, np.array(array.positions), sample_rate)


def from_file(scene: Scene, file: str) -> np.ndarray:
    """Measured responses from a file, one row per microphone of the array, float32."""
    found = measured_responses(file, scene.sample_rate, scene.array.positions)
    if len(found) != scene.array.n_mics:
        raise SceneError(
            f"{file} holds responses of {len(found)} microphones, but the array "
            f"{scene.array.name} has {scene.array.n_mics}"
        )
    return found.astype(np.float32)


def early_responses(scene: Scene, position: np.ndarray, responses: np.ndarray) -> np.ndarray:
    """Truncate responses `early_ms` after the direct path of each microphone.

    The direct path arrives distance / c after time 0, by the geometry; in measured responses
    it is detected.
    """
    if isinstance(scene.room, Measured):
        direct = np.array([direct_sample(row, scene.sample_rate) for row in responses])
        direct = direct / scene.sample_rate
    else:
        distances = np.linalg.norm(scene.array.mic_positions() - position, axis=1)
        direct = distances / sound_speed(scene.room)
    times = np.arange(responses.shape[1]) / scene.sample_rate
    return np.where(times < (direct + scene.early_ms / 1000)[:, None], responses, 0.0)


def walking_images(scene: Scene, path: Path, signal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Reverberant and early image of a walking talker, shape (M, N) each."""
    array, room = scene.array, scene.room
    assert not isinstance(room, Measured)
    if array.head != "none":
        raise SceneError("a talker cannot walk around a head with microphones; omit walk or head")
    mics, axes, p = array.mic_positions(), array.axes(), PATTERNS[array.directivity]
    speed = sound_speed(room)

    def direct_gain(position: np.ndarray) -> np.ndarray:
        towards = position - mics
        cosine = np.sum(axes * towards, axis=1) / np.linalg.norm(towards, axis=1)
        return p + (1 - p) * cosine

    @lru_cache(maxsize=512)
    def at(x: float, y: float, z: float) -> np.ndarray:
        return responses_at(scene, np.array([x, y, z])).astype(np.float64)

    def direct_at(position: np.ndarray, length: int) -> np.ndarray:
        """Static direct path as a response; the moving direct path replaces it."""
        size = np.full(3, 1e3)  # large and absorbing: direct path only
        shift = size / 2 - mics[0]
        found = shoebox_responses(
            size,
            1.0,
            position + shift,
            mics + shift,
            scene.sample_rate,
            length_s=0.0,
            axes=axes,
            pattern=p,
            speed_of_sound=speed,
        )
        return np.pad(found, ((0, 0), (0, max(length - found.shape[1], 0))))[:, :length]

    def reflections_at(position: np.ndarray) -> np.ndarray:
        responses = at(*position)
        return responses - direct_at(position, responses.shape[1])

    def early_reflections_at(position: np.ndarray) -> np.ndarray:
        responses = at(*position)
        early = early_responses(scene, position, responses)
        return early - direct_at(position, responses.shape[1])

    image, first = (
        moving_image(
            signal,
            path,
            mics,
            reflections,
            scene.sample_rate,
            direct_gain=direct_gain,
            spacing=RAY_SPACING if isinstance(room, Polygon) else SPACING,
            speed_of_sound=speed,
        )
        for reflections in (reflections_at, early_reflections_at)
    )
    return image, first
