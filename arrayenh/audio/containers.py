"""Headers of sound files, checked against the lengths of the files.

libsndfile believes a header that states too short a length, and reads a part of the file. Here
the chunks of a file are followed to its end. If they do not reach it, a header with the right
length is put before the samples.
"""

import io
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from arrayenh.audio.ogg import check_pages
from arrayenh.errors import AudioError

LEAST_CUT = 16  # bytes; a smaller difference between the header and the file is tolerated
MOST_ZEROS = 1 << 20  # bytes of zeros after the samples that are taken for padding of the file
TAGS = (b"TAG", b"ID3", b"APE")  # tags after the last chunk begin with these
PRINTABLE = re.compile(rb"[ -~]{4}")  # the beginning of every chunk's identifier
UNKNOWN = (range(0x7FFF_0000, 0x8000_0001), range(0xFFFF_F000, 0x1_0000_0000))
"""Lengths of a streamed WAV or AIFF file: programs write them before the length is known."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Arrangement of the chunks in a family of file formats.

    Attributes
    ----------
    first : int
        Position of the first chunk, bytes.
    id_bytes : int
        Length of a chunk's identifier, which is followed by its size.
    size : str
        Format of the size, as in `struct`.
    data : bytes
        Identifier of the chunk that holds the samples.
    align : int
        Chunks begin at multiples of this, bytes.
    inclusive : bool
        Whether the size includes the identifier and the size itself.
    """

    first: int
    id_bytes: int
    size: str
    data: bytes
    align: int = 2
    inclusive: bool = False

    @property
    def head_bytes(self) -> int:
        """Length of a chunk's identifier and size."""
        return self.id_bytes + struct.calcsize(self.size)


LAYOUTS = {
    b"RIFF": Layout(12, 4, "<I", b"data"),  # WAV
    b"RIFX": Layout(12, 4, ">I", b"data"),
    b"RF64": Layout(12, 4, "<I", b"data"),
    b"FORM": Layout(12, 4, ">I", b"SSND"),  # AIFF
    b"caff": Layout(8, 4, ">Q", b"data", align=1),
    b"riff": Layout(  # W64
        40, 16, "<Q", b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0O\x8e\xdb\x8a", align=8, inclusive=True
    ),
}


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk: its identifier and the range of its content, bytes of the file."""

    kind: bytes
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Correction:
    """A header with the right length, and the range of the file that holds the samples.

    `share` is the fraction of the samples that the file's own header states; None if it states
    no length.
    """

    head: bytes
    start: int
    stop: int
    share: float | None = None


class Corrected(io.RawIOBase):
    """A file with another header, for reading."""

    def __init__(self, path: Path, correction: Correction) -> None:
        self._file = path.open("rb")
        self._correction, self._position = correction, 0
        self._size = len(correction.head) + correction.stop - correction.start

    def readinto(self, buffer: object) -> int:
        """Read bytes into a buffer, as many as it holds; return their number."""
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        head = self._correction.head[self._position : self._position + len(view)]
        view[: len(head)] = head
        self._position += len(head)
        n = min(len(view) - len(head), self._size - self._position)
        if n > 0:
            self._file.seek(self._correction.start + self._position - len(self._correction.head))
            n = self._file.readinto(view[len(head) : len(head) + n])
            self._position += n
        return len(head) + max(n, 0)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position, in bytes."""
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(origin + offset, 0)
        return self._position

    def tell(self) -> int:
        """Position in bytes."""
        return self._position

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


def correction_of(path: Path) -> Correction | None:
    """Correction of a header that states no length, or that of a part of the file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    correction : Correction or None
        None if the header is right, or its format is not known here.

    Raises
    ------
    AudioError
        If the end of the file is missing, pages of an Ogg stream are missing or damaged, or the
        file holds several sounds one after the other.
    """
    with path.open("rb") as file:
        size = file.seek(0, io.SEEK_END)
        magic = read_at(file, 0, 4)
        if magic == b"OggS":
            check_pages(file, path)
        if magic in LAYOUTS:
            return correct_chunks(file, path, size, magic)
    return None


def correct_chunks(file: BinaryIO, path: Path, size: int, magic: bytes) -> Correction | None:
    """Correction of a header of chunks, if they do not reach the end of the file."""
    layout = LAYOUTS[magic]
    found: dict[bytes, Chunk] = {}
    for chunk in chunks(file, layout, layout.first):
        found[chunk.kind] = chunk
        if chunk.kind == layout.data:
            break
    if layout.data not in found:
        return None
    start, stated = found[layout.data].start, found[layout.data].stop - found[layout.data].start
    field, form = start - struct.calcsize(layout.size), layout.size  # of the size of the samples
    if b"ds64" in found and stated == 0xFFFF_FFFF:
        field, form = found[b"ds64"].start + 8, "<Q"
        (stated,) = struct.unpack(form, read_at(file, field, 8).ljust(8, b"\0"))
    unknown = is_unknown(stated, struct.calcsize(form))
    if not unknown and start + stated > size + LEAST_CUT:
        raise AudioError(
            f"{path} is cut short: its header states {stated} bytes of samples, the file has "
            f"{size - start}; get the whole file, or correct the header: ffmpeg -i IN -c copy OUT"
        )
    if not unknown and explained(file, path, layout, start + stated, size):
        return None
    wrapped = start + stated + ((size - start - stated) >> 32 << 32)
    stop = size
    if not unknown and wrapped > start + stated and explained(file, path, layout, wrapped, size):
        stop = wrapped
    if stop - start < LEAST_CUT:
        return None  # no samples, which libsndfile finds as well
    head = with_length(file, path, found, magic, field, form, start, stop - start)
    return Correction(head, start, stop, None if unknown or not stated else stated / (stop - start))


def is_unknown(stated: int, n_bytes: int) -> bool:
    """Whether a length, of this many bytes, stands for one that is not known."""
    if n_bytes == 8:
        return stated >= 1 << 62  # -1 in CAF and RF64
    return any(stated in values for values in UNKNOWN)


def with_length(
    file: BinaryIO,
    path: Path,
    found: dict[bytes, Chunk],
    magic: bytes,
    field: int,
    form: str,
    start: int,
    length: int,
) -> bytes:
    """Header that states the length of the samples; that of an RF64 file if it needs one."""
    if length < UNKNOWN[1].start or struct.calcsize(form) == 8:
        extra = 24 if magic == b"riff" else 0  # a W64 size includes the head of the chunk
        head = bytearray(read_at(file, 0, start))
        struct.pack_into(form, head, field, length + extra)
        return bytes(head)
    fmt = found.get(b"fmt ")
    if magic != b"RIFF" or fmt is None:
        raise AudioError(f"{path} is larger than its header can state; convert it to W64 or CAF")
    description = read_at(file, fmt.start, fmt.stop - fmt.start)
    ds64 = struct.pack("<QQQI", length + 68 + len(description), length, 0, 0)
    return b"".join(
        (b"RF64\xff\xff\xff\xffWAVEds64", struct.pack("<I", len(ds64)), ds64, b"fmt ",
         struct.pack("<I", len(description)), description, b"data\xff\xff\xff\xff")
    )  # fmt: skip


def chunks(file: BinaryIO, layout: Layout, position: int) -> Iterator[Chunk]:
    """Yield the chunks from a position on, up to the first without a printable identifier."""
    while True:
        head = read_at(file, position, layout.head_bytes)
        kind = head[: layout.id_bytes]
        if len(head) < layout.head_bytes or not PRINTABLE.match(kind):
            return
        (size,) = struct.unpack(layout.size, head[layout.id_bytes :])
        start = position + layout.head_bytes
        stop = start + max(size - layout.inclusive * layout.head_bytes, 0)
        yield Chunk(kind, start, stop)
        position = stop + -stop % layout.align


def explained(file: BinaryIO, path: Path, layout: Layout, position: int, size: int) -> bool:
    """Whether only further chunks, tags or a few zeros follow the samples.

    Raises
    ------
    AudioError
        If another sound follows.
    """
    position += -position % layout.align
    for chunk in chunks(file, layout, position):
        if chunk.kind == layout.data or chunk.kind in LAYOUTS:
            raise AudioError(
                f"{path} holds several sounds one after the other, of which only the first could "
                f"be read; split it"
            )
        if chunk.kind.startswith(TAGS):
            return True
        if chunk.stop > size + LEAST_CUT:
            return False
        position = chunk.stop + -chunk.stop % layout.align
    rest = read_at(file, position, MOST_ZEROS + 1)
    return len(rest) < LEAST_CUT or (len(rest) <= MOST_ZEROS and not any(rest))


def read_at(file: BinaryIO, position: int, n_bytes: int) -> bytes:
    """Read bytes at a position of a file; fewer at its end."""
    file.seek(position)
    return file.read(n_bytes)
