"""One thing to be enhanced and scored, and what a benchmark must know before it is loaded."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np

from arrayenh.evaluation.systems.system import Trial


@dataclass(frozen=True, slots=True)
class CaseFacts:
    """What is known of a case without its sounds.

    Attributes
    ----------
    name : str
    key : str
        Hash of all that the sounds depend on: with the same key, the same sounds.
    seconds : float
    conditions : mapping of str to str
    """

    name: str
    key: str
    seconds: float
    conditions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A trial, and what its outputs are scored against.

    Attributes
    ----------
    trial : Trial
    reference : float32 ndarray, shape (N,), optional
        The clean speech at the reference microphone.
    transcript : str, optional
        The words that are spoken.
    """

    trial: Trial
    reference: np.ndarray | None = None
    transcript: str | None = None


class Source(Protocol):
    """Cases by their index, picklable: the processes that enhance load their own."""

    def __len__(self) -> int:
        """How many there are."""

    def identity(self) -> dict[str, str]:
        """What tells these cases from others, which have no place in the same folder."""

    def facts(self, index: int) -> CaseFacts:
        """Facts of one."""

    def case(self, index: int) -> Case:
        """Sounds of one."""


def digest(parts: Iterable[str]) -> str:
    """Hash of some texts, in order."""
    found = hashlib.sha256()
    for part in parts:
        found.update(part.encode())
        found.update(b"\0")
    return found.hexdigest()


def file_digest(path: str | Path) -> str:
    """Hash of what a file holds, computed again only where it has changed."""
    state = Path(path).stat()
    return _file_digest(str(path), state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=4096)
def _file_digest(path: str, size: int, changed: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
