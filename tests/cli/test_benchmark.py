"""The command `arrayenh benchmark`: what it makes, refuses, and survives."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from arrayenh.audio import write
from arrayenh.cli.main import run

SUITE = """
describe = "Small rooms"
scenes = 3
systems = ["noisy", "mvdr[masks=spp]", "oracle-mask-mvdr+irm"]
metrics = ["si_sdr", "stoi"]
oracle = "oracle-mask-mvdr+irm"
[[turns]]
each = [{snr_db = 0.0}, {snr_db = 10.0}]
[scene]
seconds = 2.0
lead_in = 0.2
tail = 0.1
snr_db = 0.0
[scene.room]
size = [4, 3, 2.5]
rt60 = {uniform = [0.12, 0.2]}
[scene.array]
name = "linear2-12mm"
[[scene.talkers]]
azimuth_deg = {uniform = [-90, 90]}
distance = 0.8
height = 1.0
[[scene.noises]]
kind = "diffuse"
"""
FAST = ("--no-costs", "--no-report")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A working directory with a small suite."""
    (tmp_path / "small.toml").write_text(SUITE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def benchmark(*arguments: str) -> int:
    return run(["benchmark", *arguments])


def rows(folder: str) -> list[dict[str, str]]:
    with open(Path(folder) / "results.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def records(folder: str) -> dict[str, int]:
    """When each cached record was written."""
    return {str(p): p.stat().st_mtime_ns for p in Path(folder, "cache").rglob("*.json")}


def test_tables_and_report_are_written(capsys):
    assert benchmark("small.toml", "-o", "out", "-n", "2", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["cases"] == 2 and set(said["systems"]) == {
        "noisy",
        "mvdr[masks=spp]",
        "oracle-mask-mvdr+irm",
    }
    oracle = said["systems"]["oracle-mask-mvdr+irm"]
    assert oracle["si_sdr"]["mean"] > said["systems"]["noisy"]["si_sdr"]["mean"] + 3
    assert 0 < oracle["real_time_factor"] < 10 and 50 < oracle["peak_mb"] < 5000
    assert said["systems"]["noisy"]["latency_ms"] == 0 and oracle["latency_ms"] is None
    text = Path("out/results.md").read_text(encoding="utf-8")
    assert text.startswith("# Small rooms") and "of oracle gain, si_sdr" in text
    assert "Command: arrayenh" in text
    assert len(rows("out")) == 2 * 3 * 2 and rows("out")[0]["input SNR"] == "0 dB"
    page = Path("out/report.html").read_text(encoding="utf-8")
    assert "Small rooms" in page and len(page) < 5e6


@pytest.mark.slow
def test_scores_do_not_depend_on_who_computes_them():
    pytest.importorskip("distributed", reason="Dask needs the package distributed")
    from distributed import LocalCluster

    assert benchmark("small.toml", "-o", "one", *FAST) == 0
    assert benchmark("small.toml", "-o", "two", "--jobs", "2", *FAST) == 0
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        address = cluster.scheduler_address
        assert benchmark("small.toml", "-o", "dask", "--scheduler", address, *FAST) == 0
    wanted = Path("one/results.csv").read_bytes()
    assert Path("two/results.csv").read_bytes() == wanted
    assert Path("dask/results.csv").read_bytes() == wanted


@pytest.mark.slow
def test_killed_it_goes_on_where_it_was():
    command = [sys.executable, "-m", "arrayenh", "benchmark", "small.toml", "-o", "out", *FAST]
    process = subprocess.Popen(
        [*command, "-n", "30"], start_new_session=True, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while len(records("out")) < 5 and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = records("out")
    assert before
    assert benchmark("small.toml", "-o", "out", *FAST) == 0
    after = records("out")
    assert {path: after[path] for path in before} == before
    assert len(rows("out")) == 3 * 3 * 2


@pytest.mark.slow
def test_a_new_system_computes_only_itself(capsys):
    assert benchmark("small.toml", "-o", "out", "--systems", "noisy", *FAST) == 0
    before = records("out")
    assert benchmark("small.toml", "-o", "out", "--systems", "noisy,mmse-lsa", *FAST) == 0
    after = records("out")
    assert {path: after[path] for path in before} == before and len(after) == 2 * len(before)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["smal", "-o", "out"], "no suite 'smal'"),
        (["small.toml", "-o", "out", "--systems", "noisy,mvrd"], "mvdr"),
        (["small.toml", "-o", "out", "--metrics", "psq"], "no metric is called 'psq'"),
        (["small.toml", "-o", "out", "--target", "late"], "target must be one of"),
        (["small.toml", "-o", "out", "--data", "nowhere"], "manifest.csv"),
        (["small.toml", "-o", "out", "--array", "linear2-12mm"], "--array belongs to a folder"),
        (["small.toml"], "no suite or no -o DIR"),
        ([".", "-o", "out"], "holds nothing to score"),
        (["small.toml", "-o", "out", "--scheduler", "tcp://127.0.0.1:1"], "no Dask scheduler"),
        (["small.toml", "-o", "small.toml/x"], "is a file"),
    ],
)
def test_a_wrong_request_is_one_line(capsys, arguments, words):
    if "--scheduler" in arguments:
        pytest.importorskip("distributed", reason="Dask needs the package distributed")
    assert benchmark(*arguments, *FAST) == 2
    said = capsys.readouterr().err.strip()
    assert words in said and len(said.splitlines()) == 1


def test_two_benchmarks_do_not_share_a_folder(capsys):
    assert benchmark("small.toml", "-o", "out", "-n", "1", *FAST) == 0
    assert benchmark("small.toml", "-o", "out", "-n", "1", "--seed", "3", *FAST) == 2
    assert "holds another benchmark" in capsys.readouterr().err


def test_recordings_without_clean_speech(capsys):
    rng = np.random.default_rng(0)
    Path("recs").mkdir()
    for name in ("a", "b"):
        write(f"recs/{name}.wav", 0.1 * rng.standard_normal((2, 32000)), 16000)
    arguments = ["recs", "-o", "out", "--systems", "noisy,mmse-lsa", "--metrics", "si_sdr,srmr"]
    assert benchmark(*arguments, *FAST) == 0
    found = rows("out")
    assert {row["case"] for row in found} == {"a", "b"}
    missing = [row for row in found if row["metric"] == "si_sdr"]
    assert all(not row["value"] and "needs the reference" in row["reason"] for row in missing)
    assert all(float(row["value"]) > 0 for row in found if row["metric"] == "srmr")


def test_what_there_is_can_be_listed(capsys):
    assert benchmark("--list") == 0
    said = capsys.readouterr().out
    assert all(name in said for name in ("quality", "oracle-mask-mvdr+irm", "rnnoise", "pesq_wb"))
