"""What a score is, and what a value of it is."""

from collections.abc import Callable
from dataclasses import dataclass

from arrayenh.evaluation.signals import Signals


@dataclass(frozen=True, slots=True)
class Metric:
    """What a score is: its name, unit, range, direction and the function behind it.

    Attributes
    ----------
    name, unit : str
    low, high : float
        Bounds of the value.
    higher_is_better : bool
    needs : tuple of str
        Which fields of `Signals` must be there beside the estimate.
    compute : callable
    describe : str
        One line for legends.
    """

    name: str
    unit: str
    low: float
    high: float
    higher_is_better: bool
    needs: tuple[str, ...]
    compute: Callable[[Signals], float]
    describe: str

    @property
    def needs_reference(self) -> bool:
        """Whether it compares with what is clean, or judges the output by itself."""
        return not {"noisy"}.issuperset(self.needs)


@dataclass(frozen=True, slots=True)
class Score:
    """A value, or NaN with the reason why there is none."""

    value: float
    reason: str | None = None
