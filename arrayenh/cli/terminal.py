"""Terminal output: messages and progress on stderr, results on stdout."""

import json
import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich import markup
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from arrayenh.checks import printable
from arrayenh.errors import ArrayenhError

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

FAILURES = (ArrayenhError, OSError, MemoryError)
"""Errors of the request or of the system, as opposed to bugs."""


def words(error: Exception) -> str:
    """Format one of `FAILURES` as one line."""
    if isinstance(error, MemoryError):
        return "not enough memory; try a shorter --segment or fewer --jobs"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'the output'}: {error.strerror}"
    return str(error)


def clean(text: str) -> str:
    """Replace what a terminal would execute, as in the name of a file; lines are kept."""
    return "\n".join(map(printable, text.expandtabs().split("\n")))


def escape(text: str) -> str:
    """Text to print as it is, without markup of rich and without control characters."""
    return markup.escape(clean(text))


def say(line: str) -> None:
    """Print one line on stderr."""
    err.print(escape(line))


def warn(lines: Iterable[str]) -> None:
    """Print notes for the user on stderr."""
    for line in lines:
        err.print(f"[yellow]note:[/] {escape(line)}")


def show_json(value: Any) -> None:
    """Print a result as ASCII JSON; values that are not finite become null."""
    print(json.dumps(finite(value), indent=2))


def say_json(value: Any) -> None:
    """Print a result as one line of JSON on stderr, where stdout is taken by sound."""
    print(json.dumps(finite(value)), file=sys.stderr)


def finite(value: Any) -> Any:
    """Replace NaN and infinity, which JSON does not have, by None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value


def show_table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    prose: Sequence[str] = (),
) -> None:
    """Print a table without truncation: first column left-aligned, numbers right-aligned.

    Columns in `prose` are left-aligned too, and wrapped on a narrow terminal.
    """
    grid = Table(
        title=escape(title), title_justify="left", title_style="bold", box=None, pad_edge=False
    )
    rows = [list(map(escape, row)) for row in rows]
    for k, column in enumerate(columns):
        left = k == 0 or column in prose
        fixed = [] if column in prose else [row[k] for row in rows]
        width = max(map(len, [*column.split(), *fixed]), default=0)
        grid.add_column(
            column,
            justify="left" if left else "right",
            header_style="dim",
            min_width=width,
            overflow="fold",
        )
    for row in rows:
        grid.add_row(*row)
    console = Console(highlight=False)
    least, most = Measurement.get(console, console.options.update(max_width=10_000), grid)
    if console.is_terminal:
        Console(highlight=False, width=max(console.width, least)).print(grid)
        return
    wide = Console(highlight=False, width=most)
    with wide.capture() as lines:
        wide.print(grid)
    for line in lines.get().splitlines():
        print(line.rstrip())


@contextmanager
def progress(total: int, what: str) -> Iterator[Any]:
    """Progress bar on a terminal, nothing elsewhere; call it with the fraction done."""
    if not err.is_terminal:
        yield lambda part: None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn()
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task(escape(what), total=total)
        yield lambda part: bar.update(task, completed=part)
