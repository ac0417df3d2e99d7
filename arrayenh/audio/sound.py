"""One sound file as it is read: its length, corrections, and what is said about them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from arrayenh.audio.containers import Correction, correction_of
from arrayenh.audio.files import (
    SoundStream,
    check_rate,
    check_source,
    open_sound,
    read_frames,
    read_up_to,
)
from arrayenh.errors import AudioError

BLOCK = 1 << 16  # samples of each microphone read at once
ENDLESS = (1 << 36) - 1  # samples: the largest length in a FLAC header, which stands for unknown
FACT = re.compile(r"^ *frames *: (\d+)", re.MULTILINE)
"""Line of libsndfile's log with the number of samples that a WAV or W64 header states."""

MOST_PADDING = 1 << 13  # samples, longest block of the codecs in a WAV file
PLAIN = ("PCM_", "FLOAT", "DOUBLE", "ULAW", "ALAW")
"""Beginnings of the subtypes that code each sample alone, so that no block is padded."""

LOW_BITS = "24-bit samples at the low end of 32-bit words: raised by 48 dB"


@dataclass(frozen=True, slots=True)
class Sound:
    """A sound file, checked but not loaded.

    Attributes
    ----------
    path : Path
    n_channels, sample_rate, n_samples : int
    subtype : str
    metadata : mapping of str to str
    correction : Correction, optional
        Header to read it with.
    low_bits : bool
        Whether 24-bit samples are at the low end of 32-bit words.
    notes : tuple of str
        Lines for the user about what was put right.
    """

    path: Path
    n_channels: int
    sample_rate: int
    n_samples: int
    subtype: str
    metadata: Mapping[str, str]
    correction: Correction | None
    low_bits: bool
    notes: tuple[str, ...]

    def read(self, file: SoundStream, n: int) -> np.ndarray:
        """Read the next `n` samples of the opened file, float32, shape (n, channels)."""
        if not self.low_bits:
            return read_frames(file, n, self.path)
        words = read_frames(file, n, self.path, "int32")
        return ((words << 8) * 2.0**-31).astype(np.float32)


def examine(path: Path) -> Sound:
    """Check a sound file and correct its header.

    Raises
    ------
    AudioError
        If the file is missing, corrupt, empty or cut short, or its rate is outside 8 to 192 kHz.
    """
    check_source(path)
    correction = correction_of(path)
    with open_sound(path, correction) as sound:
        n_samples, metadata = length(sound, path), sound.copy_metadata()
        low_bits = sound.subtype == "PCM_32" and in_low_bits(sound, path)
        endless = sound.frames >= ENDLESS
    if n_samples == 0:
        raise AudioError(f"{path} is empty: it holds no samples")
    check_rate(sound.samplerate, str(path))
    seconds = n_samples / sound.samplerate
    notes = []
    if endless or (correction and correction.share is None):
        notes.append(f"the header states no length: read to the end, {seconds:.1f} s")
    elif correction and correction.share != 1:
        notes.append(
            f"the header states {(correction.share or 0) * seconds:.1f} s, the file holds "
            f"{seconds:.1f} s: read to the end"
        )
    if low_bits:
        notes.append(LOW_BITS)
    return Sound(
        path,
        sound.channels,
        sound.samplerate,
        n_samples,
        sound.subtype,
        metadata,
        correction,
        low_bits,
        tuple(notes),
    )


def length(sound: SoundStream, path: Path) -> int:
    """Number of samples, without the padding of the last block; by reading if not stated."""
    if sound.frames >= ENDLESS:
        n_samples = 0
        while n := len(read_up_to(sound, BLOCK, path)):
            n_samples += n
        return n_samples
    stated = FACT.search(sound.extra_info)
    if stated is None or sound.subtype.startswith(PLAIN):
        return int(sound.frames)
    padding = sound.frames - int(stated[1])
    return int(sound.frames) - (padding if 0 < padding <= MOST_PADDING else 0)


def in_low_bits(sound: SoundStream, path: Path) -> bool:
    """Whether 32-bit words hold 24-bit samples at their low end.

    Their top byte is then the sign throughout (as `arecord -f S24_LE` writes it), or zero
    throughout, and the lowest byte is in use. Most other files are recognised by a few samples.
    """
    extended = padded = True
    used = False
    while len(words := read_up_to(sound, BLOCK, path, "int32")):
        extended = extended and bool(((words << 8) >> 8 == words).all())
        padded = padded and not (words >> 24).any()
        if not (extended or padded):
            return False
        used = used or bool((words & 0xFF).any())
    return used
