"""Recordings: the only place that reads, resamples and writes audio.

A recording is one multichannel file or one mono file per microphone. Either is read whole
(`read`) or in blocks (`open_recording`), so that an hour need never be in memory. Files are
written whole or not at all.
"""

import io
import os
import re
import secrets
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Protocol

import numpy as np
import soundfile
import soxr

from arrayenh.errors import AudioError, ConfigError, ShapeError

LEAST_RATE, MOST_RATE = 8_000, 192_000  # Hz
BLOCK = 1 << 16  # samples of each microphone read at once
WAV_LIMIT = (1 << 32) - (1 << 20)  # bytes that a RIFF header can count
MOST_SAMPLE = 1e10  # full scale is 1; squares of much more overflow
CUT = re.compile(r"^ *(?:data|SSND|riff|Riff size) : (\d+) \(should be (\d+)\)", re.MULTILINE)
"""Where libsndfile logs a length in a header, and that of the file."""

LEAST_CUT, STREAMED = 16, 0x7F000000
"""Bytes: less is a slip of the header's writer; a length from here on was never known."""

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

PathLike = str | os.PathLike[str]


class Audio(Protocol):
    """Anything with samples and a rate: a `Recording`, an `Enhanced`."""

    @property
    def samples(self) -> np.ndarray:
        """Waveforms, shape (M, N) or (N,)."""

    @property
    def sample_rate(self) -> int:
        """Samples per second, Hz."""


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """What the microphones heard.

    Attributes
    ----------
    samples : float32 ndarray, shape (M, N)
        Full scale is 1.0; row m is microphone m.
    sample_rate : int
        Hz.
    name : str
        Where it came from, for messages.
    channels : tuple of int
        The file's own channel that each row was.
    subtype : str, optional
        Sample format of the file ("PCM_16", "FLOAT", ...), kept when writing the result.
    metadata : mapping
        Title, artist, date and the like.

    Raises
    ------
    ShapeError
        If `samples` has not two axes, or more microphones than samples.
    AudioError
        If the rate is outside 8 to 192 kHz, or a sample is not finite, or beyond 10^10.
    """

    samples: np.ndarray
    sample_rate: int
    name: str = "recording"
    channels: tuple[int, ...] = ()
    subtype: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        samples = np.ascontiguousarray(self.samples, dtype=np.float32)
        if samples.ndim != 2:
            raise ShapeError(f"samples must have shape (M, N); got {samples.shape}")
        if samples.shape[0] > max(samples.shape[1], 1):
            raise ShapeError(
                f"{samples.shape[0]} microphones but only {samples.shape[1]} samples: "
                f"samples must have shape (microphones, samples), is it transposed?"
            )
        check_rate(self.sample_rate, self.name)
        channels = self.channels or tuple(range(len(samples)))
        check_finite(samples, 0, self.sample_rate, self.name, channels)
        object.__setattr__(self, "samples", samples)
        object.__setattr__(self, "channels", channels)

    @property
    def n_mics(self) -> int:
        """Number of microphones, M."""
        return self.samples.shape[0]

    @property
    def n_samples(self) -> int:
        """Number of samples of each microphone, N."""
        return self.samples.shape[1]

    def blocks(self, n_samples: int = BLOCK) -> Iterator[np.ndarray]:
        """Consecutive pieces, each of shape (M, n <= n_samples)."""
        for start in range(0, self.n_samples, n_samples):
            yield self.samples[:, start : start + n_samples]


@dataclass(frozen=True, slots=True)
class RecordingFile:
    """A recording on disk, checked but not read: `blocks` reads it piece by piece."""

    paths: tuple[Path, ...]
    channels: tuple[int, ...]
    n_channels: int
    sample_rate: int
    n_samples: int
    lengths: tuple[int, ...]
    subtype: str
    metadata: Mapping[str, str]

    @property
    def n_mics(self) -> int:
        """Number of microphones, M."""
        return len(self.channels)

    @property
    def name(self) -> str:
        """The file's name, or the first file's and how many more there are."""
        more = f" and {len(self.paths) - 1} more" if len(self.paths) > 1 else ""
        return f"{self.paths[0].name}{more}"

    def blocks(self, n_samples: int = BLOCK) -> Iterator[np.ndarray]:
        """Consecutive pieces, float32, each of shape (M, n <= n_samples).

        Raises
        ------
        AudioError
            If a file ends before its header says, or a sample is not finite.
        """
        with ExitStack() as stack:
            files = [stack.enter_context(open_sound(path)) for path in self.paths]
            for start in range(0, self.n_samples, n_samples):
                n = min(n_samples, self.n_samples - start)
                block = self._read(files, start, n)
                check_finite(block, start, self.sample_rate, self.name, self.channels)
                yield block

    def _read(self, files: list[soundfile.SoundFile], start: int, n: int) -> np.ndarray:
        if len(files) == 1:
            return read_frames(files[0], n, self.paths[0])[:, self.channels].T.copy()
        rows = np.zeros((len(self.channels), n), np.float32)
        for row, channel in zip(rows, self.channels, strict=True):
            there = max(min(n, self.lengths[channel] - start), 0)
            row[:there] = read_frames(files[channel], there, self.paths[channel])[:, 0]
        return rows


def read(
    path: PathLike | Sequence[PathLike],
    mics: int | None = None,
    channels: Sequence[int] | None = None,
    pad: bool = False,
) -> Recording:
    """Read a whole recording.

    Parameters
    ----------
    path : path, "a.wav,b.wav,..." or sequence of paths
        One multichannel file, or one mono file per microphone.
    mics : int, optional
        Use the first so many microphones.
    channels : sequence of int, optional
        Use these channels of the file, in this order (0-based).
    pad : bool
        Lengthen mono files of different lengths with silence instead of refusing them.

    Returns
    -------
    recording : Recording

    Raises
    ------
    AudioError
        If a file is missing, corrupt, empty, cut short, or holds NaN; if the rate is outside
        8 to 192 kHz; if it has fewer channels than `mics`.
    ConfigError
        If `channels` repeats a channel or contradicts `mics`.
    """
    source = open_recording(path, mics, channels, pad)
    return Recording(
        np.concatenate(list(source.blocks()), axis=1),
        source.sample_rate,
        source.name,
        source.channels,
        source.subtype,
        source.metadata,
    )


def open_recording(
    path: PathLike | Sequence[PathLike],
    mics: int | None = None,
    channels: Sequence[int] | None = None,
    pad: bool = False,
) -> RecordingFile:
    """Check a recording without reading it; the arguments and errors are those of `read`."""
    paths = split_paths(path)
    files = []
    for each in paths:
        with open_sound(each) as sound:
            files.append((sound.channels, sound.samplerate, sound.frames, sound.subtype))
            metadata = sound.copy_metadata()
            if sound.frames == 0:
                raise AudioError(f"{each} is empty: it holds no samples")
            check_whole(sound, each)
        check_rate(sound.samplerate, str(each))
    lengths = tuple(frames for _, _, frames, _ in files)
    n_channels = len(paths) if len(paths) > 1 else files[0][0]
    if len(paths) > 1:
        check_mono_files(paths, files, pad)
    if n_channels > max(lengths):
        raise AudioError(
            f"{paths[0]} has more channels ({n_channels}) than samples ({max(lengths)}): "
            f"is it transposed?"
        )
    return RecordingFile(
        paths,
        choose_channels(n_channels, mics, channels, ", ".join(map(str, paths))),
        n_channels,
        files[0][1],
        max(lengths),
        lengths,
        files[0][3],
        metadata,
    )


def split_paths(path: PathLike | Sequence[PathLike]) -> tuple[Path, ...]:
    """The files of one recording: one path, several, or several joined by commas."""
    if isinstance(path, str | os.PathLike):
        text = os.fspath(path)
        if "," in text and not os.path.exists(text):
            path = [part.strip() for part in text.split(",") if part.strip()]
        else:
            path = [text] if text.strip() else []
    if not path:
        raise AudioError("no file given: name one multichannel file or one file per microphone")
    return tuple(Path(part) for part in path)


def choose_channels(
    n_channels: int, mics: int | None, channels: Sequence[int] | None, name: str
) -> tuple[int, ...]:
    """Channels of the file that are used, in order."""
    if channels is None:
        if mics is not None and mics < 1:
            raise ConfigError(f"mics must be at least 1; got {mics}")
        if mics is not None and mics > n_channels:
            raise AudioError(f"{name} has {n_channels} channels, fewer than the {mics} of --mics")
        return tuple(range(mics or n_channels))
    if not channels or len(set(channels)) != len(channels):
        raise ConfigError(f"channels must name each channel once; got {list(channels)}")
    if mics is not None and mics != len(channels):
        raise ConfigError(f"--mics {mics} contradicts the {len(channels)} of --channels")
    for channel in channels:
        if not 0 <= channel < n_channels:
            raise AudioError(
                f"{name} has {n_channels} channels, 0 to {n_channels - 1}: no channel {channel}"
            )
    return tuple(channels)


def check_mono_files(
    paths: Sequence[Path], files: Sequence[tuple[int, int, int, str]], pad: bool
) -> None:
    """One file per microphone: each mono, all of one rate and, unless padded, one length."""
    for path, (n_channels, rate, frames, _) in zip(paths, files, strict=True):
        if n_channels != 1:
            raise AudioError(
                f"{path} has {n_channels} channels; several files must be mono, one per microphone"
            )
        if rate != files[0][1]:
            raise AudioError(
                f"{path} has {rate} Hz but {paths[0]} has {files[0][1]} Hz; resample one of them"
            )
        if frames != files[0][2] and not pad:
            raise AudioError(
                f"{path} has {frames} samples but {paths[0]} has {files[0][2]}; "
                f"use --pad to fill up with silence"
            )


def open_sound(path: Path) -> soundfile.SoundFile:
    """Open a sound file, or say in one line why not."""
    check_source(path)
    try:
        return soundfile.SoundFile(file_name(path))
    except (soundfile.LibsndfileError, TypeError) as error:
        # a .raw file makes soundfile ask for a rate by TypeError
        reason = getattr(error, "error_string", "").rstrip(".") or "no known sound format"
        raise AudioError(
            f"{path} cannot be read as audio: {reason}; give WAV, FLAC, OGG, AIFF, CAF or W64"
        ) from error


def file_name(path: Path) -> Path | bytes:
    """The name as soundfile takes it, which refuses one that is not text."""
    return path if os.name == "nt" else os.fsencode(path)


def check_source(path: Path) -> None:
    """Refuse what is not a file that may be read; libsndfile has no words for that."""
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


def check_whole(sound: soundfile.SoundFile, path: Path) -> None:
    """Refuse a file whose end is missing; libsndfile reads what there is, without a word."""
    for said, there in CUT.findall(sound.extra_info):
        if int(there) + LEAST_CUT < int(said) < STREAMED:
            raise AudioError(
                f"{path} is cut short: of {said} bytes that its header names there are {there}; "
                f"get the whole file, or give it a true header: ffmpeg -i IN -c copy OUT"
            )


def read_frames(sound: soundfile.SoundFile, n: int, path: Path) -> np.ndarray:
    """The next `n` frames, float32, shape (n, channels)."""
    try:
        frames = sound.read(n, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise AudioError(f"{path} is damaged: {error.error_string.rstrip('.')}") from error
    if len(frames) < n:
        raise AudioError(f"{path} is cut short: it ends before its header says")
    return frames


def check_rate(sample_rate: int, name: str) -> None:
    """Refuse a sample rate that is not speech at all."""
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
    """Refuse NaN, infinity and what cannot be sound, naming the first one."""
    # False for NaN too; the search only if needed
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


def resample(blocks: Iterable[np.ndarray], n_mics: int, rate: int, to: int) -> Iterator[np.ndarray]:
    """Resample a stream of blocks, delay compensated (soxr, "HQ").

    Parameters
    ----------
    blocks : iterable of float32 ndarray, shape (M, n)
    n_mics : int
        M.
    rate, to : int
        Hz.

    Yields
    ------
    block : float32 ndarray, shape (M, n')
    """
    if rate == to:
        yield from blocks
        return
    stream = soxr.ResampleStream(rate, to, n_mics, dtype="float32", quality="HQ")
    for block in blocks:
        yield stream.resample_chunk(np.ascontiguousarray(block.T)).T
    yield stream.resample_chunk(np.zeros((0, n_mics), np.float32), last=True).T


def write(
    path: PathLike,
    audio: Audio | np.ndarray,
    sample_rate: int | None = None,
    *,
    subtype: str | None = None,
    overwrite: bool = False,
) -> Path:
    """Write audio whole or not at all; where it would clip, it is lowered.

    Parameters
    ----------
    path : path
        The suffix chooses the format: wav, flac, ogg, aiff, caf, w64, rf64.
    audio : Recording, Enhanced or float ndarray, shape (N,) or (M, N)
    sample_rate : int, optional
        Hz; needed for an ndarray.
    subtype : str, optional
        Sample format; else that of `audio`, else the format's own default.
    overwrite : bool
        Replace an existing file.

    Returns
    -------
    path : Path

    Raises
    ------
    AudioError
        If the file exists, the folder does not, the disk is full, or the audio is not finite.
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
    """A sound file of 16 bits in memory, for a page or a network; clips beyond full scale.

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
        If the format is another one.
    """
    if format not in ("FLAC", "WAV"):
        raise ConfigError(f"sound is encoded as FLAC or WAV; got {format!r}")
    samples = np.atleast_2d(samples)
    check_finite(samples, 0, sample_rate, "the sound")
    content = io.BytesIO()
    soundfile.write(content, samples.T, sample_rate, "PCM_16", format=format)
    return content.getvalue()


def headroom(peak: float) -> float:
    """Gain that brings `peak` to just under full scale; 1 where it is already."""
    return min(1.0, 0.999 / peak) if peak > 0 else 1.0


class AudioWriter:
    """A sound file in the making: appears under its name only when it is complete.

    Used as a context manager; an exception inside removes what was written so far.
    """

    def __init__(
        self,
        path: PathLike,
        sample_rate: int,
        n_channels: int,
        n_samples: int,
        subtype: str | None = None,
        metadata: Mapping[str, str] | None = None,
        overwrite: bool = False,
    ) -> None:
        self.path = Path(path)
        check_target(self.path, overwrite)
        kind = FORMATS[self.path.suffix.lower()]
        if kind == "WAV" and n_samples * n_channels * 8 > WAV_LIMIT:
            kind = "RF64"  # the same samples behind a header that can count them
        # a short name: that of the file may be as long as the system allows
        self._temporary = self.path.with_name(f".arrayenh-{secrets.token_hex(4)}.part")
        self._n_written = 0
        try:
            self._temporary.open("xb").close()  # libsndfile has no words for what may be wrong
            self._sound = self._open(kind, sample_rate, n_channels, subtype)
        except soundfile.LibsndfileError as error:
            self._temporary.unlink()
            raise AudioError(
                f"{self.path} cannot be written ({n_channels} channels, {sample_rate} Hz): "
                f"{error.error_string}"
            ) from error
        except OSError as error:
            raise AudioError(f"{self.path} cannot be written: {error.strerror}") from error
        for key, value in (metadata or {}).items():
            with suppress(soundfile.LibsndfileError):  # W64 has no place for words
                setattr(self._sound, key, value)

    def _open(
        self, kind: str, sample_rate: int, n_channels: int, subtype: str | None
    ) -> soundfile.SoundFile:
        """Begin the file, in the format's own subtype where it has not the one asked for."""
        own, name = soundfile.default_subtype(kind), file_name(self._temporary)
        try:
            if not soundfile.check_format(kind, subtype or ""):
                subtype = own
            return soundfile.SoundFile(name, "w", sample_rate, n_channels, subtype, format=kind)
        except soundfile.LibsndfileError:  # MP3 in WAV, Opus at 44.1 kHz: only said on opening
            return soundfile.SoundFile(name, "w", sample_rate, n_channels, own, format=kind)

    def write(self, block: np.ndarray) -> None:
        """Append a block, shape (M, n)."""
        try:
            self._sound.write(np.ascontiguousarray(block.T))
        except (AssertionError, soundfile.LibsndfileError) as error:
            # soundfile asserts that every frame was taken: short on a full disk
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
                os.replace(self._temporary, self.path)
        except (OSError, soundfile.LibsndfileError) as problem:
            if error is None:
                words = getattr(problem, "strerror", None) or "is the disk full?"
                raise AudioError(f"{self.path} cannot be written: {words}") from problem
        finally:
            self._temporary.unlink(missing_ok=True)

    def _check_end(self) -> None:
        """Read the last frame: encoders do not tell of a disk that fills up as they close."""
        if self._n_written and self._sound.format in ("FLAC", "OGG"):
            with open_sound(self._temporary) as sound:
                sound.seek(self._n_written - 1)
                read_frames(sound, 1, self._temporary)


def check_target(path: Path, overwrite: bool) -> None:
    """Refuse an output that cannot, or must not, be written."""
    check_new(path, overwrite)
    if not path.parent.is_dir():
        raise AudioError(f"the folder {path.parent} does not exist")


def check_new(path: Path, overwrite: bool) -> None:
    """Refuse an output with no known suffix, or that exists; its folder may be yet to make."""
    if path.suffix.lower() not in FORMATS:
        raise ConfigError(
            f"{path} has no known sound suffix; use one of {', '.join(sorted(FORMATS))}"
        )
    if path.is_dir():
        raise AudioError(f"{path} is a folder; name a file in it")
    if path.exists() and not overwrite:
        raise AudioError(f"{path} exists; use --overwrite to replace it")
