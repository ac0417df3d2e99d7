"""Thresholds of the quality checks: bounds on scores, and profiles of them."""

import math
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any

from arrayenh.errors import ConfigError
from arrayenh.evaluation.registry import METRICS
from arrayenh.formats import read_toml

GAIN = "delta_"
OFF = "off"
FOLDER = resources.files("arrayenh.evaluation") / "profiles"
TABLES = ("thresholds", "without_reference", "no_worse", "tolerance")
COMPARISON = re.compile(r"\s*(>=|<=|>|<)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(%?)\s*")


@dataclass(frozen=True, slots=True)
class Bound:
    """Allowed interval of a value; a `strict` limit is itself excluded.

    Examples
    --------
    >>> print(Bound(low=3, strict=True)), Bound(low=3, strict=True).holds(3)
    > 3
    (None, False)
    """

    low: float = -math.inf
    high: float = math.inf
    strict: bool = False

    def holds(self, value: float) -> bool:
        """Whether a value is allowed; NaN never is, infinity is if that side has no limit."""
        at_limit = math.isfinite(value) and value in (self.low, self.high)
        return self.low <= value <= self.high and not (self.strict and at_limit)

    def __str__(self) -> str:
        if self.high == math.inf:
            return f"{'>' if self.strict else '>='} {self.low:g}"
        if self.low == -math.inf:
            return f"{'<' if self.strict else '<='} {self.high:g}"
        return f"{self.low:g} to {self.high:g}"


@dataclass(frozen=True, slots=True)
class Profile:
    """Thresholds that an output must meet.

    Attributes
    ----------
    name : str
    thresholds : mapping of str to Bound
        By score (`artifact_score`) or gain of one over the input (`delta_snr`).
    without_reference : mapping of str to Bound
        Thresholds added, or replaced, where no clean speech is given.
    """

    name: str
    thresholds: Mapping[str, Bound]
    without_reference: Mapping[str, Bound] = field(default_factory=dict)

    def bounds(self, has_reference: bool) -> dict[str, Bound]:
        """All bounds, in the order of the checks."""
        return dict(self.thresholds) | ({} if has_reference else dict(self.without_reference))

    def changed(self, texts: Iterable[str]) -> "Profile":
        """Return the profile with changed thresholds, such as "delta_snr=>2" or "clipping=off".

        Raises
        ------
        ConfigError
            If a text is not KEY=BOUND, or the key or the bound is invalid.
        """
        thresholds, without = dict(self.thresholds), dict(self.without_reference)
        for text in texts:
            key, equals, value = text.partition("=")
            key = key.strip()
            if not equals:
                raise ConfigError(f"a threshold is KEY=BOUND, such as 'delta_snr=>2'; got {text!r}")
            check_key(key, "threshold")
            bound = None if value.strip() == OFF else parse_bound(key, as_number(value))
            without.pop(key, None)
            if bound is None:
                thresholds.pop(key, None)
            else:
                thresholds[key] = bound
        return replace(self, thresholds=thresholds, without_reference=without)


def parse_bound(key: str, value: Any) -> Bound:
    """Parse a bound: ">3", "<1%", {min = 1, max = 2}, or a number, which means no worse than that.

    Parameters
    ----------
    key : str
        A score, or `delta_` and a score.
    value : str, mapping or number
        Value from TOML.

    Raises
    ------
    ConfigError
        If the value has none of these forms.

    Examples
    --------
    >>> print(parse_bound("clipping", "< 1 %")), print(parse_bound("delta_stoi", 0.1))
    < 0.01
    >= 0.1
    (None, None)
    """
    if is_number(value):
        return Bound(low=value) if higher_is_better(key) else Bound(high=value)
    if isinstance(value, str) and (found := COMPARISON.fullmatch(value)):
        sign, number, percent = found.groups()
        limit = float(number) / (100 if percent else 1)
        side = "low" if ">" in sign else "high"
        return Bound(**{side: limit}, strict="=" not in sign)
    if isinstance(value, Mapping) and value and value.keys() <= {"min", "max"}:
        low, high = value.get("min", -math.inf), value.get("max", math.inf)
        if all(map(is_number, value.values())) and low <= high:
            return Bound(low, high)
    raise ConfigError(
        f'{key} wants a bound such as ">3", "<1%", a number or {{min = 1, max = 2}}; got {value!r}'
    )


def as_number(text: str) -> str | float:
    """Convert the text to a number, as in TOML, if it is one."""
    try:
        return float(text)
    except ValueError:
        return text


def is_number(value: Any) -> bool:
    """Whether the value is a finite number; bools are not."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def score_of(key: str) -> str:
    """Name of the score in a key."""
    return key.removeprefix(GAIN)


def higher_is_better(key: str) -> bool:
    """Direction of the score in a key."""
    return METRICS[score_of(key)].higher_is_better


def check_key(key: str, what: str) -> None:
    """Raise an error for a key that is neither a score nor a gain of one."""
    if score_of(key) not in METRICS:
        raise ConfigError(
            f"unknown {what} {key!r}; known are, alone or behind {GAIN!r}, {', '.join(METRICS)}"
        )


def profile_names() -> list[str]:
    """Names of the built-in profiles."""
    return sorted(Path(entry.name).stem for entry in FOLDER.iterdir() if "toml" in entry.name)


def load_profile(name: str) -> Profile:
    """Load a profile by name, or from a TOML file by path.

    Raises
    ------
    ConfigError
        If it does not exist, is not TOML, has an unknown key, or has no threshold.
    """
    names = profile_names()
    if name not in names and not os.path.isfile(name):
        raise ConfigError(
            f"unknown profile {name!r}: neither a TOML file that can be read nor one of "
            f"{', '.join(names)}"
        )
    place = FOLDER / f"{name}.toml" if name in names else Path(name)
    content = read_toml(place, f"profile {name}")
    try:
        return parse_profile(name, content)
    except ConfigError as error:
        raise ConfigError(f"profile {name}: {error}") from error


def parse_profile(name: str, content: Mapping[str, Any]) -> Profile:
    """Parse a profile from the tables of its file."""
    for key in content:
        if key not in TABLES:
            raise ConfigError(f"unknown key {key!r}; known are {', '.join(TABLES)}")
    asked = not_worse(content.get("no_worse", []), table(content, "tolerance"))
    found: dict[str, dict[str, Bound]] = {}
    for kind in ("thresholds", "without_reference"):
        for key in table(content, kind):
            check_key(key, "threshold")
        found[kind] = {k: parse_bound(k, value) for k, value in table(content, kind).items()}
    if not asked and not any(found.values()):
        raise ConfigError("it has no threshold: give [thresholds] or no_worse")
    return Profile(name, asked | found["thresholds"], found["without_reference"])


def table(content: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return a table of the file; empty if it does not exist."""
    found = content.get(key, {})
    if not isinstance(found, Mapping):
        raise ConfigError(f"{key} should be a table, [{key}]; got {found!r}")
    return found


def not_worse(names: Any, tolerance: Mapping[str, Any]) -> dict[str, Bound]:
    """Bounds on the gains of these scores ("all": every score): no loss beyond the tolerance."""
    if names == "all":
        names = list(METRICS)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ConfigError(f'no_worse should be "all" or a list of scores; got {names!r}')
    for score in (*names, *tolerance):
        if score.startswith(GAIN):
            raise ConfigError(f"no_worse and tolerance name scores, not gains; got {score!r}")
        check_key(score, "score")
    for score, value in tolerance.items():
        if score not in names:
            raise ConfigError(f"tolerance names {score}, which no_worse does not name")
        if not is_number(value) or value < 0:
            raise ConfigError(f"the tolerance of {score} should be 0 or more; got {value!r}")
    margins = {score: float(tolerance.get(score, 0)) for score in names}
    return {
        GAIN + score: Bound(low=0 - margin) if higher_is_better(score) else Bound(high=margin)
        for score, margin in margins.items()
    }
