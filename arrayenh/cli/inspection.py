"""Levels, faults and spectra of a recording, channel by channel."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from arrayenh.cli import terminal

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from arrayenh.audio import RecordingFile
    from arrayenh.evaluation.metrics.features import LongTermSpectrum, SpectralFeatures
    from arrayenh.microphones.diagnostics import ChannelReport


@dataclass(frozen=True, slots=True, eq=False)
class Inspection:
    """Results for one recording; octave-band levels (M, bands) in dBFS around `centres`, Hz."""

    recording: str
    source: "RecordingFile"
    reports: "tuple[ChannelReport, ...]"
    centres: list[float]
    levels_dbfs: "np.ndarray"
    spectrum: "LongTermSpectrum"
    features: "tuple[SpectralFeatures, ...]"


def inspect(
    recording: str, mics: int | None, channels: tuple[int, ...] | None, pad: bool
) -> Inspection:
    """Read a recording once, block by block, and measure it."""
    from arrayenh.audio import open_recording
    from arrayenh.audio.octave_bands import OctaveBands
    from arrayenh.chain.capture import survey
    from arrayenh.evaluation.metrics.features import LongTermSpectrum

    source = open_recording(recording, mics, channels, pad)
    bands = OctaveBands(source.n_mics, source.sample_rate)
    spectrum = LongTermSpectrum(source.n_mics, source.sample_rate)
    with terminal.progress(source.n_samples, source.name) as progress:
        reports = survey(source, bands, spectrum, Progress(progress))
    levels, features = bands.levels_dbfs(), spectrum.features()
    return Inspection(recording, source, reports, bands.centres, levels, spectrum, features)


class Progress:
    """Reports the fraction of a recording that has been read."""

    def __init__(self, progress: "Callable[[float], object]") -> None:
        self._progress, self._done = progress, 0

    def update(self, block: "np.ndarray") -> None:
        """Count the next samples, (M, n)."""
        self._done += block.shape[1]
        self._progress(self._done)
