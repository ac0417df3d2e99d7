"""What the chain must know of a source of speech masks: one record each, in `MASKS`.

Networks are sources of masks, too, but are files of weights (`arrayenh.networks.catalogue`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from arrayenh.registry import Registry

Beamform = Callable[[np.ndarray], np.ndarray]


class NoisyBeamform(Protocol):
    """A beamformer that tells of the noise it leaves."""

    def with_noise(self, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The beamformed spectrum, and the magnitude of the noise in it; (F, T) each."""


class MaskSource(Protocol):
    """Speech masks of the segments of a recording, one after the other."""

    def estimate(self, spec: np.ndarray, beamform: Beamform) -> np.ndarray:
        """Mask (F, T) of the next frames (F, M, T); see `SppMasks.estimate`."""


@dataclass(frozen=True, slots=True)
class MaskMethod:
    """Statistical masks by their name.

    Attributes
    ----------
    name : str
        In commands and files.
    label : str
        In tables and reports.
    summary : str
        One line.
    source : callable
        Of F and the time from frame to frame, s, a `MaskSource`.
    """

    name: str
    label: str
    summary: str
    source: Callable[[int, float], MaskSource]


MASKS = Registry("masks", MaskMethod, "arrayenh.masks")
