"""What a source says: a plain description of a signal, and the samples behind it."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from arrayenh.audio import read, resample
from arrayenh.errors import SceneError
from arrayenh.scenes.babble import babble
from arrayenh.scenes.coloured import coloured_noise
from arrayenh.scenes.machines import clicks, engine, fan, hum
from arrayenh.scenes.packaged import load_clip

PACKAGED = "packaged:"  # followed by the name of a voice that ships with arrayenh
COLOURS = ("white", "pink", "brown", "speech-shaped")
MACHINES = {"fan": fan, "hum": hum, "engine": engine, "clicks": clicks}
MADE = (*COLOURS, *MACHINES)  # by numbers, not from files
FADE_S = 0.01
LEAST_POWER = 1e-3  # of a part, relative to its file: 30 dB below, it is a gap between events
CACHED_FILES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A part of a sound file; times in samples at the rate of the scene.

    Parameters
    ----------
    file : str
        A mono sound file (of several channels the first), or "packaged:female".
    start, stop : int
        Which samples; stop None is the end.
    at : int
        Where in the signal they begin.
    """

    file: str
    start: int = 0
    stop: int | None = None
    at: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """What a source says, as plain values.

    Parameters
    ----------
    kind : str
        "clips" puts each clip in its place, silence elsewhere; "loop" goes round in the
        first clip's file from its start; "babble" lets every clip's file be a talker that
        goes on for ever; "white", "pink", "brown" and "speech-shaped" are Gaussian noise,
        "fan", "hum", "engine" and "clicks" are machines.
    clips : tuple of Clip
    seed : int
        Of noise and babble.
    """

    kind: Literal[
        "clips", "loop", "babble", "white", "pink", "brown", "speech-shaped",
        "fan", "hum", "engine", "clicks",
    ]  # fmt: skip
    clips: tuple[Clip, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        if (self.kind in MADE) == bool(self.clips):
            wanted = "no clips" if self.kind in MADE else "at least one clip"
            raise SceneError(f"a signal of kind {self.kind!r} needs {wanted}")


def load_signal(signal: Signal, n_samples: int, sample_rate: int) -> np.ndarray:
    """The samples of a signal.

    Parameters
    ----------
    signal : Signal
    n_samples : int
    sample_rate : int
        Hz; files of another rate are resampled.

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
    """The first channel of a file, mean power 1, float64, shape (N,); read-only."""
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
    """`n_samples` that go round in `samples` from `start`, joined without clicks."""
    start %= len(samples)
    return np.resize(np.roll(samples, -start), n_samples)


def sounding_start(
    rng: np.random.Generator, samples: np.ndarray, n_samples: int, tries: int = 100
) -> int:
    """A random start from which a loop of `n_samples` is not nearly silent.

    Files of short events have gaps; a part 30 dB below its file is drawn again.

    Raises
    ------
    SceneError
        If no such part is found.
    """
    for _ in range(tries):
        start = int(rng.integers(len(samples)))
        if np.mean(looped(samples, start, n_samples) ** 2) > LEAST_POWER * np.mean(samples**2):
            return start
    raise SceneError(f"{tries} parts of {n_samples} samples were all nearly silent")


def faded(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """The samples with 10 ms of fade at both ends."""
    n = min(round(FADE_S * sample_rate), len(samples) // 2)
    if n == 0:
        return samples
    ramp = np.linspace(0, 1, n)
    return np.concatenate([samples[:n] * ramp, samples[n:-n], samples[-n:] * ramp[::-1]])
