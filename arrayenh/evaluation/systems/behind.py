"""Single-channel systems behind another one: post-filters behind an oracle, peers."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from arrayenh.evaluation.systems.system import BOUND, PEER, Output, System, Trial


@dataclass(frozen=True, slots=True)
class Behind:
    """A system followed by a single-channel one.

    Attributes
    ----------
    name : str
    first : System
    second : System
        Its only microphone is the output of the first.
    """

    name: str
    first: System
    second: System

    @property
    def kind(self) -> str:
        """Kind: "bound" behind a bound, else "peer"."""
        return BOUND if self.first.kind == BOUND else PEER

    @property
    def describe(self) -> str:
        """Description of both systems."""
        return f"{self.first.describe}; then {self.second.describe}"

    def definition(self) -> Mapping[str, Any]:
        """Definitions of both systems."""
        return {"first": self.first.definition(), "second": self.second.definition()}

    def latency(self) -> float | None:
        """Sum of both latencies; None if one of the systems uses the recording as a whole."""
        first, second = self.first.latency(), self.second.latency()
        return None if first is None or second is None else first + second

    def run(self, trial: Trial) -> Output:
        """Enhance; see `System.run`."""
        heard = self.first.run(trial).samples
        one = replace(trial, mixture=heard[None], target=None, array=None, azimuth=None)
        return Output(self.second.run(one).samples)
