"""Everything of the package that reads a file: a small valid one, and the call that reads it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import soundfile

from arrayenh.errors import ArrayenhError

TREE = {
    "seconds": 0.5,
    "lead_in": 0.05,
    "tail": 0.05,
    "room": {"size": [4.0, 3.0, 2.5], "rt60": 0.0},
    "array": {"name": "linear2-12mm"},
    "talkers": [{"azimuth_deg": 30.0, "distance": 0.8, "height": 1.0}],
    "noises": [{"signal": "pink", "distance": 1.0, "height": 1.0}, {"kind": "diffuse"}],
}

EARS = np.array([[0, 0.09, 0], [0, -0.09, 0]])


class WrongExit(Exception):
    """The command ended with a code that no file may cause."""


@dataclass(frozen=True)
class Loader:
    """A reader: how a valid file is made in an empty folder, and how a file is read."""

    make: Callable[[Path], Path]
    load: Callable[[Path], object]
    text: bool = True


def command(*arguments):
    """Run the command in this process; a file may cause the exit codes 0, 1 and 2."""
    from arrayenh.cli.main import run

    code = run([str(argument) for argument in arguments])
    if code == 2:
        raise ArrayenhError("exit code 2")
    if code not in (0, 1):
        raise WrongExit(code)


def written(name, content, folder):
    """Write a file into a folder and return its path."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def text(name, content):
    return partial(written, name, content)


def noise(n_channels=2, n_samples=800):
    return 0.1 * np.random.default_rng(0).standard_normal((n_samples, n_channels))


def sound(name, **form):
    """Maker of a sound file of two channels."""

    def make(folder):
        soundfile.write(folder / name, noise(), 16000, **form)
        return folder / name

    return make


def tagged_wav(folder):
    """A WAV file with tags before and after its samples."""
    path = folder / "a.wav"
    with soundfile.SoundFile(path, "w", 16000, 2, "PCM_24") as file:
        file.title = "title"
        file.write(noise())
    return path


# scenes


def scene_file(path):
    from arrayenh.scenes.draw import draw_scene
    from arrayenh.scenes.recipe import load_recipe

    draw_scene(load_recipe(str(path)), 0)


@cache
def plan():
    from arrayenh.scenes.plan import Plan

    return Plan(tree=TREE, name="small", n_rooms=1)


def data_set(inner):
    """Maker of a data set of two scenes; one of its files is damaged."""

    def make(folder):
        from arrayenh.scenes.dataset import make_dataset

        make_dataset(plan(), folder / "set", [0, 1])
        return folder / "set" / inner

    return make


def resumed(path):
    from arrayenh.scenes.dataset import make_dataset

    make_dataset(plan(), next(p for p in path.parents if p.name == "set"), [0, 1])


def room(path):
    from arrayenh.scenes.bank import ResponseBank
    from arrayenh.scenes.plan import scene_of

    ResponseBank(path.parent).responses(0, scene_of(plan(), 0))


def drawn_scene(path):
    from arrayenh.scenes.serialise import scene_in_file

    scene_in_file(path)


def rendered_again(path):
    """Render the scenes of a manifest, as far as it is no more work than the valid one."""
    from arrayenh.scenes.manifest import read_manifest
    from arrayenh.scenes.render import render

    for scene in read_manifest(path).values():
        if scene.n_samples <= 16000 and scene.array.n_mics <= 4 and scene.sample_rate <= 48000:
            render(scene)


def speech_list(folder):
    soundfile.write(folder / "a.wav", noise(1), 16000)
    return written("list.csv", "path,speaker\na.wav,anna\na.wav,bert\n", folder)


def voices(path):
    from arrayenh.scenes.voices import find_sounds, find_voices

    find_voices.cache_clear()
    find_sounds.cache_clear()
    find_voices(str(path))
    find_sounds(str(path))


def sofa_file(folder):
    from arrayenh.scenes.sofa import write_sofa

    rng = np.random.default_rng(0)
    directions = rng.standard_normal((5, 3))
    write_sofa(folder / "a.sofa", rng.standard_normal((5, 2, 64)), 48000, directions, EARS)
    return folder / "a.sofa"


def sofa(path):
    from arrayenh.scenes.measured import MeasuredHead, measured_responses

    measured_responses.cache_clear()
    measured_responses(str(path), 16000)
    MeasuredHead(str(path), EARS, 16000)


# evaluation


def corpus(folder):
    rows = ["path,set,speaker,split", "speech/a.wav,s,anna,train", "speech/b.wav,s,bert,train"]
    return written("manifest.csv", "\n".join([*rows, "noise/n.wav,n,,train", ""]), folder)


def corpus_read(path):
    from arrayenh.errors import ConfigError
    from arrayenh.evaluation.corpus import with_corpus
    from arrayenh.evaluation.suite import load_suite
    from arrayenh.training.data.splits import open_corpus

    open_corpus(path.parent, "train")
    try:
        with_corpus(load_suite("quality"), path.parent, "train", path.parent / "lists")
    except ConfigError as error:
        assert "has no" in str(error)  # what the suite selects is not in this corpus


def suite(path):
    from arrayenh.evaluation.suite import load_suite

    found = load_suite(str(path))
    for index in range(3):
        found.recipe(index)


SUITE = """
describe = "small"
scenes = 3
seed = 1
systems = ["noisy", "default"]
metrics = ["snr", "si_sdr"]
material = { noises = ["pink", "white"] }
data = { noises = { sets = ["a"], folder = "noise", kinds = ["fan"] } }

[[turns]]
each = [{ snr_db = 5.0 }, { snr_db = 0.0, noises = [{ level_db = 3.0 }] }]

[scene]
seconds = { uniform = [1.0, 2.0] }
separation_deg = 25.0
room = { size = { uniform = [[4.0, 3.0, 2.5], [6.0, 5.0, 3.0]] }, rt60 = { choice = [0.2, 0.3] } }

[scene.array]
name = "linear2-12mm"
clearance = 1.0

[[scene.talkers]]
speech = "packaged"
azimuth_deg = { uniform = [-180.0, 180.0] }
distance = 1.0
walk = { azimuth_deg = 20.0, distance = 1.0 }

[[scene.noises]]
count = { integer = [1, 2] }
signal = "$noises"
"""


def settings(path):
    from arrayenh.chain.profile import resolve

    resolve(str(path), {})


def thresholds(path):
    from arrayenh.evaluation.thresholds import load_profile

    load_profile(str(path))


def transcripts(path):
    from arrayenh.evaluation.metrics.recognition import read_transcripts

    read_transcripts(path)


SCORES = {"case": "a", "system": "b", "scores": {"snr": [1.5, None], "stoi": [None, "silent"]}}
PLAN = {"folder": "recordings", "target": "early"}
COST = {"real_time_factor": 0.1, "peak_mb": 100.0, "latency_ms": "inf"}


def cached_scores(path):
    from arrayenh.evaluation.cache import Cache

    Cache(path.parents[1]).scores(path.parent.name, path.stem)


def cached_cost(path):
    from arrayenh.evaluation.cache import Cache

    Cache(path.parents[1]).cost(path.stem)


def benchmark_plan(path):
    from arrayenh.cli.benchmark import check_plan
    from arrayenh.errors import AudioError
    from arrayenh.evaluation.cases.folders import FolderCases

    try:
        check_plan(path.parent, FolderCases(Path("recordings"), "early", ()))
    except AudioError as error:
        assert "holds another benchmark" in str(error)


def array(path):
    from arrayenh.microphones.geometry import load_array

    load_array(str(path))


# networks and training


def network_file(folder):
    from tests.small_networks import recursive_mask

    return written("a.onnx", recursive_mask(), folder)


def network(path):
    from arrayenh.networks.onnx_file import metadata_of
    from arrayenh.networks.runtime import Network

    metadata_of(path)
    Network.load(str(path))


def train_recipe(path):
    from arrayenh.training import models
    from arrayenh.training.data.build import checked
    from arrayenh.training.recipe import load_recipe

    recipe = load_recipe(path)
    checked(recipe.data)
    models.build(recipe.model.name, recipe.model.settings)


@cache
def learner():
    from arrayenh.training.distributed import Team
    from arrayenh.training.learner import Learner
    from tests.learning import build, recipe_of

    return Learner(recipe_of(), 20, Team(), build)


def checkpoint_file(folder):
    from tests.learning import Sines

    one = learner()
    one.learn(Sines().batch(0))
    path = folder / "last.safetensors"
    one.checkpoint(elapsed_s=1.0).write(path)
    return path


def checkpoint(path):
    from arrayenh.training.checkpoint import load_network, read
    from tests.learning import Sines, build

    found = read(path)
    load_network(found, build)
    learner().restore(found)
    learner().learn(Sines().batch(0))


LOG = "step,loss,mask,gradient_norm\n10,1.5,1.5,0.25\n20,1.25,1.25,\n"


def log(path):
    from arrayenh.training.logbook import LogBook

    with LogBook(path.parent, ("loss", "mask", "gradient_norm"), 20):
        pass


def bank(inner):
    """Maker of a bank of one stored scene; one of its files is damaged."""

    def make(folder):
        place = folder / "train"
        facts = {
            "array": "linear2-12mm", "speaker": "anna", "rt60": 0.3, "shape": [2, 100],
            "scales": [1e-5] * 3, "speech_power": [1.0, 1.0], "noise_power": [1.0, 1.0],
        }  # fmt: skip
        written("bank.json", json.dumps({"format": 1, "seed": 0}), place)
        written("000000.json", json.dumps(facts), place)
        np.save(place / "000000.npy", np.ones((3, 2, 100), np.int16))
        return place / inner

    return make


def stored(path):
    from arrayenh.training.data.stored import open_bank

    (scene,) = open_bank(path.parents[1], "train", 1)
    if scene.n_samples < 10**6:
        scene.read(("early", "noise"), range(scene.n_mics), 10, 50)


def digits(folder):
    """AudioMNIST with one recording of one speaker."""
    path = folder / "data" / "01" / "0_01_0.wav"
    path.parent.mkdir(parents=True)
    soundfile.write(path, noise(1), 16000)
    return written("data/audioMNIST_meta.txt", '{"01": {"gender": "female"}}', folder)


def books(inner):
    """Maker of LibriSpeech with one utterance."""

    def make(folder):
        chapter = folder / "train-clean-5" / "84" / "121"
        chapter.mkdir(parents=True)
        soundfile.write(chapter / "84-121-0000.flac", noise(1), 16000)
        written("84-121.trans.txt", "84-121-0000 HELLO\n", chapter)
        written("SPEAKERS.TXT", "; ID\n84 | F | train-clean-5 | 2.5 | Anna\n", folder)
        return folder / inner

    return make


def known_set(levels, path):
    from arrayenh.training.data.layouts import known_layout
    from arrayenh.training.data.splits import parted

    found = known_layout(path.parents[levels])
    parted({one.source for one in found.speech} if found else set(), True)


RECIPE = (Path(__file__).parents[1] / "arrayenh/training/recipes/mask-gru.toml").read_text("utf-8")
PROFILE = 'beamformer = "mvdr"\nmasks = "spp"\nstrength = 0.9\nn_fft = 512\nhop = 128\n'
THRESHOLDS = """
no_worse = ["snr", "stoi"]
[tolerance]
snr = 0.01
[thresholds]
artifact_score = "< 3"
delta_si_sdr = {min = -1, max = 20.5}
clipping = "<1%"
[without_reference]
artifact_score = 2
"""
ARRAY = {"name": "two", "mic_positions_m": [[0, 0, 0], [0.1, 0, 0.0]], "names": ["a", "b"]}
XML = '<?xml version="1.0" encoding="utf-8"?>\n<MicArray name="two">\n  <pos Name="a" x="0" y="0" z="0"/>\n  <pos Name="b" x="0.1" y="0" z="0"/>\n</MicArray>\n'  # noqa: E501
RECIPE_TOML = SUITE[SUITE.index("[scene]") :].replace("[scene]\n", "").replace("scene.", "")


def recording(path):
    from arrayenh.audio import read

    read(path)


FORMATS = {
    "wav": tagged_wav,
    "wav float": sound("a.wav", subtype="FLOAT"),
    "wav adpcm": sound("a.wav", subtype="MS_ADPCM"),
    "wavex": sound("a.wav", format="WAVEX"),
    "rf64": sound("a.wav", format="RF64"),
    "w64": sound("a.w64"),
    "flac": sound("a.flac"),
    "ogg": sound("a.ogg"),
    "opus": sound("a.ogg", subtype="OPUS"),
    "mp3": sound("a.mp3"),
    "aiff": sound("a.aiff"),
    "caf": sound("a.caf"),
}
LOADERS = {
    "scene file": Loader(text("a.toml", RECIPE_TOML.replace("$noises", "pink")), scene_file),
    "suite": Loader(text("a.toml", SUITE), suite),
    "settings": Loader(text("a.toml", PROFILE), settings),
    "thresholds": Loader(text("a.toml", THRESHOLDS), thresholds),
    "training recipe": Loader(text("a.toml", RECIPE), train_recipe),
    "array json": Loader(text("a.json", json.dumps(ARRAY)), array),
    "array csv": Loader(text("a.csv", "x,y,z,name\n0,0,0,a\n0.1,0,0,b\n"), array),
    "array xml": Loader(text("a.xml", XML), array),
    "drawn scene": Loader(data_set("scenes/000000/scene.json"), drawn_scene),
    "manifest": Loader(data_set("manifest.csv"), rendered_again),
    "data set": Loader(data_set("dataset.json"), resumed),
    "scene of a set": Loader(data_set("scenes/000001/scene.json"), resumed),
    "room of a set": Loader(data_set("rooms/000000.npz"), room, text=False),
    "speech list": Loader(speech_list, voices),
    "transcripts csv": Loader(text("a.csv", 'name,text\na,"Well, yes"\nb,No\n'), transcripts),
    "transcripts tsv": Loader(text("a.tsv", "name\ttext\na\tYes\nb\tNo\n"), transcripts),
    "corpus": Loader(corpus, corpus_read),
    "scores": Loader(text("case/system.json", json.dumps(SCORES)), cached_scores),
    "cost": Loader(text("costs/system.json", json.dumps(COST)), cached_cost),
    "benchmark": Loader(text("benchmark.json", json.dumps(PLAN)), benchmark_plan),
    "sofa": Loader(sofa_file, sofa, text=False),
    "network": Loader(network_file, network, text=False),
    "checkpoint": Loader(checkpoint_file, checkpoint, text=False),
    "checkpoint facts": Loader(checkpoint_file, checkpoint),
    "training log": Loader(text("log.csv", LOG), log),
    "bank": Loader(bank("bank.json"), stored),
    "scene of a bank": Loader(bank("000000.json"), stored),
    "samples of a bank": Loader(bank("000000.npy"), stored, text=False),
    "audiomnist": Loader(digits, partial(known_set, 1)),
    "speakers": Loader(books("SPEAKERS.TXT"), partial(known_set, 0)),
    "utterances": Loader(books("train-clean-5/84/121/84-121.trans.txt"), partial(known_set, 3)),
    **{name: Loader(make, recording, text=False) for name, make in FORMATS.items()},
    "arrays show": Loader(text("a.json", json.dumps(ARRAY)), partial(command, "arrays", "show")),
    "models show": Loader(network_file, partial(command, "models", "show"), text=False),
    "inspect": Loader(tagged_wav, partial(command, "inspect", "--json"), text=False),
    "scene show": Loader(
        data_set("scenes/000000/scene.json"), partial(command, "scene", "show", "--json")
    ),
}
