"""Scene files: TOML in which values may be left to chance.

A recipe is such a file, checked; `Recipe.draw` turns it into one `SceneSpec` after another.
Three generators draw: one what there is (the room, the array, how many sources and how far
away), one where it is (directions, positions), one what it sounds like (signals, levels). So a
room can be kept while what sounds in it changes, and places drawn again while the rest stays.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from arrayenh.errors import SceneError
from arrayenh.scenes.chance import check_chance, draw_value, extremes, left_to_chance
from arrayenh.scenes.spec import SceneSpec
from arrayenh.validation import read_toml, validated

PRESETS = files("arrayenh.scenes") / "presets"
MOST_SOURCES = 100
SOURCES = ("talkers", "noises")
SOUND = frozenset(
    "speech signal voices level_db seconds lead_in tail snr_db snr_over level_dbfs "
    "sensor_noise_db overlap description".split()
)
"""Keys of what is heard."""

PLACE = frozenset(("position", "azimuth_deg"))
"""Keys of where something is; all others say what there is."""

Tree = Mapping[str, Any]
Change = Callable[[str, Any], Any]


@dataclass(frozen=True, slots=True, eq=False)
class Recipe:
    """A scene file.

    Attributes
    ----------
    name : str
        Of the preset, or the file's without its suffix.
    tree : mapping
        What the file says, as TOML has it.
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
        """One set of values.

        Parameters
        ----------
        things, places, sound : Generator
            Each draws its own part, in the order of the file.

        Raises
        ------
        SceneError
            If values are drawn that cannot go together.
        """

        def draw(key: str, value: Any) -> Any:
            rng = sound if key in SOUND else places if key in PLACE else things
            return draw_value(value, rng)

        return as_spec(with_values(self.tree, draw))


def load_recipe(name: str) -> Recipe:
    """A preset by its name, or a TOML file by its path.

    Raises
    ------
    SceneError
        If there is neither, or the file is not a scene; the message names the key and what
        may stand there.
    """
    preset = PRESETS / f"{name}.toml"
    ships = "/" not in name and preset.is_file()
    if not ships and Path(name).suffix != ".toml":
        near = get_close_matches(name, preset_names(), n=1)
        hint = f"did you mean {near[0]}?" if near else "or give a TOML file"
        raise SceneError(f"no preset {name!r}; there are {', '.join(preset_names())}; {hint}")
    tree = read_toml(preset if ships else Path(name), name, SceneError)
    try:
        return Recipe(name if ships else Path(name).stem, tree)
    except SceneError as error:
        raise SceneError(f"{name}: {error}") from error


def preset_names() -> list[str]:
    """The scene files that ship."""
    return sorted(
        Path(entry.name).stem for entry in PRESETS.iterdir() if entry.name.endswith(".toml")
    )


def check_tree(tree: Tree) -> None:
    """Refuse what is left to chance in a form that cannot be drawn."""
    for key, value in leaves(tree):
        check_chance(key, value)
    for group in SOURCES:
        tables = tree.get(group, [])
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            raise SceneError(f"{group} must be tables, each begun by [[{group}]]")
        for k, table in enumerate(tables):
            for count in extremes(table.get("count", 1)):
                whole = isinstance(count, int) and not isinstance(count, bool)
                if not whole or not 0 <= count <= MOST_SOURCES:
                    raise SceneError(
                        f"{group}.{k}.count: must be a whole number, 0 to {MOST_SOURCES}; "
                        f"got {count!r}"
                    )


def leaves(tree: Tree, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value with its path, tables of chance among them."""
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
    """The tree with every value changed by `change(key, value)`, sources repeated by count."""
    out: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict) and not left_to_chance(value):
            out[key] = with_values(value, change)
        elif key in SOURCES:
            out[key] = []
            for table in value:
                count = change("count", table.get("count", 1))
                rest = {name: entry for name, entry in table.items() if name != "count"}
                out[key] += [with_values(rest, change) for _ in range(count)]
        else:
            out[key] = change(key, value)
    return out


def corner_trees(tree: Tree) -> Iterator[dict[str, Any]]:
    """Trees in which each value takes its extremes in turn, the others their first."""

    def first(key: str, value: Any) -> Any:
        return max(1, _least(value)) if key == "count" else next(extremes(value))

    def _least(value: Any) -> int:
        return int(next(extremes(value)))

    most = max((len(list(extremes(value))) for _, value in leaves(tree)), default=1)
    yield with_values(tree, first)
    for k in range(1, most):

        def kth(key: str, value: Any, k: int = k) -> Any:
            values = list(extremes(value))
            return max(1, _least(value)) if key == "count" else values[min(k, len(values) - 1)]

        yield with_values(tree, kth)


def as_spec(tree: Tree) -> SceneSpec:
    """Checked values.

    Raises
    ------
    SceneError
        Naming the key and what may stand there.
    """
    room = tree.get("room")
    if isinstance(room, dict):  # what tells the rooms apart has a default
        tree = {**tree, "room": {"kind": "shoebox", **room}}
    return validated(SceneSpec, tree, error=SceneError, more_keys=dict.fromkeys(SOURCES, ["count"]))
