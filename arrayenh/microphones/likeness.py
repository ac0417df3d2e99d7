"""Whether the microphones of a stream still go together as they used to."""

from statistics import median

import numpy as np

RECENT_STEPS = 10  # that are compared with what is usual
USUAL_STEPS = 200  # memory of what is usual
LEAST_STEPS = 50  # before anything is usual
DOUBT_STEPS = 3  # in a row, before a microphone is at fault
ALIKE = 0.7  # correlation of microphones that are alike
CHANGED = 10.0  # ratio of powers that is a change


class Likeness:
    """Compares the low frequencies of close microphones, and their levels, with what is usual.

    Below some 500 Hz, close microphones record nearly the same. One whose correlation with the
    others turns its sign has been flipped; one whose level changes by 10 dB against theirs has
    another gain if it is still correlated, and else a disturbance of its own, such as wind.
    Microphones that are usually not alike are not compared, nor fewer than three.

    Parameters
    ----------
    n_mics : int

    Attributes
    ----------
    gains : float64 ndarray, shape (M,)
        By which the microphones are to be multiplied, to undo changes of gain and polarity.
    """

    def __init__(self, n_mics: int) -> None:
        self.n_mics, self.gains = n_mics, np.ones(n_mics)
        self._recent = np.zeros((RECENT_STEPS, n_mics, n_mics))
        self._powers = np.zeros((RECENT_STEPS, n_mics))
        self._usual, self._usual_power = np.zeros((n_mics, n_mics)), np.zeros(n_mics)
        self._n_steps = self._n_usual = 0
        self._odd, self._n_odd = -1, 0

    def step(self, coarse: np.ndarray, powers: np.ndarray) -> tuple[int, str | None]:
        """Compare the next step.

        Parameters
        ----------
        coarse : float64 ndarray, shape (M, K)
            Low frequencies of all microphones, with `gains` applied.
        powers : float64 ndarray, shape (M,)
            Power of the whole band.

        Returns
        -------
        odd : int
            Microphone that is unlike the others, -1 if none is.
        corrected : str or None
            Change of `gains`, for the log, if there is one.
        """
        if self.n_mics < 3:
            return -1, None
        k = self._n_steps % RECENT_STEPS
        self._n_steps += 1
        coarse = coarse - coarse.mean(axis=1, keepdims=True)  # an offset is no sound
        self._recent[k], self._powers[k] = coarse @ coarse.T, powers
        odd, gain = self._odd_one()
        self._n_odd = self._n_odd + 1 if odd >= 0 and odd == self._odd else int(odd >= 0)
        self._odd = odd
        if odd < 0:
            self._learn(self._recent[k], powers)
        if self._n_odd <= RECENT_STEPS or gain == 1:
            return odd if self._n_odd >= DOUBT_STEPS else -1, None
        self._correct(odd, gain)
        return odd, described(gain)

    def _learn(self, recent: np.ndarray, powers: np.ndarray) -> None:
        """Average what is usual."""
        self._n_usual = min(self._n_usual + 1, USUAL_STEPS)
        self._usual += (recent - self._usual) / self._n_usual
        self._usual_power += (powers - self._usual_power) / self._n_usual

    def _odd_one(self) -> tuple[int, float]:
        """The microphone that is unlike the others, or -1, and its change of gain, or 1."""
        recent, power = self._recent.mean(axis=0), self._powers.mean(axis=0)
        levels, usual = np.diagonal(recent), np.diagonal(self._usual)
        if self._n_usual < LEAST_STEPS or not (min(levels.min(), usual.min(), power.min()) > 0):
            return -1, 1.0
        signs = correlation(recent) * np.sign(self._usual)
        change = power / self._usual_power
        against = change / median(change.tolist())
        alike = signs.sum(axis=1) - 1
        if alike.min() > 0 and against.max() < CHANGED and against.min() > 1 / CHANGED:
            return -1, 1.0
        odd = int(alike.argmin())
        if likeness(signs, odd) > -ALIKE:
            odd = int(np.abs(np.log(against)).argmax())
        if not self._usually_alike(signs, odd):
            return -1, 1.0
        low_change = levels / usual
        gain = float(low_change[odd] / median(np.delete(low_change, odd).tolist())) ** 0.5
        louder = against[odd] > CHANGED and change[odd] > CHANGED / 3
        different, like = louder or against[odd] < 1 / CHANGED, likeness(signs, odd)
        if like < -ALIKE:
            return odd, -(gain if different else 1.0)
        if like > ALIKE and different:
            return odd, gain
        return (odd if louder else -1), 1.0

    def _usually_alike(self, signs: np.ndarray, odd: int) -> bool:
        """Whether all microphones are usually alike, and the others are so now."""
        before = np.abs(correlation(self._usual))
        others = np.delete(np.arange(self.n_mics), odd)
        now = signs[np.ix_(others, others)]
        return (
            likeness(before, odd) > ALIKE
            and min(now.min(), before[others][:, others].min()) > ALIKE
        )

    def _correct(self, odd: int, gain: float) -> None:
        """Undo a change of gain, from the steps so far on."""
        self.gains[odd] /= gain
        self._recent[:, odd] /= gain
        self._recent[:, :, odd] /= gain
        self._powers[:, odd] /= gain**2
        self._odd, self._n_odd = -1, 0


def correlation(cov: np.ndarray) -> np.ndarray:
    """Correlation coefficients of a covariance, (M, M)."""
    root = np.sqrt(np.diagonal(cov))
    return cov / root / root[:, None]


def likeness(signs: np.ndarray, mic: int) -> float:
    """Mean of the correlation of a microphone with all others."""
    return float((signs[mic].sum() - signs[mic, mic]) / (len(signs) - 1))


def described(gain: float) -> str:
    """A change of gain in words."""
    if gain < 0:
        return "has been flipped: turned back"
    return f"has changed its gain by {20 * np.log10(gain):+.0f} dB: undone"
