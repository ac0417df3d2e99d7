"""`arrayenh inspect`: levels, faults and spectra of a recording, channel by channel."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from arrayenh.cli import terminal
from arrayenh.cli.inputs import find, selection
from arrayenh.cli.inspection import Inspection, inspect
from arrayenh.errors import ConfigError

if TYPE_CHECKING:
    from arrayenh.evaluation.metrics.features import SpectralFeatures
    from arrayenh.microphones.diagnostics import ChannelReport

FEATURES = ("centroid Hz", "bandwidth Hz", "flatness", "roll-off Hz")


def command(
    recording: Annotated[
        str, typer.Argument(metavar="REC", help="Recording, as in 'arrayenh enhance'.")
    ],
    mics: Annotated[int | None, typer.Option(help="Use only the first N channels.")] = None,
    channels: Annotated[
        str | None, typer.Option(metavar="LIST", help="Use only these: 0,2,3,5.")
    ] = None,
    pad: Annotated[
        bool, typer.Option("--pad", help="Pad shorter mono files with silence.")
    ] = False,
    against: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Recording to compare with, such as the output."),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also draw the spectra: PNG, SVG or PDF.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing figure.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print levels, faults and spectra of every channel.

    With --against, the first channel of REC is compared with the first channel of FILE.
    """
    names = [name for name, _ in find(recording)]
    chosen = selection(mics, channels)
    check(names, against, plot, overwrite)
    found: list[Inspection] = []
    failed: list[str] = []
    for name in names:
        try:
            found.append(inspect(name, mics, chosen, pad))
        except terminal.FAILURES as error:
            if len(names) == 1:
                raise
            failed.append(f"{name}: {terminal.words(error)}")
    after = inspect(against, None, None, pad) if against is not None else None
    if plot is not None:
        save(found[0], after, plot, overwrite)
    finish(found, after, failed, len(names), as_json)


def check(names: list[str], against: str | None, plot: Path | None, overwrite: bool) -> None:
    """Validate the options before any recording is processed."""
    for option, given in (("--against", against), ("--plot", plot)):
        if given is not None and len(names) > 1:
            raise ConfigError(f"{option} is one file for {len(names)} recordings; inspect one")
    if plot is not None:
        from arrayenh.audio import split_paths
        from arrayenh.cli.figures.array import FIGURE_SUFFIXES
        from arrayenh.cli.outputs import check_folder, refuse_inputs
        from arrayenh.drawing import new_figure
        from arrayenh.files import check_free

        if plot.suffix.lower() not in FIGURE_SUFFIXES:
            raise ConfigError(f"--plot {plot} should end in {', '.join(FIGURE_SUFFIXES)}")
        check_free(plot, overwrite)
        refuse_inputs([plot], [*split_paths(names[0]), *(split_paths(against) if against else ())])
        check_folder(plot.parent)
        new_figure((1, 1))  # raises now if matplotlib is missing


def save(before: Inspection, after: Inspection | None, plot: Path, overwrite: bool) -> None:
    """Draw the long-term spectra."""
    from arrayenh.cli.figures.array import write_figure
    from arrayenh.cli.figures.spectra import plot_spectra
    from arrayenh.cli.outputs import make_folder

    make_folder(plot.parent)
    write_figure(plot_spectra(before, after), plot, overwrite)
    terminal.say(f"written: {plot}")


def finish(
    found: list[Inspection],
    after: Inspection | None,
    failed: list[str],
    n_names: int,
    as_json: bool,
) -> None:
    """Print the results; exit with 1 if a recording failed."""
    if as_json:
        results = [as_dict(inspection) for inspection in found]
        if after is not None:
            results[0] = with_spectrum(found[0])
            results[0]["against"] = with_spectrum(after)
        terminal.show_json(results[0] if n_names == 1 else results)
    else:
        for inspection in (*found, *([after] if after else [])):
            show(inspection)
        if after is not None:
            show_change(found[0], after)
    if failed:
        terminal.say(f"{len(failed)} of {n_names} recordings cannot be read:")
        for line in failed:
            terminal.say(f"  {line}")
        raise typer.Exit(1)


def show(inspection: Inspection) -> None:
    """Print an inspection as text."""
    from arrayenh.microphones.diagnostics import log_lines

    source, reports = inspection.source, inspection.reports
    terminal.out.print(
        f"{terminal.escape(source.name)}: {source.n_mics} channel{'s' * (source.n_mics > 1)}, "
        f"{source.n_samples / source.sample_rate:.2f} s, {source.sample_rate} Hz, {source.subtype}"
    )
    columns = ("channel", "level dBFS", "peak dBFS", "crest dB", "DC", "clipped %", "faults")
    terminal.show_table("Channels", columns, map(row, source.channels, reports), prose=("faults",))
    features = (
        (str(channel), *feature_cells(found))
        for channel, found in zip(source.channels, inspection.features, strict=True)
    )
    terminal.show_table("Spectrum", ("channel", *FEATURES), features)
    spectra = (
        (str(channel), *map(level_cell, levels))
        for channel, levels in zip(source.channels, inspection.levels_dbfs, strict=True)
    )
    terminal.show_table("Octave bands, dBFS", ("channel", *band_names(inspection)), spectra)
    terminal.warn((*source.notes, *log_lines(reports)))


def show_change(before: Inspection, after: Inspection) -> None:
    """Print the first channels of two recordings and their difference as text."""
    import numpy as np

    old, new = (numbers(inspection.features[0]) for inspection in (before, after))
    change = feature_words([b - a for a, b in zip(old, new, strict=True)], sign="+")
    rows = [("before", *feature_words(old)), ("after", *feature_words(new)), ("change", *change)]
    terminal.show_table("Spectrum, before and after", ("", *FEATURES), rows)
    levels = [inspection.levels_dbfs[0] for inspection in (before, after)]
    n_bands = min(map(len, levels))
    old_db, new_db = (level[:n_bands] for level in levels)
    with np.errstate(invalid="ignore"):  # the change between two silences is undefined
        change_db = new_db - old_db
    bands = [
        ("before", *map(level_cell, old_db)),
        ("after", *map(level_cell, new_db)),
        ("change", *(level_cell(level, "+") for level in change_db)),
    ]
    names = band_names(before)[:n_bands]
    terminal.show_table("Octave bands, dBFS, before and after", ("", *names), bands)


def band_names(inspection: Inspection) -> list[str]:
    """Column headings of the octave bands."""
    return [f"{centre:g} Hz" for centre in inspection.centres]


def level_cell(level: float, sign: str = "") -> str:
    """Format a level for a table cell."""
    return "n/a" if level != level else f"{level:{sign}.0f}"


def numbers(features: "SpectralFeatures") -> list[float]:
    """Values of the features in the order of `FEATURES`."""
    return [features.centroid_hz, features.bandwidth_hz, features.flatness, features.rolloff_hz]


def feature_words(values: Sequence[float], sign: str = "") -> Iterator[str]:
    """Format features for table cells."""
    for name, value in zip(FEATURES, values, strict=True):
        digits = 3 if name == "flatness" else 0
        yield "n/a" if value != value else f"{value:{sign}.{digits}f}"


def feature_cells(features: "SpectralFeatures") -> tuple[str, ...]:
    """Format the features of a channel for table cells."""
    return tuple(feature_words(numbers(features)))


def row(channel: int, report: "ChannelReport") -> tuple[str, ...]:
    """Format a channel as a table row."""
    return (
        str(channel),
        f"{report.level_dbfs:.1f}",
        f"{report.peak_dbfs:.1f}",
        f"{report.crest_factor_db:.1f}",
        f"{report.dc_offset:+.4f}",
        f"{100 * report.clipped_fraction:.2f}",
        ", ".join(report.faults) or "-",
    )


def as_dict(inspection: Inspection) -> dict[str, Any]:
    """An inspection for JSON."""
    source = inspection.source
    return {
        "input": inspection.recording,
        "name": source.name,
        "sample_rate": source.sample_rate,
        "n_samples": source.n_samples,
        "subtype": source.subtype,
        "notes": source.notes,
        "octave_bands_hz": inspection.centres,
        "channels": [
            {
                "channel": channel,
                **{key: getattr(report, key) for key in report.__dataclass_fields__},
                **{key: getattr(features, key) for key in features.__dataclass_fields__},
                "octave_levels_dbfs": levels.tolist(),
            }
            for channel, report, features, levels in zip(
                source.channels,
                inspection.reports,
                inspection.features,
                inspection.levels_dbfs,
                strict=True,
            )
        ],
    }


def with_spectrum(inspection: Inspection) -> dict[str, Any]:
    """An inspection with the long-term spectra, for JSON."""
    found = as_dict(inspection)
    found["spectrum_hz"] = inspection.spectrum.freqs.tolist()
    for channel, levels in zip(found["channels"], inspection.spectrum.levels_db(), strict=True):
        channel["spectrum_dbfs_per_hz"] = levels.tolist()
    return found
