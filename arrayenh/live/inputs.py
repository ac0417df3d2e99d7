"""Channels of a pipe or a device that are the microphones of a live chain."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from arrayenh.chain.capture import RATE
from arrayenh.chain.geometry import check_geometry
from arrayenh.chain.networks import chosen
from arrayenh.chain.online import in_rows
from arrayenh.chain.settings import Settings
from arrayenh.chain.stream import LiveStream
from arrayenh.errors import AudioError
from arrayenh.microphones.geometry import load_array
from arrayenh.microphones.wiring import microphones_of

WARM_UP_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Inputs:
    """Channels in use of a pipe or a device.

    Attributes
    ----------
    name : str
        For messages.
    n_channels : int
    channels : tuple of int
        Those that are used, in order.
    sample_rate : int
        Hz.
    """

    name: str
    n_channels: int
    channels: tuple[int, ...]
    sample_rate: int

    def select(self, channels: tuple[int, ...]) -> "Inputs":
        """Return the inputs with only these channels."""
        return replace(self, channels=channels)

    @property
    def n_mics(self) -> int:
        """Number of channels in use."""
        return len(self.channels)


def inputs_of(
    name: str,
    n_channels: int,
    sample_rate: int,
    mics: int | None = None,
    channels: Sequence[int] | None = None,
) -> Inputs:
    """Select the first `mics` channels, or the listed ones.

    Raises
    ------
    AudioError
        If there are too few channels.
    """
    used = tuple(range(n_channels if mics is None else mics) if channels is None else channels)
    if max(used) >= n_channels:
        raise AudioError(
            f"{name} has {n_channels} channels, numbered from 0; channel {max(used)} is asked for"
        )
    return Inputs(name, n_channels, used, sample_rate)


def open_stream(
    settings: Settings, array: str | None, inputs: Inputs, reference_given: bool = True
) -> tuple[LiveStream, Inputs, list[str]]:
    """Build a live chain for the microphones, ready to process without delay.

    Parameters
    ----------
    settings : Settings
    array : str, optional
        Name or file of the geometry. If it is a board with other channels than microphones, the
        microphones are selected.
    inputs : Inputs
    reference_given : bool
        Whether the settings name the reference; otherwise it is the first channel in use.

    Returns
    -------
    stream : LiveStream
    inputs : Inputs
        With the channels in use.
    notes : list of str
        Log lines.

    Raises
    ------
    ConfigError
        If the settings need an array, or a network does not fit.
    GeometryError
        If the array has another number of microphones.
    """
    geometry = None if array is None else load_array(array)
    check_geometry(settings, geometry)
    selected, notes = microphones_of(inputs, geometry)
    if not reference_given and settings.reference not in selected.channels:
        settings = replace(settings, reference=selected.channels[0])
    stream = LiveStream(
        in_rows(settings, selected.channels),
        chosen(settings, RATE),
        selected.n_mics,
        selected.sample_rate,
        geometry,
        labels=selected.channels,
    )
    warm_up(stream)
    return stream, selected, notes


def warm_up(stream: LiveStream) -> None:
    """Process noise, so that kernels are compiled before the sound comes, and reset the stream."""
    n = round(WARM_UP_SECONDS * stream.sample_rate)
    noise = np.random.default_rng(0).standard_normal((stream.n_mics, n)).astype(np.float32)
    stream.push(1e-2 * noise)
    stream.reset()
