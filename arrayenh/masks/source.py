"""Speech masks: in which time-frequency bins the talker is heard."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol, cast

import numpy as np

from arrayenh.errors import ConfigError, ShapeError
from arrayenh.masks.cacgmm import cacgmm
from arrayenh.networks.cleanness import from_one_place
from arrayenh.networks.pieces import Pieces
from arrayenh.networks.runtime import Network, Stream
from arrayenh.statistics.noise_psd import SppTracker

NOISE_DECAY = 0.7  # of the tracked noise in 16 ms
EM_ITERATIONS = 5  # of the mixture; more fit it better and separate no better
NETWORK_ROUNDS = 5  # of a network that hears what the beamformer gives
GUIDED_ROUNDS = 3  # where a direction says who shall be heard: later ones forget him
BEAM = ("beamformed", "rest", "noise")  # signals that there are behind a beamformer alone
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


def hears_a_guide(network: Network) -> bool:
    """Whether its masks depend on what a beamformer gave before."""
    return any(map(network.needs, BEAM))


class SppMasks:
    """Speech presence in the microphones' mean power, refined behind the beamformer.

    The first mask is the speech presence probability of the power averaged over the
    microphones. It steers a beamformer; presence is tracked anew in its cleaner output, and
    so on: each round sees speech that the round before could not. Presence is judged from
    power smoothed over five neighbouring bins, and against a noise tracker fast enough that
    late reverberation counts as noise.

    The trackers live on from one call to the next: consecutive segments of a recording
    join without a new warm-up.

    Parameters
    ----------
    n_freqs : int
        F.
    hop_seconds : float
        Time from frame to frame, s.
    rounds : int
        Refinements after the first mask.
    """

    def __init__(self, n_freqs: int, hop_seconds: float, rounds: int = 2) -> None:
        self._trackers = [
            SppTracker(n_freqs, hop_seconds, noise_decay=NOISE_DECAY) for _ in range(rounds + 1)
        ]

    def estimate(self, spec: np.ndarray, beamform: Beamform) -> np.ndarray:
        """Mask of the next frames.

        Parameters
        ----------
        spec : complex64 ndarray, shape (F, M, T)
        beamform : callable
            From a mask, shape (F, T), to the beamformed spectrum, shape (F, T).

        Returns
        -------
        mask : float32 ndarray, shape (F, T)
            Speech presence probability, in [0, 1].
        """
        if spec.ndim != 3:
            raise ShapeError(f"spec must have shape (F, M, T); got {spec.shape}")
        power = mean_power(spec)
        for tracker in self._trackers[:-1]:
            mask = presence(tracker, power)
            power = squared(beamform(mask))
        return presence(self._trackers[-1], power)


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


def presence(tracker: SppTracker, power: np.ndarray) -> np.ndarray:
    """Speech presence in power smoothed over frequency, shape (F, T)."""
    return tracker.update(smooth_bins(power))[1]


def smooth_bins(power: np.ndarray) -> np.ndarray:
    """Binomial average over five bins, 1-4-6-4-1, the edges repeated; shape (F, T)."""
    padded = np.pad(power, ((2, 2), (0, 0)), mode="edge")
    smooth = 6 * power
    smooth += 4 * padded[1:-3]
    smooth += 4 * padded[3:-1]
    smooth += padded[:-4]
    smooth += padded[4:]
    smooth /= 16
    return smooth


def mean_power(spec: np.ndarray) -> np.ndarray:
    """Power averaged over the microphones, float32, shape (F, T)."""
    power = squared(spec[:, 0])
    for m in range(1, spec.shape[1]):
        power += squared(spec[:, m])
    power /= spec.shape[1]
    return power


def squared(spec: np.ndarray) -> np.ndarray:
    """|y|², float32, of the shape of `spec`."""
    return spec.real**2 + spec.imag**2
