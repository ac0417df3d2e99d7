"""A recording through the live chain: the samples of a stream, without its latency."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

import numpy as np

from arrayenh.audio import BLOCK
from arrayenh.chain.capture import Recorded, Source
from arrayenh.chain.networks import Networks
from arrayenh.chain.postfilter import one_or_two
from arrayenh.chain.settings import Settings
from arrayenh.chain.stream import LiveStream
from arrayenh.checks import numbers
from arrayenh.errors import AudioError, ConfigError, GeometryError
from arrayenh.microphones.diagnostics import ChannelReport, ChannelSurvey
from arrayenh.microphones.geometry import MicArray
from arrayenh.microphones.wiring import microphones_of


class Pass(Protocol):
    """One pass of a recording through a chain: in segments, or frame by frame."""

    sample_rate: int
    log: list[str]

    @property
    def used(self) -> tuple[int, ...]:
        """Channels of the file that are processed."""

    @property
    def reports(self) -> tuple[ChannelReport, ...]:
        """Diagnosis of each channel."""

    @property
    def outputs(self) -> tuple[int, ...]:
        """Reference microphones, as rows of those in use: one, or one at each ear."""

    @property
    def n_samples(self) -> int:
        """Length at `sample_rate`."""

    def stages(self, block: int = BLOCK) -> Iterator[dict[str, np.ndarray]]:
        """Run the recording through the chain; see `Session.stages`."""

    def shadow(self, images: np.ndarray, sample_rate: int) -> np.ndarray:
        """Apply the beamformer to one component of the recording; see `Session.shadow`."""


class OnlineSession:
    """One pass of one recording through the live chain; see `Session`, which works in segments.

    Raises
    ------
    AudioError
        If the recording is empty.
    GeometryError
        If the array has another number of microphones.
    ConfigError
        If the reference or an ear is not among its channels.
    """

    def __init__(
        self, settings: Settings, array: MicArray | None, source: Recorded, networks: Networks
    ) -> None:
        if source.n_samples == 0:
            raise AudioError(f"{source.name} is empty: it holds no samples")
        selected, notes = microphones_of(source, array)
        self.source: Source = selected
        if array is not None and array.n_mics != selected.n_mics:
            raise GeometryError(
                f"array {array.name} has {array.n_mics} microphones but {source.name} gives "
                f"{selected.n_mics}; choose with --mics or --channels, or another array"
            )
        self.settings, self.used = settings, selected.channels
        self.sample_rate, self.n_samples = selected.sample_rate, selected.n_samples
        self._stream = LiveStream(
            in_rows(settings, selected.channels),
            networks,
            selected.n_mics,
            selected.sample_rate,
            array,
            every_stage=True,
            labels=selected.channels,
        )
        self._survey = ChannelSurvey(selected.n_mics, selected.sample_rate, selected.channels)
        self.log = [*selected.notes, *notes]

    @property
    def outputs(self) -> tuple[int, ...]:
        """Reference microphones, as rows: one, or one at each ear."""
        return self._stream.chain.outputs

    @property
    def reports(self) -> tuple[ChannelReport, ...]:
        """Diagnosis of each channel, as far as it has been read."""
        return self._survey.report()

    def stages(self, block: int = BLOCK) -> Iterator[dict[str, np.ndarray]]:
        """Run the recording through the chain; see `Session.stages`, at the recording's rate."""
        late, left = self._stream.latency_samples, self.n_samples
        for samples in self._samples(block):
            pieces = self._stream.push(samples)
            skipped = min(late, samples.shape[1])
            late -= skipped
            stop = skipped + min(left, samples.shape[1] - skipped)
            left -= stop - skipped
            yield {name: one_or_two(piece[:, skipped:stop]) for name, piece in pieces.items()}
        self.log += [*self._stream.log, *self._stream.chain.summary()]

    def shadow(self, images: np.ndarray, sample_rate: int) -> np.ndarray:
        """Raise ConfigError: the filters change in every frame."""
        raise ConfigError(
            "an online beamformer changes in every frame: shadow filtering needs an offline one"
        )

    def _samples(self, block: int) -> Iterator[np.ndarray]:
        """Blocks of the recording, and zeros for the end that is still in the chain."""
        for samples in self.source.blocks(block):
            self._survey.update(samples)
            yield samples
        yield np.zeros((self.source.n_mics, self._stream.latency_samples), np.float32)


def in_rows(settings: Settings, channels: tuple[int, ...]) -> Settings:
    """Settings whose reference and ears are rows among the channels.

    Raises
    ------
    ConfigError
        If one of them is not among the channels.
    """

    def row(what: str, channel: int) -> int:
        if channel not in channels:
            raise ConfigError(
                f"{what} {channel} is not among the channels in use, "
                f"{', '.join(map(str, channels))}"
            )
        return channels.index(channel)

    ears = None  # of one microphone
    if settings.ears is not None and len(channels) > 1:
        ears = ",".join(str(row("ear", int(ear))) for ear in numbers("ears", settings.ears))
    return replace(settings, reference=row("reference", int(settings.reference)), ears=ears)
