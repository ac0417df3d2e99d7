"""Peak memory and speed of `arrayenh enhance` on a long recording.

    python -m benchmarks.memory [--minutes 60] [--mics 4] [-o DIR]

A noisy recording is written to DIR in blocks, then enhanced by the command in a separate
process. The operating system reports its peak resident memory. The limit is 700 MB for an hour.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from arrayenh.audio import AudioWriter
from arrayenh.scenes.packaged import load_clip

RATE, LIMIT_MB = 16_000, 700


def write_recording(path: Path, minutes: float, n_mics: int) -> None:
    """Write intermittent speech in noise, delayed a little more at each microphone."""
    rng = np.random.default_rng(0)
    voice = np.concatenate([load_clip("female")[0], load_clip("male")[0]])
    shifted = np.stack([np.roll(voice, m) for m in range(n_mics)])
    left = round(minutes * 60 * RATE)
    with AudioWriter(path, RATE, n_mics, left, "PCM_16") as writer:
        while left > 0:
            n = min(left, shifted.shape[1])
            noise = 0.01 * rng.standard_normal((n_mics, n), np.float32)
            writer.write(0.3 * shifted[:, :n] + noise)
            left -= n


def measure(minutes: float, n_mics: int, folder: Path) -> tuple[float, float]:
    """Measure the peak resident memory, MB, and the real-time factor of the command."""
    source, target = folder / "long.wav", folder / "long_enhanced.wav"
    write_recording(source, minutes, n_mics)
    command = [sys.executable, "-m", "arrayenh", "enhance", str(source), "-o", str(target)]
    started = time.perf_counter()
    process = subprocess.Popen([*command, "--overwrite"], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit("the command failed")
    elapsed = time.perf_counter() - started
    return usage.ru_maxrss / 1024, elapsed / (60 * minutes)


def table(minutes: float, n_mics: int, folder: Path) -> str:
    """Format the results as Markdown."""
    peak, factor = measure(minutes, n_mics, folder)
    return "\n".join(
        [
            "| recording | peak resident | limit | real-time factor |",
            "|---|---:|---:|---:|",
            f"| {minutes:g} min, {n_mics} microphones, 16 kHz | {peak:.0f} MB | "
            f"{LIMIT_MB} MB | {factor:.4f} |",
        ]
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--mics", type=int, default=4)
    parser.add_argument("-o", "--output", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.output) as folder:
        print(table(args.minutes, args.mics, Path(folder)))


if __name__ == "__main__":
    main()
