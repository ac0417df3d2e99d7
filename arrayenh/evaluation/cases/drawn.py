"""Cases drawn and rendered on the fly from a suite and a seed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np

from arrayenh.errors import SceneError
from arrayenh.evaluation.cases.case import Case, CaseFacts, digest, file_digest
from arrayenh.evaluation.suite import Suite
from arrayenh.evaluation.systems.system import Trial
from arrayenh.microphones.mic_array import MicArray
from arrayenh.scenes.draw import draw_scene
from arrayenh.scenes.render import Rendered, render
from arrayenh.scenes.rooms import Measured, Shoebox
from arrayenh.scenes.scene import Noise, PlacedArray, Scene
from arrayenh.scenes.serialise import scene_to_json
from arrayenh.scenes.signals import PACKAGED

RT60_EDGES = (0.2, 0.4, 0.6, 0.8)  # seconds
FILE = re.compile(r'"file":"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class DrawnScenes:
    """The scenes of a suite.

    Attributes
    ----------
    suite : Suite
    n, seed : int
    transcripts : mapping of str to str
        Words of an audio file, by its name without folder and suffix.
    """

    suite: Suite
    n: int
    seed: int
    transcripts: Mapping[str, str]

    def __len__(self) -> int:
        """Number of scenes."""
        return self.n

    def identity(self) -> dict[str, str]:
        """The first scene, which differs for every other suite, seed or material."""
        first = self.facts(0)
        return {"first": first.name, "key": first.key}

    def facts(self, index: int) -> CaseFacts:
        """Draw a scene and return its properties."""
        scene = self.scene(index)
        conditions = conditions_of(scene)
        name = f"{index:03d} {scene.array.name} {conditions.get('input SNR', '')}".strip()
        key = digest([self.suite.target, self.spoken(index, scene) or "", identity(scene)])
        return CaseFacts(name, key, scene.n_samples / scene.sample_rate, conditions)

    def case(self, index: int) -> Case:
        """Draw a scene and render it."""
        scene = self.scene(index)
        trial = trial_of(render(scene), self.suite.target)
        assert trial.target is not None
        return Case(trial, trial.target[0], self.spoken(index, scene))

    def scene(self, index: int) -> Scene:
        """Draw a scene."""
        try:
            return draw_scene(self.suite.recipe(index), index, self.seed)
        except SceneError as error:
            raise SceneError(f"scene {index}: {error}") from error

    def spoken(self, index: int, scene: Scene) -> str | None:
        """Transcript of the target, if every utterance has one and none is cut."""
        whole = self.suite.tree(index).get("talkers", [{}])[0].get("whole", False)
        texts = [self.transcripts.get(stem(clip.file)) for clip in scene.talkers[0].signal.clips]
        if not whole or not texts or None in texts:
            return None
        return " ".join(text for text in texts if text)


def stem(file: str) -> str:
    """Name of an audio file without folder and suffix, or of a built-in voice."""
    return PurePath(file.removeprefix(PACKAGED)).stem


def identity(scene: Scene) -> str:
    """Scene as text, with each file name replaced by the hash of its contents."""

    def held(found: re.Match[str]) -> str:
        file = found[1].encode().decode("unicode_escape") if "\\" in found[1] else found[1]
        return file if file.startswith(PACKAGED) else file_digest(file)

    return FILE.sub(held, scene_to_json(scene))


def conditions_of(scene: Scene) -> dict[str, str]:
    """Conditions of a scene, by which the tables break down the scores."""
    found = {"array": scene.array.name}
    if scene.snr_db is not None:
        found["input SNR"] = f"{scene.snr_db:g} dB"
    if isinstance(rt60 := getattr(scene.room, "rt60", None), float | int):
        found["RT60"] = in_range(rt60)
    voices = len(scene.talkers) > 1 or any(is_voice(noise) for noise in scene.noises)
    found["competing talker"] = "yes" if voices else "no"
    around = [noise for noise in scene.noises if noise.kind in ("walls", "diffuse")]
    around = around or [noise for noise in scene.noises if not is_voice(noise)]
    if around and around[0].signals:
        kind = around[0].signals[0].kind
        found["background"] = "ambience" if kind == "loop" else kind
    return found


def is_voice(noise: Noise) -> bool:
    """Whether a noise is a talker."""
    return (
        noise.kind == "point"
        and noise.signals[0].kind == "babble"
        and len(noise.signals[0].clips) == 1
    )


def in_range(rt60: float) -> str:
    """Range that a reverberation time falls into."""
    edges = [edge for edge in RT60_EDGES if edge <= rt60]
    if not edges:
        return f"0 to {RT60_EDGES[0]:g} s"
    if len(edges) == len(RT60_EDGES):
        return f"{RT60_EDGES[-1]:g} s and more"
    return f"{edges[-1]:g} to {RT60_EDGES[len(edges)]:g} s"


def trial_of(rendered: Rendered, target: str) -> Trial:
    """Convert a rendered scene to the input of a system."""
    scene = rendered.scene
    array = MicArray(np.array(scene.array.positions), scene.array.name)
    image = rendered.early_image if target == "early" else rendered.target_image
    if isinstance(scene.room, Measured):
        return Trial(rendered.mixture, rendered.sample_rate, image, array)
    position = np.array(scene.talkers[0].position)
    azimuth_deg, _, _ = scene.array.direction_of(position)
    return Trial(
        rendered.mixture,
        rendered.sample_rate,
        image,
        array,
        float(np.deg2rad(azimuth_deg)),
        seen_from(scene.array, position[None])[0],
        seen_from(scene.array, mirrored(scene.room, position))
        if isinstance(scene.room, Shoebox)
        else None,
    )


def seen_from(array: PlacedArray, points: np.ndarray) -> np.ndarray:
    """Convert points from room coordinates to the array's frame, shape (K, 3), metres."""
    return (points - np.array(array.centre)) @ array.turn()


def mirrored(room: Shoebox, position: np.ndarray) -> np.ndarray:
    """The six first-order image sources of a point in a shoebox, shape (6, 3), metres."""
    images = np.tile(position, (6, 1))
    for axis, length in enumerate(room.size):
        images[2 * axis, axis] = -position[axis]
        images[2 * axis + 1, axis] = 2 * length - position[axis]
    return images
