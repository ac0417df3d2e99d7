"""The command `arrayenh simulate`: what it makes, refuses, and survives."""

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
from arrayenh.scenes.signals import load_file

TOML = """
seconds = 1.0
lead_in = 0.1
tail = 0.1
[room]
size = [4, 3, 2.5]
rt60 = {uniform = [0.12, 0.2]}
[array]
name = "linear2-12mm"
[[talkers]]
azimuth_deg = {uniform = [-180, 180]}
distance = 0.8
height = 1.0
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A working directory with a small scene file."""
    (tmp_path / "small.toml").write_text(TOML)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def simulate(*arguments: str) -> int:
    return run(["simulate", *arguments])


def tree_bytes(folder: str) -> dict[str, bytes]:
    paths = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_the_command_says_what_it_made(capsys):
    assert simulate("small.toml", "-n", "2", "-o", "set", "--rooms", "1", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["folder"], said["scenes"], said["seconds"]) == ("set", 2, 2.0)
    assert simulate("small.toml", "-n", "3", "-o", "set", "--rooms", "1") == 0
    words = capsys.readouterr()
    assert "set: 3 scenes" in words.err and not words.out


def test_a_subset_is_made_again_without_the_scene_file(folder):
    assert simulate("small.toml", "-n", "3", "-o", "set", "--rooms", "1") == 0
    Path("small.toml").unlink()
    assert simulate("set/manifest.csv", "--only", "1-2", "-o", "some") == 0
    before, again = tree_bytes("set/scenes"), tree_bytes("some/scenes")
    assert sorted(os.listdir("some/scenes")) == ["000001", "000002"]
    assert all(before[name] == content for name, content in again.items())
    assert simulate("set/manifest.csv", "-o", "all") == 0
    assert tree_bytes("all/scenes") == before
    assert tree_bytes("all")["manifest.csv"] == tree_bytes("set")["manifest.csv"]


def test_a_manifest_is_rendered_again_from_another_folder(folder, monkeypatch):
    write("a_1.wav", 0.1 * np.random.default_rng(0).standard_normal(32000), 16000)
    Path("own.toml").write_text(TOML + 'speech = "a_1.wav"\n')
    assert simulate("own.toml", "-n", "1", "-o", "set") == 0
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    load_file.cache_clear()
    assert simulate("../set/manifest.csv", "-o", "again") == 0
    assert tree_bytes("again/scenes") == tree_bytes("../set/scenes")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.slow
def test_killed_and_run_again_it_is_the_same(folder):
    wanted = ["small.toml", "-n", "30", "--rooms", "7"]
    assert simulate(*wanted, "-o", "whole") == 0
    first = subprocess.Popen(
        [sys.executable, "-m", "arrayenh", "simulate", *wanted, "-o", "killed", "--jobs", "2"],
        stderr=subprocess.DEVNULL,
    )
    scenes = Path("killed/scenes")
    wait_until(lambda: scenes.is_dir() and len(list(scenes.glob("0*"))) >= 3)
    assert first.poll() is None
    children = Path(f"/proc/{first.pid}/task/{first.pid}/children").read_text().split()
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert len(children) >= 2
    wait_until(lambda: not any(runs(pid) for pid in children))  # nobody goes on behind our back
    assert not Path("killed/manifest.csv").exists()
    assert simulate(*wanted, "-o", "killed") == 0
    assert tree_bytes("killed") == tree_bytes("whole")


def wait_until(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def runs(pid: str) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["confrence-4", "-o", "x"], "did you mean conference-4?"),
        (["bad.toml", "-o", "x"], "bad.toml: room.rt60: input should be greater than"),
        (["silent.toml", "-o", "x"], "empty holds no sound files"),
        (["short.toml", "-o", "x"], "has no speaker with 59.8 s of speech"),
        (["outside.toml", "-o", "x"], "the target at (9.00, 1.00, 1.00) m is not inside the room"),
        (["car", "-o", "small.toml/x"], "small.toml is a file"),
        (["car", "-o", "x", "--components", "mix"], "no component 'mix'"),
        (["car", "-o", "x", "--format", "mp3"], "no format 'mp3'; use one of wav, flac"),
        (["car", "-o", "x", "--speech", "empty"], "holds no sound files"),
        (["car", "-o", "x", "--noise", "nowhere"], "folder of sounds"),
        (["car", "-o", "x", "--only", "3-1"], "'3-1' is neither a number nor a range"),
        (["car", "-o", "x", "--scheduler", "here:x"], "no Dask scheduler answers at"),
        (["nothing.csv", "-o", "x"], "nothing.csv cannot be read: No such file"),
        (["bad.csv", "-o", "x"], "bad.csv needs a first line with the columns"),
        (["bad.csv", "-o", "x", "--rooms", "2"], "a manifest has its own speech, noise and rooms"),
        (["car"], "Missing option '-o'"),
        (["car", "-o", "x", "-n", "0"], "should be greater than or equal to 1"),
    ],
)
def test_wrong_requests_are_one_line_and_exit_2(folder, capsys, arguments, message):
    changes = {
        "bad": TOML.replace("rt60 = {uniform = [0.12, 0.2]}", "rt60 = -1"),
        "silent": TOML + 'speech = "empty"\n',
        "short": TOML.replace("seconds = 1.0", "seconds = 60"),
        "outside": TOML + "position = [9, 1, 1]\n",
    }
    for name, text in changes.items():
        Path(f"{name}.toml").write_text(text)
    Path("bad.csv").write_text("a,b\n")
    Path("empty").mkdir()
    assert simulate(*arguments) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1


def test_a_set_of_something_else_is_not_mixed_in(capsys):
    assert simulate("small.toml", "-n", "1", "-o", "set") == 0
    capsys.readouterr()
    assert simulate("small.toml", "-n", "2", "-o", "set", "--components", "mixture") == 2
    said = capsys.readouterr().err
    assert "made with components ['mixture', 'target', 'early', 'noise']" in said
    assert said.count("\n") == 1
