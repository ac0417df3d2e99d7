"""Scene files: TOML with fixed and random values.

A recipe is a checked scene file; `Recipe.draw` draws a `SceneSpec` from it.
Three generators draw the values: one the things (room, array, number and distance of the
sources), one the places (directions, positions), one the sound (signals, levels). A room can
therefore be kept with new signals, and positions can be drawn again without changing the rest.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from arrayenh.errors import SceneError
from arrayenh.formats import read_toml
from arrayenh.scenes.chance import check_chance, draw_value, extremes, left_to_chance
from arrayenh.scenes.spec import SceneSpec
from arrayenh.validation import validated

PRESETS = files("arrayenh.scenes") / "presets"
MOST_SOURCES = 100
WHOLE = {"integer", "choice"}  # forms of random values that give whole numbers
COUNT = "[[count]]"  # key of the number of sources in a `Change`; no file has it
SOURCES = ("talkers", "noises")
SOUND = frozenset(
    "speech signal voices level_db seconds lead_in tail snr_db snr_over level_dbfs "
    "sensor_noise_db overlap description".split()
)
"""Keys drawn by the sound generator."""

PLACE = frozenset(("position", "azimuth_deg"))
"""Keys drawn by the places generator; the things generator draws all others."""

Tree = Mapping[str, Any]
Change = Callable[[str, Any], Any]


@dataclass(frozen=True, slots=True, eq=False)
class Recipe:
    """Checked contents of a scene file.

    Attributes
    ----------
    name : str
        Name of the preset, or of the file without its suffix.
    tree : mapping
        Contents of the file, as parsed from TOML.
    """

    name: str
    tree: Tree

    def __post_init__(self) -> None:
        check_tree(self.tree)
        for tree in corner_trees(self.tree):
            as_spec(tree)

    def draw(
        self,
        things: np.random.Generator,
        places: np.random.Generator,
        sound: np.random.Generator,
    ) -> SceneSpec:
        """Draw one set of values.

        Parameters
        ----------
        things, places, sound : Generator
            Generators of the three groups of keys, used in the order of the file.

        Raises
        ------
        SceneError
            If the drawn values are inconsistent.
        """

        def draw(key: str, value: Any) -> Any:
            rng = sound if key in SOUND else places if key in PLACE else things
            return draw_value(value, rng)

        return as_spec(with_values(self.tree, draw))


def load_recipe(name: str) -> Recipe:
    """Load a preset by its name, or a TOML file by its path.

    Raises
    ------
    SceneError
        If neither exists, or the file is not a scene; the message names the key and its valid
        values.
    """
    preset = PRESETS / f"{name}.toml"
    ships = "/" not in name and preset.is_file()
    if not ships and Path(name).suffix != ".toml":
        near = get_close_matches(name, preset_names(), n=1)
        hint = f"did you mean {near[0]}?" if near else "or give a TOML file"
        raise SceneError(f"no preset {name!r}; use one of {', '.join(preset_names())}; {hint}")
    tree = read_toml(preset if ships else Path(name), name, SceneError)
    try:
        return Recipe(name if ships else Path(name).stem, tree)
    except SceneError as error:
        raise SceneError(f"{name}: {error}") from error


def preset_names() -> list[str]:
    """Names of the scene files in the package."""
    return sorted(
        Path(entry.name).stem for entry in PRESETS.iterdir() if entry.name.endswith(".toml")
    )


def check_tree(tree: Tree) -> None:
    """Validate all random values of a scene file."""
    for key, value in leaves(tree):
        check_chance(key, value)
    for group in SOURCES:
        tables = tree.get(group, [])
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            raise SceneError(f"{group} must be tables, each starting with [[{group}]]")
        for k, table in enumerate(tables):
            drawn = table.get("count", 1)
            if left_to_chance(drawn) and not WHOLE & drawn.keys():
                raise SceneError(
                    f"{group}.{k}.count: must be a whole number, drawn by integer or choice; "
                    f"got {drawn!r}"
                )
            for count in extremes(drawn):
                whole = isinstance(count, int) and not isinstance(count, bool)
                if not whole or not 0 <= count <= MOST_SOURCES:
                    raise SceneError(
                        f"{group}.{k}.count: must be a whole number, 0 to {MOST_SOURCES}; "
                        f"got {count!r}"
                    )


def leaves(tree: Tree, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value with its path; a table of a random value is one value."""
    for key, value in tree.items():
        here = f"{path}{key}"
        if isinstance(value, dict) and not left_to_chance(value):
            yield from leaves(value, f"{here}.")
        elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            for k, item in enumerate(value):
                yield from leaves(item, f"{here}.{k}.")
        else:
            yield here, value


def with_values(tree: Tree, change: Change) -> dict[str, Any]:
    """Apply `change(key, value)` to every value, and repeat sources by their count."""
    out: dict[str, Any] = {}
    for key, value in tree.items():
        if key in SOURCES:
            out[key] = [one for table in value for one in repeated(table, change)]
        else:
            out[key] = within_table(key, value, change)
    return out


def repeated(table: Tree, change: Change) -> Iterator[dict[str, Any]]:
    """Yield the sources of one table, as many as its count says."""
    rest = {key: value for key, value in table.items() if key != "count"}
    for _ in range(change(COUNT, table.get("count", 1))):
        yield {key: within_table(key, value, change) for key, value in rest.items()}


def within_table(key: str, value: Any, change: Change) -> Any:
    """Apply `change` to a value, or to all values of a table."""
    if isinstance(value, dict) and not left_to_chance(value):
        return {inner: within_table(inner, v, change) for inner, v in value.items()}
    return change(key, value)


def corner_trees(tree: Tree) -> Iterator[dict[str, Any]]:
    """Yield trees with one value at each of its extremes and the others at their first."""

    def kth(key: str, value: Any, k: int) -> Any:
        values = list(extremes(value))
        return max(1, values[0]) if key == COUNT else values[min(k, len(values) - 1)]

    most = max((len(list(extremes(value))) for _, value in leaves(tree)), default=1)
    for k in range(max(most, 1)):
        yield with_values(tree, partial(kth, k=k))


def as_spec(tree: Tree) -> SceneSpec:
    """Validate a tree of fixed values as a `SceneSpec`.

    Raises
    ------
    SceneError
        If a value is invalid; the message names the key and its valid values.
    """
    room = tree.get("room")
    if isinstance(room, dict):  # default of the key that selects the kind of room
        tree = {**tree, "room": {"kind": "shoebox", **room}}
    return validated(SceneSpec, tree, error=SceneError, more_keys=dict.fromkeys(SOURCES, ["count"]))
