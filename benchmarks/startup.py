"""Start-up wall time of the command, without the first compilation.

    python -m benchmarks.startup [--repeats 5]

Each run is a separate process, after one that fills the caches: `arrayenh --help` (limit
0.5 s) and `arrayenh enhance` on 10 s of four microphones (limit 2.5 s), compared with a Python
process that imports NumPy, SciPy's FFT and numba.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from arrayenh.audio import write

LIMITS = {"arrayenh --help": 0.5, "arrayenh enhance, 10 s": 2.5}


def median_time(command: list[str], repeats: int) -> float:
    """Median wall time of a command after one unmeasured run, s."""
    times = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - started)
    return float(np.median(times[1:]))


def measure(repeats: int) -> dict[str, float]:
    """Measure the wall times, s."""
    python = [sys.executable]
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "ten.wav"
        write(source, 0.1 * np.random.default_rng(0).standard_normal((4, 160_000)), 16_000)
        enhance = [*python, "-m", "arrayenh", "enhance", str(source), "--overwrite"]
        return {
            "import numpy, scipy.fft, numba": median_time(
                [*python, "-c", "import numpy, scipy.fft, numba"], repeats
            ),
            "arrayenh --help": median_time([*python, "-m", "arrayenh", "--help"], repeats),
            "arrayenh enhance, 10 s": median_time(enhance, repeats),
        }


def table(times: dict[str, float]) -> str:
    """Format the times as Markdown."""
    lines = ["| process | s | limit s |", "|---|---:|---:|"]
    for name, taken in times.items():
        limit = LIMITS.get(name)
        lines.append(f"| {name} | {taken:.2f} | {'' if limit is None else f'{limit:g}'} |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    print(table(measure(parser.parse_args().repeats)))


if __name__ == "__main__":
    main()
