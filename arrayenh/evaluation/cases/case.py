"""`Case`, a recording with its references, and `CaseFacts`, known before the audio is loaded."""

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
    """Properties of a case, available without its audio.

    Attributes
    ----------
    name : str
    key : str
        Hash of everything that the audio depends on: equal keys mean equal audio.
    seconds : float
    conditions : mapping of str to str
    """

    name: str
    key: str
    seconds: float
    conditions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A trial, and the references for its scores.

    Attributes
    ----------
    trial : Trial
    reference : float32 ndarray, shape (N,), optional
        The clean speech at the reference microphone.
    transcript : str, optional
        The words of the target talker.
    """

    trial: Trial
    reference: np.ndarray | None = None
    transcript: str | None = None


class Source(Protocol):
    """Cases by index; picklable, so that each worker process loads its own."""

    def __len__(self) -> int:
        """Number of cases."""

    def identity(self) -> dict[str, str]:
        """Identification of the cases, so that results of others are not mixed with them."""

    def facts(self, index: int) -> CaseFacts:
        """Properties of one case."""

    def case(self, index: int) -> Case:
        """Audio of one case."""


def digest(parts: Iterable[str]) -> str:
    """Hash of a sequence of texts."""
    found = hashlib.sha256()
    for part in parts:
        found.update(part.encode())
        found.update(b"\0")
    return found.hexdigest()


def file_digest(path: str | Path) -> str:
    """Hash of a file's contents, recomputed only if the file has changed."""
    state = Path(path).stat()
    return _file_digest(str(path), state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=4096)
def _file_digest(path: str, size: int, changed: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
