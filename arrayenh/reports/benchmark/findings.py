"""What the scores of a benchmark say: who won, by how much, who comes next."""

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
    """Results, and what is to be said of them.

    Attributes
    ----------
    results : Results
    baseline, oracle : str or None
        The systems that gains are over, and whose gain is 1, if they took part.
    headlines : list of str
        Metrics that decide.
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
        """Metrics of which there is any value, those that decide first."""
        there = ~np.isnan(self.results.values).all(axis=(0, 1))
        names = [
            name for name, any_value in zip(self.results.metrics, there, strict=True) if any_value
        ]
        return list(dict.fromkeys([*self.headlines, *names]))

    @cached_property
    def contenders(self) -> list[str]:
        """Who can win: our own systems; without any the peers, without these all there are."""
        for kind in (OWN, PEER):
            found = [name for name in self.of_kind(kind) if name != self.results.oracle]
            if found:
                return found
        return self.names

    @cached_property
    def winner(self) -> str:
        """The contender of the best mean rank."""
        return self.ranking(self.contenders)[0]

    @cached_property
    def best_peer(self) -> str | None:
        """The peer of the best mean rank; None where there is none, or where a peer won."""
        peers = self.of_kind(PEER)
        return None if not peers or self.winner in peers else self.ranking(peers)[0]

    @property
    def gained(self) -> bool:
        """Whether the winner is told by its gain: not where there is no other baseline."""
        return self.baseline not in (None, self.winner)

    def of_kind(self, kind: str) -> list[str]:
        """Systems of one kind, in their order."""
        return [name for name in self.names if self.kind(name) == kind]

    def kind(self, system: str) -> str:
        """Kind of a system, as it is drawn: the baseline, whosever it is, stands as a bound."""
        if system == self.results.baseline:
            return BOUND
        return self.results.systems[self.results.system(system)].kind

    def level(self, system: str, metric: str) -> Interval:
        """Mean score of a system."""
        return mean_interval(self.results.of(system, metric))

    def improvements(self, system: str, metric: str) -> np.ndarray:
        """How much better than the baseline, scene by scene, shape (scenes,); NaN without one.

        Above zero is better, also of scores of which lower is better.
        """
        if self.baseline is None:
            return np.full(len(self.results.scenes), np.nan)
        of, base = (self.results.of(name, metric) for name in (system, self.baseline))
        with np.errstate(invalid="ignore"):  # inf - inf: no difference is known
            return direction(metric) * (of - base)

    def gain(self, system: str, metric: str) -> Interval:
        """Mean improvement over the baseline, paired by scene."""
        return mean_interval(self.improvements(system, metric))

    def quality(self, system: str, metric: str) -> Interval:
        """The gain, whose interval is paired and so the narrower; without a baseline the level."""
        return (self.level if self.baseline is None else self.gain)(system, metric)

    def quality_direction(self, metric: str) -> int:
        """1 where a higher quality is better: gains always are."""
        return direction(metric) if self.baseline is None else 1

    def change(self, system: str, metric: str) -> Interval:
        """By how much a score differs from the baseline's, as it is: errors fall."""
        found = self.quality(system, metric)
        return found if self.quality_direction(metric) == direction(metric) else found.negative

    def lead(self, system: str, other: str, metric: str) -> Interval:
        """How much better than another system, paired by scene."""
        of, others = (direction(metric) * self.results.of(name, metric) for name in (system, other))
        return paired_interval(of, others)

    def reached(self, system: str, metric: str) -> float:
        """Part of the oracle's gain over the baseline; NaN without either."""
        if self.baseline is None or self.oracle is None:
            return float("nan")
        both = self.baseline, self.oracle
        return fraction_of_gain(*(self.results.of(name, metric) for name in (system, *both)))

    def cost(self, system: str) -> Cost | None:
        """What a system costs, where that is known."""
        return self.results.systems[self.results.system(system)].cost

    def facts_of(self, scene: str) -> SceneFacts:
        """A scene of that name; one without conditions where the results have none."""
        known = (facts for facts in self.results.scenes if facts.name == scene)
        return next(known, SceneFacts(scene, 0.0))

    def scores_of(self, scene: str, system: str) -> list[tuple[str, float]]:
        """The headline scores of one system in one scene, those that there are."""
        scenes = [facts.name for facts in self.results.scenes]
        if scene not in scenes or system not in self.names:
            return []
        k = scenes.index(scene)
        found = [(name, float(self.results.of(system, name)[k])) for name in self.headlines]
        return [(name, value) for name, value in found if not np.isnan(value)]

    def shared_conditions(self) -> list[tuple[str, str]]:
        """What is the same in all scenes."""
        scenes = self.results.scenes
        return [
            (key, value)
            for key, value in scenes[0].conditions.items()
            if all(scene.conditions.get(key) == value for scene in scenes)
        ]

    def places(self) -> list[tuple[int, list[str]]]:
        """In which scores the winner is first, second and so on of the contenders."""
        found: dict[int, list[str]] = {}
        for metric in self.headlines:
            place = self.ranks(self.contenders, metric)[self.winner]
            found.setdefault(place, []).append(metric)
        return sorted(found.items())

    def verdict(self, lead: Interval) -> str:
        """What a paired difference says; without an interval, its sign."""
        certain = lead.excludes_zero or np.isnan(lead.low)
        if not certain or lead.mean == 0:
            return self.LEVEL
        return self.AHEAD if lead.mean > 0 else self.BEHIND

    def ranks(self, systems: Sequence[str], metric: str) -> dict[str, int]:
        """Place of each system in one score, from 1; whoever has no value comes last.

        By the mean gain, or the mean score where there is no baseline.
        """
        sign = self.quality_direction(metric)
        merits = {name: sign * self.quality(name, metric).mean for name in systems}
        known = {name: -np.inf if np.isnan(value) else value for name, value in merits.items()}
        return {name: 1 + sum(other > known[name] for other in known.values()) for name in systems}

    def ranking(self, systems: Sequence[str]) -> list[str]:
        """Systems by their mean rank over the headline scores, the best first.

        Of equal ones, the better in the first score comes first.
        """
        places = [self.ranks(systems, metric) for metric in self.headlines]

        def by_sum(name: str) -> tuple[int, ...]:
            of_name = [place[name] for place in places]
            return sum(of_name), *of_name

        return sorted(systems, key=by_sum)


def direction(metric: str) -> int:
    """1 where higher is better, -1 where lower is."""
    return 1 if metric_of(metric).higher_is_better else -1
