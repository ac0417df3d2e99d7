"""The benchmark's engine: what is computed, remembered, and said when something fails."""

import json
import sys
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from arrayenh.cli.benchmark import as_dict, write_tables
from arrayenh.errors import TrialError
from arrayenh.evaluation import runner
from arrayenh.evaluation.cache import NOT_CODE, Cache, code_digest, system_key
from arrayenh.evaluation.cases.case import Case, CaseFacts
from arrayenh.evaluation.intervals import fraction_of_gain, mean_interval, paired_interval
from arrayenh.evaluation.results import Results, SceneFacts, SystemFacts
from arrayenh.evaluation.runner import Benchmark, results_of, run
from arrayenh.evaluation.scoring import Score
from arrayenh.evaluation.systems.system import Cost, Output, Trial
from arrayenh.evaluation.tables import csv_text, markdown
from arrayenh.hearing import load_audiogram

FS = 16000
RUNS: list[tuple[str, int]] = []


@dataclass(frozen=True)
class Gain:
    """Scales the noise of microphone 0; linear."""

    factor: float
    name: str = "gain"
    kind: str = "own"
    describe: str = "less noise"

    def definition(self):
        return {"factor": self.factor}

    def latency(self):
        return 0.0

    def run(self, trial):
        RUNS.append((self.name, int(trial.mixture[0, 0] * 0 + trial.sample_rate)))
        speech, noise = trial.target[0], self.factor * trial.rest[0]
        return Output(speech + noise, speech, noise)


class Refusing(Gain):
    """Cannot work on anything."""

    def run(self, trial):
        raise TrialError("there is no array")


@dataclass(frozen=True)
class Tones:
    """Cases of noisy tones."""

    n: int = 3
    conditions: dict = field(default_factory=dict)

    def __len__(self):
        return self.n

    def identity(self):
        return {"tones": str(self.n)}

    def facts(self, index):
        return CaseFacts(f"tone {index}", f"key{index}", 1.0, {"pitch": f"{index} Hz"})

    def case(self, index):
        t = np.arange(FS) / FS
        speech = np.sin(2 * np.pi * (300 + 100 * index) * t).astype(np.float32)
        noise = np.random.default_rng(index).standard_normal(FS).astype(np.float32)
        trial = Trial((speech + noise)[None], FS, speech[None])
        return Case(trial, trial.target[0])


@pytest.fixture
def todo(tmp_path):
    RUNS.clear()
    systems = (Gain(1.0, "noisy"), Gain(0.1, "better"))
    return Benchmark(Tones(), systems, ("snr", "si_sdr"), Cache(tmp_path))


def test_scores_are_those_of_the_outputs(todo):
    facts, values, reasons = run(todo)
    assert [one.name for one in facts] == ["tone 0", "tone 1", "tone 2"] and not reasons
    # ten times less noise is 20 dB, exactly so by shadow filtering
    assert_allclose(values[:, 1, 0] - values[:, 0, 0], 20.0, atol=1e-4)
    assert values.shape == (3, 2, 2)


def test_what_is_known_is_not_computed_again(todo):
    first = run(todo)[1]
    assert len(RUNS) == 6
    again = run(todo)[1]
    assert len(RUNS) == 6
    np.testing.assert_array_equal(first, again)


def test_a_new_system_or_score_computes_only_itself(todo, tmp_path):
    run(todo)
    more = Benchmark(todo.source, (*todo.systems, Gain(0.5, "half")), todo.metrics, todo.cache)
    RUNS.clear()
    run(more)
    assert [name for name, _ in RUNS] == ["half"] * 3
    RUNS.clear()
    scored = Benchmark(todo.source, todo.systems, ("snr", "seg_snr"), todo.cache)
    _, values, _ = run(scored)
    assert len(RUNS) == 6 and np.isfinite(values).all()
    record = json.loads((tmp_path / "key0" / f"{system_key(Gain(1.0, 'noisy'))}.json").read_text())
    assert set(record["scores"]) == {"snr", "si_sdr", "seg_snr"} and record["case"] == "tone 0"


def test_each_listener_has_scores_of_its_own(todo, monkeypatch):
    """The score is the loss at 1 kHz, which `scores_of` is given with the signals."""

    def loss(signals, names):
        at = 0.0 if signals.audiogram is None else signals.audiogram.at([1000])[0, 0]
        return dict.fromkeys(names, Score(at))

    monkeypatch.setattr(runner, "scores_of", loss)
    plain = replace(todo, metrics=("haspi",))
    for audiogram, expected in ((None, 0), ("N3", 40), ("N6", 85), (None, 0), ("N3", 40)):
        listener = audiogram and load_audiogram(audiogram)
        assert (run(replace(plain, audiogram=listener))[1] == expected).all()
    assert len(RUNS) == 3 * 6  # the last two are known


def test_other_settings_are_another_system(todo):
    assert system_key(Gain(0.1)) != system_key(Gain(0.2))
    assert system_key(Gain(0.1)) == system_key(Gain(0.1))
    assert system_key(Gain(0.1, "a")) != system_key(Gain(0.1, "b"))
    assert len(code_digest()) == 64
    assert all((files("arrayenh") / name).exists() for name in NOT_CODE)


def test_a_damaged_record_is_computed_again(todo, tmp_path):
    before = run(todo)[1]
    for path in tmp_path.glob("key1/*.json"):
        path.write_text(path.read_text()[:20])
    RUNS.clear()
    np.testing.assert_array_equal(run(todo)[1], before)
    assert len(RUNS) == 2


def test_a_system_that_cannot_does_not_stop_the_others(todo):
    systems = (*todo.systems, Refusing(1.0, "refusing"))
    _, values, reasons = run(Benchmark(todo.source, systems, todo.metrics, todo.cache))
    assert np.isnan(values[:, 2]).all() and np.isfinite(values[:, :2]).all()
    assert set(reasons.values()) == {"there is no array"} and len(reasons) == 6


def test_a_missing_package_is_asked_for_again(tmp_path, monkeypatch):
    from arrayenh.evaluation.metrics import pesq as perceptual

    todo = Benchmark(Tones(1), (Gain(1.0, "noisy"),), ("pesq_wb",), Cache(tmp_path))
    with monkeypatch.context() as patch:
        patch.setitem(__import__("sys").modules, "pesq", None)
        _, values, reasons = run(todo)
        assert np.isnan(values).all() and "pip install" in next(iter(reasons.values()))
    pytest.importorskip("pesq")
    _, values, reasons = run(todo)
    assert perceptual and "pip install" not in "".join(reasons.values())


def test_infinite_and_missing_scores_survive_the_cache(tmp_path):
    todo = Benchmark(Tones(1), (Gain(0.0, "clean"),), ("snr", "seg_snr"), Cache(tmp_path))
    first, again = run(todo)[1], run(todo)[1]
    assert first[0, 0, 0] == np.inf == again[0, 0, 0]


def test_an_interval_covers_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(1)
    hits = 0
    for k in range(200):
        found = mean_interval(rng.normal(3.0, 2.0, 40), seed=k)
        hits += found.low <= 3.0 <= found.high
    assert 0.88 <= hits / 200 <= 0.99


def test_an_interval_is_two_standard_errors_either_side_of_the_mean():
    """1.96 s/√n, as the normal has 95 % within; a percentile of 2000 is sure to 3 %, of 40 of
    them to half a percent."""
    values = np.random.default_rng(2).normal(3.0, 2.0, 400)
    found = [mean_interval(values, seed) for seed in range(40)]
    widths = np.array([(one.high - one.mean, one.mean - one.low) for one in found])
    assert_allclose(widths.mean(axis=0), 1.96 * values.std() / 20, rtol=0.03)


def test_a_paired_interval_is_that_of_the_differences():
    values = np.array([1.0, 5.0, 9.0, np.nan])
    found = paired_interval(values + 2.0, values)
    assert (found.mean, found.low, found.high, found.n) == (2.0, 2.0, 2.0, 3)
    assert found.excludes_zero and not paired_interval(values, values).excludes_zero
    empty = mean_interval(np.array([np.nan]))
    assert np.isnan(empty.mean) and empty.n == 0


def test_the_fraction_of_the_oracle_gain():
    noisy, oracle = np.array([0.0, 2.0]), np.array([10.0, 12.0])
    assert fraction_of_gain(noisy, noisy, oracle) == 0.0
    assert fraction_of_gain(oracle, noisy, oracle) == 1.0
    assert fraction_of_gain(noisy + 2.5, noisy, oracle) == 0.25
    assert fraction_of_gain(np.array([np.nan, 7.0]), noisy, oracle) == 0.5
    assert np.isnan(fraction_of_gain(noisy, noisy, noisy))


def results(values=None) -> Results:
    values = np.arange(8.0).reshape(2, 2, 2) if values is None else values
    scenes = [
        SceneFacts("one", 2.0, {"input SNR": "-5 dB"}),
        SceneFacts("two", 3.0, {"input SNR": "0 dB"}),
    ]
    systems = [
        SystemFacts("noisy", "own", "", Cost(0.0, 100.0, 0.0)),
        SystemFacts("mvdr", "own", "", Cost(0.01, 200.0, float("inf"))),
    ]
    return Results("Title", scenes, systems, ("si_sdr", "stoi"), values, {}, "noisy", "mvdr")


def test_the_tables_say_what_was_found():
    text = markdown(results())
    assert "| `noisy` | 2.00 ± 2.00 | 3.000 ± 2.000 | 0.00 | 0.00 | 0.0000 | 100 | 0 |" in text
    assert "| `mvdr` | 4.00 ± 2.00 | 5.000 ± 2.000 | 1.00 | 1.00 | 0.0100 | 200 | whole" in text
    assert "| `mvdr` | **+2.00 ± 0.00** | **+2.000 ± 0.000** |" in text
    assert "| system | -5 dB (1) | 0 dB (1) |" in text


def test_a_mean_that_json_cannot_hold_has_a_reason():
    values = np.array([[[np.inf, np.nan], [1, 2]], [[3, np.nan], [4, 5]]])
    found = replace(results(values), reasons={(1, 0, 1): "too short"})
    noisy = as_dict(found, Path("out"), 1.0)["systems"]["noisy"]
    assert noisy["si_sdr"]["reason"] == "+infinity: no difference from the reference"
    assert noisy["stoi"]["reason"] == "too short"
    assert "reason" not in as_dict(found, Path("out"), 1.0)["systems"]["mvdr"]["si_sdr"]


def test_conditions_are_in_the_order_of_their_numbers():
    found = results()
    assert found.conditions() == {"input SNR": ["-5 dB", "0 dB"]}
    np.testing.assert_array_equal(found.where("input SNR", "0 dB"), [False, True])


def test_missing_scores_have_their_reason_once():
    values = np.arange(8.0).reshape(2, 2, 2)
    values[:, 1, 1] = np.nan
    found = results(values)
    reasons = {(0, 1, 1): "too short", (1, 1, 1): "too short"}
    found = Results(
        *[getattr(found, name) for name in ("title", "scenes", "systems", "metrics")],
        values,
        reasons,
    )
    assert markdown(found).count("too short") == 1
    lines = csv_text(found).splitlines()
    assert lines[0] == "case,seconds,system,kind,metric,value,reason,input SNR"
    assert "one,2.0,mvdr,own,stoi,,too short,-5 dB" in lines and len(lines) == 9


def test_parquet_holds_the_same_rows(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="Parquet needs the package pyarrow")
    from arrayenh.evaluation.tables import parquet_bytes

    (tmp_path / "x.parquet").write_bytes(parquet_bytes(results()))
    rows = parquet.read_table(tmp_path / "x.parquet").to_pylist()
    assert len(rows) == 8 and rows[3]["value"] == 3.0 and rows[3]["metric"] == "stoi"


def test_without_pyarrow_the_other_tables_are_written_and_one_line_says_why(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    write_tables(results(), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results.csv", "results.md"]
    assert "pip install pyarrow" in capsys.readouterr().err.replace("\n", " ")


def test_a_benchmark_becomes_results(todo):
    todo.cache.keep_cost(system_key(todo.systems[1]), Cost(0.02, 300.0, float("inf")))
    found = results_of("T", todo, run(todo), "noisy", "no such", {"Command": "x"})
    assert found.oracle is None and found.baseline == "noisy"
    assert found.systems[1].cost == Cost(0.02, 300.0, float("inf"))
    assert found.systems[0].cost is None
