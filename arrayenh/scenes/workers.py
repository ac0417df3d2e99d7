"""Who does the work for many scenes: this process, several, or a Dask cluster."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from arrayenh.errors import AudioError, ConfigError, MissingExtraError
from arrayenh.processes import Processes, processes
from arrayenh.version import __version__

Work = Callable[[int], dict[str, Any]]
AHEAD = 4  # scenes that wait for each worker
RETRIES = 5  # of a scene whose workers die


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
        try:
            with processes(n_processes) as pool:
                yield from as_they_come(pool, work, indices, n_processes * AHEAD)
        except BrokenProcessPool as error:
            raise AudioError(
                "a process was killed: not enough memory? Try fewer --jobs, and run the "
                "same command again to go on"
            ) from error

    return mapped


def as_they_come(
    pool: Processes, work: Work, indices: Iterable[int], most: int
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
        While the results are taken, if nobody answers at the address, or with another arrayenh.
    AudioError
        While they are taken, if the scheduler is lost, or one scene kills worker after worker.
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
                    "a scene has killed worker after worker: not enough memory? Mend that, and "
                    "run the same command again to go on"
                ) from error
            except CancelledError as error:
                raise AudioError(
                    f"the scheduler at {address} was lost; run the same command again to go on"
                ) from error

    return mapped


def check_workers(client: Any, address: str) -> None:
    """Refuse workers that would make other bytes, or leave without a word, as we would wait."""

    def version_there() -> str:  # nested: sent as it is, not by the name of a module of ours
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
