"""Import of numba (nowhere else in the package), its cache, and its environment variables."""

import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from warnings import warn

import platformdirs

from arrayenh.errors import ConfigError

try:
    import numba
    from numba import prange, uint64
except ValueError as error:
    given = [f"{name}={value}" for name, value in os.environ.items() if name.startswith("NUMBA_")]
    raise ConfigError(
        f"numba cannot be used with {', '.join(given)}: {error} Unset what is wrong"
    ) from error

__all__ = ["njit", "prange", "uint64"]

config: Any = numba.config
MOST_THREADS = 1024
"""Limit of NUMBA_NUM_THREADS; numba ends the process where the system has no more threads."""


def check_threads() -> None:
    """Raise ConfigError if the environment asks for threads that numba cannot start."""
    count, layer = config.NUMBA_NUM_THREADS, config.THREADING_LAYER
    if not 1 <= count <= MOST_THREADS:
        raise ConfigError(f"NUMBA_NUM_THREADS must be 1 to {MOST_THREADS}; got {count}")
    if layer != "default":
        try:
            numba.set_num_threads(count)
        except ValueError as error:
            raise ConfigError(
                f"NUMBA_THREADING_LAYER={layer} cannot be used: unset it ({error})"
            ) from error


def find_cache() -> bool:
    """Choose the folder of the compiled kernels; return whether there is one.

    The folder of the environment variable NUMBA_CACHE_DIR, else the one beside the source, else
    the user's cache folder, as for a package that root has installed. Compiled kernels are
    executed, so the last must belong to the user alone.
    """
    if config.DISABLE_JIT:
        return False
    asked = config.CACHE_DIR
    if writable(Path(asked or Path(__file__).with_name("__pycache__"))):
        return True
    folder = platformdirs.user_cache_path("arrayenh") / "kernels"
    if not (writable(folder) and belongs_to_user(folder)):
        warn(
            f"compiled kernels cannot be kept, as {asked or folder} cannot be used: every run "
            "compiles them again; set NUMBA_CACHE_DIR to a folder that only you can write to",
            stacklevel=2,
        )
        return False
    if asked:
        warn(f"NUMBA_CACHE_DIR={asked} cannot be written to; used is {folder}", stacklevel=2)
    os.environ["NUMBA_CACHE_DIR"] = config.CACHE_DIR = str(folder)
    return True


def writable(folder: Path) -> bool:
    """Whether files can be created in a folder, which is created if it is missing."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


def belongs_to_user(folder: Path) -> bool:
    """Whether a folder is no link, is owned by the user, and is not writable by others."""
    if os.name == "nt":  # the cache folder is part of the user's profile
        return True
    found = folder.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022


def remove_damaged() -> None:
    """Delete empty files of the cache, left by a power cut, which numba cannot read."""
    asked = config.CACHE_DIR
    folders = Path(asked).glob("_kernels_*") if asked else [Path(__file__).with_name("__pycache__")]
    for folder in folders:
        for path in folder.glob("*.nb[ci]"):
            if path.stat().st_size == 0:
                path.unlink(missing_ok=True)


def njit(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """`numba.njit`, which caches only if there is a folder for it."""
    return numba.njit(**options | {"cache": CACHED and options.get("cache", False)})


check_threads()
CACHED = find_cache()
if CACHED:
    remove_damaged()
