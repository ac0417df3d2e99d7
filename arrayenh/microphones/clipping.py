"""Flat tops: where a waveform was cut off at its extreme."""

import numpy as np

PCM16_STEP = 2.0**-15
CLIP_RUN = 3
"""Equal samples at the extreme of a channel that make a flat top."""

CLIP_EDGE, CLIP_EDGE_FLOOR = 2e-3, 8 * PCM16_STEP
"""A flat top of clipping has two edges: steps of at least this part of the extreme, and
of eight 16-bit steps. The crest of a slow wave in 16 bits is flat too, but has none."""


class FlatTops:
    """Counts flat tops at the running maximum of each channel.

    A new maximum resets the counts, so they always belong to the final one. Windows of
    three samples at the maximum plus two for each run is the number of samples in runs;
    hard edges are the starts and ends of runs with a step beyond them.
    """

    def __init__(self, n_mics: int):
        self.extreme = np.full(n_mics, -np.inf)
        self.hard_edges = np.zeros(n_mics, np.int64)
        self._windows = np.zeros(n_mics, np.int64)
        self._runs = np.zeros(n_mics, np.int64)
        # NaN, before the first sample, equals nothing and makes no edge
        self._history = np.full((n_mics, CLIP_RUN), np.nan, np.float32)

    def update(self, block: np.ndarray) -> None:
        """Take the next samples, shape (M, n)."""
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
        """Look at each new sample and the three before it."""
        at = np.flatnonzero(x == self.extreme[m])
        if at.size < CLIP_RUN:
            return
        third = at[2:][at[2:] - at[:-2] == 2]  # last sample of three at the maximum
        new = third[third >= CLIP_RUN]  # the others were counted in an earlier block
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
