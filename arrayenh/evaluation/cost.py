"""Cost of systems: time and memory on one thread, each system in its own process."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from arrayenh.errors import ArrayenhError, AudioError
from arrayenh.evaluation.cache import Cache, system_key
from arrayenh.evaluation.systems.system import Cost, System, Trial
from arrayenh.formats import json_object, read_arrays
from arrayenh.microphones.mic_array import MicArray
from arrayenh.processes import ONE_THREAD

RUNS = 3
SECONDS = 30.0
"""Seconds of audio to time; shorter cases are repeated."""


def measure_costs(
    systems: Sequence[System],
    trial: Trial,
    cache: Cache,
    progress: Callable[[int], None] = lambda done: None,
) -> dict[str, str]:
    """Measure the costs that are not cached yet, one system after the other.

    Parameters
    ----------
    systems : sequence of System
    trial : Trial
        Recording on which all systems are timed.
    cache : Cache
        Cache for the costs.
    progress : callable
        Called with the number of systems done.

    Returns
    -------
    problems : dict of str to str
        Reasons why systems have no cost, by system.
    """
    problems = {}
    trial = long_enough(trial)
    for done, system in enumerate(systems, 1):
        key = system_key(system)
        if cache.cost(key) is None:
            try:
                cache.keep_cost(key, measure(system, trial))
            except ArrayenhError as error:
                problems[system.name] = str(error)
        progress(done)
    return problems


def long_enough(trial: Trial) -> Trial:
    """Repeat or cut a trial to `SECONDS`."""
    n = round(SECONDS * trial.sample_rate)

    def repeated(signal: np.ndarray) -> np.ndarray:
        times = -(-n // signal.shape[1])
        return np.ascontiguousarray(np.tile(signal, (1, times))[:, :n])

    target = None if trial.target is None else repeated(trial.target)
    return replace(trial, mixture=repeated(trial.mixture), target=target)


def measure(system: System, trial: Trial) -> Cost:
    """Measure the cost of one system in its own process.

    Raises
    ------
    AudioError
        If the process fails; the message is its last line.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / "trial.npz"
        save_trial(path, trial)
        command = [sys.executable, "-m", "arrayenh.evaluation.cost", str(path), system.name]
        run = subprocess.run(command, capture_output=True, text=True, env=os.environ | ONE_THREAD)
    if run.returncode != 0:
        lines = run.stderr.strip().splitlines() or ["it ended without a message"]
        raise AudioError(f"{system.name} could not be timed: {lines[-1]}")
    found = json_object(run.stdout.splitlines()[-1], f"the cost of {system.name}", AudioError)
    latency = system.latency()
    return Cost(
        found["real_time_factor"],
        found["peak_mb"],
        float("inf") if latency is None else 1000 * latency,
    )


def save_trial(path: Path, trial: Trial) -> None:
    """Write a trial for another process."""
    fields = {
        "mixture": trial.mixture,
        "sample_rate": np.array(trial.sample_rate),
        "target": trial.target,
        "positions": None if trial.array is None else trial.array.positions,
        "azimuth": None if trial.azimuth is None else np.array(trial.azimuth),
        "position": trial.position,
        "reflections": trial.reflections,
    }
    known = {name: value for name, value in fields.items() if value is not None}
    np.savez(path, allow_pickle=False, **known)


def load_trial(path: Path) -> Trial:
    """Read a trial from a file."""
    found = read_arrays(path)
    array = MicArray(found["positions"], "array") if "positions" in found else None
    return Trial(
        found["mixture"],
        int(found["sample_rate"]),
        found.get("target"),
        array,
        float(found["azimuth"]) if "azimuth" in found else None,
        found.get("position"),
        found.get("reflections"),
    )


def time_system(path: Path, name: str) -> dict[str, float]:
    """Run a system several times in this process and time it."""
    from arrayenh.evaluation.systems.names import system

    trial, found = load_trial(path), system(name)
    found.run(trial)  # compilation and loading of weights are not timed
    seconds = trial.mixture.shape[1] / trial.sample_rate
    times = []
    for _ in range(RUNS):
        start = time.process_time()
        found.run(trial)
        times.append((time.process_time() - start) / seconds)
    return {"real_time_factor": statistics.median(times), "peak_mb": peak_mb()}


def peak_mb() -> float:
    """Peak memory of this process, megabytes."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)


if __name__ == "__main__":
    print(json.dumps(time_system(Path(sys.argv[1]), sys.argv[2])))
