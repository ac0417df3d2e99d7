"""What the chain must know of a dereverberation: one record each, in `DEREVERBERATORS`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from arrayenh.registry import Registry


class RecursiveDereverberation(Protocol):
    """Dereverberation frame by frame."""

    def update(self, spec: np.ndarray) -> np.ndarray:
        """Dereverberate the next frames, (F, M, t) -> (F, M, t)."""


@dataclass(frozen=True, slots=True)
class Dereverberator:
    """A dereverberation in front of the beamformer, by its name.

    Attributes
    ----------
    name : str
        In commands and files.
    label : str
        In tables and reports.
    summary : str
        One line.
    estimate : callable
        Filters from the spectrum of a segment, (F, M, T).
    apply : callable
        Of filters, a spectrum and the frames before it, the early spectrum, (F, M, T).
    n_past : int
        Frames before that are heard.
    recursive : callable
        Of F, M and the time from frame to frame, s, its form frame by frame.
    """

    name: str
    label: str
    summary: str
    estimate: Callable[[np.ndarray], np.ndarray]
    apply: Callable[[np.ndarray, np.ndarray, np.ndarray | None], np.ndarray]
    n_past: int
    recursive: Callable[[int, int, float], RecursiveDereverberation]


DEREVERBERATORS = Registry("dereverb", Dereverberator, "arrayenh.dereverberation")
