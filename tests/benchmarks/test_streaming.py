"""Speed of streaming systems: factors and ratios of the table."""

import time

import numpy as np
import pytest

from arrayenh.evaluation.systems.system import Output, Trial
from benchmarks import streaming


class Busy:
    """A system that computes for a given time."""

    def __init__(self, seconds):
        self.seconds = seconds

    def run(self, trial):
        end = time.process_time() + self.seconds
        while time.process_time() < end:
            pass
        return Output(trial.mixture[0])


def test_factors_are_cpu_seconds_per_second_of_audio(monkeypatch):
    monkeypatch.setattr(streaming, "system", lambda name: Busy(float(name)))
    trial = Trial(np.zeros((1, 4000), np.float32), 16_000)
    factors = streaming.real_time_factors(["0.02", "0.005"], trial, 2)
    assert factors["0.02"] == pytest.approx(0.08, rel=0.2)
    assert factors["0.005"] == pytest.approx(0.02, rel=0.2)


def test_ratios_are_to_our_chain():
    rows = streaming.table({streaming.OURS: 0.05, "deepfilternet3": 0.1}).splitlines()
    assert rows[-1] == "| `deepfilternet3` | 40.0 | 0.1000 | 2.00 |"
