"""Scores of an estimate against its reference, and the table that lists them.

Every score is a function of `(reference, estimate, sample_rate)` that returns one
float; `METRICS` says what each one means, `scores` computes several, each on its own.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from arrayenh.errors import ConfigError, MetricError, MissingExtraError
from arrayenh.evaluation.perceptual import estoi, pesq_nb, pesq_wb, stoi
from arrayenh.evaluation.waveform import SEG_SNR_RANGE_DB, seg_snr, shadow_snr, si_sdr, snr

__all__ = [
    "METRICS",
    "Metric",
    "Score",
    "estoi",
    "pesq_nb",
    "pesq_wb",
    "scores",
    "seg_snr",
    "shadow_snr",
    "si_sdr",
    "snr",
    "stoi",
]


@dataclass(frozen=True, slots=True)
class Metric:
    """What a score is: its name, unit, range, direction and the function behind it.

    `needs_reference` tells a score of a pair from one of a signal alone; all scores of
    this module compare a pair.
    """

    name: str
    unit: str
    low: float
    high: float
    higher_is_better: bool
    needs_reference: bool
    compute: Callable[[np.ndarray, np.ndarray, int], float]
    describe: str


@dataclass(frozen=True, slots=True)
class Score:
    """A value, or NaN with the reason why there is none."""

    value: float
    reason: str | None = None


def _metric(
    compute: Callable[[np.ndarray, np.ndarray, int], float],
    unit: str,
    low: float,
    high: float,
    describe: str,
) -> Metric:
    return Metric(
        compute.__name__,
        unit,
        low,
        high,
        True,
        True,
        compute=compute,
        describe=describe,
    )


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        _metric(snr, "dB", -math.inf, math.inf, "waveform against reference"),
        _metric(seg_snr, "dB", *SEG_SNR_RANGE_DB, "mean clamped SNR of active frames"),
        _metric(si_sdr, "dB", -math.inf, math.inf, "distortion, whatever the gain"),
        _metric(pesq_wb, "MOS", 0.999, 4.644, "speech quality, wide-band (P.862.2)"),
        _metric(pesq_nb, "MOS", 0.999, 4.549, "speech quality, narrow-band (P.862.1)"),
        _metric(stoi, "", -1.0, 1.0, "short-time objective intelligibility"),
        _metric(estoi, "", -1.0, 1.0, "the same, extended to modulated noise"),
    )
}
"""The scores by name, in the order of a table; `low` and `high` bound the value."""


def scores(
    reference: np.ndarray,
    estimate: np.ndarray,
    sample_rate: int,
    names: Iterable[str] | None = None,
) -> dict[str, Score]:
    """Several scores of one estimate; one that fails is NaN with its reason.

    Parameters
    ----------
    reference, estimate : float ndarray, shape (N,)
    sample_rate : int
        Hz.
    names : iterable of str, optional
        Keys of `METRICS`; all of them without it.

    Returns
    -------
    table : dict of str to Score
        In the order of `names`.

    Raises
    ------
    ShapeError
        If the two are not one-dimensional float arrays of equal length.
    ConfigError
        If a name is unknown.
    """
    wanted = list(METRICS if names is None else names)
    unknown = [name for name in wanted if name not in METRICS]
    if unknown:
        raise ConfigError(
            f"no metric is called {', '.join(map(repr, unknown))}; choose from {', '.join(METRICS)}"
        )
    return {name: _score(METRICS[name], reference, estimate, sample_rate) for name in wanted}


def _score(metric: Metric, reference: np.ndarray, estimate: np.ndarray, sample_rate: int) -> Score:
    try:
        return Score(metric.compute(reference, estimate, sample_rate))
    except (MetricError, MissingExtraError) as error:
        return Score(math.nan, str(error))
