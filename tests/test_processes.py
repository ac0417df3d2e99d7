import os
import signal
import subprocess
import sys
import time
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from arrayenh.processes import processes

ROOT = Path(__file__).parents[1]
POSIX = pytest.mark.skipif(os.name == "nt", reason="sends a signal")


def wait_for(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert condition()


def slowly(folder, name):
    """A file that is there as long as the work takes."""
    path = Path(folder) / name
    try:
        path.touch()
        time.sleep(60)
    finally:
        time.sleep(0.2)  # in which it is told again
        path.unlink()


def variable(name):
    return os.environ.get(name), signal.getsignal(signal.SIGINT)


def die(name):
    os.kill(os.getpid(), signal.SIGKILL)


def test_processes_find_their_environment_and_leave_ours_alone(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "7")
    with processes(1) as pool:
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            assert pool.submit(variable, name).result() == ("1", signal.SIG_IGN)
    assert "OMP_NUM_THREADS" not in os.environ and os.environ["OPENBLAS_NUM_THREADS"] == "7"


@POSIX
@pytest.mark.parametrize("stop", [KeyboardInterrupt, ValueError])
def test_who_is_stopped_tidies_up(tmp_path, stop):
    with pytest.raises(stop), processes(2) as pool:
        for name in "abcd":
            pool.submit(slowly, tmp_path, name)
        wait_for(lambda: len(list(tmp_path.iterdir())) == 2)
        raise stop
    assert not list(tmp_path.iterdir())


@POSIX
def test_one_that_is_killed_is_told_of_and_the_others_tidy_up(tmp_path):
    with pytest.raises(BrokenProcessPool), processes(2) as pool:
        pool.submit(slowly, tmp_path, "a")
        wait_for(lambda: list(tmp_path.iterdir()))
        killed = pool.submit(die, "b")
        pool.submit(slowly, tmp_path, "c")
        killed.result()
    assert not list(tmp_path.iterdir())


PARENT = """
import os, sys
from arrayenh.processes import processes
if __name__ == "__main__":
    with processes(1) as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        sys.stdin.read()
"""


@POSIX
def test_none_outlives_its_parent(tmp_path):
    (tmp_path / "parent.py").write_text(PARENT)
    parent = subprocess.Popen(
        [sys.executable, str(tmp_path / "parent.py")],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with parent:
        child = int(parent.stdout.readline())
        parent.kill()

    def gone():
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return True
        status = Path(f"/proc/{child}/stat")
        return status.exists() and ") Z " in status.read_text()

    wait_for(gone)
