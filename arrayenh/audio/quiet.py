"""Suppression of the lines that libraries print on stderr by themselves."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STDERR = 2
_ONE_AT_A_TIME = threading.RLock()


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
    """Discard what is printed on stderr, also by libraries."""
    with _ONE_AT_A_TIME:
        try:
            kept = os.dup(STDERR)
        except OSError:  # stderr is closed
            yield
            return
        nothing = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nothing, STDERR)
            yield
        finally:
            os.dup2(kept, STDERR)
            os.close(nothing)
            os.close(kept)


def may_be_mp3(path: Path) -> bool:
    """Whether a file begins as MP3 files do: with a tag, or with 11 set bits."""
    with path.open("rb") as file:
        head = file.read(3)
    return head == b"ID3" or (len(head) > 1 and head[0] == 0xFF and head[1] >= 0xE0)
