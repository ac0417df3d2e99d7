"""Scores of a system's output.

A score is a function of `Signals` and returns one float. `METRICS` describes each one and the
signals that it needs. `scores` and `scores_of` compute several scores independently.
"""

import math
from collections.abc import Iterable

import numpy as np

from arrayenh.errors import ConfigError, MetricError, MissingExtraError
from arrayenh.evaluation.metric import Metric, Score
from arrayenh.evaluation.metrics.pesq import pesq_nb, pesq_wb
from arrayenh.evaluation.metrics.stoi import estoi, stoi
from arrayenh.evaluation.metrics.waveform import seg_snr, shadow_snr, si_sdr, snr
from arrayenh.evaluation.registry import CORE, METRICS
from arrayenh.evaluation.signals import Signals
from arrayenh.hearing.audiograms import Audiogram

__all__ = [
    "CORE",
    "METRICS",
    "Metric",
    "Score",
    "Signals",
    "estoi",
    "pesq_nb",
    "pesq_wb",
    "scores",
    "scores_at_ears",
    "scores_of",
    "seg_snr",
    "shadow_snr",
    "si_sdr",
    "snr",
    "stoi",
]


def scores(
    reference: np.ndarray,
    estimate: np.ndarray,
    sample_rate: int,
    names: Iterable[str] | None = None,
) -> dict[str, Score]:
    """Compute several scores of one estimate; a score that fails is NaN with its reason.

    Parameters
    ----------
    reference, estimate : float ndarray, shape (N,)
    sample_rate : int
        Hz.
    names : iterable of str, optional
        Names from `METRICS`; `CORE` by default.

    Returns
    -------
    scores : dict of str to Score
        In the order of `names`.

    Raises
    ------
    ConfigError
        If a name is unknown.
    """
    return scores_of(Signals(estimate, sample_rate, reference=reference), names)


def scores_of(signals: Signals, names: Iterable[str] | None = None) -> dict[str, Score]:
    """Compute several scores of one output; one that fails or lacks a signal is NaN.

    Parameters
    ----------
    signals : Signals
    names : iterable of str, optional
        Names from `METRICS`; `CORE` by default.

    Returns
    -------
    scores : dict of str to Score
        In the order of `names`.

    Raises
    ------
    ConfigError
        If a name is unknown.
    """
    return {metric.name: _score(metric, signals) for metric in chosen(names)}


def scores_at_ears(
    reference_ears: np.ndarray,
    ears: np.ndarray,
    sample_rate: int,
    names: Iterable[str] | None = None,
    noisy_ears: np.ndarray | None = None,
    audiogram: Audiogram | None = None,
) -> dict[str, Score]:
    """Compute several scores of an output at two ears.

    Binaural scores use both ears. A score of one signal is that of the better ear, as HASPI and
    HASQI are.

    Parameters
    ----------
    reference_ears, ears : float ndarray, shape (2, N)
        Clean target and output, left and right.
    sample_rate : int
        Hz.
    names : iterable of str, optional
        Names from `METRICS`; `CORE` by default.
    noisy_ears : float ndarray, shape (2, N), optional
        Noisy input, left and right.
    audiogram : Audiogram, optional
        Hearing of the listener; normal without it.

    Returns
    -------
    scores : dict of str to Score
        In the order of `names`.

    Raises
    ------
    ConfigError
        If a name is unknown.
    """
    sides = [
        Signals(
            ears[side],
            sample_rate,
            reference=reference_ears[side],
            noisy=None if noisy_ears is None else noisy_ears[side],
            ears=ears,
            reference_ears=reference_ears,
            noisy_ears=noisy_ears,
            audiogram=audiogram,
        )
        for side in (0, 1)
    ]
    return {
        metric.name: _score(metric, sides[0])
        if metric.binaural
        else _better(metric, [_score(metric, side) for side in sides])
        for metric in chosen(names)
    }


def chosen(names: Iterable[str] | None = None) -> list[Metric]:
    """Return the metrics with these names, `CORE` by default; unknown names raise an error."""
    wanted = list(CORE if names is None else names)
    unknown = [name for name in wanted if name not in METRICS]
    if unknown:
        raise ConfigError(
            f"no metric is called {', '.join(map(repr, unknown))}; choose from {', '.join(METRICS)}"
        )
    return [METRICS[name] for name in wanted]


def _score(metric: Metric, signals: Signals) -> Score:
    missing = [name for name in metric.needs if getattr(signals, name) is None]
    if missing:
        return Score(math.nan, f"it needs the {' and the '.join(missing)}, not given here")
    try:
        return Score(metric.compute(signals))
    except (MetricError, MissingExtraError) as error:
        return Score(math.nan, str(error))


def _better(metric: Metric, found: list[Score]) -> Score:
    """Return the better of several scores, one without a value only if none has one."""
    valid = [score for score in found if not math.isnan(score.value)] or found[:1]
    best = max if metric.higher_is_better else min
    return best(valid, key=lambda score: score.value)
