"""Standard scenes of the project's quality tables.

They are the suite `quality` with the audio of a corpus, drawn from one seed, so the same data
yields the same scenes.

    python -m benchmarks.standard_scenes --data ROOT [--split valid] [-n 40] [--seed 0] -o DIR

writes one ``.npz`` for each scene: `mixture` and `target` (the early speech), float32 (M, N), and
`facts`, a JSON string.
"""

import argparse
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import numpy as np

from arrayenh.evaluation.cases.drawn import DrawnScenes
from arrayenh.evaluation.corpus import with_corpus
from arrayenh.evaluation.suite import load_suite

Found = TypeVar("Found")


@contextmanager
def standard_scenes(data: Path, split: str, n: int, seed: int) -> Iterator[DrawnScenes]:
    """Yield the scenes; they are valid while the temporary lists of audio files exist."""
    with TemporaryDirectory() as folder:
        suite = with_corpus(load_suite("quality"), data, split, Path(folder))
        yield DrawnScenes(replace(suite, scenes=n, seed=seed), n, seed, {})


def on_each(work: Callable[[int], Found], n: int, jobs: int) -> list[Found]:
    """Apply a function to `n` scenes in parallel processes."""
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        return list(pool.map(work, range(n)))


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that select the scenes."""
    root = os.environ.get("ARRAYENH_DATA")
    parser.add_argument("--data", type=Path, default=root, required=root is None)
    parser.add_argument("--split", choices=("valid", "train"), default="valid")
    parser.add_argument("-n", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)


def save(index: int, source: DrawnScenes, folder: Path) -> Path:
    """Render one scene and write it atomically."""
    facts, trial = source.facts(index), source.case(index).trial
    assert trial.target is not None
    path = folder / f"{facts.name.replace(' ', '_')}.npz"
    temporary = folder / f".{index}.partial.npz"
    said = json.dumps({**asdict(facts), "azimuth": trial.azimuth})
    np.savez(temporary, mixture=trial.mixture, target=trial.target, facts=said)
    temporary.rename(path)
    return path


def main() -> None:
    """Render a set of standard scenes into a folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments(parser)
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    with standard_scenes(args.data, args.split, args.n, args.seed) as source:
        for path in on_each(partial(save, source=source, folder=args.output), args.n, args.jobs):
            print(path)


if __name__ == "__main__":
    main()
