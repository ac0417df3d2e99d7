"""Atomic file writes: write to a temporary name, then rename to the final one."""

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
    """Write a file atomically: it is never seen half written, not even after a power cut.

    Parameters
    ----------
    path : Path
        A file of that name is replaced.
    content : bytes or str
        Text is written as UTF-8.
    error : type
        Class of the exception to raise.
    make_folder : bool
        Create missing parent folders.

    Returns
    -------
    path : Path

    Raises
    ------
    ArrayenhError
        If the file cannot be written; of the class `error`.
    """
    with replacing(path, error, make_folder=make_folder) as part, open(part, "xb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
    return path


@contextmanager
def replacing(
    path: Path, error: type[ArrayenhError] = AudioError, *, make_folder: bool = False
) -> Iterator[Path]:
    """Give a temporary path to write to; on success, rename it to `path`.

    The content is on the disk before the rename, and the name before the return.
    If the block raises, the temporary file is removed. The arguments are those of `write_whole`.

    Raises
    ------
    ArrayenhError
        If the block raises an OSError; of the class `error`.
    """
    part = beside(path)
    try:
        if make_folder:
            path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        synced(part)
        os.replace(part, path)
        synced(path.parent)
    except ArrayenhError:
        raise
    except OSError as problem:
        raise error(f"cannot write {path}: {reason(problem)}") from problem
    finally:
        with suppress(OSError):  # after the rename the temporary file is gone
            part.unlink()


def synced(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk.

    Windows keeps names in order by itself and cannot open folders.
    """
    if path.is_dir() and os.name == "nt":
        return
    opened = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def beside(path: Path) -> Path:
    """Return an unused name in the same folder, short because the file's own may be too long."""
    return path.with_name(f".arrayenh-{secrets.token_hex(4)}.part")


def reason(problem: OSError) -> str:
    """Explain why a file could not be written and, if possible, what to do about it."""
    words = problem.strerror or str(problem)
    if isinstance(problem, FileNotFoundError | NotADirectoryError | PermissionError):
        words += "; give a file in a folder that exists and may be written"
    return words
