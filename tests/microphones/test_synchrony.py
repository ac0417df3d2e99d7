"""Clocks of recorders, and channels that do not belong to one array."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from arrayenh.audio import Recording
from arrayenh.audio.clocks import Clock
from arrayenh.chain.capture import Capture, survey
from arrayenh.chain.enhancer import Enhancer
from arrayenh.chain.separation import SeparationConfig, separate
from arrayenh.chain.settings import Settings
from arrayenh.chain.synchronised import Synchronised, find_clocks
from arrayenh.errors import AudioError, ConfigError
from arrayenh.evaluation.scoring import si_sdr
from arrayenh.scenes.imperfections import drifting
from arrayenh.scenes.packaged import load_clip
from tests.settings import statistical
from tests.signals import RATE, band_limited, delayed, diffuse_noise

N = 20 * RATE


def spoken(turns):
    """Talkers in turn in a diffuse field at four microphones half a metre apart, 20 s."""
    sound = 0.02 * diffuse_noise(np.random.default_rng(3), 0.5 * np.eye(4, 3), N, n_waves=24)
    voices = {name: np.resize(load_clip(name)[0], N) for name in ("female", "male")}
    for k, (name, delays) in enumerate(turns):
        mine = np.arange(N) * len(turns) // N == k
        sound += delayed(voices[name] * mine, delays)
    return sound.astype(np.float32)


@pytest.fixture(scope="module")
def room():
    """One talker."""
    return spoken([("female", [0, 1.2e-3, -0.7e-3, 0.4e-3])])


@pytest.fixture(scope="module")
def talk():
    """Two talkers in turn, at different places."""
    one, two = ("female", [0, 1.2e-3, -0.7e-3, 0.4e-3]), ("male", [0, -1e-3, 0.9e-3, -0.6e-3])
    return spoken([one, two, one, two])


def recorded(sound, clocks):
    """The sound as recorders with these clocks record it."""
    rows = []
    for row, clock in zip(sound, clocks, strict=True):
        lead = round(clock.start * RATE)
        late = np.concatenate([np.zeros(max(lead, 0)), row[max(-lead, 0) :]])
        # the start is a time of its own clock, the rate is that from there on
        rows.append(drifting(late, clock.ppm) if clock.ppm else late)
    return np.stack([np.pad(row, (0, max(N - len(row), 0)))[:N] for row in rows])


CLOCKS = [Clock(), Clock(-0.3, 60.0), Clock(0.3, -150.0), Clock(-0.9, 300.0)]


def test_clocks_are_found_within_three_ppm_whoever_talks(talk):
    found = find_clocks(Recording(recorded(talk, CLOCKS), RATE), 0)
    assert found[0] == Clock()
    for clock, truth in zip(found[1:], CLOCKS[1:], strict=True):
        assert abs(clock.ppm - truth.ppm) < 3.0
        assert abs(clock.start - truth.start) < 2e-3  # travel times included


def test_in_step_stays_as_it_is(room):
    source = Synchronised(Recording(room, RATE))
    assert source.clocks == (Clock(),) * 4
    assert source.log == ["all channels are in step already"]


def test_another_reference_gives_the_time(room):
    found = find_clocks(Recording(recorded(room, CLOCKS), RATE), 2)
    assert found[2] == Clock() and abs(found[0].ppm - 150) < 3


def test_recordings_of_different_sounds_are_refused():
    rng = np.random.default_rng(0)
    noise = Recording(rng.standard_normal((2, 5 * RATE)), RATE)
    with pytest.raises(AudioError, match="channel 1 shares no sound with channel 0"):
        find_clocks(noise, 0)
    with pytest.raises(AudioError, match="too short"):
        find_clocks(Recording(np.ones((2, RATE)), RATE), 0)


def faults(samples):
    return [report.faults for report in survey(Recording(samples, RATE))]


def test_an_array_is_in_step(room):
    assert faults(room) == [()] * 4


def test_separate_devices_are_named_and_kept(room):
    found = faults(recorded(room, CLOCKS))
    for fault, ahead in zip(found[1:], (300, -300, 900), strict=True):
        words = "ahead of" if ahead > 0 else "behind"
        assert len(fault) == 1 and f" ms {words} channel 0" in fault[0]
        assert abs(int(fault[0].split()[0]) - abs(ahead)) <= 6
    capture = Capture(Recording(recorded(room, CLOCKS), RATE))
    assert capture.n_mics == 4 and "(--sync) aligns it" in capture.log[0]


def test_a_clock_of_its_own_is_named(room):
    clocks = [Clock(), Clock(0, 100.0), Clock(), Clock(0, -60.0)]
    found = faults(recorded(room, clocks))
    assert found[0] == found[2] == ()
    assert found[1][0].endswith("ppm fast") and abs(int(found[1][0].split()[0]) - 100) < 12
    assert found[3][0].endswith("ppm slow") and abs(int(found[3][0].split()[0]) - 60) < 12


def test_a_processed_channel_is_left_out(room):
    """A dump of a board: the output of its own beamformer, 20 ms late, beside the raw channels."""
    processed = np.zeros(N, np.float32)
    processed[320:] = np.diff(room.mean(axis=0), prepend=0)[:-320]  # late and equalised
    playback = 0.1 * band_limited(np.random.default_rng(1), N)
    dump = np.stack([processed, *room, playback])
    found = faults(dump)
    assert found[0] == ("20 ms behind the others",)
    assert found[1:] == [()] * 5
    capture = Capture(Recording(dump, RATE))
    assert capture.channels == (1, 2, 3, 4, 5) and capture.reference == 0
    assert "microphone 0 is 20 ms behind the others" in capture.log[0]
    assert "left out" in capture.log[0]


def test_a_talker_who_walks_is_no_clock(room):
    """The lag moves once by 1 ms instead of steadily."""
    moved = room.copy()
    step = round(1e-3 * RATE)
    moved[1, N // 3 :] = np.roll(room[1], step)[N // 3 :]
    assert faults(moved) == [()] * 4


def test_talkers_are_separated_from_recorders_in_step_only(talk):
    mixed = talk + 0.7 * np.roll(talk, 7 * RATE, axis=1)  # both at once
    config = SeparationConfig(method="auxiva", iterations=10, n_fft=1024, hop=256, sync=True)
    clocks = [Clock(), Clock(-0.3, 60.0), Clock(0.3, -150.0), Clock(-0.9, 300.0)]
    separated = separate(Recording(recorded(mixed, clocks), RATE), config)
    assert [line.split()[1] for line in separated.log if "aligned" in line] == ["1", "2", "3"]


def test_clocks_are_not_compared_online():
    with pytest.raises(ConfigError, match="sync is not online"):
        Settings(sync=True, online=True)


def test_shadows_are_aligned_as_the_recording_is(room):
    enhancer = Enhancer(statistical(sync=True, postfilter="none"))
    mixture = recorded(room, CLOCKS).astype(np.float32)
    half = 0.5 * mixture
    enhanced = enhancer.enhance(Recording(mixture, RATE), {"one": half, "other": mixture - half})
    total = enhanced.shadows["one"] + enhanced.shadows["other"]
    assert_allclose(total, enhanced.samples, atol=1e-5 * np.abs(enhanced.samples).max())


def test_recorders_out_of_step_are_as_good_as_in_step(room):
    """Within 1 dB; without --sync the beamformer loses most of its gain."""
    noisy = room + 0.05 * diffuse_noise(np.random.default_rng(8), 0.5 * np.eye(4, 3), N, 24)
    all_run = slice(round(1.5 * RATE), 18 * RATE)
    target = room[0, all_run]

    def score(samples, sync=False):
        enhancer = Enhancer(statistical(sync=sync, postfilter="none"))
        output = enhancer.enhance(Recording(samples, RATE)).samples
        return si_sdr(target, output[all_run], RATE)

    apart = recorded(noisy, CLOCKS).astype(np.float32)
    in_step = score(noisy.astype(np.float32))
    assert score(apart, sync=True) > in_step - 1
    assert score(apart) < in_step - 2
