"""`arrayenh arrays beampattern`: the beampattern of an array, as a table and as a figure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from arrayenh.beamformers.beampattern import Design, Hearing, look_direction
from arrayenh.beamformers.superdirective import DIFFUSE_LOADING
from arrayenh.checks import within
from arrayenh.cli import terminal
from arrayenh.errors import ConfigError
from arrayenh.microphones.mic_array import MicArray
from arrayenh.statistics.loading import LOADING

OCTAVES = (125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0)
SHADES = ((-3, "█"), (-6, "▓"), (-12, "▒"), (-20, "░"), (-np.inf, "·"))
COLUMN = 10  # degrees that one character stands for
STRIP_HEADER = "-180    -90       0        90     180"


def frequencies(text: str | None) -> np.ndarray:
    """Parse a list of frequencies in Hz, sorted; the octaves by default."""
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
    """Beamformer design from the options; defaults depend on the array."""
    if beamformer == "das" and (loading is not None or least_wng_db is not None):
        raise ConfigError("--loading and --min-wng need --beamformer superdirective")
    if beamformer == "superdirective" and loading is None:
        held = least_wng_db is not None
        loading = LOADING if held else DIFFUSE_LOADING
    doa_deg, reason = look_direction(array) if doa_deg is None else (doa_deg, "as asked")
    return Design(beamformer, doa_deg, reason, field, loading, least_wng_db)


def show(array: MicArray, hearing: Hearing) -> None:
    """Print a table: a row for each frequency, with its beampattern in characters."""
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
    terminal.out.print(f"pattern by azimuth, the highest level within {COLUMN}°: {shades} or more")
    terminal.out.print("DI: directivity index; WNG: white-noise gain; beamwidth to -3 dB")


def strips(hearing: Hearing) -> list[str]:
    """The pattern of each frequency in 37 characters, azimuth -180 to 180 degrees.

    A character shows the highest level within its 10 degrees, so that no lobe is missed.
    """
    middles = np.arange(-180, 181, COLUMN)
    apart = np.abs((hearing.azimuths_deg - middles[:, None] + 180) % 360 - 180)
    near = apart <= COLUMN / 2  # (37, A)
    return ["".join(_shade(level[column].max()) for column in near) for level in hearing.level_db]


def _shade(level_db: float) -> str:
    return next(shade for least, shade in SHADES if level_db >= least)


def as_dict(array: MicArray, hearing: Hearing) -> dict[str, Any]:
    """Beampattern and gains for JSON."""
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
    """Write the figure; the suffix sets the format."""
    from arrayenh.cli.figures.array import FIGURE_SUFFIXES, write_figure
    from arrayenh.cli.figures.beampattern import plot_hearing
    from arrayenh.cli.outputs import check_folder
    from arrayenh.files import check_free

    check_free(output, overwrite)
    check_folder(output.parent)
    if output.suffix.lower() not in FIGURE_SUFFIXES:
        raise ConfigError(f"-o {output} should end in {', '.join(FIGURE_SUFFIXES)}")
    write_figure(plot_hearing(array, hearing), output, overwrite)
