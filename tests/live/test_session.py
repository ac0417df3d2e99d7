"""Live sessions with devices made of arrays."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh.audio import read
from arrayenh.chain.profile import resolve
from arrayenh.errors import AudioError, DeviceLostError
from arrayenh.live import session as session_module
from arrayenh.live.inputs import inputs_of, open_stream
from arrayenh.live.meters import Meters
from arrayenh.live.session import Session
from arrayenh.live.timing import Timing

RATE, BLOCK = 16_000, 160
QUICK = {"online": True, "masks": "spp", "postfilter": "none"}


class Devices:
    """An input that plays an array, and an output that keeps what it gets."""

    overruns = underruns = 1
    latency_ms = 20.0

    def __init__(self, sound, before=lambda k: None):
        self._sound, self.before, self.k = sound, before, 0
        self.played, self.closed = [], False

    def read(self):
        self.before(self.k)
        place = self.k * BLOCK % self._sound.shape[1]
        self.k += 1
        return self._sound[:, place : place + BLOCK]

    def write(self, samples):
        self.played.append(samples)

    def close(self):
        self.closed = True


@pytest.fixture(scope="module")
def sound():
    """Five channels of an input device, 0.8 s; the second is no microphone."""
    return (0.1 * np.random.default_rng(0).standard_normal((5, 12_800))).astype(np.float32)


@pytest.fixture
def live(sound, tmp_path):
    """A session of channels 0, 2, 3 and the devices that it opens, one after the other."""
    settings = resolve(None, QUICK | {"reference": 2})
    inputs = inputs_of("the array", 5, RATE, None, (2, 0, 3))
    stream, inputs, _ = open_stream(settings, None, inputs)
    opened = []

    def open_devices():
        if not opened:
            raise AudioError("the array is not there")
        return opened.pop(0)

    session = Session(stream, inputs, "headphones", open_devices, tmp_path, BLOCK)
    return session, opened


def test_what_is_played_is_the_chain_of_the_chosen_channels(live, sound):
    session, opened = live
    opened.append(devices := Devices(sound))
    session.run(0.8)
    settings = resolve(None, QUICK)
    stream, *_ = open_stream(settings, None, inputs_of("", 3, RATE))
    expected = stream.push(sound[[2, 0, 3]])["enhanced"]
    assert_array_equal(np.concatenate(devices.played, axis=1), expected)
    assert devices.closed and session.failure is None
    state = session.state()
    assert state.seconds == pytest.approx(0.8)
    assert state.channels == (2, 0, 3)
    assert (state.overruns, state.underruns) == (1, 1)
    assert state.chain_ms == stream.latency_ms
    assert state.block_ms == 10


def test_bypass_plays_the_reference_microphone(live, sound):
    session, opened = live
    opened.append(devices := Devices(sound))
    session.bypass = True
    session.run(0.8)
    stream, *_ = open_stream(resolve(None, QUICK), None, inputs_of("", 3, RATE))
    reference = stream.push(sound[[2, 0, 3]])["reference"]
    played = np.concatenate(devices.played, axis=1)
    settled = 2 * BLOCK  # the blend takes 10 ms
    assert_array_equal(played[:, settled:], reference[:, settled:])
    late = stream.latency_samples
    assert_allclose(played[0, late + settled :], sound[2, settled:-late], atol=0.02)
    assert session.state().bypass


def test_recordings_start_and_end_while_it_runs(live, sound, tmp_path):
    session, opened = live

    def before(k):
        session.record(10 <= k < 30 or k >= 50)

    opened.append(devices := Devices(sound, before))
    session.run(0.8)
    assert len(session.saved) == 4 and sorted(tmp_path.iterdir()) == sorted(session.saved)
    heard, played = (read(path).samples for path in session.saved[:2])
    part = slice(10 * BLOCK, 30 * BLOCK)
    assert_allclose(heard, sound[[2, 0, 3], part], atol=2**-23)
    assert_allclose(played, np.concatenate(devices.played, axis=1)[:, part], atol=2**-23)
    assert read(session.saved[2]).n_samples == 30 * BLOCK


def lost(k):
    if k == 20:
        raise DeviceLostError("the array is gone")


def test_a_device_that_comes_back_is_used_again(live, sound, monkeypatch):
    monkeypatch.setattr(session_module, "RETRY_SECONDS", 0.01)
    session, opened = live
    session.record(True)
    opened += [first := Devices(sound, lost), second := Devices(sound)]
    session.run(0.4)
    assert first.closed and len(first.played) == len(second.played) == 20
    assert session.failure is None
    assert session.log[0] == "0.2 s: the array is gone"
    assert session.log[1] == "0.2 s: the devices are back"
    assert read(session.saved[0]).n_samples == 40 * BLOCK  # one recording
    assert session.state().overruns == 2


def test_a_device_that_stays_away_ends_the_session_with_its_recording(live, sound, monkeypatch):
    monkeypatch.setattr(session_module, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(session_module, "REOPEN_SECONDS", 0.05)
    session, opened = live
    session.record(True)
    opened.append(Devices(sound, lost))
    session.run()
    assert str(session.failure) == "the array is gone"
    assert read(session.saved[0]).n_samples == 20 * BLOCK


def test_a_recording_that_cannot_be_written_is_an_error_at_the_end(live, sound, tmp_path):
    session, opened = live

    def before(k):
        if k == 5:
            for path in session.state().recording:
                path.write_bytes(b"another program's")

    opened.append(Devices(sound, before))
    session.record(True)
    session.run(0.2)
    assert "exists" in str(session.failure)


def test_faults_of_the_microphones_are_in_the_state(live, sound):
    session, opened = live
    dead = sound.copy()
    dead[0] = 0
    opened.append(Devices(dead))
    session.run(0.3)
    assert session.state().faults == (None, "dead", None)
    assert "microphone 0 is dead" in session.log[0]  # its channel


def test_meters_of_a_sine():
    meters = Meters(2, RATE)
    sine = 0.5 * np.sin(2 * np.pi * 500 * np.arange(RATE) / RATE)
    for block in np.split(np.stack([sine, 0 * sine]), 100, axis=1):
        meters.update(block)
    level, silence = meters.levels_db
    # 1 - exp(-1 s / 0.2 s) of the power of a sine, 0.125
    assert level == pytest.approx(10 * np.log10(0.125 * (1 - np.exp(-5))), abs=0.02)
    assert silence == -120
    assert meters.peaks_db[0] == pytest.approx(20 * np.log10(0.5), abs=0.1)
    for _ in range(150):
        meters.update(np.zeros((2, BLOCK)))
    assert meters.peaks_db[0] == pytest.approx(20 * np.log10(0.5) - 20, abs=0.2)
    meters.update(np.full((2, BLOCK), np.nan))
    assert np.isfinite(meters.levels_db).all()


def test_timing():
    timing = Timing(RATE)
    assert timing.real_time_factor == 0
    for elapsed in (0.001, 0.004, 0.001, 0.002):
        timing.took(BLOCK, elapsed)
    assert timing.seconds == pytest.approx(0.04)
    assert timing.real_time_factor == pytest.approx(0.2)
    assert timing.worst_seconds == 0.004
    for _ in range(1000):
        timing.took(BLOCK, 0.005)
    assert timing.load == pytest.approx(0.5, abs=1e-3)
