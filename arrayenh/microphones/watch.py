"""Watch over the microphones of a stream: which of them can be used now."""

from collections import deque
from collections.abc import Sequence

import numpy as np

from arrayenh.microphones.diagnostics import DEAD_BELOW_MEDIAN_DB, DEAD_DBFS

STEP_SECONDS = 0.01  # from one judgement to the next
HEARD_SECONDS = 0.05  # of sound whose level is judged
GOOD_SECONDS = 0.1  # without a fault, before a microphone is used again
UNCLIPPED_SECONDS = 0.5  # the same after clipping
LEAST_RUN = 3  # equal samples at the extreme that are a flat top
CLIPPED = 0.02  # share of the samples in flat tops from which a microphone is left out
LEAST_PEAK = 0.1  # of full scale, below which flat tops are no clipping
NEAR = 0.999  # of the extreme

FAULTS = ("no finite samples", "dead", "clipped")


class MicrophoneWatch:
    """Judges every 10 ms which microphones of a stream are dead, clipped or broken.

    A microphone is dead if it is constant for 20 ms, or below -90 dBFS or 60 dB below the median
    of the others for 50 ms. It is clipped if 2 % of its samples lie in flat tops, and broken if
    samples are not finite. Where others are left, it is not used until it has been good for
    0.1 s, after clipping 0.5 s. If all are silent, none is at fault.

    Parameters
    ----------
    n_mics : int
    sample_rate : int
        Hz.
    labels : sequence of int, optional
        Channel of each microphone, for messages.

    Attributes
    ----------
    step : int
        Samples from one judgement to the next.
    used : tuple of int
        Microphones in use.
    faults : dict of int to str
        Fault of each microphone that is not in use.
    log : list of str
        One line for each change.
    """

    def __init__(self, n_mics: int, sample_rate: int, labels: Sequence[int] | None = None) -> None:
        self.n_mics, self._rate = n_mics, sample_rate
        self._labels = tuple(labels or range(n_mics))
        self.step = max(round(STEP_SECONDS * sample_rate), LEAST_RUN + 1)
        self.reset()

    def reset(self) -> None:
        """Reset the state."""
        self.used = tuple(range(self.n_mics))
        self.log: list[str] = []
        self._n_steps = 0
        self._powers: deque[np.ndarray] = deque(maxlen=round(HEARD_SECONDS / STEP_SECONDS))
        self._constant = np.zeros(self.n_mics, int)  # steps in a row
        self._flat: deque[np.ndarray] = deque(maxlen=round(GOOD_SECONDS / STEP_SECONDS))
        self._peak = np.zeros(self.n_mics)
        self._wait = np.zeros(self.n_mics, int)  # good steps until it is used
        self.faults: dict[int, str] = {}

    def judge(self, samples: np.ndarray) -> tuple[int, ...]:
        """Judge the microphones after the next `step` samples, (M, step); return those in use."""
        finite = np.isfinite(samples)
        broken = ~finite.all(axis=1)
        samples = np.where(finite, samples, np.float32(0))
        self._n_steps += 1
        spread = np.ptp(samples, axis=1)
        self._constant = np.where(spread == 0, self._constant + 1, 0)
        self._powers.append(np.var(samples, axis=1, dtype=np.float64))
        self._flat.append(self._flat_tops(samples))
        at_fault = [broken, self._dead(), np.mean(self._flat, axis=0) > CLIPPED]
        if not np.all(np.any(at_fault, axis=0)):
            self._note(at_fault)
        return self.used

    def _note(self, at_fault: Sequence[np.ndarray]) -> None:
        """Leave out the microphones at fault, and use those again that have been good."""
        good = np.array([GOOD_SECONDS, GOOD_SECONDS, UNCLIPPED_SECONDS]) / STEP_SECONDS
        now = np.full(self.n_mics, -1)
        for kind, found in reversed(list(enumerate(at_fault))):
            now[found] = kind
        self._wait = np.where(
            now >= 0, good[now].round().astype(int), np.maximum(self._wait - 1, 0)
        )
        used = tuple(np.flatnonzero(self._wait == 0).tolist())
        if not used:  # those that wait are better than none
            return
        seconds = self._n_steps * STEP_SECONDS
        for m in set(self.used) - set(used):
            self.faults[m] = FAULTS[now[m]]
            self.log.append(
                f"{seconds:.1f} s: microphone {self._labels[m]} has {FAULTS[0]}: left out"
                if now[m] == 0
                else f"{seconds:.1f} s: microphone {self._labels[m]} is {FAULTS[now[m]]}: left out"
            )
        for m in set(used) - set(self.used):
            del self.faults[m]
            self.log.append(f"{seconds:.1f} s: microphone {self._labels[m]} is back")
        self.used = used

    def _dead(self) -> np.ndarray:
        """Microphones without a signal, bool, (M,); none if all are without."""
        with np.errstate(divide="ignore"):
            levels = 10 * np.log10(np.mean(self._powers, axis=0))
        quiet = levels < DEAD_DBFS
        dead = (self._constant >= 2) | quiet
        if dead.all():
            return np.zeros(self.n_mics, bool)
        return dead | (levels < np.median(levels[~dead]) - DEAD_BELOW_MEDIAN_DB)

    def _flat_tops(self, samples: np.ndarray) -> np.ndarray:
        """Share of the samples in runs of equal values near the extreme, (M,)."""
        size = np.abs(samples)
        self._peak = np.maximum(self._peak, size.max(axis=1))
        near = size >= np.maximum(NEAR * self._peak, LEAST_PEAK)[:, None]
        same = near[:, 1:] & (samples[:, 1:] == samples[:, :-1])
        run = same[:, 1:] & same[:, :-1]
        return np.mean(run, axis=1)
