"""`arrayenh localize`: directions of the talkers over time."""

import csv as csv_files
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from arrayenh.cli import terminal
from arrayenh.cli.inputs import find, selection
from arrayenh.errors import ConfigError

if TYPE_CHECKING:
    from arrayenh.chain.localisation import Located

LEAST_STEP, MOST_STEP = 0.05, 3600.0  # seconds
COLUMNS = ("time_s", "track", "azimuth_deg", "elevation_deg", "confidence")
HEADER = ("time s", "track", "azimuth °", "elevation °", "confidence")
NO_DIRECTION = "no direction: no speech, or no source above the noise"
WANTED_ARRAY = (
    "localize needs --array NAME|FILE, the microphone positions: a name such as linear4-35mm or "
    "circular6-46mm ('arrayenh arrays list' shows all), or a .json, .csv or .xml file"
)


def command(
    recording: Annotated[
        str, typer.Argument(metavar="REC", help="Recording, as in 'arrayenh enhance'.")
    ],
    array: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="Geometry; required.")
    ] = None,
    mics: Annotated[int | None, typer.Option(help="Use only the first N channels.")] = None,
    channels: Annotated[
        str | None, typer.Option(metavar="LIST", help="Use only these: 0,2,3,5.")
    ] = None,
    method: Annotated[str, typer.Option(help="srp-phat, music or norm-music.")] = "srp-phat",
    talkers: Annotated[
        int | None, typer.Option(metavar="K", help="Highest number of talkers. Default: estimated.")
    ] = None,
    step: Annotated[float, typer.Option(metavar="S", help="Seconds between rows.")] = 0.25,
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write the rows as CSV.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also plot the directions: PNG, SVG or PDF.")
    ] = None,
    pad: Annotated[
        bool, typer.Option("--pad", help="Pad shorter mono files with silence.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the directions of the talkers over time, and over the whole recording.

    Azimuth is counter-clockwise from forward, elevation is upwards from the horizon. A linear
    array resolves only the angle to its axis; a planar array cannot distinguish up from down.
    """
    from arrayenh.chain.localisation import Request, locate

    if array is None:
        raise ConfigError(WANTED_ARRAY)
    request = Request(array, mics, selection(mics, channels), pad, method, talkers, step)
    names = [name for name, _ in find(recording)]
    check(request.step, names, array, {"--csv": csv, "--plot": plot}, overwrite)
    found: list[Located] = []
    failed: list[str] = []
    for name in names:
        try:
            with terminal.progress(1, name) as progress:
                found.append(locate(name, request, progress))
        except terminal.FAILURES as error:
            if len(names) == 1:
                raise
            failed.append(f"{name}: {terminal.words(error)}")
    if found:
        save(found[0], csv, plot, overwrite)
    finish(found, failed, len(names), as_json)


def finish(found: "list[Located]", failed: list[str], n_names: int, as_json: bool) -> None:
    """Print the results; exit with 1 if a recording failed."""
    if as_json:
        results = [as_dict(located) for located in found]
        terminal.show_json(results[0] if n_names == 1 else results)
    else:
        for located in found:
            show(located)
    if failed:
        terminal.say(f"{len(failed)} of {n_names} recordings cannot be localised:")
        for line in failed:
            terminal.say(f"  {line}")
        raise typer.Exit(1)


def check(
    step: float, names: list[str], array: str, outputs: dict[str, Path | None], overwrite: bool
) -> None:
    """Validate the options before any recording is processed."""
    from arrayenh.audio import split_paths
    from arrayenh.checks import within
    from arrayenh.cli.figures.array import FIGURE_SUFFIXES
    from arrayenh.cli.outputs import check_folder, refuse_inputs
    from arrayenh.drawing import new_figure
    from arrayenh.files import check_free

    within("--step", step, LEAST_STEP, MOST_STEP)
    for option, path in outputs.items():
        if path is None:
            continue
        if len(names) > 1:
            raise ConfigError(f"{option} is one file for {len(names)} recordings; localise one")
        check_free(path, overwrite)
        check_folder(path.parent)
        refuse_inputs([path], [*split_paths(names[0]), Path(array)])
    plot = outputs["--plot"]
    if plot is not None:
        if plot.suffix.lower() not in FIGURE_SUFFIXES:
            raise ConfigError(f"--plot {plot} should end in {', '.join(FIGURE_SUFFIXES)}")
        new_figure((1, 1))  # raises now if matplotlib is missing


def save(located: "Located", csv: Path | None, plot: Path | None, overwrite: bool) -> None:
    """Write the rows and the figure if they were requested."""
    from arrayenh.cli.outputs import make_folder
    from arrayenh.files import write_whole

    for path in filter(None, (csv, plot)):
        make_folder(path.parent)
    if csv is not None:
        text = io.StringIO()
        lines = csv_files.writer(text, lineterminator="\n")
        lines.writerow(COLUMNS)
        lines.writerows(row_cells(located, ""))
        write_whole(csv, text.getvalue(), overwrite=overwrite)
        terminal.say(f"written: {csv}")
    if plot is not None:
        from arrayenh.cli.figures.array import write_figure
        from arrayenh.cli.figures.directions import plot_directions

        write_figure(plot_directions(located), plot, overwrite)
        terminal.say(f"written: {plot}")


def show(located: "Located") -> None:
    """Print the results as text."""
    source = located.source
    terminal.warn(located.log)
    terminal.out.print(
        terminal.escape(
            f"{source.name}: {source.n_samples / source.sample_rate:.2f} s, {located.array.name}, "
            f"channels {', '.join(map(str, located.channels))}, {located.config.method}"
        )
    )
    if not located.rows:
        terminal.out.print(NO_DIRECTION)
        return
    terminal.show_table("Directions", HEADER, row_cells(located, "-"))
    columns = ("talker", "azimuth °", "elevation °", "share", "spread °", "confidence")
    terminal.show_table("Talkers, over the whole recording", columns, place_cells(located))
    terminal.out.print(located.grid.words)


def row_cells(located: "Located", unknown: str) -> Iterator[tuple[str, ...]]:
    """Format the rows for table cells."""
    for row in located.rows:
        yield (
            f"{row.time:.2f}",
            str(row.track),
            degrees(row.direction.azimuth, unknown),
            degrees(row.direction.elevation, unknown),
            f"{row.direction.confidence:.2f}",
        )


def place_cells(located: "Located") -> Iterator[tuple[str, ...]]:
    """Format the talkers of the whole recording for table cells."""
    for k, place in enumerate(located.places):
        yield (
            str(k + 1),
            " to ".join(degrees(azimuth, "-") for azimuth in (*place.way, place.azimuth)),
            degrees(place.elevation, "-"),
            f"{100 * place.share:.0f} %",
            degrees(place.spread, "-"),
            f"{place.confidence:.2f}",
        )


def degrees(angle: float, unknown: str) -> str:
    """Format an angle in degrees; `unknown` for NaN."""
    import math

    return unknown if math.isnan(angle) else f"{math.degrees(angle) + 0.0:.1f}"


def as_dict(located: "Located") -> dict[str, Any]:
    """Results for JSON; an angle that the array cannot resolve is null."""
    from math import degrees

    return {
        "input": located.recording,
        "array": located.array.name,
        "channels": located.channels,
        "method": located.config.method,
        "step_s": located.step,
        "hears": located.grid.kind,
        "ambiguity": located.grid.words,
        "talkers": [
            {
                "azimuth_deg": degrees(place.azimuth),
                "elevation_deg": degrees(place.elevation),
                "share": place.share,
                "spread_deg": degrees(place.spread),
                "confidence": place.confidence,
                "came_from_deg": [degrees(azimuth) for azimuth in place.way],
            }
            for place in located.places
        ],
        "directions": [
            {
                "time_s": row.time,
                "track": row.track,
                "azimuth_deg": degrees(row.direction.azimuth),
                "elevation_deg": degrees(row.direction.elevation),
                "confidence": row.direction.confidence,
            }
            for row in located.rows
        ],
        "log": located.log,
    }
