"""What the page of a report shows: sounds ready to play, beside what is said of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from arrayenh.microphones.mic_array import MicArray
from arrayenh.reports.score_table import Row


@dataclass(frozen=True, slots=True, eq=False)
class StageSound:
    """A row of the table, and the sound behind it, shape (N,), as it plays."""

    row: Row
    samples: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """What the page shows.

    Attributes
    ----------
    title : str
    stages : sequence of StageSound
    rate : int
        Hz, of the sounds.
    start, whole_duration : float
        Seconds: where the sounds begin in the recording, and how long that is.
    recorded_rate : int
        Hz, of the recording.
    gain_db : float
        That the sounds have over the recording.
    facts, notes, array
        As in `Report`.
    """

    title: str
    stages: Sequence[StageSound]
    rate: int
    start: float
    whole_duration: float
    recorded_rate: int
    gain_db: float
    facts: Mapping[str, str]
    notes: Sequence[str]
    array: MicArray | None

    @property
    def duration(self) -> float:
        """Seconds of sound in the page."""
        return self.stages[0].samples.size / self.rate

    @property
    def is_excerpt(self) -> bool:
        """Whether the recording is longer than the sound in the page."""
        return self.whole_duration - self.duration > 0.5


def clock(seconds: float) -> str:
    """Minutes and seconds, as on a player."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
