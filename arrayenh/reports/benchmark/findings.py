"""Findings of a benchmark: the best system, its lead, and the ranking of the others."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from arrayenh.evaluation.intervals import (
    Interval,
    fraction_of_gain,
    mean_interval,
    paired_interval,
)
from arrayenh.evaluation.results import Results, SceneFacts
from arrayenh.evaluation.systems.system import BOUND, OWN, PEER, Cost
from arrayenh.reports.words import metric_of


class Findings:
    """Results of a benchmark and their interpretation.

    Attributes
    ----------
    results : Results
    baseline, oracle : str or None
        System that gains are relative to, and system whose gain counts as 1, if present.
    headlines : list of str
        Main metrics, which decide the ranking.
    """

    AHEAD, BEHIND = "is ahead by", "is behind by"
    LEVEL = "does not differ significantly in"

    def __init__(self, results: Results) -> None:
        self.results = results
        self.names = [system.name for system in results.systems]
        self.baseline = results.baseline if results.baseline in self.names else None
        self.oracle = results.oracle if results.oracle in self.names else None
        self.headlines = results.headlines()

    @cached_property
    def scored(self) -> list[str]:
        """Metrics with any value, the main ones first."""
        there = ~np.isnan(self.results.values).all(axis=(0, 1))
        names = [
            name for name, any_value in zip(self.results.metrics, there, strict=True) if any_value
        ]
        return list(dict.fromkeys([*self.headlines, *names]))

    @cached_property
    def contenders(self) -> list[str]:
        """Systems that are ranked: own systems; peers if there are none; else all systems."""
        for kind in (OWN, PEER):
            found = [name for name in self.of_kind(kind) if name != self.results.oracle]
            if found:
                return found
        return self.names

    @cached_property
    def winner(self) -> str:
        """Contender with the best mean rank."""
        return self.ranking(self.contenders)[0]

    @cached_property
    def best_peer(self) -> str | None:
        """Peer with the best mean rank; None without peers, or if a peer won."""
        peers = self.of_kind(PEER)
        return None if not peers or self.winner in peers else self.ranking(peers)[0]

    @property
    def gained(self) -> bool:
        """Whether the winner is described by its gain: not if there is no other baseline."""
        return self.baseline not in (None, self.winner)

    def of_kind(self, kind: str) -> list[str]:
        """Systems of one kind, in their order."""
        return [name for name in self.names if self.kind(name) == kind]

    def kind(self, system: str) -> str:
        """Kind of a system for drawing; the baseline is always drawn as a bound."""
        if system == self.results.baseline:
            return BOUND
        return self.results.systems[self.results.system(system)].kind

    def level(self, system: str, metric: str) -> Interval:
        """Mean score of a system."""
        return mean_interval(self.results.of(system, metric))

    def improvements(self, system: str, metric: str) -> np.ndarray:
        """Improvement over the baseline by scene, shape (scenes,); NaN without a baseline.

        Positive is better, also for scores of which lower is better.
        """
        if self.baseline is None:
            return np.full(len(self.results.scenes), np.nan)
        of, base = (self.results.of(name, metric) for name in (system, self.baseline))
        with np.errstate(invalid="ignore"):  # inf - inf is undefined
            return direction(metric) * (of - base)

    def gain(self, system: str, metric: str) -> Interval:
        """Mean improvement over the baseline, paired by scene."""
        return mean_interval(self.improvements(system, metric))

    def quality(self, system: str, metric: str) -> Interval:
        """Paired gain, whose interval is narrower; without a baseline the mean score."""
        return (self.level if self.baseline is None else self.gain)(system, metric)

    def quality_direction(self, metric: str) -> int:
        """1 if a higher quality is better, which holds for all gains; -1 otherwise."""
        return direction(metric) if self.baseline is None else 1

    def change(self, system: str, metric: str) -> Interval:
        """Signed difference of a score from the baseline's; negative for reduced errors."""
        found = self.quality(system, metric)
        return found if self.quality_direction(metric) == direction(metric) else found.negative

    def lead(self, system: str, other: str, metric: str) -> Interval:
        """Improvement over another system, paired by scene."""
        of, others = (direction(metric) * self.results.of(name, metric) for name in (system, other))
        return paired_interval(of, others)

    def reached(self, system: str, metric: str) -> float:
        """Fraction of the oracle's gain over the baseline; NaN without either."""
        if self.baseline is None or self.oracle is None:
            return float("nan")
        both = self.baseline, self.oracle
        return fraction_of_gain(*(self.results.of(name, metric) for name in (system, *both)))

    def cost(self, system: str) -> Cost | None:
        """Cost of a system, or None if unknown."""
        return self.results.systems[self.results.system(system)].cost

    def facts_of(self, scene: str) -> SceneFacts:
        """Properties of a scene by name; without conditions if the results do not contain it."""
        known = (facts for facts in self.results.scenes if facts.name == scene)
        return next(known, SceneFacts(scene, 0.0))

    def scores_of(self, scene: str, system: str) -> list[tuple[str, float]]:
        """Available headline scores of one system in one scene."""
        scenes = [facts.name for facts in self.results.scenes]
        if scene not in scenes or system not in self.names:
            return []
        k = scenes.index(scene)
        found = [(name, float(self.results.of(system, name)[k])) for name in self.headlines]
        return [(name, value) for name, value in found if not np.isnan(value)]

    def shared_conditions(self) -> list[tuple[str, str]]:
        """Conditions that all scenes share."""
        scenes = self.results.scenes
        return [
            (key, value)
            for key, value in scenes[0].conditions.items()
            if all(scene.conditions.get(key) == value for scene in scenes)
        ]

    def places(self) -> list[tuple[int, list[str]]]:
        """Scores in which the winner is first, second and so on among the contenders."""
        found: dict[int, list[str]] = {}
        for metric in self.headlines:
            place = self.ranks(self.contenders, metric)[self.winner]
            found.setdefault(place, []).append(metric)
        return sorted(found.items())

    def verdict(self, lead: Interval) -> str:
        """Verdict on a paired difference; based on its sign if it has no interval."""
        certain = lead.excludes_zero or np.isnan(lead.low)
        if not certain or lead.mean == 0:
            return self.LEVEL
        return self.AHEAD if lead.mean > 0 else self.BEHIND

    def ranks(self, systems: Sequence[str], metric: str) -> dict[str, int]:
        """Rank of each system in one score, from 1; systems without a value come last.

        Sorted by the mean gain, or the mean score without a baseline.
        """
        sign = self.quality_direction(metric)
        merits = {name: sign * self.quality(name, metric).mean for name in systems}
        known = {name: -np.inf if np.isnan(value) else value for name, value in merits.items()}
        return {name: 1 + sum(other > known[name] for other in known.values()) for name in systems}

    def ranking(self, systems: Sequence[str]) -> list[str]:
        """Systems sorted by their mean rank over the headline scores, the best first.

        Ties are resolved by the first score.
        """
        places = [self.ranks(systems, metric) for metric in self.headlines]

        def by_sum(name: str) -> tuple[int, ...]:
            of_name = [place[name] for place in places]
            return sum(of_name), *of_name

        return sorted(systems, key=by_sum)


def direction(metric: str) -> int:
    """1 if higher is better, -1 if lower is better."""
    return 1 if metric_of(metric).higher_is_better else -1
