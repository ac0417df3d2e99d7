"""Write RESULTS.md with all measurements.

    python -m benchmarks.results --data ROOT [-n 40] [--seed 0] [--jobs 2] [--minutes 60]
                                 [--only Quality Speed ...]

Results of the suites are stored in benchmarks/out, from which the same command resumes.
"""

import argparse
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.standard_scenes import arguments

HERE = Path(__file__).parent
SCORES_AND_GAINS = 4  # parts of a suite's page: alternating sentences and tables
PACKAGES = ("arrayenh", "numpy", "scipy", "numba", "pyroomacoustics", "nara-wpe", "pesq", "pystoi")


def section(title: str, module: str, *options: str, shown: tuple[str, ...] | None = None) -> str:
    """Run a benchmark in its own process; return its output below its command."""
    run = [sys.executable, "-m", f"benchmarks.{module}", *options]
    out = subprocess.run(run, check=True, stdout=subprocess.PIPE, text=True, cwd=HERE.parent).stdout
    command = " ".join([f"python -m benchmarks.{module}", *(options if shown is None else shown)])
    return f"## {title}\n\n    {command}\n\n{measured_at()}\n\n{out.strip()}"


def measured_at() -> str:
    """Date and load of a measurement: on a busy machine times are long and ratios uncertain."""
    today, load = datetime.now(UTC).date(), os.getloadavg()[2]
    return f"Measured on {today}, {os.cpu_count()} cores, load {load:.1f} (this run included)."


def suite(
    title: str, name: str, data: Path | None, options: list[str], *, conditions: bool = True
) -> str:
    """Run a suite; return its tables below its command, with breakdowns if requested."""
    out = HERE / "out" / name
    command = ["arrayenh", "benchmark", name, *options]
    run = [sys.executable, "-m", *command, "-o", str(out)]
    run += ["--data", str(data)] if data else []
    subprocess.run(run, check=True, stdout=subprocess.DEVNULL)
    _, _, tables = (out / "results.md").read_text(encoding="utf-8").partition("\n\n")
    tables, _, _ = tables.rpartition("\n\n")  # the page has its own versions and commands
    if not conditions:
        tables = "\n\n".join(tables.split("\n\n")[:SCORES_AND_GAINS])
    shown = " ".join([*command, *(["--data", "ROOT"] if data else []), "-o", "DIR"])
    return f"## {title}\n\n    {shown}\n\n{tables.strip()}"


def main() -> None:
    """Measure all or the selected sections, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments(parser)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument(
        "--only", nargs="+", metavar="TITLE", help="Sections to measure. Default: all."
    )
    args = parser.parse_args()
    scenes = ["--split", args.split, "-n", str(args.n), "--seed", str(args.seed)]
    jobs, data = ["--jobs", str(args.jobs)], ["--data", str(args.data)]
    measured: dict[str, Callable[[str], str]] = {
        "Quality": lambda title: suite(title, "quality", args.data, [*scenes, *jobs]),
        "Peers": lambda title: suite(title, "peers", args.data, [*scenes, *jobs], conditions=False),
        "Words": lambda title: suite(title, "recognition", None, jobs),
        "Hearing aids": lambda title: suite(title, "hearing", None, jobs, conditions=False),
        "Beamformers": lambda title: section(
            title, "beamformers", *data, *scenes, *jobs, shown=("--data", "ROOT", *scenes)
        ),
        "Speed": lambda title: section(title, "speed", "--seconds", "30"),
        "Speed, short recordings": lambda title: section(title, "speed", "--seconds", "10"),
        "Spatial kernels": lambda title: section(title, "spatial"),
        "Spatial kernels, two threads": lambda title: section(
            title, "spatial", "--scaling", "--seconds", "120"
        ),
        "Latency": lambda title: section(title, "latency"),
        "Streams": lambda title: section(title, "streaming"),
        "Scenes": lambda title: section(title, "rendering"),
        "Start-up": lambda title: section(title, "startup"),
        "Memory": lambda title: section(title, "memory", "--minutes", f"{args.minutes:g}"),
    }
    if unknown := set(args.only or ()) - set(measured):
        parser.error(f"no section {', '.join(unknown)}; the sections are {', '.join(measured)}")
    page = HERE / "RESULTS.md"
    before = sections(page.read_text(encoding="utf-8")) if args.only else {}
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    parts = [
        "# Results",
        "Written by `python -m benchmarks.results --data ROOT`; not by hand.",
        f"{packages}; Python {platform.python_version()}, {platform.machine()}.",
    ]
    for title, measure in measured.items():
        if not args.only or title in args.only:
            parts.append(measure(title))
        elif title in before:
            parts.append(before[title])
    page.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def sections(page: str) -> dict[str, str]:
    """Split a page into sections by title."""
    found = ("## " + part.strip() for part in page.split("\n## ")[1:])
    return {part.partition("\n")[0].removeprefix("## "): part for part in found}


if __name__ == "__main__":
    main()
