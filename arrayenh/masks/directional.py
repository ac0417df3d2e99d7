"""Speech masks from a given direction."""

import numpy as np

from arrayenh import beamformers
from arrayenh.beamformers.blind import residual_noise
from arrayenh.masks.source import Beamform
from arrayenh.statistics.loading import GEOMETRY_LOADING, loaded

MORE = np.float32(2)  # weight of the residual noise against the output


class DirectionalMasks:
    """Masks of the sound from a given direction.

        m = |y| / (|y| + 2 n)

    y is the output of a superdirective beamformer and n the magnitude of its residual diffuse
    noise, estimated from the other directions (`residual_noise`). The mask is coarse: sound from
    nearby directions leaks into it. It initialises networks that can detect speech but not
    select one of several talkers.

    Parameters
    ----------
    steering : complex128 ndarray, shape (F, M)
        Normalised to 1 at the reference microphone.
    diffuse : float64 ndarray, shape (F, M, M)
        Coherence of a diffuse field.

    Examples
    --------
    >>> diffuse = np.eye(2)[None]
    >>> masks = DirectionalMasks(np.ones((1, 2), np.complex128), diffuse)
    >>> spec = np.array([[[1, 1], [1, -1]]], np.complex64)
    >>> masks.estimate(spec, beamform=lambda mask: spec[:, 0]).round(2)
    array([[1., 0.]], dtype=float32)
    """

    def __init__(self, steering: np.ndarray, diffuse: np.ndarray) -> None:
        self._weights = beamformers.superdirective(steering, diffuse, GEOMETRY_LOADING)
        self._noise_cov = loaded(diffuse.astype(np.complex128), GEOMETRY_LOADING)

    def estimate(self, spec: np.ndarray, beamform: Beamform) -> np.ndarray:
        """Estimate the share of the direction, in [0, 1]; see `SppMasks.estimate`."""
        out = beamformers.apply(self._weights, spec)
        noise = residual_noise(spec, self._weights, self._noise_cov, out)
        level = np.abs(out)
        total = level + MORE * noise
        return np.divide(level, total, out=np.zeros_like(level), where=total > 0)
