"""Preparation of batches in the background during training."""

import pickle
from collections import deque
from collections.abc import Generator, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from types import TracebackType
from typing import Protocol

import numpy as np

from arrayenh.errors import AudioError
from arrayenh.processes import ONE_THREAD, Processes, processes

Batch = dict[str, np.ndarray]
AHEAD = 2  # queued batches per worker


class Examples(Protocol):
    """Protocol of training and development data.

    `len` is the number of batches in an epoch. A batch has "inputs", float32 (B, C, N), in the
    order of the signature, and "target", float32 (B, N), and depends only on its index.
    """

    def __len__(self) -> int:
        """Number of batches in an epoch."""

    def batch(self, index: int) -> Batch:
        """Return batch `index`."""


class Prefetch:
    """Thread or processes that prepare batches ahead of time, in order.

    Parameters
    ----------
    parts : mapping of str to Examples
        Data sets by name, such as training and development data.
    workers : int
        Number of processes; 0 uses a thread.
    """

    def __init__(self, parts: Mapping[str, Examples], workers: int = 0) -> None:
        self.ahead = AHEAD * max(workers, 1)
        self._parts, self._workers = parts, workers
        self._stack = ExitStack()
        self._pool: Processes | ThreadPoolExecutor
        if workers:
            made = processes(workers, ONE_THREAD, keep, pickle.dumps(dict(parts)))
            self._pool = self._stack.enter_context(made)
        else:
            self._pool = ThreadPoolExecutor(1, "batches")
            self._stack.callback(self._pool.shutdown, cancel_futures=True)

    def stream(self, part: str, indices: Iterable[int]) -> Generator[Batch]:
        """Yield the batches of a part.

        Raises
        ------
        AudioError
            If a process was killed.
        """
        pending: deque[Future[Batch]] = deque()
        try:
            for index in indices:
                pending.append(self._submit(part, index))
                if len(pending) > self.ahead:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        except BrokenProcessPool as error:
            raise AudioError(
                "a process that prepares batches was killed: not enough memory? Try fewer workers, "
                "and --resume"
            ) from error
        finally:
            for future in pending:
                future.cancel()

    def _submit(self, part: str, index: int) -> Future[Batch]:
        if self._workers:
            return self._pool.submit(made_here, part, index)
        return self._pool.submit(self._parts[part].batch, index)

    def __enter__(self) -> "Prefetch":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)


HERE: dict[str, Examples] = {}
"""Data sets in a worker process, sent once instead of with every batch."""


def keep(parts: bytes) -> None:
    """Store the data sets in a worker process."""
    HERE.update(pickle.loads(parts))


def made_here(part: str, index: int) -> Batch:
    """Prepare a batch in a worker process."""
    return HERE[part].batch(index)
