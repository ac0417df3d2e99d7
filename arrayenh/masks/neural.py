"""Speech masks by networks, which may hear what a beamformer made before."""

from dataclasses import dataclass
from functools import partial
from typing import cast

import numpy as np

from arrayenh.masks.source import Beamform, MaskSource, NoisyBeamform
from arrayenh.networks.cleanness import from_one_place
from arrayenh.networks.pieces import Pieces
from arrayenh.networks.runtime import Network, Stream
from arrayenh.statistics.power import squared

NETWORK_ROUNDS = 5  # of a network that hears what the beamformer gives


GUIDED_ROUNDS = 3  # where a direction says who shall be heard: later ones forget him


BEAM = ("beamformed", "rest", "noise")  # signals that there are behind a beamformer alone


def hears_a_guide(network: Network) -> bool:
    """Whether its masks depend on what a beamformer gave before."""
    return any(map(network.needs, BEAM))


class NeuralMasks:
    """Masks by a network, of any microphones.

    A network of the input "microphone" hears each microphone by itself; the masks are averaged.
    Others hear what a beamformer makes of the microphones: first of one that other masks
    steer, or, without such, as long as there is none, the reference microphone r as y = r and
    r - y = 0. Its own mask steers a beamformer, and it hears again.

    A streaming network goes on from segment to segment; another hears each as a whole.

    Parameters
    ----------
    network : Network
    reference : int
        Microphone.
    rounds : int
        How often a network hears a segment that knows of a beamformer.
    first : MaskSource, optional
        Steers the beamformer that the network hears first.
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
        """As of `SppMasks`: what the network gives, in [0, 1].

        Nearer to 1 the surer the first masks are that all comes from one place.
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
        """What there is before there is a beamformer."""
        return Heard(reference, reference, np.zeros_like(reference), reference)

    def _steered(self, mask: np.ndarray, before: "Heard", beamform: Beamform) -> "Heard":
        """What a beamformer makes of a mask; of the noise in it, if the network hears that."""
        if self._network.needs("noise"):
            beamformed, noise = cast(NoisyBeamform, beamform).with_noise(mask)
        else:
            beamformed, noise = beamform(mask), np.zeros_like(before.noise)
        return Heard(before.reference, beamformed, noise, mask * before.reference)


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """Signals of a network, (F, T) each."""

    reference: np.ndarray
    beamformed: np.ndarray
    noise: np.ndarray
    masked: np.ndarray

    def signals(self, network: Network, frames: slice) -> np.ndarray:
        """Of some frames, in the order of the network, (C, F, t)."""
        roles = (self.beamformed, self.reference, self.noise, self.masked)
        return network.signals(*(role[:, frames] for role in roles))


class Hearing:
    """A network of masks, segment by segment."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._stream = Stream(network) if network.streaming else None

    def mask(self, heard: "Heard") -> np.ndarray:
        """Mask of the next segment, shape (F, T)."""
        if self._stream is not None:
            return self._stream.push(heard.signals(self._network, slice(None)))
        return Pieces(self._network).whole(
            heard.reference.shape[1], partial(heard.signals, self._network)
        )

    def masks(self, spec: np.ndarray) -> np.ndarray:
        """Mean mask of all microphones, (F, M, T) -> (F, T); of those that are not silent."""
        if self._stream is not None:
            return self._stream.masks(spec)
        total = np.zeros((spec.shape[0], spec.shape[2]), np.float32)
        for m in range(spec.shape[1]):
            total += Pieces(self._network).push(spec[None, :, m], last=True)
        n_heard = np.count_nonzero(spec.any(axis=0), axis=0)
        return total / np.maximum(n_heard, 1).astype(np.float32)
