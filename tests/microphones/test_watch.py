"""The watch over the microphones of a stream: what is left out, when, and until when."""

import numpy as np
import pytest

from arrayenh.microphones.watch import CLIPPED, MicrophoneWatch

RATES = [8000, 16_000, 44_100, 48_000]
RATE = 16_000


def noise(n_mics, seconds, rate=RATE, level=0.05):
    rng = np.random.default_rng(0)
    return (level * rng.standard_normal((n_mics, round(seconds * rate)))).astype(np.float32)


def used(samples, rate=RATE):
    """Microphones in use after each step of 10 ms, and the log."""
    watch = MicrophoneWatch(len(samples), rate)
    steps = [
        watch.judge(samples[:, start : start + watch.step])
        for start in range(0, samples.shape[1] - watch.step + 1, watch.step)
    ]
    return steps, watch.log


def seconds_out(steps, mic):
    """When a microphone was left out and used again, s: when the step ended that told it."""
    out = [0.01 * (k + 1) for k, rows in enumerate(steps) if mic not in rows]
    return (round(out[0], 2), round(out[-1] + 0.01, 2)) if out else None


@pytest.mark.parametrize("rate", RATES)
def test_good_microphones_are_all_used(rate):
    steps, log = used(noise(3, 1.0, rate), rate)
    assert set(steps) == {(0, 1, 2)} and log == []


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("value", [0.0, 0.3, -1.0])
def test_a_constant_is_dead_after_20_ms_and_back_after_100(rate, value):
    x = noise(3, 1.0, rate)
    x[1, round(0.3 * rate) : round(0.5 * rate)] = value
    steps, log = used(x, rate)
    assert seconds_out(steps, 1) == (0.32, 0.6)
    assert seconds_out(steps, 0) is seconds_out(steps, 2) is None
    assert log == [
        "0.3 s: microphone 1 is dead: left out",
        "0.6 s: microphone 1 is back",
    ]


@pytest.mark.parametrize(
    ("level_db", "dead"), [(-89.0, False), (-91.0, True)], ids=["above", "below"]
)
def test_a_microphone_below_90_dbfs_is_dead(level_db, dead):
    x = noise(3, 0.5, level=1e-3)
    x[2] = noise(1, 0.5, level=10 ** (level_db / 20))[0]
    assert (2 not in used(x)[0][-1]) == dead


@pytest.mark.parametrize(("below_db", "dead"), [(57.0, False), (63.0, True)])
def test_a_microphone_60_db_below_the_median_is_dead(below_db, dead):
    x = noise(4, 0.5, level=0.1)
    x[0] *= 10 ** (-below_db / 20)
    assert (0 not in used(x)[0][-1]) == dead


def test_a_level_is_judged_over_50_ms():
    """A microphone that fades away is out as soon as nothing louder is among the last 50 ms."""
    x = noise(3, 1.0)
    x[1, 4800:] *= 1e-5
    x[1, 9600:] = x[0, 9600:]
    assert seconds_out(used(x)[0], 1) == (0.35, 0.7)


def test_silence_is_no_fault():
    """Neither zeros nor noise below -90 dBFS, nor the same constant everywhere."""
    for silence in (0.0, 0.2, 1e-6):
        x = noise(3, 2.0)
        x[:, RATE // 2 : RATE] = silence * np.sign(x[:, RATE // 2 : RATE])
        x[:, RATE // 2 : RATE] += 0.0 if silence == 1e-6 else abs(silence)
        steps, log = used(x)
        assert set(steps) == {(0, 1, 2)} and log == []


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_sample_that_is_not_finite_is_told_at_once(value):
    x = noise(2, 1.0)
    x[0, 3200] = value
    steps, log = used(x)
    assert seconds_out(steps, 0) == (0.21, 0.31)
    assert log[0] == "0.2 s: microphone 0 has no finite samples: left out"


def clipped(seconds=(0.2, 0.5), share=0.1, limit=1.0):
    """Noise, of which a share lies in runs of four at the limit, for a while."""
    x = noise(3, 2.0)
    first, last = (round(when * RATE) for when in seconds)
    for start in range(first, last, round(4 / share)):
        x[0, start : start + 4] = limit
    return x


def test_clipping_is_left_out_for_half_a_second_more():
    steps, log = used(clipped())
    out, back = seconds_out(steps, 0)
    assert 0.2 < out <= 0.3
    # 5 % of each step are in flat tops: 2 % of the last 10 steps as long as 4 are of the clipped
    assert back == pytest.approx(0.56 + 0.5, abs=0.011)
    assert "microphone 0 is clipped: left out" in log[0] and "back" in log[1]


@pytest.mark.parametrize(("share", "out"), [(2.6, True), (1.4, False)])
def test_two_per_cent_in_flat_tops_are_clipping(share, out):
    """Of a run of four samples, two have equal neighbours on both sides."""
    found = used(clipped((0.0, 2.0), 2 * share * CLIPPED / 2))[0][-1]
    assert (0 not in found) == out


def test_quiet_flat_tops_and_equal_samples_below_the_peak_are_no_clipping():
    """A square wave at -26 dBFS; steps of 8 bits; a peak now and then."""
    quiet = clipped((0.0, 2.0), limit=0.05)
    coarse = np.round(noise(3, 2.0, level=0.02) * 127) / 127
    for x in (np.clip(quiet, -0.05, 0.05), coarse.astype(np.float32)):
        assert set(used(x)[0]) == {(0, 1, 2)}


def test_a_click_does_not_hide_clipping_for_good():
    x = clipped((0.5, 2.0))
    x[0, 1600] = 50.0
    assert 0 not in used(x)[0][-1]


def test_the_last_microphones_are_used_whatever_they_are():
    """If all are at fault nothing changes, until one is better."""
    x = clipped((0.0, 2.0))
    x[1:] = x[0]
    assert set(used(x)[0]) == {(0, 1, 2)}
    x[2, RATE:] = noise(1, 1.0)[0]
    assert used(x)[0][-1] == (2,)


def test_one_microphone_is_always_used():
    x = noise(1, 1.0)
    x[0, 3000:6000] = 0
    x[0, 8000] = np.nan
    assert set(used(x)[0]) == {(0,)}


def test_labels_name_the_channels_and_reset_forgets():
    watch = MicrophoneWatch(2, RATE, labels=[4, 7])
    x = noise(2, 0.5)
    x[1] = 0
    for _ in range(2):
        for start in range(0, x.shape[1], watch.step):
            watch.judge(x[:, start : start + watch.step])
        assert watch.used == (0,)
        assert watch.log == ["0.0 s: microphone 7 is dead: left out"]
        watch.reset()
        assert watch.used == (0, 1) and watch.log == []


def test_samples_are_left_as_they_are():
    x = noise(2, 0.02)
    x[0, 3] = np.nan
    before = x.copy()
    used(x)
    np.testing.assert_array_equal(x, before)
