"""`Device`, a sound device of the computer."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Device:
    """A sound device.

    Attributes
    ----------
    index : int
        Number, until the list changes.
    name : str
    api : str
        Sound system: ALSA, Core Audio, Windows WASAPI.
    n_inputs, n_outputs : int
        Largest number of channels.
    sample_rate : int
        Default, Hz.
    input_latency_ms, output_latency_ms : float or None
        Lowest latency that the driver proposes.
    default_input, default_output : bool
    """

    index: int
    name: str
    api: str
    n_inputs: int
    n_outputs: int
    sample_rate: int
    input_latency_ms: float | None
    output_latency_ms: float | None
    default_input: bool = False
    default_output: bool = False

    @property
    def full_name(self) -> str:
        """Name with the sound system."""
        return f"{self.name}, {self.api}"

    def channels(self, way: str) -> int:
        """Largest number of channels, "input" or "output"."""
        return self.n_inputs if way == "input" else self.n_outputs

    def is_default(self, way: str) -> bool:
        """Whether this is the default device, "input" or "output"."""
        return self.default_input if way == "input" else self.default_output
