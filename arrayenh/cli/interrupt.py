"""Ctrl-C that ends a wait, but not the work between two waits."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any


class Interrupt:
    """Context in which Ctrl-C and SIGTERM are raised only in waits; a second one everywhere.

    Attributes
    ----------
    came : bool
        Whether the user has asked to end.
    """

    def __init__(self) -> None:
        self.came = self._waits = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Interrupt":
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def wait(self) -> Iterator[None]:
        """Wait in this block; raises KeyboardInterrupt."""
        self._waits = True
        try:
            if self.came:
                raise KeyboardInterrupt
            yield
        finally:
            self._waits = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        again, self.came = self.came, True
        if self._waits or again:
            raise KeyboardInterrupt
