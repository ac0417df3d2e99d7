"""The metadata of an ONNX file, read without loading its graph.

An ONNX file is a protocol buffer, a sequence of numbered fields. Only the fields `metadata_props`,
a few hundred bytes, are read; the graph with megabytes of weights is skipped.
"""

from importlib.resources.abc import Traversable
from typing import IO

from arrayenh.errors import ConfigError

METADATA_PROPS, KEY, VALUE = 14, 1, 2  # field numbers of onnx.proto's ModelProto and its entries
VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5  # wire types


def metadata_of(file: Traversable) -> dict[str, str]:
    """Read the keys and values of `metadata_props`.

    Raises
    ------
    ConfigError
        If the file is not an ONNX file.
    """
    try:
        with file.open("rb") as stream:
            entries = [fields(entry) for entry in members(stream, METADATA_PROPS)]
        return {entry[KEY].decode(): entry[VALUE].decode() for entry in entries}
    except (EOFError, KeyError, ValueError, OverflowError) as error:
        raise ConfigError(f"model {file.name} is no ONNX network, or damaged") from error


def members(stream: IO[bytes], number: int) -> list[bytes]:
    """Read the contents of all fields with a given number, skipping the others."""
    found = []
    while (tag := varint(stream, at_start=True)) is not None:
        kind = tag & 7
        if kind == VARINT:
            varint(stream)
            continue
        size = {FIXED64: 8, FIXED32: 4}.get(kind)
        if kind == LENGTH:
            size = varint(stream)
        if size is None:
            raise ValueError(f"no wire type: {kind}")
        if tag >> 3 == number and kind == LENGTH:
            found.append(exactly(stream, size))
        else:
            stream.seek(size, 1)
    return found


def fields(entry: bytes) -> dict[int, bytes]:
    """Parse the key and value of one entry, by field number."""
    from io import BytesIO

    return {number: b"".join(members(BytesIO(entry), number)) for number in (KEY, VALUE)}


def varint(stream: IO[bytes], at_start: bool = False) -> int | None:
    """Read the next integer of variable length; None at the end of the file, if `at_start`."""
    value = shift = 0
    while True:
        byte = stream.read(1)
        if not byte:
            if at_start and shift == 0:
                return None
            raise EOFError
        value |= (byte[0] & 0x7F) << shift
        if not byte[0] & 0x80:
            return value
        shift += 7
        if shift > 63:
            raise ValueError("an integer of more than 64 bits")


def exactly(stream: IO[bytes], size: int) -> bytes:
    """Read exactly `size` bytes."""
    found = stream.read(size)
    if len(found) < size:
        raise EOFError
    return found
