"""Base of the recursive beamformers: exponentially fading statistics, new weights every frame.

Each beamformer keeps its state in the object, clears it by `reset`, and is causal: its output at
frame t depends on frames up to t. The output does not depend on how the frames are split into
calls. With a memory of `inf` seconds the weights converge to those of the batch form.
"""

import numpy as np

from arrayenh.checks import within
from arrayenh.errors import ConfigError, ShapeError

RECURSIVE_LOADING = 3e-4  # relative; also the loading of the first frame
MEMORY_SECONDS = 2.0  # of the statistics of a live chain


class Recursion:
    """Sizes, memory, loading and input checks common to the recursive beamformers."""

    def __init__(
        self, n_freqs: int, n_mics: int, hop_seconds: float, memory_seconds: float, loading: float
    ) -> None:
        if n_freqs < 1 or n_mics < 1 or not hop_seconds > 0:
            raise ConfigError("n_freqs, n_mics and hop_seconds must be positive")
        if not memory_seconds >= hop_seconds:
            raise ConfigError(
                f"memory_seconds must be at least a hop, {hop_seconds}; got {memory_seconds}"
            )
        within("loading", loading, 1e-12, 1)
        self.n_freqs, self.n_mics, self.loading = n_freqs, n_mics, loading
        self.forget = float(1 - np.exp(-hop_seconds / memory_seconds))
        self._turn = 0

    def _check(self, spec: np.ndarray, **weights: np.ndarray | None) -> None:
        if spec.ndim != 3 or spec.shape[:2] != (self.n_freqs, self.n_mics):
            raise ShapeError(
                f"spec must have shape {(self.n_freqs, self.n_mics, 't')}; got {spec.shape}"
            )
        for name, weight in weights.items():
            if weight is not None and weight.shape != (self.n_freqs, spec.shape[2]):
                raise ShapeError(
                    f"{name} must have shape {(self.n_freqs, spec.shape[2])}; got {weight.shape}"
                )

    def _lanes(self, steering: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Split a steering vector (F, M) into real and imaginary parts of shape (M, F)."""
        if steering.shape != (self.n_freqs, self.n_mics):
            raise ShapeError(
                f"steering must have shape {(self.n_freqs, self.n_mics)}; got {steering.shape}"
            )
        turned = np.asarray(steering, np.complex128).T
        return np.ascontiguousarray(turned.real), np.ascontiguousarray(turned.imag)
