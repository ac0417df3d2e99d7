"""`arrayenh arrays`: geometries by name and from files."""

from pathlib import Path
from typing import Annotated

import typer

from arrayenh.app import terminal

app = typer.Typer(help="Microphone arrays: list them, look at one.")


@app.command("list")
def list_arrays(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the arrays that ship by name."""
    from arrayenh.geometry import load_array, preset_names

    arrays = [load_array(name) for name in preset_names()]
    if as_json:
        terminal.show_json([array.name for array in arrays])
        return
    rows = (
        (array.name, str(array.n_mics), f"{1000 * array.aperture:.1f}", array.source or "")
        for array in arrays
    )
    grid = terminal.table("Arrays", ("name", "microphones", "aperture mm", "source"), rows)
    grid.columns[3].justify = "left"
    terminal.out.print(grid)
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
    """Plot an array; with -o, save the picture, or the geometry as JSON, XML or CSV."""
    from arrayenh.app.array_view import render_text, save_figure
    from arrayenh.errors import GeometryError
    from arrayenh.geometry import load_array, save_array

    array = load_array(name)
    if as_json:
        terminal.show_json(
            {
                "name": array.name,
                "mic_positions_m": array.positions.tolist(),
                "source": array.source,
            }
        )
    else:
        terminal.out.print(terminal.escape(render_text(array)))
        rows = (
            (str(m), *(f"{1000 * value:.1f}" for value in position))
            for m, position in enumerate(array.positions)
        )
        terminal.out.print(terminal.table("", ("microphone", "x mm", "y mm", "z mm"), rows))
        if array.source:
            terminal.say(array.source)
    if output is not None:
        if output.exists() and not overwrite:
            raise GeometryError(f"{output} exists; use --overwrite to replace it")
        if output.suffix.lower() in (".json", ".xml", ".csv"):
            save_array(array, output)
        else:
            save_figure(array, output)
        terminal.say(f"written: {output}")
