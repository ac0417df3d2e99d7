"""Stored scenes of a bank, read in excerpts from memory maps."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from arrayenh.errors import AudioError, ConfigError
from arrayenh.training.data.bank import COMPONENTS, FORMAT, told


@dataclass(frozen=True, slots=True)
class StoredScene:
    """A stored scene.

    Attributes
    ----------
    path : Path
    array, speaker : str
    n_mics, n_samples : int
    scales : tuple of float
        Scales of the components: early speech, late speech, noise.
    speech_power, noise_power : tuple of float
        Mean power of reverberant speech and of noise at each microphone, over the file.
    rt60 : float, optional
        Seconds.
    """

    path: Path
    array: str
    speaker: str
    n_mics: int
    n_samples: int
    scales: tuple[float, ...]
    speech_power: tuple[float, ...]
    noise_power: tuple[float, ...]
    rt60: float | None

    def read(
        self, components: Sequence[str], mics: Sequence[int], start: int, n: int
    ) -> np.ndarray:
        """Read an excerpt of some components at some microphones, zero-padded at the end.

        Parameters
        ----------
        components : sequence of {"early", "late", "noise"}
        mics : sequence of int
        start, n : int

        Returns
        -------
        samples : float32 ndarray, shape (len(components), len(mics), n)

        Raises
        ------
        AudioError
            If the file is missing or damaged.
        """
        try:
            whole = np.load(self.path, mmap_mode="r")
        except (OSError, ValueError) as error:
            raise AudioError(f"{self.path} cannot be read: {error}") from error
        samples = np.zeros((len(components), len(mics), n), np.float32)
        stop = min(start + n, self.n_samples)
        for out, component in zip(samples, components, strict=True):
            k = COMPONENTS.index(component)
            for row, mic in zip(out, mics, strict=True):
                np.multiply(
                    whole[k, mic, start:stop], np.float32(self.scales[k]), out=row[: stop - start]
                )
        return samples


def open_bank(folder: Path, part: str, count: int) -> tuple[StoredScene, ...]:
    """Open the first `count` scenes of a part.

    Raises
    ------
    ConfigError
        If the bank has fewer scenes or another format.
    """
    place = folder / part
    files = [place / told(index) for index in range(count)]
    there = sum(file.exists() for file in files)
    if there < count:
        raise ConfigError(f"the bank {place} has {there} of {count} scenes: render it first")
    if json.loads((place / "bank.json").read_text(encoding="utf-8"))["format"] != FORMAT:
        raise ConfigError(f"the bank {place} was made by another version; render it again")
    return tuple(map(open_scene, files))


def open_scene(file: Path) -> StoredScene:
    """Open a scene by its description file."""
    facts = json.loads(file.read_text(encoding="utf-8"))
    n_mics, n_samples = facts["shape"]
    return StoredScene(
        path=file.with_suffix(".npy"),
        array=facts["array"],
        speaker=facts["speaker"],
        n_mics=n_mics,
        n_samples=n_samples,
        scales=tuple(facts["scales"]),
        speech_power=tuple(facts["speech_power"]),
        noise_power=tuple(facts["noise_power"]),
        rt60=facts["rt60"],
    )
