"""Import of numba (nowhere else in the package), and the folder of its cache."""

import os
import stat
import tempfile
from pathlib import Path

import numba
from numba import njit, prange, uint64

__all__ = ["njit", "prange", "uint64"]


@njit
def _probe() -> None:
    """Do nothing; used to check whether numba can cache."""


def find_cache() -> None:
    """Cache compiled kernels in the temporary folder if no other is writable.

    Numba caches beside the source or in the home folder, and raises an error if neither is
    writable, as for a package installed by root and used by a service without a home.
    """
    try:
        _probe.enable_caching()
    except RuntimeError:
        folder = Path(tempfile.gettempdir()) / f"arrayenh-kernels-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) != 0o700:
            folder = Path(
                tempfile.mkdtemp(prefix="arrayenh-")
            )  # owned by another user: must not be executed
        numba.config.CACHE_DIR = str(folder)  # type: ignore[attr-defined]


find_cache()
