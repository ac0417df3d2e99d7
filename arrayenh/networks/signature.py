"""`Signature`, the task, inputs and STFT of a network, stored in its file."""

from dataclasses import dataclass

from arrayenh.errors import ConfigError
from arrayenh.stft import Stft

TASKS = ("mask", "postfilter", "both")
ROLES = ("microphone", "beamformed", "reference", "rest", "noise", "masked")


@dataclass(frozen=True, slots=True)
class Signature:
    """Interface between a network and the chain.

    A network maps spectra to a mask, to a spectrum, or to both. Its graph has one input `spec`,
    float32 (B, C, T, F, 2): batch, signals, frames, bins, real and imaginary part. It has one
    output `out`, float32: (B, T, F) for a mask, (B, T, F, 2) for a post-filter, and (B, T, F, 3)
    for both, first the mask. A causal network may also have inputs `state_<name>` and outputs
    `next_<name>` of the same shapes, which are zero at the start of a recording.

    Attributes
    ----------
    name : str
        Such as "mask-gru".
    task : {"mask", "postfilter", "both"}
        A network for both steers a beamformer frame by frame, hears its output and filters it.
    inputs : tuple of str
        Roles of the C signals: "microphone" (each microphone in turn; masks are averaged), or
        "beamformed" (the beamformer's output), "reference" (its reference microphone), "rest"
        (reference minus beamformed), "noise" (the beamformer's residual noise, estimated from
        the other directions, with unknown phase) and "masked" (the reference multiplied by the
        mask that steers the beamformer).
    n_fft, hop : int
        Frame length and hop of the STFT, samples.
    sample_rate : int
        Hz.
    causal : bool
        Whether the network has no look-ahead.
    synthesis : int, optional
        Length of a short synthesis window, samples; see `Stft`. Default: Hann windows.
    """

    name: str
    task: str
    inputs: tuple[str, ...]
    n_fft: int
    hop: int
    sample_rate: int = 16_000
    causal: bool = False
    synthesis: int | None = None

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise ConfigError(f"task must be one of {', '.join(TASKS)}; got {self.task!r}")
        unknown = [role for role in self.inputs if role not in ROLES]
        if unknown or not self.inputs:
            raise ConfigError(f"inputs must be among {', '.join(ROLES)}; got {self.inputs}")

    @property
    def stft(self) -> Stft:
        """STFT of the network's spectra."""
        if self.synthesis is None:
            return Stft(self.n_fft, self.hop, "hann")
        return Stft(self.n_fft, self.hop, synthesis=self.synthesis)

    @property
    def n_freqs(self) -> int:
        """Number of frequency bins, F."""
        return self.n_fft // 2 + 1
