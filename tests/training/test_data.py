"""What networks are trained on: who is heard where, and what is mixed, spoilt and beamformed."""

import csv
import re
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.signal import correlate

from arrayenh.audio import write
from arrayenh.errors import AudioError, ConfigError
from arrayenh.evaluation.suite import load_suite
from arrayenh.networks.signature import Signature
from arrayenh.scenes.draw import draw_scene
from arrayenh.scenes.render import render
from arrayenh.stft import Stft
from arrayenh.training.data import augmentation, splits
from arrayenh.training.data import beamformed as beamforming
from arrayenh.training.data.augmentation import NONE, Augmentation
from arrayenh.training.data.bank import COMPONENTS, RECIPE, begun, make_bank, told
from arrayenh.training.data.beamformed import (
    Roles,
    beamform,
    check_masks,
    damaged,
    first_mask,
)
from arrayenh.training.data.build import build_examples, prepare, stacked
from arrayenh.training.data.examples import Beam, Finish, SceneExamples, chosen_mics
from arrayenh.training.data.folders import Sounds, cut, find_pairs, noise_gain, random_place
from arrayenh.training.data.mixing import Mixing, draw_mixture
from arrayenh.training.data.splits import open_corpus, parted
from arrayenh.training.data.stored import open_bank
from tests import small_networks as networks
from tests.signals import band_limited, voice

FS = 16_000
SECONDS = 1.5
N = round(SECONDS * FS)
SCENES, DEV_SCENES = 6, 2
ONE = Signature("one", "mask", ("microphone",), 512, 256)
THREE = Signature("three", "postfilter", ("reference", "beamformed", "rest"), 512, 256)
FOUR = replace(THREE, name="four", inputs=(*THREE.inputs, "noise"))
STEERS = Signature("steers", "mask", ("reference", "beamformed", "noise"), 256, 64)
BEAM = Beam("oracle", N, 0.0)
RECIPE_TEXT = """
[data]
targets = { folder = "speech" }
talkers = { folder = "speech" }
noises = { folder = "noise", not_kinds = ["babble"] }

[material]
targets = ["packaged"]
talkers = ["packaged"]
noises = ["pink"]

[[turns]]
each = [{ array = { name = "linear4-35mm" } }, { array = { name = "linear2-12mm" } }]

[scene]
seconds = 1.5
lead_in = 0.2
tail = 0.1
snr_db = 0.0
snr_over = "file"
room = { size = [4.0, 3.5, 2.5], rt60 = { uniform = [0.15, 0.25] } }
array = { name = "linear4-35mm", height = 1.2 }

[[scene.talkers]]
speech = { choice = ["$targets", "$targets"] }
azimuth_deg = { uniform = [-180.0, 180.0] }
distance = 0.8

[[scene.noises]]
signal = { choice = ["$noises", "babble"] }
speech = "$talkers"
voices = 1
azimuth_deg = { uniform = [-180.0, 180.0] }
distance = 0.7
"""


def rng(seed=0):
    return np.random.default_rng(seed)


def lag_of(a, b):
    """Samples by which `a` comes after `b`."""
    found = correlate(a.astype(float), b.astype(float))
    return int(np.abs(found).argmax()) - (len(b) - 1)


def power(x):
    return np.mean(np.square(x, dtype=np.float64))


def ratio_db(a, b):
    return 10 * np.log10(power(a) / power(b))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A corpus of 12 speakers of 1 or 6 utterances, and noise; what judges is no sound at all."""
    folder = tmp_path_factory.mktemp("corpus")
    rows = []
    for k in range(12):
        for part in range(6 if k % 3 == 0 else 1):
            path = f"speech/a/s{k}_{part}.wav"
            rows.append((path, "a", f"s{k}", "train"))
            put(
                folder / path, 0.1 * voice(rng(10 * k + part), 2 * FS, start=800, pitch=90 + 15 * k)
            )
    for k in range(8):
        for piece in range(2):
            path = f"noise/rain__x_r{k}_{piece:02d}.wav"
            rows.append((path, "noise", "rain", "train"))
            put(folder / path, 0.1 * band_limited(rng(200 + 2 * k + piece), FS))
    left_out = (
        ("speech/a/judge_0.wav", "judge", "valid"),
        ("noise/rain__judge_00.wav", "rain", "valid"),
        ("speech_gpl/g_0.wav", "g", "train"),
        ("noise/babble__x_00.wav", "babble", "train"),
        ("rirs/r.wav", "r", "train"),
    )
    for path, speaker, split in left_out:
        rows.append((path, "x", speaker, split))
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text("whoever opens this fails")
    with open(folder / "manifest.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "set", "speaker", "split"))
        writer.writerows(rows)
    return folder


def put(path, samples):
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, np.asarray(samples, np.float32), FS, overwrite=True)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    path = tmp_path_factory.mktemp("recipe") / "small.toml"
    path.write_text(RECIPE_TEXT)
    return path


@pytest.fixture(scope="module")
def bank(root, recipe, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bank")
    make_bank(root, folder, SCENES, dev_count=DEV_SCENES, recipe=recipe)
    return folder


@pytest.fixture(scope="module")
def data(root, bank, recipe):
    return {
        "kind": "scenes",
        "root": str(root),
        "bank": str(bank),
        "recipe": str(recipe),
        "scenes": SCENES,
        "dev_scenes": DEV_SCENES,
        "seconds": 1.0,
    }


@pytest.fixture(scope="module")
def scenes(bank):
    return open_bank(bank, "train", SCENES)


def scene_bytes(folder):
    """Every scene of a bank."""
    return {
        str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("0*.*"))
    }


# who is heard in which part


def test_nobody_is_in_both_parts_and_what_judges_in_none(root):
    train, dev = open_corpus(root, "train"), open_corpus(root, "dev")
    for sounds in (("speech"), ("noise")):
        ours, theirs = getattr(train, sounds), getattr(dev, sounds)
        assert ours and theirs
        assert not {sound.source for sound in ours} & {sound.source for sound in theirs}
    heard = [s.path for c in (train, dev) for s in (*c.speech, *c.noise)]
    assert len(heard) == len(set(heard)) == 12 - 4 + 4 * 6 + 16
    assert not [path for path in heard if "judge" in path or "gpl" in path or "babble" in path]


def test_pieces_of_one_recording_stay_together(root):
    for part in splits.PARTS:
        pieces = [sound.source for sound in open_corpus(root, part).noise]
        assert all(pieces.count(source) == 2 for source in pieces)
    names = ("traffic__anrose_c0_03", "traffic__anrose_c1_03", "traffic__anrose_c1_11")
    assert {splits.recording(Path(f"noise/{name}.ogg")) for name in names} == {"traffic__anrose"}


def test_a_name_stays_where_its_hash_puts_it():
    names = [f"speaker {k}" for k in range(2000)]
    held_out = parted(names, judged=True)["dev"]
    assert abs(len(held_out) - 200) < 4 * np.sqrt(2000 * 0.1 * 0.9)
    assert parted(names[:1000], judged=True)["dev"] == held_out & set(names[:1000])


def test_speakers_who_may_be_several_only_train():
    names = [f"unknown {k}" for k in range(100)] + ["", "a", "b"]
    parts = parted(names, judged=True)
    assert parts["dev"] in ({"a"}, {"b"}) and parts["train"] == set(names) - parts["dev"]


def test_folders_without_a_manifest_keep_a_tenth_that_nobody_sees(tmp_path):
    for k in range(20):
        put(tmp_path / f"speech/v{k}/u.wav", np.ones(100))
    for k in range(3):
        put(tmp_path / f"noise/n{k}_00.wav", np.ones(100))
    parts = {part: open_corpus(tmp_path, part) for part in splits.PARTS}
    speakers = {part: {s.source for s in corpus.speech} for part, corpus in parts.items()}
    hashed = {f"v{k}": splits.chance(f"v{k}") for k in range(20)}
    assert speakers["train"] == {name for name, chance in hashed.items() if chance >= 0.2}
    assert speakers["dev"] == {name for name, chance in hashed.items() if 0.1 <= chance < 0.2}
    assert speakers["dev"] and len(speakers["train"] | speakers["dev"]) < 20
    assert len(parts["train"].noise) == len(parts["dev"].noise) == 1  # and one for tests


def test_what_is_no_corpus_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="neither a manifest.csv nor a folder speech"):
        open_corpus(tmp_path, "train")
    put(tmp_path / "speech/anna/u.wav", np.ones(100))
    with pytest.raises(ConfigError, match="no speech for the part 'dev': it needs more speakers"):
        open_corpus(tmp_path, "dev")


# the bank


def test_components_of_a_scene_add_up_to_what_was_rendered(root, bank, recipe, scenes):
    plan = begun(load_suite(str(recipe)), root, "train", 0, bank / "train")
    for index in (0, 1):
        rendered = render(draw_scene(plan.suite.recipe(index), index, plan.seed))
        scene = scenes[index]
        assert (scene.n_mics, scene.n_samples) == rendered.mixture.shape
        parts = scene.read(COMPONENTS, range(scene.n_mics), 0, N)
        late = rendered.target_image - rendered.early_image
        truth = (rendered.early_image, late, rendered.noise_image)
        for part, true, scale in zip(parts, truth, scene.scales, strict=True):
            assert_allclose(part, true, rtol=0, atol=0.51 * scale)  # half a step, and float32
        assert scene.array == rendered.scene.array.name
        assert scene.rt60 == rendered.scene.room.rt60
        assert_allclose(scene.speech_power[1], power(rendered.target_image[1]), rtol=1e-12)
        assert_allclose(scene.noise_power[1], power(rendered.noise_image[1]), rtol=1e-12)


@pytest.mark.slow
def test_a_bank_is_the_same_however_it_is_made(root, bank, recipe, tmp_path):
    told_of = []
    make_bank(root, tmp_path, 2, 0, 1, dev_count=1, recipe=recipe)
    made = tmp_path / "train" / "000001.npy"
    before = made.stat().st_mtime_ns
    (tmp_path / "train" / told(0)).unlink()  # a scene that was not finished
    make_bank(root, tmp_path, SCENES, 0, 2, told_of.append, dev_count=DEV_SCENES, recipe=recipe)
    assert scene_bytes(tmp_path) == scene_bytes(bank)
    assert made.stat().st_mtime_ns == before
    assert told_of[0] == 1 and told_of[-1] == SCENES + DEV_SCENES
    assert not list(tmp_path.rglob("*.part"))


def test_a_bank_of_something_else_is_refused_and_left_as_it_is(root, bank, recipe, tmp_path):
    before = {path: path.read_bytes() for path in bank.rglob("*") if path.is_file()}
    other = tmp_path / "other.toml"
    other.write_text(RECIPE_TEXT.replace("distance = 0.8", "distance = 0.9"))
    put(tmp_path / "speech/x_0.wav", np.ones(100))
    put(tmp_path / "speech/y_0.wav", np.ones(100))
    for changed in ((root, 1, recipe), (root, 0, other), (tmp_path, 0, recipe)):
        with pytest.raises(ConfigError, match="another recipe, seed or corpus"):
            make_bank(changed[0], bank, SCENES, changed[1], recipe=changed[2])
    assert before == {path: path.read_bytes() for path in bank.rglob("*") if path.is_file()}


def test_the_parts_of_a_bank_hear_their_own_sounds(root, bank):
    for part in splits.PARTS:
        corpus = open_corpus(root, part)
        allowed = {str(root / s.path) for s in (*corpus.speech, *corpus.noise)}
        lists = sorted((bank / part / "sounds").glob("*.csv"))
        names = {path.stem.rsplit("-", 1)[0] for path in lists}
        assert names == {"targets", "talkers", "noises"}
        for path in lists:
            with open(path, newline="", encoding="utf-8") as file:
                assert {row["path"] for row in csv.DictReader(file)} <= allowed
        speakers = {s.source for s in corpus.speech}
        n = SCENES if part == "train" else DEV_SCENES
        assert {scene.speaker for scene in open_bank(bank, part, n)} <= speakers


def test_speakers_of_few_and_of_many_utterances_have_lists_of_their_own(bank):
    found = []
    for path in sorted((bank / "train" / "sounds").glob("targets-*.csv")):
        with open(path, newline="", encoding="utf-8") as file:
            found.append([row["speaker"] for row in csv.DictReader(file)])
    few, many = found
    assert len(few) == len(set(few)) and not set(few) & set(many)
    assert all(many.count(who) == 6 for who in many)


def test_the_recipe_that_ships_can_be_drawn():
    suite = load_suite(str(RECIPE))
    arrays = {suite.tree(index)["array"]["name"] for index in range(12)}
    assert {"linear4-35mm", "circular4-35mm", "circular6-46mm", "linear2-12mm"} < arrays
    for index in (0, 4, 15, 26):
        scene = draw_scene(suite.recipe(index), index)
        distance = scene.array.direction_of(np.array(scene.talkers[0].position))[2]
        assert 0.1 <= scene.room.rt60 <= 1 and 0.5 <= distance <= 4 and len(scene.noises) <= 4
        assert (scene.array.faults is None) == (index < 12)


def test_a_bank_that_is_not_whole_is_refused(bank, tmp_path):
    with pytest.raises(ConfigError, match="has 6 of 7 scenes: render it first"):
        open_bank(bank, "train", SCENES + 1)
    with pytest.raises(ConfigError, match="has 0 of 1 scenes"):
        open_bank(tmp_path, "dev", 1)


def test_a_piece_of_a_scene_is_that_piece_and_silence_comes_after(scenes):
    scene = scenes[0]
    whole = scene.read(COMPONENTS, range(4), 0, N)
    piece = scene.read(("noise", "early"), [3, 1], N - 1000, 1500)
    assert_array_equal(piece[0, 0, :1000], whole[2, 3, -1000:])
    assert_array_equal(piece[1, 1, :1000], whole[0, 1, -1000:])
    assert not piece[:, :, 1000:].any()
    with pytest.raises(AudioError, match="cannot be read"):
        replace(scene, path=Path("nowhere.npy")).read(("early",), [0], 0, 10)


# mixing


@pytest.mark.parametrize("snr_db", [-8.0, 20.0])
@pytest.mark.parametrize("remix", [0.0, 1.0])
def test_the_snr_is_reached_at_the_reference(scenes, snr_db, remix):
    mixing = Mixing(snr_db=snr_db, remix=remix, clean=0, silent=0)
    alike = [scene for scene in scenes if scene.array == "linear4-35mm"]
    for seed in range(8):
        mixture = draw_mixture(alike[0], alike, 2, N, mixing, rng(seed))
        early, rest = mixture.hear([2], N)
        (late,) = alike[0].read(("late",), [2], 0, N)
        assert_allclose(ratio_db(early + late, rest - late), snr_db, atol=0.01)
        assert mixture.noise.array == "linear4-35mm"
        if not remix:
            assert mixture.noise is mixture.speech


def test_noise_of_the_same_scene_keeps_its_time_and_other_noise_has_its_own(scenes):
    alike = [scene for scene in scenes if scene.array == "linear2-12mm"]
    other = set()
    for seed in range(20):
        mixture = draw_mixture(alike[0], alike, 0, N // 2, Mixing(remix=0), rng(seed))
        assert mixture.noise_start == mixture.speech_start <= N - N // 2
        mixture = draw_mixture(alike[0], alike, 0, N // 2, Mixing(remix=1), rng(seed))
        other.add(mixture.noise.path)
    assert other == {scene.path for scene in alike}


def test_clean_speech_and_noise_alone(scenes):
    scene = scenes[0]
    early, late = scene.read(("early", "late"), [0], 0, N)
    kinds = set()
    for seed in range(10):
        mixing = Mixing(clean=1, silent=0)
        found, rest = draw_mixture(scene, [scene], 0, N, mixing, rng(seed)).hear([0], N)
        assert_array_equal(found, early)
        kinds.add("dry" if not rest.any() else "reverberant")
        assert not rest.any() or np.array_equal(rest, late)
    assert kinds == {"dry", "reverberant"}
    mixing = Mixing(clean=0, silent=1)
    found, rest = draw_mixture(scene, [scene], 0, N, mixing, rng()).hear([0], N)
    assert not found.any() and power(rest) > 0


# examples from scenes


def test_one_microphone_less_the_target_is_late_speech_and_noise(scenes):
    mixing = Mixing(remix=0, clean=0, silent=0, snr_db=3.0)
    source = SceneExamples(scenes[:1], ONE, mixing, Finish(N, NONE), BEAM)
    whole = scenes[0].read(COMPONENTS, range(4), 0, N)
    heard = set()
    for seed in range(12):
        inputs, target = source.example(0, rng(seed)).values()
        gains = whole[0] @ target / np.sum(whole[0] ** 2, axis=1)
        errors = [power(target - g * e) for g, e in zip(gains, whole[0], strict=True)]
        mic = int(np.argmin(errors))
        gain = gains[mic]
        assert errors[mic] < 1e-10 * power(target)
        rest = (inputs[0] - target) / gain - whole[1, mic]
        noisy = rest @ whole[2, mic] / np.sum(whole[2, mic] ** 2)
        assert_allclose(rest, noisy * whole[2, mic], atol=2e-6 / gain)
        heard.add(mic)
    assert len(heard) > 1


def test_the_roles_of_a_beamformer_belong_together(scenes):
    mixing = Mixing(remix=0, clean=0, silent=0, snr_db=0.0)
    finish = Finish(N, Augmentation(eq=1, band=1, speed=1, clipping=0, codec=0))
    source = SceneExamples(scenes, THREE, mixing, finish, BEAM)
    for seed in range(4):
        (reference, found, rest), target = source.example(seed, rng(seed)).values()
        assert_allclose(reference - found, rest, atol=1e-5 * np.abs(reference).max())
        assert lag_of(found, target) == lag_of(reference, target) == 0


def test_the_beamformer_comes_nearer_to_the_target(scenes):
    gains_db = []
    for k in (0, 2, 4):
        mixture = draw_mixture(
            scenes[k], scenes[k : k + 1], 0, N, Mixing(snr_db=0.0, clean=0, silent=0), rng()
        )
        early, rest = mixture.hear(range(4), N)
        roles = beamform(early + rest, early, "oracle", FS, SimpleNamespace(random=np.ones))
        assert_array_equal(roles.reference, (early + rest)[0])
        gains_db.append(ratio_db(rest[0], roles.beamformed - early[0]))
    assert min(gains_db) > 2.5


@pytest.mark.parametrize("masks", ["spp", "cacgmm", "net.onnx"])
def test_other_masks_steer_it_too(scenes, masks, tmp_path):
    if masks == "net.onnx":
        masks = str(tmp_path / masks)
        constant_mask(Path(masks))
        check_masks(masks)
    mixture = draw_mixture(scenes[0], scenes[:1], 0, N, Mixing(clean=0, silent=0), rng())
    early, rest = mixture.hear([1, 3], N)
    roles = beamform(early + rest, early, masks, FS, rng())
    assert np.isfinite(roles.beamformed).all() and power(roles.rest) > 0
    assert lag_of(roles.beamformed, early[0]) == 0


def constant_mask(path, task="mask", inputs=("microphone",)):
    """A network that gives 1 / (1 + exp(0)) of everything."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    fields = networks.signature(task, inputs, n_fft=1024, hop=256)
    nodes = [
        onnx.helper.make_node("ReduceSum", ["spec", "axes"], ["sum"], keepdims=0),
        onnx.helper.make_node("Mul", ["sum", "zero"], ["nothing"]),
        onnx.helper.make_node("Sigmoid", ["nothing"], ["out"]),
    ]
    axes = [1, 4] if task == "mask" else [1]
    constants = {"axes": np.array(axes), "zero": np.zeros((), np.float32)}
    path.write_bytes(networks.graph_file(fields, nodes, constants))


def test_a_network_without_masks_is_refused(data, tmp_path):
    constant_mask(tmp_path / "net.onnx", "postfilter", ("beamformed",))
    with pytest.raises(ConfigError, match="data.masks.*net.onnx"):
        build_examples({**data, "masks": str(tmp_path / "net.onnx")}, THREE, 1, 0, "train")


def test_a_beamformer_that_passes_its_reference_takes_nothing_away(data):
    data = {**data, "seconds": 0.5, "context": 0.5}
    for passes, least, most in (({}, 0.0, 0.2), ({"passed": 0.4}, 0.2, 0.6), ({"passed": 1}, 1, 1)):
        batch = build_examples({**data, **passes}, FOUR, 30, 0, "train").batch(0)["inputs"]
        passed = ~batch[:, 2].any(axis=1)
        assert least <= passed.mean() <= most
        assert_array_equal(batch[passed, 0], batch[passed, 1])
        assert not batch[passed, 3].any() and batch[~passed, 3].any(axis=1).all()


def test_the_noise_left_over_is_told_as_loud_as_it_is(scenes):
    """Late speech and noise in the output, less than in the reference."""
    mixture = draw_mixture(
        scenes[0], scenes[:1], 0, N, Mixing(snr_db=0.0, clean=0, silent=0), rng()
    )
    early, rest = mixture.hear(range(4), N)
    knows = SimpleNamespace(random=np.ones)  # no damage
    roles = beamform(early + rest, early, "oracle", FS, knows)
    assert roles.noise.dtype == np.float32 and roles.noise.shape == (N,)
    assert abs(ratio_db(roles.noise, roles.beamformed - early[0])) < 6
    assert ratio_db(rest[0], roles.noise) > 2.5
    assert abs(lag_of(roles.noise, roles.rest)) == 0  # with its phase


def test_a_microphone_alone_leaves_no_noise():
    x = rng().standard_normal(50).astype(np.float32)
    reference, found, rest, noise = Roles.of_one(x).signals(FOUR.inputs)
    assert_array_equal(reference, x)
    assert_array_equal(found, x)
    assert not rest.any() and not noise.any()


# networks of masks that hear a beamformer


def steering(scenes, masks="oracle", passed=0.0, mixing=None, finish=None):
    mixing = mixing or Mixing(remix=0, clean=0, silent=0, snr_db=3.0)
    beam = Beam(masks, N, passed)
    return SceneExamples(scenes, STEERS, mixing, finish or Finish(N, NONE), beam)


def test_they_get_all_microphones_and_who_steers_first(scenes):
    n_mics = set()
    for seed in range(12):
        found = steering(scenes).example(0, rng(seed))
        assert list(found) == ["microphones", "mask", "target"]
        mics, mask, target = found.values()
        assert mics.shape[1:] == target.shape == (N,)
        assert mask.shape == (Stft(256, 64, "hann").n_frames(N), 129)
        assert 0 <= mask.min() and mask.max() <= 1
        assert lag_of(mics[0], target) == 0
        assert ratio_db(target, mics[0] - target) < 3  # at 3 dB, but for late speech
        n_mics.add(len(mics))
    assert n_mics == {2, 3, 4}


def test_the_reference_is_theirs_and_goes_through_the_channel_of_all(scenes):
    """Without noise and rooms the first microphone is the target, whatever is done to it."""
    finish = Finish(FS, Augmentation(eq=1, band=1, speed=1, clipping=0, codec=0))
    dry = 0
    for seed in range(8):
        source = steering(scenes, mixing=Mixing(clean=1, silent=0), finish=finish)
        mics, _, target = source.example(0, rng(seed)).values()
        assert power(mics[0]) > 0
        dry += np.array_equal(mics[0], target)
    assert 0 < dry < 8


@pytest.mark.parametrize("masks", ["spp", "cacgmm"])
def test_first_they_are_steered_by_what_hears_the_finished_microphones(scenes, masks):
    finish = Finish(FS, Augmentation(eq=1, band=1, speed=1))
    mics, mask, target = steering(scenes, masks, finish=finish).example(2, rng(3)).values()
    again = first_mask(mics, target, masks, Stft(256, 64, "hann"), FS, rng())
    assert_array_equal(mask, again.T)
    assert len(np.unique(mask)) > 100


def test_the_oracle_knows_the_reference(scenes):
    """|e| / (|e| + |x - e|) of microphone 0, if nothing damages it."""
    mics, _, target = steering(scenes).example(0, rng()).values()
    stft = Stft(256, 64, "hann")
    mask = first_mask(mics, target, "oracle", stft, FS, SimpleNamespace(random=np.ones))
    early, whole = (stft.analyse(x[None])[:, 0] for x in (target, mics[0]))
    total = np.abs(early) + np.abs(whole - early)
    wanted = np.divide(np.abs(early), total, out=np.zeros_like(total), where=total > 0)
    assert_allclose(mask, wanted, atol=1e-5)
    spoilt = first_mask(mics, target, "oracle", stft, FS, rng(1))
    assert (
        not np.array_equal(spoilt, mask) and np.corrcoef(spoilt.ravel(), mask.ravel())[0, 1] > 0.3
    )


@pytest.mark.parametrize("masks", ["oracle", "spp", "cacgmm"])
def test_one_microphone_is_enough_for_them(scenes, masks):
    mics, mask, target = steering(scenes, masks, passed=1.0).example(0, rng()).values()
    assert mics.shape == (1, N) and np.isfinite(mask).all()
    assert lag_of(mics[0], target) == 0


def test_a_batch_of_them_is_filled_up_with_silence(data):
    examples = build_examples({**data, "passed": 0.3}, STEERS, 8, 0, "train")
    batch = examples.batch(0)
    n_mics = []
    for number, (mics, mask, target) in enumerate(zip(*batch.values(), strict=True)):
        one = examples.example(number)
        n_mics.append(len(one["microphones"]))
        assert_array_equal(mics[: n_mics[-1]], one["microphones"])
        assert not mics[n_mics[-1] :].any()
        assert_array_equal(mask, one["mask"])
        assert_array_equal(target, one["target"])
    assert min(n_mics) == 1 and max(n_mics) == batch["microphones"].shape[1] > 2


def test_arrays_of_unequal_rows_are_stacked():
    found = stacked([np.ones((1, 3)), np.full((3, 3), 2.0), np.full((2, 3), 3.0)])
    assert found.dtype == np.float32
    assert found[:, :, 0].tolist() == [[1, 0, 0], [2, 2, 2], [3, 3, 0]]
    assert_array_equal(found[:, :, 0], found[:, :, 2])
    assert_array_equal(stacked([np.arange(3.0), np.arange(3.0)]), [[0, 1, 2], [0, 1, 2]])


def test_no_other_network_steers_them(data, tmp_path):
    constant_mask(tmp_path / "net.onnx")
    for signature in (STEERS, ONE):
        with pytest.raises(ConfigError, match="of a network of masks must be oracle, spp or"):
            build_examples({**data, "masks": str(tmp_path / "net.onnx")}, signature, 1, 0, "train")


def test_a_network_that_ships_steers_by_its_name(data, tmp_path, monkeypatch):
    """A mask of a half everywhere: both covariances are the same, and the reference passes."""
    constant_mask(tmp_path / "net.onnx")
    content = (tmp_path / "net.onnx").read_bytes()
    monkeypatch.setattr("arrayenh.networks.catalogue.read", {"ships": content}.__getitem__)
    beamforming.network.cache_clear()
    assert beamforming.by_network("ships") and not beamforming.by_network("oracle")
    assert beamforming.stft_of("ships").n_fft == 1024
    assert beamforming.stft_of("spp").n_fft == 2048
    data = {**data, "masks": "ships", "passed": 0.0}
    batch = build_examples(data, THREE, 2, 0, "train").batch(0)["inputs"]
    beamforming.network.cache_clear()
    for reference, found, rest in batch:
        assert rest.any() and ratio_db(reference, found - reference) > 6


def test_a_damaged_mask_is_a_mask():
    mask = rng().random((65, 40), np.float32)
    changed = 0
    for seed in range(100):
        found = damaged(mask, 1 - mask, rng(seed))
        assert found.dtype == np.float32 and found.shape == mask.shape
        assert found.min() >= 0 and found.max() <= 1
        changed += not np.array_equal(found, mask)
    assert 82 <= changed < 100  # 92 on the average


def test_two_microphones_and_more_in_any_order():
    sets = [chosen_mics(4, False, rng(seed)) for seed in range(300)]
    assert {len(mics) for mics in sets} == {2, 3, 4}
    assert {mics[0] for mics in sets} == {0, 1, 2, 3}
    assert all(len(set(mics)) == len(mics) for mics in sets)
    assert {tuple(chosen_mics(3, True, rng(seed))) for seed in range(30)} == {(0,), (1,), (2,)}


def test_silence_and_short_scenes_make_examples(scenes):
    longer = Finish(2 * N, NONE)
    for signature in (ONE, THREE):
        source = SceneExamples(scenes, signature, Mixing(clean=0, silent=0), longer, BEAM)
        heard, target = source.example(0, rng()).values()
        assert heard.shape == (len(signature.inputs), 2 * N) and target.shape == (2 * N,)
        assert power(target[:N]) > 0 and not target[N:].any()
        quiet = SceneExamples(scenes, signature, Mixing(clean=0, silent=1), longer, BEAM)
        heard, target = quiet.example(0, rng()).values()
        assert not target.any() and power(heard) > 0
    nothing = np.zeros((2, N), np.float32)
    roles = beamform(nothing, nothing, "oracle", FS, rng())
    assert not roles.beamformed.any()


# augmentation


def test_a_channel_does_the_same_to_all_and_delays_none():
    signals = np.stack([band_limited(rng(k), FS) for k in range(3)]).astype(np.float32)
    signals[2] = signals[0] - signals[1]
    for seed in range(12):
        found = augmentation.through_channel(signals, Augmentation(eq=1, band=1), FS, rng(seed))
        assert found.shape == signals.shape and found.dtype == np.float32
        assert_allclose(found[0] - found[1], found[2], atol=1e-5)
        assert lag_of(found[0], signals[0]) == 0
        assert power(found[0] - signals[0]) > 1e-3


def test_colours_are_mild_and_bands_end_where_they_should():
    freqs = np.fft.rfftfreq(8192, 1 / FS)
    widths = set()
    for seed in range(40):
        colour_db = 20 * np.log10(augmentation.colour_gain(freqs, rng(seed)))
        assert np.abs(colour_db).max() <= 6 and np.ptp(colour_db) > 0.5
        band = augmentation.band_gain(freqs, rng(seed))
        assert_allclose(band[(freqs > 450) & (freqs < 2800)], 1, atol=1e-12)
        widths.add((band[0] == 0, band[freqs > 7501].max() < 0.1))
    assert widths == {(True, False), (False, True), (True, True)}


@pytest.mark.parametrize("speed", [0.9, 1.05, 1.1])
def test_a_faster_talker_speaks_higher_and_stays_in_step(speed):
    n = augmentation.samples_needed(FS, speed)
    time = np.arange(n) / FS
    tone = np.sin(2 * np.pi * 1000 * time)
    click = np.zeros(n)
    click[round(8000 * speed)] = 1
    found = augmentation.played(np.stack([tone, click]).astype(np.float32), speed, FS, FS)
    assert found.shape == (2, FS)
    spectrum = np.abs(np.fft.rfft(found[0] * np.hanning(FS)))
    assert abs(int(spectrum.argmax()) - 1000 * speed) <= 1
    assert np.abs(found[1]).argmax() == 8000
    assert power(found[:, -50:]) > 0


def test_faults_spoil_the_recording_alone(scenes):
    spoilt = Augmentation(speed=0, eq=0, band=0, clipping=1, codec=1)
    mixing = Mixing(clean=0, silent=0)
    pair = []
    for finish in (Finish(FS, NONE), Finish(FS, spoilt)):
        source = SceneExamples(scenes, ONE, mixing, finish, BEAM)
        pair.append(source.example(0, rng(5)).values())
    (plain, target), (faulty, same) = pair
    assert_allclose(same / np.abs(same).max(), target / np.abs(target).max(), atol=1e-6)
    assert power(faulty / np.abs(faulty).max() - plain / np.abs(plain).max()) > 1e-6
    assert lag_of(faulty[0], plain[0]) == 0


def test_clipping_cuts_all_microphones_at_one_level():
    x = rng().standard_normal((3, 1000)).astype(np.float32)
    cut_off = augmentation.clipped(x, 0.3)
    assert_allclose(np.abs(cut_off).max(axis=1), 0.3 * np.abs(x).max(), rtol=1e-6)
    inside = np.abs(x) < 0.3 * np.abs(x).max()
    assert_array_equal(cut_off[inside], x[inside])


def test_telephones_keep_38_db():
    # step: a factor 256^(1/127) or 4.5 %; error uniform in ± 2.2 %, -38 dB of each sample
    x = rng().uniform(0.2, 1, 20000) * rng(1).choice([-1, 1], 20000)
    found = augmentation.quantised(x)
    assert 37 < ratio_db(x, found - x) < 40
    assert len(np.unique(np.abs(found))) < 128
    assert_array_equal(augmentation.quantised(np.zeros(5)), 0)


def test_levels_stay_within_full_scale():
    x = np.stack([voice(rng(), FS), 0.5 * voice(rng(1), FS)]).astype(np.float32)
    levels = []
    for seed in range(30):
        found = augmentation.levelled(x, rng(seed))
        assert np.abs(found).max() <= 1 + 1e-6
        assert_allclose(found[1] / found[0, x[0].argmax()], x[1] / x[0].max(), rtol=1e-4, atol=1e-7)
        levels.append(10 * np.log10(power(found[0])))
    assert -45.1 < min(levels) < -38 and -20 < max(levels) < -14.9
    assert not augmentation.levelled(np.zeros_like(x), rng()).any()


# folders


@pytest.fixture
def voicebank(tmp_path):
    """Two training folders and two for tests, which hold no sound."""
    for k in range(4):
        for part in range(2):
            clean = voice(rng(k), FS + 100 * part, pitch=100 + 20 * k)
            noisy = clean + 0.3 * rng(50 + k).standard_normal(len(clean))
            name = f"p{k}_{part:03d}.wav"
            put(tmp_path / "clean_trainset_28spk_wav" / name, 0.1 * clean)
            put(tmp_path / "noisy_trainset_28spk_wav" / name, 0.1 * noisy)
    for kind in ("clean", "noisy"):
        (tmp_path / f"{kind}_testset_wav").mkdir()
        (tmp_path / f"{kind}_testset_wav" / "p9_001.wav").write_text("never opened")
    return tmp_path


def test_pairs_are_divided_by_speaker_and_tests_never_opened(voicebank):
    parts = {part: find_pairs(voicebank, part) for part in splits.PARTS}
    speakers = {part: {p.noisy.name[:2] for p in pairs} for part, pairs in parts.items()}
    assert speakers["train"] | speakers["dev"] == {"p0", "p1", "p2", "p3"}
    assert speakers["dev"] and not speakers["train"] & speakers["dev"]
    assert all(pair.clean.name == pair.noisy.name for pair in parts["train"])
    data = {"kind": "pairs", "root": str(voicebank), "seconds": 0.75, "augment": {"codec": 1.0}}
    for part in splits.PARTS:
        batch = build_examples(data, ONE, 2, 0, part).batch(0)
        assert batch["inputs"].shape == (2, 1, 12000) and batch["target"].shape == (2, 12000)
        for inputs, target in zip(batch["inputs"], batch["target"], strict=True):
            assert lag_of(inputs[0], target) == 0
            assert 6 < ratio_db(target, inputs[0] - target) < 15


def test_one_speakers_pairs_are_divided_by_file(tmp_path):
    for k in range(40):
        put(tmp_path / f"clean/a/x_{k}.wav", np.ones(100))
        put(tmp_path / f"noisy/a/x_{k}.wav", np.ones(100))
    train, dev = (find_pairs(tmp_path, part) for part in splits.PARTS)
    assert train and dev and not set(train) & set(dev)
    assert len(train) + len(dev) < 40  # 10 % is for tests


def test_pairs_that_do_not_fit_are_refused(voicebank, tmp_path_factory):
    with pytest.raises(ConfigError, match="has no folder noisy"):
        find_pairs(tmp_path_factory.mktemp("empty"), "train")
    for pair in find_pairs(voicebank, "train"):
        put(pair.clean, np.ones(FS))
    data = {"kind": "pairs", "root": str(voicebank)}
    with pytest.raises(AudioError, match="have different lengths"):
        build_examples(data, ONE, 16, 0, "train").batch(0)
    pair.clean.unlink()
    with pytest.raises(ConfigError, match="has no clean speech"):
        find_pairs(voicebank, "train")


def test_speech_and_noise_are_mixed_at_their_snr(root):
    data = {"kind": "mixtures", "root": str(root), "snr_db": {"choice": [5.0]}, "seconds": 1.0}
    for part in splits.PARTS:
        batch = build_examples(data, ONE, 4, 0, part).batch(0)
        for inputs, target in zip(batch["inputs"], batch["target"], strict=True):
            if part == "dev":
                assert_allclose(ratio_db(target, inputs[0] - target), 5.0, atol=0.01)
            assert lag_of(inputs[0], target) == 0


def test_short_and_silent_sounds_are_taken_as_they_are():
    samples = np.arange(1.0, 11)
    places = {random_place(10, 25, rng(seed)) for seed in range(200)}
    assert places == set(range(-15, 1))
    for place in places:
        found = cut(samples, place, 25)
        assert len(found) == 25 and found.sum() == samples.sum() and found[-place] == 1
    assert {random_place(25, 10, rng(seed)) for seed in range(300)} == set(range(16))
    assert_array_equal(cut(samples, 3, 4), samples[3:7])
    assert noise_gain(np.zeros(5), samples, 0.0) == noise_gain(samples, np.zeros(5), 0.0) == 1


def test_sounds_that_are_forgotten_come_back_the_same(root):
    files = [root / sound.path for sound in open_corpus(root, "train").speech][:4]
    small, large = Sounds(2 * 2 * 2 * FS), Sounds()
    for _ in range(2):
        for file in files:
            assert_array_equal(small.samples(file), large.samples(file))
    assert len(small._kept) == 2 and len(large._kept) == 4
    assert_allclose(power(large.samples(files[0])), 0.01 * 0.6, rtol=0.2)


# batches


@pytest.mark.parametrize("signature", [ONE, FOUR, STEERS], ids=["one", "four", "steers"])
def test_a_batch_is_the_same_in_any_process_and_order(data, signature):
    data = {**data, "augment": {"speed": 0.5, "eq": 0.5, "band": 0.5}}
    train = build_examples(data, signature, 2, 7, "train")
    first, fifth = train.batch(0), train.batch(5)
    if signature is not STEERS:
        assert first["inputs"].shape == (2, len(signature.inputs), FS)
    assert all(array.dtype == np.float32 for array in first.values())
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        there = pool.submit(train.batch, 5).result()
    again = build_examples(data, signature, 2, 7, "train").batch(5)
    for found in (there, again):
        assert found.keys() == fifth.keys()
        for name, array in fifth.items():
            assert_array_equal(found[name], array)
    other = build_examples(data, signature, 2, 8, "train").batch(5)
    assert not np.array_equal(other["target"], fifth["target"])
    assert not np.array_equal(first["target"], fifth["target"])


def test_everything_comes_once_in_each_turn_and_always_anew(data):
    examples = build_examples(data, ONE, 2, 0, "train")
    seen = []

    def example(k, rng):
        seen.append(k)
        return {"inputs": np.zeros((1, 4)), "target": np.zeros(4)}

    counting = replace(examples, source=Counting(example))
    for index in range(6):
        counting.batch(index)
    assert sorted(seen[:6]) == sorted(seen[6:]) == list(range(6)) and seen[:6] != seen[6:]
    assert len(examples) == 3
    assert not np.array_equal(examples.batch(0)["target"], examples.batch(3)["target"])


class Counting:
    """A source of six things."""

    def __init__(self, example):
        self.example = example

    def __len__(self):
        return 6


def test_what_is_chosen_by_ends_and_knows_no_seed(data):
    data = {**data, "augment": {"codec": 1.0, "clipping": 1.0}, "clean": 1.0}
    dev = build_examples(data, ONE, 1, 3, "dev")
    assert len(dev) == DEV_SCENES
    assert_array_equal(
        dev.batch(1)["inputs"], build_examples(data, ONE, 1, 4, "dev").batch(1)["inputs"]
    )
    assert len(np.unique(dev.batch(0)["inputs"])) > 1000  # no faults
    assert power(dev.batch(0)["inputs"][:, 0] - dev.batch(0)["target"]) > 0  # nor without noise
    with pytest.raises(IndexError, match="no batch 2"):
        dev.batch(DEV_SCENES)
    assert len(build_examples(data, ONE, 16, 3, "dev")) == 1
    assert len(build_examples(data, ONE, 16, 3, "dev").batch(0)["target"]) == 16


def test_what_is_missing_is_made_and_then_nothing(root, recipe, tmp_path):
    told_of = []
    data = {
        "kind": "scenes",
        "root": str(root),
        "bank": str(tmp_path),
        "recipe": str(recipe),
        "scenes": 1,
        "dev_scenes": 1,
    }
    with pytest.raises(ConfigError, match="render it first"):
        build_examples(data, ONE, 1, 0, "train")
    prepare(data, progress=lambda done, total: told_of.append((done, total)))
    assert told_of[-1] == (2, 2)
    build_examples(data, ONE, 1, 0, "train")
    told_of.clear()
    prepare(data, progress=lambda done, total: told_of.append((done, total)))
    assert told_of == [(1, 2), (2, 2)]
    prepare({"kind": "pairs", "root": "anywhere"})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "scene"}, "data.kind must be one of scenes, pairs, mixtures; got 'scene'"),
        (
            {"snr": 3},
            "data.snr: unknown key; did you mean snr_db? known are kind, root, bank, scenes",
        ),
        ({"augment": {"clip": 1}}, "data.augment.clip: unknown key; "),
        ({"augment": {"eq": 1.5}}, "data.augment.eq: input should be less than or equal to 1"),
        ({"scenes": 0}, "data.scenes: input should be greater than or equal to 1; got 0"),
        ({"seconds": "long"}, "data.seconds: input should be a valid number"),
        ({"masks": "ideal"}, "data.masks must be oracle, spp, cacgmm or a network; unknown model"),
        ({"snr_db": "low"}, "data.snr_db must be -60 to 60"),
        ({"snr_db": {"uniform": [5, -5]}}, "data.snr_db: uniform needs [low, high]"),
        ({"snr_db": {"choice": [0, 99]}}, "data.snr_db must be -60 to 60"),
        ({"root": None}, "data.root: input should be a valid string"),
        ({"kind": "pairs"}, "data.bank: unknown key; known are kind, root, seconds, augment"),
    ],
)
def test_a_table_that_cannot_be_is_refused_in_one_line(data, change, words):
    with pytest.raises(ConfigError, match=re.escape(words)) as caught:
        build_examples({**data, **change}, ONE, 1, 0, "train")
    assert "\n" not in str(caught.value)


def test_networks_that_such_data_cannot_feed_are_refused(root, data):
    with pytest.raises(ConfigError, match="data.root: must be given"):
        build_examples({"kind": "pairs"}, ONE, 1, 0, "train")
    with pytest.raises(ConfigError, match="one channel, the network's inputs are reference, beam"):
        build_examples({"kind": "mixtures", "root": str(root)}, THREE, 1, 0, "train")
    both = Signature("both", "mask", ("microphone", "rest"), 512, 256)
    with pytest.raises(ConfigError, match="input microphone excludes other inputs"):
        build_examples(data, both, 1, 0, "train")
    wide = Signature("wide", "mask", ("microphone",), 512, 256, sample_rate=48_000)
    with pytest.raises(ConfigError, match="training data has 16000 Hz"):
        build_examples(data, wide, 1, 0, "train")
    with pytest.raises(ConfigError, match="part must be one of train, dev"):
        build_examples(data, ONE, 1, 0, "valid")
    with pytest.raises(ConfigError, match="batch_size must be 1 or more"):
        build_examples(data, ONE, 0, 0, "train")
