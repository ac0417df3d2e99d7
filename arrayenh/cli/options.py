"""Command-line options generated from the settings: names, ranges, choices, defaults."""

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Annotated, Any, get_args

import typer

from arrayenh.chain.profile import profile_names, resolve
from arrayenh.chain.setting_record import ARRAY, INPUT, PANELS, Described
from arrayenh.chain.settings import Settings, by_name, settings_class

PREFIX = "setting_"  # prefix of the parameters, to separate them from the command's own

Mics = Annotated[
    int | None, typer.Option(help="Use only the first N microphones.", rich_help_panel=INPUT)
]
Channels = Annotated[
    str | None,
    typer.Option(
        metavar="LIST",
        help="Use these channels, counted from 0: 0,2,3,5.",
        rich_help_panel=INPUT,
    ),
]
Profile = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|FILE",
        help=f"Profile, overridden by options: {', '.join(profile_names())}, or a TOML file.",
        rich_help_panel=INPUT,
    ),
]
Array = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|FILE",
        help="Geometry of the microphones; see 'arrayenh arrays list'.",
        rich_help_panel=ARRAY,
    ),
]


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Add every setting of the chain to a command as an option.

    Parameters
    ----------
    command : callable
        Its parameter `options` is a mapping of the settings that were given.

    Returns
    -------
    command : callable
        With one more parameter for each setting instead, as typer reads them.
    """
    described = by_name(settings_class())

    @wraps(command)
    def wrapped(**given: Any) -> None:
        options = {
            name: parsed(one, value)
            for name, one in described.items()
            if (value := given.pop(PREFIX + name)) is not None and value is not False
        }
        command(**given, options=options)

    own = inspect.signature(command, eval_str=True)
    kept = [one for name, one in own.parameters.items() if name != "options"]
    added = [parameter(one) for one in described.values()]
    in_order = sorted((*kept, *added), key=panel)
    keywords = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in in_order]
    wrapped.__signature__ = own.replace(parameters=keywords)  # type: ignore[attr-defined]
    wrapped.__annotations__ = {one.name: one.annotation for one in keywords}
    return wrapped


def panel(one: inspect.Parameter) -> int:
    """Position of a parameter in the help: arguments first, then by panel."""
    (*_, info) = get_args(one.annotation)
    return PANELS.index(info.rich_help_panel) if info.rich_help_panel in PANELS else -1


def parameter(one: Described) -> inspect.Parameter:
    """Convert a setting to a parameter from which typer makes an option."""
    flag = one.kinds == (bool,)
    kind = one.kinds[0] if len(one.kinds) == 1 else str
    option = typer.Option(
        one.option,
        metavar=None if flag else one.setting.metavar,
        help=help_text(one),
        rich_help_panel=one.setting.panel,
        show_default=False,
    )
    return inspect.Parameter(
        PREFIX + one.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=False if flag else None,
        annotation=Annotated[kind if flag else kind | None, option],
    )


def help_text(one: Described) -> str:
    """Help text of a setting: description, choices and default."""
    parts = [one.setting.help]
    if one.setting.choices is not None:
        parts.append(f"One of {', '.join(one.choices)}.")
    if one.default_words:
        parts.append(f"Default: {one.default_words}.")
    return " ".join(parts)


def parsed(one: Described, value: Any) -> Any:
    """Value of an option; parsed from its text if the setting has several types."""
    return one.parse(value) if isinstance(value, str) and len(one.kinds) > 1 else value


def as_markdown() -> str:
    """Table of all settings in Markdown, for the documentation."""
    lines = ["| setting | option | what it does | values | default |", "|---|---|---|---|---|"]
    for one in by_name(settings_class()).values():
        cells = (
            f"`{one.name}`", f"`{one.option}`", one.setting.help, values(one), one.default_words
        )  # fmt: skip
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines) + "\n"


def values(one: Described) -> str:
    """Allowed values of a setting, as text."""
    setting = one.setting
    words = list(one.choices)
    if setting.least is not None and setting.most is not None:
        words.append(f"{setting.least:g} to {setting.most:g}")
    elif not words:
        words.append(setting.metavar or one.wanted)
    return ", ".join(words)


def given(options: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Add to the options those of `more` that are not None and not given already."""
    return {key: value for key, value in more.items() if value is not None} | dict(options)


def live_settings(
    options: Mapping[str, Any], profile: str | None, channels: tuple[int, ...] | None
) -> Settings:
    """Settings of a live chain; the reference is the first of the channels, if they are listed."""
    first = channels[0] if channels else None
    more = neural(options.get("model"))
    return resolve(profile, given({**options, "online": True}, reference=first, **more))


def neural(model: str | None) -> dict[str, str]:
    """Settings to make neural because a model is given and no option sets them otherwise."""
    if model is None:
        return {}
    from arrayenh.chain.networks import SETTINGS, by_task

    return {SETTINGS[task]: "neural" for task in by_task(model)}
