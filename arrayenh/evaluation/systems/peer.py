"""`Peer`, a system of another package, and helpers that peers share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from arrayenh.audio import resample
from arrayenh.errors import MissingExtraError, TrialError
from arrayenh.evaluation.systems.system import PEER, Output, Trial
from arrayenh.registry import Registry

RATE = 16_000  # Hz; latencies are given for this rate
LEAD_IN = 0.5  # seconds at the start that some systems use as noise alone


@dataclass(frozen=True, slots=True, eq=False)
class Peer:
    """A system of another package, with its usual settings.

    Attributes
    ----------
    name, describe : str
    package : str
        Name of the package for pip.
    process : callable
        Called with a trial and the settings; returns an output aligned with microphone 0. It
        imports its package when called.
    settings : mapping
    seconds : float, optional
        Latency; None if the whole recording is read first.
    """

    name: str
    describe: str
    package: str
    process: Callable[..., Output]
    settings: Mapping[str, Any] = field(default_factory=dict)
    seconds: float | None = None
    kind: str = PEER

    def definition(self) -> Mapping[str, Any]:
        """Settings and installed version."""
        return {"system": self.name, **self.settings, self.package: installed(self.package)}

    def latency(self) -> float | None:
        """Latency at 16 kHz, without resampling."""
        return self.seconds

    def run(self, trial: Trial) -> Output:
        """Enhance; see `System.run`."""
        if trial.mixture.shape[1] == 0:
            raise TrialError(f"{self.name}: the recording is empty")
        if not trial.mixture.any():  # digital silence: many peers divide by its power
            return Output(np.zeros(trial.mixture.shape[1], np.float32))
        try:
            # non-finite output is detected below
            with np.errstate(divide="ignore", invalid="ignore"):
                output = self.process(trial, **self.settings)
        except ImportError as error:
            raise MissingExtraError(
                f"{self.name} needs the package {self.package}: pip install 'arrayenh[peers]'"
            ) from error
        if not np.isfinite(output.samples).all():
            raise TrialError(f"{self.name} returned NaN or infinite samples")
        return output


PEERS = Registry("peer", Peer, "arrayenh.evaluation.systems")


def installed(package: str) -> str | None:
    """Installed version of a package."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def needs_array(trial: Trial, what: str) -> np.ndarray:
    """Microphone positions (M, 3) relative to the centre of the array, metres.

    Raises
    ------
    TrialError
        If they are unknown, or do not match the recording.
    """
    if trial.array is None:
        raise TrialError(f"{what} needs the array's geometry")
    if trial.array.n_mics != len(trial.mixture):
        raise TrialError(
            f"{what}: array {trial.array.name} has {trial.array.n_mics} microphones but the "
            f"recording has {len(trial.mixture)}"
        )
    return trial.array.centred().positions


def resampled(samples: np.ndarray, rate: int, to: int) -> np.ndarray:
    """Resample a signal (N,), float32."""
    blocks = [samples.astype(np.float32)[None]]
    return np.concatenate(list(resample(blocks, 1, rate, to)), axis=1)[0]


def fitted(samples: np.ndarray, n_samples: int) -> np.ndarray:
    """Cut or zero-pad a signal to a length, float32."""
    cut = np.asarray(samples, np.float32)[:n_samples]
    return np.pad(cut, (0, n_samples - len(cut)))
