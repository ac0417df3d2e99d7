"""What flows from stage to stage, and what a stage is."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np


@dataclass(frozen=True, slots=True, eq=False)
class Signals:
    """The next samples of everything that there is, at 16 kHz.

    Each signal begins where it ended in the call before. A stage is a few frames behind its
    input: what it gives may be shorter than what it got, and catches up at the end.

    Attributes
    ----------
    microphones : float32 ndarray, shape (M, n)
        Put right.
    reference : float32 ndarray, shape (C, n)
        The microphones among them whose speech is kept: one, or one at each ear.
    stages : mapping of str to float32 ndarray, shape (C, n')
        "reference", as it was recorded, then the output of each stage by its name.
    noise : float32 ndarray, shape (n',), optional
        The noise in the latest output, as the other directions tell its magnitude.
    masked : float32 ndarray, shape (n',), optional
        The reference microphone through the mask that steered the beamformer.
    """

    microphones: np.ndarray
    reference: np.ndarray
    stages: Mapping[str, np.ndarray]
    noise: np.ndarray | None = None
    masked: np.ndarray | None = None

    @property
    def voice(self) -> np.ndarray:
        """The latest output; before any, the reference."""
        name, samples = list(self.stages.items())[-1]
        return self.reference if name == "reference" else samples

    def then(self, name: str, samples: np.ndarray) -> "Signals":
        """The same, and the output of one more stage, (C, n')."""
        return replace(self, stages={**self.stages, name: samples})


class Stage(Protocol):
    """A step of the chain, on a stream of samples."""

    def push(self, signals: Signals, last: bool) -> Signals:
        """Process the next samples; `last`: the recording ends here, nothing is held back."""

    def summary(self) -> list[str]:
        """What there is to say at the end."""


class Aligned:
    """Gives streams that run ahead of each other out in step, `n_samples` in all."""

    def __init__(self, n_samples: int) -> None:
        self._left = n_samples
        self._held: dict[str, np.ndarray] = {}

    def push(self, pieces: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Take a piece of each stream, shape (..., n); return what all of them have."""
        held = {
            name: np.concatenate([self._held[name], piece], axis=-1) if self._held else piece
            for name, piece in pieces.items()
        }
        n = min(self._left, *(piece.shape[-1] for piece in held.values()))
        self._left -= n
        self._held = {name: piece[..., n:] for name, piece in held.items()}
        return {name: piece[..., :n] for name, piece in held.items()}
