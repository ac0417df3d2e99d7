"""Registry of all scores by name, in table order."""

from arrayenh.evaluation.metric import Metric
from arrayenh.registry import Registry

METRICS: Registry[Metric] = Registry(
    "metric", Metric, "arrayenh.evaluation.metrics", lambda metric: metric.rank
)
"""Metrics by name; `low` and `high` are the bounds of the value."""

CORE = ("snr", "seg_snr", "si_sdr", "pesq_wb", "pesq_nb", "stoi", "estoi")
"""Names of the scores computed by default."""
