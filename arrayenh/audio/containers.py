"""Headers of sound files, checked against the lengths of the files.

libsndfile believes a header that states too short a length, and reads a part of the file. Here
the chunks of a file are followed to its end. If they do not reach it, a header with the right
length is put before the samples.
"""

import io
import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from arrayenh.audio.ogg import check_pages
from arrayenh.errors import AudioError

LEAST_CUT = 16  # bytes; a smaller difference between the header and the file is tolerated
PCM, EXTENSIBLE = 1, 0xFFFE  # kinds of WAV files with integer samples
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


AU = Layout(24, 4, ">I", b"")  # no chunks: the header states the position and the length
LAYOUTS = {
    b".snd": AU,
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
    """A chunk: its identifier, and the position and length of its content in bytes."""

    kind: bytes
    start: int
    size: int

    @property
    def stop(self) -> int:
        """End of the content."""
        return self.start + self.size


@dataclass(frozen=True, slots=True)
class Stated:
    """Statement of the header on the samples: where they begin, and how many bytes they are.

    The length, None if unknown, is written at `field` in the format `form`.
    """

    start: int
    length: int | None
    field: int
    form: str

    @property
    def stop(self) -> int:
        """End of the samples according to the header."""
        return self.start + (self.length or 0)


@dataclass(frozen=True, slots=True)
class Correction:
    """A corrected header, and the range of the file that holds the samples.

    `share` is the fraction of the samples that the file's own header states; None if it states
    no length.
    """

    head: bytes
    start: int
    stop: int
    share: float | None


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
        layout = LAYOUTS.get(magic)
        if layout is None:
            return None
        found = header_chunks(file, layout)
        stated = stated_length(file, layout, found)
        if stated is None:
            return None
        return corrected(file, path, size, layout, found, stated)


def corrected(
    file: BinaryIO,
    path: Path,
    size: int,
    layout: Layout,
    found: dict[bytes, Chunk],
    stated: Stated,
) -> Correction | None:
    """Correction of a header: of the length, or of the width of 24-bit samples."""
    stop = end_of_samples(file, path, layout, stated, size)
    head = bytearray(read_at(file, 0, stated.start))
    if stop - stated.start < LEAST_CUT:  # no samples
        return None
    share = stated.length and stated.length / (stop - stated.start)
    widened = widen(head, found)
    if share != 1:
        head = with_length(head, path, found, stated, stop - stated.start)
    elif not widened:
        return None
    return Correction(bytes(head), stated.start, stop, share or None)


def header_chunks(file: BinaryIO, layout: Layout) -> dict[bytes, Chunk]:
    """Chunks up to that with the samples."""
    found: dict[bytes, Chunk] = {}
    for chunk in chunks(file, layout, layout.first):
        found[chunk.kind] = chunk
        if chunk.kind == layout.data:
            break
    return found


def stated_length(file: BinaryIO, layout: Layout, found: dict[bytes, Chunk]) -> Stated | None:
    """Read what the header states on the samples; None if it mentions none."""
    form = layout.size
    if layout is AU:
        field = 8
        start, length = struct.unpack(">II", read_at(file, 4, 8).ljust(8, b"\0"))
    elif layout.data not in found:
        return None
    else:
        start, length = found[layout.data].start, found[layout.data].size
        field = start - struct.calcsize(form)
    if b"ds64" in found and length == 0xFFFF_FFFF:
        form, field = "<Q", found[b"ds64"].start + 8
        (length,) = struct.unpack(form, read_at(file, field, 8).ljust(8, b"\0"))
    if struct.calcsize(form) == 8:
        unknown = length >= 1 << 62  # -1 in CAF and RF64
    else:
        unknown = any(length in values for values in UNKNOWN)
    return Stated(start, None if unknown else length, field, form)


def end_of_samples(file: BinaryIO, path: Path, layout: Layout, stated: Stated, size: int) -> int:
    """Position at which the samples end.

    That is where the header says if only further chunks follow there, or 4 GiB or a multiple
    of that later, as a length of 32 bits leaves them out; otherwise the end of the file.
    """
    if stated.length is None:
        return size
    if stated.stop > size + LEAST_CUT:
        raise AudioError(
            f"{path} is cut short: its header states {stated.length} bytes of samples, the file "
            f"has {size - stated.start}; get the whole file, or correct the header: "
            f"ffmpeg -i IN -c copy OUT"
        )
    wrapped = stated.stop + (max(size - stated.stop, 0) >> 32 << 32)
    for stop in dict.fromkeys((stated.stop, wrapped)):
        if explained(file, path, layout, stop, size):
            return stop
    return size


def widen(head: bytearray, found: dict[bytes, Chunk]) -> bool:
    """Correct the width of a WAV file's samples if they are 24 bits in words of 32.

    libsndfile would guess from the samples, and be wrong for quiet ones. Returns whether the
    header is changed.
    """
    if b"fmt " not in found or found[b"fmt "].size < 16:
        return False
    form = ">HHIIHH" if head.startswith(b"RIFX") else "<HHIIHH"
    *others, align, bits = struct.unpack_from(form, head, found[b"fmt "].start)
    kind, n_channels = others[:2]
    if kind not in (PCM, EXTENSIBLE) or bits != 24 or align != 4 * n_channels:
        return False
    struct.pack_into(form, head, found[b"fmt "].start, *others, align, 32)
    return True


def with_length(
    head: bytearray, path: Path, found: dict[bytes, Chunk], stated: Stated, length: int
) -> bytearray:
    """Header that states the length of the samples; that of an RF64 file if it needs one."""
    if length < UNKNOWN[1].start or struct.calcsize(stated.form) == 8:
        inclusive = 24 if head.startswith(b"riff") else 0  # W64 counts the head of the chunk
        struct.pack_into(stated.form, head, stated.field, length + inclusive)
        return head
    fmt = found.get(b"fmt ")
    if fmt is None or not head.startswith(b"RIFF"):
        raise AudioError(f"{path} is larger than its header can state; convert it to W64 or CAF")
    description = head[fmt.start : fmt.stop]
    ds64 = struct.pack("<QQQI", length + 68 + len(description), length, 0, 0)
    parts = (b"ds64", ds64), (b"fmt ", bytes(description))
    return bytearray(
        b"RF64\xff\xff\xff\xffWAVE"
        + b"".join(kind + struct.pack("<I", len(part)) + part for kind, part in parts)
        + b"data\xff\xff\xff\xff"
    )


def chunks(file: BinaryIO, layout: Layout, position: int) -> Iterator[Chunk]:
    """Yield the chunks from a position on, up to the first without a printable identifier."""
    while True:
        head = read_at(file, position, layout.head_bytes)
        kind = head[: layout.id_bytes]
        if len(head) < layout.head_bytes or not PRINTABLE.match(kind):
            return
        (size,) = struct.unpack(layout.size, head[layout.id_bytes :])
        start = position + layout.head_bytes
        chunk = Chunk(kind, start, max(size - layout.inclusive * layout.head_bytes, 0))
        yield chunk
        position = chunk.stop + -chunk.stop % layout.align


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
            break
        if chunk.stop > size + LEAST_CUT:
            return False
        position = chunk.stop + -chunk.stop % layout.align
    rest = read_at(file, position, MOST_ZEROS + 1)
    zeros = len(rest) <= MOST_ZEROS and not rest.strip(b"\0")
    return len(rest) < LEAST_CUT or zeros or rest.startswith(TAGS)


def read_at(file: BinaryIO, position: int, n_bytes: int) -> bytes:
    """Read bytes at a position of a file; fewer at its end, none behind it."""
    left = os.fstat(file.fileno()).st_size - position
    if left <= 0:  # a size of a damaged header, perhaps larger than any position
        return b""
    file.seek(position)
    return file.read(min(n_bytes, left))
