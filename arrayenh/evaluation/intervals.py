"""Bootstrap confidence intervals of means over scenes and of paired differences."""

from dataclasses import dataclass

import numpy as np

N_RESAMPLED = 2000
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and the ends of its 95 % confidence interval; NaN where there is no value."""

    mean: float
    low: float
    high: float
    n: int

    @property
    def excludes_zero(self) -> bool:
        """Whether zero lies outside the interval: the difference is significant."""
        return self.low > 0 or self.high < 0

    @property
    def negative(self) -> "Interval":
        """Interval of the opposite difference."""
        return Interval(-self.mean, -self.high, -self.low, self.n)


def mean_interval(values: np.ndarray, seed: int = 0) -> Interval:
    """Mean over scenes and its percentile-bootstrap interval (Efron 1979).

    Scenes without a value are excluded; infinite values make the mean infinite.

    Parameters
    ----------
    values : float ndarray, shape (n,)
        One score for each scene.
    seed : int
        Seed of the resampling.

    Returns
    -------
    interval : Interval

    References
    ----------
    B. Efron, "Bootstrap methods: another look at the jackknife", Annals of Statistics
    7(1), 1979.
    """
    from scipy.stats import bootstrap

    found = values[~np.isnan(values)]
    n = found.size
    if n == 0:
        return Interval(np.nan, np.nan, np.nan, 0)
    mean = float(found.mean())
    if n == 1 or not np.isfinite(found).all():
        return Interval(mean, np.nan, np.nan, n)
    low, high = bootstrap(
        (found,),
        np.mean,
        n_resamples=N_RESAMPLED,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Interval(mean, float(low), float(high), n)


def paired_interval(values: np.ndarray, baseline: np.ndarray, seed: int = 0) -> Interval:
    """Mean paired difference and its interval; scenes without either value are excluded."""
    with np.errstate(invalid="ignore"):  # inf - inf is undefined
        return mean_interval(values - baseline, seed)


def fraction_of_gain(values: np.ndarray, baseline: np.ndarray, oracle: np.ndarray) -> float:
    """Fraction of the oracle's mean gain over the baseline that a system reaches.

    Uses the scenes in which all three have a value; NaN if the oracle has no gain.
    """
    there = np.isfinite(values) & np.isfinite(baseline) & np.isfinite(oracle)
    if not there.any():
        return float("nan")
    whole = float(np.mean(oracle[there] - baseline[there]))
    if whole == 0:
        return float("nan")
    return float(np.mean(values[there] - baseline[there])) / whole
