"""Speed of scene rendering, compared with pyroomacoustics on the same scenes.

    python -m benchmarks.rendering [-n 8] [--set 300]

Four microphones, one talker and three point noises, RT60 0.5 s, 8 s at 16 kHz, one thread.
The comparison uses `ShoeBox` with `inverse_sabine`, `add_source` and
`simulate(return_premix=True)`, which returns mixture and images as this library does.
"""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = "1"  # before any import reads them

import argparse
import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyroomacoustics as pra

from arrayenh.scenes.dataset import Plan, make_dataset
from arrayenh.scenes.draw import draw_scene
from arrayenh.scenes.recipe import Recipe
from arrayenh.scenes.render import render
from arrayenh.scenes.responses import room_responses
from arrayenh.scenes.scene import Scene
from arrayenh.scenes.signals import load_signal
from arrayenh.scenes.workers import in_processes, in_turn

RT60 = 0.5
AROUND = {"uniform": [-180.0, 180.0]}
RECIPE = Recipe(
    "benchmark",
    {
        "seconds": 8.0,
        "snr_db": 5.0,
        "snr_over": "file",
        "room": {"size": {"uniform": [[4.0, 3.5, 2.5], [8.0, 7.0, 3.5]]}, "rt60": RT60},
        "array": {"name": "circular4-35mm", "azimuth_deg": AROUND},
        "talkers": [{"azimuth_deg": AROUND, "distance": 1.2}],
        "noises": [{"count": 3, "signal": "pink", "azimuth_deg": AROUND, "distance": 1.5}],
    },
)


def simulate(scene: Scene) -> np.ndarray:
    """Simulate the scene with pyroomacoustics: image of every source at every microphone."""
    size = scene.room.size  # type: ignore[union-attr]
    absorption, max_order = pra.inverse_sabine(RT60, size)
    room = pra.ShoeBox(
        size, fs=scene.sample_rate, materials=pra.Material(absorption), max_order=max_order
    )
    for source in (scene.talkers[0], *scene.noises):
        position = getattr(source, "position", None) or source.positions[0]
        signal = getattr(source, "signal", None) or source.signals[0]
        room.add_source(position, load_signal(signal, scene.n_samples, scene.sample_rate))
    room.add_microphone_array(scene.array.mic_positions().T)
    return room.simulate(return_premix=True)


def seconds(work: Callable[[Scene], Any], scenes: list[Scene]) -> float:
    """Median time per scene, after one unmeasured scene."""
    work(scenes[0])
    times = []
    for scene in scenes:
        start = time.perf_counter()
        work(scene)
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def data_set_seconds(n_scenes: int, jobs: int) -> float:
    """Time for a whole data set including its files, with the command's engine."""
    plan = Plan(tree=RECIPE.tree, name=RECIPE.name)
    with TemporaryDirectory() as folder:
        start = time.perf_counter()
        mapped = in_turn if jobs == 1 else in_processes(jobs)
        make_dataset(plan, Path(folder) / "set", range(n_scenes), mapped=mapped)
        return time.perf_counter() - start


def half(first: int, n_scenes: int) -> None:
    """Render scenes in a separate program."""
    with TemporaryDirectory() as folder:
        indices = range(first, first + n_scenes)
        make_dataset(Plan(tree=RECIPE.tree, name=RECIPE.name), Path(folder) / "set", indices)


def apart_seconds(n_scenes: int) -> float:
    """Time of two independent programs that render half of the scenes each.

    This is the best speed-up of the machine: two virtual processors may share one core.
    """
    start = time.perf_counter()
    context = multiprocessing.get_context("spawn")
    programs = [
        context.Process(target=half, args=(first, n_scenes // 2)) for first in (0, n_scenes // 2)
    ]
    for program in programs:
        program.start()
    for program in programs:
        program.join()
    return time.perf_counter() - start


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", type=int, default=8, help="scenes")
    parser.add_argument("--set", type=int, default=300, help="scenes of the data set")
    args = parser.parse_args()
    pra.constants.set("num_threads", 1)
    scenes = [draw_scene(RECIPE, index) for index in range(args.n)]
    banks = {id(scene): room_responses(scene) for scene in scenes}
    rows = [
        ("pyroomacoustics, room.simulate()", seconds(simulate, scenes)),
        ("arrayenh", seconds(render, scenes)),
        ("arrayenh, responses only", seconds(room_responses, scenes)),
        (
            "arrayenh, responses from a bank",
            seconds(lambda scene: render(scene, banks[id(scene)]), scenes),
        ),
    ]
    print("Scenes of 4 microphones, 1 talker, 3 noises, RT60 0.5 s, 8 s at 16 kHz; one thread:\n")
    print("| | ms per scene | x faster |\n|---|---:|---:|")
    for name, duration in rows:
        print(f"| {name} | {1000 * duration:.0f} | {rows[0][1] / duration:.1f} |")
    one, two = data_set_seconds(args.set, 1), data_set_seconds(args.set, 2)
    print(f"\nA data set of {args.set} such scenes with its files:\n")
    print("| processes | s | x faster |\n|---|---:|---:|")
    print(f"| 1 | {one:.1f} | 1.00 |\n| 2 | {two:.1f} | {one / two:.2f} |")
    apart = apart_seconds(args.set)
    print(f"| two programs apart, the most this machine gives | {apart:.1f} | {one / apart:.2f} |")


if __name__ == "__main__":
    main()
