"""Scores over a ladder of SNR, as a picture."""

from dataclasses import replace

import numpy as np
import pytest

from arrayenh.cli.figures.ladder import ladder, plot_ladder
from arrayenh.evaluation.results import Results, SceneFacts, SystemFacts

STEPS = ("10 dB", "-5 dB", "0 dB")


@pytest.fixture
def results():
    rng = np.random.default_rng(0)
    scenes = [SceneFacts(f"{k}", 1.0, {"input SNR": STEPS[k % 3]}) for k in range(9)]
    systems = [SystemFacts(name, "own", "") for name in ("noisy", "a_system_$of$_ours")]
    values = rng.normal(size=(9, 2, 2))
    return Results("A <ladder> of $SNR$", scenes, systems, ("si_sdr", "stoi"), values)


def test_the_steps_are_in_order(results):
    assert ladder(results) == ["-5 dB", "0 dB", "10 dB"]
    assert ladder(replace(results, scenes=[SceneFacts("x", 1.0)] * 9)) is None


def test_a_picture_of_every_headline_score(results):
    pytest.importorskip("matplotlib", reason="figures need matplotlib")
    content = plot_ladder(results)
    assert content[:8] == b"\x89PNG\r\n\x1a\n" and len(content) > 20_000


def test_missing_and_infinite_scores_leave_gaps(results):
    pytest.importorskip("matplotlib", reason="figures need matplotlib")
    values = results.values.copy()
    values[:, 0, 0], values[0, 1, 0] = np.nan, np.inf
    assert plot_ladder(replace(results, values=values))[:4] == b"\x89PNG"
