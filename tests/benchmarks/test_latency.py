"""Latencies and speed: each system of the tables runs, and the measures are right."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from arrayenh.evaluation.systems.names import system
from arrayenh.evaluation.systems.system import Output
from benchmarks.latency import PEERS, SYSTEMS, at_rate, looked_ahead, material, words


@pytest.fixture(scope="module")
def trial():
    return material()


@pytest.mark.parametrize("name", SYSTEMS)
def test_each_system_of_the_table_runs(name, trial):
    short = replace(trial, mixture=np.ascontiguousarray(trial.mixture[:, :8000]))
    assert np.isfinite(system(name).run(short).samples).all()


class Ahead:
    """Output 100 samples early."""

    def run(self, trial):
        return Output(np.roll(trial.mixture[0], -100))


def test_what_an_output_looks_ahead_is_found(trial):
    assert looked_ahead(Ahead(), trial, [60_000]) == 100 / trial.sample_rate
    assert words(0.00625) == "6.2" and words(None) == "whole recording"


def test_peers_are_measured_at_their_own_rate(trial):
    fast = at_rate(trial, 48_000)
    assert fast.sample_rate == 48_000 and fast.mixture.shape == (4, 3 * trial.mixture.shape[1])
    assert_allclose(fast.mixture[:, ::3][:, 1000:-1000], trial.mixture[:, 1000:-1000], atol=0.02)
    assert all(system(name).kind == "peer" and system(name).latency() for name in PEERS)
