"""Other people's programs: what all of them have in common."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from arrayenh.audio import resample
from arrayenh.errors import MissingExtraError, TrialError
from arrayenh.evaluation.systems.system import PEER, Output, Trial
from arrayenh.registry import Registry

RATE = 16_000  # Hz, for which latencies are given
LEAD_IN = 0.5  # seconds at the start that some take for noise alone


@dataclass(frozen=True, slots=True, eq=False)
class Peer:
    """A program of somebody else, as its ordinary user would run it.

    Attributes
    ----------
    name, describe : str
    package : str
        That it is, as pip calls it.
    process : callable
        From a trial, and the settings, to an output in time with microphone 0. It imports its
        package only there.
    settings : mapping
    seconds : float, optional
        Latency; None where the recording is read to its end first.
    """

    name: str
    describe: str
    package: str
    process: Callable[..., Output]
    settings: Mapping[str, Any] = field(default_factory=dict)
    seconds: float | None = None
    kind: str = PEER

    def definition(self) -> Mapping[str, Any]:
        """Its settings, and which version of it is installed."""
        return {"system": self.name, **self.settings, self.package: installed(self.package)}

    def latency(self) -> float | None:
        """At 16 kHz, without that of resampling."""
        return self.seconds

    def run(self, trial: Trial) -> Output:
        """Enhance; see `System.run`."""
        if trial.mixture.shape[1] == 0:
            raise TrialError(f"{self.name}: the recording is empty")
        if not trial.mixture.any():  # digital silence, by whose power many of them divide
            return Output(np.zeros(trial.mixture.shape[1], np.float32))
        try:
            with np.errstate(divide="ignore", invalid="ignore"):  # what comes of it is seen below
                output = self.process(trial, **self.settings)
        except ImportError as error:
            raise MissingExtraError(
                f"{self.name} needs the package {self.package}: pip install 'arrayenh[peers]'"
            ) from error
        if not np.isfinite(output.samples).all():
            raise TrialError(f"{self.name} gave samples that are not finite")
        return output


PEERS = Registry("peer", Peer, "arrayenh.evaluation.systems")


def installed(package: str) -> str | None:
    """Version of a package."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def needs_array(trial: Trial, what: str) -> np.ndarray:
    """Microphones (M, 3) around the middle of the array, metres.

    Raises
    ------
    TrialError
        If they are not known, or not those of the recording.
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
    """A whole signal (N,) at another rate, float32."""
    blocks = [samples.astype(np.float32)[None]]
    return np.concatenate(list(resample(blocks, 1, rate, to)), axis=1)[0]


def fitted(samples: np.ndarray, n_samples: int) -> np.ndarray:
    """Cut to a length, or filled up with zeros, float32."""
    cut = np.asarray(samples, np.float32)[:n_samples]
    return np.pad(cut, (0, n_samples - len(cut)))
