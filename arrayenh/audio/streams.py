"""Sound from and to pipes: WAV, also of unknown length, and raw PCM."""

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

import numpy as np

from arrayenh.audio.files import check_rate
from arrayenh.audio.pcm import Encoding
from arrayenh.audio.wav_stream import WavHeader, read_wav_header
from arrayenh.errors import AudioError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

WAV, RAW = "wav", "raw"
CONTAINERS = (WAV, RAW)
MAGIC = (b"RIFF", b"RIFX", b"RF64")


@dataclass(frozen=True, slots=True)
class RawFormat:
    """Description of raw PCM, which has no header."""

    encoding: Encoding
    n_channels: int
    sample_rate: int


class StreamReader:
    """Sound that is read in order, block by block.

    Parameters
    ----------
    file : binary file
        Need not be seekable.
    name : str
        For messages.
    raw : RawFormat, optional
        Without it the stream begins with a WAV header.

    Attributes
    ----------
    encoding : Encoding
    n_channels, sample_rate : int
    container : {"wav", "raw"}
    notes : list of str
        Log lines; complete after `blocks`.

    Raises
    ------
    AudioError
        If the stream has no header, a damaged one, or one where raw samples are expected.
    """

    def __init__(self, file: BinaryIO, name: str, raw: RawFormat | None = None) -> None:
        self._file, self.name = file, name
        self.container = WAV if raw is None else RAW
        self._first, self._n_bytes = b"", None
        if raw is None:
            header = read_wav_header(file, name)
            self.encoding, self.n_channels = header.encoding, header.n_channels
            self.sample_rate, self._n_bytes = header.sample_rate, header.n_bytes
        else:
            self.encoding, self.n_channels = raw.encoding, raw.n_channels
            self.sample_rate = raw.sample_rate
            self._first = file.read(4)
            if self._first in MAGIC:
                raise AudioError(f"{name} is a WAV stream, not raw samples: leave --format out")
        check_rate(self.sample_rate, name)
        self.notes: list[str] = []

    def blocks(self, n: int) -> Iterator[np.ndarray]:
        """Yield blocks of n samples, float32, (n_channels, n), as they come; the last is shorter.

        An incomplete frame at the end is left out.
        """
        frame = self.encoding.width * self.n_channels
        left = self._n_bytes
        while left is None or left >= frame:
            wanted = n * frame if left is None else min(n * frame, left // frame * frame)
            data = self._first + self._file.read(wanted - len(self._first))
            self._first = b""
            if left is not None:
                left -= len(data)
            whole = len(data) // frame * frame
            if whole:
                yield self.encoding.decode(data[:whole], self.n_channels)
            if len(data) < wanted:
                self._note_end(len(data) - whole, left or 0, frame)
                return

    def _note_end(self, rest: int, missing: int, frame: int) -> None:
        if rest:
            self.notes.append(f"{self.name} ends within a sample: the last {rest} bytes left out")
        if missing:
            seconds = missing / frame / self.sample_rate
            self.notes.append(f"{self.name} ends {seconds:.1f} s before its header states")


class StreamWriter:
    """Sound that is written in order, each block at once.

    The header of a WAV stream states no length; where the file can be rewound, it is put right at
    the end.

    Parameters
    ----------
    file : binary file
    container : {"wav", "raw"}
    encoding : Encoding
    n_channels, sample_rate : int
    """

    def __init__(
        self,
        file: BinaryIO,
        container: str,
        encoding: Encoding,
        n_channels: int,
        sample_rate: int,
    ) -> None:
        if container == WAV:
            encoding = in_wav(encoding)
        self._file, self.encoding = file, encoding
        self._header = WavHeader(encoding, n_channels, sample_rate) if container == WAV else None
        self._n_bytes = 0
        if self._header is not None:
            file.write(self._header.encoded)
            file.flush()

    def write(self, samples: np.ndarray) -> None:
        """Write the next samples, (C, n)."""
        data = self.encoding.encode(samples)
        self._n_bytes += len(data)
        self._file.write(data)
        self._file.flush()

    def finish(self) -> None:
        """Put the length into the header, where the file can be rewound."""
        if self._header is None or not rewinds(self._file):
            return
        if self._n_bytes % 2:
            self._file.write(b"\0")  # chunks have an even length
        header = replace(self._header, n_bytes=self._n_bytes).encoded
        self._file.seek(-(self._n_bytes + self._n_bytes % 2 + len(header)), io.SEEK_CUR)
        self._file.write(header)
        self._file.seek(0, io.SEEK_END)
        self._file.flush()


def in_wav(encoding: Encoding) -> Encoding:
    """The encoding as WAV files hold it: little-endian, and nothing left empty."""
    if encoding.kind == "s":
        return Encoding("s", encoding.bits, encoding.bits // 8)
    return replace(encoding, order="<")


def rewinds(file: BinaryIO) -> bool:
    """Whether bytes that are written can be written again."""
    try:
        if not file.seekable():
            return False
        number = file.fileno()
    except OSError:  # a file in memory has no number
        return True
    if fcntl is None:
        return True
    return not fcntl.fcntl(number, fcntl.F_GETFL) & os.O_APPEND  # which writes at the end only
