"""Files as spreadsheets, power cuts and slips of the keyboard leave them."""

import errno
import json
import os
import shutil
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from arrayenh.cli.main import run
from arrayenh.cli.simulate import numbers
from arrayenh.errors import AudioError, ConfigError, GeometryError, SceneError
from arrayenh.evaluation.corpus import manifest
from arrayenh.evaluation.metrics.recognition import read_transcripts
from arrayenh.evaluation.suite import load_suite
from arrayenh.files import replacing, write_whole
from arrayenh.formats import parse_json, parse_toml, read_arrays
from arrayenh.microphones.geometry import load_array
from arrayenh.networks.runtime import Network
from arrayenh.scenes.bank import ResponseBank
from arrayenh.scenes.casting import list_responses
from arrayenh.scenes.dataset import make_dataset
from arrayenh.scenes.manifest import read_manifest
from arrayenh.scenes.plan import scene_of
from arrayenh.scenes.recipe import load_recipe
from arrayenh.scenes.serialise import scene_from_tree
from arrayenh.scenes.voices import find_sounds
from arrayenh.training.data.layouts import known_layout
from tests import loaders, small_networks

# ---- tables --------------------------------------------------------------------------------


def sounds(path):
    find_sounds.cache_clear()
    return [sound.file for sound in find_sounds(str(path))]


def corpus(path):
    return manifest(path.parent)


TABLES = {
    "speech list": ("list.csv", "path,speaker\na.wav,Zoë\n", sounds),
    "transcripts": ("texts.csv", "name,text\na,Zoë says\n", read_transcripts),
    "corpus": ("manifest.csv", "path,set,speaker,split\nspeech/a.wav,s,Zoë,train\n", corpus),
    "manifest": ("m.csv", "index,about,scene\n0,Zoë,{}\n", read_manifest),
    "array": ("a.csv", "x,y,z,name\n0,0,0,Zoë\n", load_array),
}


@pytest.fixture(params=TABLES)
def table(request, tmp_path):
    """Path of a table, its text, and its reader."""
    name, text, read = TABLES[request.param]
    loaders.speech_list(tmp_path)  # the sound in the list
    return tmp_path / name, text, read


def outcome(read, path):
    """What is read, or the message of the error."""
    try:
        return str(vars(read(path)) if read is load_array else read(path))
    except (ConfigError, SceneError) as error:
        return str(error)


def test_a_byte_order_mark_is_not_a_part_of_a_table(table):
    path, text, read = table
    read = (lambda p: load_array(p).names) if read is load_array else read
    path.write_text(text, encoding="utf-8")
    wanted = outcome(read, path)
    path.write_text(text.replace("\n", "\r\n"), encoding="utf-8-sig")
    assert outcome(read, path) == wanted


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_a_table_in_another_encoding_is_one_line(table, encoding):
    path, text, read = table
    path.write_text(text, encoding=encoding)
    with pytest.raises((ConfigError, SceneError, GeometryError)) as caught:
        read(path)
    assert str(caught.value) == f"{path} is not UTF-8 text; save it as UTF-8 " + (
        "(in a spreadsheet: 'CSV UTF-8')"
    )


@pytest.mark.parametrize(
    ("kind", "row", "message"),
    [
        ("speech list", ",anna", "line 3: path must be given"),
        ("speech list", "a.wav,anna,7", "line 3: 3 cells for 2 columns"),
        ("transcripts", "b", "line 3: text must be given"),
        ("corpus", ",s,anna,train", "line 3: path must be given"),
        ("corpus", ".,s,anna,train", "line 3: '.' is not the path of a file"),
        ("manifest", "1", "line 3: scene must be given"),
        ("manifest", "-1,,{}", "line 3: the index must be a whole number"),
        ("array", "1,0,0", "line 3: expected x,y,z,name; got 1,0,0"),
    ],
)
def test_a_short_row_names_its_line(tmp_path, kind, row, message):
    name, text, read = TABLES[kind]
    loaders.speech_list(tmp_path)
    (tmp_path / name).write_text(f"{text}{row}\n", encoding="utf-8")
    with pytest.raises((ConfigError, SceneError, GeometryError), match=message):
        read(tmp_path / name)


def test_a_row_without_a_speaker_has_none(tmp_path):
    loaders.speech_list(tmp_path)
    (tmp_path / "list.csv").write_text("path,speaker\na.wav\n")
    assert sounds(tmp_path / "list.csv") == [str(tmp_path / "a.wav")]


def test_zero_bytes_in_a_text_are_damage(tmp_path):
    (tmp_path / "list.csv").write_bytes(b"path\na.wav\0\0\0\n")
    with pytest.raises(SceneError, match=r"list\.csv is damaged: it has zero bytes"):
        sounds(tmp_path / "list.csv")


def test_what_macos_keeps_beside_a_file_is_no_file(tmp_path):
    path = loaders.books("train-clean-5/84/121/84-121.trans.txt")(tmp_path)
    path.with_name("._84-121.trans.txt").write_bytes(b"\x00\x05\x16\x07\xff\xfe")
    assert [sound.source for sound in known_layout(tmp_path).speech] == ["84"]
    (tmp_path / "rooms").mkdir()
    for name in ("a.wav", "._a.wav"):
        (tmp_path / "rooms" / name).touch()
    assert list_responses(str(tmp_path / "rooms")) == [str(tmp_path / "rooms" / "a.wav")]


# ---- values --------------------------------------------------------------------------------

LONG = "9" * 5000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"a = {LONG}", "is not TOML"),
        (f"a = 0x{'f' * 5000}", "is not TOML: an integer has more than 64 bits"),
        ("a = 9223372036854775808", "is not TOML: an integer has more than 64 bits"),
        (f"a = {'[' * 60}{']' * 60}", "is not TOML: nested too deep"),
        ('a = "\\u0000"', "is not TOML: a text has a zero byte"),
    ],
)
def test_toml_that_no_code_expects(text, message):
    with pytest.raises(ConfigError, match=f"^x.toml {message}"):
        parse_toml(text, "x.toml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"[{LONG}]", "is not JSON"),
        ("[1e5, 9223372036854775808]", "is not JSON: an integer has more than 64 bits"),
        ("[" * 100_000, "is not JSON: nested too deep"),
        ('["\\ud800"]', "is not JSON: .*surrogates not allowed"),
        ('{"\\u0000": 1}', "is not JSON: a text has a zero byte"),
    ],
)
def test_json_that_no_code_expects(text, message):
    with pytest.raises(SceneError, match=f"^x.json {message}"):
        parse_json(text, "x.json", SceneError)
    # the name of a file that is not UTF-8 stays what it is
    assert parse_json('["\\udcff"]', "x.json") == ["\udcff"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[talkers]]\ndistance = 1e300", r"talkers\.0\.distance: .*less than or equal to 350"),
        ("[[talkers]]\ncount = {uniform = [1, 3]}", r"talkers\.0\.count: .*integer or choice"),
        ("seconds = 1e300", "seconds: "),
        ("early_ms = 1e300", "early_ms: "),
        ("[array]\nposition = [1e300, 1, 1]", r"array\.position\.0: "),
        ("[array.imperfections]\ngain_db = 1e300", r"array\.imperfections\.gain_db: "),
        ("[array.imperfections]\nclip_dbfs = -1e300", r"array\.imperfections\.clip_dbfs: "),
    ],
)
def test_a_scene_file_has_values_of_this_world(tmp_path, text, message):
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(SceneError, match=f"a.toml: {message}"):
        load_recipe(str(tmp_path / "a.toml"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("seed = -1", "seed: .*greater than or equal to 0; got -1"),
        ("scenes = -5", "scenes: .*greater than or equal to 1; got -5"),
        ("scenes = 0", "scenes: "),
        ('target = "late"', "target: .*'early' or 'reverberant'; got 'late'"),
        ("turns = [{ each = [] }]", r"turns\.0\.each: "),
    ],
)
def test_a_suite_has_numbers_that_can_be_drawn(tmp_path, line, message):
    (tmp_path / "a.toml").write_text(f"{line}\n[scene]\n")
    with pytest.raises(ConfigError, match=message):
        load_suite(str(tmp_path / "a.toml"))


@pytest.mark.parametrize("text", ["²", "1-²", "0-99999999999", "9" * 5000, "1e3", "3-1", "-", "٣"])
def test_scenes_are_chosen_by_numbers(text):
    with pytest.raises(ConfigError, match="neither a number nor a range"):
        numbers(text)


def test_chosen_scenes():
    assert numbers(" 3, 20-22") == [3, 20, 21, 22]


def test_an_encoding_that_xml_does_not_have(tmp_path):
    (tmp_path / "a.xml").write_text('<?xml version="1.0" encoding="klingon"?><MicArray/>')
    with pytest.raises(GeometryError, match=r"a\.xml is not XML: unknown encoding"):
        load_array(tmp_path / "a.xml")


def test_metadata_of_a_network_that_is_not_text(tmp_path):
    content = small_networks.constant_mask(0.5, describe="quiet")
    (tmp_path / "a.onnx").write_bytes(content.replace(b"quiet", b"qu\xff\xfet"))
    with pytest.raises(ConfigError, match=r"model .*a\.onnx is damaged: .* not UTF-8 text"):
        Network.load(str(tmp_path / "a.onnx"))
    assert run(["models", "show", str(tmp_path / "a.onnx")]) == 2


# ---- scenes of a manifest ------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A data set of two scenes that share a room."""
    folder = tmp_path_factory.mktemp("whole") / "set"
    make_dataset(loaders.plan(), folder, [0, 1])
    return folder


@pytest.fixture
def tree(whole):
    return json.loads((whole / "scenes/000000/scene.json").read_text())["scene"]


def changed(tree, path, value):
    """The tree with one value changed, by its path such as "noises.0.kind"."""
    key, _, rest = path.partition(".")
    place = int(key) if isinstance(tree, list) else key
    tree[place] = changed(tree[place], rest, value) if rest else value
    return tree


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("sample_rate", 0, "sample_rate: .*8000; got 0"),
        ("n_samples", 10**12, "at most 3600 s; got 1000000000000"),
        ("n_samples", 0, "at least one sample"),
        ("level_dbfs", 1e300, "level_dbfs: .*less than or equal to 0"),
        ("snr_db", 1e300, "snr_db: "),
        ("early_ms", -1, "early_ms: "),
        ("seed", -1, "seed: "),
        ("colour", 1, "colour: unknown key"),
        ("array.directivity", "gun", r"array\.directivity: .*'figure-eight'; got 'gun'"),
        ("array.facing", "up", r"array\.facing: "),
        ("array.positions", [], r"array\.positions: "),
        ("array.positions.0.0", 1e300, r"array\.positions\.0\.0: "),
        ("array.faults", {"gains_db": []}, r"array\.faults\."),
        ("talkers.0.level_db", 1e300, r"talkers\.0\.level_db: "),
        ("talkers.0.signal.seed", -1, r"talkers\.0\.signal\.seed: "),
        ("talkers.0.signal.clips.0.start", -5, r"talkers\.0\.signal\.clips\.0\.start: "),
        ("noises.0.positions", [], "a point noise has one position and signal; got 0 positions"),
        ("noises.0.signals", [], "a point noise has one position and signal; got 1 positions and"),
        ("noises.0.kind", "diffuse", "diffuse noise has no positions and signals"),
        ("noises.0.kind", "wind", "wind noise has no positions and no signals"),
        ("noises.1.signals", [], "diffuse noise has no positions and signals"),
        ("noises.0.speed", 1e300, r"noises\.0\.speed: "),
        ("room.rt60", None, "exactly one of rt60, absorption and materials"),
        ("room.size.0", 1e300, r"room\.size\.0: "),
        ("room", {"kind": "measured", "responses": "a.wav"}, "a file of responses for each of 2"),
    ],
)
def test_a_stored_scene_is_checked_like_a_drawn_one(tree, path, value, message):
    with pytest.raises(SceneError, match=message):
        scene_from_tree(changed(tree, path, value))


# ---- data sets after a power cut -----------------------------------------------------------


@pytest.fixture
def damaged(whole, tmp_path):
    """A copy of the data set, to be damaged."""
    return shutil.copytree(whole, tmp_path / "set")


def again(folder, indices=(0, 1)):
    return make_dataset(loaders.plan(), folder, list(indices))


@pytest.mark.parametrize(
    "arrays",
    [
        None,
        {},
        {"t0": np.zeros((2, 9), np.float32)},
        {"t0": np.zeros((2, 9), np.float32), "n0.0": np.zeros((3, 9), np.float32)},
        {"t0": np.full((2, 9), np.nan, np.float32), "n0.0": np.zeros((2, 9), np.float32)},
        {"t0": np.zeros((2, 9), np.int16), "n0.0": np.zeros((2, 9), np.float32)},
    ],
    ids=["empty", "nothing", "key", "microphones", "values", "kind"],
)
def test_a_damaged_room_is_rendered_again(damaged, arrays):
    path, scene = damaged / "rooms/000000.npz", scene_of(loaders.plan(), 0)
    before = read_arrays(path)
    path.write_bytes(b"") if arrays is None else np.savez(path, **arrays)
    found = ResponseBank(path.parent).responses(0, scene)
    assert_array_equal(found.talkers[0], before["t0"])
    assert read_arrays(path).keys() == before.keys()


def test_a_room_that_is_whole_is_read(damaged):
    path, scene = damaged / "rooms/000000.npz", scene_of(loaders.plan(), 0)
    arrays = read_arrays(path)
    np.savez(path, **{**arrays, "t0": 2 * arrays["t0"]})
    assert_array_equal(ResponseBank(path.parent).responses(0, scene).talkers[0], 2 * arrays["t0"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not JSON"),
        (b"\xff\xfe{}", "is not UTF-8 text"),
        (b"[]", "does not hold a JSON object"),
        (b"{}", "not a scene"),
    ],
)
def test_a_scene_that_is_damaged_is_named(damaged, content, message):
    path = damaged / "scenes/000000/scene.json"
    path.write_bytes(content)
    with pytest.raises(SceneError, match=f"scenes/000000/scene.json:? {message}"):
        again(damaged)


@pytest.mark.parametrize("key", ["row", "scene"])
def test_a_scene_without_its_row_is_named(damaged, key):
    path = damaged / "scenes/000001/scene.json"
    found = json.loads(path.read_text())
    found[key] = {}
    path.write_text(json.dumps(found))
    with pytest.raises(SceneError, match=r"scenes/000001/scene\.json"):
        again(damaged, [0])


def test_folders_of_other_names_are_not_scenes(damaged):
    for name in ("0x1", "²", "000000 copy"):
        shutil.copytree(damaged / "scenes/000000", damaged / "scenes" / name)
    assert [row["index"] for row in again(damaged)] == [0, 1]


@pytest.mark.parametrize("content", [b"[" * 100_000, b"\xff", b"", b"3"])
def test_a_plan_that_is_damaged_is_named(damaged, content):
    (damaged / "dataset.json").write_bytes(content)
    with pytest.raises(SceneError, match=r"dataset\.json"):
        again(damaged)


def test_what_others_rely_on_is_on_the_disk_before_its_name(tmp_path, monkeypatch):
    told = []
    sync, move = os.fsync, os.replace

    def fsync(file):
        told.append("folder" if os.path.samestat(os.fstat(file), os.stat(tmp_path)) else "file")
        sync(file)

    def renamed(*names):
        told.append("rename")
        move(*names)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", renamed)
    with replacing(tmp_path / "a.npz") as part, open(part, "wb") as file:
        np.savez(file, a=np.zeros(3))
    assert told in (["file", "rename", "folder"], ["file", "rename"])  # Windows has no folders
    told.clear()
    write_whole(tmp_path / "b.json", "{}")
    assert told[:2] == ["file", "rename"]


def test_a_disk_that_is_full_is_noticed_before_the_rename(tmp_path, monkeypatch):
    def full(file):
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "a.json").write_text("before")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(AudioError, match=r"cannot write .*a\.json: No space left on device"):
        write_whole(tmp_path / "a.json", "after")
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    assert (tmp_path / "a.json").read_text() == "before"


# ---- training ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    pytest.importorskip("safetensors")
    from arrayenh.training.checkpoint import read

    return read(loaders.checkpoint_file(tmp_path_factory.mktemp("checkpoint")))


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"step": -1}, "step: .*greater than or equal to 0; got -1"),
        ({"step": "many"}, "step: .*got 'many'"),
        ({"n_averaged": 1.5}, "n_averaged: "),
        ({"course": {"best": 1.0, "falls": -3}}, r"course\.falls: "),
        ({"elapsed_s": -1}, "elapsed_s: "),
        ({"hours": 3}, "hours: unknown key"),
    ],
)
def test_a_checkpoint_with_edited_counters_is_refused(checkpoint, facts, message):
    edited = replace(checkpoint, facts=checkpoint.facts | facts)
    with pytest.raises(ConfigError, match=f"the facts of the checkpoint: {message}"):
        loaders.learner().restore(edited)


@pytest.mark.parametrize("name", ["x.exp_avg", "99.exp_avg", "0.exp_avg", "0.luck"])
def test_a_checkpoint_with_other_moments_is_refused(checkpoint, name):
    import torch

    from arrayenh.training.learner import OPTIMISER

    edited = checkpoint.tensors | {f"{OPTIMISER}{name}": torch.zeros(7)}
    with pytest.raises(ConfigError, match="the checkpoint does not fit the optimiser"):
        loaders.learner().restore(replace(checkpoint, tensors=edited))


def test_a_checkpoint_as_it_was_is_restored(checkpoint):
    assert loaders.learner().restore(checkpoint).step == checkpoint.facts["step"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("bank.json", b"\xff", "bank.json is not UTF-8 text"),
        ("bank.json", b"[]", "bank.json does not hold a JSON object"),
        ("bank.json", b"{}", "made by another version"),
        ("000000.json", b"{}", "000000.json: array: must be given"),
        ("000000.npy", b"", "000000.npy is damaged"),
        ("000000.npy", b"\x93NUMPY\x01\x00\x00\x00", "000000.npy is damaged"),
    ],
)
def test_a_stored_scene_that_is_damaged_is_named(tmp_path, name, content, message):
    path = loaders.bank(name)(tmp_path)
    path.write_bytes(content)
    with pytest.raises((ConfigError, AudioError), match=message):
        loaders.stored(path)


@pytest.mark.parametrize("facts", [{"shape": [2]}, {"shape": [-2, 100]}, {"scales": [1.0]}])
def test_the_facts_of_a_stored_scene_agree(tmp_path, facts):
    path = loaders.bank("000000.json")(tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text()) | facts))
    with pytest.raises(ConfigError, match=r"000000\.json"):
        loaders.stored(path)


@pytest.mark.parametrize("shape", [(3, 2, 99), (2, 2, 100), (3, 200)])
def test_the_samples_of_a_stored_scene_have_its_shape(tmp_path, shape):
    path = loaders.bank("000000.npy")(tmp_path)
    np.save(path, np.zeros(shape, np.int16))
    with pytest.raises(AudioError, match=r"000000\.npy is damaged: int16 of shape \(3, 2, 100\)"):
        loaders.stored(path)


def test_an_entry_of_an_npz_file_that_is_no_array_is_damage(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x=np.zeros(3))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("y.npy", b"not an array")
    with pytest.raises(ConfigError, match=r"a\.npz is damaged: not an npz file of arrays"):
        read_arrays(path)
