"""Speech masks by networks, optionally refined with the output of a beamformer."""

from dataclasses import dataclass
from functools import partial
from typing import cast

import numpy as np

from arrayenh.masks.source import Beamform, MaskSource, NoisyBeamform
from arrayenh.networks.cleanness import from_one_place
from arrayenh.networks.pieces import Pieces
from arrayenh.networks.runtime import Network, Stream
from arrayenh.statistics.power import squared

NETWORK_ROUNDS = 5  # passes of a network that takes a beamformer's output as input


GUIDED_ROUNDS = 3  # passes if a direction selects the talker; more drift to other talkers


BEAM = ("beamformed", "rest", "noise")  # network inputs that need a beamformer


def hears_a_guide(network: Network) -> bool:
    """Whether a network takes the output of a beamformer as input."""
    return any(map(network.needs, BEAM))


class NeuralMasks:
    """Speech masks by a network, for any number of microphones.

    A network with the input "microphone" processes each microphone separately, and the masks are
    averaged. Other networks take the output y of a beamformer as input, in several passes: the
    first beamformer is steered by the masks of `first`, or is the reference microphone r (y = r,
    r - y = 0) if `first` is None. In each further pass the network's own mask steers it.

    A streaming network keeps its state from segment to segment; others process each as a whole.

    Parameters
    ----------
    network : Network
    reference : int
        Reference microphone.
    rounds : int
        Number of passes of a network that takes a beamformer's output as input.
    first : MaskSource, optional
        Masks that steer the beamformer of the first pass.
    """

    def __init__(
        self,
        network: Network,
        reference: int = 0,
        rounds: int = NETWORK_ROUNDS,
        first: MaskSource | None = None,
    ) -> None:
        self._network, self._reference, self._first = network, reference, first
        if not hears_a_guide(network):
            rounds = 1
        self._rounds = [Hearing(network) for _ in range(rounds)]

    def estimate(self, spec: np.ndarray, beamform: Beamform) -> np.ndarray:
        """Estimate the network's mask, in [0, 1]; see `SppMasks.estimate`.

        It is raised towards 1 if the first masks indicate that all sound comes from one position.
        """
        if self._network.signature.inputs == ("microphone",):
            return self._rounds[0].masks(spec)
        reference = spec[:, self._reference]
        heard, clean = self._unheard(reference), np.float32(0)
        if self._first is not None:
            mask = self._first.estimate(spec, beamform)
            clean = np.float32(from_one_place(squared(reference), mask))
            heard = self._steered(mask, heard, beamform)
        *others, last = self._rounds
        for hearing in others:
            heard = self._steered(hearing.mask(heard), heard, beamform)
        mask = last.mask(heard)
        return mask if clean == 0 else mask + clean * (1 - mask)

    @staticmethod
    def _unheard(reference: np.ndarray) -> "Heard":
        """Inputs of the network before the first beamformer."""
        return Heard(reference, reference, np.zeros_like(reference), reference)

    def _steered(self, mask: np.ndarray, before: "Heard", beamform: Beamform) -> "Heard":
        """Inputs of the network from a beamformer steered by a mask."""
        if self._network.needs("noise"):
            beamformed, noise = cast(NoisyBeamform, beamform).with_noise(mask)
        else:
            beamformed, noise = beamform(mask), np.zeros_like(before.noise)
        return Heard(before.reference, beamformed, noise, mask * before.reference)


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """Input signals of a mask network, (F, T) each."""

    reference: np.ndarray
    beamformed: np.ndarray
    noise: np.ndarray
    masked: np.ndarray

    def signals(self, network: Network, frames: slice) -> np.ndarray:
        """Stack some frames of the signals in the network's order, (C, F, t)."""
        roles = (self.beamformed, self.reference, self.noise, self.masked)
        return network.signals(*(role[:, frames] for role in roles))


class Hearing:
    """One pass of a mask network, segment by segment."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._stream = Stream(network) if network.streaming else None

    def mask(self, heard: "Heard") -> np.ndarray:
        """Estimate the mask of the next segment, shape (F, T)."""
        if self._stream is not None:
            return self._stream.push(heard.signals(self._network, slice(None)))
        return Pieces(self._network).whole(
            heard.reference.shape[1], partial(heard.signals, self._network)
        )

    def masks(self, spec: np.ndarray) -> np.ndarray:
        """Mean mask over the microphones that are not silent, (F, M, T) -> (F, T)."""
        if self._stream is not None:
            return self._stream.masks(spec)
        total = np.zeros((spec.shape[0], spec.shape[2]), np.float32)
        for m in range(spec.shape[1]):
            total += Pieces(self._network).push(spec[None, :, m], last=True)
        n_heard = np.count_nonzero(spec.any(axis=0), axis=0)
        return total / np.maximum(n_heard, 1).astype(np.float32)
