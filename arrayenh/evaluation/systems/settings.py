"""Settings of a chain from words, each checked to be of its kind."""

from typing import get_args, get_type_hints

from arrayenh.chain.settings import EnhanceConfig
from arrayenh.errors import ConfigError

KINDS = {key: get_args(hint) or (hint,) for key, hint in get_type_hints(EnhanceConfig).items()}
"""Types that each setting may have."""

CALLED = {bool: "true or false", int: "a whole number", float: "a number", str: "a word"}


def value_of(key: str, text: str, where: str) -> bool | int | float | str:
    """The value that a word stands for, by what its setting may be.

    Raises
    ------
    ConfigError
        If the key is unknown, or the word no such value.
    """
    kinds = kinds_of(key, where)
    if bool in kinds and text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        if kind in kinds:
            try:
                return kind(text)
            except ValueError:
                continue
    if str not in kinds:
        raise ConfigError(f"{where}: {key} should be {wanted(kinds)}; got {text!r}")
    return text


def kinds_of(key: str, where: str) -> tuple[type, ...]:
    """Types that a setting may have."""
    if key not in KINDS:
        raise ConfigError(f"{where}: unknown key {key!r}; known are {', '.join(KINDS)}")
    return KINDS[key]


def wanted(kinds: tuple[type, ...]) -> str:
    """Types in words."""
    return " or ".join(CALLED[kind] for kind in kinds if kind in CALLED)
