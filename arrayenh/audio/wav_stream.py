"""WAV headers of streams: read without seeking, written before the length is known."""

import struct
from dataclasses import dataclass
from typing import BinaryIO

from arrayenh.audio.containers import EXTENSIBLE, PCM, UNKNOWN
from arrayenh.audio.pcm import Encoding
from arrayenh.errors import AudioError

FLOAT = 3  # kind of WAV files with floating-point samples
COMPRESSED = {2: "ADPCM", 6: "A-law", 7: "mu-law", 0x11: "ADPCM", 0x31: "GSM 6.10", 0x55: "MP3"}
ENDLESS = 0xFFFF_FFFF  # length in the header of a stream
MOST_BEFORE = 1 << 26  # bytes of chunks before the samples; tags may hold a picture
MOST_FORMAT = 1 << 12  # bytes of the chunk "fmt "
CONVERT = "convert it: sox IN -t wav -, or ffmpeg -i IN -f wav -"


@dataclass(frozen=True, slots=True)
class WavHeader:
    """Header of a WAV stream.

    Attributes
    ----------
    encoding : Encoding
    n_channels : int
    sample_rate : int
        Hz.
    n_bytes : int, optional
        Length of the samples; None if the header states none.
    """

    encoding: Encoding
    n_channels: int
    sample_rate: int
    n_bytes: int | None = None

    @property
    def encoded(self) -> bytes:
        """Bytes of the header; those of an endless stream if the length is None or too large."""
        kind = FLOAT if self.encoding.kind == "f" else PCM
        align, bits = self.encoding.width * self.n_channels, 8 * self.encoding.width
        rate = self.sample_rate
        description = struct.pack("<HHIIHH", kind, self.n_channels, rate, align * rate, align, bits)
        chunks = b"WAVEfmt " + struct.pack("<I", len(description)) + description + b"data"
        length = ENDLESS if self.n_bytes is None else self.n_bytes
        whole = len(chunks) + 4 + length + length % 2
        if whole >= UNKNOWN[1].start:
            length = whole = ENDLESS
        return b"RIFF" + struct.pack("<I", whole) + chunks + struct.pack("<I", length)


def read_wav_header(file: BinaryIO, name: str) -> WavHeader:
    """Read the header of a WAV stream, up to its first sample.

    Chunks before the samples are skipped. A length of 0, or one that programs write before they
    know it, is taken as unknown.

    Parameters
    ----------
    file : binary file
        Need not be seekable.
    name : str
        For messages.

    Raises
    ------
    AudioError
        If the stream is no WAV, is cut short in its header, or holds compressed samples.
    """
    form = read(file, 12, name)
    if form[:4] not in (b"RIFF", b"RIFX", b"RF64") or form[8:] != b"WAVE":
        raise AudioError(
            f"{name} has no WAV header; raw samples need --format, --rate and --mics, and for "
            f"other formats {CONVERT}"
        )
    order = ">" if form[:4] == b"RIFX" else "<"
    description = long = b""
    before = 0
    while True:
        kind, size = struct.unpack(f"{order}4sI", read(file, 8, name))
        if kind == b"data":
            break
        before += size
        if before > MOST_BEFORE or (kind == b"fmt " and size > MOST_FORMAT):
            raise AudioError(f"{name} is damaged: no samples where its header says")
        content = read(file, size + size % 2, name)
        if kind == b"fmt ":
            description = content
        elif kind == b"ds64":
            long = content
    if len(description) < 16:
        raise AudioError(f"{name} is damaged: its header does not describe the samples")
    encoding, n_channels, rate = described(description, order, name)
    return WavHeader(encoding, n_channels, rate, stated(size, long))


def read(file: BinaryIO, n_bytes: int, name: str) -> bytes:
    """Read so many bytes of a header."""
    data = file.read(n_bytes)
    if len(data) < n_bytes:
        cut = "is empty" if not data else "ends within its WAV header"
        raise AudioError(f"{name} {cut}: no sound came")
    return data


def described(description: bytes, order: str, name: str) -> tuple[Encoding, int, int]:
    """Encoding, number of channels and sample rate, Hz, of a chunk "fmt "."""
    kind, n_channels, rate, _, align, bits = struct.unpack_from(f"{order}HHIIHH", description)
    plain = kind != EXTENSIBLE
    if not plain and len(description) >= 26:
        (kind,) = struct.unpack_from(f"{order}H", description, 24)
    if kind not in (PCM, FLOAT):
        what = COMPRESSED.get(kind, f"of kind {kind}")
        raise AudioError(f"{name} holds samples that are {what}, not PCM; {CONVERT}")
    width = align // n_channels if n_channels else 0
    known = (4, 8) if kind == FLOAT else (1, 2, 3, 4)
    if not n_channels or align % n_channels or width not in known or bits > 8 * width:
        raise AudioError(
            f"{name} is damaged: {n_channels} channels with {bits} bits in {align} bytes"
        )
    if kind == FLOAT:
        return Encoding("f", 8 * width, width, order), n_channels, rate
    if width == 1:
        return Encoding("u", 8, 1, order), n_channels, rate
    # ALSA writes 24 bits at the low end of 32; of others, the significant bits are on top
    low = plain and (bits, width) == (24, 4)
    return Encoding("s", 24 if low else 8 * width, width, order), n_channels, rate


def stated(size: int, long: bytes) -> int | None:
    """Length of the samples, bytes, from their chunk and from that of RF64; None if unknown."""
    if size == ENDLESS and len(long) >= 16:
        (length,) = struct.unpack_from("<Q", long, 8)
        return int(length) if 0 < length < 1 << 62 else None
    return None if size == 0 or any(size in lengths for lengths in UNKNOWN) else size
