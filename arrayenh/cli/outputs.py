"""Output paths of one recording, validated before processing starts."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from arrayenh.audio import RecordingFile, check_new
from arrayenh.chain.profile import as_toml
from arrayenh.chain.settings import Settings
from arrayenh.errors import AudioError, ConfigError
from arrayenh.files import as_utf8, check_free

SETTINGS = "enhance.toml"  # beside the stages


@dataclass(frozen=True, slots=True)
class Outputs:
    """Output paths of one recording.

    `rate` is the sample rate of the enhanced file, Hz; None: that of the recording.
    """

    enhanced: Path
    stages: Path | None = None
    report: Path | None = None
    rate: int | None = None
    normalise: bool = False
    overwrite: bool = False

    def stage(self, name: str) -> Path:
        """File of one stage."""
        assert self.stages is not None
        return self.stages / f"{self.enhanced.stem}.{name}.wav"

    @property
    def folders(self) -> list[Path]:
        """Folders that must exist before writing."""
        return [
            self.enhanced.parent,
            *([self.stages] if self.stages else []),
            *([self.report.parent] if self.report else []),
        ]

    def paths(self, config: Settings) -> list[Path]:
        """Files that are written."""
        names = ("reference", config.dereverb, config.beamformer, config.postfilter)
        stages = [self.stage(name) for name in names] if self.stages else []
        return [
            self.enhanced,
            *stages,
            *([self.stages / SETTINGS] if self.stages else []),
            *([self.report] if self.report else []),
        ]

    def check(self, config: Settings, source: RecordingFile) -> None:
        """Raise an error, before processing, if an output cannot be written."""
        refuse_inputs(self.paths(config), source.paths)
        check_new(self.enhanced, self.overwrite)
        if self.report:
            from arrayenh.reports import SUFFIXES

            check_free(self.report, self.overwrite)
            if self.report.suffix.lower() not in SUFFIXES:
                raise ConfigError(f"--report {self.report} should end in {' or '.join(SUFFIXES)}")
        if self.stages:
            for name in ("reference", config.dereverb, config.beamformer, config.postfilter):
                check_free(self.stage(name), self.overwrite)
            check_settings(self.stages / SETTINGS, config, self.overwrite)
        for folder in self.folders:
            check_folder(folder)


def refuse_inputs(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Raise an error if an output is a file that is read, even with --overwrite."""
    known = {file_id(path) for path in inputs} - {None}
    for output in outputs:
        if file_id(output) in known:
            raise ConfigError(f"{output} is an input of this command; give the output another name")


def file_id(path: Path) -> tuple[int, int] | None:
    """Identity of a file under all of its names and links; None if there is no such file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def check_settings(path: Path, config: Settings, overwrite: bool) -> None:
    """Raise an error if the folder holds stages made with other settings."""
    content = as_utf8(as_toml(config), path, ConfigError)
    if path.exists() and not overwrite and path.read_bytes() != content:
        raise AudioError(
            f"{path} has other settings, from an earlier run; use --overwrite to replace it "
            f"or another --stages folder"
        )


def check_folder(folder: Path) -> None:
    """Raise an error if the folder cannot be created or written to."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not there.is_dir():
        raise AudioError(f"{there} is a file, so the folder {folder} cannot be created")
    if not os.access(there, os.W_OK | os.X_OK):
        raise AudioError(f"no permission to write to the folder {there}; choose another")


def make_folder(folder: Path) -> None:
    """Create an output folder; an OSError becomes an AudioError."""
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise AudioError(f"the folder {folder} cannot be created: {error.strerror}") from error
