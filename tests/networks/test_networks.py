"""The runtime of networks: what they give, block by block, and what is refused."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh.chain.frames import LIVE
from arrayenh.cli.main import run
from arrayenh.errors import ConfigError, NumericalError, ShapeError
from arrayenh.networks import catalogue
from arrayenh.networks.runtime import Network
from tests import small_networks as tiny
from tests.signals import complex_normal

onnx = pytest.importorskip("onnx")
ROOT = Path(__file__).parents[2]
F = 257
EPS = float(np.finfo(np.float32).eps)
THREE = ("reference", "beamformed", "rest")


def network(content):
    return Network(content, "tiny.onnx")


def spectrum(*shape, seed=0):
    return complex_normal(np.random.default_rng(seed), *shape, dtype=np.complex64)


# ---- what comes out ----------------------------------------------------------------------


def test_a_mask_is_what_the_graph_says():
    spec = spectrum(1, F, 9)
    mask = network(tiny.level_mask()).run(spec)
    level = np.abs(spec[0])
    assert mask.dtype == np.float32 and mask.flags.c_contiguous
    assert_allclose(mask, level / (level + 1), atol=4 * EPS)


@pytest.mark.parametrize("index", range(3))
def test_signals_come_in_the_order_of_the_signature(index):
    """Each of three as the others are not; what is taken out is what was put in."""
    spec = spectrum(3, F, 4) * np.array([1, 10, 100])[:, None, None]
    level = np.abs(spec[index])
    mask = network(tiny.level_mask(THREE, index)).run(spec)
    assert_allclose(mask, level / (level + 1), rtol=8 * EPS)


def test_real_and_imaginary_parts_stay_what_they_are():
    spec = spectrum(2, F, 5)
    found = network(tiny.weighted_sum([1, -0.5], ("beamformed", "rest"))).run(spec)
    assert found.dtype == np.complex64 and found.flags.c_contiguous
    assert_allclose(found, spec[0] - 0.5 * spec[1], atol=8 * EPS)


def test_masks_of_microphones_are_averaged():
    spec = spectrum(F, 5, 7)
    level = np.abs(spec)
    found = network(tiny.level_mask()).masks(spec)
    assert found.shape == (F, 7) and found.dtype == np.float32
    assert_allclose(found, (level / (level + 1)).mean(axis=1), atol=8 * EPS)


def test_a_microphone_that_drops_out_does_not_count():
    spec = spectrum(F, 3, 6)
    spec[:, 1, 2:4] = 0
    spec[:, :, 5] = 0
    found = network(tiny.constant_mask(0.8)).masks(spec)
    assert_allclose(found[:, :5], 0.8, atol=4 * EPS)
    assert not found[:, 5].any()


@pytest.mark.parametrize("value, mask", [(-0.5, 0.0), (0.25, 0.25), (3.0, 1.0)])
def test_masks_are_limited_to_0_and_1(value, mask):
    assert_array_equal(
        network(tiny.constant_mask(value)).run(spectrum(1, F, 3)), np.full((F, 3), mask)
    )


@pytest.mark.parametrize(
    "content, n_signals", [("constant_mask", 1), ("weighted_sum", 2)], ids=["mask", "postfilter"]
)
def test_frames_of_silence_stay_silent(content, n_signals):
    """Whatever the network would put there; a frame where one of its signals sounds is none."""
    made = {
        "constant_mask": lambda: tiny.constant_mask(1.0),
        "weighted_sum": lambda: tiny.weighted_sum([0, 0], ("beamformed", "reference"), offset=0.5),
    }[content]()
    spec = spectrum(n_signals, F, 8)
    spec[:, :, 2:5] = 0
    spec[0, :, 6] = 0
    found = network(made).run(spec)
    assert not found[:, 2:5].any()
    heard = [0, 1, 5, 7] if n_signals == 1 else [0, 1, 5, 6, 7]
    assert (found[:, heard] != 0).all()


def test_no_frames_give_no_frames():
    mask, spec = network(tiny.level_mask()), network(tiny.weighted_sum([1]))
    assert mask.run(spectrum(1, F, 0)).shape == (F, 0)
    assert mask.run(spectrum(1, F, 0)).dtype == np.float32
    assert spec.run(spectrum(1, F, 0)).dtype == np.complex64
    assert mask.masks(spectrum(F, 4, 0)).shape == (F, 0)


# ---- block by block ----------------------------------------------------------------------


def smoothed(level):
    """Power through the pole of the recursive mask, frame by frame, the last axis."""
    state, out = np.zeros(level.shape[:-1]), np.zeros(level.shape)
    for t in range(level.shape[-1]):
        state = tiny.LIMIT * state + (1 - tiny.LIMIT) * level[..., t] ** 2
        out[..., t] = state
    return out


@pytest.mark.parametrize("sizes", [(1,) * 30, (0, 7, 1, 22), (30,)], ids=str)
def test_blocks_give_what_the_whole_gives(sizes):
    net, spec = network(tiny.recursive_mask()), spectrum(1, F, 30)
    stream, cuts = net.stream(), np.cumsum(sizes)[:-1]
    blocks = [stream.push(part) for part in np.split(spec, cuts, axis=2)]
    found = np.concatenate(blocks, axis=1)
    power = smoothed(np.abs(spec[0]))
    assert_allclose(found, power / (power + 1), atol=1e-6)
    assert_allclose(found, net.run(spec), atol=1e-6)


def test_every_microphone_has_a_state_of_its_own():
    net, spec = network(tiny.recursive_mask()), spectrum(F, 3, 20)
    stream = net.stream()
    found = np.concatenate([stream.masks(part) for part in np.split(spec, [1, 12], axis=2)], axis=1)
    power = smoothed(np.abs(spec))
    assert_allclose(found, (power / (power + 1)).mean(axis=1), atol=1e-6)


def test_after_a_reset_a_recording_begins_anew():
    net, spec = network(tiny.recursive_mask()), spectrum(1, F, 10)
    stream = net.stream()
    first = stream.push(spec)
    again = stream.push(spec)
    stream.reset()
    assert np.abs(again - first).max() > 0.1
    assert_array_equal(stream.push(spec), first)


def test_silence_is_heard_by_the_state():
    """The pole forgets while nothing sounds."""
    net, spec = network(tiny.recursive_mask()), spectrum(1, F, 30)
    spec[:, :, 10:29] = 0
    power = smoothed(np.abs(spec[0]))
    assert_allclose(net.run(spec)[:, 29], (power / (power + 1))[:, 29], atol=1e-6)


def test_a_network_that_looks_ahead_has_no_stream():
    with pytest.raises(ConfigError, match=r"model tiny\.onnx looks ahead"):
        network(tiny.looking_ahead()).stream()


def test_a_causal_network_whose_state_is_not_given_out_has_no_stream():
    """It runs on the whole; a level over all frames is none of one frame."""
    fields = tiny.signature("postfilter", ["beamformed"], causal=True)
    content = onnx.load_from_string(tiny.levelled())
    onnx.helper.set_model_props(content, {"arrayenh": json.dumps(fields)})
    net, spec = network(content.SerializeToString()), spectrum(1, F, 9)
    assert_array_equal(net.run(spec), network(tiny.levelled()).run(spec))
    assert not net.streaming and net.latency_seconds is None
    with pytest.raises(ConfigError, match=r"has no state: .* export it --streaming"):
        net.stream()


@pytest.mark.parametrize("make", [tiny.level_mask, tiny.recursive_mask])
def test_a_network_that_remembers_nothing_or_gives_out_what_it_does_has_a_stream(make):
    assert network(make()).streaming


def test_a_stream_keeps_to_its_microphones():
    stream = network(tiny.recursive_mask()).stream()
    stream.masks(spectrum(F, 3, 2))
    with pytest.raises(ShapeError, match="began with 3 signals; got 2"):
        stream.masks(spectrum(F, 2, 2))


def test_the_same_comes_out_to_the_last_bit():
    net, spec = network(tiny.recursive_mask()), spectrum(F, 4, 50)
    assert_array_equal(net.masks(spec), network(tiny.recursive_mask()).masks(spec))


def test_one_thread_is_all_it_takes():
    options = network(tiny.level_mask())._session.get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (1, 1)


# ---- what is refused ---------------------------------------------------------------------


def said(**change):
    """A signature that is not as it should be, in the file of a network that is."""
    fields = tiny.signature() | change
    return {"arrayenh": json.dumps({key: v for key, v in fields.items() if v is not None})}


def relabelled(metadata):
    from onnx import helper

    model = onnx.load_from_string(tiny.constant_mask(1.0))
    helper.set_model_props(model, metadata)
    return model.SerializeToString()


def without_output():
    model = onnx.load_from_string(tiny.recursive_mask())
    del model.graph.output[1]
    return model.SerializeToString()


def gain(fields, name="value", value=1.0, **shapes):
    """A graph that multiplies, between inputs and outputs of any shapes."""
    from onnx import helper

    nodes = [helper.make_node("Mul", ["spec", "value"], ["out"])]
    return tiny.graph_file(fields, nodes, {"value": tiny.scalar(value)}, **shapes)


WRONG = {
    "nothing": (lambda: b"", "no ONNX network, or damaged"),
    "text": (lambda: b"no network\n" * 50, "no ONNX network, or damaged: Failed to load model"),
    "sound": (lambda: b"RIFF" + bytes(1000), "no ONNX network, or damaged"),
    "cut short": (lambda: tiny.level_mask()[:-200], "no ONNX network, or damaged"),
    "foreign": (lambda: relabelled({"author": "someone"}), "its metadata has no 'arrayenh'"),
    "no JSON": (lambda: relabelled({"arrayenh": "{"}), " is not JSON: "),
    "a list": (lambda: relabelled({"arrayenh": "[]"}), " does not hold a JSON object"),
    "newer": (lambda: relabelled(said(window="hann")), "window: unknown key; known are name"),
    "no hop": (lambda: relabelled(said(hop=None)), "wrong signature: hop: "),
    "a word": (lambda: relabelled(said(hop="128")), "wrong signature: hop: "),
    "a number": (lambda: relabelled(said(describe=3)), "wrong signature: describe: "),
    "task": (lambda: relabelled(said(task="gain")), "task must be one of mask, postfilter"),
    "role": (lambda: relabelled(said(inputs=["ear"])), "inputs must be among microphone"),
    "no role": (lambda: relabelled(said(inputs=[])), "inputs must be among microphone"),
    "twice": (lambda: relabelled(said(inputs=["rest", "rest"])), "inputs are named twice"),
    "alone": (
        lambda: relabelled(said(inputs=["microphone", "rest"])),
        "'microphone' must be the only input",
    ),
    "deaf": (
        lambda: relabelled(said(task="postfilter", inputs=["rest"])),
        "a post-filter needs the input 'beamformed'; got rest",
    ),
    "huge": (lambda: relabelled(said(n_fft=10**9)), "n_fft must be 16 to 16384"),
    "hop": (lambda: relabelled(said(hop=512)), "window and hop cannot reconstruct"),
    "rate": (lambda: relabelled(said(sample_rate=0)), "sample_rate must be 8000 to"),
    "other bins": (
        lambda: relabelled(said(n_fft=1024)),
        "spec should be tensor(float) (*, 1, *, 513, 2); got tensor(float) (*, 1, *, 257, 2)",
    ),
    "other signals": (
        lambda: relabelled(said(inputs=["beamformed", "rest"])),
        "spec should be tensor(float) (*, 2, *, 257, 2); got",
    ),
    "one frame": (
        lambda: gain(tiny.signature(), spec=["B", 1, 1, F, 2], out=["B", 1, 1, F, 2]),
        "(*, 1, *, 257, 2); got tensor(float) (*, 1, 1, 257, 2)",
    ),
    "no batch": (
        lambda: gain(tiny.signature(), spec=[1, 1, "T", F, 2], out=[1, 1, "T", F, 2]),
        "got tensor(float) (1, 1, *, 257, 2)",
    ),
    "shape of the output": (
        lambda: gain(tiny.signature(), out=["B", 1, "T", F, 2]),
        "out of 2 signals, 3 frames should be float32 (2, 3, 257); got float32 (2, 1, 3, 257, 2)",
    ),
    "names": (without_output, "inputs spec, state_pole and outputs out; wanted are"),
    "not causal": (lambda: tiny.recursive_mask(causal=False), "has state but says that it is not"),
    "not finite": (
        lambda: tiny.weighted_sum([np.nan]),
        "is damaged: out of plain noise is not finite",
    ),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_no_network_is_one_clear_line(tmp_path, capsys, kind):
    make, says = WRONG[kind]
    path = tmp_path / "x.onnx"
    path.write_bytes(make())
    with pytest.raises(ConfigError) as caught:
        Network.load(str(path))
    text = str(caught.value)
    assert text.startswith(f"model {path}") and says in text and "\n" not in text
    assert len(text) < 400
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("byte", range(40, 1200, 97))
def test_a_damaged_byte_is_refused_or_harmless(byte):
    """Never a crash, never what is not finite."""
    content = bytearray(tiny.level_mask())
    content[byte % len(content)] ^= 0x55
    try:
        net = network(bytes(content))
    except ConfigError as error:
        assert "\n" not in str(error)
        return
    assert np.isfinite(net.run(spectrum(1, F, 3))).all()


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match="unknown model 'mask-grü': neither an ONNX file nor"):
        Network.load("mask-grü")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        Network.load(str(tmp_path))
    with pytest.raises(ConfigError, match="cannot be read"):
        Network.load("a\0b")


def test_what_overflows_on_its_way_is_refused():
    loud = np.full((1, F, 2), 1e30, np.complex64)
    with pytest.raises(NumericalError, match="gives values that are not finite"):
        network(tiny.weighted_sum([1e10])).run(loud)


@pytest.mark.parametrize("shape", [(1, F), (2, F, 3), (1, F - 1, 3)])
def test_spectra_of_another_shape_are_refused(shape):
    with pytest.raises(ShapeError, match="spec must have shape"):
        network(tiny.level_mask()).run(spectrum(*shape))


def test_masks_of_microphones_need_a_network_for_them():
    with pytest.raises(
        ConfigError, match="the inputs reference, beamformed, rest, not a single microphone"
    ):
        network(tiny.level_mask(THREE)).masks(spectrum(F, 2, 3))
    with pytest.raises(ShapeError, match="spec must have shape"):
        network(tiny.level_mask()).masks(spectrum(F - 1, 2, 3))


# ---- the catalogue and its command -------------------------------------------------------


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """Two networks that ship, one with a card."""
    (tmp_path / "weights").mkdir()
    (tmp_path / "cards").mkdir()
    fields = tiny.signature("mask", ("microphone",)) | {"parameters": 1234, "licence": "MIT"}
    content = onnx.load_from_string(tiny.level_mask())
    onnx.helper.set_model_props(content, {"arrayenh": json.dumps(fields)})
    (tmp_path / "weights/one.onnx").write_bytes(content.SerializeToString())
    (tmp_path / "weights/two.onnx").write_bytes(tiny.looking_ahead())
    (tmp_path / "cards/one.md").write_text("# one\n\nHears a level.\nNo more.\n")
    monkeypatch.setattr(catalogue, "FOLDER", tmp_path)
    monkeypatch.setattr(catalogue, "DEFAULTS", {"mask": "one", "postfilter": "two"})
    return tmp_path


def test_names_cards_and_defaults(shipped):
    assert catalogue.names() == ["one", "two"]
    assert (catalogue.names("mask"), catalogue.names("postfilter")) == (["one"], ["two"])
    assert catalogue.describe("one") == "Hears a level."
    assert catalogue.describe("two") == catalogue.card("two") == ""
    assert (catalogue.default("mask"), catalogue.default("postfilter")) == ("one", "two")
    assert Network.load("one").signature.name == "tiny"
    with pytest.raises(ConfigError, match="nor one of one, two"):
        Network.load("three")


def test_every_default_ships():
    assert set(catalogue.DEFAULTS.values()) <= set(catalogue.names())
    for task, name in catalogue.DEFAULTS.items():
        assert Network.load(name).signature.task == task
        assert catalogue.describe(name)


@pytest.mark.parametrize("frames", LIVE.values(), ids=LIVE)
def test_every_live_chain_has_a_network_of_its_frames(frames):
    network = Network.load(frames.network)
    signature = network.signature
    sizes = frames.n_fft, frames.hop, frames.synthesis
    assert (signature.n_fft, signature.hop, signature.synthesis) == sizes
    assert signature.task == "both" and network.streaming and catalogue.describe(frames.network)


def test_models_lists_what_ships(shipped, capsys):
    assert run(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[:3] == ["name", "task", "inputs"]
    assert lines[2].split() == [
        *"one mask microphone 1234".split(),
        lines[2].split()[4],
        "32.0",
        "Hears",
        "a",
        "level.",
    ]
    assert "looks ahead" in lines[3] and "n/a" in lines[3]
    assert run(["models", "--json"]) == 0
    one, two = json.loads(capsys.readouterr().out)
    size = (shipped / "weights/one.onnx").stat().st_size
    assert one == {
        "name": "one",
        "task": "mask",
        "inputs": ["microphone"],
        "parameters": 1234,
        "size_kb": round(size / 1000, 1),
        "latency_ms": 32.0,
        "description": "Hears a level.",
    }
    assert (two["parameters"], two["latency_ms"], two["description"]) == (None, None, None)


def test_models_show_tells_of_a_name_or_a_file(shipped, capsys):
    assert run(["models", "show", "one"]) == 0
    out = capsys.readouterr().out
    assert (
        "# one" in out
        and "MIT" in out
        and ["n_fft", "512"] in [line.split() for line in out.splitlines()]
    )
    path = shipped / "weights/two.onnx"
    assert run(["models", "show", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["name"] == str(path) and found["card"] is None
    assert (found["hop"], found["causal"], len(found["sha256"])) == (128, False, 64)


def test_models_of_what_is_damaged_is_one_line(shipped, capsys):
    (shipped / "x.onnx").write_bytes(b"no network")
    assert run(["models", "show", str(shipped / "x.onnx")]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and "is no ONNX network, or damaged" in err


def test_where_none_ships_it_is_said(tmp_path, monkeypatch, capsys):
    (tmp_path / "weights").mkdir()
    monkeypatch.setattr(catalogue, "FOLDER", tmp_path)
    assert run(["models"]) == 0
    assert "no network ships" in capsys.readouterr().err
    assert run(["models", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_onnxruntime_is_loaded_when_a_network_is():
    code = (
        "import sys, arrayenh.networks.runtime, arrayenh.chain.networks, arrayenh.chain.enhancer;"
        "from arrayenh.cli.main import run; run(['models', '--help']); print(*sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)
    assert {"onnxruntime", "torch", "onnx"}.isdisjoint(out.stdout.decode().split())
