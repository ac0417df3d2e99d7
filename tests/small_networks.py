"""Small networks as ONNX files, of which everything is known."""

import json

import numpy as np

OPSET = 17
LIMIT = 0.9  # pole of the recursive mask


def signature(task="mask", inputs=("microphone",), **more):
    """Fields of a signature, n_fft 512 and hop 128 unless said otherwise."""
    fields = {"name": "tiny", "task": task, "inputs": list(inputs), "n_fft": 512, "hop": 128}
    return fields | {"sample_rate": 16_000, "causal": True} | more


def graph_file(fields, nodes, constants=None, states=None, metadata=None, **change):
    """Bytes of an ONNX file with the inputs and outputs that a signature asks for.

    `states` are shapes by name, the batch as "B"; `change` replaces shapes of `spec` or `out`.
    """
    from onnx import TensorProto, helper, numpy_helper

    n_freqs = fields["n_fft"] // 2 + 1
    shapes = {"spec": ["B", len(fields["inputs"]), "T", n_freqs, 2], "out": ["B", "T", n_freqs]}
    if fields["task"] != "mask":
        shapes["out"].append({"postfilter": 2, "both": 3}[fields["task"]])
    shapes |= change
    states = states or {}
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "tiny",
        [
            info("spec", TensorProto.FLOAT, shapes["spec"]),
            *(info(f"state_{name}", TensorProto.FLOAT, shape) for name, shape in states.items()),
        ],
        [
            info("out", TensorProto.FLOAT, shapes["out"]),
            *(info(f"next_{name}", TensorProto.FLOAT, shape) for name, shape in states.items()),
        ],
        [numpy_helper.from_array(value, name) for name, value in (constants or {}).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = 8
    found = {"arrayenh": json.dumps(fields)} if metadata is None else metadata
    helper.set_model_props(model, found)
    return model.SerializeToString()


def scalar(value):
    return np.array(value, np.float32)


def signal(index, name):
    """Nodes that take out one signal, (B, T, F, 2)."""
    from onnx import helper

    return [
        helper.make_node("Constant", [], [f"{name}_k"], value_int=index),
        helper.make_node("Gather", ["spec", f"{name}_k"], [name], axis=1),
    ]


def power(name, out):
    """Nodes of |x|², (B, T, F)."""
    from onnx import helper

    return [
        helper.make_node("Constant", [], [f"{out}_last"], value_ints=[-1]),
        helper.make_node("Mul", [name, name], [f"{out}_squares"]),
        helper.make_node("ReduceSum", [f"{out}_squares", f"{out}_last"], [out], keepdims=0),
    ]


def constant_mask(value, inputs=("microphone",), **more):
    """The same everywhere, whatever is heard."""
    from onnx import helper

    nodes = [
        *signal(0, "x"),
        *power("x", "p"),
        helper.make_node("Mul", ["p", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "value"], ["out"]),
    ]
    constants = {"zero": scalar(0), "value": scalar(value)}
    return graph_file(signature("mask", inputs, **more), nodes, constants)


def level_mask(inputs=("microphone",), index=0, **more):
    """|x| / (|x| + 1) of one of its signals."""
    from onnx import helper

    nodes = [
        *signal(index, "x"),
        *power("x", "p"),
        helper.make_node("Sqrt", ["p"], ["level"]),
        helper.make_node("Add", ["level", "one"], ["more"]),
        helper.make_node("Div", ["level", "more"], ["out"]),
    ]
    return graph_file(signature("mask", inputs, **more), nodes, {"one": scalar(1)})


def pole(name, n_freqs):
    """Node that smooths (B, T, F) with a pole, from its state to its next one: `smoothed`."""
    from onnx import TensorProto, helper

    info = helper.make_tensor_value_info
    step = helper.make_graph(
        [
            helper.make_node("Mul", ["before", "keep"], ["kept"]),
            helper.make_node("Mul", ["now", "learn"], ["learnt"]),
            helper.make_node("Add", ["kept", "learnt"], ["after"]),
            helper.make_node("Identity", ["after"], ["smooth"]),
        ],
        "step",
        [info(name, TensorProto.FLOAT, ["B", n_freqs]) for name in ("before", "now")],
        [info(name, TensorProto.FLOAT, ["B", n_freqs]) for name in ("after", "smooth")],
    )
    return helper.make_node(
        "Scan",
        ["state_pole", name],
        ["next_pole", "smoothed"],
        body=step,
        num_scan_inputs=1,
        scan_input_axes=[1],
        scan_output_axes=[1],
    )


def recursive_mask(inputs=("microphone",), index=0, **more):
    """p / (p + 1) of the power that a pole smooths: p <- 0.9 p + 0.1 |x|²."""
    from onnx import helper

    fields = signature("mask", inputs, **more)
    n_freqs = fields["n_fft"] // 2 + 1
    nodes = [
        *signal(index, "x"),
        *power("x", "p"),
        pole("p", n_freqs),
        helper.make_node("Add", ["smoothed", "one"], ["more"]),
        helper.make_node("Div", ["smoothed", "more"], ["out"]),
    ]
    constants = {"one": scalar(1), "keep": scalar(LIMIT), "learn": scalar(1 - LIMIT)}
    return graph_file(fields, nodes, constants, {"pole": ["B", n_freqs]})


def joint(keep=0.99, **more):
    """Mask p / (p + p̄) of the beamformed power and its slow mean, and the output times the mask."""
    from onnx import helper

    fields = signature("both", ("beamformed", "reference", "noise"), **more)
    n_freqs = fields["n_fft"] // 2 + 1
    nodes = [
        *signal(0, "x"),
        *power("x", "p"),
        pole("p", n_freqs),
        helper.make_node("Sum", ["p", "smoothed", "least"], ["all"]),
        helper.make_node("Div", ["p", "all"], ["mask"]),
        helper.make_node("Constant", [], ["end"], value_ints=[-1]),
        helper.make_node("Unsqueeze", ["mask", "end"], ["masks"]),
        helper.make_node("Mul", ["x", "masks"], ["filtered"]),
        helper.make_node("Concat", ["masks", "filtered"], ["out"], axis=-1),
    ]
    constants = {"least": scalar(1e-12), "keep": scalar(keep), "learn": scalar(1 - keep)}
    return graph_file(fields, nodes, constants, {"pole": ["B", n_freqs]})


def weighted_sum(weights, inputs=("beamformed",), offset=0.0, **more):
    """Post-filter: a sum of its signals, weighted, and an offset."""
    from onnx import helper

    nodes = [helper.make_node("Constant", [], ["channels"], value_ints=[1])]
    nodes += [
        helper.make_node("Mul", ["spec", "weights"], ["weighted"]),
        helper.make_node("ReduceSum", ["weighted", "channels"], ["sum"], keepdims=0),
        helper.make_node("Add", ["sum", "offset"], ["out"]),
    ]
    weights = np.array(weights, np.float32)[:, None, None, None]
    constants = {"weights": weights, "offset": scalar(offset)}
    return graph_file(signature("postfilter", inputs, **more), nodes, constants)


def looking_ahead(**more):
    """Post-filter: the mean of a frame and its two neighbours, those past the ends zero."""
    from onnx import helper

    pads = np.array([0, 0, 1, 0, 0, 0, 0, 1, 0, 0], np.int64)
    nodes = [helper.make_node("Pad", ["spec", "pads"], ["padded"])]
    for name, start, end in (("a", 0, -2), ("b", 1, -1), ("c", 2, 2**31 - 1)):
        nodes += [
            helper.make_node("Constant", [], [f"{name}_start"], value_ints=[start]),
            helper.make_node("Constant", [], [f"{name}_end"], value_ints=[end]),
            helper.make_node("Constant", [], [f"{name}_axis"], value_ints=[2]),
            helper.make_node(
                "Slice", ["padded", *(f"{name}_{w}" for w in ("start", "end", "axis"))], [name]
            ),
        ]
    nodes += [
        helper.make_node("Constant", [], ["channels"], value_ints=[1]),
        helper.make_node("Sum", ["a", "b", "c"], ["three"]),
        helper.make_node("Div", ["three", "number"], ["mean"]),
        helper.make_node("Squeeze", ["mean", "channels"], ["out"]),
    ]
    fields = signature("postfilter", ["beamformed"], causal=False, **more)
    return graph_file(fields, nodes, {"pads": pads, "number": scalar(3)})


def levelled(**more):
    """Post-filter: |x| x over the mean power of all that it hears at once."""
    from onnx import helper

    nodes = [
        *signal(0, "x"),
        *power("x", "p"),
        helper.make_node("Sqrt", ["p"], ["level"]),
        helper.make_node("ReduceMean", ["level"], ["mean"], axes=[1, 2], keepdims=1),
        helper.make_node("Div", ["level", "mean"], ["gain"]),
        helper.make_node("Constant", [], ["last"], value_ints=[-1]),
        helper.make_node("Unsqueeze", ["gain", "last"], ["gains"]),
        helper.make_node("Mul", ["x", "gains"], ["out"]),
    ]
    return graph_file(signature("postfilter", ["beamformed"], causal=False, **more), nodes)
