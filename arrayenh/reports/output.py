"""Validation of the output file of a report or a picture."""

import os
from pathlib import Path

from arrayenh.errors import AudioError, ConfigError
from arrayenh.files import check_free


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
    check_free(path, overwrite)
    if not path.parent.is_dir():
        raise AudioError(f"the folder {path.parent} does not exist")
    return path
