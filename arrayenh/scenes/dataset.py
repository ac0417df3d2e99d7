"""Data sets of scenes on disk: resumable, the same bytes however they are made.

    DIR/dataset.json            what the set is made of
    DIR/manifest.csv            one row for each scene, the scene itself in the last column
    DIR/scenes/000123/          mixture.wav, target.wav, ..., scene.json
    DIR/rooms/000017.npz        impulse responses, with `n_rooms`

A scene is written into a folder of another name and renamed when it is complete: what has
its name is whole, and a run that was stopped goes on with what is missing.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from arrayenh.audio import AudioWriter
from arrayenh.errors import ArrayenhError, AudioError, SceneError
from arrayenh.scenes.bank import ResponseBank, packed, save_arrays
from arrayenh.scenes.draw import draw_scene
from arrayenh.scenes.manifest import manifest_text, read_manifest, row_of, scene_file_text
from arrayenh.scenes.recipe import Recipe
from arrayenh.scenes.render import Rendered, render
from arrayenh.scenes.scene import Scene
from arrayenh.scenes.truth import truth
from arrayenh.scenes.workers import Work, in_turn

COMPONENTS = (
    "mixture",
    "target",
    "early",
    "noise",
    "talkers",
    "noises",
    "sensors",
    "residual",
    "dry",
    "rirs",
)
DEFAULT = ("mixture", "target", "early", "noise")
FORMATS = {"wav": "FLOAT", "flac": "PCM_24"}
Map = Callable[[Work, Iterable[int]], Iterator[dict[str, Any]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a data set is made of.

    Attributes
    ----------
    tree : mapping
        The recipe; empty if `source` is a manifest.
    name : str
        Of the recipe.
    seed : int
    n_rooms : int, optional
        So many geometries, each rendered once and used in turn.
    components : tuple of str
        Which sounds are written: see `COMPONENTS`.
    format : {"wav", "flac"}
        32-bit float, of which components add up to the mixture exactly; or 24 bits.
    source : str, optional
        A manifest, whose scenes are rendered again.
    """

    tree: Mapping[str, Any] = field(default_factory=dict)
    name: str = "scenes"
    seed: int = 0
    n_rooms: int | None = None
    components: tuple[str, ...] = DEFAULT
    format: str = "wav"
    source: str | None = None

    def __post_init__(self) -> None:
        for component in self.components:
            if component not in COMPONENTS:
                raise SceneError(f"no component {component!r}; there are {', '.join(COMPONENTS)}")
        if self.format not in FORMATS:
            raise SceneError(f"no format {self.format!r}; there are {', '.join(FORMATS)}")
        if self.n_rooms is not None and self.n_rooms < 1:
            raise SceneError(f"a bank needs at least one room; got {self.n_rooms}")
        if self.seed < 0:
            raise SceneError(f"a seed is a whole number from 0; got {self.seed}")


def with_folders(tree: Mapping[str, Any], speech: str | None, noise: str | None) -> dict[str, Any]:
    """A recipe whose voices, or whose noises other than babble, come from other folders."""
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


def make_dataset(
    plan: Plan,
    folder: Path,
    indices: Iterable[int],
    *,
    mapped: Map = in_turn,
    progress: Callable[[int], None] = lambda done: None,
) -> list[dict[str, Any]]:
    """Make a data set, or what of it is missing.

    Parameters
    ----------
    plan : Plan
    folder : Path
        Made where there is none; its own parent must be there.
    indices : iterable of int
        Scenes.
    mapped : callable
        Does the work for many scenes: `in_turn`, or one of `arrayenh.scenes.workers`.
    progress : callable
        Told how many scenes are done.

    Returns
    -------
    rows : list of dict
        Of the manifest: every scene that is in the folder.

    Raises
    ------
    SceneError
        If the folder holds a data set of something else, or a scene cannot be.
    AudioError
        If a file cannot be read or written.
    """
    wanted = sorted(set(indices))
    begin(plan, folder)
    missing = [index for index in wanted if not scene_folder(folder, index).is_dir()]
    done = len(wanted) - len(missing)
    progress(done)
    for _ in mapped(MakeScene(plan, folder), missing):
        done += 1
        progress(done)
    rows = [json.loads(path.read_text())["row"] for path in scene_files(folder)]
    scenes = [json.loads(path.read_text())["scene"] for path in scene_files(folder)]
    for row, scene in zip(rows, scenes, strict=True):
        row["scene"] = json.dumps(scene, separators=(",", ":"))
    write_text(folder / "manifest.csv", manifest_text(rows))
    return rows


def begin(plan: Plan, folder: Path) -> None:
    """Make the folder, or check that what is there is of the same plan."""
    said = json.dumps({"format": 1, **asdict(plan)}, indent=1, sort_keys=True) + "\n"
    described = folder / "dataset.json"
    try:
        folder.mkdir(exist_ok=True)
        (folder / "scenes").mkdir(exist_ok=True)
    except OSError as error:
        raise AudioError(f"{folder} cannot be made: {error.strerror}") from error
    if described.exists():
        before, now = json.loads(described.read_text()), json.loads(said)
        for key in sorted({*before, *now}):
            if before.get(key) != now.get(key):
                what = "another scene file" if key == "tree" else f"{key} {before.get(key)!r}"
                raise SceneError(
                    f"{folder} holds a data set made with {what}; give another folder, or the "
                    f"same settings to go on"
                )
    else:
        if any((folder / "scenes").iterdir()):
            raise SceneError(f"{folder}/scenes is not empty and no data set; give another folder")
        write_text(described, said)
    for rest in (folder / "scenes").glob(".*.part"):  # of a run that was stopped
        shutil.rmtree(rest, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class MakeScene:
    """Renders and writes one scene of a data set; sent to the processes that do it."""

    plan: Plan
    folder: Path

    def __call__(self, index: int) -> dict[str, Any]:
        """Return the row of the manifest."""
        plan = self.plan
        scene = scene_of(plan, index)
        responses = None
        if plan.n_rooms:
            room = index % plan.n_rooms
            responses = bank_of(str(self.folder / "rooms")).responses(room, scene)
        rendered = render(scene, responses)
        found = truth(rendered)
        row = row_of(index, f"scenes/{index:06d}", scene, found)
        final = scene_folder(self.folder, index)
        part = final.with_name(f".{index:06d}.{os.getpid()}.part")
        try:
            part.mkdir()
            write_sounds(rendered, part, plan)
            write_text(part / "scene.json", scene_file_text(row, found))
            if not final.is_dir():  # a worker that was thought lost may have been faster
                part.rename(final)
        except OSError as error:
            if isinstance(error, ArrayenhError):
                raise
            raise AudioError(f"{final} cannot be written: {error.strerror}") from error
        finally:
            shutil.rmtree(part, ignore_errors=True)
        return row


def scene_of(plan: Plan, index: int) -> Scene:
    """Scene `index` of a plan."""
    if plan.source is None:
        return draw_scene(Recipe(plan.name, plan.tree), index, plan.seed, plan.n_rooms)
    scenes = manifest_of(plan.source)
    if index not in scenes:
        raise SceneError(f"{plan.source} has no scene {index}")
    return scenes[index]


def manifest_of(path: str) -> dict[int, Scene]:
    """A manifest, read once in each process."""
    if path not in _MANIFESTS:
        _MANIFESTS[path] = read_manifest(Path(path))
    return _MANIFESTS[path]


def bank_of(folder: str) -> ResponseBank:
    """The bank of a folder, one in each process."""
    if folder not in _BANKS:
        _BANKS[folder] = ResponseBank(Path(folder))
    return _BANKS[folder]


_MANIFESTS: dict[str, dict[int, Scene]] = {}
_BANKS: dict[str, ResponseBank] = {}


def scene_folder(folder: Path, index: int) -> Path:
    """Where a scene is."""
    return folder / "scenes" / f"{index:06d}"


def scene_files(folder: Path) -> list[Path]:
    """Descriptions of the scenes that are complete, in order."""
    return sorted((folder / "scenes").glob("[0-9]*/scene.json"))


def write_sounds(rendered: Rendered, folder: Path, plan: Plan) -> None:
    """The components asked for, in one scale."""
    for name, samples in sounds(rendered, plan.components):
        path = folder / f"{name}.{plan.format}"
        samples = np.atleast_2d(samples)
        rate, (n_channels, n_samples) = rendered.sample_rate, samples.shape
        with AudioWriter(path, rate, n_channels, n_samples, FORMATS[plan.format]) as writer:
            writer.write(samples)
    if "rirs" in plan.components:
        save_arrays(folder / "rirs.npz", packed(rendered.responses))


def sounds(rendered: Rendered, components: tuple[str, ...]) -> Iterator[tuple[str, np.ndarray]]:
    """Names of files and what is in them."""
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


def write_text(path: Path, text: str) -> None:
    """A small file, whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)
    except OSError as error:
        raise AudioError(f"{path} cannot be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
