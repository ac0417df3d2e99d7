"""Checks of values written by the user: names, numbers, time intervals."""

from unicodedata import category

from arrayenh.errors import ConfigError

MOST_DIGITS = 15  # of a whole number: exact in a float, too


def one_of(key: str, value: str, allowed: tuple[str, ...]) -> None:
    """Raise ConfigError if a name is not among the allowed ones."""
    if value not in allowed:
        raise ConfigError(f"unknown {key} {value!r}; use {', '.join(allowed)}")


def within(key: str, value: float, least: float, most: float) -> None:
    """Raise ConfigError if a number is outside [least, most] or NaN."""
    if not least <= value <= most:
        raise ConfigError(f"{key} must be {least:g} to {most:g}; got {value:g}")


def listed(text: str) -> tuple[str, ...]:
    """Parts of a list joined by commas, without the spaces around them and without empty ones."""
    return tuple(part for part in map(str.strip, text.split(",")) if part)


def whole_number(text: str) -> int | None:
    """Whole number from its decimal digits, at most 15; None for any other text."""
    plain = text.strip()
    if not (plain.isascii() and plain.isdecimal() and len(plain) <= MOST_DIGITS):
        return None
    return int(plain)


def numbers(key: str, text: str) -> tuple[float, ...]:
    """Parse numbers joined by commas."""
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        found = (float("nan"),)
    if not all(abs(number) < float("inf") for number in found):  # refuses NaN, too
        raise ConfigError(f"{key} wants numbers joined by commas; got {text!r}")
    return found


def stretch(key: str, text: str) -> tuple[float, float]:
    """Parse a time interval such as "0:00-0:02" or "1.5-3": its start and end, seconds."""
    start, dash, end = text.partition("-")
    try:
        found = seconds(start), seconds(end)
    except ValueError:
        found = (0.0, 0.0)
    if not dash or not 0 <= found[0] < found[1]:
        raise ConfigError(f"{key} wants a stretch of time like 0:00-0:02; got {text!r}")
    return found


def seconds(text: str) -> float:
    """Parse a time written as h:m:s, m:s or s, into seconds."""
    parts = text.strip().split(":")
    if len(parts) > 3 or any(part.strip().startswith("-") for part in parts):
        raise ValueError(text)
    total = 0.0
    for part in parts:
        total = 60 * total + float(part)
    if not total < float("inf"):
        raise ValueError(text)
    return total


def printable(text: str) -> str:
    r"""Return one line of text that can be printed, drawn and encoded.

    U+FFFD replaces control characters, as a terminal executes them, and the bytes of a file name
    that are not UTF-8.

    Examples
    --------
    >>> printable("a\x1b[31m.wav")
    'a�[31m.wav'
    """
    unsafe = {"Cc", "Cs", "Zl", "Zp"}
    return "".join("\ufffd" if category(letter) in unsafe else letter for letter in text)
