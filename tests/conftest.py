"""How many threads each worker of pytest-xdist has, said before NumPy, numba and torch load."""

import os

import pytest

THREADS = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS")


@pytest.hookimpl(optionalhook=True)  # without pytest-xdist nobody calls it
def pytest_xdist_setupnodes(config, specs):
    """The cores shared out: two workers on two cores are two threads, not four."""
    share = max(1, (os.cpu_count() or 1) // len(specs))
    for name in THREADS:
        os.environ.setdefault(name, str(share))
