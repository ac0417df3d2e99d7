"""Cache of scores: one small file for each case and system.

    FOLDER/<case>/<system>.json     {"case": ..., "system": ..., "scores": {name: [value, reason]}}

The names are hashes of everything that the scores depend on: the audio, the system's settings
and the code. Files are written atomically, so an interrupted run leaves no invalid file.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from arrayenh.errors import ConfigError
from arrayenh.evaluation.cases.case import digest
from arrayenh.evaluation.scoring import Score
from arrayenh.evaluation.systems.system import Cost, System
from arrayenh.files import write_whole
from arrayenh.formats import json_object, read_text
from arrayenh.validation import validated

Kind = TypeVar("Kind")

NOT_CODE = (
    "cli",
    "reports",
    "evaluation/suites",
    "evaluation/metrics/features.py",
    *(f"evaluation/{name}.py" for name in ("tables", "results", "intervals", "suite", "corpus")),
    *(f"evaluation/{name}.py" for name in ("cost", "qa", "junit", "thresholds")),
)
"""Parts of the package that scores do not depend on; excluded from the code hash."""

KEY_LENGTH = 24


@dataclass(frozen=True, slots=True)
class Scores:
    """Contents of a file of scores: names of case and system, value and reason by score."""

    case: str
    system: str
    scores: dict[str, tuple[float | None, str | None]]


@dataclass(frozen=True, slots=True)
class Cache:
    """Scores of cases and costs of systems, stored in a folder."""

    folder: Path

    def scores(self, case: str, system: str) -> dict[str, Score]:
        """Return the cached scores for the keys of a case and a system; empty if there are none."""
        found = kept(self.folder / case / f"{system}.json", Scores)
        return {
            name: Score(math.nan if value is None else value, reason)
            for name, (value, reason) in (found.scores if found else {}).items()
        }

    def keep(
        self, case: str, system: str, scores: Mapping[str, Score], names: tuple[str, str]
    ) -> None:
        """Add scores to the cached ones; `names` of case and system make the file readable."""
        known = {**self.scores(case, system), **scores}
        values = {name: [as_json(score.value), score.reason] for name, score in known.items()}
        said = {"case": names[0], "system": names[1], "scores": values}
        write_whole(self.folder / case / f"{system}.json", json.dumps(said), make_folder=True)

    def cost(self, system: str) -> Cost | None:
        """Return the cached cost of a system, or None."""
        return kept(self.folder / "costs" / f"{system}.json", Cost)

    def keep_cost(self, system: str, cost: Cost) -> None:
        """Store the cost of a system."""
        values = {
            "real_time_factor": cost.real_time_factor,
            "peak_mb": cost.peak_mb,
            "latency_ms": as_json(cost.latency_ms),
        }
        place = self.folder / "costs" / f"{system}.json"
        write_whole(place, json.dumps(values), make_folder=True)


def system_key(system: System) -> str:
    """Hash of everything that a system's outputs and their scores depend on."""
    definition = json.dumps(dict(system.definition()), sort_keys=True, default=str)
    return digest([system.name, definition, code_digest()])[:KEY_LENGTH]


@cache
def code_digest() -> str:
    """Hash of the code that enhances and scores."""
    root = files("arrayenh")
    return digest(part for name in code_files(root) for part in (name, held(root, name)))


def code_files(root: Any, folder: str = "") -> Iterable[str]:
    """Yield the names of the code files below a folder of the package, sorted."""
    for entry in sorted((root / folder if folder else root).iterdir(), key=lambda one: one.name):
        name = f"{folder}/{entry.name}" if folder else entry.name
        if name in NOT_CODE:
            continue
        if entry.is_dir():
            yield from code_files(root, name)
        elif name.endswith(".py"):
            yield name


def held(root: Any, name: str) -> str:
    """Return the text of a file of the package."""
    return str((root / name).read_text(encoding="utf-8"))


def as_json(value: float) -> float | str | None:
    """Convert a number for JSON: infinity to a string, NaN to null."""
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else str(value)


def kept(path: Path, kind: type[Kind]) -> Kind | None:
    """Read values from a JSON file; None if it does not exist or is damaged."""
    try:
        return validated(kind, stored(path), str(path))
    except ConfigError:
        return None


def stored(path: Path) -> dict[str, Any]:
    """Read an object from a JSON file; empty if it does not exist or is damaged."""
    try:
        return json_object(read_text(path), str(path))
    except ConfigError:
        return {}
