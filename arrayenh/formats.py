"""Reading of files in TOML, JSON, CSV, XML and npz: the only place that parses them.

Every function raises one class of error, which the caller chooses, with a message of one line that
names the file. Numbers beyond 64 bits and nesting beyond any use are refused here, so that no code
behind this has to expect them.
"""

import csv
import json
import struct
import tokenize
import tomllib
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO, StringIO
from itertools import chain
from pathlib import Path
from typing import Any, NoReturn, Protocol
from xml.parsers import expat

import numpy as np

from arrayenh.errors import ArrayenhError, ConfigError

MOST_DEPTH = 50  # of nested tables and lists
MOST_INTEGER = 2**63  # TOML's own limit
MOST_FIELD = 1 << 24  # characters of a cell: a manifest has whole scenes in its cells
csv.field_size_limit(MOST_FIELD)
Errors = type[ArrayenhError]
DAMAGE = (
    EOFError,
    KeyError,
    MemoryError,  # a damaged header asks for more than there is
    OverflowError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
"""Exceptions of NumPy for a damaged npy or npz file."""


class Readable(Protocol):
    """A path, or a file inside an installed package."""

    def read_bytes(self) -> bytes:
        """Read the content of the file."""


def read_bytes(path: Readable, name: str | None = None, error: Errors = ConfigError) -> bytes:
    """Read a file.

    Parameters
    ----------
    path : Path
    name : str, optional
        Name of the file in messages. Default: its path.
    error : type
        Class of the exception to raise.

    Raises
    ------
    ArrayenhError
        Of the class `error`, if the file cannot be read.
    """
    try:
        return path.read_bytes()
    except (OSError, ValueError) as problem:  # ValueError: a zero byte in the path
        why = getattr(problem, "strerror", None) or problem
        raise error(f"{name or path} cannot be read: {why}") from problem


def read_text(path: Readable, name: str | None = None, error: Errors = ConfigError) -> str:
    """Read a text in UTF-8, with or without a byte-order mark; arguments as in `read_bytes`."""
    return as_text(read_bytes(path, name, error), name or str(path), error)


def as_text(content: bytes, name: str, error: Errors = ConfigError) -> str:
    """Decode the content of a text file; arguments as in `read_bytes`."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise error(
            f"{name} is not UTF-8 text; save it as UTF-8 (in a spreadsheet: 'CSV UTF-8')"
        ) from problem
    if "\0" in text:  # left by a power cut
        raise error(f"{name} is damaged: it has zero bytes")
    return text


def read_toml(
    path: Readable, name: str | None = None, error: Errors = ConfigError
) -> dict[str, Any]:
    """Read a TOML file; arguments as in `read_bytes`."""
    return parse_toml(read_text(path, name, error), name or str(path), error)


def parse_toml(text: str, name: str, error: Errors = ConfigError) -> dict[str, Any]:
    """Parse a text in TOML; arguments as in `read_bytes`."""
    try:
        return bounded(tomllib.loads(text))
    except RecursionError as problem:
        raise error(f"{name} is not TOML: nested too deep") from problem
    except ValueError as problem:
        raise error(f"{name} is not TOML: {problem}") from problem


def read_json(path: Readable, name: str | None = None, error: Errors = ConfigError) -> Any:
    """Read a JSON file; arguments as in `read_bytes`."""
    return parse_json(read_text(path, name, error), name or str(path), error)


def parse_json(text: str | bytes, name: str, error: Errors = ConfigError) -> Any:
    """Parse a text in JSON; arguments as in `read_bytes`."""
    try:
        return bounded(json.loads(text))
    except RecursionError as problem:
        raise error(f"{name} is not JSON: nested too deep") from problem
    except ValueError as problem:
        raise error(f"{name} is not JSON: {problem}") from problem


def json_object(text: str | bytes, name: str, error: Errors = ConfigError) -> dict[str, Any]:
    """Parse a text in JSON that holds an object; arguments as in `read_bytes`."""
    found = parse_json(text, name, error)
    if not isinstance(found, dict):
        raise error(f"{name} does not hold a JSON object")
    return found


def bounded(tree: Any) -> Any:
    """Return a tree of values if its depth, integers and texts are usable.

    Raises
    ------
    ValueError, RecursionError
        If a value, or the depth, is not.
    """
    level, depth = [tree], 0
    while level:
        if depth > MOST_DEPTH:
            raise RecursionError
        for value in level:
            check_leaf(value)
        level, depth = [inner for value in level for inner in inside(value)], depth + 1
    return tree


def check_leaf(value: Any) -> None:
    """Raise ValueError for an integer beyond 64 bits, and for text that no file name can have."""
    if isinstance(value, int) and abs(value) >= MOST_INTEGER:
        raise ValueError("an integer has more than 64 bits")
    if isinstance(value, str):
        value.encode(errors="surrogateescape")  # raises for half a character
        if "\0" in value:
            raise ValueError("a text has a zero byte")


def inside(value: Any) -> Iterable[Any]:
    """Keys and values directly inside a table, items of a list; none inside others."""
    if isinstance(value, dict):
        return chain(value.keys(), value.values())
    return value if isinstance(value, list) else ()


@dataclass(frozen=True, slots=True)
class Row:
    """Line of a table: its position in the file, for messages, and its cells by column."""

    where: str
    cells: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells[column]


def read_table(
    path: Path,
    required: Sequence[str],
    error: Errors = ConfigError,
    *,
    blank: Sequence[str] = (),
    optional: Sequence[str] = (),
    delimiter: str = ",",
) -> list[Row]:
    """Read a table with a line of column names, as CSV.

    Parameters
    ----------
    path : Path
    required, blank, optional : sequence of str
        Columns: every line has a value; the value may be empty; the column may be missing.
        Other columns are ignored.
    error : type
        Class of the exception to raise.
    delimiter : str

    Returns
    -------
    rows : list of Row
        At least one, each with all the columns; a missing cell is empty.

    Raises
    ------
    ArrayenhError
        Of the class `error`, if the file cannot be read, lacks a column or has no line, or a
        line lacks a value or has more cells than there are columns.
    """
    by = "tabs" if delimiter == "\t" else "commas"
    lines = csv_lines(read_text(path, None, error), str(path), error, delimiter)
    _, names = next(lines, (0, []))
    columns, needed = [name.strip() for name in names], (*required, *blank)
    if not set(needed) <= set(columns):
        raise error(
            f"{path} needs a first line with the columns {listed(needed)}, by {by}; "
            f"got {delimiter.join(names)[:100] or 'nothing'}"
        )
    rows = []
    for line, cells in lines:
        where = f"{path}, line {line}"
        if len(cells) > len(columns):
            raise error(
                f"{where}: {len(cells)} cells for {len(columns)} columns; "
                f"put quotes around a text with {by}"
            )
        empty = dict.fromkeys((*needed, *optional), "")
        row = Row(where, empty | dict(zip(columns, cells, strict=False)))
        if missing := [column for column in required if not row[column].strip()]:
            raise error(f"{where}: {listed(missing)} must be given")
        rows.append(row)
    if not rows:
        raise error(f"{path} has no line below the names of its columns")
    return rows


def listed(names: Sequence[str]) -> str:
    """Join names by commas, the last two by "and"."""
    return " and ".join([*filter(None, [", ".join(names[:-1])]), names[-1]])


def csv_lines(
    text: str, name: str, error: Errors = ConfigError, delimiter: str = ","
) -> Iterator[tuple[int, list[str]]]:
    """Yield the line number and the cells of every line of CSV that is not empty."""
    reader = csv.reader(
        StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True
    )
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, cells
    except csv.Error as problem:
        raise error(f"{name}, line {reader.line_num}: not CSV: {problem}") from problem


def xml_elements(
    content: bytes, name: str, error: Errors = ConfigError
) -> list[tuple[str, dict[str, str]]]:
    """Parse XML: tag and attributes of each element, in order; a DTD is refused."""

    def refuse_dtd(*declaration: object) -> NoReturn:
        raise error(f"{name}: a DTD (<!DOCTYPE ...>) is refused for safety; delete it")

    found: list[tuple[str, dict[str, str]]] = []
    parser = expat.ParserCreate()
    parser.StartElementHandler = lambda tag, attributes: found.append((tag, attributes))
    parser.StartDoctypeDeclHandler = refuse_dtd
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, LookupError, ValueError) as problem:  # LookupError: the encoding
        raise error(f"{name} is not XML: {problem}") from problem
    return found


def read_arrays(path: Path, error: Errors = ConfigError) -> dict[str, np.ndarray]:
    """Read the named arrays of an npz file; arguments as in `read_bytes`."""
    content = read_bytes(path, None, error)
    try:
        with np.load(BytesIO(content)) as file:
            found = dict(file)
            # an entry that does not begin like an array is given as bytes
            if not all(isinstance(array, np.ndarray) for array in found.values()):
                raise ValueError("an entry is no array")
            return found
    except DAMAGE as problem:
        raise error(f"{path} is damaged: not an npz file of arrays") from problem


def mapped_array(path: Path, error: Errors = ConfigError) -> np.ndarray:
    """Map the array of an npy file into memory; arguments as in `read_bytes`."""
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except OSError as problem:
        raise error(f"{path} cannot be read: {problem.strerror or problem}") from problem
    except DAMAGE as problem:
        raise error(f"{path} is damaged: not an npy file of an array") from problem
