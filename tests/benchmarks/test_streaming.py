"""Measurements of streams: each runs, and measures what it says."""

import time
from types import SimpleNamespace

import numpy as np
import pytest

from arrayenh.errors import MissingExtraError
from arrayenh.evaluation.systems.system import Output, Trial
from benchmarks import streaming
from benchmarks.streaming import (
    BLOCK_SECONDS,
    PEERS,
    Profile,
    block_times,
    blocks,
    growth_mb,
    impulse_latency,
    material,
    peer_row,
    peer_trial,
    runs,
    shift,
)

SMALL = Profile("low-latency", 2, 0.15, {"masks": "spp", "postfilter": "none"})


def test_blocks_repeat_what_is_held():
    samples = np.arange(400)[None]
    found = np.concatenate(list(blocks(samples, 0.04)), axis=1)
    assert found.shape == (1, 640)
    assert found[0].tolist() == [*range(320), *range(320)]


def test_each_block_is_timed():
    times = block_times(SMALL, 0.1)
    assert times.shape == (round(0.1 / BLOCK_SECONDS),) and (times > 0).all()


def test_memory_is_that_of_the_stream():
    assert abs(growth_mb(SMALL, 0.5)) < 50


def test_an_impulse_finds_the_latency():
    assert impulse_latency("hearing-aid", 48_000) == (381, 381)


@pytest.mark.parametrize("lag", [-40, 0, 123])
def test_a_shift_is_found(lag):
    samples = material(1)[0, :16_000]
    assert shift(samples, np.roll(samples, lag)) == lag


@pytest.mark.parametrize("peer", PEERS)
def test_each_peer_runs(peer):
    if not runs(peer):
        pytest.skip(f"{peer} is not installed")
    row = peer_row(peer, peer_trial(1.0), 0.1, 0.5)
    _, name, *numbers, left, _ = (cell.strip() for cell in row.split("|"))
    assert name == f"`{peer}`" and numbers[:2] == ["0.1000", "0.50"]
    assert 0 < float(numbers[2]) < 50 and abs(float(left)) < 2


class Busy:
    """A system that computes for a given time, and states a latency of 40 ms."""

    def __init__(self, seconds):
        self.seconds = seconds

    def run(self, trial):
        end = time.process_time() + self.seconds
        while time.process_time() < end:
            pass
        return Output(trial.mixture[0])

    def latency(self):
        return 0.04


def test_factors_are_cpu_seconds_per_second_of_audio(monkeypatch):
    monkeypatch.setattr(streaming, "system", lambda name: Busy(float(name)))
    trial = Trial(np.zeros((1, 4000), np.float32), 16_000)
    factors = streaming.real_time_factors(["0.02", "0.005"], trial)
    assert factors["0.02"] == pytest.approx(0.08, rel=0.2)
    assert factors["0.005"] == pytest.approx(0.02, rel=0.2)


def test_peers_are_compared_with_our_chain(monkeypatch):
    monkeypatch.setattr(streaming, "PEERS", ("deepfilternet3", "speex-ns"))
    monkeypatch.setattr(streaming, "runs", lambda name: name != "speex-ns")
    monkeypatch.setattr(streaming, "system", lambda name: Busy(0.04 if "deep" in name else 0.02))
    monkeypatch.setattr(streaming, "PEER_RUNS", 1)
    ours, peer = (row.split(" | ") for row in streaming.peer_table(0.5).splitlines()[-2:])
    assert ours[0] == f"| `{streaming.OURS}`" and ours[2] == "1.00"
    assert peer[0] == "| `deepfilternet3`" and peer[3:] == ["40.0", "+0.00 |"]
    assert float(peer[2]) == pytest.approx(2, rel=0.2)


def test_a_missing_package_is_left_out(monkeypatch):
    def lacks(trial):
        raise MissingExtraError("speex-ns needs the package speexdsp-ns")

    monkeypatch.setattr(streaming, "system", lambda name: SimpleNamespace(run=lacks))
    assert not streaming.runs("speex-ns")
    monkeypatch.undo()
    assert streaming.runs("noisy")
