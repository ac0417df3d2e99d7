"""What a training said: a CSV file, and TensorBoard where it is installed."""

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
    """Rows of numbers over the steps.

    Parameters
    ----------
    folder : Path
    columns : sequence of str
        After "step".
    step : int
        That a training goes on from: rows of later ones, which a killed process wrote, are
        dropped. 0: it begins, and what lies there is replaced.

    Attributes
    ----------
    rows : list of dict
        All so far, by column; what was not written in a row is not in it.

    Raises
    ------
    ConfigError
        If the file there is another one.
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
        """One more row."""
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
    """A row of the file as it was written; a line cut off by a crash has step infinity."""
    if None in row.values():
        return {"step": float("inf")}
    found = {key: float(value) for key, value in row.items() if value}
    return found | {"step": int(found["step"])}


def board(folder: Path, step: int) -> Any:
    """A writer for TensorBoard, or None where that is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=step + 1)
