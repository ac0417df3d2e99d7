import os
import subprocess
import sys

import numba
import platformdirs
import pytest

from arrayenh._kernels import compiler
from arrayenh.errors import ConfigError

on_posix = pytest.mark.skipif(os.name == "nt", reason="folders have no owner and mode")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The user's cache folder of a package whose own folder cannot be written to."""
    (tmp_path / "package").touch()
    monkeypatch.setattr(compiler, "__file__", str(tmp_path / "package" / "compiler.py"))
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda name: tmp_path / name)
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    monkeypatch.setenv("NUMBA_CACHE_DIR", "")
    return tmp_path / "arrayenh" / "kernels"


def test_kernels_are_cached_beside_their_source(monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    assert compiler.find_cache()
    assert numba.config.CACHE_DIR == ""


def test_without_a_folder_beside_the_source_kernels_are_cached_in_the_users(cache):
    for _ in range(2):
        assert compiler.find_cache()
        assert numba.config.CACHE_DIR == os.environ["NUMBA_CACHE_DIR"] == str(cache)
    assert os.name == "nt" or cache.stat().st_mode & 0o777 == 0o700


def test_a_cache_folder_that_cannot_be_written_is_replaced_with_a_line(cache, monkeypatch):
    asked = str(cache.parents[1] / "package" / "cache")
    monkeypatch.setattr(numba.config, "CACHE_DIR", asked)
    with pytest.warns(UserWarning, match=r"NUMBA_CACHE_DIR=.*cannot be written to; used is"):
        assert compiler.find_cache()
    assert numba.config.CACHE_DIR == str(cache)


@on_posix
@pytest.mark.parametrize("trap", ["open folder", "link", "dangling link", "file"])
def test_compiled_kernels_are_not_taken_from_where_others_may_write(cache, tmp_path, trap):
    cache.parent.mkdir()
    if trap == "open folder":
        cache.mkdir()
        cache.chmod(0o777)
    elif trap == "file":
        cache.touch()
    else:
        cache.symlink_to(tmp_path / "elsewhere")
    if trap == "link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
    with pytest.warns(UserWarning, match="compiled kernels cannot be kept"):
        assert not compiler.find_cache()
    assert numba.config.CACHE_DIR == ""


def test_empty_files_of_a_power_cut_are_removed_from_the_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    kernels = tmp_path / "_kernels_0"
    kernels.mkdir()
    (kernels / "gain.nbi").touch()
    (kernels / "gain.1.nbc").write_bytes(b"code")
    compiler.remove_damaged()
    assert [path.name for path in kernels.iterdir()] == ["gain.1.nbc"]


def test_more_threads_than_can_be_started_are_refused(monkeypatch):
    monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", 100_000)
    with pytest.raises(ConfigError, match="NUMBA_NUM_THREADS must be 1 to 1024; got 100000"):
        compiler.check_threads()


@pytest.mark.parametrize(
    "variable, words",
    [
        ("NUMBA_THREADING_LAYER=foo", "NUMBA_THREADING_LAYER=foo cannot be used: unset it"),
        ("NUMBA_NUM_THREADS=0", "NUMBA_NUM_THREADS=0: Number of threads specified must be > 0."),
        ("NUMBA_NUM_THREADS=-1", "NUMBA_NUM_THREADS=-1: Number of threads"),
        ("NUMBA_OPT=-1", None),
    ],
)
def test_variables_that_numba_refuses_are_named(variable, words):
    name, _, value = variable.partition("=")
    code = """
from arrayenh.errors import ConfigError
try:
    import arrayenh._kernels.gains
except ConfigError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {name: value},
        capture_output=True,
        text=True,
        check=True,
    )
    assert words is None or words in done.stdout


def test_without_compilation_kernels_run_as_python():
    code = """
import numpy as np
from arrayenh._kernels import weights
spec = np.ones((2, 3, 4), np.complex64)
out = np.zeros((2, 4), np.complex64)
weights.filter_sum(np.full((2, 3), 0.5 + 0j), spec, out)
print(type(weights.filter_sum).__name__, out.real.min(), out.real.max())
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["function", "1.5", "1.5"]
