"""Folders of speech and noise: sound files, their durations and their speakers."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from arrayenh.audio import SUFFIXES, open_recording
from arrayenh.errors import SceneError
from arrayenh.files import is_utf8
from arrayenh.formats import read_table
from arrayenh.scenes.packaged import CLIPS, load_clip
from arrayenh.scenes.signals import PACKAGED

LIBRISPEECH = re.compile(r"\d+-\d+-\d+")  # speaker, chapter, utterance


@dataclass(frozen=True, slots=True)
class SoundFile:
    """A sound file and its duration, seconds."""

    file: str
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class Voices:
    """Speech files by speaker.

    Attributes
    ----------
    name : str
        The folder, for messages.
    speakers : mapping of str to tuple of SoundFile
    """

    name: str
    speakers: Mapping[str, tuple[SoundFile, ...]]

    def draw(
        self, rng: np.random.Generator, seconds: float, taken: Sequence[str] = ()
    ) -> tuple[str, tuple[SoundFile, ...]]:
        """Draw a speaker with at least `seconds` of speech, and the files in random order.

        Speakers in `taken` are drawn only if there are no others.

        Raises
        ------
        SceneError
            If no speaker has that much speech.
        """
        long_enough = [who for who in sorted(self.speakers) if self.seconds(who) >= seconds]
        if not long_enough:
            longest = max(self.seconds(who) for who in self.speakers)
            raise SceneError(
                f"{self.name} has no speaker with {seconds:.1f} s of speech, the most is "
                f"{longest:.1f} s; ask for shorter scenes (seconds) or give more speech"
            )
        free = [who for who in long_enough if who not in taken] or long_enough
        who = free[int(rng.integers(len(free)))]
        files = self.speakers[who]
        return who, tuple(files[k] for k in rng.permutation(len(files)))

    def seconds(self, speaker: str) -> float:
        """Total duration of a speaker's files, seconds."""
        return sum(file.seconds for file in self.speakers[speaker])


@lru_cache(maxsize=64)
def find_voices(folder: str) -> Voices:
    """Find the speech in a folder of any layout, by speaker; "packaged" is the packaged speech.

    The speaker is the part of the file name before the first "-" or "_" if a folder on the path
    has this name (VCTK), if the file is directly in `folder`, or if the name is a LibriSpeech
    name (84-121123-0001). Otherwise the speaker is the folder of the file (TIMIT).

    Parameters
    ----------
    folder : str
        A folder, a single file, "packaged", or a list: a CSV file with the column path
        (relative to the list) and, optionally, speaker.

    Returns
    -------
    voices : Voices

    Raises
    ------
    SceneError
        If the folder does not exist or contains no sound files.
    """
    if folder == "packaged":
        return Voices("packaged", {name: (packaged(name),) for name in CLIPS})
    root, speakers = Path(folder), dict[str, list[SoundFile]]()
    for path, listed in sound_files(folder):
        who = listed or speaker_of(path, root)
        speakers.setdefault(who, []).append(sound_file(path))
    return Voices(folder, {who: tuple(files) for who, files in speakers.items()})


@lru_cache(maxsize=64)
def find_sounds(folder: str) -> tuple[SoundFile, ...]:
    """Find the sound files of a folder tree, a list or a single file; errors as above."""
    return tuple(sound_file(path) for path, _ in sound_files(folder))


def sound_files(folder: str) -> list[tuple[Path, str | None]]:
    """Paths, sorted so that draws do not depend on the disk, and speakers given by a list."""
    root = Path(folder)
    if root.is_file():
        return listed_files(root) if root.suffix.lower() == ".csv" else [(root, None)]
    if not root.is_dir():
        raise SceneError(f"the folder of sounds {folder} does not exist")
    found: list[tuple[Path, str | None]] = sorted(
        (Path(base) / name, None)
        for base, _, names in os.walk(root, followlinks=True)
        for name in names
        if Path(name).suffix.lower() in SUFFIXES and not name.startswith(".")
    )
    if not found:
        raise SceneError(
            f"the folder {folder} holds no sound files ({', '.join(sorted(SUFFIXES))})"
        )
    return found


def listed_files(listing: Path) -> list[tuple[Path, str | None]]:
    """Files of a list in its order, with their speakers."""
    rows = read_table(listing, ("path",), SceneError, optional=("speaker",))
    return [(listing.parent / row["path"], row["speaker"] or None) for row in rows]


def speaker_of(path: Path, root: Path) -> str:
    """Speaker of a file, from its name or the name of its folder."""
    stem = path.stem
    cuts = [k for k in (stem.find("-"), stem.find("_")) if k > 0]
    prefix = stem[: min(cuts)] if cuts else stem
    folders = path.relative_to(root).parts[:-1] if root in path.parents else ()
    if not folders or prefix in folders or LIBRISPEECH.fullmatch(stem):
        return prefix
    return folders[-1]


def sound_file(path: Path) -> SoundFile:
    """Sound file with its duration; its name must be UTF-8, as scenes are stored as JSON."""
    if not is_utf8(path):
        raise SceneError(f"{path}: the name is not UTF-8; rename the file")
    recording = open_recording([path])
    return SoundFile(str(path), recording.n_samples / recording.sample_rate)


def packaged(name: str) -> SoundFile:
    """Packaged voice as a sound file."""
    samples, rate = load_clip(name)
    return SoundFile(PACKAGED + name, len(samples) / rate)
