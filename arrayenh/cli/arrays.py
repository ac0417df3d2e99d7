"""`arrayenh arrays`: geometries by name and from files."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from arrayenh.cli import terminal

if TYPE_CHECKING:
    from arrayenh.microphones.geometry import MicArray

app = typer.Typer(help="Microphone arrays: list them, show one.")


@app.command("list")
def list_arrays(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the built-in arrays by name."""
    from arrayenh.microphones.geometry import load_array, preset_names

    arrays = [load_array(name) for name in preset_names()]
    if as_json:
        terminal.show_json([array.name for array in arrays])
        return
    rows = (
        (array.name, str(array.n_mics), f"{1000 * array.aperture:.1f}", array.source or "")
        for array in arrays
    )
    columns = ("name", "microphones", "aperture mm", "source")
    terminal.show_table("Arrays", columns, rows, prose=("source",))
    terminal.say("linearM-Xmm and circularM-Xmm take any number M and spacing or radius X.")


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(metavar="NAME|FILE", help="Preset, JSON, XML or CSV.")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Save as PNG, SVG, PDF (or JSON...)."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace FILE.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print positions as JSON.")] = False,
) -> None:
    """Draw an array; with -o, save the drawing, or the geometry as JSON, XML or CSV."""
    from arrayenh.cli.figures.array import MIN_WIDTH, render_text
    from arrayenh.cli.outputs import refuse_inputs
    from arrayenh.microphones.geometry import load_array

    array = load_array(name)
    if output is not None:
        refuse_inputs([output], [Path(name)])
        save(array, output, overwrite)
    if as_json:
        terminal.show_json(
            {
                "name": array.name,
                "mic_positions_m": array.positions.tolist(),
                "source": array.source,
            }
        )
    else:
        width = max(MIN_WIDTH, min(48, terminal.out.width - 2))
        terminal.out.print(terminal.escape(render_text(array, width)))
        rows = (
            (str(m), *(f"{1000 * value:.1f}" for value in position))
            for m, position in enumerate(array.positions)
        )
        terminal.show_table("", ("microphone", "x mm", "y mm", "z mm"), rows)
        if array.source:
            terminal.say(array.source)
        if array.dump:
            terminal.say(
                f"microphones in a recording of all {array.dump.n_channels} channels: "
                f"{array.dump.option} ({array.dump.source})"
            )
    if output is not None:
        terminal.say(f"written: {output}")


@app.command("beampattern")
def beampattern(
    name: Annotated[str, typer.Argument(metavar="NAME|FILE", help="Preset, JSON, XML or CSV.")],
    beamformer: Annotated[str, typer.Option(help="das or superdirective.")] = "das",
    doa: Annotated[
        float | None,
        typer.Option(metavar="DEG", help="Look direction. Default: depends on the array."),
    ] = None,
    field: Annotated[
        str, typer.Option(help="Diffuse noise: spherical or cylindrical.")
    ] = "spherical",
    loading: Annotated[
        float | None, typer.Option(help="Diagonal loading, superdirective. Default: 0.01.")
    ] = None,
    min_wng: Annotated[
        float | None,
        typer.Option(metavar="DB", help="Least white-noise gain; sets the loading to reach it."),
    ] = None,
    freq: Annotated[
        str | None, typer.Option(metavar="LIST", help="Frequencies, Hz. Default: octaves.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Save as PNG, SVG or PDF."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace FILE.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print all numbers as JSON.")] = False,
) -> None:
    """Show the beampattern, the directivity index and the white-noise gain of a beamformer."""
    from arrayenh.beamformers.beampattern import hear
    from arrayenh.cli import beampattern as view
    from arrayenh.microphones.geometry import load_array

    array = load_array(name)
    design = view.design_for(array, beamformer, doa, field, loading, min_wng)
    hearing = hear(array, design, view.frequencies(freq))
    if output is not None:
        view.save(array, hearing, output, overwrite)
    if as_json:
        terminal.show_json(view.as_dict(array, hearing))
    else:
        view.show(array, hearing)
    if output is not None:
        terminal.say(f"written: {output}")


def save(array: "MicArray", output: Path, overwrite: bool) -> None:
    """Write the geometry or the figure; the suffix sets the format."""
    from arrayenh.cli.figures.array import FIGURE_SUFFIXES, save_figure
    from arrayenh.cli.outputs import check_folder
    from arrayenh.errors import ConfigError
    from arrayenh.files import check_free
    from arrayenh.microphones.array_files import READERS
    from arrayenh.microphones.geometry import save_array

    check_free(output, overwrite)
    check_folder(output.parent)
    if output.suffix.lower() in READERS:
        save_array(array, output, overwrite)
    elif output.suffix.lower() in FIGURE_SUFFIXES:
        save_figure(array, output, overwrite)
    else:
        raise ConfigError(f"-o {output} should end in {', '.join((*FIGURE_SUFFIXES, *READERS))}")
