"""The beamformers of `online` as a stage: masks, directions and weights frame by frame."""

import numpy as np

from arrayenh.beamformers.recursive import LOADING, OnlineDas, OnlineGsc, OnlineMvdr
from arrayenh.chain.look import Look
from arrayenh.chain.settings import EnhanceConfig
from arrayenh.localisation.tracking import DirectionTracker
from arrayenh.masks.neural import NeuralMasks
from arrayenh.masks.source import MaskSource
from arrayenh.masks.spp import SppMasks
from arrayenh.networks.runtime import Network

TURN_SECONDS = 0.3  # in which delay-and-sum glides to a new direction
STEERED_LOADING = 1e-2  # relative: geometry and direction never are exact


class OnlineBeamformer:
    """Frames in, beamformed frames out: nothing is used that is not yet heard.

    Speech presence in the microphones' mean power steers a first, blind MVDR; presence in its
    cleaner output is the mask of the beamformer itself. Where masks are neural, a network takes
    the place of presence. Where the direction is to be found, a tracker turns the steering
    vector after the talker, block by block.

    Parameters
    ----------
    config : EnhanceConfig
    look : Look
    n_mics : int
    hop_seconds : float
        Time from frame to frame, s.
    network : Network, optional
        A causal one, of masks that are neural.
    """

    def __init__(
        self,
        config: EnhanceConfig,
        look: Look,
        n_mics: int,
        hop_seconds: float,
        network: Network | None = None,
    ) -> None:
        n_freqs = len(look.freqs)
        self._look, self._name = look, config.beamformer
        self._masks: MaskSource = SppMasks(n_freqs, hop_seconds, rounds=1)
        if network is not None:
            self._masks = NeuralMasks(network, look.reference)
        memory, reference = config.memory_seconds, look.reference
        sizes = n_freqs, n_mics, hop_seconds
        self._first = OnlineMvdr(*sizes, memory, reference=reference)
        loading = STEERED_LOADING if config.loading is None else config.loading
        blind = config.doa is None or config.beamformer == "rank1-mwf"
        mu = config.mu if config.beamformer == "rank1-mwf" else 0.0
        self._das = OnlineDas(*sizes, TURN_SECONDS)
        self._mvdr = OnlineMvdr(*sizes, memory, mu, reference, LOADING if blind else loading)
        self._gsc = OnlineGsc(*sizes, memory, loading)
        self._directions: DirectionTracker | None = None
        if look.auto and look.array is not None:
            self._directions = DirectionTracker(look.array.positions, look.freqs, hop_seconds)
        self._block = max(1, round(0.25 / hop_seconds))

    def update(self, spec: np.ndarray) -> np.ndarray:
        """Beamform the next frames, (F, M, t) -> (F, t)."""
        parts = [
            self._update(np.ascontiguousarray(spec[:, :, start : start + self._block]))
            for start in range(0, spec.shape[2], self._block)
        ]
        return np.concatenate([np.zeros((len(spec), 0), np.complex64), *parts], axis=1)

    def _update(self, spec: np.ndarray) -> np.ndarray:
        """The same for no more frames than have one direction."""
        if self._directions is not None:
            found = self._directions.update(spec)
            if found:
                self._look.towards(found[0].azimuth)
                self._look.azimuths_deg.append(float(np.rad2deg(found[0].azimuth)))
        steering = self._look.steering
        if self._name == "das" and steering is not None:
            return self._das.update(spec, steering)
        blind: list[np.ndarray] = []

        def beamform(mask: np.ndarray) -> np.ndarray:
            blind.append(self._first.update(spec, *self._weights(mask)))
            return blind[-1]

        mask = self._masks.estimate(spec, beamform)
        if self._name == "das":  # nobody has spoken yet
            return blind[-1] if blind else beamform(mask)
        speech, noise = self._weights(mask)
        if self._name == "gsc" and steering is not None:
            return self._gsc.update(spec, noise, steering)
        if self._name == "rank1-mwf":
            steering = None
        return self._mvdr.update(spec, speech, noise, steering)

    @staticmethod
    def _weights(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What speech and noise statistics learn from each bin: m² and (1 - m)²."""
        return mask**2, (1 - mask) ** 2
