"""Results of a benchmark: a score for each scene, system and metric, and the costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from arrayenh.evaluation.systems.system import Cost

HEADLINE = ("si_sdr", "pesq_wb", "stoi")
"""Headline scores, unless the suite names others."""


@dataclass(frozen=True, slots=True)
class SystemFacts:
    """A system as a report shows it: `kind` is "own", "bound" or "peer"."""

    name: str
    kind: str
    describe: str
    cost: Cost | None = None


@dataclass(frozen=True, slots=True)
class SceneFacts:
    """A scene and its conditions, such as {"array": "linear4-35mm", "input SNR": "-5 dB"}."""

    name: str
    seconds: float
    conditions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Results:
    """All scores of a benchmark.

    Attributes
    ----------
    title : str
    scenes : sequence of SceneFacts
    systems : sequence of SystemFacts
    metrics : sequence of str
        Names from `METRICS`.
    values : float64 ndarray, shape (scenes, systems, metrics)
        NaN for a missing score.
    reasons : mapping of (scene, system, metric) indices to str
        Reasons for missing scores.
    baseline : str
        The system that gains are relative to: "noisy" if it is among them.
    oracle : str or None
        The system whose gain over the baseline counts as 1.
    headline : sequence of str
        Main scores, which are broken down by condition; only computed ones are used.
    facts : mapping of str to str
        Command, versions, data: for reproduction.
    """

    title: str
    scenes: Sequence[SceneFacts]
    systems: Sequence[SystemFacts]
    metrics: Sequence[str]
    values: np.ndarray
    reasons: Mapping[tuple[int, int, int], str] = field(default_factory=dict)
    baseline: str = "noisy"
    oracle: str | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    headline: Sequence[str] = HEADLINE

    def headlines(self) -> list[str]:
        """Computed scores of `headline`; the first computed score if there are none."""
        there = [
            name for k, name in enumerate(self.metrics) if not np.isnan(self.values[:, :, k]).all()
        ]
        return [name for name in self.headline if name in there] or there[:1]

    def of(self, system: str, metric: str) -> np.ndarray:
        """Scores of one system, shape (scenes,)."""
        return self.values[:, self.system(system), self.metrics.index(metric)]

    def system(self, name: str) -> int:
        """Index of a system."""
        return [system.name for system in self.systems].index(name)

    def conditions(self) -> dict[str, list[str]]:
        """Conditions that differ between scenes, with their sorted values."""
        found: dict[str, dict[str, None]] = {}
        for scene in self.scenes:
            for key, value in scene.conditions.items():
                found.setdefault(key, {})[value] = None
        return {key: in_order(values) for key, values in found.items() if len(values) > 1}

    def where(self, condition: str, value: str) -> np.ndarray:
        """Mask of the scenes with this condition, shape (scenes,), bool."""
        return np.array([scene.conditions.get(condition) == value for scene in self.scenes])


def in_order(values: Mapping[str, None]) -> list[str]:
    """Sort values by their leading number if all have one."""

    def leading(text: str) -> float:
        return float(text.split()[0])

    try:
        return sorted(values, key=leading)
    except (ValueError, IndexError):
        return sorted(values)
