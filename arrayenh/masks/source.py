"""Protocol of the mask estimators, and `MASKS`, the records of the statistical ones.

Mask networks are files, listed in `arrayenh.networks.catalogue`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from arrayenh.registry import Registry

Beamform = Callable[[np.ndarray], np.ndarray]


class NoisyBeamform(Protocol):
    """A mask-steered beamformer that also estimates its residual noise."""

    def with_noise(self, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the beamformed spectrum and the magnitude of its residual noise; (F, T) each."""


class MaskSource(Protocol):
    """An estimator of speech masks, segment by segment."""

    def estimate(self, spec: np.ndarray, beamform: Beamform) -> np.ndarray:
        """Estimate the mask (F, T) of the next frames (F, M, T); see `SppMasks.estimate`."""


@dataclass(frozen=True, slots=True)
class MaskMethod:
    """Description of a statistical mask estimator.

    Attributes
    ----------
    name : str
        Name in commands and files.
    label : str
        Label in tables and reports.
    summary : str
        One line for the help.
    source : callable
        Maps F and the time from frame to frame, s, to a `MaskSource`.
    """

    name: str
    label: str
    summary: str
    source: Callable[[int, float], MaskSource]


MASKS = Registry("masks", MaskMethod, "arrayenh.masks")
