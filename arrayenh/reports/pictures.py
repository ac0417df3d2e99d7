"""Figures of spectrograms with axes, for a README, a paper or a study.

Reports use the module `spectrogram` instead, which needs no plotting package.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from arrayenh.drawing import drawn, new_figure
from arrayenh.errors import ShapeError
from arrayenh.files import write_whole
from arrayenh.reports.output import check_output
from arrayenh.reports.spectrogram import (
    RANGE_DB,
    loudest_db,
    palette,
    spectrogram_db,
    top_frequency,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANEL = "#16191d"
"""Background: a dark panel suits light pages, dark pages and print."""

INK, SOFT, WAVE = "#e6e9ec", "#a3adb7", "#5cc0d3"
PANEL_WIDTH = 4.4
"""Size of each spectrogram, inches."""

WAVE_COLUMNS = 800
DOTS_PER_INCH = 120


def save_before_after(
    path: str | os.PathLike[str],
    before: np.ndarray,
    after: np.ndarray,
    sample_rate: int,
    labels: tuple[str, str] = ("before", "after"),
    overwrite: bool = False,
) -> Path:
    """Save two spectrograms side by side as PNG, atomically.

    Parameters
    ----------
    path : path
        Ends in .png.
    before, after : float ndarray, shape (N,)
    sample_rate : int
        Hz.
    labels : pair of str
    overwrite : bool
        Replace an existing file.

    Returns
    -------
    path : Path

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    ShapeError
        If the two are not waveforms of one length.
    ConfigError
        If the name does not end in .png.
    AudioError
        If the file exists, the folder does not, or it cannot be written.
    """
    path = check_output(path, (".png",), overwrite)
    figure = spectrogram_figure([before, after], sample_rate, labels)
    return write_whole(path, drawn(figure, "png", DOTS_PER_INCH), overwrite=overwrite)


def spectrogram_figure(
    signals: Sequence[np.ndarray], sample_rate: int, labels: Sequence[str]
) -> Figure:
    """Draw signals side by side, each a waveform above a spectrogram, all on one scale.

    Parameters
    ----------
    signals : sequence of float ndarray, shape (N,)
    sample_rate : int
        Hz.
    labels : sequence of str
        A title for each.

    Returns
    -------
    figure : matplotlib.figure.Figure
        Belongs to the caller; pyplot is not involved.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    ShapeError
        If there is no signal, the signals are not waveforms of one length, or the number of
        labels differs.
    """
    _check(signals, labels)
    width = PANEL_WIDTH * len(signals) + 1.2
    figure = new_figure((width, 3.3), facecolor=PANEL, layout="constrained")
    from matplotlib.colors import ListedColormap

    grid = figure.subplots(
        2, len(signals), sharex=True, sharey="row", squeeze=False,
        gridspec_kw={"height_ratios": (1, 3.2)},
    )  # fmt: skip
    levels = [spectrogram_db(signal, sample_rate) for signal in signals]
    loudest = loudest_db(levels)
    duration = signals[0].size / sample_rate
    for (wave, picture), signal, level, label in zip(grid.T, signals, levels, labels, strict=True):
        wave.set_title(label, color=INK, size=11, loc="left", parse_math=False)
        _draw_wave(wave, signal, duration)
        image = picture.imshow(
            level - loudest,
            vmin=-RANGE_DB, vmax=0, cmap=ListedColormap(palette() / 255),
            extent=(0, duration, 0, top_frequency(sample_rate) / 1000),
            origin="lower", aspect="auto", interpolation="nearest",
        )  # fmt: skip
        _style(picture)
        picture.set_xlabel("time (s)", color=SOFT, size=9)
    grid[1, 0].set_ylabel("frequency (kHz)", color=SOFT, size=9)
    peak = max(float(np.abs(signal).max()) for signal in signals) or 1.0
    grid[0, 0].set_ylim(-1.05 * peak, 1.05 * peak)
    bar = figure.colorbar(image, ax=grid[1, :], pad=0.015, fraction=0.03, aspect=22)
    bar.set_label("level (dB)", color=SOFT, size=9)
    bar.outline.set_visible(False)
    _style(bar.ax)
    return figure


def _check(signals: Sequence[np.ndarray], labels: Sequence[str]) -> None:
    if not signals or len(labels) != len(signals):
        raise ShapeError(
            f"one label for each signal is needed; got {len(signals)} signals and "
            f"{len(labels)} labels"
        )
    n_samples = np.size(signals[0])
    for signal in signals:
        if np.shape(signal) != (n_samples,) or n_samples == 0:
            raise ShapeError(
                f"signals must have shape (N,), N > 0 and one length; got "
                f"{np.shape(signal)}, the first has {n_samples} samples"
            )


def _draw_wave(axes: Axes, signal: np.ndarray, duration: float) -> None:
    starts = np.arange(min(WAVE_COLUMNS, signal.size)) * signal.size
    starts //= min(WAVE_COLUMNS, signal.size)
    low = np.minimum.reduceat(signal, starts)
    high = np.maximum.reduceat(signal, starts)
    times = starts * (duration / signal.size)
    axes.fill_between(times, low, high, color=WAVE, linewidth=0.4)
    axes.set_xlim(0, duration)
    axes.axis("off")


def _style(axes: Axes) -> None:
    axes.set_facecolor(PANEL)
    axes.tick_params(colors=SOFT, labelsize=8, length=2.5)
    axes.spines[:].set_visible(False)
