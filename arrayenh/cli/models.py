"""`arrayenh models`: the built-in networks, and the contents of a network file."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from arrayenh.cli import terminal

if TYPE_CHECKING:
    from arrayenh.networks.runtime import Network

app = typer.Typer(help="Networks for masks and post-filters: list them, show one.")
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback(invoke_without_command=True)
def list_models(context: typer.Context, as_json: AsJson = False) -> None:
    """List the built-in networks; 'arrayenh models show' describes one, or a file."""
    if context.invoked_subcommand is not None:
        return
    from arrayenh.networks.catalogue import names
    from arrayenh.networks.runtime import Network

    networks = [Network.load(name) for name in names()]
    if as_json:
        terminal.show_json([facts(network) for network in networks])
        return
    if not networks:
        terminal.say("no network ships; --model FILE.onnx gives 'arrayenh enhance' your own")
        return
    columns = ("name", "task", "inputs", "parameters", "size KB", "latency ms", "what it is")
    rows = (row(facts(network)) for network in networks)
    terminal.show_table("Networks", columns, rows, prose=("task", "inputs", "what it is"))


@app.command("show")
def show(
    name: Annotated[
        str, typer.Argument(metavar="NAME|FILE", help="Built-in network, or ONNX file.")
    ],
    as_json: AsJson = False,
) -> None:
    """Print the inputs and outputs of a network, and its model card."""
    from arrayenh.networks.catalogue import card
    from arrayenh.networks.runtime import Network

    network = Network.load(name)
    found = facts(network) | {
        key: value for key, value in asdict(network.signature).items() if key != "name"
    }
    found["licence"] = network.words.licence or None
    if as_json:
        terminal.show_json(found | {"sha256": network.digest, "card": card(name) or None})
        return
    terminal.show_table(name, ("", " "), [(key, said(value)) for key, value in found.items()])
    if card(name):
        print(terminal.clean(f"\n{card(name).rstrip()}"))


def facts(network: "Network") -> dict[str, Any]:
    """Properties of a network for the list."""
    from arrayenh.networks.catalogue import describe

    signature, latency = network.signature, network.latency_seconds
    return {
        "name": network.source,
        "task": signature.task,
        "inputs": list(signature.inputs),
        "parameters": network.words.parameters,
        "size_kb": round(network.n_bytes / 1000, 1),
        "latency_ms": None if latency is None else round(1000 * latency, 1),
        "description": describe(network.source) or network.words.describe or None,
    }


def row(found: dict[str, Any]) -> tuple[str, ...]:
    """Properties of a network as a table row."""
    return tuple(
        said(value, "looks ahead" if key == "latency_ms" else "n/a") for key, value in found.items()
    )


def said(value: Any, nothing: str = "n/a") -> str:
    """Format a property as text."""
    if value is None:
        return nothing
    return ", ".join(value) if isinstance(value, list | tuple) else str(value)
