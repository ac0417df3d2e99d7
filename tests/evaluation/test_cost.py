import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from arrayenh.errors import AudioError
from arrayenh.evaluation import cost
from arrayenh.evaluation.cost import ANSWER, measure, packed, timed, unpacked
from arrayenh.evaluation.systems.names import system
from arrayenh.evaluation.systems.system import Trial
from arrayenh.microphones.geometry import load_array

TRIAL = Trial(np.ones((2, 8), np.float32), 16_000, array=load_array("linear2-12mm"), azimuth=0.5)
READS = "from arrayenh.evaluation.cost import *; trial = unpacked(received(sys.stdin.buffer)); "


def test_a_trial_survives_the_pipe():
    again = unpacked(packed(TRIAL))
    assert_array_equal(again.mixture, TRIAL.mixture)
    assert_array_equal(again.array.positions, TRIAL.array.positions)
    assert (again.sample_rate, again.azimuth, again.target) == (16_000, 0.5, None)
    lines = timed([sys.executable, "-c", READS + "print(trial.azimuth)"], packed(TRIAL))
    assert lines == ["0.5"]


@pytest.mark.parametrize(
    "lines, words", [([], "it ended without a message"), (["x", "no memory"], "no memory$")]
)
def test_a_process_that_fails_is_a_problem_with_its_last_line(monkeypatch, lines, words):
    monkeypatch.setattr(cost, "timed", lambda *what: lines)
    with pytest.raises(AudioError, match=f"noisy could not be timed: {words}"):
        measure(system("noisy"), TRIAL)
    monkeypatch.setattr(cost, "timed", lambda *what: [
        ANSWER + '{"real_time_factor": 0.5, "peak_mb": 7}', "a warning at exit"])  # fmt: skip
    assert measure(system("noisy"), TRIAL).peak_mb == 7


def test_the_process_ends_with_the_input_that_a_killed_parent_closes():
    code = "from arrayenh.evaluation.cost import *; end_with_input()"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
    process.stdin.close()
    assert process.wait(60) == 1


def test_the_input_stays_open_while_the_process_works():
    code = READS + (
        "threading.Thread(target=end_with_input, daemon=True).start(); time.sleep(0.2); print(1)"
    )
    assert timed([sys.executable, "-c", code], packed(TRIAL)) == ["1"]
