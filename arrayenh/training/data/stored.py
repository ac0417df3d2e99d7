"""Stored scenes of a bank, read in excerpts from memory maps."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import ConfigDict, Field

from arrayenh.errors import AudioError, ConfigError
from arrayenh.formats import json_object, mapped_array, read_text
from arrayenh.training.data.bank import COMPONENTS, FORMAT, told
from arrayenh.validation import validated

Power = Annotated[float, Field(ge=0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFacts:
    """Contents of the description file of a scene; see `StoredScene`."""

    array: str
    speaker: str
    rt60: float | None
    shape: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]
    scales: tuple[Power, ...]
    speech_power: tuple[Power, ...]
    noise_power: tuple[Power, ...]

    __pydantic_config__ = ConfigDict(allow_inf_nan=False)


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
        whole = mapped_array(self.path, AudioError)
        wanted = (len(COMPONENTS), self.n_mics, self.n_samples)
        if whole.shape != wanted or whole.dtype != np.int16:
            raise AudioError(
                f"{self.path} is damaged: int16 of shape {wanted} should be in it; "
                f"got {whole.dtype} of shape {whole.shape}"
            )
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
    described = place / "bank.json"
    if json_object(read_text(described), str(described)).get("format") != FORMAT:
        raise ConfigError(f"the bank {place} was made by another version; render it again")
    return tuple(map(open_scene, files))


def open_scene(file: Path) -> StoredScene:
    """Open a scene by its description file.

    Raises
    ------
    ConfigError
        If the file cannot be read or is damaged.
    """
    facts = validated(StoredFacts, json_object(read_text(file), str(file)), str(file))
    n_mics, n_samples = facts.shape
    if (len(facts.scales), len(facts.speech_power), len(facts.noise_power)) != (
        len(COMPONENTS),
        n_mics,
        n_mics,
    ):
        raise ConfigError(f"{file} is damaged; delete it to render the scene again")
    return StoredScene(
        path=file.with_suffix(".npy"),
        array=facts.array,
        speaker=facts.speaker,
        n_mics=n_mics,
        n_samples=n_samples,
        scales=facts.scales,
        speech_power=facts.speech_power,
        noise_power=facts.noise_power,
        rt60=facts.rt60,
    )
