import json
from dataclasses import asdict

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from arrayenh.errors import ConfigError, NumericalError  # noqa: E402
from arrayenh.networks.runtime import Network  # noqa: E402
from arrayenh.training import export, models  # noqa: E402
from arrayenh.training.checkpoint import Checkpoint, decode, load_network, read  # noqa: E402
from arrayenh.training.export import ExportOptions, as_onnx  # noqa: E402
from tests.learning import TinyMask, build, recipe_of  # noqa: E402

WIDE = ("beamformed", "reference", "rest")
KINDS = {
    "causal mask": {},
    "mask that looks ahead": {"causal": False},
    "causal post-filter": {"task": "postfilter", "inputs": WIDE},
}


def network(dropout=0.5, seed=0, **settings):
    """Weights and statistics that are not those of the beginning; dropout must not be heard."""
    torch.manual_seed(seed)
    made = TinyMask(dropout=dropout, width=24, **settings)
    made(torch.randn(4, len(made.signature.inputs), 50, 33, 2))
    return made


def spectra(net, n_batch, n_frames, seed=0):
    torch.manual_seed(seed)
    return torch.randn(n_batch, len(net.signature.inputs), n_frames, 33, 2)


def run(content, spec, states=()):
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [node.name for node in session.get_inputs()]
    given = [x.numpy() if isinstance(x, torch.Tensor) else x for x in (spec, *states)]
    return session.run(None, dict(zip(names, given, strict=True)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_batch, n_frames", [(1, 1), (1, 100), (4, 13)])
def test_the_graph_of_whole_recordings_is_the_network(kind, n_batch, n_frames):
    net = network(**KINDS[kind]).eval()
    exported = as_onnx(net, ExportOptions())
    spec = spectra(net, n_batch, n_frames)
    (out,) = run(exported.content, spec)
    with torch.inference_mode():
        wanted = net(spec)[0].numpy()
    assert_allclose(out, wanted, atol=1e-5 * abs(wanted).max())
    assert exported.error < 1e-5


@pytest.mark.parametrize("blocks", [(30,), (1,) * 30, (7, 1, 2, 20)], ids=len)
def test_the_graph_of_a_stream_in_blocks_is_the_network_on_the_whole(blocks):
    net = network().eval()
    content = as_onnx(net, ExportOptions(streaming=True)).content
    spec = spectra(net, 2, 30)
    state, pieces = np.zeros((1, 2, 24), np.float32), []
    for block in spec.split(blocks, dim=2):
        out, state = run(content, block, [state])
        pieces.append(out)
    with torch.inference_mode():
        wanted, (hidden,) = net(spec)
    assert_allclose(np.concatenate(pieces, axis=1), wanted, atol=1e-5)
    assert_allclose(state, hidden, atol=1e-5)


def test_zeros_reset_the_stream():
    net = network().eval()
    content = as_onnx(net, ExportOptions(streaming=True)).content
    spec, zeros = spectra(net, 1, 5), np.zeros((1, 1, 24), np.float32)
    first, state = run(content, spec, [zeros])
    assert abs(run(content, spec, [state])[0] - first).max() > 1e-4  # it remembers
    assert_array_equal(run(content, spec, [zeros])[0], first)


def test_the_file_tells_what_it_holds():
    net = network()
    words = {"describe": "sines", "licence": "MIT"}
    content = as_onnx(net, ExportOptions(streaming=True, **words)).content
    graph = onnx.load_from_string(content)
    facts = json.loads({entry.key: entry.value for entry in graph.metadata_props}["arrayenh"])
    signature = asdict(net.signature) | {"inputs": list(net.signature.inputs)}
    n_parameters = sum(weight.numel() for weight in net.parameters())
    assert facts == signature | {"parameters": n_parameters} | words
    shapes = {
        value.name: [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in (*graph.graph.input, *graph.graph.output)
    }
    assert shapes == {
        "spec": ["batch", 1, "frames", 33, 2],
        "state_hidden": [1, "batch", 24],
        "out": ["batch", "frames", 33],
        "next_hidden": [1, "batch", 24],
    }
    assert graph.opset_import[0].version >= 17


@pytest.mark.parametrize("options", [{}, {"streaming": True}, {"half": True}], ids=str)
def test_the_chain_runs_it(options):
    net = network().eval()
    found = Network(as_onnx(net, ExportOptions(**options, licence="MIT")).content, "net.onnx")
    assert found.signature == net.signature
    spec = spectra(net, 1, 12)
    with torch.inference_mode():
        wanted = net(spec)[0][0].numpy().T
    heard = torch.view_as_complex(spec)[0].numpy().transpose(0, 2, 1)  # (C, F, T)
    if options.get("streaming"):
        stream = found.stream()
        pieces = [stream.push(heard[..., t : t + 4]) for t in (0, 4, 8)]
        assert_allclose(np.concatenate(pieces, axis=1), wanted, atol=1e-5)
    # weights below 1 are rounded by 2^-12, 33 at a time
    assert_allclose(found.run(heard), wanted, atol=2e-3 if options.get("half") else 1e-5)


def test_half_precision_is_that_of_the_weights_alone():
    net = network().eval()
    whole, half = as_onnx(net, ExportOptions()), as_onnx(net, ExportOptions(half=True))
    assert len(half.content) < 0.7 * len(whole.content)
    assert half.error < 1e-5
    spec = spectra(net, 1, 40)
    rounding = abs(run(half.content, spec)[0] - run(whole.content, spec)[0]).max()
    assert 1e-6 < rounding < 2e-3  # weights below 1 are rounded by 2^-12, 33 at a time


def test_norms_are_in_the_weights_before_those_are_rounded():
    """Afterwards the products would not be numbers of 16 bits."""
    settings = {"n_fft": 64, "hop": 16, "channels": (24, 24), "dilations": ((1, 1), (2, 2))}
    net = models.build("mask-cnn", settings).train()
    for _ in range(20):
        net(spectra(net, 2, 40))
    net.eval()
    whole, half = as_onnx(net, ExportOptions()), as_onnx(net, ExportOptions(half=True))
    assert len(half.content) < 0.7 * len(whole.content) and half.error < 1e-5
    spec = spectra(net, 1, 40)
    assert abs(run(half.content, spec)[0] - run(whole.content, spec)[0]).max() < 5e-3


def test_eight_bits_are_near():
    net = network().eval()
    small = as_onnx(net, ExportOptions(int8=True))
    types = {tensor.data_type for tensor in onnx.load_from_string(small.content).graph.initializer}
    assert onnx.TensorProto.INT8 in types
    spec = spectra(net, 1, 40)
    found, wanted = run(small.content, spec)[0], run(as_onnx(net, ExportOptions()).content, spec)[0]
    assert 1e-6 < abs(found - wanted).max() < 0.05


def test_the_network_is_left_as_it_was():
    net = network().train()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    as_onnx(net, ExportOptions(half=True))
    assert net.training and net.dropout.training
    for key, value in net.state_dict().items():
        assert_array_equal(value, before[key])


class Frozen(TinyMask):
    """A graph that would keep a number of the example it was traced with."""

    def forward(self, spec, state=None):
        out, state = super().forward(spec, state)
        return out / float(spec.abs().mean()), state


class Forgetful(TinyMask):
    """Gives back the state it was given."""

    def forward(self, spec, state=None):
        out, after = super().forward(spec, state)
        return out, after if state is None else state


@pytest.mark.parametrize("wrong, streaming", [(Frozen, False), (Frozen, True), (Forgetful, True)])
def test_a_graph_that_deviates_is_not_written(tmp_path, wrong, streaming):
    net = wrong(width=24)
    with pytest.raises(NumericalError, match="deviates from torch by .* at most 0.0001"):
        export.export(net, tmp_path / "net.onnx", ExportOptions(streaming=streaming))
    assert not any(tmp_path.iterdir())


def test_what_looks_ahead_does_not_stream():
    with pytest.raises(ConfigError, match="tiny looks ahead: it has no streaming graph"):
        as_onnx(network(causal=False), ExportOptions(streaming=True))


def test_two_ways_of_storing_are_refused():
    with pytest.raises(ConfigError, match="half and int8 exclude each other"):
        ExportOptions(half=True, int8=True)


def test_a_checkpoint_is_read_back_to_the_bit(tmp_path):
    net = network(norm=False)
    tensors = {f"network.{key}": value for key, value in net.state_dict().items()}
    settings = {"width": 24, "norm": False}
    recipe = recipe_of({"model": {"name": "tiny", "settings": settings}})
    Checkpoint(recipe, tensors, {"step": 3}).write(tmp_path / "best.safetensors")
    back = read(tmp_path)
    assert (back.recipe, back.facts) == (recipe, {"step": 3})
    spec = spectra(net, 1, 9)
    with torch.inference_mode():
        assert_array_equal(load_network(back, build)(spec)[0], net.eval()(spec)[0])


@pytest.mark.parametrize("damage", ["cut", "foreign", "empty", "other weights"])
def test_a_damaged_checkpoint_is_refused(damage):
    net = network(norm=False)
    recipe = recipe_of({"model": {"name": "tiny", "settings": {"width": 24, "norm": False}}})
    tensors = {f"network.{key}": value for key, value in net.state_dict().items()}
    if damage == "other weights":
        del tensors["network.expand.bias"]
    content = Checkpoint(recipe, tensors).encode()
    if damage == "foreign":
        from safetensors.torch import save

        content = save({"a": torch.zeros(3)})
    content = {"cut": content[:-50], "empty": b""}.get(damage, content)
    with pytest.raises(ConfigError, match="not a checkpoint of arrayenh|does not fit the network"):
        load_network(decode(content, "file"), build)
