"""Speech masks from a direction: what comes from there, and what does not."""

import numpy as np

from arrayenh import beamformers
from arrayenh.beamformers.blind import residual_noise
from arrayenh.masks.source import Beamform
from arrayenh.statistics.loading import GEOMETRY_LOADING, loaded

MORE = np.float32(2)  # times that the rest must be heard to count as much


class DirectionalMasks:
    """How much of each bin comes from a direction.

        m = |y| / (|y| + 2 n)

    y is the output of a superdirective beamformer, n the magnitude of the diffuse noise in it
    as the other directions tell it (`residual_noise`). A coarse mask, in which neighbours of
    the talker leak: for networks to begin with, that know speech, but not whose.

    Parameters
    ----------
    steering : complex128 ndarray, shape (F, M)
        1 at the reference microphone.
    diffuse : float64 ndarray, shape (F, M, M)
        Coherence of a diffuse field.
    """

    def __init__(self, steering: np.ndarray, diffuse: np.ndarray) -> None:
        self._weights = beamformers.superdirective(steering, diffuse, GEOMETRY_LOADING)
        self._noise_cov = loaded(diffuse.astype(np.complex128), GEOMETRY_LOADING)

    def estimate(self, spec: np.ndarray, beamform: Beamform) -> np.ndarray:
        """As of `SppMasks`: the part that comes from the direction, in [0, 1]."""
        out = beamformers.apply(self._weights, spec)
        noise = residual_noise(spec, self._weights, self._noise_cov, out)
        level = np.abs(out)
        total = level + MORE * noise
        return np.divide(level, total, out=np.zeros_like(level), where=total > 0)
