"""`arrayenh live` on real PortAudio devices: sinks without hardware of a PulseAudio server."""

import ctypes.util
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from arrayenh.audio import read
from arrayenh.audio.pcm import Encoding

ROOT = Path(__file__).parents[2]
RATE = 16_000
S16 = Encoding.named("s16le")
MISSING = [name for name in ("pulseaudio", "pactl", "pacat", "parec") if not shutil.which(name)]
if not ctypes.util.find_library("portaudio"):
    MISSING.append("PortAudio")
if not list(Path("/usr/lib").glob("*/alsa-lib/libasound_module_pcm_pulse.so")):
    MISSING.append("ALSA's pulse plugin")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
]
SINKS = (
    f"module-null-sink sink_name=array rate={RATE} channels=4",
    f"module-null-sink sink_name=speaker rate={RATE} channels=2",
)
ASOUND = """</usr/share/alsa/alsa.conf>
pcm.mics { type pulse device array.monitor hint { show on description "mics" } }
pcm.speaker { type pulse device speaker hint { show on description "speaker" } }
"""


class Server:
    """A PulseAudio server: sinks `array` and `speaker`; the monitor of `array` is `mics`."""

    def __init__(self, folder):
        pytest.importorskip("sounddevice")
        (folder / "asound.conf").write_text(ASOUND)
        self._processes = []
        self.environment = os.environ | {
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder),
            "PULSE_SERVER": f"unix:{folder}/socket",
            "ALSA_CONFIG_PATH": f"{folder}/asound.conf",
            "NUMBA_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        }
        modules = [
            f"module-native-protocol-unix socket={folder}/socket auth-anonymous=1",
            *SINKS,
        ]
        loaded = [part for module in modules for part in ("-L", module)]
        options = ["-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"]
        self.server = self.start("pulseaudio", *options, *loaded)
        self._wait()
        self.keep_awake()

    def keep_awake(self):
        """Play silence to both sinks: without a client they are 2 s late."""
        for sink in ("array", "speaker"):
            self.start("pacat", "--raw", "--latency-msec=10", f"--device={sink}", "/dev/zero")

    def pactl(self, *command):
        """Run a command of the server."""
        subprocess.run(["pactl", *command], env=self.environment, check=True, capture_output=True)

    def start(self, *command, **options):
        options = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL} | options
        process = subprocess.Popen(command, env=self.environment, **options)
        self._processes.append(process)
        return process

    def live(self, *arguments):
        """`arrayenh live` from `mics` to `speaker`, statistical, in a process of its own."""
        command = [sys.executable, "-m", "arrayenh", "live", "--in", "mics", "--out", "speaker"]
        command += ["--rate", str(RATE), "--mics", "4", "--masks", "spp", "--postfilter", "none"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return self.start(*command, *arguments, **pipes)

    def play(self, samples):
        """Play samples, (4, n), to the microphones."""
        path = Path(self.environment["HOME"]) / "played.raw"
        path.write_bytes(S16.encode(samples))
        form = ["--raw", "--format=s16le", f"--rate={RATE}", "--channels=4", "--latency-msec=20"]
        self.start("pacat", *form, "--device=array", path)

    def _wait(self):
        until = time.monotonic() + 20
        while subprocess.run(
            ["pactl", "info"], env=self.environment, capture_output=True
        ).returncode:
            assert time.monotonic() < until, "no PulseAudio server"
            time.sleep(0.1)

    def stop(self):
        for process in reversed(self._processes):
            if process.poll() is None:
                process.terminate()
            process.wait(10)
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()


@pytest.fixture
def server(tmp_path):
    found = Server(tmp_path)
    yield found
    found.stop()


class Listener(Thread):
    """Records one channel of a monitor, with the time at which each piece came."""

    def __init__(self, server, monitor):
        super().__init__(daemon=True)
        form = ["--raw", "--format=s16le", f"--rate={RATE}", "--channels=1", "--latency-msec=5"]
        self._process = server.start(
            "parec", *form, f"--device={monitor}", stdout=subprocess.PIPE, bufsize=0
        )
        self.pieces = []
        self.start()

    def run(self):
        while data := self._process.stdout.read(320):
            self.pieces.append((time.monotonic(), S16.decode(data[: len(data) // 2 * 2], 1)[0]))

    def onsets(self):
        """Times at which it became loud after it had been quiet."""
        times, quiet = [], 0.0
        for when, piece in self.pieces:
            if np.abs(piece).max(initial=0) < 0.1:
                quiet += piece.size / RATE
            else:
                if quiet > 0.4:
                    times.append(when)
                quiet = 0.0
        return np.array(times)


def bursts(seconds):
    """Loud bursts of 0.1 s in each second of soft noise, four microphones."""
    rng = np.random.default_rng(0)
    samples = 0.01 * rng.standard_normal((4, seconds * RATE))
    loud = np.arange(samples.shape[1]) % RATE < RATE // 10
    return samples + loud * 0.3 * rng.standard_normal(samples.shape[1])


def test_round_trip(server, tmp_path, capsys):
    before, after = Listener(server, "array.monitor"), Listener(server, "speaker.monitor")
    server.play(bursts(40))
    run = server.live("--strength", "0", "--seconds", "6", "--json", "--record", str(tmp_path))
    out, err = run.communicate(timeout=90)
    assert (run.returncode, err) == (0, "")
    found = json.loads(out)
    heard, played = (read(path).samples for path in found["recordings"])
    assert heard.shape[1] >= 6 * RATE and np.abs(heard).max() > 0.5
    late = round(found["chain_ms"] * RATE / 1000)  # strength 0: the reference, late
    alike = np.corrcoef(played[0, late + RATE :], heard[0, RATE:-late])[0, 1]
    assert alike > 0.999  # an offset is removed
    into, out_of = before.onsets(), after.onsets()
    assert out_of.size >= 3  # the bursts are heard at the loudspeaker
    delays = [min(gap[gap > 0]) for gap in (when - into for when in out_of) if (gap > 0).any()]
    round_trip_ms = 1000 * float(np.median(delays))
    stated_ms = found["chain_ms"] + found["block_ms"] + found["device_ms"]
    with capsys.disabled():
        print(f"\nround trip {round_trip_ms:.0f} ms, stated {stated_ms:.0f} ms")
    assert found["chain_ms"] < round_trip_ms + 20
    assert round_trip_ms < stated_ms + 400


def test_devices_are_listed(server):
    command = [sys.executable, "-m", "arrayenh", "devices", "--json"]
    run = subprocess.run(
        command, env=server.environment, capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 0
    assert {"mics", "speaker"} <= {one["name"] for one in json.loads(run.stdout)}


def test_a_server_that_dies_leaves_the_recording(server, tmp_path):
    server.play(bursts(40))
    run = server.live("--record", str(tmp_path))
    for line in run.stdout:  # a line each second
        if not line.startswith("0:00:00"):
            break
    server.server.kill()
    _, err = run.communicate(timeout=60)
    assert run.returncode == 2
    assert err.count("\n") == 1
    assert "is gone" in err or "no sound any more" in err
    recorded = sorted(tmp_path.glob("live-*.wav"))
    assert [read(path).n_mics for path in recorded] == [4, 1]
    assert not list(tmp_path.glob(".*.part"))


def test_devices_that_come_back_are_used_again(server):
    server.play(bursts(40))
    run = server.live("--seconds", "6")
    seen, changed = [], False
    for line in run.stdout:
        seen.append(line)
        if line.startswith("0:00:01") and not changed:
            changed = True
            server.pactl("unload-module", "module-null-sink")
            time.sleep(1)
            for sink in SINKS:
                server.pactl("load-module", *sink.split())
            server.keep_awake()
    run.wait(60)
    assert changed and run.returncode == 0
    assert any("is gone" in line or "no sound any more" in line for line in seen)
    assert any("the devices are back" in line for line in seen)
