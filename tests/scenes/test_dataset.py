"""Data sets: the same bytes however they are made, and nothing lost when they are stopped."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import CancelledError
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from arrayenh.audio import read, write
from arrayenh.errors import AudioError, ConfigError, MissingExtraError, SceneError
from arrayenh.scenes import bank, dataset
from arrayenh.scenes.bank import ResponseBank
from arrayenh.scenes.dataset import from_anywhere, make_dataset, with_folders
from arrayenh.scenes.draw import draw_scene
from arrayenh.scenes.manifest import read_manifest
from arrayenh.scenes.plan import COMPONENTS, Plan
from arrayenh.scenes.recipe import Recipe, load_recipe, preset_names
from arrayenh.scenes.render import render
from arrayenh.scenes.responses import room_responses
from arrayenh.scenes.serialise import scene_from_json, scene_to_json
from arrayenh.scenes.stream import scene_stream
from arrayenh.scenes.voices import find_voices
from arrayenh.scenes.workers import in_processes, on_cluster
from arrayenh.version import __version__

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


@pytest.mark.parametrize("name", preset_names())
def test_scenes_come_back_from_json_as_they_were(name):
    scene = draw_scene(load_recipe(name), 1)
    assert scene_from_json(scene_to_json(scene)) == scene


def test_a_scene_that_came_back_sounds_the_same():
    scene = draw_scene(Recipe("small", TREE), 1)
    again = scene_from_json(scene_to_json(scene))
    assert render(again).mixture.tobytes() == render(scene).mixture.tobytes()


@pytest.mark.parametrize(
    "text, message", [("{", "the scene is not JSON: "), ("{}", "not a scene: room")]
)
def test_json_that_is_no_scene_is_refused(text, message):
    with pytest.raises(SceneError, match=message):
        scene_from_json(text)


# ---- the same however it is made ---------------------------------------------------------


@pytest.mark.slow
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
    assert not (folder / "manifest.csv").exists()
    stale = folder / "scenes" / ".000002.77.part"
    stale.mkdir()
    (stale / "mixture.wav").write_bytes(b"half")
    (folder / "rooms").mkdir()
    (folder / "rooms" / ".000001.77.part.npz").write_bytes(b"half")
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


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root can mount")
def test_a_disk_that_is_really_full(whole, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=700k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this system lets nobody mount")
    try:
        with pytest.raises(AudioError, match=r"scenes/00000\d/\w+.wav cannot be written: "):
            make_dataset(PLAN, disk / "set", range(5))
        left = {path.name for path in (disk / "set" / "scenes").iterdir()}
        assert left and all(name.isdigit() for name in left)
        subprocess.run(["mount", "-o", "remount,size=9m", str(disk)], check=True)
        make_dataset(PLAN, disk / "set", range(5))
        assert tree_bytes(disk / "set") == tree_bytes(whole)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


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


def test_a_folder_of_somebody_else_is_left_alone(tmp_path):
    (tmp_path / "dataset.json").write_text("[1, 2]")
    with pytest.raises(SceneError, match="dataset.json does not describe a data set"):
        make_dataset(PLAN, tmp_path, [0])
    (tmp_path / "dataset.json").unlink()
    (tmp_path / "scenes" / "0").mkdir()
    with pytest.raises(SceneError, match="scenes is not empty and not a data set"):
        make_dataset(PLAN, tmp_path, [0])


def voices(folder, *names):
    folder.mkdir(exist_ok=True)
    for name in names:
        x = 0.1 * np.random.default_rng(sum(name.encode())).standard_normal(32000)
        write(folder / f"{name}.wav", x, 16000)


def test_speech_that_has_changed_is_noticed(tmp_path):
    voices(tmp_path / "speech", "b_1")
    tree = with_folders(TREE, str(tmp_path / "speech"), None)
    make_dataset(Plan(tree=tree), tmp_path / "set", [0])
    (tmp_path / "speech" / "b_1.wav").rename(tmp_path / "speech" / "c_1.wav")
    find_voices.cache_clear()
    with pytest.raises(SceneError, match="scene 0 in .* differs from the one drawn now: sounds"):
        make_dataset(Plan(tree=tree), tmp_path / "set", [0, 1])


def test_a_manifest_that_has_changed_is_noticed(whole, tmp_path):
    manifest = tmp_path / "manifest.csv"
    manifest.write_bytes((whole / "manifest.csv").read_bytes())
    make_dataset(Plan(source=str(manifest)), tmp_path / "again", [1])
    make_dataset(Plan(tree=TREE, seed=5), tmp_path / "other", [1])
    manifest.write_bytes((tmp_path / "other" / "manifest.csv").read_bytes())
    with pytest.raises(SceneError, match="scene 1 in .* differs .* the manifest has changed"):
        make_dataset(Plan(source=str(manifest)), tmp_path / "again", [1])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "m.csv needs a first line with the columns index and scene, by commas; got nothing"),
        ("a,b\n1,2\n", "m.csv needs a first line with the columns index and scene"),
        ("index,scene\n", "m.csv has no line below the names of its columns"),
        ("index,scene\nx,{}\n", "m.csv, line 2: the index must be a whole number, once; got 'x'"),
        ("index,scene\n²,{}\n", "m.csv, line 2: the index must be a whole number, once; got '²'"),
        ("index,scene\n1,{}\n1,{}\n", "m.csv, line 3: the index must be a whole number, once"),
        ("index,scene\n1\n", "m.csv, line 2: scene must be given"),
        ("index,scene\n1,{}\n", "m.csv: not a scene: room: must be given"),
        ("index,scene\n1,[]\n", "m.csv: the scene does not hold a JSON object"),
    ],
)
def test_files_that_are_no_manifest_are_refused(tmp_path, content, message):
    (tmp_path / "m.csv").write_text(content, encoding="utf-8")
    with pytest.raises(SceneError, match=message):
        read_manifest(tmp_path / "m.csv")


def test_a_set_that_cannot_begin_leaves_no_folder(tmp_path):
    (tmp_path / "speech").mkdir()
    tree = with_folders(TREE, str(tmp_path / "speech"), None)
    with pytest.raises(SceneError, match="speech holds no sound files"):
        make_dataset(Plan(tree=tree), tmp_path / "set", [0])
    assert not (tmp_path / "set").exists()


def test_scenes_are_counted_from_0(tmp_path):
    with pytest.raises(SceneError, match="counted from 0; got -1"):
        make_dataset(PLAN, tmp_path / "set", [-1, 0])


def test_a_scene_that_fails_is_named(tmp_path):
    voices(tmp_path, "a_1")
    tree = with_folders(TREE, str(tmp_path), None)
    long = {**tree, "seconds": {"choice": [1.0, 9.0]}}
    drawn = [can_be(Recipe("long", long), index) for index in range(6)]
    assert drawn[0] and not all(drawn)
    with pytest.raises(SceneError, match=f"scene {drawn.index(False)}: .*no speaker with 8.8 s"):
        make_dataset(Plan(tree=long), tmp_path / "set", range(6))


def can_be(recipe, index):
    try:
        return bool(draw_scene(recipe, index))
    except SceneError:
        return False


# ---- a cluster ---------------------------------------------------------------------------


@pytest.mark.filterwarnings("default")
@pytest.mark.slow
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


def test_what_killed_workers_leave_is_gone_at_the_end(whole, tmp_path):
    folder = tmp_path / "set"

    def with_a_dead_worker(work, indices):
        (folder / "scenes" / ".000000.77.part").mkdir()
        yield from map(work, indices)

    make_dataset(PLAN, folder, range(5), mapped=with_a_dead_worker)
    assert sorted(path.name for path in (folder / "scenes").iterdir())[0] == "000000"
    assert tree_bytes(folder) == tree_bytes(whole)


class Cluster:
    """A client of a cluster whose workers have a version of ours, and that fails as it is told."""

    def __init__(self, version=__version__, failure=None):
        self.version, self.failure = version, failure

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None

    def run(self, version_there):
        if isinstance(self.version, Exception):
            raise self.version
        assert version_there() == __version__
        return {"tcp://there:1": __version__, "tcp://there:2": self.version}

    def map(self, work, indices, **settings):
        return [self for _ in indices]

    def result(self):
        raise self.failure


@pytest.mark.parametrize(
    "cluster, error, message",
    [
        (Cluster(failure=CancelledError()), AudioError, "tcp://here:1 was lost; run the same"),
        (Cluster(failure=EOFError()), AudioError, "a scene has killed several workers"),
        (Cluster(version="0.0.1"), ConfigError, "of tcp://here:1 have arrayenh 0.0.1, this is"),
        (Cluster(version=ImportError("none")), ConfigError, "cannot import arrayenh: none"),
    ],
)
def test_a_cluster_that_fails_says_why(tmp_path, monkeypatch, cluster, error, message):
    fake = SimpleNamespace(
        Client=lambda address, timeout: cluster, KilledWorker=EOFError, as_completed=iter
    )
    monkeypatch.setitem(sys.modules, "distributed", fake)
    with pytest.raises(error, match=message):
        make_dataset(PLAN, tmp_path / "set", [0], mapped=on_cluster("tcp://here:1"))


def test_a_cluster_needs_its_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'arrayenh\[cluster\]'"):
        on_cluster("tcp://here:1")


def test_workers_elsewhere_find_the_folder(tmp_path, monkeypatch):
    def elsewhere(work, indices):
        monkeypatch.chdir("/")
        yield from map(work, indices)
        monkeypatch.chdir(tmp_path)

    monkeypatch.chdir(tmp_path)
    assert len(make_dataset(PLAN, Path("set"), [0], mapped=elsewhere)) == 1


# ---- rooms used again, streams -----------------------------------------------------------


def test_rooms_of_a_bank_are_rendered_once(tmp_path, monkeypatch):
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


def test_a_folder_that_was_emptied_has_no_bank_left(tmp_path):
    for seed in (0, 1):
        make_dataset(Plan(tree=TREE, n_rooms=1, seed=seed), tmp_path / "set", [0])
        mixture = read(tmp_path / "set" / "scenes" / "000000" / "mixture.wav").samples
        assert_array_equal(mixture, render(draw_scene(Recipe("small", TREE), 0, seed)).mixture)
        shutil.rmtree(tmp_path / "set")


def test_a_bank_that_was_damaged_is_rendered_again(tmp_path):
    scene = draw_scene(Recipe("small", TREE), 0)
    first = ResponseBank(tmp_path).responses(0, scene)
    (tmp_path / "000000.npz").write_bytes(b"rubbish")
    again = ResponseBank(tmp_path).responses(0, scene)
    assert_array_equal(first.talkers[0], again.talkers[0])
    kept = ResponseBank(tmp_path).responses(0, scene)
    assert_array_equal(kept.noises[0][0], first.noises[0][0])


def test_a_bank_keeps_what_fits_and_rooms_that_come_round_are_found(monkeypatch):
    rendered = []
    scenes = [draw_scene(Recipe("small", TREE), room) for room in range(3)]
    size = bank.n_bytes(room_responses(scenes[0]))

    def counted(scene):
        rendered.append(scenes.index(scene))
        return room_responses(scenes[0])

    monkeypatch.setattr(bank, "room_responses", counted)
    rooms = ResponseBank(memory=2 * size)
    for k in (0, 1, 2, 0, 1, 2):
        rooms.responses(k, scenes[k])
    assert rendered == [0, 1, 2, 2]


def test_rooms_with_rays_are_what_the_scene_alone_says(tmp_path):
    room = {"kind": "polygon", "corners": [[0, 0], [4, 0], [4, 3], [0, 3]], "height": 2.5}
    tree = {**TREE, "room": {**room, "absorption": 0.7}}
    same_as_alone(tree, tmp_path)


def test_measured_rooms_are_what_the_scene_alone_says(tmp_path):
    for k in range(5):
        response = np.zeros((2, 400), np.float32)
        response[:, 20 + 3 * k] = 0.9
        write(tmp_path / f"{k}.wav", response, 16000)
    tree = {**TREE, "room": {"kind": "measured", "responses": f"{tmp_path}/*.wav"}}
    same_as_alone({**tree, "talkers": [{}], "noises": [{}]}, tmp_path)


def same_as_alone(tree, tmp_path):
    """A scene of a bank is that of its manifest, though another came first with its room."""
    make_dataset(Plan(tree=tree, n_rooms=1), tmp_path / "set", [0, 1])
    scene = read_manifest(tmp_path / "set" / "manifest.csv")[1]
    mixture = read(tmp_path / "set" / "scenes" / "000001" / "mixture.wav").samples
    assert_array_equal(mixture, render(scene).mixture)


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


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"shard": (2, 2)}, r"shard must be \(k, n\) with 0 <= k < n; got \(2, 2\)"),
        ({"start": -1}, "counted from 0; got start -1"),
        ({"n_rooms": 0}, "at least one room; got 0"),
    ],
)
def test_streams_that_cannot_be_are_refused(settings, message):
    with pytest.raises(SceneError, match=message):
        next(scene_stream(Recipe("small", TREE), **settings))


# ---- settings ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"components": ("mix",)}, "no component 'mix'; use one of mixture, target"),
        ({"format": "mp3"}, "no format 'mp3'; use one of wav, flac"),
        ({"n_rooms": 0}, "at least one room; got 0"),
        ({"seed": -1}, "a seed must be a whole number of at least 0; got -1"),
    ],
)
def test_plans_that_cannot_be_are_refused(settings, message):
    with pytest.raises(SceneError, match=message):
        Plan(tree=TREE, **settings)


def test_speech_and_noise_of_ones_own(tmp_path):
    voices(tmp_path / "speech", "a_1", "b_1")
    voices(tmp_path / "noise", "hum")
    tree = with_folders(TREE, str(tmp_path / "speech"), str(tmp_path / "noise"))
    scene = draw_scene(Recipe("own", tree), 0)
    assert scene.talkers[0].speaker in ("a", "b")
    babble = {clip.file for clip in scene.noises[0].signals[0].clips}
    assert all("speech" in file for file in babble)
    assert all(signal.clips[0].file.endswith("hum.wav") for signal in scene.noises[1].signals)


def test_folders_are_found_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tree = {
        "room": {"kind": "measured", "responses": "rirs/*.wav"},
        "array": {"name": "linear2-12mm", "head": "sphere"},
        "talkers": [{"speech": {"choice": ["packaged", "speech"]}}],
        "noises": [{"signal": "pink"}, {"signal": "hum.wav", "speech": "/speech"}],
    }
    assert from_anywhere(tree) == {
        "room": {"kind": "measured", "responses": str(tmp_path / "rirs/*.wav")},
        "array": {"name": "linear2-12mm", "head": "sphere"},
        "talkers": [{"speech": {"choice": ["packaged", str(tmp_path / "speech")]}}],
        "noises": [{"signal": "pink"}, {"signal": str(tmp_path / "hum.wav"), "speech": "/speech"}],
    }
