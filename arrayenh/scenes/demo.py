"""The scene of `arrayenh demo`: a meeting room, a talker, a fan, air conditioning."""

from dataclasses import dataclass

import numpy as np

from arrayenh.geometry import load_array
from arrayenh.mic_array import MicArray
from arrayenh.scenes.packaged import load_clip
from arrayenh.scenes.render import Rendered, render
from arrayenh.scenes.scene import Room, Scene

ARRAY = "linear4-35mm"
ROOM = Room(np.array([6.0, 5.0, 2.8]), rt60=0.4)
ARRAY_CENTRE = np.array([2.6, 2.1, 1.0])  # metres, on the table
TARGET_AZIMUTH = np.radians(70)
TARGET_DISTANCE = 1.5  # metres, horizontally, as are the others
FAN_AZIMUTH, FAN_DISTANCE = np.radians(155), 1.9
RIVAL_AZIMUTH, RIVAL_DISTANCE = np.radians(20), 2.2
SEATED = 1.2  # metres above the floor
LEAD_IN_S, TAIL_S = 0.5, 0.3
SNR_DB = 3.0
RIVAL_BELOW_FAN_DB = 6.0
N_WALL_SOURCES = 12


@dataclass(frozen=True, slots=True, eq=False)
class DemoScene:
    """The rendered scene, the array that hears it, and where the talker sits.

    `azimuth` is in radians, counter-clockwise from +x of the array.
    """

    rendered: Rendered
    array: MicArray
    azimuth: float


def demo_scene(seed: int = 0, competing_talker: bool = False) -> DemoScene:
    """Render a woman at a table, 1.5 m from four microphones: 3 dB SNR, RT60 0.4 s.

    Parameters
    ----------
    seed : int
        Of all noise: the fan, the air conditioning, the sensors.
    competing_talker : bool
        Whether a man speaks too, 6 dB below the fan, elsewhere in the room.

    Returns
    -------
    DemoScene
        About 9 seconds at 16 kHz, of which the first half second holds noise only.
    """
    rng = np.random.default_rng(seed)
    speech, sample_rate = load_clip("female")
    lead, tail = round(LEAD_IN_S * sample_rate), round(TAIL_S * sample_rate)
    target = np.pad(speech, (lead, tail))
    array = load_array(ARRAY)
    positions, gains = [from_array(FAN_AZIMUTH, FAN_DISTANCE)], [0.0]
    signals = [fan(rng, target.size, sample_rate)]
    if competing_talker:
        positions.append(from_array(RIVAL_AZIMUTH, RIVAL_DISTANCE))
        gains.append(-RIVAL_BELOW_FAN_DB)
        signals.append(np.resize(load_clip("male")[0], target.size))
    scene = Scene(
        room=ROOM,
        mic_positions=ARRAY_CENTRE + array.centred().positions,
        target_position=from_array(TARGET_AZIMUTH, TARGET_DISTANCE),
        directional=np.array(positions),
        diffuse=wall_positions(rng, N_WALL_SOURCES),
        snr_db=SNR_DB,
        directional_gains_db=tuple(gains),
        seed=seed,
        sample_rate=sample_rate,
    )
    ducts = [coloured(rng, target.size, sample_rate, -2.0) for _ in scene.diffuse]
    rendered = render(scene, target, np.stack(signals), np.stack(ducts))
    return DemoScene(rendered, array, float(TARGET_AZIMUTH))


def from_array(azimuth: float, distance: float) -> np.ndarray:
    """Position (3,) of somebody seated, as seen from the array; metres, absolute."""
    x = ARRAY_CENTRE[0] + distance * np.cos(azimuth)
    y = ARRAY_CENTRE[1] + distance * np.sin(azimuth)
    return np.array([x, y, SEATED])


def wall_positions(rng: np.random.Generator, n_sources: int) -> np.ndarray:
    """Points (n, 3) all around the room, 0.2 m from the walls, at any height."""
    length, width, height = ROOM.size - 0.4
    angles = 2 * np.pi * (np.arange(n_sources) + 0.5) / n_sources
    ring = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    ring /= np.abs(ring).max(axis=1, keepdims=True)  # from the circle onto the square
    heights = 0.2 + rng.uniform(0, height, n_sources)
    xy = ROOM.size[:2] / 2 + ring * np.array([length, width]) / 2
    return np.column_stack([xy, heights])


def fan(rng: np.random.Generator, n_samples: int, sample_rate: int) -> np.ndarray:
    """Sound (N,) of a fan: air that beats with its blades, and the hum of its motor."""
    time = np.arange(n_samples) / sample_rate
    air = coloured(rng, n_samples, sample_rate, -1.0)
    beat = 1 + 0.3 * np.sin(2 * np.pi * 11 * time)
    phases = rng.uniform(0, 2 * np.pi, 8)
    hum = sum(
        np.sin(2 * np.pi * 120 * k * time + phase) / k for k, phase in enumerate(phases, start=1)
    )
    return air * beat + 0.4 * hum


def coloured(
    rng: np.random.Generator, n_samples: int, sample_rate: int, slope: float
) -> np.ndarray:
    """Gaussian noise (N,) of power 1 whose spectrum falls as f^slope above 60 Hz.

    Slope -1 is pink, -2 brown; below 60 Hz the spectrum is flat.
    """
    freqs = np.fft.rfftfreq(n_samples, 1 / sample_rate)
    shape = np.maximum(freqs, 60.0) ** (slope / 2)
    noise = np.fft.irfft(shape * np.fft.rfft(rng.standard_normal(n_samples)), n_samples)
    return noise / np.sqrt(np.mean(noise**2))
