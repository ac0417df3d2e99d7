"""Suites, corpora and cases: which scenes are drawn, and what is known of them."""

import csv
import json

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh.audio import write
from arrayenh.cli.main import run
from arrayenh.errors import AudioError, ConfigError, GeometryError, SceneError
from arrayenh.evaluation.cases.drawn import DrawnScenes, in_range, mirrored, stem
from arrayenh.evaluation.cases.folders import find_cases
from arrayenh.evaluation.corpus import with_corpus, with_folders
from arrayenh.evaluation.suite import filled, load_suite, merged, suite_names
from arrayenh.microphones.geometry import load_array
from arrayenh.scenes.rooms import Shoebox

FS = 16000


@pytest.mark.parametrize("name", suite_names())
def test_every_suite_that_ships_can_be_drawn(name):
    suite = load_suite(name)
    assert suite.describe and suite.baseline in suite.systems
    assert suite.oracle is None or suite.oracle in suite.systems
    for index in range(4):
        suite.recipe(index)


def test_a_suite_takes_values_in_turn():
    suite = load_suite("quality")
    arrays = [suite.tree(index)["array"]["name"] for index in range(5)]
    assert arrays == [
        "linear4-35mm",
        "circular4-35mm",
        "circular6-46mm",
        "linear2-12mm",
        "linear4-35mm",
    ]
    assert [suite.tree(4 * k)["snr_db"] for k in range(5)] == [-5.0, 0.0, 5.0, 10.0, -5.0]
    assert suite.tree(3)["talkers"][0]["azimuth_deg"] == {"uniform": [-30.0, 30.0]}
    assert suite.tree(3)["talkers"][0]["distance"] == {"uniform": [1.0, 3.0]}


def test_a_third_of_the_directional_noises_are_talkers():
    choice = load_suite("quality").tree(0)["noises"][0]["signal"]["choice"]
    assert choice.count("babble") / len(choice) == 0.35


def test_merging_keeps_the_order_of_keys():
    # in which a scene's values are drawn
    tree = {"a": 1, "b": {"x": 1, "y": 2}, "c": [{"p": 1}, {"p": 2}]}
    change = {"c": [{"q": 3}], "b": {"x": {"uniform": [0, 1]}}}
    found = merged(tree, change)
    assert list(found) == ["a", "b", "c"] and list(found["b"]) == ["x", "y"]
    assert found["c"] == [{"p": 1, "q": 3}, {"p": 2}] and found["b"]["x"] == {"uniform": [0, 1]}
    assert merged({"a": {"uniform": [0, 1]}}, {"a": {"choice": [3]}}) == {"a": {"choice": [3]}}


def test_sounds_of_one_list_are_taken_in_turn():
    tree = {"signal": {"choice": ["babble", "$n", "$n", "$n"]}, "speech": "$n", "size": [1, [2, 3]]}
    found = filled(tree, {"n": ("a", "b")})
    assert found == {
        "signal": {"choice": ["babble", "a", "b", "a"]},
        "speech": "a",
        "size": [1, [2, 3]],
    }
    with pytest.raises(ConfigError, match=r"\$m, which its material does not list"):
        filled("$m", {"n": ("a",)})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("scenes = 'many'\n[scene]\n", "scenes: input should be"),
        ("colour = 1\n[scene]\n", "colour: unknown key; known are .*scene"),
        ("target = 'late'\n[scene]\n", "target: input should be 'early' or 'reverberant'"),
        ("[scene]\nsecnods = 3\n", "secnods: unknown key"),
        ("[scene]\n[[scene.talkers]]\nspeech = '$who'\n", "uses \\$who"),
        ("base = 'nothing'", "base must be one of"),
        ("x = = 1", "is not TOML"),
        ("[[turns]]\neach = []\n[scene]\n", r"turns\.0\.each: tuple should have at least 1 item"),
    ],
)
def test_what_is_wrong_with_a_suite_is_named(tmp_path, text, words):
    (tmp_path / "own.toml").write_text(text)
    with pytest.raises((ConfigError, SceneError), match=words):
        load_suite(str(tmp_path / "own.toml"))


def test_a_suite_that_does_not_exist():
    with pytest.raises(ConfigError, match="did you mean quality"):
        load_suite("qualitty")


def test_a_scene_file_is_a_suite(tmp_path):
    (tmp_path / "own.toml").write_text("snr_db = 3.0\n")
    suite = load_suite(str(tmp_path / "own.toml"))
    assert suite.tree(5) == {"snr_db": 3.0} and suite.systems == ("noisy", "default")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Two talkers of each split, and three noises."""
    root = tmp_path_factory.mktemp("corpus")
    rows = [
        (f"speech/{split}{k}.wav", "librispeech_tc100", f"{split}{k}", split)
        for split in ("train", "valid")
        for k in range(2)
    ]
    rows += [
        (f"noise/{kind}__{split}.wav", "noise", "", split)
        for kind in ("rain", "typing", "babble")
        for split in ("train", "valid")
    ]
    for k, (path, *_) in enumerate(rows):
        (root / path).parent.mkdir(exist_ok=True)
        write(root / path, 0.1 * np.random.default_rng(k).standard_normal(11 * FS), FS)
    with open(root / "manifest.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("path", "set", "speaker", "split"), *rows])
    return root


def files_of(listing: str) -> list[str]:
    with open(listing, newline="", encoding="utf-8") as file:
        return sorted(row["path"].rpartition("/")[2] for row in csv.DictReader(file))


def test_a_corpus_gives_its_split_alone(corpus, tmp_path):
    suite = with_corpus(load_suite("quality"), corpus, "valid", tmp_path)
    assert files_of(suite.material["targets"][0]) == ["valid0.wav", "valid1.wav"]
    assert files_of(suite.material["noises"][0]) == ["rain__valid.wav", "typing__valid.wav"]
    assert files_of(suite.material["ambiences"][0]) == ["rain__valid.wav"]
    source = DrawnScenes(suite, 4, 0, {})
    for index in range(4):
        scene = source.scene(index)
        assert scene.talkers[0].speaker.startswith("valid")
        files = [c.file for noise in scene.noises for s in noise.signals for c in s.clips]
        assert files and not any("train" in file.rpartition("/")[2] for file in files)


def test_a_corpus_without_the_split_is_refused(corpus, tmp_path):
    with pytest.raises(ConfigError, match="no targets in its split 'test'"):
        with_corpus(load_suite("quality"), corpus, "test", tmp_path)
    with pytest.raises(ConfigError, match=r"wants a folder with a manifest\.csv"):
        with_corpus(load_suite("quality"), tmp_path, "valid", tmp_path)


def test_own_folders_replace_speech_and_noise(corpus):
    suite = with_folders(load_suite("quality"), str(corpus / "speech"), None)
    assert suite.material["targets"] == suite.material["talkers"] == (str(corpus / "speech"),)
    assert suite.material["noises"] == load_suite("quality").material["noises"]
    with pytest.raises(ConfigError, match="no folder or list of audio files nowhere"):
        with_folders(suite, None, "nowhere")


def test_the_same_scene_has_the_same_key_wherever_its_sounds_lie(corpus, tmp_path):
    import shutil

    copy = tmp_path / "elsewhere"
    shutil.copytree(corpus, copy)

    def key(root, index=0):
        suite = with_corpus(load_suite("quality"), root, "valid", tmp_path / root.name)
        return DrawnScenes(suite, 2, 0, {}).facts(index).key

    assert key(corpus) == key(copy) != key(corpus, 1)
    for path in (copy / "speech").glob("valid*.wav"):
        write(path, 0.2 * np.random.default_rng(9).standard_normal(11 * FS), FS, overwrite=True)
    assert key(corpus) != key(copy)


def test_a_drawn_case_is_what_the_scene_says():
    source = DrawnScenes(load_suite("quality"), 2, 0, {})
    facts, case, scene = source.facts(0), source.case(0), source.scene(0)
    assert facts.conditions["input SNR"] == "-5 dB"
    assert facts.conditions["array"] == scene.array.name == case.trial.array.name
    trial = case.trial
    assert_array_equal(case.reference, trial.target[0])
    assert_allclose(trial.target + trial.rest, trial.mixture, atol=1e-6)
    # the direction, the position and the room agree
    azimuth = np.arctan2(trial.position[1], trial.position[0])
    assert_allclose(azimuth, trial.azimuth, atol=1e-9)
    centre = np.array(scene.array.centre)
    assert_allclose(
        centre + trial.position @ scene.array.turn().T, scene.talkers[0].position, atol=1e-9
    )
    assert trial.reflections.shape == (6, 3)


def test_image_sources_of_the_first_order():
    images = mirrored(Shoebox(size=(4.0, 3.0, 2.5), rt60=0.3), np.array([1.0, 2.0, 0.5]))
    wanted = [[-1, 2, 0.5], [7, 2, 0.5], [1, -2, 0.5], [1, 4, 0.5], [1, 2, -0.5], [1, 2, 4.5]]
    assert_allclose(images, wanted)


def test_reverberation_times_by_range():
    assert [in_range(t) for t in (0.1, 0.2, 0.39, 0.4, 0.8, 2.0)] == [
        "0 to 0.2 s",
        "0.2 to 0.4 s",
        "0.2 to 0.4 s",
        "0.4 to 0.6 s",
        "0.8 s and more",
        "0.8 s and more",
    ]


def test_the_words_of_a_scene_are_known_where_all_are_heard():
    suite = load_suite("recognition")
    source = DrawnScenes(suite, 2, 0, {"female": "one two", "male": "three four"})
    scene = source.scene(0)
    assert (
        source.spoken(0, scene)
        == {"female": "one two", "male": "three four"}[stem(scene.talkers[0].signal.clips[0].file)]
    )
    assert DrawnScenes(suite, 2, 0, {}).spoken(0, scene) is None
    cut = DrawnScenes(load_suite("quality"), 2, 0, source.transcripts)
    assert cut.spoken(0, cut.scene(0)) is None


def test_a_data_set_becomes_cases(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.toml").write_text(
        "seconds = 1.0\nlead_in = 0.1\ntail = 0.1\n[room]\nsize = [4, 3, 2.5]\nrt60 = 0.15\n"
        '[array]\nname = "linear2-12mm"\n[[talkers]]\ndistance = 0.8\nheight = 1.0\n'
    )
    assert run(["simulate", "s.toml", "-n", "2", "-o", "set"]) == 0
    cases = find_cases(tmp_path / "set", "early", None, {})
    assert len(cases) == 2 and cases.facts(0).conditions["array"] == "linear2-12mm"
    trial = cases.case(1).trial
    assert trial.mixture.shape == trial.target.shape == (2, FS) and trial.array.n_mics == 2
    assert abs(trial.azimuth) < 1e-6  # straight ahead, as the scene says
    assert cases.facts(0).key != cases.facts(1).key
    late = find_cases(tmp_path / "set", "reverberant", None, {}).case(1).trial
    assert np.abs(late.target - trial.target).max() > 1e-4


def test_folders_of_pairs_become_cases(tmp_path):
    rng = np.random.default_rng(0)
    for folder in ("noisy_test", "clean_test"):
        (tmp_path / folder).mkdir()
    clean = 0.1 * rng.standard_normal((1, FS)).astype(np.float32)
    for name in ("a", "b"):
        write(tmp_path / "clean_test" / f"{name}.wav", clean, FS, subtype="FLOAT")
        write(tmp_path / "noisy_test" / f"{name}.wav", 2 * clean, FS, subtype="FLOAT")
    cases = find_cases(tmp_path, "early", None, {"a": "hello"})
    assert [cases.facts(k).name for k in range(2)] == ["a", "b"]
    case = cases.case(0)
    assert_array_equal(case.reference, clean[0])
    assert case.transcript == "hello" and cases.case(1).transcript is None
    (tmp_path / "clean_test" / "b.wav").unlink()
    with pytest.raises(ConfigError, match="has no b, which"):
        find_cases(tmp_path, "early", None, {})


def test_one_clean_channel_is_enough_to_score(tmp_path):
    rng = np.random.default_rng(0)
    for folder, channels in (("noisy", 3), ("clean", 1)):
        (tmp_path / folder).mkdir()
        samples = 0.1 * rng.standard_normal((channels, FS))
        write(tmp_path / folder / "a.wav", samples, FS)
    case = find_cases(tmp_path, "early", None, {}).case(0)
    assert case.trial.target is None and case.reference.shape == (FS,)
    write(tmp_path / "clean" / "a.wav", samples[:, :-5], FS, overwrite=True)
    with pytest.raises(AudioError, match="same length"):
        find_cases(tmp_path, "early", None, {}).case(0)


def test_notes_name_the_files_of_a_folder_that_were_put_right(tmp_path):
    for name in ("a", "b"):
        write(tmp_path / f"{name}.wav", np.full((2, FS), 0.1), FS)
    content = bytearray((tmp_path / "b.wav").read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = bytes(4)
    (tmp_path / "b.wav").write_bytes(content)
    said = f"{tmp_path / 'b.wav'}: the header states no length: read to the end, 1.0 s"
    assert find_cases(tmp_path, "early", None, {}).notes() == [said]


def test_recordings_alone_become_cases(tmp_path):
    for name in ("a", "a_enhanced", ".hidden"):
        write(tmp_path / f"{name}.wav", np.full((2, FS), 0.1), FS)
    array = load_array("linear2-12mm")
    cases = find_cases(tmp_path, "early", array, {})
    assert [one.name for one in cases.files] == ["a"] and cases.case(0).reference is None
    with pytest.raises(GeometryError, match="circular4-35mm has 4 microphones but a.wav gives 2"):
        find_cases(tmp_path, "early", load_array("circular4-35mm"), {}).case(0)
    with pytest.raises(ConfigError, match="holds nothing to score"):
        (tmp_path / "empty").mkdir()
        find_cases(tmp_path / "empty", "early", None, {})


def test_whole_utterances_fit_their_turn(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "words.toml").write_text("seconds = 10.0\n[[talkers]]\nwhole = true\n")
    source = DrawnScenes(load_suite("words.toml"), 3, 0, {})
    for index in range(3):
        (clip,) = source.scene(index).talkers[0].signal.clips
        assert clip.start == 0 and clip.at == FS // 2 and clip.stop > 8 * FS
    (tmp_path / "words.toml").write_text("seconds = 5.0\n[[talkers]]\nwhole = true\n")
    with pytest.raises(SceneError, match=r"no utterance of 4\.2 s or less"):
        DrawnScenes(load_suite("words.toml"), 1, 0, {}).scene(0)


def test_a_level_over_all_points_together(tmp_path):
    (tmp_path / "s.toml").write_text(
        "[[noises]]\nlevel_db = 3.0\n[[noises]]\nlevel_db = 0.0\nazimuth_deg = 40\n"
        '[[noises]]\nkind = "walls"\nlevel_db = -2.0\nlevel_over = "points"\n'
    )
    scene = DrawnScenes(load_suite(str(tmp_path / "s.toml")), 1, 0, {}).scene(0)
    over = scene.noises[2].level_db
    assert_allclose(over, -2 + 10 * np.log10(10**0.3 + 1))
    assert json.dumps(over)
