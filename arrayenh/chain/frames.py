"""Frames of a live chain: how late the output may be, for what use."""

from dataclasses import dataclass

from arrayenh.stft import Stft


@dataclass(frozen=True, slots=True)
class LiveFrames:
    """Frames of a live chain, at 16 kHz.

    Long frames resolve speech and reverberation; the short synthesis window at their end sets the
    latency.

    Attributes
    ----------
    n_fft, hop, synthesis : int
        See `Stft`, samples.
    network : str
        Network of masks and post-filter that was trained on these frames.
    most_ms : float
        Upper limit of the latency, with the resampling of other sample rates, ms.
    """

    n_fft: int
    hop: int
    synthesis: int
    network: str
    most_ms: float

    @property
    def stft(self) -> Stft:
        """The STFT."""
        return Stft(self.n_fft, self.hop, synthesis=self.synthesis)


LIVE = {
    "conference": LiveFrames(1024, 256, 512, "live-conference", 40.0),
    "low-latency": LiveFrames(512, 128, 256, "live-low-latency", 20.0),
    "hearing-aid": LiveFrames(512, 48, 96, "live-hearing-aid", 8.0),
}
"""Frames by the name of the profile."""

CONFERENCE = "conference"
