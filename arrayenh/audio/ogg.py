"""Pages of Ogg streams: order, checksums and end, which libsndfile does not check."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from arrayenh.errors import AudioError

BEGIN, END = 2, 4  # flags of the first and the last page of a stream
HEAD = struct.Struct("<4sBBqIIIB")
"""Head of a page: "OggS", version, flags, position, stream, number, checksum, segments."""

CHECKSUM = slice(22, 26)  # bytes of a page
REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass(frozen=True, slots=True)
class Page:
    """A page of an Ogg stream, its position in the file, and whether its checksum is right."""

    start: int
    flags: int
    stream: int
    number: int
    right: bool


def check_pages(file: BinaryIO, path: Path) -> None:
    """Raise AudioError if pages of an Ogg file are missing, damaged or of another sound."""
    following: dict[int, int] = {}  # number of the next page of each stream
    ended: set[int] = set()
    for page in pages(file):
        if page.flags & BEGIN and ended:
            raise AudioError(
                f"{path} holds several sounds one after the other, of which only the first could "
                f"be read; split it"
            )
        if not page.right or following.get(page.stream, page.number) != page.number:
            raise AudioError(
                f"{path} is damaged near byte {page.start}: a page is missing or changed; get "
                f"the file again"
            )
        following[page.stream] = page.number + 1
        if page.flags & END:
            ended.add(page.stream)
    if following.keys() != ended:
        raise AudioError(
            f"{path} is cut short or damaged: no page is marked as the end; get the whole file, or "
            f"keep the part that is there: ffmpeg -i IN -c copy OUT"
        )


def pages(file: BinaryIO) -> Iterator[Page]:
    """Yield the whole pages of a file, up to the first bytes that belong to none."""
    file.seek(0)
    start = 0
    while len(head := file.read(HEAD.size)) == HEAD.size and head.startswith(b"OggS"):
        _, _, flags, _, stream, number, checksum, n_segments = HEAD.unpack(head)
        sizes = file.read(n_segments)
        content = file.read(sum(sizes))
        if len(sizes) < n_segments or len(content) < sum(sizes):
            return
        page = head[: CHECKSUM.start] + bytes(4) + head[CHECKSUM.stop :] + sizes + content
        yield Page(start, flags, stream, number, crc(page) == checksum)
        start += len(page)


def crc(content: bytes) -> int:
    """Checksum of an Ogg page: CRC-32, most significant bit first, without inversion.

    Reversed bits turn it into the CRC-32 of zlib.
    """
    found = zlib.crc32(content.translate(REVERSED), 0xFFFF_FFFF) ^ 0xFFFF_FFFF
    return int(f"{found:032b}"[::-1], 2)
