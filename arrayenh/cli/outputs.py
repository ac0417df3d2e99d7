"""Where results go; what could not or must not be written is refused before any work."""

import os
from dataclasses import dataclass
from pathlib import Path

from arrayenh.audio import RecordingFile, check_new
from arrayenh.chain.profile import as_toml
from arrayenh.chain.settings import Settings
from arrayenh.errors import AudioError, ConfigError

SETTINGS = "enhance.toml"  # beside the stages


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where the results of one recording go.

    `rate` is the rate of the enhanced file, Hz; None: that of the recording.
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
        """Folders that must be there to write."""
        return [
            self.enhanced.parent,
            *([self.stages] if self.stages else []),
            *([self.report.parent] if self.report else []),
        ]

    def check(self, config: Settings, source: RecordingFile) -> None:
        """Refuse, before any work, what could not or must not be written after it."""
        refuse_to_replace(source, self.enhanced)
        check_new(self.enhanced, self.overwrite)
        if self.report:
            from arrayenh.reports import SUFFIXES

            check_file(self.report, self.overwrite)
            if self.report.suffix.lower() not in SUFFIXES:
                raise ConfigError(f"--report {self.report} should end in {' or '.join(SUFFIXES)}")
        if self.stages:
            for name in ("reference", config.dereverb, config.beamformer, config.postfilter):
                refuse_to_replace(source, self.stage(name))
                check_file(self.stage(name), self.overwrite)
            check_settings(self.stages / SETTINGS, config, self.overwrite)
        for folder in self.folders:
            check_folder(folder)


def refuse_to_replace(source: RecordingFile, output: Path) -> None:
    """Refuse to write over the recording itself, with --overwrite too."""
    if output.exists() and any(os.path.samefile(output, path) for path in source.paths):
        raise ConfigError(f"{output} is the recording itself; give another -o")


def check_file(path: Path, overwrite: bool) -> None:
    """Refuse a file that must not be replaced."""
    if path.is_dir():
        raise AudioError(f"{path} is a folder; name a file in it")
    if path.exists() and not overwrite:
        raise AudioError(f"{path} exists; use --overwrite to replace it")


def check_settings(path: Path, config: Settings, overwrite: bool) -> None:
    """Refuse to mix stages made with different settings in one folder."""
    if path.exists() and not overwrite and path.read_bytes() != as_toml(config).encode():
        raise AudioError(
            f"{path} holds other settings, of other stages; use --overwrite to replace it "
            f"or another --stages folder"
        )


def check_folder(folder: Path) -> None:
    """Refuse a folder that is not there and cannot be made, or not be written to."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not there.is_dir():
        raise AudioError(f"{there} is a file: no folder can be made of {folder}")
    if not os.access(there, os.W_OK | os.X_OK):
        raise AudioError(f"the folder {there} may not be written to; choose another")


def make_folder(folder: Path) -> None:
    """Make an output folder, or say in one line why not."""
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise AudioError(f"the folder {folder} cannot be made: {error.strerror}") from error
