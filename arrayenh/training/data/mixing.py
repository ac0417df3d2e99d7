"""Random mixtures of the speech of a scene and the noise of a scene with the same array."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
from pydantic import ConfigDict, Field

from arrayenh.scenes.chance import draw_value
from arrayenh.training.data.stored import StoredScene

Share = Annotated[float, Field(ge=0, le=1)]
DRY = 0.5  # share of the noise-free examples that are also free of late reverberation


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixing:
    """Settings of the mixtures of speech and noise.

    Attributes
    ----------
    snr_db : float or table of a random value
        Reverberant speech over all noise at the reference microphone, by power over the whole
        files.
    remix : float
        Probability of noise from another scene with the same array.
    clean, silent : float
        Probabilities of an example without noise, and without speech.
    """

    snr_db: Any = field(default_factory=lambda: {"uniform": [-8.0, 20.0]})
    remix: Share = 0.5
    clean: Share = 0.05
    silent: Share = 0.03

    __pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, slots=True)
class Mixture:
    """Description of a mixture: speech, noise, start samples and gains.

    Attributes
    ----------
    speech, noise : StoredScene
    speech_start, noise_start : int
        Start samples of speech and noise.
    early, late, noisy : float
        Gains of early speech, late speech and noise, respectively.
    """

    speech: StoredScene
    noise: StoredScene
    speech_start: int
    noise_start: int
    early: float
    late: float
    noisy: float

    def hear(self, mics: Sequence[int], n: int) -> tuple[np.ndarray, np.ndarray]:
        """Early speech, and the rest of the mixture, at some microphones.

        Returns
        -------
        early, rest : float32 ndarray, shape (len(mics), n)
        """
        early = np.zeros((len(mics), n), np.float32)
        rest = np.zeros_like(early)
        if self.early:
            early, rest = self.speech.read(("early", "late"), mics, self.speech_start, n)
            rest *= np.float32(self.late)
        if self.noisy:
            (noise,) = self.noise.read(("noise",), mics, self.noise_start, n)
            rest += np.float32(self.noisy) * noise
        return early, rest


def draw_mixture(
    speech: StoredScene,
    others: Sequence[StoredScene],
    reference: int,
    n: int,
    mixing: Mixing,
    rng: np.random.Generator,
) -> Mixture:
    """Draw the noise for the speech of a scene, and the start of `n` samples of both.

    Parameters
    ----------
    speech : StoredScene
    others : sequence of StoredScene
        Scenes with the same array.
    reference : int
        Microphone at which the SNR is set.
    n : int
    mixing : Mixing
    rng : Generator
    """
    remixed, alone = rng.random() < mixing.remix, rng.random()
    noise = others[int(rng.integers(len(others)))] if remixed else speech
    start = random_start(speech, n, rng)
    noise_start = random_start(noise, n, rng) if noise is not speech else start
    snr_db = draw_value(mixing.snr_db, rng)
    power = speech.speech_power[reference], noise.noise_power[reference]
    noisy = np.sqrt(power[0] / power[1]) * 10 ** (-snr_db / 20) if min(power) > 0 else 1.0
    early = late = 1.0
    if alone < mixing.clean:
        noisy, late = 0.0, float(rng.random() >= DRY)
    elif alone < mixing.clean + mixing.silent:
        early = late = 0.0
    return Mixture(speech, noise, start, noise_start, early, late, float(noisy))


def random_start(scene: StoredScene, n: int, rng: np.random.Generator) -> int:
    """Random start of `n` samples of a scene."""
    return int(rng.integers(max(scene.n_samples - n, 0) + 1))
