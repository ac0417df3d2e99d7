"""Render a scene: microphone signals and all of their components."""

from dataclasses import dataclass

import numpy as np

from arrayenh.errors import SceneError
from arrayenh.scenes import imperfections
from arrayenh.scenes.convolution import convolve
from arrayenh.scenes.diffuse import diffuse_noise
from arrayenh.scenes.levels import active_speech_level
from arrayenh.scenes.responses import (
    Responses,
    early_responses,
    room_responses,
    walking_images,
)
from arrayenh.scenes.scene import Noise, PlacedArray, Scene, Talker
from arrayenh.scenes.signals import load_signal
from arrayenh.scenes.wind import wind_noise

PEAK = 0.9  # largest peak of the mixture; louder mixtures are attenuated to it
SENSORS, FAULTS = 0, 1  # streams of random numbers


@dataclass(frozen=True, eq=False)
class Rendered:
    """Microphone signals of a scene and their components.

    Signals are float32, N samples long, and have a common scale. `mixture` is `target_image` +
    `noise_image` exactly; `noise_image` is the sum of the other talkers, the noises, the
    sensors and `residual`, to the rounding of float32.

    Attributes
    ----------
    mixture : ndarray, shape (M, N)
    talker_images, early_images : ndarray, shape (S, M, N)
        Reverberant speech of each talker, and its part that arrives up to `early_ms` after
        the direct path. They are not shifted: the direct path arrives distance / c after the
        same sample of `dry`.
    noise_images : ndarray, shape (K, M, N)
    sensor_image : ndarray, shape (M, N)
        White self-noise of the microphones.
    residual : ndarray, shape (M, N)
        Clipping error, clipped minus unclipped mixture; zero without clipping.
    dry : ndarray, shape (S, N)
    responses : Responses
        The direct path at distance d has gain 1/d.
    scene : Scene
    """

    mixture: np.ndarray
    noise_image: np.ndarray
    talker_images: np.ndarray
    early_images: np.ndarray
    noise_images: np.ndarray
    sensor_image: np.ndarray
    residual: np.ndarray
    dry: np.ndarray
    responses: Responses
    scene: Scene

    @property
    def sample_rate(self) -> int:
        """Samples per second."""
        return self.scene.sample_rate

    @property
    def target_image(self) -> np.ndarray:
        """Reverberant speech of the target, shape (M, N)."""
        return self.talker_images[0]

    @property
    def early_image(self) -> np.ndarray:
        """Early speech of the target, shape (M, N)."""
        return self.early_images[0]


def render(scene: Scene, responses: Responses | None = None) -> Rendered:
    """Render the microphone signals of a scene.

    Parameters
    ----------
    scene : Scene
    responses : Responses, optional
        Responses of a scene with the same geometry, rendered before.

    Returns
    -------
    Rendered
        The target has its level at microphone 0. The scale is reduced if the peak of the mixture
        would exceed 0.9 and the scene is not meant to clip.

    Raises
    ------
    SceneError
        If a talker or noise is silent at microphone 0.
    AudioError
        If a file cannot be read.
    """
    responses = responses or room_responses(scene)
    rate, n_samples = scene.sample_rate, scene.n_samples
    dry, speech, early = [], [], []
    for k, talker in enumerate(scene.talkers):
        signal = load_signal(talker.signal, n_samples, rate)
        image, first = talker_images(scene, talker, signal, responses.talkers[k])
        level = speech_level(scene, image[0], "the target" if k == 0 else f"talker {k}")
        gain = (10 ** (talker.level_db / 20) if k else 1.0) / level
        speech.append(gain * image)
        early.append(gain * first)
        dry.append(gain * signal)
    noises = at_snr(scene, noise_images(scene, responses))
    return mixed(scene, speech, early, noises, dry, responses)


def talker_images(
    scene: Scene, talker: Talker, signal: np.ndarray, responses: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Reverberant and early speech of a talker, each of shape (M, N)."""
    if talker.path is None or talker.path.length == 0:
        early = early_responses(scene, np.array(talker.position), responses)
        image, first = convolve(signal, np.stack([responses, early]))
        return image, first
    return walking_images(scene, talker.path, signal)


def noise_images(scene: Scene, responses: Responses) -> list[np.ndarray]:
    """Images of all noises, each with power 10^(level_db / 10) at microphone 0, (M, N)."""
    images = []
    for k, noise in enumerate(scene.noises):
        image = noise_image(scene, noise, responses.noises[k])
        rms = float(np.sqrt(np.mean(np.square(image[0], dtype=np.float64))))
        if not 0 < rms < np.inf:
            raise SceneError(f"noise {k} ({noise.kind}) is silent at microphone 0")
        images.append(10 ** (noise.level_db / 20) / rms * image)
    return images


def noise_image(scene: Scene, noise: Noise, responses: tuple[np.ndarray, ...]) -> np.ndarray:
    """Image of one noise at the microphones, arbitrary level, shape (M, N)."""
    rate, n_samples = scene.sample_rate, scene.n_samples
    rng = np.random.default_rng(noise.seed)
    positions = scene.array.mic_positions()
    if noise.kind == "wind":
        return wind_noise(rng, positions, n_samples, rate, noise.speed)
    if noise.kind == "white":
        return rng.standard_normal((len(positions), n_samples))
    signals = [load_signal(signal, n_samples, rate) for signal in noise.signals]
    if noise.kind == "diffuse":
        return diffuse_noise(np.stack(signals), positions, rate, noise.field)
    heard = np.zeros((len(positions), n_samples))
    for signal, response in zip(signals, responses, strict=True):
        heard += convolve(signal, response)
    return heard


def at_snr(scene: Scene, noises: list[np.ndarray]) -> list[np.ndarray]:
    """Scale the noises to the SNR for a target of level 1; without an SNR, keep their levels."""
    if not noises or scene.snr_db is None:
        return noises
    total = float(np.sqrt(np.mean(sum(noise[0] for noise in noises) ** 2)))
    gain = 10 ** (-scene.snr_db / 20) / total
    return [gain * noise for noise in noises]


def speech_level(scene: Scene, image: np.ndarray, who: str) -> float:
    """RMS amplitude of speech at one microphone: of the whole file, or active speech level."""
    power = float(np.mean(np.square(image, dtype=np.float64)))
    if not 0 < power < np.inf:
        raise SceneError(f"{who} is silent at microphone 0")
    if scene.snr_over == "file":
        return float(np.sqrt(power))
    level_db, _ = active_speech_level(image, scene.sample_rate)
    return float(10 ** (level_db / 20))


def sensor_noise(scene: Scene) -> np.ndarray:
    """White sensor noise for a target of level 1, shape (M, N)."""
    shape = (scene.array.n_mics, scene.n_samples)
    if scene.sensor_noise_db is None:
        return np.zeros(shape)
    rng = np.random.default_rng([scene.seed, SENSORS])
    return 10 ** (-scene.sensor_noise_db / 20) * rng.standard_normal(shape)


def mixed(
    scene: Scene,
    speech: list[np.ndarray],
    early: list[np.ndarray],
    noises: list[np.ndarray],
    dry: list[np.ndarray],
    responses: Responses,
) -> Rendered:
    """Mix the images: microphone faults, sensor noise, level and clipping."""
    array = scene.array
    sensors = sensor_noise(scene)
    parts = [faulty(array, image, scene.sample_rate) for image in (*speech, *early, *noises)]
    speech, parts = parts[: len(speech)], parts[len(speech) :]
    early, noises = parts[: len(early)], parts[len(early) :]
    scale = 10 ** (scene.level_dbfs / 20)
    if array.faults is not None:
        sensors = sensors * np.array(array.faults.alive)[:, None]
        rng = np.random.default_rng([scene.seed, FAULTS])
        sensors = sensors + imperfections.self_noise(array.faults, scene.n_samples, rng) / scale
    rest = sum((*speech[1:], *noises), sensors)
    faults = array.faults
    if faults is None or faults.clip_level is None:
        scale = min(scale, PEAK / float(np.abs(speech[0] + rest).max(initial=1e-30)))
    target, rest = float32(scale * speech[0]), float32(scale * rest)
    residual = np.zeros_like(target)
    if faults is not None:
        _, residual = imperfections.clip(target + rest, faults)
        rest = rest + residual
    return Rendered(
        mixture=target + rest,
        noise_image=rest,
        talker_images=np.stack([target, *(float32(scale * image) for image in speech[1:])]),
        early_images=float32(scale * np.stack(early)),
        noise_images=stacked([float32(scale * image) for image in noises], target.shape),
        sensor_image=float32(scale * sensors),
        residual=residual,
        dry=float32(scale * np.stack(dry)),
        responses=responses,
        scene=scene,
    )


def faulty(array: PlacedArray, image: np.ndarray, sample_rate: int) -> np.ndarray:
    """Apply the gain, phase and clock faults of the microphones to an image."""
    if array.faults is None:
        return image
    return imperfections.apply_linear(image, array.faults, sample_rate)


def stacked(images: list[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """Stack images in one array; shape (0, M, N) without images."""
    return np.stack(images) if images else np.zeros((0, *shape), np.float32)


def float32(signal: np.ndarray) -> np.ndarray:
    """Convert to float32, the precision of files."""
    return np.ascontiguousarray(signal, np.float32)
