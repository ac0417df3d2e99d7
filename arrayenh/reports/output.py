"""Validation of the output file of a report or a picture."""

import os
from pathlib import Path

from arrayenh.errors import AudioError, ConfigError


def check_output(path: str | os.PathLike[str], suffixes: tuple[str, ...], overwrite: bool) -> Path:
    """Raise an error, before any work, if an output cannot or must not be written.

    Raises
    ------
    ConfigError
        If the name does not end in one of `suffixes`.
    AudioError
        If the file exists and `overwrite` is not set, or its folder does not exist.
    """
    path = Path(path)
    if path.suffix.lower() not in suffixes:
        raise ConfigError(f"{path} should end in {' or '.join(suffixes)}")
    if path.is_dir():
        raise AudioError(f"{path} is a folder; name a file in it")
    if path.exists() and not overwrite:
        raise AudioError(f"{path} exists; use --overwrite to replace it")
    if not path.parent.is_dir():
        raise AudioError(f"the folder {path.parent} does not exist")
    return path
