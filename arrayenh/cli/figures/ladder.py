"""Figure of scores over SNR, one curve for each system."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from arrayenh.drawing import drawn, new_figure
from arrayenh.evaluation.intervals import mean_interval
from arrayenh.evaluation.results import Results
from arrayenh.evaluation.scoring import METRICS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CONDITION = "input SNR"
FEWEST_STEPS = 3
MOST_CURVES = 8
COLOURS = ("0.35", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "0.6")
MARKERS = "osD^vPX*"  # distinguishable without colour


def ladder(results: Results) -> list[str] | None:
    """Input SNRs in order, if there are enough for a curve."""
    steps = results.conditions().get(CONDITION, [])
    return steps if len(steps) >= FEWEST_STEPS else None


def plot_ladder(results: Results) -> bytes:
    """Draw the headline scores over SNR as PNG, with their 95 % intervals.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    metrics = results.headlines()
    figure = new_figure((4.6 * len(metrics), 4.6))
    for k, metric in enumerate(metrics, 1):
        draw_metric(figure.add_subplot(1, len(metrics), k), results, metric)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="lower center", ncols=min(len(labels), 4), frameon=False, fontsize=9
    )
    figure.suptitle(results.title, size=12, weight="bold", parse_math=False)
    rows = -(-len(labels) // 4)
    figure.tight_layout(rect=(0, 0.03 + 0.055 * rows, 1, 1))
    return drawn(figure, "png", dpi=150)


def draw_metric(axes: Axes, results: Results, metric: str) -> None:
    """Draw one score of all systems."""
    steps = ladder(results) or []
    snrs_db = [float(step.split()[0]) for step in steps]
    shown = results.systems[:MOST_CURVES]
    gap = 0.12 * min(np.diff(snrs_db)) / max(len(shown), 1)
    for k, system in enumerate(shown):
        values = results.of(system.name, metric)
        found = [mean_interval(values[results.where(CONDITION, step)]) for step in steps]
        mean = np.array([one.mean for one in found])
        spread = np.array([[one.mean - one.low, one.high - one.mean] for one in found]).T
        axes.errorbar(
            np.array(snrs_db) + gap * (k - (len(shown) - 1) / 2),
            mean,
            np.nan_to_num(spread),
            color=COLOURS[k],
            marker=MARKERS[k],
            markersize=5,
            linewidth=1.6,
            elinewidth=0.9,
            capsize=2,
            linestyle="--" if system.kind == "bound" else "-",
            label=system.name,
        )
    unit = METRICS[metric].unit
    better = "higher is better" if METRICS[metric].higher_is_better else "lower is better"
    axes.set_title(f"{metric}{f' ({unit})' if unit else ''}, {better}", size=10)
    axes.set_xlabel("input SNR (dB)")
    axes.set_xticks(snrs_db)
    axes.grid(alpha=0.25)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
