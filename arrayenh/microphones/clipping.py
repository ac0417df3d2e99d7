"""Detection of clipping: flat tops at the extremes of a waveform."""

import numpy as np

PCM16_STEP = 2.0**-15
CLIP_RUN = 3
"""Number of equal samples at the extreme of a channel that count as a flat top."""

CLIP_EDGE, CLIP_EDGE_FLOOR = 2e-3, 8 * PCM16_STEP
"""A flat top from clipping has two edges: steps of at least this fraction of the extreme, and of
eight 16-bit steps. The crest of a slow wave in 16 bits is flat, too, but has no edges."""


class FlatTops:
    """Counts flat tops at the running maximum of each channel.

    A new maximum resets the counts, so that they refer to the final maximum. The number of
    samples in runs is the number of windows of three samples at the maximum plus two for each
    run. Hard edges are the starts and ends of runs that are followed by a step.
    """

    def __init__(self, n_mics: int):
        self.extreme = np.full(n_mics, -np.inf)
        self.hard_edges = np.zeros(n_mics, np.int64)
        self._windows = np.zeros(n_mics, np.int64)
        self._runs = np.zeros(n_mics, np.int64)
        # NaN before the first sample: equal to no sample, so it makes no edge
        self._history = np.full((n_mics, CLIP_RUN), np.nan, np.float32)

    def update(self, block: np.ndarray) -> None:
        """Process the next samples, shape (M, n)."""
        loudest = block.max(axis=1)
        grown = loudest > self.extreme
        self.extreme = np.where(grown, loudest, self.extreme)
        for count in (self._windows, self._runs, self.hard_edges):
            count[grown] = 0
        joined = np.concatenate((self._history, block), axis=1)
        self._history = joined[:, -CLIP_RUN:].copy()
        for m in np.flatnonzero(self.extreme > 0):
            self._count(int(m), joined[m])

    def _count(self, m: int, x: np.ndarray) -> None:
        """Count flat tops in one channel, with its three previous samples in front."""
        at = np.flatnonzero(x == self.extreme[m])
        if at.size < CLIP_RUN:
            return
        third = at[2:][at[2:] - at[:-2] == 2]  # last of three samples at the maximum
        new = third[third >= CLIP_RUN]  # earlier ones are already counted
        before = x[new - CLIP_RUN]
        starts = before != self.extreme[m]
        after = x[third[third + 1 < x.size] + 1]
        step = max(CLIP_EDGE * self.extreme[m], CLIP_EDGE_FLOOR)
        self._windows[m] += new.size
        self._runs[m] += np.count_nonzero(starts)
        self.hard_edges[m] += np.count_nonzero(self.extreme[m] - before >= step)
        self.hard_edges[m] += np.count_nonzero(self.extreme[m] - after >= step)

    def n_flat(self) -> np.ndarray:
        """Count the samples in flat tops, shape (M,)."""
        return self._windows + (CLIP_RUN - 1) * self._runs
