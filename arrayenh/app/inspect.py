"""`arrayenh inspect`: what is in a recording, channel by channel."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from arrayenh.app import terminal
from arrayenh.app.inputs import channel_list

if TYPE_CHECKING:
    from arrayenh.audio import RecordingFile
    from arrayenh.channels import ChannelReport


def command(
    recording: Annotated[str, typer.Argument(metavar="REC", help="As for 'arrayenh enhance'.")],
    mics: Annotated[int | None, typer.Option(help="The first so many channels.")] = None,
    channels: Annotated[str | None, typer.Option(metavar="LIST", help="These channels.")] = None,
    pad: Annotated[bool, typer.Option("--pad", help="Fill up shorter mono files.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print levels, faults and octave-band spectra of every channel."""
    from arrayenh.audio import open_recording
    from arrayenh.channels import ChannelSurvey, faults_text
    from arrayenh.spectra import OctaveBands

    source = open_recording(recording, mics, channel_list(channels), pad)
    survey = ChannelSurvey(source.n_mics, source.sample_rate, source.channels)
    bands = OctaveBands(source.n_mics, source.sample_rate)
    with terminal.progress(source.n_samples, source.name) as progress:
        done = 0
        for block in source.blocks():
            survey.update(block)
            bands.update(block)
            progress(done := done + block.shape[1])
    reports, levels = survey.report(), bands.levels_dbfs()
    if as_json:
        terminal.show_json(as_dict(source, reports, bands.centres, levels.tolist()))
        return
    seconds = source.n_samples / source.sample_rate
    terminal.out.print(
        f"{terminal.escape(source.name)}: {source.n_mics} channels, {seconds:.2f} s, "
        f"{source.sample_rate} Hz, {source.subtype}"
    )
    columns = ("channel", "level dBFS", "peak dBFS", "crest dB", "DC", "clipped %", "faults")
    terminal.out.print(terminal.table("Channels", columns, map(row, source.channels, reports)))
    named = [f"{centre:g} Hz" for centre in bands.centres]
    spectra = (
        (str(channel), *(f"{level:.0f}" for level in row_levels))
        for channel, row_levels in zip(source.channels, levels, strict=True)
    )
    terminal.out.print(terminal.table("Octave bands, dBFS", ("channel", *named), spectra))
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


def as_dict(
    source: "RecordingFile",
    reports: "tuple[ChannelReport, ...]",
    centres: list[float],
    levels: list[list[float]],
) -> dict[str, Any]:
    """The same for scripts."""
    return {
        "name": source.name,
        "sample_rate": source.sample_rate,
        "n_samples": source.n_samples,
        "subtype": source.subtype,
        "octave_bands_hz": centres,
        "channels": [
            {
                "channel": channel,
                **{key: getattr(report, key) for key in report.__dataclass_fields__},
                "octave_levels_dbfs": level,
            }
            for channel, report, level in zip(source.channels, reports, levels, strict=True)
        ],
    }
