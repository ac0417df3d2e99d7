"""Cases on disk: data sets of scenes, noisy and clean folders, recordings without reference."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from arrayenh.audio import SUFFIXES, open_recording, read
from arrayenh.checks import printable
from arrayenh.errors import AudioError, ConfigError
from arrayenh.evaluation.cases.case import Case, CaseFacts, digest, file_digest
from arrayenh.evaluation.cases.drawn import conditions_of, seen_from
from arrayenh.evaluation.systems.system import Trial
from arrayenh.microphones.mic_array import MicArray
from arrayenh.microphones.wiring import microphones_of
from arrayenh.scenes.rooms import Measured
from arrayenh.scenes.serialise import scene_in_file

NOISY, CLEAN = "noisy", "clean"
TARGET_FILES = {"early": "early", "reverberant": "target"}


@dataclass(frozen=True, slots=True)
class Files:
    """Audio files of one case, and its metadata."""

    name: str
    mixture: Path
    target: Path | None = None
    scene: Path | None = None


@dataclass(frozen=True, slots=True)
class FolderCases:
    """Cases on disk.

    Attributes
    ----------
    folder : Path
        Folder of the cases; more may be added.
    target : {"early", "reverberant"}
        Target signal in a data set.
    files : tuple of Files
    array : MicArray, optional
        Geometry of recordings without their own.
    transcripts : mapping of str to str
        Words of the target talker, by the name of the case.
    """

    folder: Path
    target: str
    files: tuple[Files, ...]
    array: MicArray | None = None
    transcripts: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        """Number of cases."""
        return len(self.files)

    def identity(self) -> dict[str, str]:
        """The folder."""
        return {"folder": str(self.folder), "target": self.target}

    def notes(self) -> list[str]:
        """Lines for the user about what was put right in the audio files."""
        paths = (path for files in self.files for path in (files.mixture, files.target) if path)
        return [f"{path}: {note}" for path in paths for note in open_recording([path]).notes]

    def facts(self, index: int) -> CaseFacts:
        """Properties of one case, from its files."""
        files = self.files[index]
        there = [path for path in (files.mixture, files.target, files.scene) if path]
        array = "" if self.array is None else repr(self.array.positions.tolist())
        key = digest([array, self.transcripts.get(files.name, ""), *map(file_digest, there)])
        recording = open_recording([files.mixture])
        conditions = {"microphones": str(recording.n_mics)}
        if files.scene:
            conditions = conditions_of(scene_in_file(files.scene))
        return CaseFacts(
            printable(files.name), key, recording.n_samples / recording.sample_rate, conditions
        )

    def case(self, index: int) -> Case:
        """Read the audio files of one case."""
        files = self.files[index]
        recording = read(files.mixture)
        target = None if files.target is None else target_of(files, recording.samples.shape)
        known: dict[str, Any] = {"array": self.array}
        if files.scene:
            known |= from_scene(files.scene)
        recording, _ = microphones_of(recording, known["array"])
        if target is not None and len(target) == recording.n_channels:
            target = target[list(recording.channels)]
        reference = None if target is None else target[0]
        if target is not None and len(target) < recording.n_mics:
            target = None  # one clean channel: the target at the other microphones is unknown
        trial = Trial(recording.samples, recording.sample_rate, target, **known)
        return Case(trial, reference, self.transcripts.get(files.name))


def target_of(files: Files, shape: tuple[int, ...]) -> np.ndarray:
    """Read the clean speech at every microphone, or at the reference microphone alone."""
    assert files.target is not None
    target = read(files.target).samples
    if target.shape in (shape, (1, shape[1])):
        return target
    raise AudioError(
        f"{files.target} has shape {target.shape}, {files.mixture} {shape}: clean speech has the "
        f"same length, and one channel or as many"
    )


def from_scene(path: Path) -> dict[str, Any]:
    """Read the array and the positions from a data set's scene.json."""
    scene = scene_in_file(path)
    array = MicArray(np.array(scene.array.positions), scene.array.name)
    if isinstance(scene.room, Measured):
        return {"array": array}
    position = np.array(scene.talkers[0].position)
    azimuth_deg, _, _ = scene.array.direction_of(position)
    return {
        "array": array,
        "azimuth": float(np.deg2rad(azimuth_deg)),
        "position": seen_from(scene.array, position[None])[0],
    }


def find_cases(
    folder: Path, target: str, array: MicArray | None, transcripts: Mapping[str, str]
) -> FolderCases:
    """Find the cases of a folder: a data set, `noisy*` beside `clean*`, or recordings alone.

    Raises
    ------
    ConfigError
        If the folder holds no case.
    """
    if (folder / "scenes").is_dir():
        found = of_dataset(folder, target)
    elif paired := [path for path in folder.iterdir() if is_called(path, NOISY)]:
        found = of_pairs(folder, paired)
    else:
        found = [Files(path.stem, path) for path in sounds(folder)]
    if not found:
        raise ConfigError(
            f"{folder} holds nothing to score: neither a data set of 'arrayenh simulate', nor "
            f"folders noisy and clean, nor recordings"
        )
    return FolderCases(folder, target, tuple(found), array, transcripts)


def of_dataset(folder: Path, target: str) -> list[Files]:
    """Scenes of a data set that have a mixture."""
    found = []
    for scene in sorted((folder / "scenes").iterdir()):
        there = {path.stem: path for path in sounds(scene)} if scene.is_dir() else {}
        if "mixture" in there and (scene / "scene.json").is_file():
            clean = there.get(TARGET_FILES[target])
            found.append(Files(scene.name, there["mixture"], clean, scene / "scene.json"))
    return found


def of_pairs(folder: Path, noisy: list[Path]) -> list[Files]:
    """Files of folders noisy*, each paired with the file of the same name in clean*."""
    found = []
    for noisy_folder in sorted(noisy):
        ending = noisy_folder.name[len(NOISY) :]
        clean_folder = folder / f"{CLEAN}{ending}"
        if not clean_folder.is_dir():
            raise ConfigError(f"{noisy_folder} has no folder {clean_folder.name} beside it")
        clean = {path.stem: path for path in sounds(clean_folder)}
        for path in sounds(noisy_folder):
            if path.stem not in clean:
                raise ConfigError(f"{clean_folder} has no {path.stem}, which {noisy_folder} has")
            found.append(Files(path.stem, path, clean[path.stem]))
    return found


def is_called(path: Path, word: str) -> bool:
    """Whether a folder's name begins with a word."""
    return path.is_dir() and path.name.lower().startswith(word)


def sounds(folder: Path) -> list[Path]:
    """Recordings in a folder, without outputs of `enhance`."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES
        and not path.stem.endswith("_enhanced")
        and not path.name.startswith(".")
    )
