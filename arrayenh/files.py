"""Files that appear whole or not at all: written under another name, then given their own."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from arrayenh.errors import ArrayenhError, AudioError


def write_whole(
    path: Path,
    content: bytes | str,
    error: type[ArrayenhError] = AudioError,
    *,
    make_folder: bool = False,
) -> Path:
    """Write a file so that nobody ever sees half of it, were the power cut.

    Parameters
    ----------
    path : Path
        A file of that name is replaced.
    content : bytes or str
        Text is written as UTF-8.
    error : type
        What to raise.
    make_folder : bool
        Make the folders above it that are not there.

    Returns
    -------
    path : Path

    Raises
    ------
    ArrayenhError
        Of the class `error`, if the file cannot be written.
    """
    with replacing(path, error, make_folder=make_folder) as part, open(part, "xb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())
    return path


@contextmanager
def replacing(
    path: Path, error: type[ArrayenhError] = AudioError, *, make_folder: bool = False
) -> Iterator[Path]:
    """Another name for a file in the making, which then takes the place of `path`.

    An exception inside removes what was written so far; arguments as of `write_whole`.

    Raises
    ------
    ArrayenhError
        Of the class `error`, for any OSError of the system inside.
    """
    part = beside(path)
    try:
        if make_folder:
            path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        os.replace(part, path)
    except ArrayenhError:
        raise
    except OSError as problem:
        raise error(f"cannot write {path}: {reason(problem)}") from problem
    finally:
        with suppress(OSError):  # after the rename there is none left
            part.unlink()


def beside(path: Path) -> Path:
    """A name in the same folder that nobody has; short, as that of the file may not be."""
    return path.with_name(f".arrayenh-{secrets.token_hex(4)}.part")


def reason(problem: OSError) -> str:
    """Why a file could not be written, and what to do where that is known."""
    words = problem.strerror or str(problem)
    if isinstance(problem, FileNotFoundError | NotADirectoryError | PermissionError):
        words += "; give a file in a folder that exists and may be written"
    return words
