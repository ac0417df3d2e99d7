"""Every score by its name, in the order of a table."""

from arrayenh.evaluation.metric import Metric
from arrayenh.registry import Registry

METRICS: Registry[Metric] = Registry(
    "metric", Metric, "arrayenh.evaluation.metrics", lambda metric: metric.rank
)
"""The scores by name; `low` and `high` bound the value."""

CORE = ("snr", "seg_snr", "si_sdr", "pesq_wb", "pesq_nb", "stoi", "estoi")
"""Those computed unless something else is asked for."""
