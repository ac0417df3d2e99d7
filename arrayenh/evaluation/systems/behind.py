"""Post-filters behind an oracle beamformer, to measure them with the best possible input."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from arrayenh.evaluation.systems.bounds import Bound
from arrayenh.evaluation.systems.chain import Chain
from arrayenh.evaluation.systems.system import BOUND, Output, Trial


@dataclass(frozen=True, slots=True)
class Behind:
    """An oracle bound followed by a single-channel chain.

    Attributes
    ----------
    name : str
    bound : Bound
    chain : Chain
        Its only microphone is the bound's output.
    """

    name: str
    bound: Bound
    chain: Chain
    kind: str = BOUND

    @property
    def describe(self) -> str:
        """Description of the bound and the chain."""
        return f"{self.bound.describe}; then {self.chain.describe}"

    def definition(self) -> Mapping[str, Any]:
        """Definitions of the bound and the chain."""
        return {"bound": self.bound.definition(), "chain": self.chain.definition()}

    def latency(self) -> float | None:
        """None: the clean speech is used as a whole."""
        return None

    def run(self, trial: Trial) -> Output:
        """Enhance; see `System.run`."""
        heard = self.bound.run(trial).samples
        one = replace(trial, mixture=heard[None], target=None, array=None, azimuth=None)
        return Output(self.chain.run(one).samples)
