"""The chain: channels, beamformer, post-filter, blend; offline, in blocks.

A recording is read twice: once to look at its microphones, once to enhance it. Statistics
belong to segments of equal length, about 30 s each, and the weights change from one to the
next by a crossfade. No more than a segment is ever in memory, and a recording that is
already there takes the very same way.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

import numpy as np

from arrayenh.audio import BLOCK, Recording, resample
from arrayenh.channels import ChannelReport, ChannelSurvey
from arrayenh.conditioning import Conditioning, choose_microphones
from arrayenh.config import EnhanceConfig
from arrayenh.errors import AudioError, ConfigError, GeometryError, ShapeError
from arrayenh.geometry import MicArray, load_array
from arrayenh.postfilter.classical import ClassicalPostFilter
from arrayenh.spatial.stage import SpatialStage
from arrayenh.stft import Stft

RATE = 16_000  # Hz, at which everything is processed


class Source(Protocol):
    """A recording to be read once or more: a `Recording` or a `RecordingFile`."""

    @property
    def name(self) -> str:
        """For messages."""

    @property
    def channels(self) -> tuple[int, ...]:
        """The file's own channel of each row."""

    @property
    def n_mics(self) -> int:
        """M."""

    @property
    def n_samples(self) -> int:
        """N."""

    @property
    def sample_rate(self) -> int:
        """Hz."""

    def blocks(self, n_samples: int = BLOCK) -> Iterator[np.ndarray]:
        """Consecutive pieces, shape (M, n)."""


@dataclass(frozen=True, slots=True, eq=False)
class Enhanced:
    """The result of `enhance`.

    Attributes
    ----------
    samples : float32 ndarray, shape (N,)
        As long as the recording, at its rate.
    sample_rate : int
        Hz.
    stages : mapping of str to float32 ndarray, shape (N,)
        "reference" (the microphone as it was), then the output of each stage by its name.
    shadows : mapping of str to float32 ndarray, shape (N,)
        The beamformer's response to each component of the recording that was given.
    log : tuple of str
        What was done about faulty microphones, and which stages stepped aside.
    channels : tuple of int
        The file's channels that were used.
    reports : tuple of ChannelReport
        What was found in each channel.
    subtype, metadata
        Of the recording, for writing.
    """

    samples: np.ndarray
    sample_rate: int
    stages: Mapping[str, np.ndarray] = field(default_factory=dict)
    shadows: Mapping[str, np.ndarray] = field(default_factory=dict)
    log: tuple[str, ...] = ()
    channels: tuple[int, ...] = ()
    reports: tuple[ChannelReport, ...] = ()
    subtype: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


def enhance(
    recording: Recording,
    array: MicArray | str | None = None,
    config: EnhanceConfig | None = None,
) -> Enhanced:
    """Enhance a recording that is in memory; see `Enhancer`."""
    return Enhancer(config, array).enhance(recording)


class Enhancer:
    """The chain with its settings, ready for any number of recordings.

    Parameters
    ----------
    config : EnhanceConfig, optional
    array : MicArray, name or path, optional
        Geometry; needed to steer (`das`, or any `doa`), otherwise unused.

    Raises
    ------
    ConfigError
        If the settings need an array and none is given.
    GeometryError
        If the array is unknown.
    """

    def __init__(
        self, config: EnhanceConfig | None = None, array: MicArray | str | None = None
    ) -> None:
        self.config = config or EnhanceConfig()
        self.array = load_array(array) if isinstance(array, str) else array
        if self.array is None and (self.config.beamformer == "das" or self.config.doa is not None):
            what = "beamformer das" if self.config.beamformer == "das" else "a direction (doa)"
            raise ConfigError(f"{what} needs the array's geometry: give --array NAME or FILE")

    def enhance(
        self, recording: Recording, images: Mapping[str, np.ndarray] | None = None
    ) -> Enhanced:
        """Enhance a recording that is in memory.

        Parameters
        ----------
        recording : Recording
        images : mapping of str to float ndarray, shape (M, N), optional
            Components of the recording, such as its speech and its noise: the beamformer
            is applied to each of them alone (shadow filtering), for the output SNR.

        Raises
        ------
        AudioError
            If the recording is empty.
        GeometryError
            If the array has another number of microphones.
        """
        session = self.open(recording)
        pieces = list(session.stages(block=max(recording.n_samples, 1)))
        stages = {
            name: restored([piece[name] for piece in pieces], recording) for name in pieces[0]
        }
        shadows = {
            name: restored([session.shadow(image, recording.sample_rate)], recording)
            for name, image in (images or {}).items()
        }
        return Enhanced(
            stages.pop("enhanced"),
            recording.sample_rate,
            stages,
            shadows,
            tuple(session.log),
            session.used,
            session.reports,
            recording.subtype,
            recording.metadata,
        )

    def open(self, source: Source) -> "Session":
        """Look at the microphones of a recording and get ready to enhance it."""
        return Session(self.config, self.array, source)


class Session:
    """One recording on its way through the chain.

    Attributes
    ----------
    reports : tuple of ChannelReport
        What was found in each channel, in the first reading.
    used : tuple of int
        The file's channels that are processed.
    log : list of str
        Grows while `stages` runs.
    """

    def __init__(self, config: EnhanceConfig, array: MicArray | None, source: Source) -> None:
        if source.n_samples == 0:
            raise AudioError(f"{source.name} is empty: it holds no samples")
        if array is not None and array.n_mics != source.n_mics:
            raise GeometryError(
                f"array {array.name} has {array.n_mics} microphones but {source.name} gives "
                f"{source.n_mics}; choose with --mics or --channels, or another array"
            )
        if config.reference not in source.channels:
            raise ConfigError(
                f"reference {config.reference} is not among the channels in use, "
                f"{', '.join(map(str, source.channels))}"
            )
        self.config, self.source = config, source
        survey = ChannelSurvey(source.n_mics, source.sample_rate, source.channels)
        for block in source.blocks():
            survey.update(block)
        self.reports = survey.report()
        self.microphones, self.log = choose_microphones(
            self.reports, source.channels, source.channels.index(config.reference)
        )
        self._n_noted = len(self.log)
        self.used = tuple(source.channels[m] for m in self.microphones.rows)
        self.array = array and array.select(self.microphones.rows)
        self.stft = Stft(config.n_fft, config.hop, "hann")
        self.spatial = self._new_spatial()

    @property
    def n_samples(self) -> int:
        """Length at 16 kHz."""
        return -(-self.source.n_samples * RATE // self.source.sample_rate)

    def _new_spatial(self) -> SpatialStage:
        reference, n_mics = self.microphones.reference, len(self.used)
        return SpatialStage(
            self.config, self.stft, RATE, n_mics, reference, self.array, self.n_samples
        )

    def stages(self, block: int = BLOCK) -> Iterator[dict[str, np.ndarray]]:
        """Run the chain from the start of the recording.

        Parameters
        ----------
        block : int
            Samples of the source that are read at once.

        Yields
        ------
        pieces : dict of str to float32 ndarray, shape (n,)
            The next n samples at 16 kHz: "reference", each stage by its name, "enhanced".
        """
        self.spatial = spatial = self._new_spatial()
        config = self.config
        reference = self.microphones.reference
        postfilter = (
            ClassicalPostFilter(config.postfilter, RATE, config.least_gain_db)
            if config.postfilter != "none"
            else None
        )
        conditioned = map(Conditioning(self.microphones), self.source.blocks(block))
        aligned = Aligned(self.n_samples)
        for segment, last in self._segments(conditioned, self.source.sample_rate):
            final = segment[reference]
            # DC that was taken off is part of the microphone as it was
            pieces = {"reference": final + self.microphones.offsets[reference]}
            if spatial.active:
                pieces[spatial.name] = final = spatial.push(segment, last)
            if postfilter:
                pieces[config.postfilter] = final = postfilter.push(final, last)
            yield blended(aligned.push(pieces), config.strength)
        self.log[self._n_noted :] = spatial.summary()

    def shadow(self, images: np.ndarray, sample_rate: int) -> np.ndarray:
        """Apply the beamformer that `stages` used to one component of the recording.

        Parameters
        ----------
        images : float ndarray, shape (M, N)
            The speech alone, or the noise alone, at every microphone of the recording.
        sample_rate : int
            Hz, that of the recording.

        Returns
        -------
        filtered : float32 ndarray, shape (n_samples,)
            At 16 kHz. Linear: the shadows of all components add up to the stage's output,
            but for a DC offset that was taken off the recording.

        Raises
        ------
        ShapeError
            If `images` is not of the recording's shape.
        """
        if images.shape != (self.source.n_mics, self.source.n_samples):
            raise ShapeError(
                f"images must have the recording's shape (M, N) = "
                f"{(self.source.n_mics, self.source.n_samples)}; got {images.shape}"
            )
        rows, gains = list(self.microphones.rows), self.microphones.gains[:, None]
        shadow = self.spatial.new_filter()
        parts = []
        blocks = iter([images[rows].astype(np.float32) * gains])
        for k, (segment, last) in enumerate(self._segments(blocks, sample_rate)):
            if self.spatial.active:
                parts.append(shadow.apply(self.spatial.weights[k], shadow.analyse(segment, last)))
            else:
                parts.append(segment[self.microphones.reference])
        return np.concatenate(parts)[: self.n_samples]

    def _segments(
        self, blocks: Iterable[np.ndarray], sample_rate: int
    ) -> Iterator[tuple[np.ndarray, bool]]:
        """Pieces of segment length at 16 kHz, shape (M, n), and whether each is the last."""
        n_mics = len(self.microphones.rows)
        sizes = segment_sizes(self.stft, self.n_samples, self.config.segment_seconds)
        samples = resample(blocks, n_mics, sample_rate, RATE)
        for k, segment in enumerate(rechunk(samples, n_mics, sizes)):
            yield segment, k == len(sizes) - 1


def blended(pieces: dict[str, np.ndarray], strength: float) -> dict[str, np.ndarray]:
    """The stages, and "enhanced": the last of them mixed with the reference microphone."""
    final = list(pieces.values())[-1]
    if strength < 1:
        final = pieces["reference"] + np.float32(strength) * (final - pieces["reference"])
    return {**pieces, "enhanced": final}


def segment_sizes(stft: Stft, n_samples: int, seconds: float) -> list[int]:
    """Samples of each of the equal segments, about `seconds` long, that hold whole frames."""
    n_segments = max(1, round(n_samples / (seconds * RATE)))
    n_hops = n_samples // stft.hop
    bounds = [n_hops * k // n_segments * stft.hop for k in range(n_segments)]
    return [stop - start for start, stop in pairwise([*bounds, n_samples])]


def rechunk(blocks: Iterable[np.ndarray], n_mics: int, sizes: list[int]) -> Iterator[np.ndarray]:
    """Cut a stream into pieces of the given sizes, the end filled up with zeros."""
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


class Aligned:
    """Gives streams that run ahead of each other out in step, `n_samples` in all."""

    def __init__(self, n_samples: int) -> None:
        self._left = n_samples
        self._held: dict[str, np.ndarray] = {}

    def push(self, pieces: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Take a piece of each stream; return what all of them have."""
        nothing = np.zeros(0, np.float32)
        held = {
            name: np.concatenate([self._held.get(name, nothing), piece])
            for name, piece in pieces.items()
        }
        n = min(self._left, *(len(piece) for piece in held.values()))
        self._left -= n
        self._held = {name: piece[n:] for name, piece in held.items()}
        return {name: piece[:n] for name, piece in held.items()}


def restored(pieces: list[np.ndarray], recording: Recording) -> np.ndarray:
    """One stage at the rate and length of the recording, float32, shape (N,)."""
    blocks = (piece[None] for piece in pieces)
    samples = np.concatenate(list(resample(blocks, 1, RATE, recording.sample_rate)), axis=1)[0]
    missing = max(recording.n_samples - len(samples), 0)
    return np.pad(samples, (0, missing))[: recording.n_samples]
