"""Write RESULTS.md: every measurement, one after the other.

python -m benchmarks.results --data ROOT [-n 32] [--seed 0] [--jobs 2] [--minutes 60]
"""

import argparse
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from benchmarks import beamformers, quality

HERE = Path(__file__).parent


def printed(module: str, *arguments: str) -> str:
    """What a benchmark prints, run in a process of its own."""
    command = [sys.executable, "-m", f"benchmarks.{module}", *arguments]
    run = subprocess.run(command, check=True, capture_output=True, text=True, cwd=HERE.parent)
    return f"    python -m benchmarks.{' '.join([module, *arguments])}\n\n{run.stdout.strip()}"


def main() -> None:
    """Measure everything and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    quality.arguments(parser)
    parser.add_argument("--minutes", type=float, default=60.0)
    args = parser.parse_args()
    if args.data is None:
        parser.error("give the folder of the data: --data, or $ARRAYENH_DATA")
    scenes = ["--split", args.split, "-n", str(args.n), "--seed", str(args.seed)]
    found = quality.measure(Path(args.data), args.split, args.n, args.seed, args.jobs)
    title = f"{args.n} standard scenes, split {args.split}, seed {args.seed}"
    packages = ", ".join(
        f"{name} {version(name)}"
        for name in (
            "arrayenh",
            "numpy",
            "scipy",
            "numba",
            "pyroomacoustics",
            "nara-wpe",
            "pesq",
            "pystoi",
        )
    )
    parts = [
        "# Results",
        "Written by `python -m benchmarks.results --data ROOT`; not by hand.",
        f"{packages}; Python {platform.python_version()}, {platform.machine()}.",
        "## Quality",
        f"    python -m benchmarks.quality --data ROOT {' '.join(scenes)}",
        quality.report(found, title),
        "## Beamformers",
        f"    python -m benchmarks.beamformers --data ROOT {' '.join(scenes)}",
        beamformers.report(
            beamformers.measure(Path(args.data), args.split, args.n, args.seed, args.jobs), title
        ),
        "## Speed",
        printed("speed", "--seconds", "30"),
        printed("speed", "--seconds", "10"),
        "## Spatial kernels",
        printed("spatial"),
        "## Scenes",
        printed("rendering"),
        "## Start-up",
        printed("startup"),
        "## Memory",
        printed("memory", "--minutes", f"{args.minutes:g}"),
    ]
    (HERE / "RESULTS.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
