"""Suites: the scenes that a benchmark draws, and the systems and scores it compares on them.

A suite is a TOML file: a scene with random values, values that the scenes take in turn, and
names of systems and metrics. Placeholders such as "$targets" or "$noises" are replaced by the
built-in clips, or by the user's own speech and noise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from arrayenh.errors import ConfigError, SceneError
from arrayenh.evaluation.results import HEADLINE
from arrayenh.formats import Readable, read_toml
from arrayenh.scenes.recipe import Recipe
from arrayenh.validation import validated

SUITES = files("arrayenh.evaluation") / "suites"
TARGETS = ("early", "reverberant")


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Selection of files from a corpus; a file must meet all conditions.

    Attributes
    ----------
    sets : tuple of str
        Column `set` of the corpus's manifest.csv; empty: any.
    folder : str
        Folder of the file; empty: any.
    kinds, not_kinds : tuple of str
        Part of the file's name before "__".
    """

    sets: tuple[str, ...] = ()
    folder: str = ""
    kinds: tuple[str, ...] = ()
    not_kinds: tuple[str, ...] = ()

    __pydantic_config__ = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Alternative parts of a scene; each scene takes the next."""

    each: Annotated[tuple[dict[str, Any], ...], Field(min_length=1)]

    __pydantic_config__ = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """Contents of a suite file.

    Attributes
    ----------
    scene : mapping
        The tree of a scene file.
    describe : str
    scenes, seed : int
    target : {"early", "reverberant"}
        Reference of the scores.
    systems, metrics : tuple of str
    headline : tuple of str
        Main metrics, which are broken down by condition.
    baseline : str
        System that gains are relative to.
    oracle : str, optional
        System whose gain counts as 1.
    material : mapping of str to tuple of str
        Audio files by placeholder name, without the "$".
    data : mapping of str to Selection
        Selections from a corpus, by placeholder name.
    turns : tuple of Turn
        Alternatives; the first changes with every scene.
    """

    scene: dict[str, Any]
    describe: str = ""
    scenes: Annotated[int, Field(ge=1, le=1_000_000)] = 40
    seed: Annotated[int, Field(ge=0)] = 0
    target: Literal["early", "reverberant"] = "early"
    systems: tuple[str, ...] = ("noisy", "default")
    metrics: tuple[str, ...] = ("snr", "si_sdr", "pesq_wb", "stoi", "estoi")
    headline: tuple[str, ...] = HEADLINE
    baseline: str = "noisy"
    oracle: str | None = None
    material: dict[str, tuple[str, ...]] = field(default_factory=dict)
    data: dict[str, Selection] = field(default_factory=dict)
    turns: tuple[Turn, ...] = ()

    __pydantic_config__ = ConfigDict(extra="forbid")

    def tree(self, index: int) -> dict[str, Any]:
        """Scene tree from which scene `index` is drawn."""
        tree, every = dict(self.scene), 1
        for turn in self.turns:
            tree = merged(tree, turn.each[index // every % len(turn.each)])
            every *= len(turn.each)
        return filled(tree, self.material)

    def recipe(self, index: int) -> Recipe:
        """Recipe from which scene `index` is drawn, validated."""
        return Recipe("scene", self.tree(index))


def suite_names() -> list[str]:
    """Names of the built-in suites."""
    return sorted(Path(entry.name).stem for entry in SUITES.iterdir() if ".toml" in entry.name)


def load_suite(name: str) -> Suite:
    """Load a suite by name or from a TOML file; a scene file becomes a suite.

    Raises
    ------
    ConfigError
        If it does not exist, or the file is not a suite; the message names the key.
    SceneError
        If its scene is invalid.
    """
    suite = validated(Suite, suite_tree(name), name)
    try:
        suite.recipe(0)
    except SceneError as error:
        raise SceneError(f"{name}: {error}") from error
    return suite


def suite_tree(name: str) -> dict[str, Any]:
    """Read the tree of a suite file, merged into that of its base."""
    tree = read_toml(suite_file(name), name)
    if "base" in tree:
        base = tree.pop("base")
        if base not in suite_names() or base == name:
            raise ConfigError(f"{name}: base must be one of {', '.join(suite_names())}")
        return {**suite_tree(base), **tree}
    return tree if "scene" in tree else {"scene": tree}


def suite_file(name: str) -> Readable:
    """Locate a built-in suite or a file."""
    if name in suite_names():
        return SUITES / f"{name}.toml"
    if not name.lower().endswith(".toml"):
        near = get_close_matches(name, suite_names(), n=1)
        hint = f"did you mean {near[0]}?" if near else "or give a folder, or a TOML file"
        raise ConfigError(f"no suite {name!r}; the suites are {', '.join(suite_names())}; {hint}")
    return Path(name)


def check_target(target: str) -> None:
    """Raise an error for an unknown target signal."""
    if target not in TARGETS:
        raise ConfigError(f"target must be one of {', '.join(TARGETS)}; got {target!r}")


def merged(tree: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Replace parts of a tree; keys keep their order, tables in lists are matched by position."""
    out = dict(tree)
    for key, value in change.items():
        there = out.get(key)
        if isinstance(value, dict) and isinstance(there, dict) and not is_chance(value):
            out[key] = merged(there, value)
        elif isinstance(value, list) and isinstance(there, list) and is_tables(value):
            changed = [merged(one, part) for one, part in zip(there, value, strict=False)]
            out[key] = [*changed, *there[len(value) :], *value[len(there) :]]
        else:
            out[key] = value
    return out


def is_chance(value: Mapping[str, Any]) -> bool:
    """Whether a table describes a random value."""
    from arrayenh.scenes.chance import left_to_chance

    return left_to_chance(value)


def is_tables(value: Sequence[Any]) -> bool:
    """Whether a list consists of tables."""
    return all(isinstance(item, dict) for item in value)


def filled(value: Any, material: Mapping[str, Sequence[str]], turn: int = 0) -> Any:
    """Replace the "$names" of a tree; those in one list take the files in turn."""
    if isinstance(value, dict):
        return {key: filled(entry, material) for key, entry in value.items()}
    if isinstance(value, list):
        turns = [value[:k].count(item) for k, item in enumerate(value)]
        return [filled(item, material, turn) for item, turn in zip(value, turns, strict=True)]
    return sound(value, material, turn) if isinstance(value, str) else value


def sound(value: str, material: Mapping[str, Sequence[str]], turn: int) -> str:
    """Return a string of a tree, or the file that its "$name" stands for."""
    if not value.startswith("$"):
        return value
    found = material.get(value[1:])
    if not found:
        raise ConfigError(f"the suite's scene uses {value}, which its material does not list")
    return found[turn % len(found)]
