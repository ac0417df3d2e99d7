"""Data sets: the same bytes however they are made, and nothing lost when they are stopped."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from arrayenh.audio import read, write
from arrayenh.errors import AudioError, ConfigError, SceneError
from arrayenh.scenes import dataset
from arrayenh.scenes.bank import ResponseBank
from arrayenh.scenes.dataset import COMPONENTS, Plan, make_dataset, with_folders
from arrayenh.scenes.draw import draw_scene
from arrayenh.scenes.manifest import read_manifest
from arrayenh.scenes.recipe import Recipe, load_recipe
from arrayenh.scenes.render import render, room_responses
from arrayenh.scenes.serialise import scene_from_json, scene_to_json
from arrayenh.scenes.stream import scene_stream
from arrayenh.scenes.workers import in_processes, on_cluster

TREE = {
    "seconds": 1.0,
    "lead_in": 0.1,
    "tail": 0.1,
    "room": {"size": [4.0, 3.0, 2.5], "rt60": {"uniform": [0.12, 0.2]}},
    "array": {"name": "linear2-12mm", "imperfections": {"gain_db": 1.0}},
    "talkers": [{"azimuth_deg": {"uniform": [-180.0, 180.0]}, "distance": 0.8, "height": 1.0}],
    "noises": [
        {"signal": "babble", "voices": 2, "distance": 1.0, "height": 1.0},
        {"kind": "diffuse", "level_db": {"uniform": [-3.0, 3.0]}},
    ],
}
PLAN = Plan(tree=TREE, name="small")
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


def tree_bytes(folder: Path) -> dict[str, bytes]:
    """Every file of a data set."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "set"
    make_dataset(PLAN, folder, range(5))
    return folder


# ---- what is in it -----------------------------------------------------------------------


def test_components_on_disk_sum_to_the_mixture(tmp_path):
    plan = Plan(tree=TREE, components=COMPONENTS)
    make_dataset(plan, tmp_path / "set", [3])
    folder = tmp_path / "set" / "scenes" / "000003"
    sound = {path.stem: read(path).samples for path in folder.glob("*.wav")}
    assert_array_equal(sound["mixture"], sound["target"] + sound["noise"])
    total = sound["talker-0"] + sound["noise-0"] + sound["noise-1"] + sound["sensors"]
    np.testing.assert_allclose(total + sound["residual"], sound["mixture"], atol=1e-6)
    rendered = render(draw_scene(Recipe("small", TREE), 3))
    assert_array_equal(sound["mixture"], rendered.mixture)
    assert_array_equal(sound["early"], rendered.early_image)
    with np.load(folder / "rirs.npz") as rirs:
        assert_array_equal(rirs["t0"], rendered.responses.talkers[0])
        assert rirs["n_sources"].tolist() == [1, 0]


def test_the_manifest_says_what_is_true(whole):
    scenes = read_manifest(whole / "manifest.csv")
    assert list(scenes) == [0, 1, 2, 3, 4]
    assert scenes[2] == draw_scene(Recipe("small", TREE), 2)
    said = json.loads((whole / "scenes" / "000002" / "scene.json").read_text())
    assert said["truth"]["talkers"][0]["distance_m"] == pytest.approx(0.8)
    assert said["row"]["rt60_s"] == scenes[2].room.rt60


@pytest.mark.parametrize("name", ["conference-8", "hearing-aid", "living-room"])
def test_scenes_come_back_from_json_as_they_were(name):
    scene = draw_scene(load_recipe(name), 1)
    again = scene_from_json(scene_to_json(scene))
    assert again == scene
    assert render(again).mixture.tobytes() == render(scene).mixture.tobytes()


@pytest.mark.parametrize("text, message", [("{", "not a scene: "), ("{}", "not a scene: room")])
def test_json_that_is_no_scene_is_refused(text, message):
    with pytest.raises(SceneError, match=message):
        scene_from_json(text)


# ---- the same however it is made ---------------------------------------------------------


def test_processes_make_the_same_bytes(whole, tmp_path):
    make_dataset(PLAN, tmp_path / "set", range(5), mapped=in_processes(2))
    assert tree_bytes(tmp_path / "set") == tree_bytes(whole)


def test_a_set_that_was_stopped_goes_on_and_is_the_same(whole, tmp_path):
    folder = tmp_path / "set"

    def until_two(work, indices):
        for count, index in enumerate(indices):
            if count == 2:
                raise KeyboardInterrupt
            yield work(index)

    with pytest.raises(KeyboardInterrupt):
        make_dataset(PLAN, folder, range(5), mapped=until_two)
    stale = folder / "scenes" / ".000002.77.part"
    stale.mkdir()
    (stale / "mixture.wav").write_bytes(b"half")
    seen = []
    make_dataset(PLAN, folder, range(5), progress=seen.append)
    assert seen == [2, 3, 4, 5]
    assert tree_bytes(folder) == tree_bytes(whole)


def test_a_set_can_grow(whole, tmp_path):
    make_dataset(PLAN, tmp_path / "set", range(2))
    make_dataset(PLAN, tmp_path / "set", range(5))
    assert tree_bytes(tmp_path / "set") == tree_bytes(whole)


def test_a_subset_is_rendered_again_from_the_manifest_alone(whole, tmp_path):
    copy = tmp_path / "manifest.csv"
    copy.write_bytes((whole / "manifest.csv").read_bytes())
    make_dataset(Plan(source=str(copy)), tmp_path / "again", [1, 3])
    again = tree_bytes(tmp_path / "again" / "scenes")
    assert set(again) == {
        f"00000{k}/{name}"
        for k in (1, 3)
        for name in ("mixture.wav", "target.wav", "early.wav", "noise.wav", "scene.json")
    }
    before = tree_bytes(whole / "scenes")
    assert all(before[name] == content for name, content in again.items())
    with pytest.raises(SceneError, match="manifest.csv has no scene 7"):
        make_dataset(Plan(source=str(copy)), tmp_path / "other", [7])


def test_killed_and_run_again_it_is_the_same(tmp_path):
    (tmp_path / "small.toml").write_text(TOML)
    command = [sys.executable, "-m", "arrayenh", "simulate", "small.toml", "-n", "12", "-o"]
    first = subprocess.Popen([*command, "killed"], cwd=tmp_path, stderr=subprocess.DEVNULL)
    folder = tmp_path / "killed" / "scenes"
    deadline = time.monotonic() + 20
    while not (folder.is_dir() and len(list(folder.glob("0*"))) >= 3):
        assert time.monotonic() < deadline and first.poll() is None
        time.sleep(0.002)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert not (tmp_path / "killed" / "manifest.csv").exists()
    for name in ("killed", "whole"):
        subprocess.run([*command, name], cwd=tmp_path, check=True, capture_output=True)
    assert tree_bytes(tmp_path / "killed") == tree_bytes(tmp_path / "whole")


def test_a_full_disk_stops_in_one_line_and_the_set_goes_on(whole, tmp_path, monkeypatch):
    folder, real = tmp_path / "set", dataset.write_sounds
    calls = []

    def full(rendered, part, plan):
        calls.append(part)
        if len(calls) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(rendered, part, plan)

    monkeypatch.setattr(dataset, "write_sounds", full)
    with pytest.raises(AudioError, match="000002 cannot be written: No space left on device"):
        make_dataset(PLAN, folder, range(5))
    assert sorted(path.name for path in (folder / "scenes").iterdir()) == ["000000", "000001"]
    make_dataset(PLAN, folder, range(5))
    assert tree_bytes(folder) == tree_bytes(whole)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"seed": 1}, "made with seed 0"),
        ({"tree": {**TREE, "snr_db": 1.0}}, "made with another scene file"),
        ({"format": "flac"}, "made with format 'wav'"),
    ],
)
def test_another_set_is_not_mixed_in(whole, change, message):
    before = tree_bytes(whole)
    with pytest.raises(SceneError, match=message):
        make_dataset(Plan(**{"tree": TREE, "name": "small", **change}), whole, range(6))
    assert tree_bytes(whole) == before


# ---- a cluster ---------------------------------------------------------------------------


@pytest.mark.filterwarnings("default")
def test_a_worker_of_the_cluster_may_die(whole, tmp_path):
    distributed = pytest.importorskip("distributed")
    folder, victims = tmp_path / "set", []
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:

        def kill_one(done):
            if done == 1 and not victims:
                victims.append(next(iter(cluster.workers.values())).pid)
                os.kill(victims[0], signal.SIGKILL)

        mapped = on_cluster(cluster.scheduler_address)
        make_dataset(PLAN, folder, range(5), mapped=mapped, progress=kill_one)
    assert victims
    assert tree_bytes(folder) == tree_bytes(whole)


def test_a_scheduler_that_does_not_answer_is_named(tmp_path):
    pytest.importorskip("distributed")
    mapped = on_cluster("nonsense://nowhere")
    with pytest.raises(ConfigError, match="no Dask scheduler answers at nonsense://nowhere"):
        make_dataset(PLAN, tmp_path / "set", [0], mapped=mapped)


# ---- rooms used again, streams -----------------------------------------------------------


def test_rooms_of_a_bank_are_rendered_once(tmp_path, monkeypatch):
    import arrayenh.scenes.bank as bank

    rendered = []

    def counted(scene):
        rendered.append(scene.room)
        return room_responses(scene)

    monkeypatch.setattr(bank, "room_responses", counted)
    plan = Plan(tree=TREE, name="small", n_rooms=2)
    make_dataset(plan, tmp_path / "set", range(6))
    assert len(rendered) == 2
    assert sorted(p.name for p in (tmp_path / "set" / "rooms").iterdir()) == [
        "000000.npz",
        "000001.npz",
    ]
    scenes = read_manifest(tmp_path / "set" / "manifest.csv")
    assert scenes[0].room == scenes[2].room != scenes[1].room
    plain = render(scenes[4])
    assert_array_equal(read(tmp_path / "set/scenes/000004/mixture.wav").samples, plain.mixture)


def test_a_bank_that_was_damaged_is_rendered_again(tmp_path):
    scene = draw_scene(Recipe("small", TREE), 0)
    first = ResponseBank(tmp_path).responses(0, scene)
    (tmp_path / "000000.npz").write_bytes(b"rubbish")
    again = ResponseBank(tmp_path).responses(0, scene)
    assert_array_equal(first.talkers[0], again.talkers[0])
    kept = ResponseBank(tmp_path).responses(0, scene)
    assert_array_equal(kept.noises[0][0], first.noises[0][0])


def test_streams_are_the_scenes_of_the_set_and_split_between_workers():
    recipe = Recipe("small", TREE)

    def take(n, **kinds):
        stream = scene_stream(recipe, 0, **kinds)
        return [next(stream).mixture for _ in range(n)]

    every = take(4)
    assert_array_equal(every[2], render(draw_scene(recipe, 2)).mixture)
    assert_array_equal(take(2, shard=(1, 2))[1], every[3])
    assert_array_equal(take(1, start=3)[0], every[3])
    with_rooms = take(3, n_rooms=2)
    assert_array_equal(with_rooms[2], render(draw_scene(recipe, 2, n_rooms=2)).mixture)
    with pytest.raises(SceneError, match=r"shard must be \(k, n\) with 0 <= k < n; got \(2, 2\)"):
        next(scene_stream(recipe, shard=(2, 2)))


# ---- settings ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"components": ("mix",)}, "no component 'mix'; there are mixture, target"),
        ({"format": "mp3"}, "no format 'mp3'; there are wav, flac"),
        ({"n_rooms": 0}, "at least one room; got 0"),
        ({"seed": -1}, "a seed is a whole number from 0; got -1"),
    ],
)
def test_plans_that_cannot_be_are_refused(settings, message):
    with pytest.raises(SceneError, match=message):
        Plan(tree=TREE, **settings)


def test_speech_and_noise_of_ones_own(tmp_path):
    for name in ("speech/a_1.wav", "speech/b_1.wav", "noise/hum.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        x = 0.1 * np.random.default_rng(len(name)).standard_normal(32000)
        write(tmp_path / name, x, 16000)
    tree = with_folders(TREE, str(tmp_path / "speech"), str(tmp_path / "noise"))
    scene = draw_scene(Recipe("own", tree), 0)
    assert scene.talkers[0].speaker in ("a", "b")
    voices = {clip.file for clip in scene.noises[0].signals[0].clips}
    assert all("speech" in file for file in voices)
    assert all(signal.clips[0].file.endswith("hum.wav") for signal in scene.noises[1].signals)


def run(*arguments, cwd):
    return subprocess.run(
        [sys.executable, "-m", "arrayenh", "simulate", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
    )


def test_the_command_says_what_it_made(tmp_path):
    (tmp_path / "small.toml").write_text(TOML)
    done = run("small.toml", "-n", "2", "-o", "set", "--rooms", "1", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["scenes"] == 2
    again = run("set/manifest.csv", "--only", "1", "-o", "one", cwd=tmp_path)
    assert again.returncode == 0 and "one: 1 scenes" in again.stdout + again.stderr
    for name in ("mixture.wav", "noise.wav"):
        before, now = (tmp_path / d / "scenes/000001" / name for d in ("set", "one"))
        assert before.read_bytes() == now.read_bytes()


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["confrence-4", "-o", "x"], "did you mean conference-4?"),
        (["bad.toml", "-o", "x"], "bad.toml: room.rt60: input should be greater than"),
        (["car", "-o", "no/where/x"], "no/where"),
        (["car", "-o", "x", "--components", "mix"], "no component 'mix'"),
        (["car", "-o", "x", "--speech", "empty"], "holds no sound files"),
        (["car", "-o", "x", "--only", "3-1"], "'3-1' is no number and no range"),
        (["nothing.csv", "-o", "x"], "nothing.csv cannot be read as a manifest"),
        (["car"], "Missing option '-o'"),
    ],
)
def test_wrong_requests_are_one_line_and_exit_2(tmp_path, arguments, message):
    (tmp_path / "bad.toml").write_text("[room]\nsize = [4, 3, 2]\nrt60 = -1\n")
    (tmp_path / "empty").mkdir()
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "x").exists()
