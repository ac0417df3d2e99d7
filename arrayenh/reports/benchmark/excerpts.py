"""Excerpts of selected scenes for the report: cut, levelled and compressed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from arrayenh.audio.compressed import RATES, compress
from arrayenh.errors import AudioError, ShapeError
from arrayenh.reports.listening import Excerpt, address, excerpt_of
from arrayenh.reports.spectrogram import RANGE_DB, loudest_db, spectrogram_db, spectrogram_png

MOST_SECONDS = 10
"""Seconds of audio of one scene."""

MOST_SOUND_S = 300
"""Seconds of audio of all stages of all scenes; with more stages, excerpts are shorter."""

COARSENESS = (0.0, 0.4, 0.8)
"""Audio formats, best first; the first that fits into the page is used."""

N_COLOURS = 32
"""Colours of the pictures: steps of 2 dB, which halves their size."""


@dataclass(frozen=True, slots=True, eq=False)
class SceneSounds:
    """Outputs of the systems for one scene.

    Attributes
    ----------
    scene : str
        Name of the scene in the results.
    why : str
        Short reason for its selection.
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


def excerpts_of(sounds: Sequence[SceneSounds]) -> list[Excerpt]:
    """Cut all scenes to the length that fits into the page, at rates that can be compressed."""
    n_stages = sum(len(scene.stages) for scene in sounds)
    seconds = max(1, min(MOST_SECONDS, MOST_SOUND_S // max(n_stages, 1)))
    return [
        excerpt_of(
            [np.asarray(samples) for samples in scene.stages.values()],
            scene.sample_rate,
            seconds,
            next((rate for rate in RATES if rate >= scene.sample_rate), RATES[-1]),
        )
        for scene in sounds
    ]


def pictures_of(excerpt: Excerpt) -> list[str]:
    """Data URLs of the stages' spectrograms, all on one scale."""
    levels = [halved(spectrogram_db(sound, excerpt.rate)) for sound in excerpt.sounds]
    loudest = loudest_db(levels)
    return [
        address("image/png", spectrogram_png(coarse(level, loudest), loudest)) for level in levels
    ]


def halved(level_db: np.ndarray) -> np.ndarray:
    """Halve the rows and columns of a spectrogram, shape (F // 2, T // 2).

    Power is averaged over two by two points. An odd last column and the row at 0 Hz are
    dropped; a spectrogram of one column keeps it.
    """
    power = 10 ** (level_db[1:] / 10)
    n_rows, n_columns = power.shape
    power = power[: n_rows // 2 * 2].reshape(n_rows // 2, 2, n_columns).mean(axis=1)
    if n_columns > 1:
        pairs = power[:, : n_columns // 2 * 2].reshape(n_rows // 2, n_columns // 2, 2)
        power = pairs.mean(axis=2)
    return 10 * np.log10(power)


def coarse(level_db: np.ndarray, loudest: float) -> np.ndarray:
    """Round levels to the number of colours."""
    step = RANGE_DB / (N_COLOURS - 1)
    return loudest + step * np.rint((level_db - loudest) / step)


def addresses_of(excerpts: Sequence[Excerpt], room: int) -> list[list[str]]:
    """Data URLs of the audio of each scene, in the best format that fits.

    Parameters
    ----------
    excerpts : sequence of Excerpt
    room : int
        Characters; the lowest quality may exceed it.
    """
    found: list[list[str]] = []
    for coarseness in COARSENESS:
        found = [
            [
                address("audio/mpeg", compress(sound, excerpt.rate, coarseness))
                for sound in excerpt.sounds
            ]
            for excerpt in excerpts
        ]
        if sum(len(sound) for scene in found for sound in scene) <= room:
            break
    return found
