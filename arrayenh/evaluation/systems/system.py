"""`System`, the protocol of a benchmark's systems; `Trial`, its input; `Output`, its output."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from arrayenh.microphones.mic_array import MicArray

OWN, BOUND, PEER = "own", "bound", "peer"


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """A recording and its ground truth; systems other than bounds use the recording alone.

    Attributes
    ----------
    mixture : float32 ndarray, shape (M, N)
    sample_rate : int
        Hz.
    target : float32 ndarray, shape (M, N), optional
        The clean speech in each microphone; the rest of the mixture is noise.
    array : MicArray, optional
        Needed by steered beamformers.
    azimuth : float, optional
        Of the talker, radians: for systems with "true direction" in their description.
    position : float64 ndarray, shape (3,), optional
        Of the talker, relative to the centre of the array, in its frame, metres.
    reflections : float64 ndarray, shape (K, 3), optional
        Positions of first-order image sources in the same frame: for systems that use them.
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
    """Output of a system.

    Attributes
    ----------
    samples : float32 ndarray, shape (N,)
        Same length as the mixture, aligned with it; the left ear of a binaural system.
    speech, noise : float32 ndarray, shape (N,), optional
        Output of a linear system for the target alone and for the rest alone.
    ears : float32 ndarray, shape (2, N), optional
        Left and right ear of a binaural system.
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
        Name in `--systems` and in tables.
    kind : {"own", "bound", "peer"}
        Bounds use the clean speech; peers are systems of other packages.
    describe : str
        One-line description.
    """

    @property
    def name(self) -> str:
        """Name in `--systems` and in tables."""

    @property
    def kind(self) -> str:
        """Kind: "own", "bound" or "peer"."""

    @property
    def describe(self) -> str:
        """One-line description."""

    def definition(self) -> Mapping[str, Any]:
        """Everything besides the code that its output depends on: settings, package versions."""

    def latency(self) -> float | None:
        """Algorithmic latency, seconds; None if it reads the whole recording first."""

    def run(self, trial: Trial) -> Output:
        """Enhance.

        Raises
        ------
        TrialError
            If this system cannot process this recording (no array, no clean speech).
        MissingExtraError
            If its package is not installed.
        """


@dataclass(frozen=True, slots=True)
class Cost:
    """Cost of a system, measured in its own process.

    Attributes
    ----------
    real_time_factor : float
        CPU seconds per second of audio, one thread, median of several runs.
    peak_mb : float
        Peak memory of the process, megabytes, including Python and libraries.
    latency_ms : float
        Algorithmic; infinite if the whole recording is read first.
    """

    real_time_factor: float
    peak_mb: float
    latency_ms: float
