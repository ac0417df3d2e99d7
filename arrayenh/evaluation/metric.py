"""What a score is, the records of all of them, and what a value of one is."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from arrayenh.evaluation.signals import Signals

INF = math.inf
ANY_DB = (-INF, INF)
MOS = (1.0, 5.0)
DECIMALS = {"dB": 2, "MOS": 3, "µs": 0}
"""Digits after the point by unit; others have 3 unless their record says otherwise."""

LAST = 1000
"""Rank of a score that says none."""

Pair = Callable[[np.ndarray, np.ndarray, int], float]
Triple = Callable[[np.ndarray, np.ndarray, np.ndarray, int], float]
Alone = Callable[[np.ndarray, int], float]


@dataclass(frozen=True, slots=True)
class Metric:
    """A score: its name, unit, range, direction and the function behind it.

    Each stands beside its function, in a module of `arrayenh.evaluation.metrics` or of a
    plug-in.

    Attributes
    ----------
    name, label : str
        In commands and files ("si_sdr"), and in tables and charts ("SI-SDR").
    unit : str
    low, high : float
        Bounds of the value.
    higher_is_better : bool
    needs : tuple of str
        Which fields of `Signals` must be there beside the estimate.
    compute : callable
    describe : str
        One line for legends.
    decimals : int
        Digits after the point in tables.
    rank : int
        Place in a table: lower ones stand before higher ones.
    """

    name: str
    label: str
    unit: str
    low: float
    high: float
    higher_is_better: bool
    needs: tuple[str, ...]
    compute: Callable[[Signals], float]
    describe: str
    decimals: int
    rank: int

    @property
    def needs_reference(self) -> bool:
        """Whether it compares with what is clean, or judges the output by itself."""
        return not {"noisy"}.issuperset(self.needs)


@dataclass(frozen=True, slots=True)
class Score:
    """A value, or NaN with the reason why there is none."""

    value: float
    reason: str | None = None


def metric(
    name: str,
    label: str,
    unit: str,
    bounds: tuple[float, float],
    needs: tuple[str, ...],
    compute: Callable[[Signals], float],
    describe: str,
    lower_is_better: bool = False,
    decimals: int | None = None,
    rank: int = LAST,
) -> Metric:
    """A score with the digits of its unit, unless `decimals` says otherwise."""
    digits = DECIMALS.get(unit, 3) if decimals is None else decimals
    higher = not lower_is_better
    return Metric(
        name, label, unit, *bounds, higher, needs, compute, describe, decimals=digits, rank=rank
    )


def of_pair(
    compute: Pair,
    label: str,
    unit: str,
    bounds: tuple[float, float],
    describe: str,
    lower_is_better: bool = False,
    needs: str = "reference",
    judged: str = "estimate",
    decimals: int | None = None,
    rank: int = LAST,
) -> Metric:
    """A score of what is judged against what it needs."""

    def of(signals: Signals) -> float:
        return compute(getattr(signals, needs), getattr(signals, judged), signals.sample_rate)

    name, others = compute.__name__, (needs,) if judged == "estimate" else (needs, judged)
    return metric(name, label, unit, bounds, others, of, describe, lower_is_better, decimals, rank)


def of_ears(
    compute: Pair,
    label: str,
    unit: str,
    bounds: tuple[float, float],
    describe: str,
    lower_is_better: bool = False,
    rank: int = LAST,
) -> Metric:
    """A score of two ears against what is clean there."""
    needs, judged = "reference_ears", "ears"
    return of_pair(
        compute, label, unit, bounds, describe, lower_is_better, needs, judged, rank=rank
    )


def alone(
    compute: Alone,
    label: str,
    unit: str,
    bounds: tuple[float, float],
    describe: str,
    lower_is_better: bool = False,
    decimals: int | None = None,
    rank: int = LAST,
) -> Metric:
    """A score that looks at the output alone."""

    def of(signals: Signals) -> float:
        return compute(signals.estimate, signals.sample_rate)

    name = compute.__name__
    return metric(name, label, unit, bounds, (), of, describe, lower_is_better, decimals, rank)


def of_noise(compute: Triple, label: str, describe: str, rank: int = LAST) -> Metric:
    """A ratio in dB that has to know the noise beside the target."""

    def of(signals: Signals) -> float:
        assert signals.reference is not None and signals.noise is not None
        return compute(signals.reference, signals.noise, signals.estimate, signals.sample_rate)

    needs = ("reference", "noise")
    return metric(compute.__name__, label, "dB", ANY_DB, needs, of, describe, rank=rank)


def of_shadow(
    compute: Callable[[np.ndarray, np.ndarray], float],
    label: str,
    unit: str,
    bounds: tuple[float, float],
    part: str,
    describe: str,
    lower_is_better: bool = False,
    rank: int = LAST,
) -> Metric:
    """A score of a linear system's answer to the speech, or to the noise."""

    def of(signals: Signals) -> float:
        return compute(getattr(signals, part), getattr(signals, f"{part}_out"))

    name, needs = compute.__name__, (part, f"{part}_out")
    return metric(name, label, unit, bounds, needs, of, describe, lower_is_better, rank=rank)
