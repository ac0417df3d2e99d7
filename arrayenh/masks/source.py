"""Speech masks: in which time-frequency bins the talker is heard."""

from collections.abc import Callable
from typing import Protocol

import numpy as np

from arrayenh.errors import ConfigError
from arrayenh.masks.cacgmm import cacgmm
from arrayenh.masks.neural import GUIDED_ROUNDS, NeuralMasks, hears_a_guide
from arrayenh.masks.spp import SppMasks
from arrayenh.networks.runtime import Network

EM_ITERATIONS = 5  # of the mixture; more fit it better and separate no better
Beamform = Callable[[np.ndarray], np.ndarray]


class NoisyBeamform(Protocol):
    """A beamformer that tells of the noise it leaves."""

    def with_noise(self, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The beamformed spectrum, and the magnitude of the noise in it; (F, T) each."""


class MaskSource(Protocol):
    """Speech masks of the segments of a recording, one after the other."""

    def estimate(self, spec: np.ndarray, beamform: Beamform) -> np.ndarray:
        """Mask (F, T) of the next frames (F, M, T); see `SppMasks.estimate`."""


def mask_source(
    name: str,
    n_freqs: int,
    hop_seconds: float,
    network: Network | None = None,
    reference: int = 0,
    guide: MaskSource | None = None,
) -> MaskSource:
    """The source of that name: "spp" or "cacgmm"; or a network.

    Parameters
    ----------
    name : {"spp", "cacgmm", "neural"}
    n_freqs : int
    hop_seconds : float
    network : Network, optional
    reference : int
        Microphone.
    guide : MaskSource, optional
        Says who shall be heard to a network that `hears_a_guide`.

    Raises
    ------
    ConfigError
        If it is "neural" and there is no network.
    """
    if network is not None and guide is not None and hears_a_guide(network):
        return NeuralMasks(network, reference, GUIDED_ROUNDS, guide)
    if network is not None:
        first = CacgmmMasks(n_freqs, hop_seconds) if network.needs("noise") else None
        return NeuralMasks(network, reference, first=first)
    if name == "neural":
        raise ConfigError("masks neural needs a network")
    source = CacgmmMasks if name == "cacgmm" else SppMasks
    return source(n_freqs, hop_seconds)


class CacgmmMasks:
    """Speech presence, sharpened by what the directions of the bins tell.

    A mixture of complex angular-central Gaussians with one class for the talker and one for
    the rest begins with the masks of `SppMasks`, and a few steps of expectation maximisation
    move each bin to the class whose spatial shape it fits. The priors are common to all
    frequencies, so that the classes mean the same everywhere.

    Parameters
    ----------
    n_freqs : int
        F.
    hop_seconds : float
        Time from frame to frame, s.
    iterations : int
    """

    def __init__(self, n_freqs: int, hop_seconds: float, iterations: int = EM_ITERATIONS) -> None:
        self._first = SppMasks(n_freqs, hop_seconds)
        self.iterations = iterations

    def estimate(self, spec: np.ndarray, beamform: Beamform) -> np.ndarray:
        """As of `SppMasks`: the posterior of the talker's class, in [0, 1]."""
        mask = self._first.estimate(spec, beamform)
        posteriors, _ = cacgmm(spec, np.stack([mask, 1 - mask], axis=1), self.iterations)
        return np.ascontiguousarray(posteriors[:, 0])
