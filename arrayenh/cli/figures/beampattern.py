"""Figure of `arrayenh arrays beampattern`: map, polar cuts and curves."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from arrayenh.beamformers.beampattern import BEAMFORMERS, Hearing, hear
from arrayenh.drawing import new_figure
from arrayenh.microphones.mic_array import MicArray

if TYPE_CHECKING:
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

FLOOR_DB = -30.0  # lowest level drawn
CURVE_STYLES = (
    ("#0072b2", "-"),
    ("#d55e00", "--"),
)  # colour-blind safe
HALF_POWER_DB = 10 * float(np.log10(0.5))
N_CUTS = 4
N_CURVE = 193


def plot_hearing(array: MicArray, hearing: Hearing) -> Figure:
    """Draw the pattern over azimuth and frequency, polar cuts, and the two gains.

    Parameters
    ----------
    array : MicArray
    hearing : Hearing
        Results at the frequencies of the polar cuts, of which at most four are drawn.

    Returns
    -------
    figure : matplotlib.figure.Figure
        Belongs to the caller; pyplot is not involved.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    design = hearing.design
    dense = np.geomspace(min(100.0, hearing.freqs[0]), max(8000.0, hearing.freqs[-1]), N_CURVE)
    whole = hear(array, design, dense, step_deg=0.5)
    figure = new_figure((10, 11))
    middle: dict[str, Any] = {"ha": "center", "va": "center", "parse_math": False}
    figure.text(0.5, 0.975, array.name, size=15, weight="bold", **middle)
    figure.text(0.5, 0.952, design.words, size=9.5, color="0.35", **middle)
    _draw_map(figure, whole)
    _draw_cuts(figure, hearing, _highest_db(whole))
    curves = {BEAMFORMERS[design.beamformer]: whole}
    if design.beamformer != "das":
        plain = replace(design, beamformer="das", loading=None, least_wng_db=None)
        curves[BEAMFORMERS["das"]] = hear(array, plain, dense)
    _draw_curves(figure, curves)
    return figure


def _highest_db(whole: Hearing) -> float:
    """Highest level, 0 dB or more if side lobes exceed the look direction."""
    return max(0.0, 3 * float(np.ceil((whole.level_db.max() - 0.1) / 3)))


def _draw_map(figure: Figure, whole: Hearing) -> None:
    axes = figure.add_axes((0.085, 0.61, 0.80, 0.31))
    levels = np.maximum(whole.level_db, 2 * FLOOR_DB)  # contours need finite numbers
    colours = axes.pcolormesh(
        whole.azimuths_deg,
        whole.freqs,
        levels,
        vmin=FLOOR_DB,
        vmax=_highest_db(whole),
        cmap="viridis",  # perceptually uniform, also with colour blindness and in print
        shading="gouraud",
        rasterized=True,
    )
    if levels.min() < HALF_POWER_DB:
        axes.contour(
            whole.azimuths_deg,
            whole.freqs,
            levels,
            levels=[HALF_POWER_DB],
            colors="black",
            linestyles="solid",
            linewidths=0.9,
        )
    look = (whole.design.doa_deg + 180) % 360 - 180
    axes.axvline(look, color="black", linestyle=":", linewidth=1.4)
    axes.set_title("beampattern (line: -3 dB; dotted: look direction)", size=9.5, loc="left")
    axes.set_xticks(np.arange(-180, 181, 45))
    axes.set_xlabel("azimuth (degrees, counter-clockwise from forward)")
    axes.set_yscale("log")
    _set_octaves(axes.yaxis, whole.freqs)
    axes.set_ylabel("frequency (Hz)")
    bar = figure.colorbar(colours, cax=figure.add_axes((0.905, 0.61, 0.018, 0.31)), extend="min")
    bar.set_label("level (dB, look direction at 0)")


def _draw_cuts(figure: Figure, hearing: Hearing, highest_db: float) -> None:
    """Draw the beampattern around the array at four evenly spread frequencies."""
    n_freqs = len(hearing.freqs)
    chosen = np.unique(np.linspace(0, n_freqs - 1, N_CUTS).round().astype(int))
    azimuths = np.deg2rad(hearing.azimuths_deg)
    look = np.deg2rad(hearing.design.doa_deg)
    figure.text(0.085, 0.547, "polar cuts in the horizontal plane (dB)", size=9.5, va="top")
    for k, f in enumerate(chosen):
        place = (0.093 + 0.2243 * k, 0.328, 0.154, 0.140)
        axes: Any = figure.add_axes(place, projection="polar")
        axes.plot(azimuths, np.maximum(hearing.level_db[f], FLOOR_DB), color=CURVE_STYLES[0][0])
        axes.plot([look, look], [FLOOR_DB, highest_db], "k:", linewidth=1.2)
        axes.set_ylim(FLOOR_DB, highest_db)
        axes.set_rgrids(np.arange(FLOOR_DB + 10, 1, 10), angle=67.5, size=7, color="0.3")
        axes.set_thetagrids(np.arange(0, 360, 90), ["0°", "90°", "180°", "-90°"], size=8)
        axes.tick_params(axis="x", pad=1)
        axes.grid(color="0.85", linewidth=0.7)
        axes.set_title(_hertz(hearing.freqs[f]), size=10, pad=13)


def _draw_curves(figure: Figure, curves: dict[str, Hearing]) -> None:
    labels = "directivity index (dB)", "white-noise gain (dB)"
    for k, label in enumerate(labels):
        axes = figure.add_axes((0.085 + 0.485 * k, 0.06, 0.353, 0.195))
        lowest = highest = 0.0
        for name, heard in curves.items():
            gain_db = heard.wng_db if k else heard.directivity_db
            lowest, highest = min(lowest, gain_db.min()), max(highest, gain_db.max())
            colour, line = CURVE_STYLES[name == BEAMFORMERS["das"] and len(curves) > 1]
            axes.plot(heard.freqs, gain_db, line, label=name, color=colour, linewidth=1.7)
        axes.axhline(0, color="0.6", linewidth=0.8, zorder=0)
        axes.set_ylim(lowest - 1, highest + 1)
        axes.set_xscale("log")
        axes.set_xlim(heard.freqs[0], heard.freqs[-1])
        _set_octaves(axes.xaxis, heard.freqs)
        axes.set_xlabel("frequency (Hz)")
        axes.set_ylabel(label)
        axes.grid(color="0.9", linewidth=0.7)
        axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8.5, loc="best")


def _set_octaves(axis: Axis, freqs: np.ndarray) -> None:
    """Set ticks at the octaves around 1 kHz."""
    octaves = 1000 * 2.0 ** np.arange(-6, 7)
    ticks = octaves[(octaves >= freqs[0] * 0.999) & (octaves <= freqs[-1] * 1.001)]
    axis.set_ticks(ticks, [f"{tick:g}" if tick < 1000 else f"{tick / 1000:g}k" for tick in ticks])
    axis.set_ticks([], minor=True)


def _hertz(freq: float) -> str:
    return f"{freq:g} Hz" if freq < 1000 else f"{freq / 1000:g} kHz"
