"""Beamforming filters over one or several frames, with one or two outputs."""

from dataclasses import dataclass

import numpy as np

from arrayenh.beamformers.weights import apply
from arrayenh.statistics.lagged import lagged_filter

MOST_FRAMES = 16  # longest filter


@dataclass(frozen=True, slots=True, eq=False)
class Filters:
    """Beamforming filters of one segment.

    Attributes
    ----------
    weights : complex128 ndarray, shape (F, A, M, O)
        Weights for A delays and O outputs.
    delays : tuple of int
        Frames.
    """

    weights: np.ndarray
    delays: tuple[int, ...] = (0,)

    @classmethod
    def of(cls, weights: np.ndarray) -> "Filters":
        """Make filters with one output and one frame from weights of shape (F, M)."""
        return cls(weights[:, None, :, None])

    @classmethod
    def nothing(cls, n_mics: int, n_outputs: int) -> "Filters":
        """Make filters for zero bins."""
        return cls(np.zeros((0, 1, n_mics, n_outputs), np.complex128))

    def apply(self, spec: np.ndarray, past: np.ndarray | None = None) -> np.ndarray:
        """Filter a spectrum, (F, M, T) -> (F, O, T); `past`, (F, M, P), holds earlier frames."""
        if self.delays == (0,):
            weights = self.weights[:, 0]
            return np.stack([apply(weights[..., k], spec) for k in range(weights.shape[2])], axis=1)
        return lagged_filter(self.weights, spec, self.delays, past)

    def spread(self, there: np.ndarray, outputs: tuple[int, ...]) -> "Filters":
        """Extend filters of the valid bins to all bins; others pass each output's microphone."""
        weights = np.zeros((len(there), *self.weights.shape[1:]), np.complex128)
        for k, output in enumerate(outputs):
            weights[:, 0, output, k] = 1
        weights[there] = self.weights
        return Filters(weights, self.delays)

    def passing(self, share: float, outputs: tuple[int, ...]) -> "Filters":
        """Mix in a share of the unprocessed microphone of each output."""
        weights = (1 - share) * self.weights
        for k, output in enumerate(outputs):
            weights[:, 0, output, k] += share
        return Filters(weights, self.delays)
