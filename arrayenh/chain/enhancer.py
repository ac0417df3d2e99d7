"""`enhance`: from a multi-channel recording to enhanced speech.

A recording is read twice: once to check its microphones, once to enhance it. Statistics are
estimated in segments of equal length, about 20 s each, and the weights change from one to the
next by a crossfade. At most one segment is in memory. Recordings in memory are processed in the
same way. An online chain reads a recording once, as if it were being recorded.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from arrayenh.audio import BLOCK, Recording, resample
from arrayenh.chain.capture import RATE, Capture, Recorded, Source, pieces, segment_sizes
from arrayenh.chain.chain import Chain, build_chain
from arrayenh.chain.geometry import check_geometry
from arrayenh.chain.networks import Networks, chosen
from arrayenh.chain.online import OnlineSession
from arrayenh.chain.postfilter import one_or_two
from arrayenh.chain.settings import AUTO, Settings
from arrayenh.chain.synchronised import Synchronised, synchronised
from arrayenh.errors import ShapeError
from arrayenh.microphones.diagnostics import ChannelReport
from arrayenh.microphones.geometry import MicArray, load_array
from arrayenh.microphones.wiring import microphones_of


@dataclass(frozen=True, slots=True, eq=False)
class Enhanced:
    """The result of `enhance`.

    Attributes
    ----------
    samples : float32 ndarray, shape (N,), or (2, N) of a binaural beamformer
        Enhanced speech, with the length and sample rate of the recording.
    sample_rate : int
        Hz.
    stages : mapping of str to float32 ndarray, shape (N,)
        "reference" (the raw microphone), then the output of each stage by its name.
    shadows : mapping of str to float32 ndarray, shape (N,)
        The beamformer's response to each component of the recording that was given.
    log : tuple of str
        Log lines about faulty microphones and skipped stages.
    channels : tuple of int
        Channels of the file that were used.
    reports : tuple of ChannelReport
        Diagnosis of each channel.
    subtype, metadata
        Format and tags of the recording, for writing.

    Examples
    --------
    >>> enhanced = Enhanced(np.zeros(16_000, np.float32), 16_000)
    >>> enhanced.samples.shape
    (16000,)
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
    settings: Settings | None = None,
) -> Enhanced:
    """Enhance a recording in memory; see `Enhancer`.

    Examples
    --------
    >>> recording = Recording(np.zeros((2, 16_000)), 16_000)
    >>> enhanced = enhance(recording, settings=Settings(masks="spp", postfilter="none"))
    >>> enhanced.log[0]
    'the recording is silent'
    """
    return Enhancer(settings, array).enhance(recording)


class Enhancer:
    """The chain with its settings and networks, for any number of recordings.

    Parameters
    ----------
    settings : Settings, optional
    array : MicArray, name or path, optional
        Microphone geometry; needed to steer (`das` and others, or any `doa`), otherwise unused.

    Raises
    ------
    ConfigError
        If the settings need an array and none is given, or a network is missing or does not fit.
    GeometryError
        If the array is unknown.

    Examples
    --------
    >>> recording = Recording(np.zeros((2, 16_000)), 16_000)
    >>> enhancer = Enhancer(Settings(masks="spp", postfilter="none"))
    >>> enhancer.enhance(recording).samples.shape
    (16000,)
    """

    def __init__(
        self, settings: Settings | None = None, array: MicArray | str | None = None
    ) -> None:
        self.settings = settings or Settings()
        self.array = load_array(array) if isinstance(array, str) else array
        check_geometry(self.settings, self.array)
        self.networks = chosen(self.settings, RATE)

    def enhance(
        self, recording: Recording, images: Mapping[str, np.ndarray] | None = None
    ) -> Enhanced:
        """Enhance a recording in memory.

        Parameters
        ----------
        recording : Recording
        images : mapping of str to float ndarray, shape (M, N), optional
            Components of the recording, such as its speech and its noise. The beamformer
            is applied to each of them alone (shadow filtering), for the output SNR.

        Raises
        ------
        AudioError
            If the recording is empty.
        GeometryError
            If the array has another number of microphones.
        """
        session = self.open(recording, keep_filters=images is not None)
        parts = list(session.stages(block=max(recording.n_samples, 1)))
        rate = session.sample_rate
        stages = {
            name: restored([part[name] for part in parts], rate, recording) for name in parts[0]
        }
        shadows = {
            name: restored([session.shadow(image, recording.sample_rate)], rate, recording)
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

    def open(self, source: Recorded, keep_filters: bool = False) -> "Session | OnlineSession":
        """Check the microphones of a recording and build the chain for it.

        With `keep_filters` the filters of past segments are kept, for `Session.shadow`.
        """
        if self.settings.online:
            return OnlineSession(self.settings, self.array, source, self.networks)
        return Session(self.settings, self.array, source, self.networks, keep_filters)


class Session:
    """One pass of one recording through the chain, in segments.

    Attributes
    ----------
    sample_rate : int
        Hz, of what `stages` yields.
    reports : tuple of ChannelReport
        Diagnosis of each channel.
    used : tuple of int
        Channels of the file that are processed.
    log : list of str
        Log lines; complete after `stages` has run.
    """

    def __init__(
        self,
        settings: Settings,
        array: MicArray | None,
        source: Recorded,
        networks: Networks,
        keep_filters: bool = False,
    ) -> None:
        self.settings, self.sample_rate = settings, RATE
        selected, notes = microphones_of(source, array)
        self._reference = settings.reference
        if notes and self._reference not in (AUTO, *selected.channels):
            self._reference = selected.channels[0]
        lines: list[str] = []
        self.source: Source = selected
        if settings.sync:
            self.source, lines = synchronised(selected, self._reference)
        self.capture = Capture(self.source, array, self._reference)
        stft = networks.stft(settings)
        self._sizes = segment_sizes(stft, self.n_samples, settings.segment_seconds)
        if settings.reference == AUTO:
            self.capture.take_best_reference(stft, min(self._sizes[0], self.n_samples))
        self.chain: Chain = build_chain(settings, self.capture, networks, keep_filters)
        self.reports, self.used = self.capture.reports, self.capture.channels
        self.log = self.capture.log
        self.log[:0] = [*notes, *lines]

    @property
    def outputs(self) -> tuple[int, ...]:
        """Reference microphones, as rows of those in use: one, or one at each ear."""
        return self.chain.outputs

    @property
    def n_samples(self) -> int:
        """Length at 16 kHz."""
        return self.capture.n_samples

    def stages(self, block: int = BLOCK) -> Iterator[dict[str, np.ndarray]]:
        """Run the recording through the chain.

        Parameters
        ----------
        block : int
            Samples read from the source at once.

        Yields
        ------
        pieces : dict of str to float32 ndarray, shape (n,), or (2, n) of two ears
            The next n samples at 16 kHz: "reference", the output of each stage by its name, and
            "enhanced".
        """
        for piece, last in self.capture.pieces(self._sizes, block):
            found = self.chain.push(piece, last)
            yield {name: one_or_two(samples) for name, samples in found.items()}
        self.log += self.chain.summary()

    def shadow(self, images: np.ndarray, sample_rate: int) -> np.ndarray:
        """Apply the beamformer of `stages` to one component of the recording (shadow filtering).

        Parameters
        ----------
        images : float ndarray, shape (M, N)
            The speech alone, or the noise alone, at every microphone of the recording.
        sample_rate : int
            Hz, that of the recording.

        Returns
        -------
        filtered : float32 ndarray, shape (n_samples,) or (2, n_samples)
            At 16 kHz. The operation is linear: the shadows of all components add up to the
            stage's output, except for a DC offset removed from the recording.

        Raises
        ------
        ShapeError
            If `images` does not have the recording's shape.
        """
        if images.shape != (self.source.n_mics, self.source.n_samples):
            raise ShapeError(
                f"images must have the recording's shape (M, N) = "
                f"{(self.source.n_mics, self.source.n_samples)}; got {images.shape}"
            )
        spatial, capture = self.chain.spatial, self.capture
        rows, gains = list(capture.microphones.rows), capture.microphones.gains[:, None]
        blocks: Iterator[np.ndarray] = iter([images.astype(np.float32)])
        if isinstance(self.source, Synchronised):
            blocks = self.source.aligned(blocks)
        blocks = (block[rows] * gains for block in blocks)
        samples = resample(blocks, len(rows), sample_rate, RATE)
        shadow = None if spatial is None else spatial.new_filter()
        parts = []
        for k, (piece, last) in enumerate(pieces(samples, len(rows), self._sizes)):
            if spatial is None or shadow is None:
                parts.append(piece[list(self.outputs)])
            else:
                parts.append(shadow.run(spatial.filters[k], piece, last, capture.reference))
        return one_or_two(np.concatenate(parts, axis=-1)[..., : self.n_samples])


def restored(parts: list[np.ndarray], rate: int, recording: Recording) -> np.ndarray:
    """Resample a stage's output to the recording's rate and length, shape (N,) or (2, N)."""
    blocks = (np.atleast_2d(part) for part in parts)
    n_channels = len(np.atleast_2d(parts[0]))
    samples = np.concatenate(
        list(resample(blocks, n_channels, rate, recording.sample_rate)), axis=1
    )
    missing = max(recording.n_samples - samples.shape[1], 0)
    whole = np.pad(samples, ((0, 0), (0, missing)))[:, : recording.n_samples]
    return whole if parts[0].ndim == 2 else whole[0]
