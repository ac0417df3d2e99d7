"""Batches, made in the background while the network learns from the ones before.

Other processes are spawned, never forked: the numerical libraries have threads by then.
"""

import pickle
from collections import deque
from collections.abc import Generator, Iterable, Mapping
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from multiprocessing import get_context
from types import TracebackType
from typing import Protocol

import numpy as np

from arrayenh.errors import AudioError
from arrayenh.scenes.workers import begin, one_thread

Batch = dict[str, np.ndarray]
AHEAD = 2  # batches that wait for each who makes them


class Examples(Protocol):
    """What is trained on.

    `len` is the number of batches in which everything comes once; a batch has "inputs",
    float32 (B, C, N), in the order of the signature, and "target", float32 (B, N), and depends
    on nothing but its index.
    """

    def __len__(self) -> int:
        """Batches of an epoch."""

    def batch(self, index: int) -> Batch:
        """Batch `index`."""


class Prefetch:
    """A thread, or processes, that make batches ahead of time, always in their order.

    Parameters
    ----------
    parts : mapping of str to Examples
        Such as to train on and to measure by.
    workers : int
        Processes; 0: a thread.
    """

    def __init__(self, parts: Mapping[str, Examples], workers: int = 0) -> None:
        self.ahead = AHEAD * max(workers, 1)
        self._parts, self._workers = parts, workers
        self._stack = ExitStack()
        self._pool: Executor
        if workers:
            self._stack.enter_context(one_thread())
            self._pool = ProcessPoolExecutor(
                workers, get_context("spawn"), start, (pickle.dumps(dict(parts)),)
            )
        else:
            self._pool = ThreadPoolExecutor(1, "batches")

    def stream(self, part: str, indices: Iterable[int]) -> Generator[Batch]:
        """Batches of a part.

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
                "a process that makes batches was killed: not enough memory? Try fewer workers, "
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
        self._pool.shutdown(cancel_futures=True)
        self._stack.close()


HERE: dict[str, Examples] = {}
"""Of a process that makes batches: sent once, not with every batch."""


def start(parts: bytes) -> None:
    """Get such a process ready."""
    begin()
    HERE.update(pickle.loads(parts))


def made_here(part: str, index: int) -> Batch:
    """A batch, in such a process."""
    return HERE[part].batch(index)
