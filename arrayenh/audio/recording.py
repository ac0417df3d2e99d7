"""Recordings: one multichannel file, or one mono file per microphone.

`read` loads a whole recording into memory; `open_recording` reads it in blocks.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from arrayenh.audio.files import SoundStream, check_finite, check_rate, open_sound
from arrayenh.audio.sound import BLOCK, Sound, examine
from arrayenh.checks import listed, printable
from arrayenh.errors import AudioError, ConfigError, ShapeError

PathLike = str | os.PathLike[str]


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """A multichannel recording in memory.

    Attributes
    ----------
    samples : float32 ndarray, shape (M, N)
        Full scale is 1.0; row m is microphone m.
    sample_rate : int
        Hz.
    name : str
        Name for messages.
    channels : tuple of int
        Channel of the file for each row.
    subtype : str, optional
        Sample format of the file ("PCM_16", "FLOAT", ...), kept when writing the result.
    metadata : mapping
        Tags such as title, artist and date.
    n_channels : int
        Number of channels of the file. Default: as many as rows.
    notes : tuple of str
        Lines for the user about what was put right in the file.

    Raises
    ------
    ShapeError
        If `samples` does not have two axes, or has more microphones than samples.
    AudioError
        If the rate is outside 8 to 192 kHz, or a sample is not finite or beyond 10^10.

    Examples
    --------
    >>> recording = Recording(np.zeros((4, 16_000)), 16_000)
    >>> recording.n_mics, recording.n_samples
    (4, 16000)
    """

    samples: np.ndarray
    sample_rate: int
    name: str = "recording"
    channels: tuple[int, ...] = ()
    subtype: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    n_channels: int = 0
    notes: tuple[str, ...] = ()

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
        object.__setattr__(self, "n_channels", self.n_channels or len(samples))

    @property
    def n_mics(self) -> int:
        """Number of microphones, M."""
        return self.samples.shape[0]

    @property
    def n_samples(self) -> int:
        """Number of samples of each microphone, N."""
        return self.samples.shape[1]

    def select(self, channels: Sequence[int]) -> "Recording":
        """Return the recording with only these of its channels, in this order."""
        rows = [self.channels.index(channel) for channel in channels]
        return replace(self, samples=self.samples[rows], channels=tuple(channels))

    def blocks(self, n_samples: int = BLOCK) -> Iterator[np.ndarray]:
        """Yield consecutive blocks of shape (M, n <= n_samples)."""
        for start in range(0, self.n_samples, n_samples):
            yield self.samples[:, start : start + n_samples]


@dataclass(frozen=True, slots=True)
class RecordingFile:
    """A recording on disk, checked but not loaded; `blocks` reads it block by block."""

    sounds: tuple[Sound, ...]
    channels: tuple[int, ...]
    n_channels: int
    n_samples: int

    @property
    def paths(self) -> tuple[Path, ...]:
        """The file, or the file of each microphone."""
        return tuple(sound.path for sound in self.sounds)

    @property
    def sample_rate(self) -> int:
        """Sample rate, Hz."""
        return self.sounds[0].sample_rate

    @property
    def subtype(self) -> str:
        """Sample format of the first file."""
        return self.sounds[0].subtype

    @property
    def metadata(self) -> Mapping[str, str]:
        """Tags of the first file."""
        return self.sounds[0].metadata

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines for the user about what was put right in the files."""
        if len(self.sounds) == 1:
            return self.sounds[0].notes
        return tuple(f"{sound.path.name}: {note}" for sound in self.sounds for note in sound.notes)

    @property
    def n_mics(self) -> int:
        """Number of microphones, M."""
        return len(self.channels)

    @property
    def name(self) -> str:
        """Name of the file, or of the first file with the number of further ones."""
        more = f" and {len(self.paths) - 1} more" if len(self.paths) > 1 else ""
        return f"{printable(self.paths[0].name)}{more}"

    def select(self, channels: Sequence[int]) -> "RecordingFile":
        """Return the recording with only these of its channels, in this order."""
        return replace(self, channels=tuple(channels))

    def blocks(self, n_samples: int = BLOCK) -> Iterator[np.ndarray]:
        """Yield consecutive blocks, float32, of shape (M, n <= n_samples).

        Raises
        ------
        AudioError
            If a file ends before its header says, or a sample is not finite.
        """
        with ExitStack() as stack:
            files = [
                stack.enter_context(open_sound(sound.path, sound.correction))
                for sound in self.sounds
            ]
            for start in range(0, self.n_samples, n_samples):
                n = min(n_samples, self.n_samples - start)
                block = self._read(files, start, n)
                check_finite(block, start, self.sample_rate, self.name, self.channels)
                yield block

    def _read(self, files: list[SoundStream], start: int, n: int) -> np.ndarray:
        if len(files) == 1:
            return self.sounds[0].read(files[0], n)[:, self.channels].T.copy()
        rows = np.zeros((len(self.channels), n), np.float32)
        for row, channel in zip(rows, self.channels, strict=True):
            sound = self.sounds[channel]
            there = max(min(n, sound.n_samples - start), 0)
            row[:there] = sound.read(files[channel], there)[:, 0]
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
        Use only the first `mics` microphones.
    channels : sequence of int, optional
        Use these channels of the file, in this order (0-based).
    pad : bool
        Zero-pad mono files of different lengths, instead of raising an error.

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

    Examples
    --------
    >>> recording = read("rec.wav", mics=4)  # doctest: +SKIP
    """
    source = open_recording(path, mics, channels, pad)
    return Recording(
        np.concatenate(list(source.blocks()), axis=1),
        source.sample_rate,
        source.name,
        source.channels,
        source.subtype,
        source.metadata,
        source.n_channels,
        source.notes,
    )


def open_recording(
    path: PathLike | Sequence[PathLike],
    mics: int | None = None,
    channels: Sequence[int] | None = None,
    pad: bool = False,
) -> RecordingFile:
    """Open a recording without loading it; the arguments and errors are those of `read`.

    Examples
    --------
    >>> recording = open_recording("rec.wav", channels=[0, 2])  # doctest: +SKIP
    >>> next(recording.blocks()).shape  # doctest: +SKIP
    """
    sounds = tuple(map(examine, split_paths(path)))
    n_samples = max(sound.n_samples for sound in sounds)
    n_channels = len(sounds) if len(sounds) > 1 else sounds[0].n_channels
    if len(sounds) > 1:
        check_mono_files(sounds, pad)
    if n_channels > n_samples:
        raise AudioError(
            f"{sounds[0].path} has more channels ({n_channels}) than samples ({n_samples}): "
            f"is it transposed?"
        )
    name = ", ".join(str(sound.path) for sound in sounds)
    return RecordingFile(
        sounds, choose_channels(n_channels, mics, channels, name), n_channels, n_samples
    )


def split_paths(path: PathLike | Sequence[PathLike]) -> tuple[Path, ...]:
    """Paths of one recording, from one path, several, or several joined by commas."""
    if isinstance(path, str | os.PathLike):
        text = os.fspath(path)
        if "," in text and not os.path.exists(text):
            path = listed(text)
        else:
            path = [text] if text.strip() else []
    if not path:
        raise AudioError("no file given: name one multichannel file or one file per microphone")
    return tuple(Path(part) for part in path)


def choose_channels(
    n_channels: int, mics: int | None, channels: Sequence[int] | None, name: str
) -> tuple[int, ...]:
    """Select the channels of the file to use, in order."""
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


def check_mono_files(sounds: Sequence[Sound], pad: bool) -> None:
    """Raise AudioError unless all files are mono, of one rate and, if not padded, one length."""
    first = sounds[0]
    for sound in sounds:
        if sound.n_channels != 1:
            raise AudioError(
                f"{sound.path} has {sound.n_channels} channels; several files must be mono, one "
                f"per microphone"
            )
        if sound.sample_rate != first.sample_rate:
            raise AudioError(
                f"{sound.path} has {sound.sample_rate} Hz but {first.path} has "
                f"{first.sample_rate} Hz; resample one of them"
            )
        if sound.n_samples != first.n_samples and not pad:
            raise AudioError(
                f"{sound.path} has {sound.n_samples} samples but {first.path} has "
                f"{first.n_samples}; use --pad to fill up with silence"
            )
