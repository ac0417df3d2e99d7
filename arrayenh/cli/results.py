"""What commands found, before it is printed or drawn."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from arrayenh.evaluation.metric import Score


@dataclass(frozen=True, slots=True)
class Summary:
    """What was done with one recording, for people and for `--json`."""

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
    """One row of the demo: what came out and how good it is."""

    key: str
    name: str
    samples: "np.ndarray"
    scores: "dict[str, Score]"
