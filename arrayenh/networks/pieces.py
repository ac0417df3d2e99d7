"""Networks with look-ahead on recordings of any length, in overlapping pieces."""

from collections.abc import Callable

import numpy as np

from arrayenh.networks.runtime import Network

PIECE_SECONDS = 6.0  # length of a piece; the last may be up to half as long again
OVERLAP_SECONDS = 1.0  # crossfade from piece to piece
Adjust = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Pieces:
    """A network with look-ahead on a stream of frames of any length.

    A recording of up to 9 s is processed whole, a longer one in pieces of 6 s that overlap by 1 s
    with a crossfade. Networks are trained on such lengths, and memory stays bounded.

    Parameters
    ----------
    network : Network
    adjust : callable, optional
        Maps the signals (C, F, t) of a piece and the network's output (F, t) to the final output.
    """

    def __init__(self, network: Network, adjust: Adjust | None = None) -> None:
        self._network, self._adjust = network, adjust
        per_second = network.signature.sample_rate / network.signature.hop
        self._length = round(PIECE_SECONDS * per_second)
        self._most = round(1.5 * PIECE_SECONDS * per_second)
        self._overlap = round(OVERLAP_SECONDS * per_second)
        self._held: list[np.ndarray] = []
        self._n_held = 0
        self._before: np.ndarray | None = None

    def push(self, spec: np.ndarray, last: bool) -> np.ndarray:
        """Process the next frames; return completed output, (C, F, t) -> (F, t')."""
        self._held.append(spec)
        self._n_held += spec.shape[2]
        if self._n_held <= self._most and not last:
            return self._network.run(spec[:, :, :0])
        held = self._held[0] if len(self._held) == 1 else np.concatenate(self._held, axis=2)
        ready, n_done = self._through(held.shape[2], lambda frames: held[:, :, frames], last)
        self._held, self._n_held = [held[:, :, n_done:].copy()], held.shape[2] - n_done
        return ready

    def whole(self, n_frames: int, signals: Callable[[slice], np.ndarray]) -> np.ndarray:
        """Process a signal given as a function of a slice of frames; shape (F, n_frames)."""
        return self._through(n_frames, signals, last=True)[0]

    def _through(
        self, n_frames: int, signals: Callable[[slice], np.ndarray], last: bool
    ) -> tuple[np.ndarray, int]:
        """Process complete pieces; return their output and the number of frames consumed."""
        ready, start, step = [], 0, self._length - self._overlap
        while n_frames - start > self._most:
            out = self._faded(self._answer(signals(slice(start, start + self._length))))
            ready.append(out[:, :step])
            self._before, start = out[:, step:], start + step
        if last:
            ready.append(self._faded(self._answer(signals(slice(start, n_frames)))))
            self._before, start = None, n_frames
        return np.concatenate(ready, axis=1), start

    def _answer(self, signals: np.ndarray) -> np.ndarray:
        out = self._network.run(signals)
        return out if self._adjust is None else self._adjust(signals, out)

    def _faded(self, out: np.ndarray) -> np.ndarray:
        """Crossfade the beginning of a piece with the end of the previous one."""
        if self._before is None:
            return out
        n = self._before.shape[1]
        rise = ((np.arange(n) + 0.5) / n).astype(np.float32)
        start = (1 - rise) * self._before + rise * out[:, :n]
        return np.concatenate([start, out[:, n:]], axis=1)
