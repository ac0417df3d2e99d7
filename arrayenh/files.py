"""Atomic file writes: write to a temporary name, then rename to the final one."""

import glob
import os
import secrets
import stat
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
    overwrite: bool = True,
) -> Path:
    """Write a file atomically: it is never seen half written, not even after a power cut.

    Parameters
    ----------
    path : Path
    content : bytes or str
        Text is written as UTF-8.
    error : type
        Class of the exception to raise.
    make_folder : bool
        Create missing parent folders.
    overwrite : bool
        Replace a file of that name; otherwise it is an error, also if it appears meanwhile.

    Returns
    -------
    path : Path

    Raises
    ------
    ArrayenhError
        If the file cannot be written; of the class `error`.
    """
    data = content if isinstance(content, bytes) else as_utf8(content, path, error)
    with (
        replacing(path, error, make_folder=make_folder, overwrite=overwrite) as part,
        open(part, "xb") as file,
    ):
        file.write(data)
    return path


@contextmanager
def replacing(
    path: Path,
    error: type[ArrayenhError] = AudioError,
    *,
    make_folder: bool = False,
    overwrite: bool = True,
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
        give_name(part, path, overwrite)
        synced(path.parent)
    except ArrayenhError:
        raise
    except FileExistsError as problem:
        raise error(f"{path} exists; use --overwrite to replace it") from problem
    except OSError as problem:
        raise error(f"cannot write {path}: {reason(problem)}") from problem
    finally:
        with suppress(OSError):  # after the rename the temporary file is gone
            part.unlink()


def give_name(part: Path, path: Path, overwrite: bool) -> None:
    """Rename a complete file; without `overwrite`, only if nothing has the new name.

    Raises
    ------
    FileExistsError
        If something has the name, be it a link to nothing, and `overwrite` is false.
    OSError
        If the file cannot be renamed.
    """
    if not overwrite:
        try:
            os.link(part, path)  # unlike a rename, fails if another process was faster
            part.unlink()
            return
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links: take the name, then replace it
            path.open("xb").close()
    os.replace(part, path)


def check_free(path: Path, overwrite: bool, error: type[ArrayenhError] = AudioError) -> None:
    """Raise an error, before any work, if a file cannot, or must not, get this name."""
    try:
        found = path.lstat()
    except (FileNotFoundError, NotADirectoryError):  # the folder is checked separately
        return
    except OSError as problem:  # such as a name that is too long
        raise error(f"cannot write {path}: {problem.strerror}") from problem
    if path.is_dir():
        raise error(f"{path} is a folder; name a file in it")
    if not overwrite:
        target = f", a link to {os.readlink(path)}" if stat.S_ISLNK(found.st_mode) else ""
        raise error(f"{path} exists{target}; use --overwrite to replace it")


def as_utf8(text: str, path: Path, error: type[ArrayenhError]) -> bytes:
    """Encode the text of a file; `error` if it holds a name of a file that is not UTF-8."""
    try:
        return text.encode()
    except UnicodeEncodeError as problem:
        around = text[max(problem.start - 30, 0) : problem.end + 30]
        raise error(
            f"cannot write {path}: {around!r} names a file in bytes that are not UTF-8; rename it"
        ) from problem


def is_utf8(path: Path) -> bool:
    """Whether the bytes of a path are UTF-8, so that text files can hold it."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def matching(pattern: str) -> list[Path]:
    """Paths that match a glob pattern, sorted.

    Brackets in the name of a folder that exists are part of the name: "d [2]/*.wav".
    """
    literal, parts = "", list(Path(pattern).parts)
    while parts and os.path.lexists(os.path.join(literal, parts[0])):
        literal = os.path.join(literal, parts.pop(0))
    return sorted(map(Path, glob.glob(os.path.join(glob.escape(literal), *parts), recursive=True)))


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
