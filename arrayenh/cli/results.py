"""Results of commands, before they are printed or drawn."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from arrayenh.evaluation.metric import Score


@dataclass(frozen=True, slots=True)
class Summary:
    """Summary of the enhancement of one recording, for the terminal and for `--json`."""

    input: str
    output: str
    channels: tuple[int, ...]
    stages: tuple[str, ...]
    sample_rate: int
    seconds: float
    elapsed_seconds: float
    real_time_factor: float
    level_change_db: float | None
    lowered_db: float
    log: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """One row of the demo: the output of a stage and its scores."""

    key: str
    name: str
    samples: "np.ndarray"
    scores: "dict[str, Score]"
