"""`arrayenh devices`: sound devices of this computer."""

from dataclasses import asdict
from typing import Annotated

import typer

from arrayenh.cli import terminal
from arrayenh.errors import AudioError


def command(
    as_json: Annotated[bool, typer.Option("--json", help="Print the devices as JSON.")] = False,
) -> None:
    """List sound devices: channels, default rate, latency, and which are the defaults.

    Number or name is for 'arrayenh live --in' and '--out'.
    """
    from arrayenh.live.portaudio import devices

    found = devices()
    if as_json:
        terminal.show_json([asdict(one) for one in found])
        return
    if not found:
        raise AudioError("this computer has no sound device")
    rows = [
        (
            str(one.index),
            one.name,
            one.api,
            str(one.n_inputs),
            str(one.n_outputs),
            str(one.sample_rate),
            milliseconds(one.input_latency_ms),
            milliseconds(one.output_latency_ms),
            ", ".join(
                way for way, chosen in (("in", one.default_input), ("out", one.default_output))
                if chosen
            ),
        )
        for one in found
    ]  # fmt: skip
    columns = ("no.", "device", "system", "in", "out", "Hz", "in ms", "out ms", "default")
    terminal.show_table("Sound devices", columns, rows, ("device", "system", "default"))


def milliseconds(latency: float | None) -> str:
    """Latency for the table."""
    return "" if latency is None else f"{latency:.0f}"
