"""Atomic writing of sound files: to a temporary file, renamed when complete."""

import io
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Protocol

import numpy as np
import soundfile

from arrayenh.audio.files import FORMATS, check_finite, file_name, open_sound, read_frames
from arrayenh.audio.recording import PathLike
from arrayenh.errors import AudioError, ConfigError
from arrayenh.files import beside, check_free, give_name

SYSTEM_ERROR = 2  # SF_ERR_SYSTEM of libsndfile
ADD_PEAK_CHUNK = 0x1050  # SFC_SET_ADD_PEAK_CHUNK of libsndfile
AUTO_DOWNGRADE = 0x1210  # SFC_RF64_AUTO_DOWNGRADE of libsndfile
WAV_LIMIT = (1 << 32) - (1 << 20)  # bytes, largest size in a RIFF header

FINE = ("PCM_24", "PCM_32", "FLOAT", "DOUBLE")
"""Subtypes with more than 16 bits."""


class Audio(Protocol):
    """An object with samples and a rate, such as `Recording` and `Enhanced`."""

    @property
    def samples(self) -> np.ndarray:
        """Waveforms, shape (M, N) or (N,)."""

    @property
    def sample_rate(self) -> int:
        """Samples per second, Hz."""


def write(
    path: PathLike,
    audio: Audio | np.ndarray,
    sample_rate: int | None = None,
    *,
    subtype: str | None = None,
    overwrite: bool = False,
) -> Path:
    """Write audio atomically; attenuate it if it would clip.

    Parameters
    ----------
    path : path
        The suffix selects the format: wav, flac, ogg, aiff, caf, w64, rf64.
    audio : Recording, Enhanced or float ndarray, shape (N,) or (M, N)
    sample_rate : int, optional
        Hz; needed for an ndarray.
    subtype : str, optional
        Sample format. Default: that of `audio`, or else the file format's default.
    overwrite : bool
        Replace an existing file.

    Returns
    -------
    path : Path

    Raises
    ------
    AudioError
        If the file exists, the folder does not, the disk is full, or the audio is not finite.

    Examples
    --------
    >>> write("clean.flac", np.zeros((2, 16_000)), sample_rate=16_000)  # doctest: +SKIP
    """
    samples = audio if isinstance(audio, np.ndarray) else audio.samples
    rate = sample_rate or (None if isinstance(audio, np.ndarray) else audio.sample_rate)
    if rate is None:
        raise ConfigError("an array has no sample rate of its own: give sample_rate")
    samples = np.atleast_2d(samples)
    check_finite(samples, 0, rate, str(path))
    gain = headroom(float(np.abs(samples).max(initial=0.0)))
    subtype = subtype or getattr(audio, "subtype", None)
    metadata = getattr(audio, "metadata", {})
    with AudioWriter(
        path, rate, len(samples), samples.shape[1], subtype, metadata, overwrite
    ) as writer:
        writer.write(samples * np.float32(gain))
    return Path(path)


def encode(samples: np.ndarray, sample_rate: int, format: str = "FLAC") -> bytes:
    """Encode a 16-bit sound file in memory; clips beyond full scale.

    Parameters
    ----------
    samples : float ndarray, shape (N,) or (M, N)
    sample_rate : int
        Hz.
    format : {"FLAC", "WAV"}

    Returns
    -------
    content : bytes

    Raises
    ------
    AudioError
        If a sample is not finite.
    ConfigError
        If the format is unknown.
    """
    if format not in ("FLAC", "WAV"):
        raise ConfigError(f"sound is encoded as FLAC or WAV; got {format!r}")
    samples = np.atleast_2d(samples)
    check_finite(samples, 0, sample_rate, "the sound")
    content = io.BytesIO()
    soundfile.write(content, samples.T, sample_rate, "PCM_16", format=format)
    return content.getvalue()


def headroom(peak: float) -> float:
    """Gain that brings `peak` just below full scale; 1 if it is already."""
    return min(1.0, 0.999 / peak) if peak > 0 else 1.0


class AudioWriter:
    """Writer of a sound file, which gets its name only when complete.

    Use it as a context manager; if the block raises, the temporary file is removed. With
    `n_samples` None, the length is unknown.
    """

    def __init__(
        self,
        path: PathLike,
        sample_rate: int,
        n_channels: int,
        n_samples: int | None,
        subtype: str | None = None,
        metadata: Mapping[str, str] | None = None,
        overwrite: bool = False,
    ) -> None:
        self.path = Path(path)
        check_target(self.path, overwrite)
        kind = FORMATS[self.path.suffix.lower()]
        if kind == "WAV" and (n_samples is None or n_samples * n_channels * 8 > WAV_LIMIT):
            kind = "RF64"  # the same samples, with a header for larger files
        self._temporary = beside(self.path)
        self._n_written, self._overwrite = 0, overwrite
        try:
            self._temporary.open("xb").close()  # raises a clear OSError, unlike libsndfile
            self._sound = self._open(kind, sample_rate, n_channels, subtype)
        except soundfile.LibsndfileError as error:
            self._temporary.unlink()
            words = f" ({n_channels} channels, {sample_rate} Hz): {error.error_string}"
            if error.code == SYSTEM_ERROR:
                words = ": is the disk full?"
            raise AudioError(f"{self.path} cannot be written{words}") from error
        except OSError as error:
            raise AudioError(f"{self.path} cannot be written: {error.strerror}") from error
        if n_samples is None:  # a WAV file in the end, if it is small enough
            command = self._sound._file, AUTO_DOWNGRADE, soundfile._ffi.NULL, 1
            soundfile._snd.sf_command(*command)
        # no PEAK chunk: it holds the time of day, so files would not be reproducible
        soundfile._snd.sf_command(self._sound._file, ADD_PEAK_CHUNK, soundfile._ffi.NULL, 0)
        for key, value in (metadata or {}).items():
            with suppress(soundfile.LibsndfileError):  # W64 cannot hold tags
                setattr(self._sound, key, value)

    def _open(
        self, kind: str, sample_rate: int, n_channels: int, subtype: str | None
    ) -> soundfile.SoundFile:
        """Open the file; if the format lacks the subtype, use the nearest one."""
        own, name = soundfile.default_subtype(kind), file_name(self._temporary)
        if subtype in FINE and soundfile.check_format(kind, "PCM_24"):
            own = "PCM_24"
        try:
            if not soundfile.check_format(kind, subtype or ""):
                subtype = own
            return soundfile.SoundFile(name, "w", sample_rate, n_channels, subtype, format=kind)
        except soundfile.LibsndfileError:  # MP3 in WAV, Opus at 44.1 kHz: fails only on opening
            return soundfile.SoundFile(name, "w", sample_rate, n_channels, own, format=kind)

    def write(self, block: np.ndarray) -> None:
        """Append a block, shape (M, n)."""
        try:
            self._sound.write(np.ascontiguousarray(block.T))
        except (AssertionError, soundfile.LibsndfileError) as error:
            # soundfile asserts that all frames were written, which fails on a full disk
            raise AudioError(f"{self.path} cannot be written: is the disk full?") from error
        self._n_written += block.shape[1]

    def __enter__(self) -> "AudioWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._sound.close()
            if error is None:
                self._check_end()
                give_name(self._temporary, self.path, self._overwrite)
        except FileExistsError as problem:
            raise AudioError(f"{self.path} exists; use --overwrite to replace it") from problem
        except (OSError, soundfile.LibsndfileError) as problem:
            if error is None:
                words = getattr(problem, "strerror", None) or "is the disk full?"
                raise AudioError(f"{self.path} cannot be written: {words}") from problem
        finally:
            self._temporary.unlink(missing_ok=True)

    def _check_end(self) -> None:
        """Read the last frame, as encoders do not report a full disk on closing."""
        if self._n_written and self._sound.format in ("FLAC", "OGG"):
            with open_sound(self._temporary) as sound:
                sound.seek(self._n_written - 1)
                read_frames(sound, 1, self._temporary)


def check_target(path: Path, overwrite: bool) -> None:
    """Raise AudioError if an output cannot, or must not, be written."""
    check_new(path, overwrite)
    if not path.parent.is_dir():
        raise AudioError(f"the folder {path.parent} does not exist")


def check_new(path: Path, overwrite: bool) -> None:
    """Raise an error if an output has no known suffix or exists; its folder may be missing."""
    if path.suffix.lower() not in FORMATS:
        raise ConfigError(
            f"{path} has no known sound suffix; use one of {', '.join(sorted(FORMATS))}"
        )
    check_free(path, overwrite)
