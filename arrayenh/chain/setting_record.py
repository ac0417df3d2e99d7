"""Description of a setting: its range, choices and help, annotated to its type.

Settings are dataclass fields, `name: Annotated[type, Setting(...)] = default`. Validation, command
line options and their help, profiles and the table in the documentation are generated from them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, Field, dataclass, fields
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from arrayenh.checks import within
from arrayenh.errors import ConfigError
from arrayenh.registry import unknown

PANELS = INPUT, ARRAY, MASKS, BEAMFORMER, POSTFILTER, TIMING, OUTPUT = (
    "Input",
    "Array",
    "Masks",
    "Beamformer",
    "Post-filter",
    "Frames and segments",
    "Output",
)
"""Sections of the help, in processing order."""

KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a word"}


@dataclass(frozen=True, slots=True)
class Setting:
    """Annotation of a setting: all that its name, type and default do not tell.

    Attributes
    ----------
    help : str
        One sentence for the help.
    panel : str
        Section of the help.
    least, most : float, optional
        Bounds of a number.
    choices : callable, optional
        Returns all allowed words.
    words : tuple of str
        Words that are allowed instead of a number.
    check : callable, optional
        Called with the name and the value; raises `ConfigError` if the value is wrong.
    option : str, optional
        Command line option. Default: made from the name.
    number : str
        Description of the number, for messages.
    metavar : str, optional
        Name of the value in the help: "DEG".
    absent : str
        Description, for the help, of the default None.
    """

    help: str
    panel: str
    least: float | None = None
    most: float | None = None
    choices: Callable[[], Sequence[str]] | None = None
    words: tuple[str, ...] = ()
    check: Callable[[str, Any], object] | None = None
    option: str | None = None
    number: str = "a number"
    metavar: str | None = None
    absent: str = ""


@dataclass(frozen=True, slots=True)
class Described:
    """A setting with its name, types and default.

    Attributes
    ----------
    name : str
    kinds : tuple of type
        Allowed types, except None.
    optional : bool
        Whether None is allowed.
    default : object
    setting : Setting
    """

    name: str
    kinds: tuple[type, ...]
    optional: bool
    default: Any
    setting: Setting

    @property
    def option(self) -> str:
        """Command line option, such as "--noise-tracker"."""
        return self.setting.option or "--" + self.name.replace("_", "-")

    @property
    def choices(self) -> tuple[str, ...]:
        """Allowed words; empty if the setting is not a choice."""
        return tuple(self.setting.choices()) if self.setting.choices else self.setting.words

    @property
    def default_words(self) -> str:
        """The default in words; empty for a flag."""
        if self.default is None:
            return self.setting.absent
        if isinstance(self.default, bool):
            return ""
        return f"{self.default:g}" if isinstance(self.default, float) else str(self.default)

    def validate(self, value: Any) -> None:
        """Check a value.

        Raises
        ------
        ConfigError
            If the value is out of range or not an allowed word.
        """
        setting = self.setting
        if value is None and self.optional:
            return
        if isinstance(value, str) and setting.choices is not None:
            if value not in self.choices:
                raise ConfigError(unknown(self.name, value, self.choices))
        elif isinstance(value, str) and str not in self.kinds:
            raise ConfigError(f"{self.name} should be {self.wanted}; got {value!r}")
        elif isinstance(value, str) and setting.words and value not in setting.words:
            raise ConfigError(f"{self.name} should be {self.wanted}; got {value!r}")
        elif isinstance(value, int | float) and setting.least is not None:
            assert setting.most is not None
            within(self.name, value, setting.least, setting.most)
        if setting.check is not None:
            setting.check(self.name, value)

    def parse(self, text: str) -> Any:
        """Parse a value from the command line or from the name of a system.

        Raises
        ------
        ConfigError
            If the text is none of the allowed types.
        """
        if bool in self.kinds and text in ("true", "false"):
            return text == "true"
        if text in self.setting.words:
            return text
        for kind in (int, float):
            if kind in self.kinds:
                try:
                    return kind(text)
                except ValueError:
                    continue
        if str not in self.kinds or self.setting.words:
            raise ConfigError(f"{self.name} should be {self.wanted}; got {text!r}")
        return text

    @property
    def wanted(self) -> str:
        """Allowed values, in words."""
        if self.setting.words:
            return " or ".join([*self.setting.words, self.setting.number])
        return " or ".join(KINDS[kind] for kind in self.kinds)


def described(kind: type) -> Iterator[Described]:
    """Yield the settings of a class, in order."""
    hints = get_type_hints(kind, include_extras=True)
    for field in fields(kind):
        annotated = get_args(hints[field.name])
        setting = next(part for part in annotated if isinstance(part, Setting))
        kinds = members(annotated[0])
        optional = type(None) in kinds
        kinds = tuple(one for one in kinds if one is not type(None))
        yield Described(field.name, kinds, optional, default_of(field), setting)


def members(hint: Any) -> tuple[type, ...]:
    """Member types of a union, or the single type."""
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def default_of(field: "Field[Any]") -> Any:
    """Return the default of a field; every setting has one."""
    assert field.default is not MISSING
    return field.default
