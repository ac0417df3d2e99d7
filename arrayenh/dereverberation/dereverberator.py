"""The `Dereverberator` record, and `DEREVERBERATORS`, all records by name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from arrayenh.registry import Registry


class RecursiveDereverberation(Protocol):
    """A recursive dereverberation, frame by frame."""

    def update(self, spec: np.ndarray) -> np.ndarray:
        """Dereverberate the next frames, (F, M, t) -> (F, M, t)."""


@dataclass(frozen=True, slots=True)
class Dereverberator:
    """Description of a dereverberation method, which runs before the beamformer.

    Attributes
    ----------
    name : str
        Name in commands and files.
    label : str
        Label in tables and reports.
    summary : str
        One line for the help.
    estimate : callable
        Maps the spectrum of a segment, (F, M, T), to filters.
    apply : callable
        Maps filters, a spectrum and its earlier frames to the dereverberated spectrum, (F, M, T).
    n_past : int
        Number of earlier frames that the filters use.
    recursive : callable
        Maps F, M and the time from frame to frame, s, to the frame-by-frame form.
    """

    name: str
    label: str
    summary: str
    estimate: Callable[[np.ndarray], np.ndarray]
    apply: Callable[[np.ndarray, np.ndarray, np.ndarray | None], np.ndarray]
    n_past: int
    recursive: Callable[[int, int, float], RecursiveDereverberation]


DEREVERBERATORS = Registry("dereverb", Dereverberator, "arrayenh.dereverberation")
