"""A live session: from an input device through the chain to an output device."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import numpy as np

from arrayenh.chain.stream import LiveStream
from arrayenh.errors import AudioError, DeviceLostError
from arrayenh.live.duplex import Duplex
from arrayenh.live.inputs import Inputs
from arrayenh.live.meters import Meters
from arrayenh.live.recorder import Recorder
from arrayenh.live.timing import Timing

REOPEN_SECONDS = 5.0  # in which a device that is gone is looked for
RETRY_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class LiveState:
    """What a session shows at one moment.

    Attributes
    ----------
    source, sink : str
        Names of the devices.
    sample_rate : int
        Hz.
    channels : tuple of int
        Channels of the microphones.
    seconds : float
        Sound that was processed.
    levels_db, peaks_db : tuple of float
        Of each microphone, dB re full scale.
    faults : tuple of str or None
        Why a microphone is not in use.
    output_db, output_peak_db : float
        Of the output, dB re full scale.
    direction_deg : float or None
        Azimuth of the talker, if it is known.
    strength : float
        Blend of reference (0) and output (1), as it is set.
    bypass : bool
        Whether the reference is played instead.
    load, real_time_factor : float
        Processing time over the duration of the sound: in the last second, and in all.
    worst_ms, block_ms : float
        Longest time for a block, and its duration.
    overruns, underruns : int
        Blocks of the input that were lost, gaps of the output.
    chain_ms, device_ms : float
        Latency of the chain and of both devices; a block comes on top.
    recording : tuple of Path
        Files that are being written.
    waiting : bool
        Whether a device is gone and looked for.
    log : tuple of str
    """

    source: str
    sink: str
    sample_rate: int
    channels: tuple[int, ...]
    seconds: float
    levels_db: tuple[float, ...]
    peaks_db: tuple[float, ...]
    faults: tuple[str | None, ...]
    output_db: float
    output_peak_db: float
    direction_deg: float | None
    strength: float
    bypass: bool
    load: float
    real_time_factor: float
    worst_ms: float
    block_ms: float
    overruns: int
    underruns: int
    chain_ms: float
    device_ms: float
    recording: tuple[Path, ...]
    waiting: bool
    log: tuple[str, ...]

    @property
    def latency_ms(self) -> float:
        """From a sound at the microphones to the loudspeaker."""
        return self.chain_ms + self.block_ms + self.device_ms


class Session:
    """Reads, enhances and plays until it is stopped. `run` is for one thread, the rest for another.

    Parameters
    ----------
    stream : LiveStream
    inputs : Inputs
        Channels of the input device, and those that are microphones.
    sink : str
        Name of the output device.
    open_devices : callable
        Opens both devices, also again after one was gone; raises AudioError.
    folder : Path
        For recordings.
    block : int
        Samples of a block.

    Attributes
    ----------
    strength : float
        0 to 1; may change at any time.
    bypass : bool
        May change at any time.
    saved : list of Path
        Recordings that are complete.
    failure : AudioError or None
        Why the session has ended by itself.
    """

    def __init__(
        self,
        stream: LiveStream,
        inputs: Inputs,
        sink: str,
        open_devices: Callable[[], Duplex],
        folder: Path,
        block: int,
    ) -> None:
        self._stream, self._inputs, self._sink = stream, inputs, sink
        self._open, self._folder, self._block = open_devices, folder, block
        self._rows = list(inputs.channels)
        self._meters = Meters(inputs.n_mics, inputs.sample_rate)
        self._output = Meters(stream.n_outputs, inputs.sample_rate)
        self._timing = Timing(inputs.sample_rate)
        self._stop, self._waiting = Event(), False
        self._recorder: Recorder | None = None
        self._wants_recording = False
        self._duplex: Duplex | None = None
        self._overruns = self._underruns = 0
        self._device_ms = 0.0
        self._notes: list[str] = []
        self.strength, self.bypass = stream.chain.strength, False
        self.saved: list[Path] = []
        self.failure: AudioError | None = None

    def run(self, seconds: float | None = None) -> None:
        """Work until `stop`, for so many seconds of sound, or until a device is gone for good."""
        try:
            self._start()
            while not self._stop.is_set() and (seconds is None or self._timing.seconds < seconds):
                try:
                    self._pass()
                except DeviceLostError as error:
                    self._reopen(error)
        except AudioError as error:
            self.failure = error
        finally:
            self._end()

    def stop(self) -> None:
        """End `run` after the present block."""
        self._stop.set()

    def record(self, wanted: bool) -> None:
        """Start or end a recording with the next block."""
        self._wants_recording = wanted

    @property
    def records(self) -> bool:
        """Whether a recording is asked for."""
        return self._wants_recording

    @property
    def log(self) -> list[str]:
        """One line for each change of the microphones and the devices."""
        return [*self._notes, *self._stream.log]

    def state(self) -> LiveState:
        """The present state, for the view."""
        stream, timing, duplex = self._stream, self._timing, self._duplex
        faults, recorder = dict(stream.watch.faults), self._recorder
        return LiveState(
            self._inputs.name,
            self._sink,
            stream.sample_rate,
            self._inputs.channels,
            timing.seconds,
            self._meters.levels_db,
            self._meters.peaks_db,
            tuple(faults.get(row) for row in range(stream.n_mics)),
            max(self._output.levels_db),
            max(self._output.peaks_db),
            stream.chain.direction_deg,
            self.strength,
            self.bypass,
            timing.load,
            timing.real_time_factor,
            1000 * timing.worst_seconds,
            1000 * self._block / stream.sample_rate,
            self._overruns + (duplex.overruns if duplex else 0),
            self._underruns + (duplex.underruns if duplex else 0),
            stream.latency_ms,
            self._device_ms,
            recorder.paths if recorder else (),
            self._waiting,
            tuple(self.log),
        )

    def _pass(self) -> None:
        """Enhance one block."""
        duplex = self._duplex
        assert duplex is not None  # but for a session that is stopped
        heard = duplex.read()
        block = heard[self._rows]
        self._stream.chain.strength = 0.0 if self.bypass else self.strength
        with self._timing.block(block.shape[1]):
            enhanced = self._stream.push(block)["enhanced"]
        duplex.write(enhanced)
        self._meters.update(block)
        self._output.update(enhanced)
        self._keep(block, enhanced)

    def _keep(self, block: np.ndarray, enhanced: np.ndarray) -> None:
        """Start, continue or end the recording."""
        if self._wants_recording and self._recorder is None:
            self._recorder = Recorder(
                self._folder, self._stream.sample_rate, len(block), len(enhanced)
            )
        elif not self._wants_recording and self._recorder is not None:
            self._save()
        if self._recorder is not None:
            self._recorder.add(block, enhanced)

    def _save(self) -> None:
        recorder, self._recorder = self._recorder, None
        if recorder is not None:
            self.saved += recorder.finish()
            self._notes.append(f"recorded {' and '.join(map(str, recorder.paths))}")

    def _reopen(self, lost: DeviceLostError) -> None:
        """Look for a device that is gone; raise the error if it does not come back."""
        self._notes.append(f"{self._timing.seconds:.1f} s: {lost}")
        try:
            self._close()
        except DeviceLostError:
            raise lost from None
        self._waiting = True
        until = time.monotonic() + REOPEN_SECONDS
        while not self._stop.wait(RETRY_SECONDS):
            try:
                self._start()
                break
            except AudioError:
                if time.monotonic() > until:
                    raise lost from None
        self._waiting = False
        if self._duplex is not None:
            self._notes.append(f"{self._timing.seconds:.1f} s: the devices are back")

    def _start(self) -> None:
        self._duplex = self._open()
        self._device_ms = self._duplex.latency_ms

    def _close(self) -> None:
        duplex, self._duplex = self._duplex, None
        if duplex is not None:
            self._overruns += duplex.overruns
            self._underruns += duplex.underruns
            duplex.close()

    def _end(self) -> None:
        """Close the devices and complete the recording."""
        for end in (self._close, self._save):
            try:
                end()
            except AudioError as error:
                self.failure = self.failure or error
