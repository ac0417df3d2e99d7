"""An input and an output device that run together."""

import atexit
import os
import time
from threading import Thread
from typing import Any, Protocol

import numpy as np

from arrayenh.audio.quiet import quiet_stderr
from arrayenh.errors import AudioError, DeviceLostError
from arrayenh.live.device import Device
from arrayenh.live.drift import Drift
from arrayenh.live.portaudio import IN, OUT, portaudio, words

POLL_SECONDS = 0.001
CLOSING_SECONDS = 2.0  # libpulse may wait forever for a server that has died
LOST_SECONDS = 2.0  # without progress, after which a device is taken for lost
STARTING_SECONDS = 6.0  # the same at the start: some sound servers wake slowly
WRONG_CHANNELS, WRONG_RATE, BUSY = -9998, -9997, -9985  # paInvalid..., paDeviceUnavailable


class Duplex(Protocol):
    """Input and output of a session.

    Attributes
    ----------
    overruns, underruns : int
        How often samples of the input were lost, and the output had none.
    latency_ms : float
        Of both devices together.
    """

    overruns: int
    underruns: int
    latency_ms: float

    def read(self) -> np.ndarray:
        """Wait for the next block, float32, (M, n)."""

    def write(self, samples: np.ndarray) -> None:
        """Play the next samples, (C, n)."""

    def close(self) -> None:
        """Stop both devices; raises DeviceLostError if they hang."""


class DevicePair:
    """Two sound devices: blocks of the input are read, those of the output written.

    The streams are read and written only when they are ready, so that a device that hangs does not
    hang the program. The clocks of two devices differ; `Drift` keeps the delay between them.

    Parameters
    ----------
    source, sink : Device
    sample_rate : int
        Hz, of both.
    n_inputs, n_outputs : int
        Channels to open.
    block : int
        Samples read at once.
    buffer_ms : float
        Latency asked for from each device.

    Raises
    ------
    AudioError
        If a device cannot be opened in this way.
    """

    def __init__(
        self,
        source: Device,
        sink: Device,
        sample_rate: int,
        n_inputs: int,
        n_outputs: int,
        block: int,
        buffer_ms: float,
    ) -> None:
        self._sound, self._block, self._rate = portaudio(), block, sample_rate
        self._source_name, self._sink_name = source.name, sink.name
        self.overruns = self.underruns = 0
        # PulseAudio otherwise takes the largest latency of the device, up to 2 s
        os.environ.setdefault("PULSE_LATENCY_MSEC", f"{buffer_ms:.0f}")
        common = {
            "samplerate": sample_rate,
            "dtype": "float32",
            "latency": buffer_ms / 1000,
            "blocksize": block,
        }
        check_open(self._sound, source, IN, n_inputs, sample_rate)
        check_open(self._sound, sink, OUT, n_outputs, sample_rate)
        sound = self._sound
        self._input = opened(sound, sound.InputStream, source, IN, n_inputs, common)
        try:
            self._output = opened(sound, sound.OutputStream, sink, OUT, n_outputs, common)
        except AudioError:
            self._input.close()
            raise
        self.latency_ms = 1000 * (self._input.latency + self._output.latency)
        self._prefill = round(self._output.latency * sample_rate)
        self._n_outputs, self._hears, self._plays = n_outputs, False, False
        self._drift = Drift(block, sample_rate)

    def read(self) -> np.ndarray:
        """Wait for the next block, float32, (M, n).

        Raises
        ------
        DeviceLostError
            If the device is gone.
        """
        if not self._hears:
            self._hears = True
            self._ask(self._source_name, self._input.start)
        patience = LOST_SECONDS if self._plays else STARTING_SECONDS
        self._waited(self._source_name, lambda: self._input.read_available, self._block, patience)
        samples, overflowed = self._ask(self._source_name, self._input.read, self._block)
        self.overruns += bool(overflowed)
        return samples.T

    def write(self, samples: np.ndarray) -> None:
        """Play the next samples, (1 or 2, n).

        Raises
        ------
        DeviceLostError
            If the device is gone.
        """
        if not self._plays:
            self._play()
        free = self._ask(self._sink_name, lambda: self._output.write_available)
        backlog = self._ask(self._source_name, lambda: self._input.read_available)
        frames = spread(self._drift.corrected(samples, backlog - free), self._n_outputs)
        self._waited(
            self._sink_name, lambda: self._output.write_available, len(frames), LOST_SECONDS
        )
        if self._ask(self._sink_name, self._output.write, frames):
            self.underruns += 1
            self._catch_up()

    def close(self) -> None:
        """Stop both devices, which may be gone.

        Raises
        ------
        DeviceLostError
            If the driver hangs. PortAudio is then of no use any more.
        """
        closing = Thread(target=self._close, name="arrayenh-closing", daemon=True)
        closing.start()
        closing.join(CLOSING_SECONDS)
        if closing.is_alive():
            atexit.unregister(self._sound._exit_handler)  # which would hang, too
            raise DeviceLostError(f"{self._source_name} or {self._sink_name} hangs")

    def _close(self) -> None:
        for stream in (self._input, self._output):
            stream.abort(ignore_errors=True)
            stream.close(ignore_errors=True)

    def _play(self) -> None:
        """Start the output."""
        self._plays = True
        self._ask(self._sink_name, self._output.start)
        self._fill()

    def _catch_up(self) -> None:
        """After a gap of the output, drop the input of that time, or it would stay in the delay."""
        dropped = 0
        while (
            dropped < self._rate  # what comes in while it is read is less
            and self._ask(self._source_name, lambda: self._input.read_available) >= self._block
        ):
            self._ask(self._source_name, self._input.read, self._block)
            dropped += self._block
        self.overruns += dropped > 0
        self._fill()

    def _fill(self) -> None:
        """Fill the buffer of the output with silence, up to the latency that was asked for."""
        n = min(self._prefill, self._ask(self._sink_name, lambda: self._output.write_available))
        self._ask(self._sink_name, self._output.write, np.zeros((n, self._n_outputs), np.float32))

    def _waited(self, name: str, ready: Any, wanted: int, patience: float) -> None:
        """Wait until so many samples are ready."""
        until = time.monotonic() + patience
        while self._ask(name, ready) < wanted:
            if time.monotonic() > until:
                raise DeviceLostError(f"{name} gives no sound any more")
            time.sleep(POLL_SECONDS)

    def _ask(self, name: str, function: Any, *arguments: Any) -> Any:
        """Call PortAudio; a failure of a running device means that it is gone."""
        try:
            return function(*arguments)
        except self._sound.PortAudioError as error:
            raise DeviceLostError(f"{name} is gone: {words(error)}") from error


def check_open(sound: Any, device: Device, way: str, n_channels: int, sample_rate: int) -> None:
    """Raise AudioError if a device cannot work with these channels at this rate."""
    most = device.channels(way)
    if n_channels > most:
        raise AudioError(f"{device.name} has {most} {way} channels, and {n_channels} are needed")
    check = sound.check_input_settings if way == IN else sound.check_output_settings
    try:
        with quiet_stderr():
            check(device.index, n_channels, "float32", samplerate=sample_rate)
    except sound.PortAudioError as error:
        raise AudioError(refusal(device, way, n_channels, sample_rate, error)) from error


def opened(
    sound: Any, kind: Any, device: Device, way: str, n_channels: int, common: dict[str, Any]
) -> Any:
    """Open one stream of a device."""
    try:
        with quiet_stderr():
            return kind(device=device.index, channels=n_channels, **common)
    except sound.PortAudioError as error:
        rate = common["samplerate"]
        raise AudioError(refusal(device, way, n_channels, rate, error)) from error


def refusal(device: Device, way: str, n_channels: int, sample_rate: int, error: Any) -> str:
    """Message for a device that cannot be opened."""
    code = error.args[1] if len(error.args) > 1 else None
    if code == WRONG_RATE:
        return (
            f"{device.name} does not work at {sample_rate} Hz; its default is --rate "
            f"{device.sample_rate}"
        )
    if code == WRONG_CHANNELS:
        return f"{device.name} does not open with {n_channels} {way} channels"
    if code == BUSY:
        return f"{device.name} is in use by another program, or not there"
    return f"{device.name} cannot be opened for {way}: {words(error)}"


def spread(samples: np.ndarray, n_outputs: int) -> np.ndarray:
    """Frames (n, C) for a device: one voice goes to all of its channels."""
    if len(samples) == 1:
        samples = np.repeat(samples, n_outputs, axis=0)
    return np.ascontiguousarray(np.clip(samples, -1, 1).T, np.float32)
