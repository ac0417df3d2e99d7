"""Movement of a talker within a segment: over what time the speech covariance may be averaged.

The shorter the average, the better it follows a talker who walks, and the more it fluctuates. The
length is chosen by leave-one-out prediction: for each block of the segment, the speech covariance
of the blocks around it, without the block itself, gives the direction of the speech in the
whitened space of the noise; the best length is the one for which this direction catches most of
the block's own speech. For a talker who stays, this is the whole segment.
"""

from dataclasses import dataclass

import numpy as np

from arrayenh.statistics.covariance import LEAST_MASK, covariances, speech_noise_covariances
from arrayenh.statistics.loading import LOADING, adaptive_loading, solvable

BLOCK_SECONDS = 0.5
MEMORIES = (1.0, 2.0, 4.0, 8.0)  # seconds to each side; compared with the whole segment
HINT, PROOF = 1.03, 1.10
"""Gains of the caught speech by a shorter average, from which movement is possible, and certain."""

SMOOTHING_SECONDS = 2.5  # to each side, over which blocks vote
LEAST_BLOCKS = 6
BAND_HZ, MOST_BINS = (300.0, 4000.0), 64
POWER_STEPS = 4  # of the power method for the principal direction


@dataclass(frozen=True, slots=True, eq=False)
class SpeechBlocks:
    """Speech covariances of consecutive blocks of frames, not normalised.

    Attributes
    ----------
    sums : complex128 ndarray, shape (K, F, M, M)
        Sums of x xᴴ, weighted by the squared mask.
    masses : float64 ndarray, shape (K, F)
        Sums of the squared mask.
    """

    sums: np.ndarray
    masses: np.ndarray

    @classmethod
    def of(cls, spec: np.ndarray, mask: np.ndarray, block_frames: int) -> "SpeechBlocks":
        """Covariances of the blocks of a spectrum (F, M, T) with a mask (F, T)."""
        cuts = range(block_frames, spec.shape[2], block_frames)
        squares = np.maximum(mask, np.float32(LEAST_MASK)) ** 2
        masses = [part.sum(axis=1, dtype=np.float64) for part in np.split(squares, cuts, axis=1)]
        sums = []
        for part, square, mass in zip(
            np.split(spec, cuts, axis=2), np.split(squares, cuts, axis=1), masses, strict=True
        ):
            whole = np.ascontiguousarray(part), np.ascontiguousarray(square)
            sums.append(speech_noise_covariances(*whole, whole[1])[0] * mass[:, None, None])
        return cls(np.stack(sums), np.stack(masses))

    def averaged(self, weights: np.ndarray) -> np.ndarray:
        """Average of the blocks with weights (K,), complex128, shape (F, M, M)."""
        mass = weights @ self.masses
        return np.tensordot(weights, self.sums, axes=1) / mass[:, None, None]


def averaging(memories: np.ndarray, block_seconds: float) -> np.ndarray:
    """Weights of all blocks in the average around each block, (K,) seconds -> (K, K).

    Triangles that fall to zero at the memory; all ones for an infinite one.
    """
    centres = block_seconds * np.arange(len(memories))
    apart = np.abs(centres[:, None] - centres)
    return np.maximum(0, 1 - apart / memories[:, None])


def memories(
    spec: np.ndarray,
    mask: np.ndarray,
    freqs: np.ndarray,
    there: np.ndarray,
    block_frames: int,
    block_seconds: float,
    least_gain: float = PROOF,
) -> np.ndarray | None:
    """Choose the length of the speech average around each block.

    Parameters
    ----------
    spec : complex64 ndarray, shape (F, M, T)
    mask : float32 ndarray, shape (F, T)
        Speech mask.
    freqs : float ndarray, shape (F,)
        Hz.
    there : bool ndarray, shape (F,)
        Valid bins.
    block_frames, block_seconds
        Length of a block.
    least_gain : float
        Least gain of the caught speech anywhere in the segment; then shorter averages are used
        where the gain exceeds `HINT`.

    Returns
    -------
    memories : float64 ndarray, shape (K,), or None
        Seconds to each side; inf for the whole segment. None if the talker stays in place, or the
        segment is too short to tell.
    """
    inside = np.flatnonzero(there & (freqs >= BAND_HZ[0]) & (freqs <= BAND_HZ[1]))
    bins = inside[:: max(1, len(inside) // MOST_BINS)]
    n_blocks = -(-spec.shape[2] // block_frames)
    if n_blocks < LEAST_BLOCKS or not bins.size or spec.shape[1] < 2:
        return None
    spec, mask = spec[bins], mask[bins]
    speech_cov, noise_cov = covariances(spec, mask, np.ones(len(bins), bool))
    loading = adaptive_loading(speech_cov, noise_cov, LOADING)
    whiten = np.linalg.inv(np.linalg.cholesky(solvable(noise_cov, loading)))
    sums = SpeechBlocks.of(spec, mask, block_frames).sums
    sums = whiten @ sums @ whiten.conj().swapaxes(-1, -2)
    # each bin counts alike; each block by its speech
    sums /= np.maximum(np.trace(sums, axis1=2, axis2=3).real.sum(axis=0), 1e-300)[:, None, None]
    lengths = np.array([*MEMORIES, np.inf])
    caught = np.stack([caught_speech(sums, length, block_seconds) for length in lengths])
    votes = averaging(np.full(n_blocks, SMOOTHING_SECONDS), block_seconds)
    caught = caught @ votes
    best = caught.argmax(axis=0)
    gain = caught.max(axis=0) / np.maximum(caught[-1], 1e-300)
    return np.where(gain > HINT, lengths[best], np.inf) if gain.max() > least_gain else None


def caught_speech(sums: np.ndarray, memory: float, block_seconds: float) -> np.ndarray:
    """Speech in the direction of the other blocks' average, (K, F, M, M) -> (K,)."""
    weights = averaging(np.full(len(sums), memory), block_seconds)
    np.fill_diagonal(weights, 0.0)
    others = np.tensordot(weights, sums, axes=1)
    towards = np.ones(sums.shape[:3])[..., None].astype(np.complex128)
    for _ in range(POWER_STEPS):
        towards = others @ towards
        towards /= np.maximum(np.linalg.norm(towards, axis=2, keepdims=True), 1e-300)
    return np.sum(towards.conj() * (sums @ towards), axis=(1, 2, 3)).real
