"""The scene of `arrayenh demo`: a meeting room, a talker, a fan, air conditioning."""

from dataclasses import dataclass

import numpy as np

from arrayenh.microphones.geometry import load_array
from arrayenh.microphones.mic_array import MicArray
from arrayenh.scenes.packaged import load_clip
from arrayenh.scenes.placing import points, seen_from
from arrayenh.scenes.render import Rendered, render
from arrayenh.scenes.rooms import Shoebox
from arrayenh.scenes.scene import Noise, PlacedArray, Scene, Talker
from arrayenh.scenes.signals import PACKAGED, Clip, Signal

ARRAY = "linear4-35mm"
ROOM = Shoebox(size=(6.0, 5.0, 2.8), rt60=0.4)
ARRAY_CENTRE = (2.6, 2.1, 1.0)  # metres, on the table
TARGET_AZIMUTH_DEG, TARGET_DISTANCE = 70.0, 1.5
FAN_AZIMUTH_DEG, FAN_DISTANCE = 155.0, 1.9
RIVAL_AZIMUTH_DEG, RIVAL_DISTANCE = 20.0, 2.2
SEATED = 1.2  # metres above the floor
LEAD_IN_S, TAIL_S = 0.5, 0.3
SNR_DB = 3.0
RIVAL_BELOW_FAN_DB = 6.0
N_WALL_SOURCES, WALL_GAP = 12, 0.2


@dataclass(frozen=True, slots=True, eq=False)
class DemoScene:
    """The rendered scene, its array and the direction of the talker.

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
        Seed of all noise: fan, air conditioning and sensor noise.
    competing_talker : bool
        Add a male talker elsewhere in the room, 6 dB below the fan.

    Returns
    -------
    DemoScene
        About 9 seconds at 16 kHz; the first half second contains noise only.
    """
    array = load_array(ARRAY)
    scene = describe(array, np.random.default_rng(seed), competing_talker)
    return DemoScene(render(scene), array, float(np.deg2rad(TARGET_AZIMUTH_DEG)))


def describe(array: MicArray, rng: np.random.Generator, competing_talker: bool) -> Scene:
    """Description of the demo scene as plain values."""
    placed = PlacedArray(
        name=ARRAY, positions=points(array.centred().positions), centre=ARRAY_CENTRE
    )
    speech, sample_rate = load_clip("female")
    lead_in, tail = round(LEAD_IN_S * sample_rate), round(TAIL_S * sample_rate)
    noises = [
        Noise(
            kind="point",
            positions=(seen_from(placed, FAN_AZIMUTH_DEG, FAN_DISTANCE, SEATED),),
            signals=(Signal(kind="fan", seed=draw_seed(rng)),),
        ),
        Noise(
            kind="walls",
            positions=points(ROOM.along_walls(rng, N_WALL_SOURCES, WALL_GAP)),
            signals=tuple(Signal(kind="brown", seed=draw_seed(rng)) for _ in range(N_WALL_SOURCES)),
        ),
    ]
    if competing_talker:
        rival = Noise(
            kind="point",
            level_db=-RIVAL_BELOW_FAN_DB,
            positions=(seen_from(placed, RIVAL_AZIMUTH_DEG, RIVAL_DISTANCE, SEATED),),
            signals=(Signal(kind="loop", clips=(Clip(file=f"{PACKAGED}male"),)),),
        )
        noises.append(rival)
    clip = Clip(file=f"{PACKAGED}female", at=lead_in)
    target = Talker(
        speaker="female",
        signal=Signal(kind="clips", clips=(clip,)),
        position=seen_from(placed, TARGET_AZIMUTH_DEG, TARGET_DISTANCE, SEATED),
    )
    return Scene(
        room=ROOM,
        array=placed,
        talkers=(target,),
        noises=tuple(noises),
        n_samples=lead_in + len(speech) + tail,
        sample_rate=sample_rate,
        snr_db=SNR_DB,
        seed=draw_seed(rng),
    )


def draw_seed(rng: np.random.Generator) -> int:
    """Draw the seed of another generator."""
    return int(rng.integers(2**31))
