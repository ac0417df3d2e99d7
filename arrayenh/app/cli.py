"""The command `arrayenh`: parses, calls one function, prints.

Heavy modules are imported inside the commands that need them, so that `--help` is quick.
"""

import sys
import traceback
from typing import Annotated

import click
import typer

from arrayenh.app import arrays, demo, enhance, inspect, score
from arrayenh.errors import ArrayenhError
from arrayenh.version import __version__

WRONG_REQUEST, CRASH, INTERRUPTED = 2, 70, 130

app = typer.Typer(
    name="arrayenh",
    help="Multi-microphone speech enhancement.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("enhance")(enhance.command)
app.command("demo")(demo.command)
app.command("inspect")(inspect.command)
app.command("score")(score.command)
app.add_typer(arrays.app, name="arrays")


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)
    ] = False,
) -> None:
    """Multi-microphone speech enhancement: beamform, post-filter, score."""
    if version:
        typer.echo(f"arrayenh {__version__}")
        raise typer.Exit()


def main() -> None:
    """Run the command and exit with its code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run the command; return 0, 1 (some failed), 2 (wrong request), 70 or 130."""
    try:
        code = app(arguments, prog_name="arrayenh", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except ArrayenhError as error:
        complain(str(error))
        return WRONG_REQUEST
    except click.ClickException as error:
        error.show()
        return WRONG_REQUEST
    except (KeyboardInterrupt, click.Abort):
        complain("interrupted")
        return INTERRUPTED
    except MemoryError:
        complain("not enough memory; try a shorter --segment or fewer --jobs")
        return WRONG_REQUEST
    except Exception:  # the last resort of the program: a mistake of ours, said as such
        traceback.print_exc()
        complain("this is a bug in arrayenh: please report it with the lines above")
        return CRASH


def complain(line: str) -> None:
    """Print one line on stderr."""
    print(f"arrayenh: {' '.join(line.split())}", file=sys.stderr)
