"""Worker processes that stop cleanly on Ctrl-C and end when their parent ends.

They are spawned, never forked, because the numerical libraries have started threads by then.
Only the parent handles Ctrl-C. It terminates the workers: in each, an exception ends the current
job, so that temporary files are removed, and the process exits.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context, parent_process
from typing import Any, TypeVar

ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)
Result = TypeVar("Result")


class Processes:
    """A pool of worker processes. Futures raise `BrokenProcessPool` if a worker was killed."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    def submit(self, work: Callable[..., Result], *args: Any) -> "Future[Result]":
        """Submit a job; the function, its arguments and its result must pickle."""
        return self._pool.submit(until_told_to_stop, work, *args)


@contextmanager
def processes(
    count: int,
    environment: Mapping[str, str] = ONE_THREAD,
    ready: Callable[..., object] | None = None,
    *args: Any,
) -> Iterator[Processes]:
    """Open a pool of `count` worker processes; an exception in the block terminates them.

    Parameters
    ----------
    count : int
    environment : mapping of str to str
        Environment variables of the workers, such as the number of threads each may use.
    ready : callable, optional
        Called with `args` in each worker before its first job.
    """
    others = active_children()
    with environment_of(environment):
        pool = ProcessPoolExecutor(count, get_context("spawn"), begin, (ready, *args))
        try:
            yield Processes(pool)
        except BaseException:
            with without_interrupt():  # a second Ctrl-C must not interrupt the clean-up
                for process in set(active_children()) - set(others):
                    process.terminate()
                pool.shutdown(cancel_futures=True)
            raise
        pool.shutdown(cancel_futures=True)


@contextmanager
def environment_of(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for processes started within the block."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def without_interrupt() -> Iterator[None]:
    """Ignore Ctrl-C within the block, here and in processes started by it."""
    if (
        threading.current_thread() is not threading.main_thread()
    ):  # only the main thread gets Ctrl-C
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def begin(ready: Callable[..., object] | None, *args: Any) -> None:
    """Initialise a worker: it ignores Ctrl-C and exits with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with_parent, daemon=True).start()
    if ready is not None:
        ready(*args)


def end_with_parent() -> None:
    """Wait for the parent to end, even if killed, then exit this process at once."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def until_told_to_stop(work: Callable[..., Result], *args: Any) -> Result:
    """Run a job; on SIGTERM, interrupt it by an exception and exit the process."""
    try:
        try:
            signal.signal(signal.SIGTERM, leave)
            return work(*args)
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
    except SystemExit:
        os._exit(1)


def leave(*signal_and_frame: Any) -> None:
    """Handle SIGTERM: interrupt the job, and ignore further signals during its clean-up."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit
