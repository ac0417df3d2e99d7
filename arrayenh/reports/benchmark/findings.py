"""What the scores of a benchmark say: who won, by how much, who comes next."""

from collections.abc import Sequence

import numpy as np

from arrayenh.evaluation.intervals import (
    Interval,
    fraction_of_gain,
    mean_interval,
    paired_interval,
)
from arrayenh.evaluation.results import Results
from arrayenh.evaluation.scoring import METRICS
from arrayenh.evaluation.systems.system import BOUND, OWN, PEER


def scored(results: Results) -> list[str]:
    """Metrics of which there is any value, those that decide first."""
    first = results.headlines()
    there = [name for k, name in enumerate(results.metrics) if _any_value(results, k)]
    return first + [name for name in there if name not in first]


def _any_value(results: Results, metric: int) -> bool:
    return not np.isnan(results.values[:, :, metric]).all()


def baseline(results: Results) -> str | None:
    """The system that gains are over, if it took part."""
    return results.baseline if results.baseline in names(results) else None


def oracle(results: Results) -> str | None:
    """The system whose gain is 1, if it took part."""
    return results.oracle if results.oracle in names(results) else None


def names(results: Results, kind: str | None = None) -> list[str]:
    """Systems of one kind, or all of them, in their order."""
    everyone = [system.name for system in results.systems]
    return [name for name in everyone if kind is None or kind_of(results, name) == kind]


def kind_of(results: Results, system: str) -> str:
    """Kind of a system, as it is drawn: the baseline, whosever it is, stands as a bound."""
    if system == results.baseline:
        return BOUND
    return results.systems[results.system(system)].kind


def direction(metric: str) -> int:
    """1 where higher is better, -1 where lower is."""
    return 1 if metric not in METRICS or METRICS[metric].higher_is_better else -1


def level(results: Results, system: str, metric: str) -> Interval:
    """Mean score of a system."""
    return mean_interval(results.of(system, metric))


def improvements(results: Results, system: str, metric: str) -> np.ndarray:
    """How much better than the baseline, scene by scene, shape (scenes,); NaN without one.

    Above zero is better, also of scores of which lower is better.
    """
    base = baseline(results)
    if base is None:
        return np.full(len(results.scenes), np.nan)
    with np.errstate(invalid="ignore"):  # inf - inf: no difference is known
        return direction(metric) * (results.of(system, metric) - results.of(base, metric))


def gain(results: Results, system: str, metric: str) -> Interval:
    """Mean improvement over the baseline, paired by scene."""
    return mean_interval(improvements(results, system, metric))


def quality(results: Results, system: str, metric: str) -> Interval:
    """The gain, whose interval is paired and so the narrower; without a baseline the level."""
    if baseline(results) is None:
        return level(results, system, metric)
    return gain(results, system, metric)


def quality_direction(results: Results, metric: str) -> int:
    """1 where a higher quality is better: gains always are."""
    return direction(metric) if baseline(results) is None else 1


def lead(results: Results, system: str, other: str, metric: str) -> Interval:
    """How much better than another system, paired by scene."""
    sign = direction(metric)
    return paired_interval(sign * results.of(system, metric), sign * results.of(other, metric))


def reached(results: Results, system: str, metric: str) -> float:
    """Part of the oracle's gain over the baseline; NaN without either."""
    base, best = baseline(results), oracle(results)
    if base is None or best is None:
        return float("nan")
    return fraction_of_gain(*(results.of(name, metric) for name in (system, base, best)))


def merit(results: Results, system: str, metric: str) -> float:
    """What systems are ranked by: the mean gain, or the mean score where there is no baseline."""
    return quality_direction(results, metric) * quality(results, system, metric).mean


def ranks(results: Results, systems: Sequence[str], metric: str) -> dict[str, int]:
    """Place of each system in one score, from 1; whoever has no value comes last."""
    merits = {name: merit(results, name, metric) for name in systems}
    known = {name: -np.inf if np.isnan(value) else value for name, value in merits.items()}
    return {name: 1 + sum(other > known[name] for other in known.values()) for name in systems}


def ranking(results: Results, systems: Sequence[str]) -> list[str]:
    """Systems by their mean rank over the headline scores, the best first.

    Of equal ones, the better in the first score comes first.
    """
    places = [ranks(results, systems, metric) for metric in results.headlines()]

    def by_sum(name: str) -> tuple[int, ...]:
        of_name = [place[name] for place in places]
        return sum(of_name), *of_name

    return sorted(systems, key=by_sum)


def contenders(results: Results) -> list[str]:
    """Who can win: our own systems; without any the peers, without these all there are."""
    for kind in (OWN, PEER):
        found = [name for name in names(results, kind) if name != results.oracle]
        if found:
            return found
    return names(results)


def winner(results: Results) -> str:
    """The contender of the best mean rank."""
    return ranking(results, contenders(results))[0]


def best_peer(results: Results) -> str | None:
    """The peer of the best mean rank; None where there is none, or where a peer won."""
    peers = names(results, PEER)
    if not peers or winner(results) in peers:
        return None
    return ranking(results, peers)[0]
