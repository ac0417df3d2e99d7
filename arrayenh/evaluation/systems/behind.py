"""Post-filters behind a beamformer that knew the clean speech: what they do with the best input."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from arrayenh.evaluation.systems.bounds import Bound
from arrayenh.evaluation.systems.chain import Chain
from arrayenh.evaluation.systems.system import BOUND, Output, Trial


@dataclass(frozen=True, slots=True)
class Behind:
    """A bound, and behind it a chain for one microphone.

    Attributes
    ----------
    name : str
    bound : Bound
    chain : Chain
        It hears the bound's output as its only microphone.
    """

    name: str
    bound: Bound
    chain: Chain
    kind: str = BOUND

    @property
    def describe(self) -> str:
        """Both, in words."""
        return f"{self.bound.describe}; then {self.chain.describe}"

    def definition(self) -> Mapping[str, Any]:
        """Of both."""
        return {"bound": self.bound.definition(), "chain": self.chain.definition()}

    def latency(self) -> float | None:
        """None: the clean speech is known to its end."""
        return None

    def run(self, trial: Trial) -> Output:
        """Enhance; see `System.run`."""
        heard = self.bound.run(trial).samples
        one = replace(trial, mixture=heard[None], target=None, array=None, azimuth=None)
        return Output(self.chain.run(one).samples)
