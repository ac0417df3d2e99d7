"""Watch over the microphones of a stream: which of them can be used now."""

from collections.abc import Sequence
from statistics import median

import numpy as np

from arrayenh import _kernels
from arrayenh.microphones.diagnostics import DEAD_BELOW_MEDIAN_DB, DEAD_DBFS
from arrayenh.microphones.likeness import Likeness

STEP_SECONDS = 0.01  # from one judgement to the next
HEARD_SECONDS = 0.05  # of sound whose level is judged
GOOD_SECONDS = 0.1  # without a fault, before a microphone is used again
UNCLIPPED_SECONDS = 0.5  # the same after clipping
LEAST_RUN = 3  # equal samples at the extreme that are a flat top
CLIPPED = 0.02  # share of the samples in flat tops from which a microphone is left out
LEAST_PEAK = 0.1  # of full scale, below which flat tops are no clipping
NEAR = 0.999  # of the extreme of the last 0.1 s

MOST_LINES = 1000  # of the log
COARSE = 10  # parts of a step, whose means are its low frequencies

FAULTS = ("has no finite samples", "is dead", "is clipped", "is unlike the others")


class MicrophoneWatch:
    """Judges every 10 ms which microphones of a stream are dead, clipped or broken.

    A microphone is dead if it is constant for 20 ms, or below -90 dBFS or 60 dB below the median
    of the others for 50 ms. It is clipped if 2 % of its samples lie in flat tops, and broken if
    samples are not finite. It may also become unlike the others; see `Likeness`. Where others are
    left, it is not used until it has been good for 0.1 s, after clipping 0.5 s. If all are silent,
    none is at fault.

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
    gains : float64 ndarray, shape (M,)
        By which the microphones are to be multiplied, also for `judge`.
    faults : dict of int to str
        Fault of each microphone that is not in use, such as "dead".
    log : list of str
        One line for each change, up to 1000.
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
        self._likeness = Likeness(self.n_mics)
        self._powers = np.zeros((round(HEARD_SECONDS / STEP_SECONDS), self.n_mics))
        self._constant = np.zeros(self.n_mics, int)  # steps in a row
        self._flat = np.zeros((round(GOOD_SECONDS / STEP_SECONDS), self.n_mics))
        self._peaks = np.zeros_like(self._flat)
        self._measured, self._coarse = np.zeros((5, self.n_mics)), np.zeros((self.n_mics, COARSE))
        self._wait = np.zeros(self.n_mics, int)  # good steps until it is used
        self.faults: dict[int, str] = {}

    @property
    def gains(self) -> np.ndarray:
        """Gains that undo changes of gain and polarity, (M,)."""
        return self._likeness.gains

    def judge(self, samples: np.ndarray) -> tuple[int, ...]:
        """Judge the microphones after the next `step` samples; return those in use.

        Parameters
        ----------
        samples : float32 ndarray, shape (M, step)
            With `gains` applied.
        """
        k = self._n_steps
        self._n_steps += 1
        _kernels.watch.measure(
            samples.copy(), self._peaks.max(axis=0), NEAR, LEAST_PEAK, self._measured, self._coarse
        )
        broken, low, high, power, flat = self._measured
        self._peaks[k % len(self._peaks)] = np.maximum(high, -low)
        self._constant = np.where(low == high, self._constant + 1, 0)
        self._powers[k % len(self._powers)] = power
        self._flat[k % len(self._flat)] = np.where(low == high, 0, flat)
        unlike = np.zeros(self.n_mics, bool)
        odd, corrected = self._likeness.step(self._coarse, power)
        if odd >= 0:
            unlike[odd] = True
        if corrected:
            self._log(odd, corrected)
        n_flat = min(self._n_steps, len(self._flat))
        clipped = self._flat.sum(axis=0) > CLIPPED * n_flat
        at_fault = np.stack([broken > 0, self._dead(), clipped, unlike])
        if at_fault.any() or self._wait.any():
            self._note(at_fault)
        return self.used

    def _log(self, mic: int, what: str) -> None:
        """Log an event."""
        if len(self.log) < MOST_LINES:
            when = self._n_steps * STEP_SECONDS
            self.log.append(f"{when:.1f} s: microphone {self._labels[mic]} {what}")

    def _note(self, at_fault: np.ndarray) -> None:
        """Leave out microphones at fault, (4, M), and use those again that have been good."""
        now = at_fault.any(axis=0)
        if now.all():
            return
        good = np.where(at_fault[2], UNCLIPPED_SECONDS, GOOD_SECONDS) / STEP_SECONDS
        self._wait = np.where(now, good.round().astype(int), np.maximum(self._wait - 1, 0))
        used = tuple(np.flatnonzero(self._wait == 0).tolist())
        if not used:  # those that wait are better than none
            return
        for m in set(self.used) - set(used):
            fault = FAULTS[int(at_fault[:, m].argmax())]
            self.faults[m] = fault.partition(" ")[2]
            self._log(m, f"{fault}: left out")
        for m in set(used) - set(self.used):
            del self.faults[m]
            self._log(m, "is back")
        self.used = used

    def _dead(self) -> np.ndarray:
        """Microphones without a signal, bool, (M,); none if all are without."""
        power = self._powers.sum(axis=0) / min(self._n_steps, len(self._powers))
        dead = (self._constant >= 2) | (power < 10 ** (DEAD_DBFS / 10))
        if dead.all():
            return np.zeros(self.n_mics, bool)
        return dead | (power < median(power[~dead].tolist()) * 10 ** (-DEAD_BELOW_MEDIAN_DB / 10))
