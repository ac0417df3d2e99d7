"""`arrayenh export`: trained networks as ONNX files."""

from pathlib import Path
from typing import Annotated

import typer

from arrayenh.cli import terminal
from arrayenh.cli.train import need_torch


def command(
    checkpoint: Annotated[
        Path,
        typer.Argument(
            metavar="CHECKPOINT", help="Folder of a training run, or a checkpoint file from it."
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE.onnx")],
    streaming: Annotated[
        bool, typer.Option("--streaming", help="Process frame by frame, with states, for live use.")
    ] = False,
    half: Annotated[
        bool,
        typer.Option("--half", help="16-bit weights: half the file size, nearly the same output."),
    ] = False,
    int8: Annotated[
        bool,
        typer.Option(
            "--int8", help="8-bit matrices: smaller and less accurate; check by listening."
        ),
    ] = False,
    describe: Annotated[
        str, typer.Option(metavar="TEXT", help="One-line description of the network.")
    ] = "",
    licence: Annotated[str, typer.Option(metavar="NAME", help="Licence of the weights.")] = "",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a summary as JSON.")] = False,
) -> None:
    """Export a trained network to an ONNX file for `arrayenh enhance --model`.

    The exported network is compared with the trained one, and not written if they differ.
    """
    from arrayenh.cli.outputs import check_folder, refuse_inputs
    from arrayenh.files import check_free

    need_torch("export")
    check_free(output, overwrite)
    refuse_inputs([output], [checkpoint])
    check_folder(output.parent)
    from arrayenh.training import models
    from arrayenh.training.checkpoint import load_network, read
    from arrayenh.training.export import ExportOptions, export

    options = ExportOptions(
        streaming=streaming, half=half, int8=int8, describe=describe, licence=licence
    )
    output.parent.mkdir(parents=True, exist_ok=True)
    exported = export(load_network(read(checkpoint), models.build), output, options, overwrite)
    if as_json:
        facts = {"n_parameters": exported.n_parameters, "deviation": exported.error}
        terminal.show_json({"file": str(output), "bytes": len(exported.content), **facts})
        return
    terminal.say(
        f"{output}: {exported.n_parameters} parameters, {len(exported.content) / 1e6:.2f} MB, "
        f"within {exported.error:.1g} of torch"
    )
