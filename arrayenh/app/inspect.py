"""`arrayenh inspect`: what is in a recording, channel by channel."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from arrayenh.app import terminal
from arrayenh.app.inputs import find, selection

if TYPE_CHECKING:
    import numpy as np

    from arrayenh.audio import RecordingFile
    from arrayenh.channels import ChannelReport


@dataclass(frozen=True, slots=True, eq=False)
class Inspection:
    """What was found in a recording; levels (M, bands) in dBFS around `centres`, Hz."""

    recording: str
    source: "RecordingFile"
    reports: "tuple[ChannelReport, ...]"
    centres: list[float]
    levels_dbfs: "np.ndarray"


def command(
    recording: Annotated[str, typer.Argument(metavar="REC", help="As for 'arrayenh enhance'.")],
    mics: Annotated[int | None, typer.Option(help="The first so many channels.")] = None,
    channels: Annotated[str | None, typer.Option(metavar="LIST", help="These channels.")] = None,
    pad: Annotated[bool, typer.Option("--pad", help="Fill up shorter mono files.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print levels, faults and octave-band spectra of every channel."""
    names = [name for name, _ in find(recording)]
    chosen = selection(mics, channels)
    found: list[Inspection] = []
    failed: list[str] = []
    for name in names:
        try:
            found.append(look(name, mics, chosen, pad))
        except terminal.FAILURES as error:
            if len(names) == 1:
                raise
            failed.append(f"{name}: {terminal.words(error)}")
    if as_json:
        results = [as_dict(inspection) for inspection in found]
        terminal.show_json(results[0] if len(names) == 1 else results)
    else:
        for inspection in found:
            show(inspection)
    if failed:
        terminal.say(f"{len(failed)} of {len(names)} recordings cannot be read:")
        for line in failed:
            terminal.say(f"  {line}")
        raise typer.Exit(1)


def look(
    recording: str, mics: int | None, channels: tuple[int, ...] | None, pad: bool
) -> Inspection:
    """Hear a recording once, in blocks."""
    from arrayenh.audio import open_recording
    from arrayenh.channels import ChannelSurvey
    from arrayenh.spectra import OctaveBands

    source = open_recording(recording, mics, channels, pad)
    survey = ChannelSurvey(source.n_mics, source.sample_rate, source.channels)
    bands = OctaveBands(source.n_mics, source.sample_rate)
    with terminal.progress(source.n_samples, source.name) as progress:
        done = 0
        for block in source.blocks():
            survey.update(block)
            bands.update(block)
            progress(done := done + block.shape[1])
    return Inspection(recording, source, survey.report(), bands.centres, bands.levels_dbfs())


def show(inspection: Inspection) -> None:
    """An inspection for people."""
    from arrayenh.channels import faults_text

    source, reports = inspection.source, inspection.reports
    terminal.out.print(
        f"{terminal.escape(source.name)}: {source.n_mics} channel{'s' * (source.n_mics > 1)}, "
        f"{source.n_samples / source.sample_rate:.2f} s, {source.sample_rate} Hz, {source.subtype}"
    )
    columns = ("channel", "level dBFS", "peak dBFS", "crest dB", "DC", "clipped %", "faults")
    terminal.show_table("Channels", columns, map(row, source.channels, reports), prose=("faults",))
    named = [f"{centre:g} Hz" for centre in inspection.centres]
    spectra = (
        (str(channel), *("n/a" if level != level else f"{level:.0f}" for level in levels))
        for channel, levels in zip(source.channels, inspection.levels_dbfs, strict=True)
    )
    terminal.show_table("Octave bands, dBFS", ("channel", *named), spectra)
    terminal.warn(line for report in reports for line in faults_text(report))


def row(channel: int, report: "ChannelReport") -> tuple[str, ...]:
    """A channel as cells."""
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
    """The same for scripts."""
    source = inspection.source
    return {
        "input": inspection.recording,
        "name": source.name,
        "sample_rate": source.sample_rate,
        "n_samples": source.n_samples,
        "subtype": source.subtype,
        "octave_bands_hz": inspection.centres,
        "channels": [
            {
                "channel": channel,
                **{key: getattr(report, key) for key in report.__dataclass_fields__},
                "octave_levels_dbfs": levels.tolist(),
            }
            for channel, report, levels in zip(
                source.channels, inspection.reports, inspection.levels_dbfs, strict=True
            )
        ],
    }
