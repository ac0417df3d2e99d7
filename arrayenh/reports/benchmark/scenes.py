"""Best, worst and typical scenes of a benchmark, by the winner's gain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from arrayenh.evaluation.results import Results
from arrayenh.reports.benchmark.charts import metric_words
from arrayenh.reports.benchmark.findings import Findings, direction
from arrayenh.reports.words import metric_of, with_unit

N_EXTREMES = 5
"""Number of best scenes, and of worst scenes."""


def pick_scenes(results: Results, metric: str) -> list[tuple[int, str]]:
    """Select scenes for listening: the typical one, and those of the largest and smallest gain.

    They are selected by the winner's paired gain over the baseline, or by its score without a
    baseline. The typical scene is the one nearest the median.

    Parameters
    ----------
    results : Results
    metric : str
        One of its metrics.

    Returns
    -------
    scenes : list of (int, str)
        Index and reason, without repetition; the first scene if none has a score.
    """
    found = Findings(results)
    merits = scene_merits(found, metric)
    order = by_merit(merits)
    if not order:
        return [(0, "the first scene")]
    picked: dict[int, str] = {}
    median = float(np.median(merits[order]))
    typical = min(order, key=lambda k: abs(merits[k] - median))
    for scene, which in ((typical, "median"), (order[0], "largest"), (order[-1], "smallest")):
        picked.setdefault(scene, reason(found, metric, which, merits[scene]))
    return list(picked.items())


def scene_merits(found: Findings, metric: str) -> np.ndarray:
    """The winner's gain or score in each scene, shape (scenes,); higher is better."""
    if not found.gained:
        return direction(metric) * found.results.of(found.winner, metric)
    return found.improvements(found.winner, metric)


def by_merit(merits: np.ndarray) -> list[int]:
    """Scenes with a finite merit, the best first."""
    known = np.flatnonzero(np.isfinite(merits))
    return [int(k) for k in known[np.argsort(-merits[known], kind="stable")]]


def reason(found: Findings, metric: str, which: str, merit: float) -> str:
    """Reason for selecting a scene."""
    best, name = found.winner, metric_of(metric).label
    if not found.gained:
        return f"{which} {name} of {best}, {with_unit(direction(metric) * merit, metric)}"
    return f"{which} gain of {best}, {name} {with_unit(merit, metric, sign=True)}"


@dataclass(frozen=True, slots=True)
class Extremes:
    """Scenes sorted by one score: indices by title, and merits."""

    words: str
    blocks: Mapping[str, Sequence[int]]
    merits: np.ndarray


def extremes(found: Findings) -> dict[str, Extremes]:
    """Five best and five worst scenes by each score; all scenes if there are at most ten."""
    listed: dict[str, Extremes] = {}
    if len(found.results.scenes) < 2:
        return listed
    for metric in found.scored:
        merits = scene_merits(found, metric)
        order = by_merit(merits)
        blocks = {"Best": order[:N_EXTREMES], "Worst": order[-N_EXTREMES:]}
        if len(order) <= 2 * N_EXTREMES:
            blocks = {"Best to worst": order}
        if order:
            listed[metric] = Extremes(metric_words(metric), blocks, merits)
    return listed
