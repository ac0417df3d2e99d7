"""Who does the work for many scenes: this process, several, or a Dask cluster."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from arrayenh.errors import AudioError, ConfigError, MissingExtraError

Work = Callable[[int], dict[str, Any]]
AHEAD = 4  # scenes that wait for each worker
RETRIES = 5  # of a scene whose workers die
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def in_turn(work: Work, indices: Iterable[int]) -> Iterator[dict[str, Any]]:
    """One scene after the other, here."""
    yield from map(work, indices)


def in_processes(n_processes: int) -> Callable[[Work, Iterable[int]], Iterator[dict[str, Any]]]:
    """So many processes at once, each with one thread; results as they come.

    Raises
    ------
    AudioError
        While the results are taken, if a process was killed.
    """

    def mapped(work: Work, indices: Iterable[int]) -> Iterator[dict[str, Any]]:
        context = multiprocessing.get_context("spawn")
        with one_thread(), ProcessPoolExecutor(n_processes, context, ignore_interrupt) as pool:
            try:
                yield from as_they_come(pool, work, iter(indices), n_processes * AHEAD)
            except BrokenProcessPool as error:
                raise AudioError(
                    "a process was killed: not enough memory? Try fewer --jobs, and run the "
                    "same command again to go on"
                ) from error
            finally:
                pool.shutdown(cancel_futures=True)

    return mapped


def as_they_come(
    pool: ProcessPoolExecutor, work: Work, indices: Iterator[int], most: int
) -> Iterator[dict[str, Any]]:
    """Results of a pool that never has more than a few tasks waiting."""
    pending: set[Future[dict[str, Any]]] = set()
    for index in indices:
        pending.add(pool.submit(work, index))
        if len(pending) >= most:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)
    while pending:
        done, pending = wait(pending, return_when=FIRST_COMPLETED)
        yield from (future.result() for future in done)


def on_cluster(address: str) -> Callable[[Work, Iterable[int]], Iterator[dict[str, Any]]]:
    """The workers of a Dask cluster, which see the same folders by the same names.

    A worker that dies loses nothing: its scenes are made by others.

    Raises
    ------
    MissingExtraError
        If the package distributed is not installed.
    ConfigError
        While the results are taken, if nobody answers at the address.
    """
    try:
        from distributed import Client, as_completed
    except ImportError as error:
        raise MissingExtraError(
            "--scheduler needs the package distributed: pip install 'arrayenh[cluster]'"
        ) from error

    def mapped(work: Work, indices: Iterable[int]) -> Iterator[dict[str, Any]]:
        try:
            client = Client(address, timeout="10s")
        except (OSError, ValueError, TypeError) as error:
            raise ConfigError(f"no Dask scheduler answers at {address}") from error
        with client:
            futures = client.map(work, list(indices), pure=False, retries=RETRIES)
            for future in as_completed(futures):
                yield future.result()
                future.release()

    return mapped


@contextmanager
def one_thread() -> Iterator[None]:
    """Let processes that are started now use one thread each."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def ignore_interrupt() -> None:
    """Ctrl-C is for the process that gives out the work."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
