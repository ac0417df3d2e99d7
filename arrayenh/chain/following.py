"""Segments in which the talker moves: masks and statistics that follow."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from arrayenh.beamformers.beamformer import Statistics
from arrayenh.beamformers.following import FollowingBeam, between
from arrayenh.chain.capture import RATE
from arrayenh.masks.neural import NeuralMasks, hears_a_guide
from arrayenh.masks.source import MaskSource
from arrayenh.masks.spp import SppMasks
from arrayenh.networks.runtime import Network
from arrayenh.statistics.loading import LOADING, adaptive_loading
from arrayenh.statistics.movement import (
    BLOCK_SECONDS,
    HINT,
    PROOF,
    SpeechBlocks,
    averaging,
    memories,
)
from arrayenh.stft import Stft

LEAST_RAISED = 0.05
"""A mask that is larger everywhere was raised, because all sound comes from one place."""

ROUNDS = 3  # passes of the mask network behind a beamformer that follows


@dataclass(frozen=True, slots=True, eq=False)
class Movement:
    """Averages of the speech that follow a talker through a segment.

    Attributes
    ----------
    averaging : float64 ndarray, shape (K, K)
        Weights of all blocks in the average around each.
    block_frames : int
    """

    averaging: np.ndarray
    block_frames: int

    @property
    def cuts(self) -> tuple[int, ...]:
        """Frames between the pieces of the segment, one piece for each block."""
        return tuple(between(len(self.averaging), self.block_frames))

    def around(self, heard: Statistics, loading: np.ndarray) -> Iterator[tuple[slice, Statistics]]:
        """Statistics around each block, with the frames that its average covers.

        Parameters
        ----------
        heard : Statistics
            Of the whole segment; the noise covariance stays.
        loading : float ndarray, shape (F,)
            Usual loading of the noise covariance.
        """
        blocks = SpeechBlocks.of(heard.spec, heard.mask, self.block_frames)
        for row in self.averaging:
            covered = np.flatnonzero(row)
            frames = slice(covered[0] * self.block_frames, (covered[-1] + 1) * self.block_frames)
            speech_cov = blocks.averaged(row)
            yield (
                frames,
                replace(
                    heard,
                    spec=np.ascontiguousarray(heard.spec[:, :, frames]),
                    mask=np.ascontiguousarray(heard.mask[:, frames]),
                    speech_cov=speech_cov,
                    loading=adaptive_loading(speech_cov, heard.noise_cov, loading),
                ),
            )


class Follower:
    """Finds segments in which the talker moves, and estimates their statistics block by block.

    Parameters
    ----------
    stft : Stft
    reference : int
    network : Network, optional
        The mask network. If it takes a beamformer's output as input, the masks of a segment with
        movement are estimated again, behind a beamformer that follows. Statistical masks are
        replaced by those of speech presence: mixture models assume fixed positions.

    Attributes
    ----------
    spans : list of (shortest, longest)
        Lengths of the speech averages, seconds, of each segment with movement.
    n_segments : int
    """

    def __init__(self, stft: Stft, reference: int, network: Network | None) -> None:
        self._reference, self._freqs = reference, stft.freqs(RATE)
        hop_seconds = stft.hop / RATE
        self._frames = max(1, round(BLOCK_SECONDS / hop_seconds))
        self._seconds = self._frames * hop_seconds
        self._masks: MaskSource | None = SppMasks(stft.n_freqs, hop_seconds)
        if network is not None:
            again = hears_a_guide(network)
            self._masks = NeuralMasks(network, reference, ROUNDS, self._masks) if again else None
        self.spans: list[tuple[float, float]] = []
        self.n_segments = 0

    def look(
        self, spec: np.ndarray, mask: np.ndarray, there: np.ndarray
    ) -> tuple[np.ndarray, "Movement | None"]:
        """Find out whether the talker moves.

        Parameters
        ----------
        spec : complex64 ndarray, shape (F, M, T)
        mask : float32 ndarray, shape (F, T)
        there : bool ndarray, shape (F,)
            Valid bins.

        Returns
        -------
        mask : float32 ndarray, shape (F, T)
            Estimated again if the talker moves.
        movement : Movement or None
            None if the talker stays.
        """
        self.n_segments += 1
        if mask.min() > LEAST_RAISED:
            return mask, None
        found = self._memories(spec, mask, there, HINT if self._masks else PROOF)
        if found is None:
            return mask, None
        if self._masks is not None:
            weights = averaging(found, self._seconds)
            beam = FollowingBeam(spec, self._reference, LOADING, there, weights, self._frames)
            followed = self._masks.estimate(spec, beam)
            found = self._memories(spec, followed, there, PROOF)
            if found is None:
                return mask, None
            mask = followed
        length = spec.shape[2] / self._frames * self._seconds
        spans = np.minimum(2 * found, length)
        self.spans.append((float(spans.min()), float(spans.max())))
        return mask, Movement(averaging(found, self._seconds), self._frames)

    def summary(self) -> list[str]:
        """Log lines for the user, after the last block."""
        if not self.spans:
            return []
        shortest, longest = min(self.spans)[0], max(span[1] for span in self.spans)
        return [
            f"the talker moves in {len(self.spans)} of {self.n_segments} segments: the beamformer "
            f"follows, with speech averaged over {shortest:.0f} to {longest:.0f} s"
        ]

    def _memories(
        self, spec: np.ndarray, mask: np.ndarray, there: np.ndarray, least_gain: float
    ) -> np.ndarray | None:
        return memories(spec, mask, self._freqs, there, self._frames, self._seconds, least_gain)
