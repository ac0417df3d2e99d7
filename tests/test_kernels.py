import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import numba
import pytest

from arrayenh._kernels import compiler

pytestmark = pytest.mark.skipif(not hasattr(os, "getuid"), reason="a home is always there")


class Homeless:
    def enable_caching(self):
        raise RuntimeError("cannot cache function: no locator available")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Finds a place where there is no other; the temporary folder is this test's."""
    monkeypatch.setattr(compiler, "_probe", Homeless())
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")

    def find():
        compiler.find_cache()
        return Path(numba.config.CACHE_DIR)

    return find


def test_where_there_is_a_place_nothing_is_changed(monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    compiler.find_cache()
    assert numba.config.CACHE_DIR == ""


def test_without_a_place_the_kernels_are_kept_in_a_private_folder(cache, tmp_path):
    folder = cache()
    assert folder.parent == tmp_path and stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert cache() == folder  # the next time as well


@pytest.mark.parametrize("trap", ["open folder", "link"])
def test_machine_code_is_not_taken_from_where_others_may_write(cache, tmp_path, trap):
    taken = tmp_path / f"arrayenh-kernels-{os.getuid()}"
    if trap == "open folder":
        taken.mkdir()
        taken.chmod(0o777)
    else:
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        taken.symlink_to(tmp_path / "elsewhere")
    folder = cache()
    assert folder != taken and folder.parent == tmp_path
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_kernels_load_where_numba_finds_no_place(tmp_path):
    """As for a service without a home, with a package that root installed."""
    code = """
import numba
from numba.core.dispatcher import Dispatcher
keep = Dispatcher.enable_caching
def refuse(self):
    if not numba.config.CACHE_DIR:
        raise RuntimeError("cannot cache function: no locator available")
    keep(self)
Dispatcher.enable_caching = refuse
import arrayenh._kernels.gains
print(numba.config.CACHE_DIR)
"""
    environment = os.environ | {"TMPDIR": str(tmp_path), "NUMBA_CACHE_DIR": ""}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(tmp_path / f"arrayenh-kernels-{os.getuid()}")
