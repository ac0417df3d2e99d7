"""Random values in scene files.

rt60 = 0.4                               # fixed
rt60 = {uniform = [0.2, 0.8]}            # uniform in the interval
size = {uniform = [[4, 3, 2.5], [8, 7, 3.5]]}
snr_db = {choice = [-5, 0, 5, 10]}       # one of the values
count = {integer = [1, 3]}               # 1, 2 or 3
level_db = {normal = [0, 3]}             # mean and standard deviation
distance = {log_uniform = [0.5, 4]}
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from arrayenh.errors import SceneError


def _uniform(rng: np.random.Generator, low: Any, high: Any) -> Any:
    return (
        rng.uniform(low, high).tolist() if isinstance(low, list) else float(rng.uniform(low, high))
    )


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _normal(rng: np.random.Generator, mean: float, deviation: float) -> float:
    return float(rng.normal(mean, deviation))


def _integer(rng: np.random.Generator, low: int, high: int) -> int:
    return int(rng.integers(low, high, endpoint=True))


def _choice(rng: np.random.Generator, *values: Any) -> Any:
    return values[int(rng.integers(len(values)))]


DRAWS: dict[str, Callable[..., Any]] = {
    "uniform": _uniform,
    "log_uniform": _log_uniform,
    "normal": _normal,
    "integer": _integer,
    "choice": _choice,
}


def left_to_chance(value: Any) -> bool:
    """Whether a value of a scene file is one of the random forms above."""
    return isinstance(value, dict) and len(value) == 1 and next(iter(value)) in DRAWS


def draw_value(value: Any, rng: np.random.Generator) -> Any:
    """Draw a random value; a fixed value is returned as it is and uses no random number."""
    if not left_to_chance(value):
        return value
    ((form, given),) = value.items()
    return DRAWS[form](rng, *given)


def extremes(value: Any) -> Iterator[Any]:
    """Extreme values of a random form: all choices, both ends of a range."""
    if not left_to_chance(value):
        yield value
        return
    ((form, given),) = value.items()
    if form == "normal":
        yield given[0]
    else:
        yield from given


def check_chance(key: str, value: Any) -> None:
    """Validate a random form; the error message names the key.

    Raises
    ------
    SceneError
        If the form does not have the numbers it needs.
    """
    if not left_to_chance(value):
        return
    ((form, given),) = value.items()
    if not isinstance(given, list) or not given:
        raise SceneError(f"{key}: {form} needs a list; got {given!r}")
    if form == "choice":
        return
    if len(given) != 2:
        words = "mean, deviation" if form == "normal" else "low, high"
        raise SceneError(f"{key}: {form} needs [{words}]; got {given!r}")
    if form == "uniform" and all(isinstance(end, list) for end in given):
        if len(given[0]) != len(given[1]):
            raise SceneError(f"{key}: both ends of uniform must be equally long; got {given!r}")
        pairs = list(zip(*given, strict=True))
    else:
        pairs = [tuple(given)]
    for low, high in pairs:
        _check_pair(key, form, low, high)


def _check_pair(key: str, form: str, low: Any, high: Any) -> None:
    kinds = int if form == "integer" else int | float
    if not all(isinstance(end, kinds) and not isinstance(end, bool) for end in (low, high)):
        what = "whole numbers" if form == "integer" else "numbers"
        raise SceneError(f"{key}: {form} needs {what}; got {[low, high]!r}")
    if not np.isfinite([low, high]).all():
        raise SceneError(f"{key}: {form} needs finite numbers; got {[low, high]!r}")
    if form == "normal":
        if high < 0:
            raise SceneError(f"{key}: the deviation of normal must be at least 0; got {high}")
    elif low > high:
        raise SceneError(f"{key}: {form} needs [low, high], low first; got {[low, high]!r}")
    if form == "log_uniform" and low <= 0:
        raise SceneError(f"{key}: log_uniform needs numbers above 0; got {[low, high]!r}")
