"""Training examples from scenes: excerpts of the network input and of its target."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from arrayenh.networks.signature import Signature
from arrayenh.training.data import augmentation as channel
from arrayenh.training.data.augmentation import NONE, Augmentation
from arrayenh.training.data.beamformed import Roles, beamform, first_mask
from arrayenh.training.data.mixing import Mixing, draw_mixture
from arrayenh.training.data.stored import StoredScene

RATE = 16_000  # Hz
LEAST_MICS = 2  # smallest array of a beamformer


Example = dict[str, np.ndarray]
"""Float32 arrays: "inputs" (C, N), or "microphones" (M, N) with the "mask" (T, F) that first steers
the beamformer; and "target" (N,)."""


class Source(Protocol):
    """Protocol of a source of examples."""

    def __len__(self) -> int:
        """Number of items from which examples are drawn."""

    def example(self, k: int, rng: np.random.Generator) -> Example:
        """Draw an example from item `k`."""


@dataclass(frozen=True, slots=True)
class Finish:
    """Final processing of the signals of every example.

    Attributes
    ----------
    n_samples : int
        N.
    augmentation : Augmentation
    """

    n_samples: int
    augmentation: Augmentation

    def plain(self) -> "Finish":
        """Copy without augmentation."""
        return replace(self, augmentation=NONE)

    def speed(self, rng: np.random.Generator) -> tuple[float, int]:
        """Draw a speed, and the number of samples needed for it."""
        speed = channel.drawn_speed(self.augmentation, rng)
        return speed, channel.samples_needed(self.n_samples, speed)

    def faulty(self, mixture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Apply random faults to microphone signals, (K, N)."""
        return channel.faulty(mixture, self.augmentation, rng)

    def finished(
        self, inputs: np.ndarray, target: np.ndarray, speed: float, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Apply speed, channel and level to inputs (C, n) and target (n,)."""
        signals = channel.played(np.vstack([inputs, target]), speed, RATE, self.n_samples)
        signals = channel.through_channel(signals, self.augmentation, RATE, rng)
        signals = channel.levelled(signals, rng)
        return signals[:-1], signals[-1]


@dataclass(frozen=True, slots=True)
class Beam:
    """Settings of the beamformer of multichannel recordings.

    Attributes
    ----------
    masks : str
        Masks that steer it; see `beamform`.
    context : int
        Number of input samples, of which the example is a part.
    passed : float
        Probability that it passes its reference, as it does without a mask and for mono
        recordings: beamformed = reference, rest = 0.
    """

    masks: str
    context: int
    passed: float


class SceneExamples:
    """Examples from a bank of scenes.

    Parameters
    ----------
    scenes : sequence of StoredScene
    signature : Signature
        Signature of the network. ("microphone",) is one unprocessed microphone. A network of
        masks with a beamformer's output as input gets all microphones, as it steers itself.
    mixing : Mixing
    finish : Finish
    beam : Beam
    """

    def __init__(
        self,
        scenes: Sequence[StoredScene],
        signature: Signature,
        mixing: Mixing,
        finish: Finish,
        beam: Beam,
    ) -> None:
        self._scenes, self._roles = scenes, signature.inputs
        self._steers = signature.task != "postfilter" and signature.inputs != ("microphone",)
        self._stft = signature.stft
        self._mixing, self._finish, self._beam = mixing, finish, beam
        self._same: dict[str, list[StoredScene]] = {}
        for scene in scenes:
            self._same.setdefault(scene.array, []).append(scene)

    def __len__(self) -> int:
        """Number of scenes."""
        return len(self._scenes)

    def example(self, k: int, rng: np.random.Generator) -> Example:
        """Draw an example with the speech of scene `k`."""
        scene, beam = self._scenes[k], self._beam
        alone = self._roles == ("microphone",) or rng.random() < beam.passed
        mics = chosen_mics(scene.n_mics, alone, rng)
        speed, n = self._finish.speed(rng)
        heard = n if alone or self._steers else max(n, min(beam.context, scene.n_samples))
        mixture = draw_mixture(scene, self._same[scene.array], mics[0], heard, self._mixing, rng)
        early, rest = mixture.hear(mics, heard)
        inputs = self._finish.faulty(early + rest, rng)
        if self._roles != ("microphone",) and not self._steers:
            roles = Roles.of_one(inputs[0])
            if not alone:
                roles = beamform(inputs, early, beam.masks, RATE, rng)
            inputs = roles.signals(self._roles)
        start = int(rng.integers(heard - n + 1))
        part = slice(start, start + n)
        inputs, target = self._finish.finished(inputs[:, part], early[0, part], speed, rng)
        if not self._steers:
            return {"inputs": inputs, "target": target}
        mask = first_mask(inputs, target, beam.masks, self._stft, RATE, rng)
        return {"microphones": inputs, "mask": mask.T, "target": target}


def chosen_mics(n_mics: int, alone: bool, rng: np.random.Generator) -> list[int]:
    """Draw one microphone, or two or more in random order; the first is the reference."""
    n = 1 if alone else int(rng.integers(min(LEAST_MICS, n_mics), n_mics + 1))
    return rng.permutation(n_mics)[:n].tolist()
