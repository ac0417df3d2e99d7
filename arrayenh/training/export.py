"""Export of networks as ONNX files, verified against torch before they are written.

The graphs are traced (`dynamo=False`): the other exporter of torch needs onnxscript, freezes the
number of frames of recurrent layers and swaps their gates
(pytorch issues 191855 and 189225).
"""

import io
import json
import warnings
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from arrayenh.errors import ConfigError, MissingExtraError, NumericalError
from arrayenh.files import write_whole
from arrayenh.networks.metadata import KEY
from arrayenh.networks.runtime import failures, session
from arrayenh.networks.signature import Signature
from arrayenh.training.compact import fold_norms, quantised, round_to_half, stored_half

OPSET = 17
TOLERANCE = 1e-4  # largest deviation of output and states, relative to their peak
INT8_TOLERANCE = 0.25
TRIALS = ((1, 1), (1, 40), (3, 7))
"""Numbers of signals and frames of the comparisons, different from the traced example."""

BLOCKS = (1, 2, 5, 1, 16)  # frames per block of the stream that is compared with the whole


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """Options of the ONNX export.

    Attributes
    ----------
    streaming : bool
        Export a graph with states as inputs and outputs, instead of one for whole recordings.
    half : bool
        Round and store weights in float16; the graph computes in float32.
    int8 : bool
        Store matrices in 8 bits, with dynamically quantised inputs. Recurrent layers other than
        LSTM are not quantised: onnxruntime does not support it.
    describe, licence : str
        Description and licence, stored in the metadata.
    """

    streaming: bool = False
    half: bool = False
    int8: bool = False
    describe: str = ""
    licence: str = ""

    def __post_init__(self) -> None:
        if self.half and self.int8:
            raise ConfigError("half and int8 exclude each other: store weights in 16 or 8 bits")


@dataclass(frozen=True, slots=True)
class Exported:
    """Result of an export.

    Attributes
    ----------
    content : bytes
        The ONNX file.
    n_parameters : int
    error : float
        Largest deviation from torch, relative to the peak; torch uses the rounded weights if
        `half` is set.
    """

    content: bytes
    n_parameters: int
    error: float


def export(
    network: nn.Module,
    path: Path,
    options: ExportOptions | None = None,
    overwrite: bool = True,
) -> Exported:
    """Write a network as an ONNX file; `Signature` describes its inputs and outputs.

    Parameters
    ----------
    network : nn.Module
        Network of `arrayenh.training.models`; it is not changed.
    path : Path
        Output file.
    options : ExportOptions, optional
    overwrite : bool
        Replace an existing file.

    Returns
    -------
    exported : Exported

    Raises
    ------
    ConfigError
        If `streaming` is set and the network needs future frames.
    NumericalError
        If the output of the graph differs from torch; no file is written.
    MissingExtraError
        If onnx or onnxruntime is not installed.
    """
    exported = as_onnx(network, options or ExportOptions())
    write_whole(path, exported.content, overwrite=overwrite)
    return exported


def as_onnx(network: nn.Module, options: ExportOptions) -> Exported:
    """Contents of the file that `export` writes."""
    check_installed()
    signature = signature_of(network)
    if options.streaming and not signature.causal:
        raise ConfigError(f"{signature.name} looks ahead: it has no streaming graph")
    n_parameters = sum(weight.numel() for weight in network.parameters())
    network = deepcopy(network).eval()
    if options.half:
        fold_norms(network)
        round_to_half(network)
    graph = Streaming(network) if options.streaming else Offline(network)
    graph.eval()
    content = traced(graph, signature)
    if options.half:
        content = stored_half(content)
    if options.int8:
        content = quantised(content)
    content = signed(content, signature, n_parameters, options)
    limit = INT8_TOLERANCE if options.int8 else TOLERANCE
    return Exported(content, n_parameters, compared(content, graph, limit))


class Offline(nn.Module):
    """Wrapper for whole recordings: states start at zero and are not returned."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network, self.names = network, ()
        self._starts = [(state, batch_axis(network, k)) for k, state in enumerate(starts(network))]

    def forward(self, spec: Tensor) -> Tensor:
        """Network output; the batch size stays free, as `initial_state` would freeze it."""
        states = tuple(
            state.expand(
                *(spec.shape[0] if k == axis else size for k, size in enumerate(state.shape))
            )
            for state, axis in self._starts
        )
        return self.network(spec, states or None)[0]

    def example(self, signature: Signature, n_batch: int, n_frames: int) -> tuple[Tensor, ...]:
        """Random example inputs."""
        return (noise(signature, n_batch, n_frames),)

    def axes(self) -> dict[str, dict[int, str]]:
        """Dynamic axes of the inputs and outputs."""
        return {"spec": {0: "batch", 2: "frames"}, "out": {0: "batch", 1: "frames"}}


class Streaming(nn.Module):
    """Wrapper for streams: the next frames, with the states before and after them."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network: Any = network
        self.names: tuple[str, ...] = tuple(network.state_names)

    def forward(self, spec: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """Network output and the states after it."""
        out, after = self.network(spec, states)
        return (out, *after)

    def example(self, signature: Signature, n_batch: int, n_frames: int) -> tuple[Tensor, ...]:
        """Random example inputs, with states from the middle of a recording."""
        before = noise(signature, n_batch, 3, seed=1)
        with torch.inference_mode():
            states = self.network(before, self.network.initial_state(n_batch))[1]
        return (noise(signature, n_batch, n_frames), *(state.clone() for state in states))

    def axes(self) -> dict[str, dict[int, str]]:
        """Dynamic axes of the inputs and outputs."""
        free = {"spec": {0: "batch", 2: "frames"}, "out": {0: "batch", 1: "frames"}}
        for k, name in enumerate(self.names):
            axis = {batch_axis(self.network, k): "batch"}
            free |= {f"state_{name}": axis, f"next_{name}": axis}
        return free


def traced(graph: Any, signature: Signature) -> bytes:
    """Trace a graph to ONNX, without metadata."""
    file: Any = io.BytesIO()  # the tracer accepts a file object too
    with warnings.catch_warnings():
        # the tracer warns that it is deprecated and that sizes may be frozen, which is tested below
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph,
            graph.example(signature, 2, 5),
            file,
            input_names=["spec", *(f"state_{name}" for name in graph.names)],
            output_names=["out", *(f"next_{name}" for name in graph.names)],
            dynamic_axes=graph.axes(),
            opset_version=OPSET,
            dynamo=False,
        )
    return file.getvalue()


def signed(
    content: bytes, signature: Signature, n_parameters: int, options: ExportOptions
) -> bytes:
    """Add the signature to the metadata of a graph, and check that the graph is valid ONNX."""
    import onnx

    graph = onnx.load_from_string(content)
    words = {"describe": options.describe, "licence": options.licence}
    facts = asdict(signature) | {"parameters": n_parameters} | words
    onnx.helper.set_model_props(graph, {KEY: json.dumps(facts)})
    onnx.checker.check_model(graph)
    return graph.SerializeToString()


def compared(content: bytes, graph: Any, tolerance: float) -> float:
    """Largest deviation of an ONNX graph from torch, relative to the peak of each output.

    Raises
    ------
    NumericalError
        If the deviation exceeds the tolerance, or the graph does not run.
    """
    signature = signature_of(graph.network)
    worst, running = 0.0, session(content, f"the graph of {signature.name}")
    with torch.inference_mode():
        for n_batch, n_frames in TRIALS:
            given = graph.example(signature, n_batch, n_frames)
            wanted = graph(*given)
            wanted = wanted if isinstance(wanted, tuple) else (wanted,)
            found = outputs(running, given)
            worst = max(worst, *map(deviation, found, wanted))
        if isinstance(graph, Streaming):
            worst = max(worst, streamed_deviation(running, graph, signature))
    if not worst <= tolerance:  # also raises for NaN
        raise NumericalError(
            f"the ONNX graph of {signature.name} deviates from torch by {worst:.2g} of the peak; "
            f"at most {tolerance:g} is allowed"
        )
    return worst


def streamed_deviation(running: Any, graph: Any, signature: Signature) -> float:
    """Largest deviation of a streamed recording from torch on the whole, relative to the peak."""
    spec = noise(signature, 1, sum(BLOCKS), seed=2)
    states, pieces = graph.network.initial_state(1), []
    for block in spec.split(BLOCKS, dim=2):
        out, *states = map(torch.from_numpy, outputs(running, (block, *states)))
        pieces.append(out)
    whole = graph.network(spec, graph.network.initial_state(1))[0]
    return deviation(torch.cat(pieces, dim=1).numpy(), whole)


def outputs(session: Any, inputs: Sequence[Tensor]) -> list[np.ndarray]:
    """Run a graph and return all of its outputs."""
    names = [node.name for node in session.get_inputs()]
    arrays = [np.ascontiguousarray(tensor.numpy()) for tensor in inputs]
    try:
        return session.run(None, dict(zip(names, arrays, strict=True)))
    except failures() as error:
        raise NumericalError(f"the ONNX graph does not run: {error}") from error


def deviation(found: np.ndarray, wanted: Tensor) -> float:
    """Largest difference relative to the peak of `wanted`; infinite if the shapes differ."""
    target = wanted.numpy()
    if found.shape != target.shape:
        return float("inf")
    worst, peak = np.abs(found - target).max(initial=0.0), np.abs(target).max(initial=0.0)
    return float(worst / peak) if peak > 0 else float(worst)


def noise(signature: Signature, n_batch: int, n_frames: int, seed: int = 0) -> Tensor:
    """Spectra of noise with a varying level, (B, C, T, F, 2)."""
    rng = np.random.default_rng(seed)
    shape = n_batch, len(signature.inputs), n_frames, signature.n_freqs, 2
    level = 10 ** rng.uniform(-2, 1, (n_batch, 1, n_frames, 1, 1))
    return torch.from_numpy((level * rng.standard_normal(shape)).astype(np.float32))


def signature_of(network: Any) -> Signature:
    """Signature of a network."""
    return network.signature


def starts(network: Any) -> tuple[Tensor, ...]:
    """Initial states of one signal."""
    return tuple(network.initial_state(1))


def batch_axis(network: Any, k: int) -> int:
    """Batch axis of state `k`."""
    one, two = (network.initial_state(n)[k].shape for n in (1, 2))
    axes = [axis for axis, (a, b) in enumerate(zip(one, two, strict=True)) if a != b]
    if len(axes) != 1:
        raise ConfigError(f"state {network.state_names[k]} should have one axis for the batch")
    return axes[0]


def check_installed() -> None:
    """Raise if a package for the export is missing."""
    for package in ("onnx", "onnxruntime"):
        if find_spec(package) is None:
            raise MissingExtraError(f"export needs {package}: pip install 'arrayenh[train]'")
