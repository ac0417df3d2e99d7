"""Cost of systems: time and memory on one thread, each system in its own process."""

import io
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import BinaryIO

import numpy as np

from arrayenh.errors import ArrayenhError, AudioError
from arrayenh.evaluation.cache import Cache, system_key
from arrayenh.evaluation.systems.system import Cost, System, Trial
from arrayenh.formats import json_object
from arrayenh.microphones.mic_array import MicArray
from arrayenh.processes import ONE_THREAD

ANSWER = "cost: "
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
    lines = timed([sys.executable, "-m", "arrayenh.evaluation.cost", system.name], packed(trial))
    answer = next((line for line in reversed(lines) if line.startswith(ANSWER)), None)
    if answer is None:
        problem = lines[-1] if lines else "it ended without a message"
        raise AudioError(f"{system.name} could not be timed: {problem}")
    found = json_object(answer.removeprefix(ANSWER), f"the cost of {system.name}", AudioError)
    latency = system.latency()
    return Cost(
        found["real_time_factor"],
        found["peak_mb"],
        float("inf") if latency is None else 1000 * latency,
    )


def timed(command: Sequence[str], content: bytes) -> list[str]:
    """Run a command that reads `content` from its standard input; return the lines it prints.

    The input stays open: the process ends when it is closed, so also if this one is killed.
    """
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=os.environ | ONE_THREAD,
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            with suppress(BrokenPipeError):  # it ended early; its last line says why
                process.stdin.write(len(content).to_bytes(8, "big") + content)
                process.stdin.flush()
            return process.stdout.read().decode(errors="replace").strip().splitlines()
        except BaseException:
            process.kill()
            raise


def packed(trial: Trial) -> bytes:
    """Trial for another process."""
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
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **known)
    return content.getvalue()


def unpacked(content: bytes) -> Trial:
    """Trial from the bytes of `packed`."""
    with np.load(io.BytesIO(content)) as file:
        found = dict(file)
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


def time_system(trial: Trial, name: str) -> dict[str, float]:
    """Run a system several times in this process and time it."""
    from arrayenh.evaluation.systems.names import system

    found = system(name)
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


def received(stream: BinaryIO) -> bytes:
    """Content that `timed` sends."""
    return stream.read(int.from_bytes(stream.read(8), "big"))


def end_with_input() -> None:
    """End this process when its standard input is closed, as the parent has ended."""
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


def main(name: str) -> None:
    """Time a system on the trial from the standard input, and print the result."""
    trial = unpacked(received(sys.stdin.buffer))
    threading.Thread(target=end_with_input, daemon=True).start()
    print(f"\n{ANSWER}{json.dumps(time_system(trial, name))}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
