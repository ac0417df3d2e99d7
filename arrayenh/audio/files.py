"""Opening and checking of sound files by libsndfile, with errors in one line."""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
import soundfile

from arrayenh.audio.containers import Corrected, Correction
from arrayenh.audio.quiet import quiet_decoder
from arrayenh.errors import AudioError

LEAST_RATE, MOST_RATE = 8_000, 192_000  # Hz
MOST_SAMPLE = 1e10  # full scale is 1; squares of much larger samples overflow
FORMATS = {
    ".wav": "WAV",
    ".flac": "FLAC",
    ".ogg": "OGG",
    ".aif": "AIFF",
    ".aiff": "AIFF",
    ".caf": "CAF",
    ".w64": "W64",
    ".rf64": "RF64",
}
SUFFIXES = frozenset(FORMATS)


class SoundStream(soundfile.SoundFile):
    """A sound file that is read in order; a FLAC file of unknown length permits nothing else."""

    def seekable(self) -> bool:
        """Return False, so that reading does not seek."""
        return False


@contextmanager
def open_sound(path: Path, correction: Correction | None = None) -> Iterator[SoundStream]:
    """Open a sound file, with another header if it needs one; raise AudioError if that fails."""
    check_source(path)
    with Corrected(path, correction) if correction else nullcontext(file_name(path)) as file:
        try:
            with quiet_decoder(path):
                sound = SoundStream(file)
        except (soundfile.LibsndfileError, TypeError) as error:
            # soundfile raises TypeError for a .raw file without a rate
            reason = getattr(error, "error_string", "").rstrip(".") or "no known sound format"
            raise AudioError(
                f"{path} cannot be read as audio: {reason}; give WAV, FLAC, OGG, AIFF, CAF or W64"
            ) from error
        with sound:
            yield sound


def file_name(path: Path) -> Path | bytes:
    """Encode a path for soundfile, which refuses names that are not valid text."""
    return path if os.name == "nt" else os.fsencode(path)


def check_source(path: Path) -> None:
    """Raise AudioError if a path is not a readable file, which libsndfile does not explain."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode):
            path.open("rb").close()
    except FileNotFoundError as error:
        raise AudioError(f"{path} does not exist") from error
    except OSError as error:
        raise AudioError(f"{path} cannot be opened: {error.strerror}") from error
    if stat.S_ISDIR(mode):
        raise AudioError(f"{path} is a folder, not a sound file")
    if not stat.S_ISREG(mode):
        raise AudioError(f"{path} is no regular file; save the sound in one first")


def read_frames(sound: SoundStream, n: int, path: Path, dtype: str = "float32") -> np.ndarray:
    """Read the next `n` frames, shape (n, channels)."""
    frames = read_up_to(sound, n, path, dtype)
    if len(frames) < n:
        raise AudioError(f"{path} is cut short: it ends before its header says")
    return frames


def read_up_to(sound: SoundStream, n: int, path: Path, dtype: str = "float32") -> np.ndarray:
    """Read the next `n` frames, or fewer at the end, shape (n, channels)."""
    try:
        with quiet_decoder(path) if sound.format == "MP3" else nullcontext():
            return sound.read(n, dtype=dtype, always_2d=True)
    except soundfile.LibsndfileError as error:
        raise AudioError(f"{path} is damaged: {error.error_string.rstrip('.')}") from error


def check_rate(sample_rate: int, name: str) -> None:
    """Raise AudioError if a sample rate is not 8 to 192 kHz."""
    if not LEAST_RATE <= sample_rate <= MOST_RATE:
        raise AudioError(
            f"{name} has a sample rate of {sample_rate} Hz; 8 to 192 kHz can be processed: "
            f"resample it first"
        )


def check_finite(
    block: np.ndarray,
    start: int,
    sample_rate: int,
    name: str,
    channels: Sequence[int] | None = None,
) -> None:
    """Raise AudioError for NaN, infinite or excessive samples, naming the first one."""
    # also False for NaN; the search below runs only if needed
    if block.size == 0 or (-MOST_SAMPLE <= block.min() and block.max() <= MOST_SAMPLE):
        return
    bad = np.argwhere(~(np.abs(block) <= MOST_SAMPLE))
    row, sample = bad[bad[:, 1].argmin()]
    value = block[row, sample]
    what = f"samples as high as {value:.0e}" if np.isfinite(value) else "NaN or infinite samples"
    raise AudioError(
        f"{name} holds {what}, the first in channel {channels[row] if channels else row} "
        f"at {(start + sample) / sample_rate:.3f} s; repair the file or leave out the channel"
    )
