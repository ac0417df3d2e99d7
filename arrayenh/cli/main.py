"""Entry point of the command `arrayenh`: parse the arguments, run a command, set the exit code.

Heavy modules are imported inside the commands that need them, so that `--help` is quick.
"""

import io
import os
import re
import signal
import sys
import traceback
import warnings
from contextlib import suppress
from inspect import cleandoc
from typing import Annotated, Any, TextIO

import typer

from arrayenh.cli import (
    arrays,
    benchmark,
    demo,
    devices,
    enhance,
    export,
    inspect,
    live,
    localize,
    models,
    qa,
    scene,
    score,
    separate,
    simulate,
    stream,
    terminal,
    train,
)
from arrayenh.errors import ConfigError
from arrayenh.version import __version__

WRONG_REQUEST, CRASH, INTERRUPTED = 2, 70, 130
PIPE = re.compile(r"(-[a-z]|--[a-z-]+=)?-")  # an argument or a value that is "-"
# click's: depending on its version, typer bundles click or depends on it
UsageError: Any = next(
    base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException"
)

app = typer.Typer(
    name="arrayenh",
    help="Multi-microphone speech enhancement.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
COMMANDS = (
    enhance, stream, live, devices, demo, inspect, localize, score, separate, simulate, benchmark,
    qa, train, export,
)  # fmt: skip
for module in COMMANDS:
    name, help_text = module.__name__.rpartition(".")[2], module.command.__doc__ or ""
    # typer keeps the line breaks of a paragraph, which do not fit other terminal widths
    app.command(
        name, help="\n\n".join(p.replace("\n", " ") for p in cleandoc(help_text).split("\n\n"))
    )(module.command)
app.add_typer(arrays.app, name="arrays")
app.add_typer(models.app, name="models")
app.add_typer(scene.app, name="scene")


def print_version(wanted: bool) -> None:
    """Print the version and exit."""
    if wanted:
        typer.echo(f"arrayenh {__version__}")
        raise typer.Exit()


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and exit.", is_eager=True, callback=print_version
        ),
    ] = False,
) -> None:
    """Multi-microphone speech enhancement: beamform, post-filter, score."""


def main() -> None:
    """Run the command and exit with its code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: clean up, exit 130
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # an old locale cannot encode all characters
    warnings.showwarning = lambda message, *where: terminal.warn([str(message)])
    code = run(sys.argv[1:])
    problem = last_words(sys.stdout)
    if problem and not isinstance(problem, BrokenPipeError):
        complain(f"the results cannot be written: {problem.strerror}")
        code = WRONG_REQUEST
    last_words(sys.stderr)
    sys.exit(code)


def last_words(stream: TextIO | None) -> OSError | None:
    """Flush a stream; drop what cannot be written, or Python would try again at exit."""
    if stream is None:  # closed by the caller
        return None
    try:
        stream.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return error
    return None


def run(arguments: list[str]) -> int:
    """Run the command; return 0, 1 (some failed), 2 (wrong request), 70 or 130."""
    try:
        refuse_pipes(arguments)
        code = app(arguments or ["--help"], prog_name="arrayenh", standalone_mode=False)
        if code == INTERRUPTED:  # typer's exception for Ctrl-C
            complain("interrupted")
        return code if isinstance(code, int) else 0
    except terminal.FAILURES as error:
        complain(terminal.words(error))
        return WRONG_REQUEST
    except UsageError as error:
        complain(usage(error))
        return WRONG_REQUEST
    except (KeyboardInterrupt, typer.Abort):
        complain("interrupted")
        return INTERRUPTED
    except SystemExit as stop:  # typer's, when the pipe is closed: the results are written
        unread = isinstance(stop.__context__, BrokenPipeError)
        return stop.code if isinstance(stop.code, int) and not unread else 0
    except Exception:  # anything else is a bug in arrayenh
        traceback.print_exc()
        complain("this is a bug in arrayenh: please report it with the lines above")
        return CRASH


def refuse_pipes(arguments: list[str]) -> None:
    """Raise an error if a file is "-", which would become a file or folder of that name.

    The command `stream` reads and writes pipes.
    """
    if arguments[:1] == ["stream"]:
        return
    found = next(filter(PIPE.fullmatch, arguments), None)
    if found is not None:
        raise ConfigError(f"{found}: a pipe can be neither read nor written; name a file")


def usage(error: Any) -> str:
    """Message for a usage error, with a pointer to `--help`."""
    message = error.format_message().strip()
    stop = "" if message.endswith((".", "?", "!")) else "."
    command = error.ctx.command_path if getattr(error, "ctx", None) else "arrayenh"
    return f"{message}{stop} See '{command} --help'."


def complain(line: str) -> None:
    """Print one line on stderr."""
    if sys.stderr is not None:  # print would use stdout instead
        with suppress(OSError):
            print(f"arrayenh: {terminal.clean(' '.join(line.split()))}", file=sys.stderr)
