"""Layouts of known data sets: speech, noise and completeness.

A set is recognised by its folders. An incomplete copy raises an error that names the missing files
and their source, as a training on incomplete data would go unnoticed.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from arrayenh.errors import ConfigError
from arrayenh.formats import json_object, read_text
from arrayenh.scenes.voices import sound_files

LIBRISPEECH = "https://www.openslr.org/12"
AUDIOMNIST = "https://github.com/soerenab/AudioMNIST"
DNS = "https://github.com/microsoft/DNS-Challenge"
VOICEBANK = "https://datashare.ed.ac.uk/handle/10283/2791"
SETS = {
    "LibriSpeech": LIBRISPEECH,
    "AudioMNIST": AUDIOMNIST,
    "DNS-Challenge": DNS,
    "VoiceBank+DEMAND": VOICEBANK,
}
DIGIT = re.compile(r"\d_(?P<speaker>\d\d)_\d+")  # digit, speaker, repetition
READER = re.compile(r"reader_(\d+)")
DNS_FOLDERS = [  # folders of speech and noise of the releases
    ("datasets_fullband/clean_fullband", "datasets_fullband/noise_fullband"),
    ("clean_fullband", "noise_fullband"),
    ("datasets/clean", "datasets/noise"),
]
SHOWN = 3  # number of missing files in a message


@dataclass(frozen=True, slots=True)
class Sound:
    """A sound file: path in its corpus, data set, and speaker or recording."""

    path: str
    set: str
    source: str


@dataclass(frozen=True, slots=True)
class Layout:
    """The sounds of a data set.

    Attributes
    ----------
    speech, noise : tuple of Sound
    judged : bool
        Whether the set has its own test part, which is not included here.
    """

    speech: tuple[Sound, ...]
    noise: tuple[Sound, ...] = ()
    judged: bool = False


def known_layout(root: Path) -> Layout | None:
    """Find LibriSpeech, AudioMNIST or DNS-Challenge in a folder; None for other data.

    Raises
    ------
    ConfigError
        If the data set is incomplete.
    """
    for find in (librispeech, audiomnist, dns_challenge):
        if (found := find(root)) is not None:
            return found
    return None


def known_sets() -> str:
    """Names and addresses of the known data sets, for messages."""
    return ", ".join(f"{name} ({address})" for name, address in SETS.items())


def librispeech(root: Path) -> Layout | None:
    """Find the parts train-* of LibriSpeech, SUBSET/SPEAKER/CHAPTER/*.flac.

    They are in the folder or in its subfolder LibriSpeech. V. Panayotov et al., ICASSP 2015.
    Utterances are listed in *.trans.txt, speakers in SPEAKERS.TXT; both are checked if they exist.
    """
    base = root / "LibriSpeech" if (root / "LibriSpeech").is_dir() else root
    parts = [p for p in sorted(base.iterdir()) if p.is_dir()] if base.is_dir() else []
    parts = [p for p in parts if re.match(r"(train|dev|test)-(clean|other)", p.name)]
    if not parts:
        return None
    training = [part for part in parts if part.name.startswith("train-")]
    if not training:
        raise ConfigError(
            f"{base} has no part train-... of LibriSpeech, only {parts[0].name}: get one, such as "
            f"train-clean-100.tar.gz, from {LIBRISPEECH}"
        )
    speakers = speakers_told(base / "SPEAKERS.TXT")
    sounds: list[Sound] = []
    for part in training:
        there = {folder.name for folder in part.iterdir() if folder.is_dir()}
        check_whole(part, sorted(speakers.get(part.name, set()) - there), "speakers", LIBRISPEECH)
        files = [path for path, _ in sound_files(str(part))]
        stems = {path.stem for path in files}
        # a name that starts with a dot is no list but what macOS keeps beside it
        lists = [path for path in part.rglob("*.trans.txt") if not path.name.startswith(".")]
        told = {line.split(" ", 1)[0] for path in lists for line in lines(path)}
        check_whole(part, sorted(told - stems), "utterances", LIBRISPEECH)
        sounds += [sound(path, root, part.name, path.relative_to(part).parts[0]) for path in files]
    return Layout(tuple(sounds), judged=True)


def speakers_told(path: Path) -> dict[str, set[str]]:
    """Speakers of each part from SPEAKERS.TXT: ID | SEX | SUBSET | MINUTES | NAME."""
    found: dict[str, set[str]] = {}
    for line in lines(path):
        columns = [column.strip() for column in line.split("|")]
        if not line.startswith(";") and len(columns) >= 3:
            found.setdefault(columns[2], set()).add(columns[0])
    return found


def audiomnist(root: Path) -> Layout | None:
    """Find AudioMNIST, SPEAKER/DIGIT_SPEAKER_REPETITION.wav, in the folder or its data.

    S. Becker et al., "Interpreting and explaining deep neural networks for classification of
    audio signals", 2018. All speakers say the same digits equally often; audioMNIST_meta.txt
    lists the speakers.
    """
    base = root / "data" if (root / "data").is_dir() else root
    if not base.is_dir():
        return None
    folders = sorted(p for p in base.iterdir() if re.fullmatch(r"\d\d", p.name) and p.is_dir())
    said: dict[str, dict[str, Path]] = {}
    for folder in folders:
        found = {path.stem: path for path in sorted(folder.glob("*.wav"))}
        said[folder.name] = {n: p for n, p in found.items() if DIGIT.fullmatch(n)}
    if not any(said.values()):
        return None
    told = speakers_in(base / "audioMNIST_meta.txt")
    check_whole(base, sorted(told - {who for who in said if said[who]}), "speakers", AUDIOMNIST)
    words = {(name[0], name[5:]) for names in said.values() for name in names}
    wanted = {f"{digit}_{who}_{time}" for who in said for digit, time in words}
    missing = sorted(wanted - {name for names in said.values() for name in names})
    check_whole(base, missing, "recordings", AUDIOMNIST)
    return Layout(
        tuple(sound(p, root, "AudioMNIST", who) for who in said for p in said[who].values())
    )


def speakers_in(path: Path) -> set[str]:
    """Names of the speakers in a JSON file; empty if the file does not exist."""
    return set(json_object(read_text(path), str(path))) if path.exists() else set()


def dns_challenge(root: Path) -> Layout | None:
    """Find speech and noise of the DNS-Challenge in the layout of its releases.

    C. Reddy et al., "The Interspeech 2020 deep noise suppression challenge", Interspeech 2020.
    The speakers of read speech are known from the file names. Speech of unknown speakers is used
    for training only.
    """
    for speech, noise in DNS_FOLDERS:
        there = [(root / name).is_dir() for name in (speech, noise)]
        if not any(there):
            continue
        missing = [name for name, found in zip((speech, noise), there, strict=True) if not found]
        check_whole(root, missing, "folders", DNS)
        return Layout(
            tuple(sound(p, root, "DNS-Challenge", reader(p)) for p in files_in(root / speech)),
            tuple(sound(p, root, "DNS-Challenge", p.stem) for p in files_in(root / noise)),
            judged=True,
        )
    return None


def reader(path: Path) -> str:
    """Reader of a file of the DNS-Challenge, from its name."""
    found = READER.search(path.stem)
    return found.group(0) if found else f"unknown {path.parent.name}"


def check_whole(place: Path, missing: list[str], things: str, address: str) -> None:
    """Raise if files of a data set are missing."""
    if missing:
        shown = ", ".join(missing[:SHOWN]) + (", ..." if len(missing) > SHOWN else "")
        raise ConfigError(
            f"{place} is incomplete: {len(missing)} {things} are missing ({shown}); "
            f"copy it again, or get it from {address}"
        )


def files_in(folder: Path) -> Iterator[Path]:
    """Sound files of a folder, sorted."""
    return (path for path, _ in sound_files(str(folder)))


def sound(path: Path, root: Path, name: str, source: str) -> Sound:
    """Sound from its path."""
    return Sound(path.relative_to(root).as_posix(), name, source)


def lines(path: Path) -> Iterable[str]:
    """Lines of a text file; none if it does not exist."""
    return read_text(path).splitlines() if path.exists() else ()
