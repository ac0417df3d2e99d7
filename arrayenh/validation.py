"""Validation: trees of values from files made into dataclasses, with messages of one line."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from functools import cache
from typing import Any, Literal, TypeVar, cast, get_args, get_origin, get_type_hints

from arrayenh.errors import ArrayenhError, ConfigError

Kind = TypeVar("Kind")
MOST_CHARACTERS = 100  # shown of a value in a message


def validated(
    kind: type[Kind],
    found: Any,
    where: str = "",
    error: type[ArrayenhError] = ConfigError,
    *,
    table: str = "",
    strict: bool = False,
    more_keys: Mapping[str, Sequence[str]] | None = None,
) -> Kind:
    """Build a dataclass from a tree of values, checking their types.

    Parameters
    ----------
    kind : type
    found : mapping or str
        The tree of values, or its JSON text.
    where : str
        Origin of the values, for messages.
    error : type
        Class of the exception to raise.
    table : str
        Name of the TOML table that holds the values, for messages.
    strict : bool
        Accept 1 for 1.0, but not "1" for 1.
    more_keys : mapping of str to sequence of str, optional
        Further keys, by table name, that other code reads; listed in messages, too.

    Raises
    ------
    ArrayenhError
        If a value is wrong; of the class `error`. The message names the key and what is allowed.
    """
    from pydantic import ValidationError

    first = [where] if where else []
    if isinstance(found, Mapping):
        known = [field.name for field in fields(kind)]  # type: ignore[arg-type]
        for key in found:
            if key not in known:
                raise error(": ".join([*first, *unknown_key(under(table, [str(key)]), known)]))
        if strict:  # in strict mode pydantic makes dataclasses from JSON only
            found = json.dumps(found, default=str)
    adapter: Any = adapter_of(kind)  # type: ignore[arg-type]
    try:
        if isinstance(found, str):
            return cast(Kind, adapter.validate_json(found, strict=strict))
        return cast(Kind, adapter.validate_python(found))
    except ValidationError as problem:
        words = complaint(kind, problem.errors()[0], table, more_keys or {})
        raise error(": ".join([*first, *words])) from problem


@cache
def adapter_of(kind: Any) -> Any:
    """Pydantic's adapter of a type, cached."""
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def complaint(
    kind: Any, problem: Mapping[str, Any], table: str, more_keys: Mapping[str, Sequence[str]]
) -> list[str]:
    """Rewrite a pydantic error as parts of a message: the key, if any, and what is wrong."""
    inner, tables = place(kind, problem["loc"])
    path, context = under(table, inner), problem.get("ctx", {})
    key = [".".join(path)] if path else []
    if isinstance(cause := context.get("error"), ArrayenhError):
        words = str(cause)
        named = path and (words.startswith(path[0]) or f"{path[0]}." in words)
        return [words] if named else [*key, words]
    if problem["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        known = [field.name for one in tables for field in fields(one)]
        owner = next((part for part in reversed(path[:-1]) if not part.isdigit()), "")
        return unknown_key(path, [*known, *more_keys.get(owner, ())])
    if problem["type"] == "union_tag_invalid":
        tag, tags = (context[name].replace("'", "") for name in ("discriminator", "expected_tags"))
        return [".".join([*path, tag]), f"must be one of {tags}; got {context['tag']!r}"]
    if problem["type"].startswith("missing"):
        return [*key, "must be given"]
    words = problem["msg"].removeprefix("Value error, ")
    return [*key, f"{words[0].lower()}{words[1:]}; got {shortened(problem['input'])}"]


def unknown_key(path: Sequence[str], known: Sequence[str]) -> list[str]:
    """Parts of the message for an unknown key: the key, and the known ones."""
    near = get_close_matches(path[-1], known, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    return [".".join(path), f"unknown key; {hint}known are {', '.join(known)}"]


def under(table: str, path: Sequence[str]) -> list[str]:
    """Prefix a path with its table's name, if there is one."""
    return [table, *path] if table else [*path]


def shortened(value: Any) -> str:
    """Shorten a value for a message."""
    text = repr(value)
    return text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 3]}..."


def place(kind: Any, path: Sequence[int | str]) -> tuple[list[str], list[Any]]:
    """Reduce a pydantic error path to keys, without union tags; and the dataclasses it leads to."""
    keys, tables, keyed = [], list(dataclasses_in(kind)), False
    for part in path:
        named = [get_type_hints(table).get(str(part)) for table in tables]
        if hints := [hint for hint in named if hint]:
            tables = [table for hint in hints for table in dataclasses_in(hint)]
            keyed = any(get_origin(hint) is dict for hint in hints)
        elif tagged := [table for table in tables if part in tags_of(table)]:
            tables = tagged
            continue
        elif isinstance(part, str) and not tables and not keyed:
            continue
        keys.append(str(part))
    return keys, tables


def dataclasses_in(hint: Any) -> Iterator[Any]:
    """Dataclasses within a type: itself, members of a union, items of a list."""
    if is_dataclass(hint):
        yield hint
    for part in get_args(hint):
        yield from dataclasses_in(part)


def tags_of(table: Any) -> list[Any]:
    """Tags that identify a dataclass within a union: the values of its Literal fields."""
    hints = get_type_hints(table).values()
    return [tag for hint in hints if get_origin(hint) is Literal for tag in get_args(hint)]
