"""Source signals: description as plain values, and loading of the samples."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Literal

import numpy as np
from pydantic import ConfigDict, Field

from arrayenh.audio import read, resample
from arrayenh.errors import SceneError
from arrayenh.scenes.babble import babble
from arrayenh.scenes.coloured import coloured_noise
from arrayenh.scenes.machines import clicks, engine, fan, hum
from arrayenh.scenes.packaged import load_clip

PACKAGED = "packaged:"  # prefix of the name of a packaged voice
COLOURS = ("white", "pink", "brown", "speech-shaped")
MACHINES = {"fan": fan, "hum": hum, "engine": engine, "clicks": clicks}
MADE = (*COLOURS, *MACHINES)  # synthetic signals
Sample = Annotated[int, Field(ge=0)]
STRICT = ConfigDict(extra="forbid")
FADE_S = 0.01
LEAST_POWER = 1e-3  # of an excerpt re its file: 30 dB below is a gap between events
CACHED_FILES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """Excerpt of a sound file; times are samples at the rate of the scene.

    Parameters
    ----------
    file : str
        A sound file, of which the first channel is used, or "packaged:female".
    start, stop : int
        Range of samples; a stop of None is the end of the file.
    at : int
        Position of the excerpt in the signal.
    """

    file: str
    start: Sample = 0
    stop: Sample | None = None
    at: Sample = 0

    __pydantic_config__ = STRICT


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """Description of a source signal as plain values.

    Parameters
    ----------
    kind : str
        "clips" puts each clip at its position, with silence elsewhere; "loop" loops the file of
        the first clip, beginning at its start; "babble" loops the file of every clip as one
        talker; "white", "pink", "brown" and "speech-shaped" are Gaussian noise; "fan", "hum",
        "engine" and "clicks" are machine noise.
    clips : tuple of Clip
    seed : int
        Seed of noise and babble.
    """

    kind: Literal[
        "clips", "loop", "babble", "white", "pink", "brown", "speech-shaped",
        "fan", "hum", "engine", "clicks",
    ]  # fmt: skip
    clips: tuple[Clip, ...] = ()
    seed: Sample = 0

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        if (self.kind in MADE) == bool(self.clips):
            wanted = "no clips" if self.kind in MADE else "at least one clip"
            raise SceneError(f"a signal of kind {self.kind!r} needs {wanted}")


def load_signal(signal: Signal, n_samples: int, sample_rate: int) -> np.ndarray:
    """Load or synthesise the samples of a signal.

    Parameters
    ----------
    signal : Signal
    n_samples : int
    sample_rate : int
        Hz; files with another rate are resampled.

    Returns
    -------
    samples : float64 ndarray, shape (N,)

    Raises
    ------
    AudioError
        If a file cannot be read.
    SceneError
        If a file is silent.
    """
    rng = np.random.default_rng(signal.seed)
    if signal.kind in MACHINES:
        return MACHINES[signal.kind](rng, n_samples, sample_rate)
    if signal.kind in COLOURS:
        return coloured_noise(rng, n_samples, sample_rate, signal.kind)
    if signal.kind == "babble":
        voices = [load_file(clip.file, sample_rate)[clip.start :] for clip in signal.clips]
        return babble(voices, n_samples, sample_rate, rng)
    if signal.kind == "loop":
        clip = signal.clips[0]
        return looped(load_file(clip.file, sample_rate), clip.start, n_samples)
    samples = np.zeros(n_samples)
    for clip in signal.clips:
        part = faded(load_file(clip.file, sample_rate)[clip.start : clip.stop], sample_rate)
        part = part[: max(n_samples - clip.at, 0)]
        samples[clip.at : clip.at + len(part)] += part
    return samples


@lru_cache(maxsize=CACHED_FILES)
def load_file(file: str, sample_rate: int) -> np.ndarray:
    """Load the first channel of a file, mean power 1, float64, shape (N,), read-only."""
    if file.startswith(PACKAGED):
        samples, rate = load_clip(file.removeprefix(PACKAGED))
    else:
        recording = read(file)
        samples, rate = recording.samples[0], recording.sample_rate
    if rate != sample_rate:
        blocks = iter([samples[None]])
        samples = np.concatenate(list(resample(blocks, 1, rate, sample_rate)), axis=1)[0]
    power = float(np.mean(np.square(samples, dtype=np.float64)))
    if power == 0:
        raise SceneError(f"{file} is silent; leave it out")
    samples = samples / np.sqrt(power)
    samples.setflags(write=False)
    return samples


def looped(samples: np.ndarray, start: int, n_samples: int) -> np.ndarray:
    """Loop `samples` from `start` to a length of `n_samples`, crossfading at the joints."""
    start %= len(samples)
    return np.resize(np.roll(samples, -start), n_samples)


def sounding_start(
    rng: np.random.Generator, samples: np.ndarray, n_samples: int, tries: int = 100
) -> int:
    """Draw a start from which a loop of `n_samples` is not nearly silent.

    Files of short events have gaps; an excerpt 30 dB below its file is drawn again.

    Raises
    ------
    SceneError
        If no such start is found.
    """
    for _ in range(tries):
        start = int(rng.integers(len(samples)))
        if np.mean(looped(samples, start, n_samples) ** 2) > LEAST_POWER * np.mean(samples**2):
            return start
    raise SceneError(f"{tries} excerpts of {n_samples} samples were all nearly silent")


def faded(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """Apply fades of 10 ms to both ends of the samples."""
    n = min(round(FADE_S * sample_rate), len(samples) // 2)
    if n == 0:
        return samples
    ramp = np.linspace(0, 1, n)
    return np.concatenate([samples[:n] * ramp, samples[n:-n], samples[-n:] * ramp[::-1]])
