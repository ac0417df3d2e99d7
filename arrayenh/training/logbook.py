"""Log of a training: a CSV file, and TensorBoard if it is installed."""

import csv
import io
import shutil
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from arrayenh.checks import whole_number
from arrayenh.errors import ConfigError
from arrayenh.files import write_whole
from arrayenh.formats import csv_lines, read_text

LOG, BOARD = "log.csv", "tensorboard"


class LogBook:
    """Rows of values by training step.

    Parameters
    ----------
    folder : Path
    columns : sequence of str
        Names of the columns after "step".
    step : int
        Step from which the training continues: later rows, written by a killed process, are
        dropped. 0 starts a new log and replaces an existing one.

    Attributes
    ----------
    rows : list of dict
        All rows so far, by column; missing values have no key.

    Raises
    ------
    ConfigError
        If the existing file is another log or damaged.
    """

    def __init__(self, folder: Path, columns: Sequence[str], step: int = 0) -> None:
        self.path, self.columns = folder / LOG, ("step", *columns)
        self.rows = self._before(step) if step else []
        if not step:
            shutil.rmtree(folder / BOARD, ignore_errors=True)
        text = io.StringIO()
        self._writer(text).writeheader()
        self._writer(text).writerows(self.rows)
        write_whole(self.path, text.getvalue())
        self._file = open(self.path, "a", encoding="utf-8", newline="")
        self._board = board(folder / BOARD, step)

    def write(self, row: dict[str, float]) -> None:
        """Append a row."""
        self.rows.append(row)
        self._writer(self._file).writerow(row)
        self._file.flush()
        if self._board:
            for key, value in row.items():
                if key != "step":
                    self._board.add_scalar(key, value, row["step"])

    def _writer(self, file: Any) -> "csv.DictWriter[str]":
        return csv.DictWriter(file, self.columns, lineterminator="\n")

    def _before(self, step: int) -> list[dict[str, float]]:
        if not self.path.exists():
            return []
        lines = csv_lines(read_text(self.path), str(self.path))
        _, columns = next(lines, (0, []))
        if not set(columns) <= set(self.columns):
            raise ConfigError(f"{self.path} is the log of another training; give another -o")
        rows = [
            numbers(dict(zip(columns, cells, strict=True)), f"{self.path}, line {number}")
            for number, cells in lines
            if len(cells) == len(columns)  # a crash truncates the last line
        ]
        return [row for row in rows if row["step"] <= step]

    def __enter__(self) -> "LogBook":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        if self._board:
            self._board.close()


def numbers(row: dict[str, str], where: str) -> dict[str, float]:
    """Row of the file as numbers, without empty cells."""
    step = whole_number(row.get("step", ""))
    try:
        found = {key: float(value) for key, value in row.items() if value}
    except ValueError as error:
        raise ConfigError(f"{where}: damaged: {error}") from error
    if step is None:
        raise ConfigError(f"{where}: damaged: no step")
    return found | {"step": step}


def board(folder: Path, step: int) -> Any:
    """Writer for TensorBoard; None if it is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=step + 1)
