"""Files of microphone positions: JSON, CSV, and the XML of acoular.

JSON keeps everything; other keys are ignored, so that the notes beside a recording can be read.
CSV keeps positions and microphone names. XML also keeps the name of the array.
"""

import csv
import io
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np

from arrayenh.errors import GeometryError, ShapeError
from arrayenh.files import write_whole
from arrayenh.formats import csv_lines, read_bytes, read_json, read_text, xml_elements
from arrayenh.microphones.mic_array import MicArray

POSITION_KEYS = ("mic_positions_m", "positions")
AXES = ("x", "y", "z")


def read_array(path: Path) -> MicArray:
    """Read microphone positions from a .json, .csv or .xml file.

    Parameters
    ----------
    path : Path
        An array without a name is named after the file.

    Returns
    -------
    array : MicArray

    Raises
    ------
    GeometryError
        If the file cannot be read, has a wrong format, or describes an invalid array; the
        message names the file.
    """
    _check_suffix(path)
    if not os.path.exists(path):
        raise GeometryError(
            f"cannot read {path}: No such file; give the path of an array file, "
            "or a name from 'arrayenh arrays list'"
        )
    parse, build = READERS[path.suffix.lower()]
    parsed = parse(path)
    try:
        return build(parsed, path.stem)
    except (GeometryError, ShapeError) as error:
        raise GeometryError(f"{path}: {error}") from error


def write_array(array: MicArray, path: Path) -> None:
    """Write an array as .json, .csv or .xml, atomically.

    Parameters
    ----------
    array : MicArray
    path : Path
        An existing file is replaced.

    Raises
    ------
    GeometryError
        If the suffix is unknown or the file cannot be written.
    """
    _check_suffix(path)
    write_whole(path, WRITERS[path.suffix.lower()](array), GeometryError)


def _check_suffix(path: Path) -> None:
    if path.suffix.lower() not in READERS:
        raise GeometryError(
            f"{path}: an array file ends in {', '.join(READERS)}; got {path.suffix or 'no suffix'}"
        )


def _parse_json(path: Path) -> Any:
    return read_json(path, error=GeometryError)


def _from_json(found: Any, stem: str) -> MicArray:
    if isinstance(found, list):
        found = {"positions": found}
    if not isinstance(found, dict):
        raise GeometryError(
            f"expected an object or a list of positions; got {type(found).__name__}"
        )
    for key in ("unit", "units"):
        if found.get(key, "m") not in ("m", "metre", "metres", "meter", "meters"):
            raise GeometryError(f"positions must be in metres; got {key} {found[key]!r}")
    given = [key for key in POSITION_KEYS if found.get(key) is not None]
    if len(given) != 1:
        raise GeometryError(
            "expected mic_positions_m, a list of [x, y, z] in metres, once; "
            f"got {' and '.join(given) or 'none'}"
        )
    return MicArray(
        found[given[0]],
        found.get("name", stem),
        found.get("names"),
        found.get("source"),
    )


def _json_text(array: MicArray) -> str:
    fields: dict[str, object] = {
        "name": array.name,
        "mic_positions_m": array.positions.tolist(),
        "names": array.names,
        "source": array.source,
    }
    known = {key: value for key, value in fields.items() if value is not None}
    return json.dumps(known, indent=1, ensure_ascii=False) + "\n"


def _parse_csv(path: Path) -> list[tuple[int, list[str]]]:
    """Cells of every line that is neither empty nor a comment, with line numbers."""
    lines = csv_lines(read_text(path, error=GeometryError), str(path), GeometryError)
    stripped = [(number, [cell.strip() for cell in cells]) for number, cells in lines]
    return [(number, cells) for number, cells in stripped if not cells[0].startswith("#")]


def _from_csv(rows: Sequence[tuple[int, list[str]]], stem: str) -> MicArray:
    if not rows:
        raise GeometryError("no microphones; expected lines of x,y,z in metres")
    columns = _csv_header(rows[0][1])
    if columns is None:
        columns = ["x", "y", "z", "name"][: max(3, len(rows[0][1]))]
    else:
        rows = rows[1:]
    for line, row in rows:
        if len(row) != len(columns):
            raise GeometryError(f"line {line}: expected {','.join(columns)}; got {','.join(row)}")
    cells = [(line, dict(zip(columns, row, strict=True))) for line, row in rows]
    positions = [_coordinates(cell, f"line {line}") for line, cell in cells]
    names = tuple(cell["name"] for _, cell in cells) if "name" in columns else None
    return MicArray(np.array(positions), stem, names)


def _csv_header(cells: list[str]) -> list[str] | None:
    """Return the column names of a header line; None if the line holds positions."""
    columns = [cell.lower() for cell in cells]
    if not {"x", "y", "z", "name"} & set(columns):
        return None
    if sorted(columns) not in (["x", "y", "z"], ["name", "x", "y", "z"]):
        raise GeometryError(
            f"the header must hold x, y, z and at most name, each once; got {','.join(cells)}"
        )
    return columns


def _csv_text(array: MicArray) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    rows = array.positions.tolist()
    if array.names is None:
        writer.writerows([AXES, *rows])
    else:
        named = [[*row, name] for row, name in zip(rows, array.names, strict=True)]
        writer.writerows([(*AXES, "name"), *named])
    return text.getvalue()


def _parse_xml(path: Path) -> list[tuple[str, dict[str, str]]]:
    return xml_elements(read_bytes(path, error=GeometryError), str(path), GeometryError)


def _from_xml(elements: Sequence[tuple[str, dict[str, str]]], stem: str) -> MicArray:
    (top, root), *inner = elements
    if top != "MicArray":
        raise GeometryError(f"expected <MicArray> at the top; got <{top}>")
    for tag, _ in inner:
        if tag != "pos":
            raise GeometryError(f"expected <pos> inside <MicArray>; got <{tag}>")
    microphones = [attributes for _, attributes in inner]
    positions = [
        _coordinates(microphone, f"<pos> number {number}")
        for number, microphone in enumerate(microphones, start=1)
    ]
    given = tuple(microphone.get("Name", "") for microphone in microphones)
    named = any(given) and given != _points(len(given))
    return MicArray(np.array(positions), root.get("name") or stem, given if named else None)


def _points(n_mics: int) -> tuple[str, ...]:
    """Return the names that acoular gives to unnamed microphones."""
    return tuple(f"Point {number}" for number in range(1, n_mics + 1))


def _xml_text(array: MicArray) -> str:
    names = array.names or _points(array.n_mics)
    lines = ['<?xml version="1.0" encoding="utf-8"?>']
    lines.append(f"<MicArray name={quoteattr(array.name)}>")
    for name, (x, y, z) in zip(names, array.positions.tolist(), strict=True):
        lines.append(f'  <pos Name={quoteattr(name)} x="{x!r}" y="{y!r}" z="{z!r}"/>')
    return "\n".join([*lines, "</MicArray>", ""])


def _coordinates(cells: dict[str, str], where: str) -> list[float]:
    """Parse x, y and z; `where` names the microphone in messages."""
    numbers = []
    for axis in AXES:
        if axis not in cells:
            raise GeometryError(f"{where}: has no {axis}; give x, y and z in metres")
        try:
            numbers.append(float(cells[axis]))
        except ValueError as error:
            raise GeometryError(
                f"{where}: {axis} must be a number of metres; got {cells[axis]!r}"
            ) from error
    return numbers


READERS: dict[str, tuple[Callable[[Path], Any], Callable[[Any, str], MicArray]]] = {
    ".json": (_parse_json, _from_json),
    ".csv": (_parse_csv, _from_csv),
    ".xml": (_parse_xml, _from_xml),
}
"""Functions that parse a file, and that build an array from what was parsed."""

WRITERS: dict[str, Callable[[MicArray], str]] = {
    ".json": _json_text,
    ".csv": _csv_text,
    ".xml": _xml_text,
}
