"""A stand-in for the module sounddevice: two clocked devices, made of numbers."""

import types

import numpy as np

RATE = 16_000


class PortAudioError(Exception):
    pass


def device(name, n_inputs, n_outputs, rate=48_000.0, api=0):
    return {
        "name": name,
        "hostapi": api,
        "max_input_channels": n_inputs,
        "max_output_channels": n_outputs,
        "default_samplerate": rate,
        "default_low_input_latency": 0.01,
        "default_low_output_latency": 0.02,
    }


DEVICES = [
    device("ReSpeaker 4 Mic Array (UAC1.0)", 6, 2, 16_000.0),
    device("Headphones", 0, 2),
    device("HDMI 1", 0, 8),
    device("HDMI 2", 0, 8),
    device("pulse", 32, 32, 44_100.0),
]


def fake(devices=DEVICES, default=(0, 1), problem=None):
    """The module; `problem` is raised by the checks of settings."""

    def listed():
        return [one | {"index": k} for k, one in enumerate(devices)]

    def check(*arguments, **more):
        if problem is not None:
            raise problem

    sound = types.ModuleType("sounddevice")
    sound.PortAudioError = PortAudioError
    sound.query_devices = listed
    sound.query_hostapis = lambda: [{"name": "ALSA"}]
    sound.default = types.SimpleNamespace(device=list(default))
    sound.check_input_settings = sound.check_output_settings = check
    sound.InputStream, sound.OutputStream = FakeInput, FakeOutput
    sound._initialize = sound._terminate = sound._exit_handler = lambda: None
    return sound


class FakeStream:
    """A device whose clock moves when it is asked."""

    latency = 0.02
    gone = silent = False

    def __init__(self, device, channels, samplerate, blocksize, **more):
        self.channels, self.blocksize = channels, blocksize
        self.calls, self.written = [], []

    def start(self):
        self.calls.append("start")

    def abort(self, ignore_errors=True):
        self.calls.append("abort")

    def close(self, ignore_errors=True):
        self.calls.append("close")

    def ready(self):
        if self.gone:
            raise PortAudioError("Unanticipated host error", -9999, (0, -19, "No such device"))
        return 0 if self.silent else 2 * self.blocksize

    @property
    def read_available(self):
        return self.ready()

    @property
    def write_available(self):
        return self.ready()


class FakeInput(FakeStream):
    left = None  # samples before it has to wait

    def ready(self):
        return super().ready() if self.left is None else self.left

    def read(self, n):
        if self.left is not None:
            self.left -= n
        return np.full((n, self.channels), 0.25, np.float32), len(self.calls) == 0


class FakeOutput(FakeStream):
    gaps = ()  # writes before which it has had nothing to play

    def write(self, frames):
        self.written.append(frames)
        return len(self.written) in self.gaps
