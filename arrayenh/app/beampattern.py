"""`arrayenh arrays beampattern`: from where an array hears, as a table and as a figure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from arrayenh.app import terminal
from arrayenh.config import LEAST_LOADING, one_of, within
from arrayenh.errors import ConfigError
from arrayenh.mic_array import MicArray
from arrayenh.spatial import beamformers, patterns
from arrayenh.spatial.coherence import diffuse_coherence
from arrayenh.spatial.steering import plane_wave

if TYPE_CHECKING:
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

BEAMFORMERS = {"das": "delay-and-sum", "superdirective": "superdirective"}
FIELDS = ("spherical", "cylindrical")
OCTAVES = (125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0)
HEARING_AID_PAIR = 0.02  # metres; two microphones no farther apart look along their line

FLOOR_DB = -30.0  # of figures
SHADES = ((-3, "█"), (-6, "▓"), (-12, "▒"), (-20, "░"), (-np.inf, "·"))
COLUMN = 10  # degrees that one character stands for
STRIP_HEADER = "-180    -90       0        90     180"

CURVE_STYLES = (("#0072b2", "-"), ("#d55e00", "--"))  # told apart by any eye, and without colour
HALF_POWER_DB = 10 * float(np.log10(0.5))
N_CUTS = 4
N_CURVE = 193


@dataclass(frozen=True, slots=True)
class Design:
    """What is to be looked at.

    Attributes
    ----------
    beamformer : {"das", "superdirective"}
    doa_deg : float
        Look direction, azimuth.
    reason : str
        Why that direction.
    field : {"spherical", "cylindrical"}
        Noise of the directivity index, and against which superdirective weights are made.
    loading : float or None
        None for delay-and-sum.
    least_wng_db : float or None
    """

    beamformer: str
    doa_deg: float
    reason: str
    field: str
    loading: float | None
    least_wng_db: float | None

    def __post_init__(self) -> None:
        one_of("beamformer", self.beamformer, tuple(BEAMFORMERS))
        one_of("field", self.field, FIELDS)
        within("doa", self.doa_deg, -360, 360)
        if self.loading is not None:
            within("loading", self.loading, LEAST_LOADING, 1)
        if self.least_wng_db is not None:
            within("--min-wng", self.least_wng_db, -120, 60)

    @property
    def words(self) -> str:
        """One line for people."""
        towards = f"towards {self.doa_deg:g}° ({self.reason})"
        how = "" if self.loading is None else f", loading {self.loading:g}"
        if self.least_wng_db is not None:
            how += f" or more for a white-noise gain of {self.least_wng_db:g} dB"
        return f"{BEAMFORMERS[self.beamformer]} {towards}, {self.field} noise field{how}"


@dataclass(frozen=True, slots=True, eq=False)
class Hearing:
    """How a design hears at F frequencies, from A directions; angles in degrees.

    Attributes
    ----------
    design : Design
    freqs : ndarray, shape (F,)
        Hz.
    directivity_db, wng_db, beamwidth_deg : ndarray, shape (F,)
    azimuths_deg : ndarray, shape (A,)
    level_db : ndarray, shape (F, A)
    """

    design: Design
    freqs: np.ndarray
    directivity_db: np.ndarray
    wng_db: np.ndarray
    beamwidth_deg: np.ndarray
    azimuths_deg: np.ndarray
    level_db: np.ndarray


def frequencies(text: str | None) -> np.ndarray:
    """Frequencies from a list in Hz, in rising order; the octaves where there is none."""
    if text is None:
        return np.array(OCTAVES)
    try:
        freqs = sorted({float(part) for part in text.split(",")})
    except ValueError as error:
        raise ConfigError(f"--freq wants Hz like 500,1000,2000; got {text!r}") from error
    for freq in freqs:
        within("--freq", freq, 10, 96000)
    return np.array(freqs)


def design_for(
    array: MicArray,
    beamformer: str,
    doa_deg: float | None,
    field: str,
    loading: float | None,
    least_wng_db: float | None,
) -> Design:
    """The design asked for; what was not asked follows from the array."""
    if beamformer == "das" and (loading is not None or least_wng_db is not None):
        raise ConfigError("--loading and --min-wng need --beamformer superdirective")
    if beamformer == "superdirective" and loading is None:
        held = least_wng_db is not None
        loading = beamformers.LOADING if held else beamformers.DIFFUSE_LOADING
    doa_deg, reason = look_direction(array) if doa_deg is None else (doa_deg, "as asked")
    return Design(beamformer, doa_deg, reason, field, loading, least_wng_db)


def look_direction(array: MicArray) -> tuple[float, str]:
    """Azimuth, in degrees, that an array is likely to be used for, and what it is there.

    Hearing-aid pairs look along their line; other lines across it, to the front or left;
    all else forward.
    """
    spread = np.linalg.svd(array.centred().positions, full_matrices=False)[2][0]
    upright = np.hypot(spread[0], spread[1]) < 1e-3
    if array.n_mics == 1 or not array.is_linear or upright:
        return 0.0, "forward"
    axis_deg = float(np.rad2deg(np.arctan2(spread[1], spread[0])).round(6))
    across = [(axis_deg + turn + 180) % 360 - 180 for turn in (90, -90)]
    along = [axis_deg, (axis_deg + 360) % 360 - 180]
    pair = array.n_mics == 2 and array.aperture <= HEARING_AID_PAIR
    choice = min(along if pair else across, key=lambda deg: (abs(deg), -deg))
    return choice + 0.0, "endfire" if pair else "broadside"


def hear(array: MicArray, design: Design, freqs: np.ndarray, step_deg: float = 1.0) -> Hearing:
    """Design the weights and measure them."""
    doa, positions = float(np.deg2rad(design.doa_deg)), array.positions
    steering = plane_wave(positions, doa, freqs)
    if design.loading is None:
        weights = beamformers.delay_and_sum(steering)
    else:
        weights = beamformers.superdirective(
            steering,
            diffuse_coherence(positions, freqs, design.field),
            design.loading,
            least_wng_db=design.least_wng_db,
        )
    azimuths_deg = np.linspace(-180, 180, round(360 / step_deg) + 1)
    pattern = patterns.beampattern(weights, positions, freqs, np.deg2rad(azimuths_deg))
    return Hearing(
        design,
        freqs,
        patterns.directivity_index(weights, steering, positions, freqs, design.field),
        patterns.white_noise_gain(weights, steering),
        np.rad2deg(patterns.beamwidth(weights, positions, freqs, doa)),
        azimuths_deg,
        patterns.level_db(pattern),
    )


def show(array: MicArray, hearing: Hearing) -> None:
    """A hearing for people: a row for each frequency, with its pattern in characters."""
    terminal.out.print(terminal.escape(f"{array.name}: {hearing.design.words}"))
    columns = ("Hz", "DI dB", "WNG dB", "beamwidth °", STRIP_HEADER)
    rows = (
        (f"{freq:g}", f"{index:.1f}", f"{gain:.1f}", f"{width:.0f}", strip)
        for freq, index, gain, width, strip in zip(
            hearing.freqs,
            hearing.directivity_db,
            hearing.wng_db,
            hearing.beamwidth_deg,
            strips(hearing),
            strict=True,
        )
    )
    terminal.show_table("", columns, rows)
    shades = "  ".join(f"{shade} {least:g} dB" for least, shade in SHADES[:-1])
    terminal.out.print(f"pattern by azimuth, the most within {COLUMN}°: {shades} or more")
    terminal.out.print("DI: directivity index; WNG: white-noise gain; beamwidth to -3 dB")


def strips(hearing: Hearing) -> list[str]:
    """The pattern of each frequency in 37 characters, azimuth -180 to 180 degrees.

    A character shows the loudest direction of its 10 degrees, so that no lobe is missed.
    """
    middles = np.arange(-180, 181, COLUMN)
    apart = np.abs((hearing.azimuths_deg - middles[:, None] + 180) % 360 - 180)
    near = apart <= COLUMN / 2  # (37, A)
    return ["".join(_shade(level[column].max()) for column in near) for level in hearing.level_db]


def _shade(level_db: float) -> str:
    return next(shade for least, shade in SHADES if level_db >= least)


def as_dict(array: MicArray, hearing: Hearing) -> dict[str, Any]:
    """The same for scripts."""
    design = hearing.design
    return {
        "name": array.name,
        "beamformer": design.beamformer,
        "doa_deg": design.doa_deg,
        "doa_reason": design.reason,
        "field": design.field,
        "loading": design.loading,
        "min_wng_db": design.least_wng_db,
        "freqs_hz": hearing.freqs.tolist(),
        "directivity_index_db": hearing.directivity_db.tolist(),
        "white_noise_gain_db": hearing.wng_db.tolist(),
        "beamwidth_deg": hearing.beamwidth_deg.tolist(),
        "azimuths_deg": hearing.azimuths_deg.tolist(),
        "beampattern_db": hearing.level_db.tolist(),
    }


def save(array: MicArray, hearing: Hearing, output: Path, overwrite: bool) -> None:
    """Write the figure, in the format that the suffix says."""
    from arrayenh.app.array_view import FIGURE_SUFFIXES, write_figure
    from arrayenh.app.outputs import check_file, check_folder

    check_file(output, overwrite)
    check_folder(output.parent)
    if output.suffix.lower() not in FIGURE_SUFFIXES:
        raise ConfigError(f"-o {output} should end in {', '.join(FIGURE_SUFFIXES)}")
    write_figure(plot_hearing(array, hearing), output)


def plot_hearing(array: MicArray, hearing: Hearing) -> Figure:
    """Draw the pattern over azimuth and frequency, polar cuts, and the two gains.

    Parameters
    ----------
    array : MicArray
    hearing : Hearing
        Its frequencies are those of the polar cuts, four of them at most.

    Returns
    -------
    figure : matplotlib.figure.Figure
        Belongs to the caller; pyplot is not involved.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    from arrayenh.app.array_view import new_figure

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
    """0 dB, or more where side lobes are louder than the look direction."""
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
        cmap="viridis",  # as bright to the colour-blind, and on paper
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
    """The pattern around the array at four frequencies, spread evenly over those there are."""
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
    """Ticks at the octaves around 1 kHz."""
    octaves = 1000 * 2.0 ** np.arange(-6, 7)
    ticks = octaves[(octaves >= freqs[0] * 0.999) & (octaves <= freqs[-1] * 1.001)]
    axis.set_ticks(ticks, [f"{tick:g}" if tick < 1000 else f"{tick / 1000:g}k" for tick in ticks])
    axis.set_ticks([], minor=True)


def _hertz(freq: float) -> str:
    return f"{freq:g} Hz" if freq < 1000 else f"{freq / 1000:g} kHz"
