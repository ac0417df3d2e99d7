"""Chains of this package as systems: settings, and optionally the true direction."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from arrayenh.audio import Recording
from arrayenh.beamformers.binaural import ears
from arrayenh.chain.capture import RATE
from arrayenh.chain.enhancer import Enhanced, Enhancer
from arrayenh.chain.networks import Networks, chosen
from arrayenh.chain.settings import AUTO, NONE, Settings, changed, label_of, summary_of
from arrayenh.errors import AudioError, ConfigError, GeometryError, ShapeError, TrialError
from arrayenh.evaluation.systems.system import OWN, Output, Trial
from arrayenh.postfilters.statistical import HOP, N_FFT

STAGES = ("dereverb", "beamformer", "postfilter")  # in processing order


@dataclass(frozen=True, slots=True)
class Noisy:
    """The unprocessed reference microphone."""

    name: str = "noisy"
    kind: str = OWN
    describe: str = "the unprocessed reference microphone"

    def definition(self) -> Mapping[str, Any]:
        """Definition without settings."""
        return {"system": "noisy"}

    def latency(self) -> float | None:
        """Zero latency."""
        return 0.0

    def run(self, trial: Trial) -> Output:
        """Return microphone 0, with its speech and noise."""
        rest = trial.rest
        return Output(
            trial.mixture[0].astype(np.float32),
            None if trial.target is None else trial.target[0].astype(np.float32),
            None if rest is None else rest[0].astype(np.float32),
            heard_at_ears(trial),
        )


@dataclass(frozen=True, slots=True)
class Chain:
    """The chain of `arrayenh enhance` with given settings.

    Attributes
    ----------
    name : str
    settings : Settings
    true_direction : bool
        Use the talker's true azimuth in place of `settings.doa`.
    """

    name: str
    settings: Settings
    true_direction: bool = False
    kind: str = OWN

    @property
    def describe(self) -> str:
        """Stages and settings that differ from the defaults."""
        return described(self.settings, self.true_direction)

    @property
    def linear(self) -> bool:
        """Whether superposition holds: speech and noise can be filtered separately."""
        settings = self.settings
        return settings.postfilter == "none" and settings.strength == 1 and not settings.online

    def definition(self) -> Mapping[str, Any]:
        """All settings, and hashes of the network files.

        Raises
        ------
        ConfigError
            If a network does not exist.
        """
        return {
            "system": "chain",
            **asdict(self.settings),
            "true_direction": self.true_direction,
            "networks": self._networks.digests,
        }

    def latency(self) -> float | None:
        """Latency in seconds; None if whole segments are collected first."""
        settings = self.settings
        if not causal(settings, self.true_direction):
            return None
        stages, networks = [], self._networks
        stft = networks.stft(settings)
        if settings.online:
            return stft.latency / RATE
        if settings.beamformer != "none" or settings.dereverb != "none":
            stages.append((stft.n_fft, stft.hop))
        if settings.postfiltering is not None and settings.postfiltering.gain is not None:
            stages.append((N_FFT, HOP))
        if (network := networks.postfilter) is not None:
            if not network.streaming:
                return None
            stages.append((network.signature.n_fft, network.signature.hop))
        return waited(stages) / RATE

    def run(self, trial: Trial) -> Output:
        """Enhance; see `System.run`."""
        images = {}
        rest = trial.rest
        if self.linear and trial.target is not None and rest is not None:
            images = {"speech": trial.target, "noise": rest}
        try:
            recording = Recording(trial.mixture, trial.sample_rate)
            chain = Enhancer(self._told(trial), trial.array)
            return output_of(chain.enhance(recording, images))
        except (AudioError, ConfigError, GeometryError, ShapeError) as error:
            raise TrialError(f"{self.name}: {error}") from error

    @property
    def _networks(self) -> Networks:
        """Networks that run, with the direction set."""
        return chosen(
            replace(self.settings, doa=0.0) if self.true_direction else self.settings, RATE
        )

    def _told(self, trial: Trial) -> Settings:
        """Settings, with the true direction if required."""
        if not self.true_direction:
            return self.settings
        if trial.azimuth is None:
            raise TrialError(
                f"{self.name} needs the talker's true direction, which this recording does not have"
            )
        return replace(self.settings, doa=float(np.rad2deg(trial.azimuth)))


def heard_at_ears(trial: Trial) -> np.ndarray | None:
    """Signals of the two ear microphones, if the array defines both."""
    try:
        return None if trial.array is None else trial.mixture[list(ears(trial.array.positions))]
    except ShapeError:
        return None


def output_of(result: Enhanced) -> Output:
    """Convert the result of a chain to an output; the left ear of a binaural one."""
    shadows = {name: np.atleast_2d(shadow)[0] for name, shadow in result.shadows.items()}
    binaural = result.samples if result.samples.ndim == 2 else None
    return Output(np.atleast_2d(result.samples)[0], **shadows, ears=binaural)


def causal(settings: Settings, true_direction: bool) -> bool:
    """Whether no stage needs a whole segment before its first output."""
    if settings.reference == "auto":
        return False
    if settings.online:
        return True
    given = true_direction or isinstance(settings.doa, int | float)
    beamforming = settings.beamforming
    fixed = beamforming is None or (beamforming.fixed and given)
    return fixed and settings.dereverberation is None


def waited(stages: Sequence[tuple[int, int]]) -> int:
    """Latency of cascaded stages in samples, including the sample itself.

    A stage outputs sample n at the end of the last frame that contains it, which needs input
    sample ⌊(n + n_fft)/hop⌋·hop - 1; the next stage waits for that.

    Parameters
    ----------
    stages : sequence of (n_fft, hop)
        In processing order. One stage alone waits for n_fft samples.
    """
    if not stages:
        return 0
    given = np.arange(math.lcm(*(hop for _, hop in stages)))
    heard = given
    for n_fft, hop in reversed(stages):
        heard = (heard + n_fft) // hop * hop - 1
    return int(np.max(heard - given)) + 1


def described(settings: Settings, true_direction: bool) -> str:
    """One-line description: stages, direction, and settings that differ from the defaults."""
    stages = [name for key in STAGES if (name := getattr(settings, key)) != NONE]
    line = "the reference microphone through an idle chain"
    if stages:
        line = summary_of(stages[0]) if len(stages) == 1 else ", then ".join(map(label_of, stages))
    skipped = {*STAGES, "doa"} if true_direction or settings.doa == AUTO else {*STAGES}
    others = [f"{key}={value}" for key, value in changed(settings).items() if key not in skipped]
    if true_direction:
        others.insert(0, "true direction given")
    elif settings.doa == AUTO:
        others.insert(0, "direction found")
    return f"{line} ({', '.join(others)})" if others else line
