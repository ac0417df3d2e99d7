"""Settings of a data set of scenes."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from arrayenh.errors import SceneError
from arrayenh.scenes.draw import draw_scene
from arrayenh.scenes.manifest import scene_texts
from arrayenh.scenes.recipe import Recipe
from arrayenh.scenes.scene import Scene
from arrayenh.scenes.serialise import scene_from_json
from arrayenh.version import __version__

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Settings that determine every file of a data set.

    Attributes
    ----------
    tree : mapping
        The recipe; empty if `source` is a manifest.
    name : str
        Name of the recipe.
    seed : int
    n_rooms : int, optional
        Number of geometries, each rendered once and used in turn.
    components : tuple of str
        Components that are written: see `COMPONENTS`.
    format : {"wav", "flac"}
        32-bit float, in which the components add up to the mixture exactly, or 24 bits.
    source : str, optional
        A manifest; its scenes are rendered again.
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
                raise SceneError(f"no component {component!r}; use one of {', '.join(COMPONENTS)}")
        if self.format not in FORMATS:
            raise SceneError(f"no format {self.format!r}; use one of {', '.join(FORMATS)}")
        if self.n_rooms is not None and self.n_rooms < 1:
            raise SceneError(f"a bank needs at least one room; got {self.n_rooms}")
        if self.seed < 0:
            raise SceneError(f"a seed must be a whole number of at least 0; got {self.seed}")

    def said(self) -> str:
        """Text of dataset.json: all settings on which the bytes of a scene depend."""
        settings = {"format_version": 1, "arrayenh": __version__, **asdict(self)}
        return json.dumps(settings, indent=1, sort_keys=True) + "\n"


def scene_of(plan: Plan, index: int) -> Scene:
    """Scene `index` of a plan."""
    if plan.source is None:
        return draw_scene(Recipe(plan.name, plan.tree), index, plan.seed, plan.n_rooms)
    try:
        return scene_from_json(manifest_of(plan.source)[index])
    except SceneError as error:
        raise SceneError(f"{plan.source}: {error}") from error


def manifest_of(path: str) -> dict[int, str]:
    """Scenes of a manifest as JSON, read once per process and again when the file changes."""
    there = os.stat(path) if os.path.exists(path) else None
    return _manifest(path, there and (there.st_mtime_ns, there.st_size))


@lru_cache(maxsize=2)
def _manifest(path: str, version: tuple[int, int] | None) -> dict[int, str]:
    return scene_texts(Path(path))
