"""Settings in TOML: named profiles of the package, and files of the user."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Any

from arrayenh.chain.settings import Settings, by_name, settings_class
from arrayenh.errors import ConfigError
from arrayenh.formats import read_toml
from arrayenh.registry import unknown
from arrayenh.validation import validated

FOLDER = resources.files("arrayenh.chain") / "profiles"


def profile_names() -> list[str]:
    """Names of the packaged profiles."""
    return sorted(Path(entry.name).stem for entry in FOLDER.iterdir() if "toml" in entry.name)


def load_profile(name: str) -> dict[str, Any]:
    """Load the settings of a packaged profile or of a TOML file.

    Raises
    ------
    ConfigError
        If the profile does not exist, is not TOML, or holds an unknown key.
    """
    packaged = name in profile_names()
    if not packaged and not os.path.isfile(name):
        raise ConfigError(
            f"unknown profile {name!r}: neither a TOML file that can be read nor one of "
            f"{', '.join(profile_names())}"
        )
    settings = read_toml(FOLDER / f"{name}.toml" if packaged else Path(name), f"profile {name}")
    known = tuple(by_name(settings_class()))
    for key, value in settings.items():
        if key not in known:
            raise ConfigError(f"profile {name}: {unknown('key', key, known)}")
        if not isinstance(value, int | float | str):
            raise ConfigError(f"profile {name}: {key} should be a number or a word; got {value}")
    return settings


def resolve(profile: str | None, options: Mapping[str, Any]) -> Settings:
    """Validated settings of a profile, overridden by the options that are not None."""
    settings = load_profile(profile) if profile else {}
    settings |= {key: value for key, value in options.items() if value is not None}
    return validated(settings_class(), settings, strict=True)


def as_toml(settings: Settings) -> str:
    """Format settings as TOML that `load_profile` reads back."""
    lines = [
        f"{key} = {json.dumps(value)}"
        for key, value in asdict(settings).items()
        if value is not None
    ]
    return "\n".join(lines) + "\n"
