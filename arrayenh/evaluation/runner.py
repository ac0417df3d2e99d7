"""Runner of a benchmark: enhance and score every case with every system, with a cache."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from arrayenh.beamformers.binaural import ears
from arrayenh.errors import ArrayenhError, MetricError
from arrayenh.evaluation.cache import Cache, system_key
from arrayenh.evaluation.cases.case import Case, CaseFacts, Source, digest
from arrayenh.evaluation.results import HEADLINE, Results, SceneFacts, SystemFacts
from arrayenh.evaluation.scoring import Score, scores_of, shadow_snr
from arrayenh.evaluation.signals import Signals
from arrayenh.evaluation.systems.system import Output, System
from arrayenh.hearing.audiograms import Audiogram
from arrayenh.scenes.workers import Work, in_turn

Map = Callable[[Work, Iterable[int]], Iterator[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Cases, systems and scores of a benchmark.

    Attributes
    ----------
    source : Source
    systems : tuple of System
    metrics : tuple of str
    cache : Cache
    audiogram : Audiogram, optional
        Hearing of the listener, for HASPI and HASQI; normal without it.
    """

    source: Source
    systems: tuple[System, ...]
    metrics: tuple[str, ...]
    cache: Cache
    audiogram: Audiogram | None = None

    def case_key(self, facts: CaseFacts) -> str:
        """Key of a case in the cache: that of its audio, and of the listener."""
        if self.audiogram is None:
            return facts.key
        hearing = (self.audiogram.freqs.tolist(), self.audiogram.loss_db.tolist())
        return digest([facts.key, repr(hearing)])[: len(facts.key)]


def run(
    benchmark: Benchmark,
    mapped: Map = in_turn,
    progress: Callable[[int], None] = lambda done: None,
) -> tuple[list[CaseFacts], np.ndarray, dict[tuple[int, int, int], str]]:
    """Score every system on every case.

    Parameters
    ----------
    benchmark : Benchmark
    mapped : callable
        Worker pool; see `arrayenh.scenes.workers`.
    progress : callable
        Called with the number of cases done.

    Returns
    -------
    facts : list of CaseFacts
    values : float64 ndarray, shape (cases, systems, metrics)
        NaN for a missing score.
    reasons : dict of (case, system, metric) to str
        Reasons for missing scores.
    """
    n_cases = len(benchmark.source)
    facts: list[CaseFacts | None] = [None] * n_cases
    values = np.full((n_cases, len(benchmark.systems), len(benchmark.metrics)), np.nan)
    reasons: dict[tuple[int, int, int], str] = {}
    for done, answer in enumerate(mapped(ScoreCase(benchmark), range(n_cases)), 1):
        index = answer["index"]
        facts[index] = CaseFacts(**answer["facts"])
        for s, found in enumerate(answer["scores"]):
            for m, (value, reason) in enumerate(found):
                values[index, s, m] = value
                if reason is not None:
                    reasons[index, s, m] = reason
        progress(done)
    return [one for one in facts if one is not None], values, reasons


@dataclass(frozen=True, slots=True)
class ScoreCase:
    """Scores one case; pickled and sent to the worker processes."""

    benchmark: Benchmark

    def __call__(self, index: int) -> dict[str, Any]:
        """Score every system on a case; cached scores are reused."""
        bench = self.benchmark
        facts = bench.source.facts(index)
        case: Case | None = None
        rows = []
        for system in bench.systems:
            key = system_key(system)
            known = bench.cache.scores(bench.case_key(facts), key)
            missing = [name for name in bench.metrics if name not in known]
            if missing:
                case = case or bench.source.case(index)
                found = scored(system, case, missing, bench.audiogram)
                lasting = {name: score for name, score in found.items() if lasts(score)}
                names = (facts.name, system.name)
                bench.cache.keep(bench.case_key(facts), key, lasting, names)
                known |= found
            rows.append([(known[name].value, known[name].reason) for name in bench.metrics])
        said = {
            "name": facts.name,
            "key": facts.key,
            "seconds": facts.seconds,
            "conditions": dict(facts.conditions),
        }
        return {"index": index, "facts": said, "scores": rows}


def lasts(score: Score) -> bool:
    """Whether a score may be cached: not if it is missing because a package is."""
    return score.reason is None or "pip install" not in score.reason


def scored(
    system: System, case: Case, metrics: Sequence[str], audiogram: Audiogram | None
) -> dict[str, Score]:
    """Score one system on one case; if the system cannot run on it, return the reason."""
    try:
        output = system.run(case.trial)
    except ArrayenhError as error:
        return dict.fromkeys(metrics, Score(math.nan, str(error)))
    return with_shadow_snr(output, scores_of(signals_of(case, output, audiogram), metrics))


def with_shadow_snr(output: Output, found: dict[str, Score]) -> dict[str, Score]:
    """Replace the SNR of a linear system by that of shadow filtering."""
    if "snr" not in found or output.speech is None or output.noise is None:
        return found
    try:
        return {**found, "snr": Score(shadow_snr(output.speech, output.noise))}
    except MetricError as error:
        return {**found, "snr": Score(math.nan, str(error))}


def signals_of(case: Case, output: Output, audiogram: Audiogram | None) -> Signals:
    """Collect the signals for scoring an output."""
    trial, rest = case.trial, case.trial.rest
    left_right = None
    if output.ears is not None and trial.array is not None:
        left_right = list(ears(trial.array.positions))
    return Signals(
        output.samples,
        trial.sample_rate,
        reference=case.reference,
        noisy=trial.mixture[0],
        speech=None if trial.target is None else trial.target[0],
        noise=None if rest is None else rest[0],
        speech_out=output.speech,
        noise_out=output.noise,
        ears=output.ears,
        reference_ears=None
        if left_right is None or trial.target is None
        else trial.target[left_right],
        noisy_ears=None if left_right is None else trial.mixture[left_right],
        transcript=case.transcript,
        audiogram=audiogram,
    )


def results_of(
    title: str,
    benchmark: Benchmark,
    found: tuple[list[CaseFacts], np.ndarray, dict[tuple[int, int, int], str]],
    baseline: str,
    oracle: str | None,
    facts: Mapping[str, str],
    headline: Sequence[str] = HEADLINE,
) -> Results:
    """Collect the results for tables and reports."""
    cases, values, reasons = found
    names = [system.name for system in benchmark.systems]
    return Results(
        title,
        [SceneFacts(case.name, case.seconds, case.conditions) for case in cases],
        [
            SystemFacts(
                system.name,
                system.kind,
                system.describe,
                benchmark.cache.cost(system_key(system)),
            )
            for system in benchmark.systems
        ],
        benchmark.metrics,
        values,
        reasons,
        baseline if baseline in names else names[0],
        oracle if oracle in names else None,
        facts,
        headline,
    )
