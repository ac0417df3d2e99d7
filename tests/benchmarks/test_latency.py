"""Latencies: each system of the table runs, and the measure is right."""

from dataclasses import replace

import numpy as np
import pytest

from arrayenh.evaluation.systems.names import system
from arrayenh.evaluation.systems.system import Output
from benchmarks.latency import SYSTEMS, looked_ahead, material, words


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
