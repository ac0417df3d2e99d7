"""Chosen scenes of a benchmark as its page plays and shows them: cut, levelled, made small."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from arrayenh.audio.compressed import RATES, compress
from arrayenh.errors import AudioError, ShapeError
from arrayenh.reports.excerpt import choose_excerpt
from arrayenh.reports.listening import picture_html
from arrayenh.reports.playback import common_gain, resampled
from arrayenh.reports.spectrogram import (
    RANGE_DB,
    loudest_db,
    spectrogram_db,
    spectrogram_png,
    top_frequency,
)

MOST_SECONDS = 10
"""Of one scene."""

MOST_SOUND_S = 300
"""Of all stages of all scenes together: with more stages, excerpts are shorter."""

COARSENESS = (0.0, 0.4, 0.8)
"""Of the sounds, from the finest: the first of which the page has room for."""

N_COLOURS = 32
"""Of the pictures: steps of 2 dB, which halves their size."""


@dataclass(frozen=True, slots=True, eq=False)
class SceneSounds:
    """What systems made of a scene.

    Attributes
    ----------
    scene : str
        Its name in the results.
    why : str
        Why it was chosen, a few words.
    sample_rate : int
        Hz.
    stages : mapping of str to float ndarray, shape (N,)
        Outputs by the names of the systems, in the order of their buttons.

    Raises
    ------
    ShapeError
        If there is no stage, or the stages are not waveforms of one length.
    AudioError
        If a sample is not finite.
    """

    scene: str
    why: str
    sample_rate: int
    stages: Mapping[str, np.ndarray]

    def __post_init__(self) -> None:
        if not self.stages:
            raise ShapeError(f"scene {self.scene!r} needs at least one stage; got none")
        first = np.shape(next(iter(self.stages.values())))
        for name, samples in self.stages.items():
            shape = np.shape(samples)
            if len(shape) != 1 or shape != first or shape[0] == 0:
                raise ShapeError(
                    f"stage {name!r} of scene {self.scene!r} must have shape (N,), N > 0 and "
                    f"alike in all stages; got {shape}, the first has {first}"
                )
            if not np.isfinite(samples).all():
                raise AudioError(
                    f"stage {name!r} of scene {self.scene!r} holds NaN or infinite samples"
                )


@dataclass(frozen=True, slots=True, eq=False)
class Excerpt:
    """A scene as the page plays it: `stages`, shape (N,) each, at `rate`, from `start` on."""

    scene: str
    why: str
    stages: Mapping[str, np.ndarray]
    rate: int
    start: float
    whole_duration: float
    gain_db: float

    @property
    def duration(self) -> float:
        """Seconds."""
        return next(iter(self.stages.values())).size / self.rate

    @property
    def is_cut(self) -> bool:
        """Whether the scene is longer."""
        return self.whole_duration - self.duration > 0.5


def excerpts_of(sounds: Sequence[SceneSounds]) -> list[Excerpt]:
    """All scenes, as long as the page has room for."""
    n_stages = sum(len(scene.stages) for scene in sounds)
    seconds = max(1, min(MOST_SECONDS, MOST_SOUND_S // n_stages))
    return [excerpt_of(scene, seconds) for scene in sounds]


def excerpt_of(sounds: SceneSounds, seconds: int) -> Excerpt:
    """The stretch richest in speech, at a rate that can be compressed, loud enough to hear."""
    recorded = sounds.sample_rate
    rate = next((rate for rate in RATES if rate >= recorded), RATES[-1])
    last = np.asarray(list(sounds.stages.values())[-1])
    part = choose_excerpt(last, recorded, seconds)
    cut = {
        name: resampled(np.asarray(samples[part], np.float32), recorded, rate)
        for name, samples in sounds.stages.items()
    }
    gain = common_gain(list(cut.values()))
    return Excerpt(
        sounds.scene,
        sounds.why,
        {name: samples * np.float32(gain) for name, samples in cut.items()},
        rate,
        part.start / recorded,
        last.size / recorded,
        float(20 * np.log10(gain)),
    )


def pictures_of(excerpt: Excerpt) -> list[str]:
    """A spectrogram of each stage as HTML, all on one scale."""
    levels = [halved(spectrogram_db(samples, excerpt.rate)) for samples in excerpt.stages.values()]
    loudest = loudest_db(levels)
    top_khz = top_frequency(excerpt.rate) / 1000
    return [
        picture_html(name, spectrogram_png(coarse(level, loudest), loudest), top_khz)
        for name, level in zip(excerpt.stages, levels, strict=True)
    ]


def halved(level_db: np.ndarray) -> np.ndarray:
    """A spectrogram of half as many rows and columns, shape (F // 2, T // 2).

    Power is averaged over two by two points. A last odd one, and the row at 0 Hz, are left
    out; a spectrogram of one column keeps it.
    """
    power = 10 ** (level_db[1:] / 10)
    n_rows, n_columns = power.shape
    power = power[: n_rows // 2 * 2].reshape(n_rows // 2, 2, n_columns).mean(axis=1)
    if n_columns > 1:
        pairs = power[:, : n_columns // 2 * 2].reshape(n_rows // 2, n_columns // 2, 2)
        power = pairs.mean(axis=2)
    return 10 * np.log10(power)


def coarse(level_db: np.ndarray, loudest: float) -> np.ndarray:
    """Levels rounded to as many steps as there are colours."""
    step = RANGE_DB / (N_COLOURS - 1)
    return loudest + step * np.rint((level_db - loudest) / step)


def addresses_of(excerpts: Sequence[Excerpt], room: int) -> list[list[str]]:
    """Addresses that hold the sounds of each scene, as fine as there is room for.

    Parameters
    ----------
    excerpts : sequence of Excerpt
    room : int
        Characters; the coarsest sounds may exceed it.
    """
    found: list[list[str]] = []
    for coarseness in COARSENESS:
        found = [
            [address(samples, excerpt.rate, coarseness) for samples in excerpt.stages.values()]
            for excerpt in excerpts
        ]
        if sum(len(sound) for scene in found for sound in scene) <= room:
            break
    return found


def address(samples: np.ndarray, rate: int, coarseness: float) -> str:
    """A sound as it stands in the page."""
    return f"data:audio/mpeg;base64,{b64encode(compress(samples, rate, coarseness)).decode()}"
