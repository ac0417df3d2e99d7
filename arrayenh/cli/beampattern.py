"""`arrayenh arrays beampattern`: from where an array hears, as a table and as a figure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from arrayenh import beamformers
from arrayenh.acoustics.coherence import diffuse_coherence
from arrayenh.acoustics.steering import plane_wave
from arrayenh.beamformers import directivity as patterns
from arrayenh.beamformers.superdirective import DIFFUSE_LOADING
from arrayenh.chain.settings import LEAST_LOADING
from arrayenh.checks import one_of, within
from arrayenh.cli import terminal
from arrayenh.errors import ConfigError
from arrayenh.microphones.mic_array import MicArray
from arrayenh.statistics.loading import LOADING

if TYPE_CHECKING:
    pass

BEAMFORMERS = {"das": "delay-and-sum", "superdirective": "superdirective"}
FIELDS = ("spherical", "cylindrical")
OCTAVES = (125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0)
HEARING_AID_PAIR = 0.02  # metres; two microphones no farther apart look along their line

SHADES = ((-3, "█"), (-6, "▓"), (-12, "▒"), (-20, "░"), (-np.inf, "·"))
COLUMN = 10  # degrees that one character stands for
STRIP_HEADER = "-180    -90       0        90     180"


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
        loading = LOADING if held else DIFFUSE_LOADING
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
    from arrayenh.cli.figures.array import FIGURE_SUFFIXES, write_figure
    from arrayenh.cli.figures.beampattern import plot_hearing
    from arrayenh.cli.outputs import check_file, check_folder

    check_file(output, overwrite)
    check_folder(output.parent)
    if output.suffix.lower() not in FIGURE_SUFFIXES:
        raise ConfigError(f"-o {output} should end in {', '.join(FIGURE_SUFFIXES)}")
    write_figure(plot_hearing(array, hearing), output)
