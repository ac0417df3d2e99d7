"""Resolution of the REC argument: files, folders, globs, one file per microphone."""

import glob
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from arrayenh.audio import SUFFIXES, split_paths
from arrayenh.errors import AudioError, ConfigError
from arrayenh.files import matching

MARK = "_enhanced"
SEPARATED = re.compile(r"_talker\d+$")
OTHER_SUFFIXES = frozenset({".mp3", ".m4a", ".mp4", ".aac", ".wma", ".opus", ".oga", ".webm"})
"""Audio suffixes that cannot be written; as the name of an output folder they are a mistake."""


@dataclass(frozen=True, slots=True)
class Job:
    """One recording, its output path, and its folder below REC."""

    recording: str
    output: Path
    within: Path = Path()


def plan(recordings: Sequence[str], output: Path | None) -> list[Job]:
    """Jobs for REC... and -o, in order, each recording once.

    Raises
    ------
    AudioError
        If a folder or a glob holds no recording.
    ConfigError
        If `output` is a file for several recordings, or two recordings share an output.
    """
    found: dict[str, Path] = {}
    for name, within in (entry for recording in recordings for entry in find(recording)):
        found.setdefault(name, within)
    if output is not None and output.suffix.lower() in OTHER_SUFFIXES and not output.is_dir():
        raise ConfigError(
            f"-o {output}: {output.suffix} cannot be written; use {', '.join(sorted(SUFFIXES))}"
        )
    if output is not None and output.suffix.lower() in SUFFIXES and not output.is_dir():
        if len(found) != 1:
            raise ConfigError(
                f"-o {output} is one file for {len(found)} recordings; give a folder instead"
            )
        return [Job(next(iter(found)), output)]
    jobs = [
        Job(recording, place(Path(split_paths(recording)[0]), within, output), within)
        for recording, within in found.items()
    ]
    taken: dict[Path, str] = {}
    for job in jobs:
        if job.output in taken:
            raise ConfigError(
                f"{taken[job.output]} and {job.recording} would both write {job.output}"
            )
        taken[job.output] = job.recording
    return jobs


def find(recording: str) -> Iterator[tuple[str, Path]]:
    """Yield each recording that REC names, and its folder below REC."""
    path = Path(recording)
    if not recording.strip():
        raise AudioError("REC is empty; give a file, a folder or a glob")
    if os.path.isdir(path):  # not pathlib's, which raises where it has no permission
        if not os.access(path, os.R_OK | os.X_OK):
            raise AudioError(f"no permission to read the folder {recording}")
        inside = sorted(p for p in path.rglob("*") if is_recording(p))
        if not inside:
            raise AudioError(f"the folder {recording} holds no recording")
        yield from ((str(p), p.parent.relative_to(path)) for p in inside)
    elif glob.has_magic(recording) and not all(map(os.path.exists, split_paths(recording))):
        inside = [path for path in matching(recording) if is_recording(path)]
        if not inside:
            raise AudioError(f"no recording matches {recording}")
        yield from ((str(p), Path()) for p in inside)
    else:
        yield recording, Path()


def is_recording(path: Path) -> bool:
    """Whether a folder scan takes this file: audio, and not an output of `arrayenh enhance`."""
    return (
        path.suffix.lower() in SUFFIXES
        and f"{MARK}." not in path.name  # a stage is NAME_enhanced.mvdr.wav
        and not SEPARATED.search(path.stem)
        and not path.name.startswith(".")
        and path.is_file()
    )


def place(first: Path, within: Path, folder: Path | None) -> Path:
    """Output path of a recording: beside it, or in a folder that mirrors the inputs' tree."""
    parent = first.parent if folder is None else folder / within
    return parent / f"{first.stem}{MARK}.wav"


def selection(mics: int | None, channels: str | None) -> tuple[int, ...] | None:
    """Parse --channels; check that --channels and --mics are valid and consistent."""
    chosen = channel_list(channels)
    if mics is not None and mics < 1:
        raise ConfigError(f"--mics must be at least 1; got {mics}")
    if chosen and (min(chosen) < 0 or len(set(chosen)) < len(chosen)):
        raise ConfigError(
            f"--channels names each channel once, from 0 on; got {', '.join(map(str, chosen))}"
        )
    if chosen and mics is not None and mics != len(chosen):
        raise ConfigError(f"--mics {mics} contradicts the {len(chosen)} of --channels")
    return chosen


def channel_list(text: str | None) -> tuple[int, ...] | None:
    """Parse channel numbers such as "0,2,3,5"."""
    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise ConfigError(f"--channels wants numbers like 0,2,3,5; got {text!r}") from error
