"""Split of a corpus into training, development and unused test sounds.

A corpus is a folder with a manifest.csv (columns path, set, speaker, split) and sounds in the
folders speech and noise, of which only the split "train" is opened; or only the two folders; or a
data set that `layouts` knows. The hash of a name determines its part, which therefore does not
change when other sounds are added or removed.
"""

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from arrayenh.errors import ConfigError
from arrayenh.evaluation.corpus import manifest
from arrayenh.scenes.voices import sound_files, speaker_of
from arrayenh.training.data.layouts import Layout, Sound, known_layout, known_sets

PARTS = ("train", "dev")
FOLDERS = ("speech", "noise")
HELD_OUT = 0.1  # share of the names
PIECE = re.compile(r"(_c\d+)?_\d+$")  # channel and number of a piece cut from a recording
NOT_TOLD = "unknown"  # name of unidentified speakers, which are never held out
BABBLE = "babble"  # kind of noise made from any speakers of the corpus


@dataclass(frozen=True, slots=True)
class Corpus:
    """The sounds of one part.

    Attributes
    ----------
    root : Path
    speech, noise : tuple of Sound
    """

    root: Path
    speech: tuple[Sound, ...]
    noise: tuple[Sound, ...]


def open_corpus(root: Path, part: str) -> Corpus:
    """Open the sounds of a corpus that belong to the part "train" or "dev".

    Raises
    ------
    ConfigError
        If the folder is not a corpus, or has no speech for the part.
    """
    if (root / "manifest.csv").exists():
        layout = labelled_sounds(root)
    else:
        layout = known_layout(root) or found_sounds(root)
    speech, noise = (
        of_part(sounds, part, layout.judged) for sounds in (layout.speech, layout.noise)
    )
    if not speech:
        raise ConfigError(f"{root} has no speech for the part {part!r}: it needs more speakers")
    return Corpus(root, speech, noise)


def open_noise(root: Path, part: str) -> tuple[Path, ...]:
    """Open the noise files of a part, from a corpus or a folder with only noise.

    Raises
    ------
    ConfigError
        If there is no noise for the part.
    """
    labelled = (root / "manifest.csv").exists()
    layout = labelled_sounds(root) if labelled else known_layout(root)
    if layout is None:
        below = root / "noise" if (root / "noise").is_dir() else root
        if not below.is_dir():
            raise ConfigError(f"the folder of noise {root} does not exist")
        inner = (path.relative_to(root) for path, _ in sound_files(str(below)))
        layout = Layout((), tuple(Sound(p.as_posix(), "noise", recording(p)) for p in inner))
    found = of_part(layout.noise, part, layout.judged)
    if not found:
        raise ConfigError(f"{root} has no noise for the part {part!r}")
    return tuple(root / sound.path for sound in found)


def labelled_sounds(root: Path) -> Layout:
    """Speech and noise of the split "train" of a manifest."""
    found: dict[str, list[Sound]] = {name: [] for name in FOLDERS}
    for row in manifest(root):
        path = Path(row["path"])
        folder = path.parts[0]
        if row["split"] != "train" or folder not in FOLDERS or apart(path):
            continue
        source = row["speaker"] if folder == "speech" else recording(path)
        found[folder].append(Sound(row["path"], row["set"], source))
    return Layout(tuple(found["speech"]), tuple(found["noise"]), judged=True)


def found_sounds(root: Path) -> Layout:
    """Speech and noise of two folders, or only speech; "clean" also counts as speech."""
    speech = next((name for name in ("speech", "clean") if (root / name).is_dir()), None)
    if speech is None:
        raise ConfigError(
            f"{root} has neither a manifest.csv nor a folder speech or clean, and is not a "
            f"known data set: {known_sets()}"
        )
    noise = tuple(sounds_below(root, "noise")) if (root / "noise").is_dir() else ()
    return Layout(tuple(sounds_below(root, speech)), noise)


def sounds_below(root: Path, name: str) -> Iterator[Sound]:
    """Sounds of one of the two folders."""
    for path, _ in sound_files(str(root / name)):
        inner = path.relative_to(root)
        if not apart(inner):
            source = recording(inner) if name == "noise" else speaker_of(path, root / name)
            yield Sound(inner.as_posix(), name, source)


def apart(path: Path) -> bool:
    """Whether a sound is excluded: it has its own licence, or consists of speech."""
    return any(part.endswith("_gpl") for part in path.parts[:-1]) or path.name.startswith(
        f"{BABBLE}__"
    )


def recording(path: Path) -> str:
    """Name of the recording from which a piece of noise was cut."""
    return PIECE.sub("", path.stem)


def of_part(sounds: Iterable[Sound], part: str, judged: bool) -> tuple[Sound, ...]:
    """Sounds of a part; sets with their own test part (`judged`) keep no test sounds."""
    sounds = tuple(sounds)
    names = sorted({sound.source for sound in sounds})
    chosen = parted(names, judged)[part]
    return tuple(sound for sound in sounds if sound.source in chosen)


def parted(names: Collection[str], judged: bool) -> dict[str, set[str]]:
    """Split names 90 : 10 if `judged`, otherwise 80 : 10 : 10 with an unused test part.

    At least one of two or more names is held out, and at least one of three or more for tests.
    """
    told = sorted(name for name in names if name and NOT_TOLD not in name)
    left = set(told)
    share = HELD_OUT
    if not judged:
        if len(told) > 2:
            left -= lowest(left, share)
        share += HELD_OUT
    dev = lowest(left, share) if len(left) > 1 else set()
    return {"train": (set(names) - set(told)) | (left - dev), "dev": dev}


def lowest(names: Collection[str], share: float) -> set[str]:
    """Names with a hash below the share, at least the name with the smallest hash."""
    return {name for name in names if chance(name) < share} or {min(names, key=chance)}


def chance(name: str) -> float:
    """Hash of a name as a number in [0, 1)."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64
