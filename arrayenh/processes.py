"""Processes that do pieces of work, and end as they are told to, or when their parent is gone.

They are spawned, never forked: the numerical libraries have threads by then. Ctrl-C is for the
parent, which then stops them: each leaves its piece of work by an exception, so that it removes
its temporary files, and ends.
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
    """Who takes pieces of work; `BrokenProcessPool` comes of them if a process was killed."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    def submit(self, work: Callable[..., Result], *args: Any) -> "Future[Result]":
        """Have a piece of work done; all of it must pickle."""
        return self._pool.submit(until_told_to_stop, work, *args)


@contextmanager
def processes(
    count: int,
    environment: Mapping[str, str] = ONE_THREAD,
    ready: Callable[..., object] | None = None,
    *args: Any,
) -> Iterator[Processes]:
    """So many processes; when the block is left by an exception they are stopped.

    Parameters
    ----------
    count : int
    environment : mapping of str to str
        Variables that they find, such as how many threads each may use.
    ready : callable, optional
        Called with `args` in each of them before its first piece of work.
    """
    others = active_children()
    with environment_of(environment):
        pool = ProcessPoolExecutor(count, get_context("spawn"), begin, (ready, *args))
        try:
            yield Processes(pool)
        except BaseException:
            with without_interrupt():  # a second Ctrl-C: they are already tidying up
                for process in set(active_children()) - set(others):
                    process.terminate()
                pool.shutdown(cancel_futures=True)
            raise
        pool.shutdown(cancel_futures=True)


@contextmanager
def environment_of(variables: Mapping[str, str]) -> Iterator[None]:
    """Have processes that are started now find these variables."""
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
    """Let nothing come of Ctrl-C for a moment, here and in processes that are started then."""
    if threading.current_thread() is not threading.main_thread():  # others cannot be interrupted
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def begin(ready: Callable[..., object] | None, *args: Any) -> None:
    """Get a process ready: Ctrl-C is the parent's business, and it does not outlive the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with_parent, daemon=True).start()
    if ready is not None:
        ready(*args)


def end_with_parent() -> None:
    """End this process at once when its parent is no more, were it killed."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def until_told_to_stop(work: Callable[..., Result], *args: Any) -> Result:
    """Do a piece of work; told to stop, leave it by an exception, and end the process."""
    try:
        try:
            signal.signal(signal.SIGTERM, leave)
            return work(*args)
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
    except SystemExit:
        os._exit(1)


def leave(*signal_and_frame: Any) -> None:
    """Leave the piece of work at hand, once: who is told again is tidying up already."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit
