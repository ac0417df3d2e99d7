"""Power of spectra."""

import numpy as np


def mean_power(spec: np.ndarray) -> np.ndarray:
    """Power averaged over the microphones, float32, shape (F, T)."""
    power = squared(spec[:, 0])
    for m in range(1, spec.shape[1]):
        power += squared(spec[:, m])
    power /= spec.shape[1]
    return power


def squared(spec: np.ndarray) -> np.ndarray:
    """Squared magnitude |y|², float32, of the shape of `spec`."""
    return spec.real**2 + spec.imag**2
