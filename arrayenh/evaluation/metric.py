"""`Metric`, the record of a score; `Score`, its value; and helpers that register metrics."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from arrayenh.evaluation.signals import Signals
from arrayenh.hearing.audiograms import Audiogram

INF = math.inf
ANY_DB = (-INF, INF)
MOS = (1.0, 5.0)
DECIMALS = {"dB": 2, "MOS": 3, "µs": 0}
"""Decimals by unit; 3 for other units, unless the record sets `decimals`."""

LAST = 1000
"""Rank of a score without its own."""

Pair = Callable[[np.ndarray, np.ndarray, int], float]
Triple = Callable[[np.ndarray, np.ndarray, np.ndarray, int], float]
Listened = Callable[[np.ndarray, np.ndarray, int, Audiogram | None], float]
Alone = Callable[[np.ndarray, int], float]


@dataclass(frozen=True, slots=True)
class Metric:
    """A score: its name, unit, range, direction and the function behind it.

    Each is defined beside its function, in a module of `arrayenh.evaluation.metrics` or of a
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
        Fields of `Signals` that are required beside the estimate.
    compute : callable
    describe : str
        One line for legends.
    decimals : int
        Digits after the point in tables.
    rank : int
        Position in a table; lower ranks come first.
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

    def text(self, value: float, sign: str = "") -> str:
        """Format a value with the decimals of the metric; `sign` "+" for gains."""
        return "n/a" if math.isnan(value) else f"{value:{sign}.{self.decimals}f}"

    @property
    def binaural(self) -> bool:
        """Whether the score needs both ears."""
        return "ears" in self.needs

    @property
    def needs_reference(self) -> bool:
        """Whether the score needs a clean reference."""
        return not {"noisy"}.issuperset(self.needs)


@dataclass(frozen=True, slots=True)
class Score:
    """The value of a score, or NaN with the reason why it has none."""

    value: float
    reason: str | None = None

    @property
    def why(self) -> str | None:
        """Why there is no finite value: the reason, or what an infinite value means."""
        return self.reason or infinite(self.value)


def infinite(value: float) -> str | None:
    """Meaning of an infinite score, which JSON cannot hold; None for others."""
    if not math.isinf(value):
        return None
    meaning = "no difference from the reference" if value > 0 else "nothing of the reference"
    return f"{'+' if value > 0 else '-'}infinity: {meaning}"


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
    """Make a metric, with the decimals of its unit unless `decimals` is given."""
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
    """Make a metric from a function of two signals, `needs` and `judged`."""

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
    """Make a binaural metric: the output at two ears against the clean reference there."""
    needs, judged = "reference_ears", "ears"
    return of_pair(
        compute, label, unit, bounds, describe, lower_is_better, needs, judged, rank=rank
    )


def of_listener(
    compute: Listened, label: str, bounds: tuple[float, float], describe: str, rank: int = LAST
) -> Metric:
    """Make a binaural metric that depends on the listener's audiogram."""

    def of(signals: Signals) -> float:
        assert signals.reference_ears is not None and signals.ears is not None
        rate = signals.sample_rate
        return compute(signals.reference_ears, signals.ears, rate, signals.audiogram)

    needs = ("reference_ears", "ears")
    return metric(compute.__name__, label, "", bounds, needs, of, describe, rank=rank)


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
    """Make a metric of the output alone, without a reference."""

    def of(signals: Signals) -> float:
        return compute(signals.estimate, signals.sample_rate)

    name = compute.__name__
    return metric(name, label, unit, bounds, (), of, describe, lower_is_better, decimals, rank)


def of_noise(compute: Triple, label: str, describe: str, rank: int = LAST) -> Metric:
    """Make a metric in dB that needs both the target and the noise."""

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
    """Make a metric of a linear system's output for the speech alone, or for the noise alone."""

    def of(signals: Signals) -> float:
        return compute(getattr(signals, part), getattr(signals, f"{part}_out"))

    name, needs = compute.__name__, (part, f"{part}_out")
    return metric(name, label, unit, bounds, needs, of, describe, lower_is_better, rank=rank)
