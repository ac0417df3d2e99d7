"""Data sets of scenes on disk, resumable and bit-identical for any number of workers.

    DIR/dataset.json            settings of the set
    DIR/manifest.csv            one row per scene, the scene as JSON in the last column
    DIR/scenes/000123/          mixture.wav, target.wav, ..., scene.json
    DIR/rooms/000017.npz        impulse responses, with `n_rooms`

A scene is written into a temporary folder, which is renamed when it is complete. A folder with
its final name is complete, and a stopped run continues with the missing scenes.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from arrayenh.audio import AudioWriter
from arrayenh.checks import whole_number
from arrayenh.errors import AudioError, SceneError
from arrayenh.files import beside, replacing, synced, write_whole
from arrayenh.formats import json_object, read_text
from arrayenh.scenes.bank import ResponseBank, packed, save_arrays
from arrayenh.scenes.manifest import row_in_file, row_of, scene_file_text, write_rows
from arrayenh.scenes.plan import FORMATS, Plan, manifest_of, scene_of
from arrayenh.scenes.render import Rendered, render
from arrayenh.scenes.responses import Responses
from arrayenh.scenes.scene import Scene
from arrayenh.scenes.serialise import scene_in_file
from arrayenh.scenes.signals import MADE
from arrayenh.scenes.truth import truth
from arrayenh.scenes.workers import Work, in_turn

PLACES = ("speech", "signal", "responses", "head")  # keys whose values may be files
NO_PLACES = (*MADE, "babble", "packaged", "none", "sphere")  # their values without files
COMPARED = 3  # existing scenes drawn again, to find changes
Map = Callable[[Work, Iterable[int]], Iterator[dict[str, Any]]]


def with_folders(tree: Mapping[str, Any], speech: str | None, noise: str | None) -> dict[str, Any]:
    """Replace the speech folder, and the folder of all noises but babble, in a recipe."""
    changed = dict(tree)
    if speech:
        talkers = tree.get("talkers", [{}])
        changed["talkers"] = [{**talker, "speech": speech} for talker in talkers]
    noises = []
    for entry in tree.get("noises", []):
        entry = dict(entry)
        if speech and entry.get("signal") == "babble":
            entry["speech"] = speech
        elif noise and entry.get("kind", "point") in ("point", "diffuse", "walls"):
            if entry.get("signal") != "babble":
                entry["signal"] = noise
        noises.append(entry)
    return {**changed, "noises": noises} if noises else changed


def from_anywhere(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Make the folders and files of a recipe absolute paths."""
    return {key: _absolute(key, value) for key, value in tree.items()}


def _absolute(key: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {
            inner: _absolute(key if inner == "choice" else inner, v) for inner, v in value.items()
        }
    if isinstance(value, list):
        return [_absolute(key, item) for item in value]
    named = isinstance(value, str) and key in PLACES and value not in NO_PLACES
    return os.path.abspath(value) if named else value


def make_dataset(
    plan: Plan,
    folder: Path,
    indices: Iterable[int],
    *,
    mapped: Map = in_turn,
    progress: Callable[[int], None] = lambda done: None,
) -> list[dict[str, Any]]:
    """Render the scenes of a data set that do not exist yet.

    Parameters
    ----------
    plan : Plan
    folder : Path
        Created if it does not exist; its parent must exist.
    indices : iterable of int
        Indices of the scenes.
    mapped : callable
        Runs the work of many scenes: `in_turn` or another function of
        `arrayenh.scenes.workers`.
    progress : callable
        Called with the number of scenes done so far.

    Returns
    -------
    rows : list of dict
        Rows of the manifest without the scene column, one for every scene in the folder.

    Raises
    ------
    SceneError
        If the folder holds a data set with other settings, or a scene is impossible.
    AudioError
        If a file cannot be read or written.
    """
    wanted = sorted(set(indices))
    check_drawable(plan, wanted)
    begin(plan, folder)
    made = [index for index in wanted if scene_folder(folder, index).is_dir()]
    check_same(plan, folder, made[:COMPARED])
    done = len(made)
    progress(done)
    # absolute: workers of a cluster may have another working directory
    for _ in mapped(MakeScene(plan, folder.absolute()), sorted({*wanted} - {*made})):
        done += 1
        progress(done)
    tidy(folder)  # killed workers of a cluster leave unfinished folders too
    return write_manifest(folder)


def check_drawable(plan: Plan, wanted: list[int]) -> None:
    """Check the indices and draw the first scene, before any folder is created."""
    if wanted and wanted[0] < 0:
        raise SceneError(f"scenes are counted from 0; got {wanted[0]}")
    if plan.source is not None:
        there = manifest_of(plan.source)
        for index in wanted:
            if index not in there:
                raise SceneError(f"{plan.source} has no scene {index}")
    for index in wanted[:1]:
        scene_of(plan, index)


def begin(plan: Plan, folder: Path) -> None:
    """Create the folder, or check that the data set in it has the same plan."""
    said, described = plan.said(), folder / "dataset.json"
    try:
        folder.mkdir(exist_ok=True)
        (folder / "scenes").mkdir(exist_ok=True)
    except OSError as error:
        raise AudioError(f"{folder} cannot be made: {error.strerror}") from error
    if described.exists():
        check_plan(json.loads(said), described)
    else:
        if any((folder / "scenes").iterdir()):
            raise SceneError(
                f"{folder}/scenes is not empty and not a data set; give another folder"
            )
        write_whole(described, said)
    tidy(folder)


def tidy(folder: Path) -> None:
    """Remove unfinished scene folders and temporary files."""
    for scene in (folder / "scenes").glob(".*.part"):
        shutil.rmtree(scene, ignore_errors=True)
    for room in (folder / "rooms").glob(".*.part*"):
        room.unlink(missing_ok=True)


def check_plan(now: dict[str, Any], described: Path) -> None:
    """Raise if the folder holds a data set with other settings."""
    text = read_text(described, error=SceneError)
    try:
        before = json_object(text, str(described), SceneError)
    except SceneError as error:
        raise SceneError(
            f"{described} does not describe a data set; give another folder ({error})"
        ) from error
    for key in sorted({*before, *now}):
        if before.get(key) != now.get(key):
            what = "another scene file" if key == "tree" else f"{key} {before.get(key)!r}"
            raise SceneError(
                f"{described.parent} holds a data set made with {what}; give another folder, or "
                f"the same settings to continue"
            )


def check_same(plan: Plan, folder: Path, made: list[int]) -> None:
    """Raise if the sound folders, or the manifest, have changed since the first run."""
    for index in made:
        before = scene_in_file(scene_folder(folder, index) / "scene.json")
        if before != scene_of(plan, index):
            raise SceneError(
                f"scene {index} in {folder} differs from the one drawn now: sounds were added or "
                f"removed, or the manifest has changed; give another folder"
            )


def write_manifest(folder: Path) -> list[dict[str, Any]]:
    """Write the manifest of all complete scenes; return its rows without the scene column."""
    rows = []

    def whole_rows() -> Iterator[dict[str, Any]]:
        for path in scene_files(folder):
            row, scene = row_in_file(path)
            rows.append(row)
            yield {**row, "scene": scene}

    with (
        replacing(folder / "manifest.csv") as part,
        open(part, "x", newline="", encoding="utf-8") as file,
    ):
        write_rows(whole_rows(), file)
    return rows


@dataclass(frozen=True, slots=True)
class MakeScene:
    """Picklable task that renders and writes one scene of a data set."""

    plan: Plan
    folder: Path

    def __call__(self, index: int) -> dict[str, Any]:
        """Render and write scene `index`; return its row of the manifest."""
        try:
            scene = scene_of(self.plan, index)
            rendered = render(scene, self.responses(index, scene))
        except SceneError as error:
            raise SceneError(f"scene {index}: {error}") from error
        found = truth(rendered)
        row = row_of(index, f"scenes/{index:06d}", scene, found)
        self.write(index, rendered, scene_file_text(row, found))
        return row

    def responses(self, index: int, scene: Scene) -> Responses | None:
        """Responses from the bank; None if the plan has no bank."""
        n_rooms = self.plan.n_rooms
        if n_rooms is None:
            return None
        bank = bank_of(str(self.folder / "rooms"), self.plan.said())
        return bank.responses(index % n_rooms, scene)

    def write(self, index: int, rendered: Rendered, said: str) -> None:
        """Write all files of a scene atomically."""
        final = scene_folder(self.folder, index)
        part = beside(final)
        try:
            part.mkdir()
            write_sounds(rendered, part, self.plan)
            write_whole(part / "scene.json", said)
            for path in part.iterdir():
                synced(path)
            part.rename(final)
            synced(final.parent)
        except AudioError as error:
            raise AudioError(str(error).replace(part.name, final.name)) from error
        except OSError as error:
            if not final.is_dir():  # otherwise another worker has written the same scene
                raise AudioError(f"{final} cannot be written: {error.strerror}") from error
        finally:
            shutil.rmtree(part, ignore_errors=True)


@lru_cache(maxsize=2)
def bank_of(folder: str, said: str) -> ResponseBank:
    """Response bank of a data set, one per process; `said` is `Plan.said`, part of the key."""
    return ResponseBank(Path(folder))


def scene_folder(folder: Path, index: int) -> Path:
    """Folder of scene `index`."""
    return folder / "scenes" / f"{index:06d}"


def scene_files(folder: Path) -> list[Path]:
    """Paths of the scene.json of all complete scenes, in order."""
    found = {
        index: path
        for path in (folder / "scenes").glob("*/scene.json")
        if (index := whole_number(path.parent.name)) is not None
    }
    return [found[index] for index in sorted(found)]


def write_sounds(rendered: Rendered, folder: Path, plan: Plan) -> None:
    """Write the requested components, all with the same scale."""
    for name, samples in sounds(rendered, plan.components):
        path = folder / f"{name}.{plan.format}"
        samples = np.atleast_2d(samples)
        rate, (n_channels, n_samples) = rendered.sample_rate, samples.shape
        with AudioWriter(path, rate, n_channels, n_samples, FORMATS[plan.format]) as writer:
            writer.write(samples)
    if "rirs" in plan.components:
        save_arrays(folder / "rirs.npz", packed(rendered.responses))


def sounds(rendered: Rendered, components: tuple[str, ...]) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the file name and the samples of each component."""
    single = {
        "mixture": rendered.mixture,
        "target": rendered.target_image,
        "early": rendered.early_image,
        "noise": rendered.noise_image,
        "sensors": rendered.sensor_image,
        "residual": rendered.residual,
    }
    many = {"talkers": "talker", "noises": "noise", "dry": "dry"}
    several = {
        "talkers": rendered.talker_images,
        "noises": rendered.noise_images,
        "dry": rendered.dry,
    }
    for component in components:
        if component in single:
            yield component, single[component]
        elif component in several:
            for k, samples in enumerate(several[component]):
                yield f"{many[component]}-{k}", samples
