"""One setting of the chain: its range, its choices and one sentence, beside its type.

Settings are dataclass fields, `name: Annotated[type, Setting(...)] = default`. Validation, the
options of commands and their help, profiles and the table in the documentation are all made
from them.
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
"""Parts of the help, in the order of the flow."""

KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a word"}


@dataclass(frozen=True, slots=True)
class Setting:
    """What is to be known of a setting beside its name, type and default.

    Attributes
    ----------
    help : str
        One sentence.
    panel : str
        Of the help, under which it stands.
    least, most : float, optional
        Bounds of a number.
    choices : callable, optional
        All words that it may be.
    words : tuple of str
        Words that it may be instead of a number.
    check : callable, optional
        Of the name and the value: raises `ConfigError` where it cannot be.
    option : str, optional
        Of commands. Default: from the name.
    number : str
        The number in words, for messages.
    metavar : str, optional
        In the help, for the value.
    absent : str
        In the help, where the default is None: what happens then.
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
    """A setting as a field of its class: what `Setting` says, and name, types, default.

    Attributes
    ----------
    name : str
    kinds : tuple of type
        That a value may have, None aside.
    optional : bool
        Whether it may be None.
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
        """Of commands: "--noise-tracker"."""
        return self.setting.option or "--" + self.name.replace("_", "-")

    @property
    def choices(self) -> tuple[str, ...]:
        """All words that it may be, or none where it is no choice."""
        return tuple(self.setting.choices()) if self.setting.choices else self.setting.words

    @property
    def default_words(self) -> str:
        """The default in words; empty where there is nothing to say."""
        if self.default is None:
            return self.setting.absent
        if isinstance(self.default, bool):
            return ""
        return f"{self.default:g}" if isinstance(self.default, float) else str(self.default)

    def validate(self, value: Any) -> None:
        """Refuse a value that cannot be.

        Raises
        ------
        ConfigError
            If it is out of range, or no word that it may be.
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
        """The value that a word of a command or of a system's name stands for.

        Raises
        ------
        ConfigError
            If it is none of its kinds.
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
        """What a value may be, in words."""
        if self.setting.words:
            return " or ".join([*self.setting.words, self.setting.number])
        return " or ".join(KINDS[kind] for kind in self.kinds)


def described(kind: type) -> Iterator[Described]:
    """The settings of a class, in their order."""
    hints = get_type_hints(kind, include_extras=True)
    for field in fields(kind):
        annotated = get_args(hints[field.name])
        setting = next(part for part in annotated if isinstance(part, Setting))
        kinds = members(annotated[0])
        optional = type(None) in kinds
        kinds = tuple(one for one in kinds if one is not type(None))
        yield Described(field.name, kinds, optional, default_of(field), setting)


def members(hint: Any) -> tuple[type, ...]:
    """The types of a union, or one type."""
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def default_of(field: "Field[Any]") -> Any:
    """The default of a field; every setting has one."""
    assert field.default is not MISSING
    return field.default
