"""Atomic file writes: write to a temporary name, then rename to the final one."""

import glob
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
        file.flush()
        os.fsync(file.fileno())
    return path


@contextmanager
def replacing(
    path: Path, error: type[ArrayenhError] = AudioError, *, make_folder: bool = False
) -> Iterator[Path]:
    """Give a temporary path to write to; on success, rename it to `path`.

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
        os.replace(part, path)
    except ArrayenhError:
        raise
    except OSError as problem:
        raise error(f"cannot write {path}: {reason(problem)}") from problem
    finally:
        with suppress(OSError):  # after the rename the temporary file is gone
            part.unlink()


def matching(pattern: str) -> list[Path]:
    """Paths that match a glob pattern, sorted.

    Brackets in the name of a folder that exists are part of the name: "d [2]/*.wav".
    """
    literal, parts = "", list(Path(pattern).parts)
    while parts and os.path.lexists(os.path.join(literal, parts[0])):
        literal = os.path.join(literal, parts.pop(0))
    return sorted(map(Path, glob.glob(os.path.join(glob.escape(literal), *parts), recursive=True)))


def beside(path: Path) -> Path:
    """Return an unused name in the same folder, short because the file's own may be too long."""
    return path.with_name(f".arrayenh-{secrets.token_hex(4)}.part")


def reason(problem: OSError) -> str:
    """Explain why a file could not be written and, if possible, what to do about it."""
    words = problem.strerror or str(problem)
    if isinstance(problem, FileNotFoundError | NotADirectoryError | PermissionError):
        words += "; give a file in a folder that exists and may be written"
    return words
