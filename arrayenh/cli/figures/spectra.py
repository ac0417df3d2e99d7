"""Figure of `arrayenh inspect --plot`: long-term spectra, before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from arrayenh.drawing import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from arrayenh.cli.inspection import Inspection

BEFORE, AFTER, OTHERS = "#5b6b7b", "#d55e00", "#c3cbd3"
LOUDER, SOFTER = "#cc79a7", "#0072b2"
LOWEST_HZ = 50.0
OCTAVE_PARTS = 6
"""Spectra are averaged over this fraction of an octave, because dense lines are illegible."""

POINTS_PER_OCTAVE, POINTS_AVERAGED = 24, 65
LEAST_RANGE_DB, RANGE_DB = 40.0, 90.0
"""Least and largest range below the highest level, dB."""

MOST_CHANGE_DB = 60.0
"""Largest change drawn, dB; a change from silence is infinite."""

TICKS_HZ = (50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000)
CURVES = (0.09, 0.11, 0.87, 0.74)
CURVES_ABOVE, CHANGE = (0.09, 0.36, 0.87, 0.50), (0.09, 0.09, 0.87, 0.215)
MIDDLE: dict[str, Any] = {"ha": "center", "va": "center", "parse_math": False}


def plot_spectra(before: Inspection, after: Inspection | None = None) -> Figure:
    """Draw the long-term spectra of one or two recordings on one scale.

    The first channel of each is a strong line; the other channels of the first recording are
    pale lines. A dot marks the centroid, a triangle the 95 % roll-off. The lower plot is the
    change from the first channel of one recording to that of the other.

    Parameters
    ----------
    before : Inspection
    after : Inspection, optional

    Returns
    -------
    figure : matplotlib.figure.Figure
        Belongs to the caller; pyplot is not involved.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    figure = new_figure((9, 4.8 if after is None else 6.4))
    figure.text(0.5, 0.957, before.source.name, size=13, weight="bold", **MIDDLE)
    figure.text(0.5, 0.908, subtitle(before, after), size=9, color="0.35", **MIDDLE)
    freqs = log_frequencies(before, after)
    axes = figure.add_axes(CURVES if after is None else CURVES_ABOVE)
    for density in before.spectrum.density()[1:]:
        axes.plot(freqs, level_db(before, density, freqs), color=OTHERS, linewidth=0.8)
    name = f"channel {before.source.channels[0]}" if after is None else "before"
    curves = [draw_curve(axes, before, freqs, name, BEFORE)]
    if after is not None:
        curves.append(draw_curve(axes, after, freqs, "after", AFTER))
        axes.fill_between(freqs, curves[0], curves[1], color=AFTER, alpha=0.07, linewidth=0)
    set_scale(axes, freqs, curves)
    if after is not None:
        axes.tick_params(axis="x", labelbottom=False)
        below = figure.add_axes(CHANGE, sharex=axes)
        draw_change(below, freqs, difference(*curves))
        axes = below
    axes.set_xlabel("frequency (Hz)", size=9)
    return figure


def subtitle(before: Inspection, after: Inspection | None) -> str:
    """Description of the curves."""
    channel = f"channel {before.source.channels[0]}"
    averaged = f"averaged over 1/{OCTAVE_PARTS} octave"
    if after is not None:
        return f"{channel} before, {after.source.name} after; {averaged}"
    others = f", the other {before.source.n_mics - 1} pale" if before.source.n_mics > 1 else ""
    return f"{channel}{others}; {averaged}"


def log_frequencies(before: Inspection, after: Inspection | None) -> np.ndarray:
    """Frequencies of the curves, evenly spaced in octaves, Hz."""
    rates = [found.source.sample_rate for found in (before, after) if found is not None]
    highest = min(rates) / 2 / 2 ** (0.5 / OCTAVE_PARTS)
    n_points = round(np.log2(highest / LOWEST_HZ) * POINTS_PER_OCTAVE)
    return np.geomspace(LOWEST_HZ, highest, n_points)


def level_db(inspection: Inspection, density: np.ndarray, freqs: np.ndarray) -> np.ndarray:
    """Density around each frequency, the mean over 1/6 octave, dB re full scale in 1 Hz."""
    around = freqs[:, None] * 2 ** (np.linspace(-0.5, 0.5, POINTS_AVERAGED) / OCTAVE_PARTS)
    with np.errstate(divide="ignore"):
        return 10 * np.log10(np.interp(around, inspection.spectrum.freqs, density).mean(axis=1))


def draw_curve(
    axes: Axes, inspection: Inspection, freqs: np.ndarray, name: str, colour: str
) -> np.ndarray:
    """Draw the first channel with its centroid and roll-off; return its levels."""
    levels = level_db(inspection, inspection.spectrum.density()[0], freqs)
    features = inspection.features[0]
    axes.plot(freqs, levels, color=colour, linewidth=2, label=name)
    for value, marker, what in (
        (features.centroid_hz, "o", "centroid"),
        (features.rolloff_hz, "v", "95 % roll-off"),
    ):
        if freqs[0] <= value <= freqs[-1]:
            axes.plot(
                value, np.interp(value, freqs, levels), marker, color=colour, markersize=8,
                markeredgecolor="white", linestyle="none", label=f"{what} {value:.0f} Hz",
            )  # fmt: skip
    return levels


def difference(before_db: np.ndarray, after_db: np.ndarray) -> np.ndarray:
    """Change of the levels, dB; NaN between two silences."""
    with np.errstate(invalid="ignore"):
        return after_db - before_db


def draw_change(axes: Axes, freqs: np.ndarray, change_db: np.ndarray) -> None:
    """Draw the change in level over frequency, dB."""
    change_db = np.clip(change_db, -MOST_CHANGE_DB, MOST_CHANGE_DB)
    for colour, part in ((SOFTER, np.minimum(change_db, 0)), (LOUDER, np.maximum(change_db, 0))):
        axes.fill_between(freqs, part, color=colour, alpha=0.35, linewidth=0)
    axes.plot(freqs, change_db, color="0.25", linewidth=1.2)
    axes.axhline(0, color="0.25", linewidth=0.8)
    lowest, highest = np.fmin.reduce(change_db, initial=0), np.fmax.reduce(change_db, initial=0)
    margin = 0.08 * max(highest - lowest, 6)
    axes.set_ylim(lowest - margin, highest + margin)
    axes.set_ylabel("change (dB)", size=9)
    style(axes)


def set_scale(axes: Axes, freqs: np.ndarray, curves: list[np.ndarray]) -> None:
    """Set a logarithmic frequency axis, and levels down to 90 dB below the highest."""
    levels = np.concatenate(curves)
    levels = levels[np.isfinite(levels)]
    if levels.size:
        highest = levels.max() + 4
        lowest = min(levels.min() - 4, highest - LEAST_RANGE_DB)
        axes.set_ylim(max(lowest, highest - RANGE_DB), highest)
    else:
        axes.text(0.5, 0.5, "silence", transform=axes.transAxes, ha="center", color="0.4")
    axes.set_xscale("log")
    axes.set_xlim(freqs[0], freqs[-1])
    ticks = [tick for tick in TICKS_HZ if tick <= freqs[-1]]
    axes.set_xticks(ticks, [f"{tick:g}" if tick < 1000 else f"{tick // 1000}k" for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set_ylabel("level in 1 Hz (dBFS)", size=9)
    if levels.size:
        axes.legend(fontsize=8, frameon=False, ncols=len(curves), loc="best")
    style(axes)


def style(axes: Axes) -> None:
    """Set a light grid without a box."""
    axes.tick_params(labelsize=8)
    axes.grid(color="0.92", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
