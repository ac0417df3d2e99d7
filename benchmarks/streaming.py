"""Speed of streaming systems: own chains with four microphones beside peers with one.

    python -m benchmarks.streaming [--repeats 5]

One thread. The systems take turns on the same 30 s. Times are medians of CPU time, including the
creation of networks and, for peers, resampling to their own rate; the ratios are the result.
"""

import os

for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # must be set before NumPy and numba are imported

import argparse
import time
from collections.abc import Mapping, Sequence
from functools import partial

from arrayenh.evaluation.cost import SECONDS, long_enough
from arrayenh.evaluation.systems.names import system
from arrayenh.evaluation.systems.system import Trial
from benchmarks.latency import PEERS, material, words
from benchmarks.speed import interleaved

OURS = "mvdr[online=true]+neural"
SYSTEMS = (OURS, "mvdr[online=true]", *PEERS)


def real_time_factors(names: Sequence[str], trial: Trial, repeats: int) -> dict[str, float]:
    """Measure the CPU seconds per second of audio of each system."""
    jobs = {name: partial(system(name).run, trial) for name in names}
    seconds = trial.mixture.shape[1] / trial.sample_rate
    times = interleaved(jobs, repeats, time.process_time)
    return {name: taken / seconds for name, taken in times.items()}


def table(factors: Mapping[str, float]) -> str:
    """Format the real-time factors as Markdown."""
    lines = [
        f"{SECONDS:g} s, one thread; own chains with 4 microphones, peers with 1:",
        "",
        f"| system | latency, ms | real-time factor | x `{OURS}` |",
        "|---|---:|---:|---:|",
    ]
    for name, factor in factors.items():
        latency, ratio = words(system(name).latency()), factor / factors[OURS]
        lines.append(f"| `{name}` | {latency} | {factor:.4f} | {ratio:.2f} |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    print(table(real_time_factors(SYSTEMS, long_enough(material()), repeats)))


if __name__ == "__main__":
    main()
