"""Smaller ONNX files: weights in 16 bits, or matrices in 8."""

import logging
import tempfile
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

LEAST = 256  # values: smaller tensors are not worth a node that widens them
CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)
NARROW = "_half"  # end of the names of tensors in 16 bits


def fold_norms(network: nn.Module) -> None:
    """Batch normalisation into the convolutions before it, as whoever runs the graph would.

    Done before weights are rounded: afterwards the products would need all their bits again.
    """
    for part in [part for part in network.modules() if isinstance(part, nn.Sequential)]:
        for k in range(len(part) - 1):
            layer, norm = part[k], part[k + 1]
            if isinstance(layer, CONVOLUTIONS) and isinstance(norm, nn.BatchNorm2d):
                turned = isinstance(layer, nn.ConvTranspose2d)
                part[k], part[k + 1] = fuse_conv_bn_eval(layer, norm, turned), nn.Identity()


@torch.no_grad()
def round_to_half(network: nn.Module) -> None:
    """Weights that `stored_half` can keep."""
    for weight in network.parameters():
        weight.copy_(weight.half().float())


def stored_half(content: bytes) -> bytes:
    """A graph whose large tensors lie in float16, and are widened when it is loaded.

    Only those that float16 holds exactly: what the graph computes stays the same.
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
    """The same numbers as float16, where there are many, and all of them are such."""
    if values.dtype != np.float32 or values.size < LEAST:
        return None
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float16)
    return narrow if np.array_equal(narrow, values) else None


def quantised(content: bytes) -> bytes:
    """A graph with matrices of 8 bits, and inputs quantised as they come.

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
        logger.setLevel(logging.ERROR)  # it warns that shapes could be inferred beforehand
        try:
            quantize_dynamic(source, target, per_channel=True, weight_type=QuantType.QInt8)
        finally:
            logger.setLevel(before)
        return target.read_bytes()
