"""Compression of ONNX files: weights in 16 bits, or matrices in 8 bits."""

import logging
import tempfile
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

LEAST = 256  # elements: smaller tensors are not worth a cast node
CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)
NARROW = "_half"  # suffix of the names of 16-bit tensors


def fold_norms(network: nn.Module) -> None:
    """Fold batch normalisation into the preceding convolutions, as inference engines do.

    This must precede the rounding of weights: afterwards, the products would not fit float16.
    """
    for part in [part for part in network.modules() if isinstance(part, nn.Sequential)]:
        for k in range(len(part) - 1):
            layer, norm = part[k], part[k + 1]
            if isinstance(layer, CONVOLUTIONS) and isinstance(norm, nn.BatchNorm2d):
                turned = isinstance(layer, nn.ConvTranspose2d)
                part[k], part[k + 1] = fuse_conv_bn_eval(layer, norm, turned), nn.Identity()


@torch.no_grad()
def round_to_half(network: nn.Module) -> None:
    """Round the weights to values that `stored_half` can store."""
    for weight in network.parameters():
        weight.copy_(weight.half().float())


def stored_half(content: bytes) -> bytes:
    """Store the large tensors of a graph in float16; they are cast to float32 when it is loaded.

    Only tensors with exact float16 values are stored so: the output of the graph is unchanged.
    """
    graph = onnx.load_from_string(content)
    widen, kept = [], []
    for tensor in graph.graph.initializer:
        narrow = narrowed(numpy_helper.to_array(tensor))
        if narrow is None:
            kept.append(tensor)
            continue
        kept.append(numpy_helper.from_array(narrow, tensor.name + NARROW))
        widen.append(
            helper.make_node("Cast", [tensor.name + NARROW], [tensor.name], to=TensorProto.FLOAT)
        )
    nodes = [*widen, *graph.graph.node]
    for field, values in (("initializer", kept), ("node", nodes)):
        graph.graph.ClearField(field)
        getattr(graph.graph, field).extend(values)
    return graph.SerializeToString()


def narrowed(values: np.ndarray) -> np.ndarray | None:
    """Values as float16 if there are many and all are exact; otherwise None."""
    if values.dtype != np.float32 or values.size < LEAST:
        return None
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float16)
    return narrow if np.array_equal(narrow, values) else None


def quantised(content: bytes) -> bytes:
    """Quantise the matrices of a graph to 8 bits, with dynamically quantised inputs.

    References
    ----------
    onnxruntime, "Quantize ONNX models", dynamic quantisation.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    logger = logging.getLogger()
    before = logger.level
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.onnx", Path(folder) / "out.onnx"
        source.write_bytes(content)
        logger.setLevel(logging.ERROR)  # silences the advice to infer shapes beforehand
        try:
            quantize_dynamic(source, target, per_channel=True, weight_type=QuantType.QInt8)
        finally:
            logger.setLevel(before)
        return target.read_bytes()
