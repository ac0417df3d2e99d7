"""Suites: which scenes a benchmark draws, and which systems and scores it compares on them.

A suite is a TOML file: a scene in which values are left to chance, values that scenes take in
turn, and names of systems and metrics. Sounds stand in it as "$targets" or "$noises", filled in
from what ships, or from the user's own speech and noise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ConfigDict

from arrayenh.errors import ConfigError, SceneError
from arrayenh.evaluation.results import HEADLINE
from arrayenh.scenes.recipe import Recipe
from arrayenh.validation import Readable, read_toml, validated

SUITES = files("arrayenh.evaluation") / "suites"
TARGETS = ("early", "reverberant")


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which files of a corpus a material takes: those that all of this is true of.

    Attributes
    ----------
    sets : tuple of str
        Column `set` of the corpus's manifest.csv; empty: any.
    folder : str
        Where the file lies; empty: anywhere.
    kinds, not_kinds : tuple of str
        What stands before "__" in the file's name.
    """

    sets: tuple[str, ...] = ()
    folder: str = ""
    kinds: tuple[str, ...] = ()
    not_kinds: tuple[str, ...] = ()

    __pydantic_config__ = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Parts of a scene of which each scene takes the next."""

    each: tuple[dict[str, Any], ...]

    __pydantic_config__ = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A suite, as its file says it.

    Attributes
    ----------
    scene : mapping
        The tree of a scene file.
    describe : str
    scenes, seed : int
    target : {"early", "reverberant"}
        What the scores compare with.
    systems, metrics : tuple of str
    headline : tuple of str
        The metrics that decide, and are broken down by conditions.
    baseline : str
        What gains are over.
    oracle : str, optional
        The system whose gain is 1.
    material : mapping of str to tuple of str
        Sounds by the names that stand in the scene behind "$".
    data : mapping of str to Selection
        What these are in a corpus.
    turns : tuple of Turn
        The first changes with every scene.
    """

    scene: dict[str, Any]
    describe: str = ""
    scenes: int = 40
    seed: int = 0
    target: str = "early"
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
        """What scene `index` is drawn from."""
        tree, every = dict(self.scene), 1
        for turn in self.turns:
            tree = merged(tree, turn.each[index // every % len(turn.each)])
            every *= len(turn.each)
        return filled(tree, self.material)

    def recipe(self, index: int) -> Recipe:
        """The same, checked."""
        return Recipe("scene", self.tree(index))


def suite_names() -> list[str]:
    """The suites that ship."""
    return sorted(Path(entry.name).stem for entry in SUITES.iterdir() if ".toml" in entry.name)


def load_suite(name: str) -> Suite:
    """A suite by its name, or a TOML file: a suite, or a scene file, which becomes one.

    Raises
    ------
    ConfigError
        If there is neither, or the file is no suite; the message names the key.
    SceneError
        If its scene cannot be.
    """
    suite = validated(Suite, suite_tree(name), name)
    check_target(suite.target)
    if not suite.turns or all(turn.each for turn in suite.turns):
        try:
            suite.recipe(0)
        except SceneError as error:
            raise SceneError(f"{name}: {error}") from error
        return suite
    raise ConfigError(f"{name}: turns need at least one part each")


def suite_tree(name: str) -> dict[str, Any]:
    """What the file of a suite says, upon what its base says."""
    tree = read_toml(suite_file(name), name)
    if "base" in tree:
        base = tree.pop("base")
        if base not in suite_names() or base == name:
            raise ConfigError(f"{name}: base must be one of {', '.join(suite_names())}")
        return {**suite_tree(base), **tree}
    return tree if "scene" in tree else {"scene": tree}


def suite_file(name: str) -> Readable:
    """A suite that ships, or a file."""
    if name in suite_names():
        return SUITES / f"{name}.toml"
    if not name.lower().endswith(".toml"):
        near = get_close_matches(name, suite_names(), n=1)
        hint = f"did you mean {near[0]}?" if near else "or give a folder, or a TOML file"
        raise ConfigError(f"no suite {name!r}; there are {', '.join(suite_names())}; {hint}")
    return Path(name)


def check_target(target: str) -> None:
    """Refuse what no output can be scored against."""
    if target not in TARGETS:
        raise ConfigError(f"target must be one of {', '.join(TARGETS)}; got {target!r}")


def merged(tree: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """A tree with parts of it replaced, every key where it was; tables in lists by their order."""
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
    """Whether a table is a value that is left to chance."""
    from arrayenh.scenes.chance import left_to_chance

    return left_to_chance(value)


def is_tables(value: Sequence[Any]) -> bool:
    """Whether a list is one of tables."""
    return all(isinstance(item, dict) for item in value)


def filled(value: Any, material: Mapping[str, Sequence[str]], turn: int = 0) -> Any:
    """A tree with its "$names" replaced; those in one list take the sounds in turn."""
    if isinstance(value, dict):
        return {key: filled(entry, material) for key, entry in value.items()}
    if isinstance(value, list):
        turns = [value[:k].count(item) for k, item in enumerate(value)]
        return [filled(item, material, turn) for item, turn in zip(value, turns, strict=True)]
    return sound(value, material, turn) if isinstance(value, str) else value


def sound(value: str, material: Mapping[str, Sequence[str]], turn: int) -> str:
    """One word of a tree: itself, or the sound of that name."""
    if not value.startswith("$"):
        return value
    found = material.get(value[1:])
    if not found:
        raise ConfigError(f"the suite's scene says {value}, which its material does not list")
    return found[turn % len(found)]
