"""Log of a training: a CSV file, and TensorBoard if it is installed."""

import csv
import io
import shutil
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from arrayenh.errors import ConfigError
from arrayenh.files import write_whole

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
        try:
            with open(self.path, encoding="utf-8", newline="") as file:
                found = [whole(row) for row in csv.DictReader(file)]
        except ValueError as error:
            raise ConfigError(f"{self.path} is damaged: {error}") from error
        if found and not set(found[0]) <= set(self.columns):
            raise ConfigError(f"{self.path} is the log of another training; give another -o")
        return [row for row in found if row["step"] <= step]

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


def whole(row: dict[str, str]) -> dict[str, float]:
    """Row of the file as numbers; a line truncated by a crash gets an infinite step."""
    if None in row.values():
        return {"step": float("inf")}
    found = {key: float(value) for key, value in row.items() if value}
    return found | {"step": int(found["step"])}


def board(folder: Path, step: int) -> Any:
    """Writer for TensorBoard; None if it is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=step + 1)
