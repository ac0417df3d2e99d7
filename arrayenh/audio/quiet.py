"""Suppression of the lines that libraries print on stderr by themselves."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

STDERR = 2


@contextmanager
def quiet_decoder(path: Path) -> Iterator[None]:
    """Discard what is printed on stderr, if the file may be MP3; libmpg123 has no other way."""
    if not may_be_mp3(path):
        yield
        return
    with quiet_stderr():
        yield


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Discard what is printed on stderr, also by libraries, while any thread is in this context."""
    _SILENCE.begin()
    try:
        yield
    finally:
        _SILENCE.end()


class _Silence:
    """Stderr of the process, replaced while it is wanted by at least one."""

    def __init__(self) -> None:
        self._lock, self._wanted = threading.Lock(), 0
        self._kept: int | None = None

    def begin(self) -> None:
        with self._lock:
            self._wanted += 1
            if self._wanted > 1:
                return
            with suppress(OSError):  # stderr is closed
                self._kept = os.dup(STDERR)
                nothing = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nothing, STDERR)
                os.close(nothing)

    def end(self) -> None:
        with self._lock:
            self._wanted -= 1
            if self._wanted == 0 and self._kept is not None:
                os.dup2(self._kept, STDERR)
                os.close(self._kept)
                self._kept = None


_SILENCE = _Silence()


def may_be_mp3(path: Path) -> bool:
    """Whether a file begins as MP3 files do: with a tag, or with 11 set bits."""
    with path.open("rb") as file:
        head = file.read(3)
    return head == b"ID3" or (len(head) > 1 and head[0] == 0xFF and head[1] >= 0xE0)
