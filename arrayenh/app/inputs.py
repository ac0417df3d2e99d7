"""What the command line's REC means: files, folders, globs, one file per microphone."""

import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from arrayenh.audio import SUFFIXES, split_paths
from arrayenh.errors import AudioError, ConfigError

MARK = "_enhanced"


@dataclass(frozen=True, slots=True)
class Job:
    """One recording and where its result goes."""

    recording: str
    output: Path


def plan(recordings: Sequence[str], output: Path | None) -> list[Job]:
    """The jobs that REC... and -o ask for, in order, each recording once.

    Raises
    ------
    AudioError
        If a folder or a glob holds no recording.
    ConfigError
        If `output` is a file for several recordings, or two recordings share an output.
    """
    found = dict(entry for recording in recordings for entry in find(recording))
    if output is not None and output.suffix.lower() in SUFFIXES:
        if len(found) != 1:
            raise ConfigError(
                f"-o {output} is one file for {len(found)} recordings; give a folder instead"
            )
        return [Job(next(iter(found)), output)]
    jobs = [
        Job(recording, place(Path(split_paths(recording)[0]), within, output))
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
    """Each recording that REC names, and the folder it stands in below REC."""
    path = Path(recording)
    if path.is_dir():
        inside = sorted(p for p in path.rglob("*") if is_recording(p))
        if not inside:
            raise AudioError(f"the folder {recording} holds no recording")
        yield from ((str(p), p.parent.relative_to(path)) for p in inside)
    elif glob.has_magic(recording) and not path.exists():
        matches = sorted(p for p in map(Path, glob.glob(recording, recursive=True)))
        inside = [p for p in matches if is_recording(p)]
        if not inside:
            raise AudioError(f"no recording matches {recording}")
        yield from ((str(p), Path()) for p in inside)
    else:
        yield recording, Path()


def is_recording(path: Path) -> bool:
    """Whether a folder scan takes this file: sound, and not a result of ours."""
    return (
        path.suffix.lower() in SUFFIXES
        and not path.stem.endswith(MARK)
        and not path.name.startswith(".")
        and path.is_file()
    )


def place(first: Path, within: Path, folder: Path | None) -> Path:
    """Output of a recording: beside it, or in a folder that mirrors the inputs' tree."""
    parent = first.parent if folder is None else folder / within
    return parent / f"{first.stem}{MARK}.wav"


def channel_list(text: str | None) -> tuple[int, ...] | None:
    """Channels from "0,2,3,5"."""
    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise ConfigError(f"--channels wants numbers like 0,2,3,5; got {text!r}") from error


def direction(text: str | None) -> float | str | None:
    """Direction from "auto" or degrees."""
    if text is None or text == "auto":
        return text
    try:
        return float(text)
    except ValueError as error:
        raise ConfigError(f"--doa wants auto or an azimuth in degrees; got {text!r}") from error
