"""The standard scenes, on which every quality table of the project is measured.

Drawn from one seed, so that anyone with the same data has the same scenes:

    python -m benchmarks.standard_scenes --data ROOT --split valid -n 32 --seed 0 -o DIR

Arrays and SNR go in turn; room, positions, talkers and noises are drawn. One ``.npz`` for
each scene: `mixture`, `target_image`, `early_image`, `noise_image`, all float32 (M, N), and
`meta`, a JSON string.
"""

import argparse
import csv
import json
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from arrayenh.errors import SceneError
from arrayenh.scenes.draw import draw_scene
from arrayenh.scenes.recipe import Recipe
from arrayenh.scenes.render import Rendered, render
from arrayenh.scenes.scene import Scene

ARRAYS = ("linear4-35mm", "circular4-35mm", "circular6-46mm", "linear2-12mm")
SNRS_DB = (-5.0, 0.0, 5.0, 10.0)
HEARING_AID = "linear2-12mm"
N_WALL_SOURCES = 20
TARGET_SET = "librispeech_tc100"
TALKER_SETS = ("librispeech_tc100", "librispeech_tc5")
AMBIENCES = frozenset(
    "cafe city construction crowd fan farm fridge hair_dryer hiss home hum market "
    "night outdoor rain room shop snow_wind stationary storm street thunder traffic "
    "train tram_bus_street vacuum water waves wind".split()
)
Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class Material:
    """Lists of the files that one split may use: CSV files, as scene files take them."""

    targets: str
    talkers: str
    noises: str
    ambiences: str

    @classmethod
    def load(cls, root: Path, split: str, folder: Path) -> "Material":
        """Read ``manifest.csv`` of the data and write the lists into `folder`.

        Raises
        ------
        SceneError
            If the split has no speech or no noise.
        """
        with open(root / "manifest.csv", newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["split"] == split]
        noises = [row for row in rows if row["path"].startswith("noise/") and kind(row) != "babble"]
        lists = {
            "targets": [row for row in rows if row["set"] == TARGET_SET],
            "talkers": [row for row in rows if row["set"] in TALKER_SETS],
            "noises": noises,
            "ambiences": [row for row in noises if kind(row) in AMBIENCES],
        }
        if not lists["targets"] or not noises:
            raise SceneError(f"{root}/manifest.csv has no speech or noise in '{split}'")
        return cls(*(write_list(folder / f"{name}.csv", root, lists[name]) for name in lists))


def kind(row: Row) -> str:
    """What a file of noise holds, by its name."""
    return Path(row["path"]).name.split("__")[0]


def write_list(path: Path, root: Path, rows: Iterable[Row]) -> str:
    """Write a list of files with their speakers."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "speaker"))
        writer.writerows((root.resolve() / row["path"], row["speaker"]) for row in rows)
    return str(path)


def with_material(data: Path, split: str, work: Callable[[Material], Any]) -> Any:
    """Do something with the lists of a split, which then are gone."""
    with TemporaryDirectory() as folder:
        return work(Material.load(data, split, Path(folder)))


@dataclass(frozen=True, slots=True)
class StandardScene:
    """A rendered scene and what a table wants to know of it."""

    name: str
    rendered: Rendered
    meta: dict[str, object]

    def save(self, folder: Path) -> Path:
        """Write ``NAME.npz`` whole: temporary, then renamed."""
        path = folder / f"{self.name}.npz"
        temporary = folder / f".{self.name}.partial.npz"
        np.savez(
            temporary,
            mixture=self.rendered.mixture,
            target_image=self.rendered.target_image,
            early_image=self.rendered.early_image,
            noise_image=self.rendered.noise_image,
            meta=json.dumps(self.meta),
        )
        temporary.rename(path)
        return path


def standard_recipe(array: str, snr_db: float, material: Material) -> Recipe:
    """What is drawn for one array at one SNR."""
    around = {"uniform": [-180.0, 180.0]}
    heights = {"uniform": [1.1, 1.9]}
    return Recipe(
        "standard",
        {
            "seconds": {"uniform": [5.0, 10.0]},
            "snr_db": snr_db,
            "snr_over": "file",
            "separation_deg": 25.0,
            "room": {
                "size": {"uniform": [[4.0, 3.5, 2.5], [8.0, 7.0, 3.5]]},
                "rt60": {"uniform": [0.2, 0.8]},
            },
            "array": {
                "name": array,
                "clearance": 1.4,
                "height": {"uniform": [0.8, 1.6]},
                "azimuth_deg": around,
            },
            "talkers": [
                {
                    "speech": material.targets,
                    "azimuth_deg": {"uniform": [-30.0, 30.0]} if array == HEARING_AID else around,
                    "distance": {"uniform": [1.0, 3.0]},
                    "height": heights,
                }
            ],
            "noises": [
                {
                    "kind": "point",
                    "count": {"integer": [1, 3]},
                    # 35 % another talker
                    "signal": {"choice": ["babble"] * 7 + [material.noises] * 13},
                    "speech": material.talkers,
                    "voices": 1,
                    "azimuth_deg": around,
                    "distance": {"uniform": [0.8, 3.5]},
                    "height": heights,
                    "level_db": {"uniform": [-3.0, 3.0]},
                },
                {
                    "kind": "walls",
                    "signal": {"choice": ["babble"] * 2 + [material.ambiences] * 3},
                    "speech": material.talkers,
                    "voices": 1,
                    "sources": N_WALL_SOURCES,
                    "level_db": {"uniform": [-5.0, 5.0]},
                },
            ],
        },
    )


def describe_standard(index: int, seed: int, material: Material) -> Scene:
    """Scene `index` of the set that `seed` names: every 16 have each array at each SNR."""
    recipe = standard_recipe(ARRAYS[index % 4], SNRS_DB[index // 4 % 4], material)
    scene = draw_scene(recipe, index, seed)
    *single, walls = scene.noises
    # the field's level is against all directional noise together
    together = 10 * np.log10(sum(10 ** (noise.level_db / 10) for noise in single))
    walls = replace(walls, level_db=float(walls.level_db + together))
    return replace(scene, noises=(*single, walls))


def draw_standard(index: int, seed: int, material: Material) -> StandardScene:
    """Draw and render one standard scene.

    Parameters
    ----------
    index, seed : int
        As of `describe_standard`.
    material : Material

    Returns
    -------
    StandardScene
    """
    scene = describe_standard(index, seed, material)
    array, target = scene.array, scene.talkers[0]
    *single, walls = scene.noises
    azimuth_deg, _, distance = array.direction_of(np.array(target.position))
    meta: dict[str, object] = {
        "array": array.name,
        "snr_db": scene.snr_db,
        "rt60": getattr(scene.room, "rt60", None),
        "room": scene.room.words(),
        "target_azimuth_deg": azimuth_deg,
        "target_distance": distance,
        "mic_positions": [list(position) for position in array.positions],
        "has_competing_talker": any(noise.signals[0].kind == "babble" for noise in single),
        "n_directional": len(single),
        "diffuse": walls.signals[0].kind,
        "speaker": target.speaker,
        "sample_rate": scene.sample_rate,
        "seed": seed,
        "index": index,
    }
    name = f"{index:03d}_{array.name}_{scene.snr_db:+03.0f}dB"
    return StandardScene(name, render(scene), meta)


def draw_and_save(index: int, seed: int, material: Material, folder: Path) -> Path:
    """Draw, render and write one scene."""
    return draw_standard(index, seed, material).save(folder)


def main() -> None:
    """Render a set of standard scenes into a folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("ARRAYENH_DATA"))
    parser.add_argument("--split", choices=("valid", "train"), default="valid")
    parser.add_argument("-n", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=1)
    args = parser.parse_args()
    if args.data is None:
        parser.error("give the folder of the data: --data, or $ARRAYENH_DATA")
    args.output.mkdir(parents=True, exist_ok=True)

    def draw(material: Material) -> None:
        one = partial(draw_and_save, seed=args.seed, material=material, folder=args.output)
        with ProcessPoolExecutor(args.jobs) as pool:
            for path in pool.map(one, range(args.n)):
                print(path)

    with_material(Path(args.data), args.split, draw)


if __name__ == "__main__":
    main()
