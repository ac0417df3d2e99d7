"""Files of microphone positions: JSON, CSV, and the XML of acoular.

JSON keeps everything; other keys are ignored, so that the notes beside a recording can be read.
CSV keeps positions and microphone names. XML also keeps the name of the array.

Positions are in metres unless the file states another unit: `"unit": "mm"` in JSON, a line
`# unit: mm` in CSV, `<MicArray unit="mm">` in XML. An array of more than 3 m must state its unit.
"""

import csv
import io
import json
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np

from arrayenh.checks import printable
from arrayenh.errors import GeometryError, ShapeError
from arrayenh.files import write_whole
from arrayenh.formats import csv_lines, read_bytes, read_json, read_text, xml_elements
from arrayenh.microphones.mic_array import MAX_APERTURE, MicArray

POSITION_KEYS = ("mic_positions_m", "positions")
AXES = ("x", "y", "z")
UNITS = {
    **dict.fromkeys(("m", "metre", "metres", "meter", "meters"), 1.0),
    **dict.fromkeys(("cm", "centimetre", "centimetres", "centimeter", "centimeters"), 0.01),
    **dict.fromkeys(("mm", "millimetre", "millimetres", "millimeter", "millimeters"), 0.001),
}
"""Length of each unit, metres."""

UNIT_LINE = re.compile(r"^\s*#\s*units?\s*[:=]?\s*(\S+)\s*$", re.MULTILINE)


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
        return build(parsed, printable(path.stem))
    except (GeometryError, ShapeError) as error:
        raise GeometryError(f"{path}: {error}") from error


def write_array(array: MicArray, path: Path, overwrite: bool = True) -> None:
    """Write an array as .json, .csv or .xml, atomically.

    Parameters
    ----------
    array : MicArray
    path : Path
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    GeometryError
        If the suffix is unknown or the file cannot be written.
    """
    _check_suffix(path)
    content = WRITERS[path.suffix.lower()](array)
    write_whole(path, content, GeometryError, overwrite=overwrite)


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
    given = [key for key in POSITION_KEYS if found.get(key) is not None]
    if len(given) != 1:
        raise GeometryError(
            "expected mic_positions_m, a list of [x, y, z] in metres, once; "
            f"got {' and '.join(given) or 'none'}"
        )
    unit = found.get("unit", found.get("units"))
    if given[0].endswith("_m") and _metres(unit) != 1:
        raise GeometryError(f"mic_positions_m must be in metres; got unit {unit!r}")
    array = MicArray(
        _scaled(found[given[0]], unit),
        found.get("name", stem),
        found.get("names"),
        found.get("source"),
    )
    return _plausible(array, unit, '"unit": "mm"')


def _metres(unit: object) -> float:
    """Length of a unit, metres; of None, the default, 1."""
    length = 1.0 if unit is None else UNITS.get(str(unit))
    if length is None:
        raise GeometryError(f"the unit of positions must be m, cm or mm; got {unit!r}")
    return length


def _scaled(positions: Any, unit: object) -> Any:
    """Positions in metres; unchanged if they are not numbers, which `MicArray` explains."""
    length = _metres(unit)
    try:
        return positions if length == 1 else length * np.asarray(positions, np.float64)
    except (TypeError, ValueError):
        return positions


def _plausible(array: MicArray, unit: object, how: str) -> MicArray:
    """Return the array; raise GeometryError if it is large and its unit is not stated."""
    if unit is None and array.aperture > MAX_APERTURE:
        size = f"{array.aperture:.3g}"
        raise GeometryError(
            f"the array is {size} m across; in millimetres it would be {size} mm: state the unit, "
            f"{how}, or m if it is that large"
        )
    return array


def _json_text(array: MicArray) -> str:
    fields: dict[str, object] = {
        "name": array.name,
        "mic_positions_m": array.positions.tolist(),
        "names": array.names,
        "source": array.source,
        "unit": _stated(array),
    }
    known = {key: value for key, value in fields.items() if value is not None}
    return json.dumps(known, indent=1, ensure_ascii=False) + "\n"


def _stated(array: MicArray) -> str | None:
    """Unit to write, if the size of the array makes it necessary."""
    return "m" if array.aperture > MAX_APERTURE else None


def _parse_csv(path: Path) -> tuple[str | None, list[tuple[int, list[str]]]]:
    """Unit, and the cells of every line that is neither empty nor a comment, with line numbers."""
    text = read_text(path, error=GeometryError)
    stated = UNIT_LINE.search(text)
    lines = csv_lines(text, str(path), GeometryError)
    stripped = [(number, [cell.strip() for cell in cells]) for number, cells in lines]
    kept = [(number, cells) for number, cells in stripped if not cells[0].startswith("#")]
    return stated and stated[1], kept


def _from_csv(parsed: tuple[str | None, list[tuple[int, list[str]]]], stem: str) -> MicArray:
    unit, rows = parsed
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
    array = MicArray(_scaled(np.array(positions), unit), stem, names)
    return _plausible(array, unit, "in a line '# unit: mm'")


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
    if _stated(array):
        text.write(f"# unit: {_stated(array)}\n")
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
    unit, name = root.get("unit"), root.get("name") or stem
    array = MicArray(_scaled(np.array(positions), unit), name, given if named else None)
    return _plausible(array, unit, '<MicArray unit="mm">')


def _points(n_mics: int) -> tuple[str, ...]:
    """Return the names that acoular gives to unnamed microphones."""
    return tuple(f"Point {number}" for number in range(1, n_mics + 1))


def _xml_text(array: MicArray) -> str:
    names = array.names or _points(array.n_mics)
    lines = ['<?xml version="1.0" encoding="utf-8"?>']
    unit = f' unit="{_stated(array)}"' if _stated(array) else ""
    lines.append(f"<MicArray name={quoteattr(array.name)}{unit}>")
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
