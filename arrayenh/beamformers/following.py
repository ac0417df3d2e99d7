"""Blind MVDR that follows a talker: local statistics of the speech, common ones of the noise."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from arrayenh.beamformers.blind import levelled_mvdr, residual_noise
from arrayenh.beamformers.weights import apply, fade, passing
from arrayenh.statistics.covariance import covariances
from arrayenh.statistics.loading import solvable
from arrayenh.statistics.movement import SpeechBlocks


@dataclass(frozen=True, slots=True, eq=False)
class FollowingBeam:
    """`BlindBeam` with weights that change from block to block.

    Attributes
    ----------
    spec : complex64 ndarray, shape (F, M, T)
    reference : int
    loading : float
    there : bool ndarray, shape (F,)
        Valid bins.
    averaging : float ndarray, shape (K, K)
        Weights of all blocks in the speech average around each; see `movement.averaging`.
    block_frames : int
    """

    spec: np.ndarray
    reference: int
    loading: float
    there: np.ndarray
    averaging: np.ndarray
    block_frames: int

    def __call__(self, mask: np.ndarray) -> np.ndarray:
        """Beamform with a mask, (F, T) -> (F, T), complex64."""
        return np.concatenate([out for out, _ in self._pieces(mask)], axis=1)

    def with_noise(self, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Beamform with a mask; return the output and its noise magnitude (`residual_noise`)."""
        outputs, noises = zip(*self._pieces(mask, noise=True), strict=True)
        return np.concatenate(outputs, axis=1), np.concatenate(noises, axis=1)

    def _pieces(
        self, mask: np.ndarray, noise: bool = False
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Output and residual noise, from the centre of one block to that of the next."""
        n_freqs, n_mics, _ = self.spec.shape
        before, noise_cov = None, np.zeros((n_freqs, n_mics, n_mics), np.complex128)
        cuts = between(len(self.averaging), self.block_frames)
        pieces = np.split(self.spec, cuts, axis=2)
        for piece, (weights, valid_cov) in zip(pieces, self._weights(mask), strict=True):
            noise_cov[self.there] = valid_cov
            piece = np.ascontiguousarray(piece)
            out = apply(weights, piece)
            if before is not None:
                fade(out, apply(before, piece))
            before = weights
            left = residual_noise(piece, weights, noise_cov, out) if noise else out.real[:, :0]
            yield out, left

    def _weights(self, mask: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Weights (F, M) of each block, and the loaded noise covariances of the valid bins."""
        spec, there = self.spec[self.there], self.there
        _, noise_cov = covariances(self.spec, mask, there)
        blocks = SpeechBlocks.of(spec, mask[there], self.block_frames)
        for row in self.averaging:
            weights = passing(len(there), spec.shape[1], self.reference)
            weights[there], loadings = levelled_mvdr(
                blocks.averaged(row), noise_cov, self.reference, self.loading
            )
            yield weights, solvable(noise_cov, loadings)


def between(n_blocks: int, block_frames: int) -> list[int]:
    """Frames at which the filters of one block have been faded to those of the next.

    The centres of all blocks but the last, whose filters hold to the end.
    """
    return [block_frames * k + block_frames // 2 for k in range(n_blocks - 1)]
