"""Conditioned recordings: microphones checked, faults corrected, resampled to 16 kHz."""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Protocol

import numpy as np

from arrayenh.audio import BLOCK, resample
from arrayenh.chain.reference import best_microphone
from arrayenh.errors import AudioError, ConfigError, GeometryError
from arrayenh.microphones.diagnostics import ChannelReport, ChannelSurvey
from arrayenh.microphones.geometry import MicArray
from arrayenh.microphones.out_of_step import Parts, compare
from arrayenh.microphones.repair import Conditioning, choose_microphones
from arrayenh.microphones.wiring import Selectable
from arrayenh.stft import Stft

RATE = 16_000  # Hz, sample rate of the chain


class Source(Protocol):
    """A recording that can be read repeatedly: a `Recording` or a `RecordingFile`."""

    @property
    def name(self) -> str:
        """Name for messages."""

    @property
    def channels(self) -> tuple[int, ...]:
        """Channel of the file for each row."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines for the user about what was put right in the file."""

    @property
    def n_mics(self) -> int:
        """Number of microphones, M."""

    @property
    def n_samples(self) -> int:
        """Length in samples, N."""

    @property
    def sample_rate(self) -> int:
        """Sample rate, Hz."""

    def blocks(self, n_samples: int = BLOCK) -> Iterator[np.ndarray]:
        """Consecutive blocks of samples, shape (M, n)."""


class Recorded(Source, Selectable, Protocol):
    """A recording from which channels can be selected."""


class Listener(Protocol):
    """An estimator that is updated with each block of a recording."""

    def update(self, block: np.ndarray) -> None:
        """Process the next samples, shape (M, n)."""


class Capture:
    """The usable microphones of a recording, with their faults corrected.

    Parameters
    ----------
    source : Source
    array : MicArray, optional
        Microphone geometry.
    reference : int or "auto"
        Reference channel of the file. "auto": the first, until `take_best_reference`.
    survey_seconds : float
        Length of the beginning in which the microphones are checked. Default: the whole recording.

    Attributes
    ----------
    reports : tuple of ChannelReport
        Diagnosis of each channel.
    microphones : Microphones
    reference : int
        Row of the reference microphone among those in use.
    channels : tuple of int
        Channels of the file in use.
    array : MicArray or None
        Geometry of the microphones in use.
    log : list of str
        Log lines about the file and faulty microphones.

    Raises
    ------
    AudioError
        If the recording is empty.
    GeometryError
        If the array has another number of microphones.
    ConfigError
        If the reference is not among its channels.
    """

    def __init__(
        self,
        source: Source,
        array: MicArray | None = None,
        reference: int | str = "auto",
        survey_seconds: float = np.inf,
    ) -> None:
        if source.n_samples == 0:
            raise AudioError(f"{source.name} is empty: it holds no samples")
        if array is not None and array.n_mics != source.n_mics:
            raise GeometryError(
                f"array {array.name} has {array.n_mics} microphones but {source.name} gives "
                f"{source.n_mics}; choose with --mics or --channels, or another array"
            )
        if reference != "auto" and reference not in source.channels:
            raise ConfigError(
                f"reference {reference} is not among the channels in use, "
                f"{', '.join(map(str, source.channels))}"
            )
        self.source = source
        self.reports = survey(source, seconds=survey_seconds)
        first = 0 if reference == "auto" else source.channels.index(int(reference))
        self.microphones, found = choose_microphones(self.reports, source.channels, first)
        self.log = [*source.notes, *found]
        self.reference = self.microphones.reference
        self.channels = tuple(source.channels[m] for m in self.microphones.rows)
        self.array = array
        if array is not None and self.n_mics < array.n_mics:
            self.array = array.select(self.microphones.rows)

    @property
    def n_mics(self) -> int:
        """Number of microphones in use, M."""
        return len(self.channels)

    @property
    def n_samples(self) -> int:
        """Length at 16 kHz, N."""
        return -(-self.source.n_samples * RATE // self.source.sample_rate)

    def blocks(self, block: int = BLOCK) -> Iterator[np.ndarray]:
        """Corrected samples of the microphones in use, at 16 kHz, in blocks of shape (M, n)."""
        right = map(Conditioning(self.microphones), self.source.blocks(block))
        return resample(right, self.n_mics, self.source.sample_rate, RATE)

    def pieces(self, sizes: list[int], block: int = BLOCK) -> Iterator[tuple[np.ndarray, bool]]:
        """`blocks` cut into pieces of the given sizes, each with whether it is the last."""
        return pieces(self.blocks(block), self.n_mics, sizes)

    def stretch(self, first: int, stop: int) -> np.ndarray:
        """Samples from `first` to `stop`, shape (M, n)."""
        parts = rechunk(self.blocks(), self.n_mics, [first, stop - first])
        next(parts)
        return next(parts)

    def take_best_reference(self, stft: Stft, n_samples: int) -> None:
        """Choose as the reference the microphone with the best output SNR in the first samples."""
        if self.n_mics > 1:
            self.reference = best_microphone(self.stretch(0, n_samples), stft, RATE)
            self.log.append(f"reference: channel {self.channels[self.reference]}")


def survey(source: Source, *others: Listener, seconds: float = np.inf) -> tuple[ChannelReport, ...]:
    """Read a recording once, block by block; diagnose each channel and update `others`."""
    found = ChannelSurvey(source.n_mics, source.sample_rate, source.channels)
    parts = Parts(source.n_mics, source.n_samples, source.sample_rate)
    listeners: tuple[Listener, ...] = (found, parts, *others)
    left = seconds * source.sample_rate
    for block in source.blocks():
        heard = block if block.shape[1] <= left else block[:, : round(left)]
        for listener in listeners:
            listener.update(heard)
        left -= heard.shape[1]
        if left < 1:
            break
    return compare(found.report(), parts)


def segment_sizes(stft: Stft, n_samples: int, seconds: float) -> list[int]:
    """Lengths, in samples, of equal segments of about `seconds` that hold whole frames."""
    n_segments = max(1, round(n_samples / (seconds * RATE)))
    n_hops = n_samples // stft.hop
    bounds = [n_hops * k // n_segments * stft.hop for k in range(n_segments)]
    return [stop - start for start, stop in pairwise([*bounds, n_samples])]


def pieces(
    blocks: Iterable[np.ndarray], n_mics: int, sizes: list[int]
) -> Iterator[tuple[np.ndarray, bool]]:
    """Cut a stream into pieces of the given sizes; yield each with whether it is the last."""
    for k, piece in enumerate(rechunk(blocks, n_mics, sizes)):
        yield piece, k == len(sizes) - 1


def rechunk(blocks: Iterable[np.ndarray], n_mics: int, sizes: list[int]) -> Iterator[np.ndarray]:
    """Cut a stream into pieces of the given sizes, zero-padded at the end."""
    blocks = iter(blocks)
    held = np.zeros((n_mics, 0), np.float32)
    for size in sizes:
        parts, n = [held], held.shape[1]
        while n < size and (block := next(blocks, None)) is not None:
            parts.append(block)
            n += block.shape[1]
        joined = np.concatenate([*parts, np.zeros((n_mics, max(size - n, 0)), np.float32)], axis=1)
        held = joined[:, size:]
        yield joined[:, :size]
