"""Execution of the work for many scenes: in this process, several processes, or a cluster."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from arrayenh.errors import AudioError, ConfigError, MissingExtraError
from arrayenh.processes import Processes, processes
from arrayenh.version import __version__

Work = Callable[[int], dict[str, Any]]
AHEAD = 4  # queued scenes per worker
RETRIES = 5  # attempts for a scene when its workers die


def in_turn(work: Work, indices: Iterable[int]) -> Iterator[dict[str, Any]]:
    """Run the scenes one after another in this process."""
    yield from map(work, indices)


def in_processes(n_processes: int) -> Callable[[Work, Iterable[int]], Iterator[dict[str, Any]]]:
    """Mapper over `n_processes` processes with one thread each; results in completion order.

    Raises
    ------
    AudioError
        During iteration, if a process was killed.
    """

    def mapped(work: Work, indices: Iterable[int]) -> Iterator[dict[str, Any]]:
        try:
            with processes(n_processes) as pool:
                yield from as_they_come(pool, work, indices, n_processes * AHEAD)
        except BrokenProcessPool as error:
            raise AudioError(
                "a process was killed: not enough memory? Try fewer --jobs, and run the "
                "same command again to continue"
            ) from error

    return mapped


def as_they_come(
    pool: Processes, work: Work, indices: Iterable[int], most: int
) -> Iterator[dict[str, Any]]:
    """Yield the results of a pool, with at most `most` tasks submitted at a time."""
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
    """Mapper over the workers of a Dask cluster that mount the same folders at the same paths.

    The scenes of a worker that dies are rendered by the others.

    Raises
    ------
    MissingExtraError
        If the package distributed is not installed.
    ConfigError
        During iteration, if no scheduler answers, or a worker has another arrayenh version.
    AudioError
        During iteration, if the scheduler is lost, or one scene kills several workers.
    """
    try:
        from distributed import Client, KilledWorker, as_completed
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
            check_workers(client, address)
            futures = client.map(work, list(indices), pure=False, retries=RETRIES)
            try:
                for future in as_completed(futures):
                    yield future.result()
                    future.release()
            except KilledWorker as error:
                raise AudioError(
                    "a scene has killed several workers: not enough memory? Fix that, and "
                    "run the same command again to continue"
                ) from error
            except CancelledError as error:
                raise AudioError(
                    f"the scheduler at {address} was lost; run the same command again to continue"
                ) from error

    return mapped


def check_workers(client: Any, address: str) -> None:
    """Raise if a worker has another arrayenh version or cannot import arrayenh."""

    def version_there() -> str:  # nested, so that it is pickled by value, not by module name
        from arrayenh.version import __version__

        return __version__

    try:
        versions = set(client.run(version_there).values())
    except ImportError as error:
        raise ConfigError(f"the workers of {address} cannot import arrayenh: {error}") from error
    for version in versions - {__version__}:
        raise ConfigError(
            f"workers of {address} have arrayenh {version}, this is {__version__}; install the "
            f"same everywhere"
        )
