"""What the commands say: words and progress on stderr, results on stdout."""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

from arrayenh.errors import ArrayenhError

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

FAILURES = (ArrayenhError, OSError, MemoryError)
"""What a request may meet that is no mistake of ours."""


def words(error: Exception) -> str:
    """One of `FAILURES` as one line."""
    if isinstance(error, MemoryError):
        return "not enough memory; try a shorter --segment or fewer --jobs"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'the output'}: {error.strerror}"
    return str(error)


def say(line: str) -> None:
    """A line of words."""
    err.print(escape(line))


def warn(lines: Iterable[str]) -> None:
    """Lines that the user should know of."""
    for line in lines:
        err.print(f"[yellow]note:[/] {escape(line)}")


def show_json(value: Any) -> None:
    """A result for scripts: JSON in ASCII, where what is not finite is null."""
    print(json.dumps(finite(value), indent=2))


def finite(value: Any) -> Any:
    """The value with null for NaN and infinity, which JSON does not have."""
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
    """A table, never cut: first column to the left, numbers to the right.

    The columns in `prose` are to the left too, and folded where a terminal is narrow.
    """
    grid = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
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
    """A progress bar on a terminal, nothing elsewhere; call it with the part done."""
    if not err.is_terminal:
        yield lambda part: None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn()
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task(escape(what), total=total)
        yield lambda part: bar.update(task, completed=part)
