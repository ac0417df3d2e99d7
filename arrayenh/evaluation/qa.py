"""Quality checks: scores of an output, and gains over the input, against thresholds."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from arrayenh.errors import MetricError
from arrayenh.evaluation.scoring import METRICS, Score, scores_of
from arrayenh.evaluation.signals import Signals
from arrayenh.evaluation.thresholds import GAIN, Bound, Profile, score_of


@dataclass(frozen=True, slots=True)
class Check:
    """One threshold and its result.

    Attributes
    ----------
    name, unit : str
        Score, or `delta_` and a score.
    before, after : float
        Score of the input and of the output; NaN if there is none or it is not needed.
    value : float
        Value compared with the bound: `after`, or `after` less `before`.
    bound : Bound
    passed : bool or None
        None: skipped because there is no value.
    reason : str or None
        Why there is no value.
    """

    name: str
    unit: str
    before: float
    after: float
    value: float
    bound: Bound
    passed: bool | None
    reason: str | None = None

    @property
    def verdict(self) -> str:
        """Result of the check in one word."""
        return {True: "passed", False: "failed", None: "skipped"}[self.passed]

    @property
    def words(self) -> str:
        """Value and bound as text: "delta_snr 2.1 dB, wanted > 3 dB"."""
        unit = f" {self.unit}" if self.unit else ""
        return f"{self.name} {self.value:.4g}{unit}, wanted {self.bound}{unit}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Results for one recording; `error` is the reason if it could not be judged."""

    recording: str
    checks: tuple[Check, ...] = ()
    error: str | None = None
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether it was judged, and no check failed."""
        return self.error is None and not any(check.passed is False for check in self.checks)

    def count(self, passed: bool | None) -> int:
        """Number of checks with this result."""
        return sum(check.passed is passed for check in self.checks)


def judge(before: Signals, after: Signals, profile: Profile) -> tuple[Check, ...]:
    """Compare an output with the thresholds of a profile.

    Parameters
    ----------
    before, after : Signals
        Signals with the input and with the output as the estimate; all else in common.
    profile : Profile

    Returns
    -------
    checks : tuple of Check
        In the order of the profile. A check whose reference or package is missing is skipped.

    Raises
    ------
    MetricError
        If every check is skipped.
    """
    bounds = profile.bounds(after.reference is not None)
    gains = dict.fromkeys(score_of(key) for key in bounds if key.startswith(GAIN))
    scores_after = scores_of(after, dict.fromkeys(map(score_of, bounds)))
    scores_before = scores_of(before, gains)
    checks = tuple(check(key, bound, scores_before, scores_after) for key, bound in bounds.items())
    if all(found.passed is None for found in checks):
        reasons = dict.fromkeys(found.reason for found in checks if found.reason)
        raise MetricError(
            f"profile {profile.name} has no check that could be computed: {'; '.join(reasons)}"
            if checks
            else f"profile {profile.name} has no check for such a recording"
        )
    return checks


def check(key: str, bound: Bound, before: Mapping[str, Score], after: Mapping[str, Score]) -> Check:
    """Compare one score, or one gain, with its bound."""
    score = score_of(key)
    unit = METRICS[score].unit
    found, old = after[score], before.get(score)
    if key.startswith(GAIN) and old is not None:
        value = gain(old.value, found.value)
        reason = found.reason or (old.reason and f"of the input: {old.reason}")
        start = old.value
    else:
        value, reason, start = found.value, found.reason, math.nan
    if math.isnan(value):
        return Check(key, unit, start, found.value, value, bound, None, reason or "it is NaN")
    return Check(key, unit, start, found.value, value, bound, bound.holds(value))


def gain(before: float, after: float) -> float:
    """Difference of two scores; 0 between equal infinities."""
    return 0.0 if before == after else after - before
