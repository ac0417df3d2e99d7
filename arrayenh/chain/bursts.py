"""Bursts in a live stream: a blow on the table, a plug that is pulled."""

from collections import deque

import numpy as np

BURST = 10.0  # peak of a burst, re the loudest peak before
BURST_SECONDS = 0.5  # longest burst
LOUDNESS_SECONDS = 10.0  # in which the loudest peak is forgotten


class Bursts:
    """Tells the frames that hold a burst, which is far too loud to learn from.

    The peak of a burst is 20 dB above the loudest one before, which fades within 10 s. What lasts
    for longer than 0.5 s is the sound that there is now.

    Parameters
    ----------
    hop_seconds : float
        Time from frame to frame, s.
    n_hops : int
        Hops in a frame.
    """

    def __init__(self, hop_seconds: float, n_hops: int) -> None:
        self._fade = float(np.exp(-hop_seconds / LOUDNESS_SECONDS))
        self._most = round(BURST_SECONDS / hop_seconds)
        self._loudest, self._n = 0.0, 0
        self._found = deque([False], n_hops)

    def within(self, peak: float) -> bool:
        """Whether there is a burst in the frame that ends with the next hop, of this peak."""
        self._loudest *= self._fade
        burst = 0 < self._loudest < peak / BURST and self._n < self._most
        self._n = self._n + 1 if burst else 0
        if not burst:
            self._loudest = max(self._loudest, peak)
        self._found.append(burst)
        return any(self._found)
