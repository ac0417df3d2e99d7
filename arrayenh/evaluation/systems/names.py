"""Parser of system names.

    noisy, default, NAME.toml, the bounds and the peers;
    [wpe+]BEAMFORMER[+POSTFILTER], wpe or a post-filter alone;
    SYSTEM+PEER, a peer on the output of another system

Each part of a chain may have settings, mvdr[masks=spp,mu=2]. A steered beamformer may use the
true direction, das@direction; otherwise it estimates the direction.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache

from arrayenh.beamformers.beamformer import BEAMFORMERS
from arrayenh.chain.profile import resolve
from arrayenh.chain.settings import (
    NONE,
    Settings,
    by_name,
    dereverb_names,
    postfilter_names,
    settings_class,
)
from arrayenh.errors import ConfigError
from arrayenh.evaluation.systems.behind import Behind
from arrayenh.evaluation.systems.bounds import BOUNDS, Bound
from arrayenh.evaluation.systems.chain import Chain, Noisy
from arrayenh.evaluation.systems.peer import PEERS
from arrayenh.evaluation.systems.system import System
from arrayenh.networks import catalogue
from arrayenh.postfilters.postfilter import POSTFILTERS
from arrayenh.registry import unknown as unknown_name

ALIASES = {"spectral-gating": "noisereduce"}  # which is what it is
DIRECTION = "@direction"
FLOW = ("dereverb", "beamformer", "postfilter")
SETTINGS = r"(\[(?P<settings>[^][]*)\])"
PART = re.compile(rf"(?P<name>[a-z0-9-]+)({DIRECTION})?{SETTINGS}?({DIRECTION})?")


def stages() -> dict[str, str]:
    """Settings by the names of the chain's parts, which are their values."""
    names = {
        "dereverb": dereverb_names(),
        "beamformer": tuple(BEAMFORMERS),
        "postfilter": postfilter_names(),
    }
    return {name: key for key in FLOW for name in names[key] if name != NONE}


def steerable() -> list[str]:
    """Beamformers that can be steered to a given direction."""
    return [name for name, one in BEAMFORMERS.items() if one.steering != "blind"]


def systems(text: str) -> list[System]:
    """Parse names of systems, separated by commas.

    Raises
    ------
    ConfigError
        If a name is unknown, its settings are invalid, or a system is named twice.
    """
    found = [system(name) for name in split(text, ",")]
    names = [one.name for one in found]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"system {name} is named twice")
    return found


def system(name: str) -> System:
    """Parse the name of one system.

    Raises
    ------
    ConfigError
        If the name is unknown, or its settings are invalid.
    """
    name = name.strip()
    name = ALIASES.get(name, name)
    found = ready().get(name)
    if found is not None:
        return found
    if name.endswith(".toml"):
        return Chain(name, resolve(name, {}))
    *before, last = split(name, "+")
    if before and (peer := PEERS.get(ALIASES.get(last.strip(), last.strip()))) is not None:
        return Behind("".join(name.split()), system("+".join(before)), peer)
    first, _, rest = name.partition("+")
    bound = ready().get(first.strip())
    if isinstance(bound, Bound):
        return behind("".join(name.split()), bound, rest.strip())
    return chain("".join(name.split()))


def behind(name: str, bound: Bound, postfilter: str) -> Behind:
    """Make a system of a single-channel post-filter behind a bound.

    Raises
    ------
    ConfigError
        If it is not a post-filter.
    """
    found = chain(postfilter)
    settings = found.settings
    if settings.beamforming or settings.dereverberation or settings.postfilter == NONE:
        raise ConfigError(f"system {name}: only a post-filter can follow {bound.name}")
    return Behind(name, bound, found)


def known() -> dict[str, str]:
    """Names of complete systems, and their descriptions."""
    steered = [name + DIRECTION for name in steerable()]
    alone = [
        name for name in stages() if name not in POSTFILTERS or POSTFILTERS[name].gain is not None
    ]
    parts = [system(name) for name in (*alone, *steered)]
    found = [*list(ready().values())[:2], *parts, *list(ready().values())[2:]]
    return {one.name: one.describe for one in found}


@cache
def ready() -> Mapping[str, System]:
    """Systems whose names are not composed of parts."""
    own = (Noisy(), Chain("default", Settings()))
    found: list[System] = [*own, *BOUNDS.values(), *PEERS.values()]
    return {one.name: one for one in found}


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a chain's name."""

    name: str
    settings: Mapping[str, str]
    direction: bool


def chain(name: str) -> Chain:
    """Make a chain from the parts of its name.

    Raises
    ------
    ConfigError
        If a part is unknown, or its settings are invalid.
    """
    parts = [part_of(text, name) for text in split(name, "+")]
    stage_of = stages()
    places = [stage_of[part.name] for part in parts]
    if places != [key for key in FLOW if key in places]:
        raise ConfigError(f"system {name}: parts are [wpe+]BEAMFORMER[+POSTFILTER], each once")
    settings: dict[str, object] = {**dict.fromkeys(FLOW, "none")}
    settings |= {stage_of[part.name]: part.name for part in parts}
    where = f"system {name}"
    for part in parts:
        for key, text in part.settings.items():
            if key in FLOW:
                raise ConfigError(f"{where}: {key} is already set by the parts of the name")
            if key in settings:
                raise ConfigError(f"{where}: {key} is given twice")
            settings[key] = value_of(key, text, where)
    if settings["postfilter"] in catalogue.names("both"):
        settings.setdefault("online", True)
    told = any(part.direction for part in parts)
    if told and "doa" in settings:
        raise ConfigError(f"{where}: give the direction by {DIRECTION} or doa, not both")
    beamforming = BEAMFORMERS.get(str(settings["beamformer"]))
    if beamforming is not None and beamforming.steering == "required" and not told:
        settings.setdefault("doa", "auto")
    try:
        return Chain(name, settings_class()(**settings), told)  # type: ignore[arg-type]
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error


def part_of(text: str, name: str) -> Part:
    """Parse one part of a name and its settings."""
    found = PART.fullmatch(text)
    if found is None or found["name"] not in stages():
        raise ConfigError(unknown(name, found["name"] if found else text))
    told = DIRECTION in text
    if told and found["name"] not in steerable():
        raise ConfigError(
            f"system {name}: {found['name']} is not steered; {DIRECTION} is for "
            f"{', '.join(steerable())}"
        )
    return Part(found["name"], settings_of(found["settings"] or "", name), told)


def settings_of(text: str, name: str) -> dict[str, str]:
    """Parse key=value,key=value; a piece without a key continues the previous value."""
    found: dict[str, str] = {}
    last = None
    for piece in filter(None, text.split(",")):
        key, equals, value = piece.partition("=")
        if equals and key in found:
            raise ConfigError(f"system {name}: {key} is given twice")
        if equals:
            last, found[key] = key, value
        elif last is not None:
            found[last] += f",{piece}"
        else:
            raise ConfigError(f"system {name}: settings are [key=value,...]; got {piece!r}")
    return found


def value_of(key: str, text: str, where: str) -> object:
    """Convert the text of a value to the type of its setting.

    Raises
    ------
    ConfigError
        If the key is unknown, or the value is invalid.
    """
    known_settings = by_name(settings_class())
    if key not in known_settings:
        raise ConfigError(f"{where}: {unknown_name('key', key, tuple(known_settings))}")
    try:
        return known_settings[key].parse(text)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error


def split(text: str, mark: str) -> list[str]:
    """Split a text at the marks outside brackets.

    Raises
    ------
    ConfigError
        If a piece is empty, or the brackets do not match.
    """
    pieces, depth = [""], 0
    for sign in text:
        depth += (sign == "[") - (sign == "]")
        if depth not in (0, 1):
            break
        if sign == mark and depth == 0:
            pieces.append("")
        else:
            pieces[-1] += sign
    if depth != 0:
        raise ConfigError(f"brackets do not match in {text!r}")
    if not all(piece.strip() for piece in pieces):
        raise ConfigError(f"a name is missing beside a {mark!r} in {text!r}")
    return pieces


def unknown(name: str, part: str) -> str:
    """Error message for an unknown name."""
    names: Iterable[str] = {*known(), *ALIASES, *stages()}
    near = get_close_matches(name, names, 3, cutoff=0.8) or get_close_matches(part, names, 3)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    what = f"{name!r}" if part == name else f"{name!r}, in which {part!r} is not a part of a chain"
    return f"unknown system {what}{hint} (all: arrayenh benchmark --list)"
