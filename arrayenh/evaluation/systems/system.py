"""What a system is to a benchmark: a name, and a way from a recording to a voice."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from arrayenh.microphones.mic_array import MicArray

OWN, BOUND, PEER = "own", "bound", "peer"


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """A recording, and what is true of it; honest systems look at the recording alone.

    Attributes
    ----------
    mixture : float32 ndarray, shape (M, N)
    sample_rate : int
        Hz.
    target : float32 ndarray, shape (M, N), optional
        The clean speech in each microphone; the rest of the mixture is noise.
    array : MicArray, optional
        Needed by what is steered.
    azimuth : float, optional
        Of the talker, radians: given to systems that say "true direction".
    position : float64 ndarray, shape (3,), optional
        Of the talker, from the middle of the array, in its own frame, metres.
    reflections : float64 ndarray, shape (K, 3), optional
        Positions of first-order image sources in the same frame: for systems that know the room.
    """

    mixture: np.ndarray
    sample_rate: int
    target: np.ndarray | None = None
    array: MicArray | None = None
    azimuth: float | None = None
    position: np.ndarray | None = None
    reflections: np.ndarray | None = None

    @property
    def rest(self) -> np.ndarray | None:
        """Everything but the target, shape (M, N)."""
        return None if self.target is None else self.mixture - self.target


@dataclass(frozen=True, slots=True, eq=False)
class Output:
    """What a system gives.

    Attributes
    ----------
    samples : float32 ndarray, shape (N,)
        As long as the mixture, aligned with it; of a binaural system, its left ear.
    speech, noise : float32 ndarray, shape (N,), optional
        The answer of a linear system to the target and to the rest alone.
    ears : float32 ndarray, shape (2, N), optional
        Left and right, of a system that has both.
    """

    samples: np.ndarray
    speech: np.ndarray | None = None
    noise: np.ndarray | None = None
    ears: np.ndarray | None = None


class System(Protocol):
    """One row of a benchmark.

    Attributes
    ----------
    name : str
        What it is called in `--systems` and in tables.
    kind : {"own", "bound", "peer"}
        Bounds look at the clean speech; peers are other people's programs.
    describe : str
        One line.
    """

    @property
    def name(self) -> str:
        """As above."""

    @property
    def kind(self) -> str:
        """As above."""

    @property
    def describe(self) -> str:
        """As above."""

    def definition(self) -> Mapping[str, Any]:
        """All that its output depends on beside the code: settings, versions of packages."""

    def latency(self) -> float | None:
        """Algorithmic latency, seconds; None where it reads the recording to its end first."""

    def run(self, trial: Trial) -> Output:
        """Enhance.

        Raises
        ------
        TrialError
            If this system cannot work on this recording (no array, no clean speech).
        MissingExtraError
            If its package is not installed.
        """


@dataclass(frozen=True, slots=True)
class Cost:
    """What a system costs, measured alone in a process of its own.

    Attributes
    ----------
    real_time_factor : float
        CPU seconds for a second of sound, one thread, median of several runs.
    peak_mb : float
        The most memory that the process ever held, megabytes, Python and libraries included.
    latency_ms : float
        Algorithmic; infinite where the recording is read to its end first.
    """

    real_time_factor: float
    peak_mb: float
    latency_ms: float
