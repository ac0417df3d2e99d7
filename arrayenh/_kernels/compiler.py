"""Numba, and where its machine code is kept; numba lives in this folder and nowhere else."""

import os
import stat
import tempfile
from pathlib import Path

import numba
from numba import njit, prange, uint64

__all__ = ["njit", "prange", "uint64"]


@njit
def _probe() -> None:
    """Nothing: asked only whether its machine code could be kept."""


def find_cache() -> None:
    """Let compiled loops be kept in the temporary folder, where there is no other place.

    Numba wants to write beside the source or below the home folder, and fails where it may
    do neither: a package that root installed, used by a service without a home.
    """
    try:
        _probe.enable_caching()
    except RuntimeError:
        folder = Path(tempfile.gettempdir()) / f"arrayenh-kernels-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) != 0o700:
            folder = Path(tempfile.mkdtemp(prefix="arrayenh-"))  # somebody else's: not to be run
        numba.config.CACHE_DIR = str(folder)  # type: ignore[attr-defined]


find_cache()
