"""Filters: the weights of one segment, for one frame or several, for one output or two ears."""

from dataclasses import dataclass

import numpy as np

from arrayenh.beamformers.weights import apply
from arrayenh.statistics.lagged import lagged_filter

MOST_FRAMES = 16  # that any filter spans


@dataclass(frozen=True, slots=True, eq=False)
class Filters:
    """Filters of one segment.

    Attributes
    ----------
    weights : complex128 ndarray, shape (F, A, M, O)
        For each of A delays and O outputs.
    delays : tuple of int
        Frames.
    """

    weights: np.ndarray
    delays: tuple[int, ...] = (0,)

    @classmethod
    def of(cls, weights: np.ndarray) -> "Filters":
        """One output from one frame, shape (F, M)."""
        return cls(weights[:, None, :, None])

    @classmethod
    def nothing(cls, n_mics: int, n_outputs: int) -> "Filters":
        """Filters of no bins."""
        return cls(np.zeros((0, 1, n_mics, n_outputs), np.complex128))

    def apply(self, spec: np.ndarray, past: np.ndarray | None = None) -> np.ndarray:
        """Filter a spectrum, (F, M, T) -> (F, O, T); `past` (F, M, P) are the frames before."""
        if self.delays == (0,):
            weights = self.weights[:, 0]
            return np.stack([apply(weights[..., k], spec) for k in range(weights.shape[2])], axis=1)
        return lagged_filter(self.weights, spec, self.delays, past)

    def spread(self, there: np.ndarray, outputs: tuple[int, ...]) -> "Filters":
        """Filters of all bins: those that are not `there` pass the microphone of each output."""
        weights = np.zeros((len(there), *self.weights.shape[1:]), np.complex128)
        for k, output in enumerate(outputs):
            weights[:, 0, output, k] = 1
        weights[there] = self.weights
        return Filters(weights, self.delays)

    def passing(self, share: float, outputs: tuple[int, ...]) -> "Filters":
        """Filters that pass a share of the microphone of each output as it is."""
        weights = (1 - share) * self.weights
        for k, output in enumerate(outputs):
            weights[:, 0, output, k] += share
        return Filters(weights, self.delays)
