"""The chain: channels, beamformer, post-filter, blend; offline, in blocks.

A recording is read twice: once to look at its microphones, once to enhance it. Statistics
belong to segments of equal length, about 20 s each, and the weights change from one to the
next by a crossfade. No more than a segment is ever in memory, and a recording that is
already there takes the very same way.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

import numpy as np

from arrayenh.acoustics.coherence import diffuse_coherence
from arrayenh.audio import BLOCK, Recording, resample
from arrayenh.beamformers.binaural import ears
from arrayenh.chain.networks import Networks, chosen
from arrayenh.chain.reference import best_microphone
from arrayenh.chain.settings import (
    MULTICHANNEL_POSTFILTERS,
    SINGLE_POSTFILTERS,
    STEERED,
    EnhanceConfig,
    numbers,
    stretch,
)
from arrayenh.chain.stage import Place, SpatialStage
from arrayenh.errors import AudioError, ConfigError, GeometryError, ShapeError
from arrayenh.microphones.diagnostics import ChannelReport, ChannelSurvey
from arrayenh.microphones.geometry import MicArray, load_array
from arrayenh.microphones.repair import Conditioning, choose_microphones
from arrayenh.postfilters.multichannel import MultichannelWiener
from arrayenh.postfilters.neural import NeuralPostFilter
from arrayenh.postfilters.statistical import ClassicalPostFilter
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
    samples : float32 ndarray, shape (N,), or (2, N) of a binaural beamformer
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
        Geometry; needed to steer (`das` and others, or any `doa`), otherwise unused.

    Raises
    ------
    ConfigError
        If the settings need an array and none is given, or a network that is not there or does
        not fit.
    GeometryError
        If the array is unknown.
    """

    def __init__(
        self, config: EnhanceConfig | None = None, array: MicArray | str | None = None
    ) -> None:
        self.config = config or EnhanceConfig()
        self.array = load_array(array) if isinstance(array, str) else array
        check_geometry(self.config, self.array)
        self.networks = chosen(self.config, RATE)

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

    def open(self, source: Source, shadows: bool = True) -> "Session":
        """Look at the microphones of a recording and get ready to enhance it.

        Without `shadows` the filters of past segments are not kept, and `Session.shadow` is
        not to be asked for.
        """
        return Session(self.config, self.array, source, shadows, self.networks)


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

    def __init__(
        self,
        config: EnhanceConfig,
        array: MicArray | None,
        source: Source,
        shadows: bool = True,
        networks: Networks | None = None,
    ) -> None:
        if source.n_samples == 0:
            raise AudioError(f"{source.name} is empty: it holds no samples")
        if array is not None and array.n_mics != source.n_mics:
            raise GeometryError(
                f"array {array.name} has {array.n_mics} microphones but {source.name} gives "
                f"{source.n_mics}; choose with --mics or --channels, or another array"
            )
        if config.reference != "auto" and config.reference not in source.channels:
            raise ConfigError(
                f"reference {config.reference} is not among the channels in use, "
                f"{', '.join(map(str, source.channels))}"
            )
        self.config, self.source, self._shadows = config, source, shadows
        self._networks = networks or Networks()
        survey = ChannelSurvey(source.n_mics, source.sample_rate, source.channels)
        for block in source.blocks():
            survey.update(block)
        self.reports = survey.report()
        first = 0 if config.reference == "auto" else source.channels.index(int(config.reference))
        self.microphones, self.log = choose_microphones(self.reports, source.channels, first)
        self.used = tuple(source.channels[m] for m in self.microphones.rows)
        self.array = array and array.select(self.microphones.rows)
        self.stft = Stft(*self._networks.frames(config), "hann")
        self.reference = self.microphones.reference
        if config.reference == "auto" and len(self.used) > 1:
            self.reference = best_microphone(self._beginning(), self.stft, RATE)
            self.log.append(f"reference: channel {self.used[self.reference]}")
        self._check_ears()
        self._noise = self._stretch(*stretch(config.noise)) if config.noise else None
        self._n_noted = len(self.log)
        self.spatial = self._new_spatial()

    @property
    def outputs(self) -> tuple[int, ...]:
        """Microphones whose speech is kept: the reference, or one at each ear."""
        return self.spatial.ears or (self.reference,)

    @property
    def n_samples(self) -> int:
        """Length at 16 kHz."""
        return -(-self.source.n_samples * RATE // self.source.sample_rate)

    def _new_spatial(self) -> SpatialStage:
        config = self.config
        place = Place(len(self.used), self.reference, self.array, self.used)
        gain = None
        if config.postfilter in MULTICHANNEL_POSTFILTERS:
            freqs = self.stft.freqs(RATE)
            diffuse = None
            if config.postfilter == "mccowan" and self.array is not None:
                diffuse = diffuse_coherence(self.array.positions, freqs)
            gain = MultichannelWiener(
                config.postfilter,
                len(freqs),
                self.stft.hop / RATE,
                diffuse,
                least_gain_db=config.least_gain_db,
            )
        return SpatialStage(
            config,
            self.stft,
            RATE,
            place,
            self.n_samples,
            self._noise,
            gain,
            self._shadows,
            self._networks,
        )

    def _new_postfilter(self) -> ClassicalPostFilter | NeuralPostFilter | None:
        """The post-filter behind the spatial stages, if it is to be one."""
        config, n_channels = self.config, len(self.outputs)
        if config.postfilter in SINGLE_POSTFILTERS:
            return ClassicalPostFilter(
                config.postfilter, RATE, config.least_gain_db, config.noise_tracker, n_channels
            )
        if self._networks.postfilter is not None:
            return NeuralPostFilter(self._networks.postfilter, n_channels)
        return None

    def _conditioned(self, block: int = BLOCK) -> Iterator[np.ndarray]:
        """The microphones in use, put right, at 16 kHz, shape (M, n)."""
        blocks = map(Conditioning(self.microphones), self.source.blocks(block))
        return resample(blocks, len(self.used), self.source.sample_rate, RATE)

    def _beginning(self) -> np.ndarray:
        """The first segment, shape (M, n)."""
        size = segment_sizes(self.stft, self.n_samples, self.config.segment_seconds)[0]
        return next(rechunk(self._conditioned(), len(self.used), [size]))

    def _stretch(self, start: float, end: float) -> np.ndarray:
        """The samples from `start` to `end` seconds, shape (M, n)."""
        first, stop = round(start * RATE), round(end * RATE)
        if stop > self.n_samples:
            raise ConfigError(
                f"noise {self.config.noise} ends after {self.source.name}, which is "
                f"{self.n_samples / RATE:.1f} s long"
            )
        if stop - first < self.stft.n_fft:
            raise ConfigError(
                f"noise {self.config.noise} is shorter than {self.stft.n_fft / RATE:g} s, one frame"
            )
        pieces = rechunk(self._conditioned(), len(self.used), [first, stop - first])
        next(pieces)
        return next(pieces)

    def _check_ears(self) -> None:
        """Refuse two ears that are not there."""
        config = self.config
        if config.beamformer != "binaural-mwf" or len(self.used) == 1:
            return
        if config.ears is None:
            assert self.array is not None  # check_geometry
            try:
                ears(self.array.positions)
            except ShapeError as error:
                raise ConfigError(
                    f"{error}: array {self.array.name} has not; name them with --ears LEFT,RIGHT"
                ) from error
        elif missing := [ear for ear in numbers("ears", config.ears) if ear not in self.used]:
            raise ConfigError(
                f"ear {missing[0]:g} is not among the microphones in use, "
                f"{', '.join(map(str, self.used))}"
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
        config, outputs = self.config, self.outputs
        postfilter = self._new_postfilter()
        # DC that was taken off is part of the microphone as it was
        offsets = self.microphones.offsets[list(outputs)][:, None]
        aligned = Aligned(self.n_samples)
        for segment, last in self._segments(self._conditioned(block)):
            final = segment[list(outputs)]
            pieces = {"reference": final + offsets}
            if len(outputs) == 1:
                final, pieces["reference"] = final[0], pieces["reference"][0]
            heard = final
            told = {"noise": np.zeros(final.shape[-1], np.float32), "masked": final}
            if spatial.active:
                pieces |= (found := spatial.push(segment, last))
                final, told = list(found.values())[-1], spatial.told
            if postfilter:
                pieces[config.postfilter] = final = postfilter.push(final, last, heard, told)
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
        filtered : float32 ndarray, shape (n_samples,) or (2, n_samples)
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
        if self.config.online and self.spatial.active:
            raise ConfigError("an online beamformer changes in every frame: it casts no shadow")
        rows, gains = list(self.microphones.rows), self.microphones.gains[:, None]
        shadow = self.spatial.new_filter()
        parts = []
        blocks = iter([images[rows].astype(np.float32) * gains])
        samples = resample(blocks, len(rows), sample_rate, RATE)
        for k, (segment, last) in enumerate(self._segments(samples)):
            if self.spatial.active:
                parts.append(self.spatial.shadow(shadow, k, segment, last))
            else:
                out = segment[list(self.outputs)]
                parts.append(out if len(out) > 1 else out[0])
        return np.concatenate(parts, axis=-1)[..., : self.n_samples]

    def _segments(self, samples: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, bool]]:
        """Pieces of segment length, shape (M, n), and whether each is the last."""
        n_mics = len(self.microphones.rows)
        sizes = segment_sizes(self.stft, self.n_samples, self.config.segment_seconds)
        for k, segment in enumerate(rechunk(samples, n_mics, sizes)):
            yield segment, k == len(sizes) - 1


def check_geometry(config: EnhanceConfig, array: MicArray | None) -> None:
    """Refuse settings that need to know where the microphones are, and do not."""
    needs = None
    if config.beamformer in STEERED:
        needs = f"beamformer {config.beamformer}"
    elif config.doa is not None:
        needs = "a direction (doa)"
    elif config.postfilter == "mccowan":
        needs = "postfilter mccowan"
    elif config.beamformer == "binaural-mwf" and config.ears is None:
        needs = "beamformer binaural-mwf without ears (--ears LEFT,RIGHT)"
    if array is None and needs:
        raise ConfigError(f"{needs} needs the array's geometry: give --array NAME or FILE")
    if config.beamformer == "lcmv" and config.doa is None:
        raise ConfigError("beamformer lcmv needs a direction: give --doa DEG or --doa auto")
    if array is not None and config.nulls is not None:
        n_nulls = len(numbers("nulls", config.nulls))
        if n_nulls >= array.n_mics:
            raise ConfigError(
                f"{array.n_mics} microphones keep one direction and at most "
                f"{array.n_mics - 1} nulls; got {n_nulls}"
            )


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
        """Take a piece of each stream, shape (..., n); return what all of them have."""
        held = {
            name: np.concatenate([self._held[name], piece], axis=-1) if self._held else piece
            for name, piece in pieces.items()
        }
        n = min(self._left, *(piece.shape[-1] for piece in held.values()))
        self._left -= n
        self._held = {name: piece[..., n:] for name, piece in held.items()}
        return {name: piece[..., :n] for name, piece in held.items()}


def restored(pieces: list[np.ndarray], recording: Recording) -> np.ndarray:
    """One stage at the rate and length of the recording, float32, shape (N,) or (2, N)."""
    blocks = (np.atleast_2d(piece) for piece in pieces)
    n_channels = len(np.atleast_2d(pieces[0]))
    samples = np.concatenate(
        list(resample(blocks, n_channels, RATE, recording.sample_rate)), axis=1
    )
    missing = max(recording.n_samples - samples.shape[1], 0)
    whole = np.pad(samples, ((0, 0), (0, missing)))[:, : recording.n_samples]
    return whole if pieces[0].ndim == 2 else whole[0]
