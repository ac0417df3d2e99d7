"""The choice of a score: buttons that switch every chart and list of the page at once."""

from collections.abc import Sequence
from html import escape

from arrayenh.reports.benchmark.words import describe
from arrayenh.reports.score_table import label


def metric_buttons(metrics: Sequence[str]) -> str:
    """A button for each score, the first one pressed; none where there is no choice."""
    if len(metrics) < 2:
        return ""
    buttons = "".join(
        f'<button type="button" data-metric="{escape(name)}" title="{escape(describe(name))}" '
        f'aria-pressed="{"true" if k == 0 else "false"}">{escape(label(name))}</button>'
        for k, name in enumerate(metrics)
    )
    return (
        f'<div class="choose metrics" role="group" aria-label="Score that is shown">{buttons}</div>'
    )


def by_metric(metric: str, metrics: Sequence[str], words: str, content: str) -> str:
    """Content that belongs to one score; that of the first is there from the start.

    Parameters
    ----------
    metric : str
    metrics : sequence of str
        All there is a choice of.
    words : str
        What is shown, for paper, where no button says it.
    content : str
        HTML.
    """
    hidden = "" if metric == metrics[0] else " hidden"
    above = f'<p class="measure">{escape(words)}</p>' if words else ""
    return f'<div class="by-metric" data-metric="{escape(metric)}"{hidden}>{above}{content}</div>'
