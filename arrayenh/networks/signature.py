"""What a network takes and gives, told by the file it lies in."""

from dataclasses import dataclass

from arrayenh.errors import ConfigError

TASKS = ("mask", "postfilter")
ROLES = ("microphone", "beamformed", "reference", "rest", "noise", "masked")


@dataclass(frozen=True, slots=True)
class Signature:
    """The contract between a network and the chain.

    A network maps spectra to a mask or to a spectrum. Its graph has one input `spec`, float32
    (B, C, T, F, 2): batch, signals, frames, bins, real and imaginary part; one output `out`,
    float32 (B, T, F) of a mask, (B, T, F, 2) of a post-filter; and, if it is causal, any number
    of inputs `state_<name>` with as many outputs `next_<name>` of the same shapes, zero at the
    start of a recording.

    Attributes
    ----------
    name : str
        Such as "mask-gru".
    task : {"mask", "postfilter"}
    inputs : tuple of str
        What the C signals are: "microphone" (any one, in turn: masks are averaged), or
        "beamformed" (what the beamformer gave), "reference" (its reference microphone), "rest"
        (reference less beamformed) and "noise" (what of the noise the beamformer leaves, as
        the other directions tell; of its phase nothing is known) and "masked" (the reference
        through the mask that steered the beamformer).
    n_fft, hop : int
        STFT, with a Hann window, samples.
    sample_rate : int
        Hz.
    causal : bool
        Whether frames can be given one by one, with state.
    """

    name: str
    task: str
    inputs: tuple[str, ...]
    n_fft: int
    hop: int
    sample_rate: int = 16_000
    causal: bool = False

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise ConfigError(f"task must be one of {', '.join(TASKS)}; got {self.task!r}")
        unknown = [role for role in self.inputs if role not in ROLES]
        if unknown or not self.inputs:
            raise ConfigError(f"inputs must be among {', '.join(ROLES)}; got {self.inputs}")

    @property
    def n_freqs(self) -> int:
        """F."""
        return self.n_fft // 2 + 1
