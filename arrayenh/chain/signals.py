"""`Signals`, the samples passed between stages, and the `Stage` protocol."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np


@dataclass(frozen=True, slots=True, eq=False)
class Signals:
    """The next samples of the microphones and of all stages so far, at 16 kHz.

    Each signal continues where it ended in the previous call. A stage lags a few frames behind
    its input, so its output may be shorter than its input until the end of the recording.

    Attributes
    ----------
    microphones : float32 ndarray, shape (M, n)
        Corrected microphone signals.
    reference : float32 ndarray, shape (C, n)
        The reference microphones: one, or one at each ear.
    stages : mapping of str to float32 ndarray, shape (C, n')
        "reference", the raw microphones, then the output of each stage by its name.
    noise : float32 ndarray, shape (n',), optional
        Residual noise in the latest output, estimated from the other directions.
    masked : float32 ndarray, shape (n',), optional
        The reference microphone multiplied by the mask that steers the beamformer.
    """

    microphones: np.ndarray
    reference: np.ndarray
    stages: Mapping[str, np.ndarray]
    noise: np.ndarray | None = None
    masked: np.ndarray | None = None

    @property
    def voice(self) -> np.ndarray:
        """The latest output, or the reference before any stage."""
        name, samples = list(self.stages.items())[-1]
        return self.reference if name == "reference" else samples

    def then(self, name: str, samples: np.ndarray) -> "Signals":
        """Add the output of one more stage, (C, n')."""
        return replace(self, stages={**self.stages, name: samples})


class Stage(Protocol):
    """A stage of the chain, which processes a stream of samples."""

    def push(self, signals: Signals, last: bool) -> Signals:
        """Process the next samples; `last`: the recording ends, all buffers are flushed."""

    def summary(self) -> list[str]:
        """Log lines for the user, after the last block."""


class Aligned:
    """Aligns streams of different latency in time, and cuts them to `n_samples`."""

    def __init__(self, n_samples: int) -> None:
        self._left = n_samples
        self._held: dict[str, np.ndarray] = {}

    def push(self, pieces: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Add a piece of each stream, shape (..., n); return the samples complete in all."""
        held = {
            name: np.concatenate([self._held[name], piece], axis=-1) if self._held else piece
            for name, piece in pieces.items()
        }
        n = min(self._left, *(piece.shape[-1] for piece in held.values()))
        self._left -= n
        self._held = {name: piece[..., n:] for name, piece in held.items()}
        return {name: piece[..., :n] for name, piece in held.items()}
