"""`arrayenh benchmark --list`: the available suites, systems and scores."""

from arrayenh.cli import terminal


def list_all() -> None:
    """Print the names of suites, systems and scores."""
    from arrayenh.evaluation.scoring import METRICS
    from arrayenh.evaluation.suite import load_suite, suite_names
    from arrayenh.evaluation.systems.names import known

    suites = [(name, load_suite(name).describe) for name in suite_names()]
    terminal.show_table("Suites", ("name", "what"), suites, prose=("what",))
    terminal.show_table("Systems", ("name", "what"), list(known().items()), prose=("what",))
    rows = [
        (
            metric.name,
            metric.unit,
            "higher" if metric.higher_is_better else "lower",
            ", ".join(metric.needs) or "nothing else",
            metric.describe,
        )
        for metric in METRICS.values()
    ]
    heads = ("name", "unit", "better", "needs", "what")
    terminal.show_table("Scores", heads, rows, prose=("needs", "what"))
