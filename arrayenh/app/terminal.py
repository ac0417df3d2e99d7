"""What the commands say: words and progress on stderr, results on stdout."""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def say(line: str) -> None:
    """A line of words."""
    err.print(escape(line))


def warn(lines: Iterable[str]) -> None:
    """Lines that the user should know of."""
    for line in lines:
        err.print(f"[yellow]note:[/] {escape(line)}")


def show_json(value: Any) -> None:
    """A result for scripts: JSON, where what is not finite is null."""
    print(json.dumps(finite(value), indent=2, ensure_ascii=False))


def finite(value: Any) -> Any:
    """The value with null for NaN and infinity, which JSON does not have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """A table: first column to the left, numbers to the right."""
    grid = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for k, column in enumerate(columns):
        grid.add_column(column, justify="left" if k == 0 else "right", header_style="dim")
    for row in rows:
        grid.add_row(*map(escape, row))
    return grid


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
