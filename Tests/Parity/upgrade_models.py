"""Writes small models of old operator sets, one for each rule of Sources/ONNXFormat/Upgrades, and models with
functions and sub-graphs.

Usage: upgrade_models.py FOLDER

`roundtrip.py` then compares each with what Ligature makes of it.
"""

import os
import sys

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from roundtrip import feeds

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


def value(name, shape, kind=FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def constant(name, array):
    return numpy_helper.from_array(np.asarray(array), name)


def single(kind, opset, shape, outputs=1, constants=(), **attributes):
    """A model of one node; its first input is x."""
    names = [f"y{i}" for i in range(outputs)]
    node = helper.make_node(kind, ["x", *[c.name for c in constants]], names, name="n", **attributes)
    out = [onnx.ValueInfoProto(name=n) for n in names]
    graph = helper.make_graph([node], f"{kind}{opset}", [value("x", shape)], out, list(constants))
    return graph, opset


def models():
    yield "clip6", single("Clip", 6 + 1, [2, 3], min=-0.5, max=0.25)
    yield "clip6_max", single("Clip", 7, [2, 3], max=0.25)
    for name in ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceL2", "ReduceLogSumExp"):
        yield name.lower() + "11", single(name, 11, [2, 3, 4], axes=[1, -1], keepdims=0)
        yield name.lower() + "12_all", single(name, 12, [2, 3, 4])
    yield "reducesum13", single("ReduceSum", 13, [2, 3, 4], constants=[constant("a", np.array([1]))])
    yield "reducemean13", single("ReduceMean", 13, [2, 3, 4], axes=[2])
    yield "squeeze11", single("Squeeze", 11, [2, 1, 4], axes=[1])
    yield "squeeze7_all", single("Squeeze", 7, [2, 1, 4])
    yield "unsqueeze11", single("Unsqueeze", 11, [2, 4], axes=[0, 3])
    for name in ("Softmax", "LogSoftmax", "Hardmax"):
        yield name.lower() + "11_default", single(name, 11, [2, 3, 4])
        yield name.lower() + "9_2", single(name, 9, [2, 3, 4], axis=2)
        yield name.lower() + "11_negative", single(name, 11, [2, 3, 4, 5], axis=-3)
        yield name.lower() + "12_zero", single(name, 12, [2, 3], axis=0)
    yield "pad2", single("Pad", 7, [2, 3], pads=[1, 0, 0, 2], value=1.5)
    yield "pad2_reflect", single("Pad", 10, [4, 5], pads=[1, 0, 0, 2], mode="reflect")
    yield "slice1", single("Slice", 9, [4, 5], starts=[1, -3], ends=[3, 1000], axes=[0, 1])
    yield "slice1_noaxes", single("Slice", 7, [4, 5], starts=[1], ends=[-1])
    yield "split2", single("Split", 7, [4, 6], outputs=2, axis=1, split=[2, 4])
    yield "split11_equal", single("Split", 11, [4, 6], outputs=3, axis=1)
    yield "split13_equal", single("Split", 13, [4, 6], outputs=2)
    yield "dropout7", single("Dropout", 7, [4, 6], ratio=0.3)
    yield "dropout10", single("Dropout", 10, [4, 6])
    scales = np.array([1, 1, 2, 3], np.float32)
    for mode in ("nearest", "linear"):
        yield f"upsample7_{mode}", single("Upsample", 7, [1, 2, 4, 5], mode=mode, scales=[1.0, 1.0, 2.0, 3.0])
        yield f"upsample9_{mode}", single("Upsample", 9, [1, 2, 4, 5], mode=mode, constants=[constant("k", scales)])
        for label, factors in (("up", [1, 1, 2.5, 3]), ("down", [1, 1, 0.5, 0.4]), ("mixed", [1, 1, 0.6, 1.7])):
            k = constant("k", np.array(factors, np.float32))
            yield f"resize10_{mode}_{label}", single("Resize", 10, [1, 2, 7, 10], mode=mode, constants=[k])
    empty = constant("roi", np.zeros(0, np.float32))
    for coordinates in ("half_pixel", "align_corners", "pytorch_half_pixel", "asymmetric"):
        yield f"resize11_{coordinates}", single(
            "Resize", 11, [1, 2, 7, 10], mode="linear", coordinate_transformation_mode=coordinates,
            constants=[empty, constant("k", scales)])
    yield "resize11_sizes", single(
        "Resize", 11, [1, 2, 7, 10], mode="nearest",
        constants=[empty, constant("k", np.zeros(0, np.float32)), constant("z", np.array([1, 2, 9, 13]))])
    statistics = [constant(n, np.linspace(0.5, 1.5, 3).astype(np.float32)) for n in ("s", "b", "m", "v")]
    yield "batchnorm7", single("BatchNormalization", 7, [2, 3, 4, 4], constants=statistics)
    yield "batchnorm9", single("BatchNormalization", 9, [2, 3, 4, 4], constants=statistics, epsilon=0.01)
    yield "topk1", single("TopK", 7, [3, 8], outputs=2, k=3)
    yield "topk10", single("TopK", 10, [3, 8], outputs=2, constants=[constant("k", np.array([2]))])
    grid = constant("g", np.random.default_rng(1).uniform(-1, 1, (1, 3, 4, 2)).astype(np.float32))
    for mode in ("bilinear", "nearest", "bicubic"):
        yield f"gridsample16_{mode}", single("GridSample", 16, [1, 2, 5, 6], constants=[grid], mode=mode)
    rois = [constant("r", np.array([[0, 0, 3, 3], [1, 1, 5, 4.5]], np.float32)), constant("i", np.array([0, 0]))]
    yield "roialign10", single("RoiAlign", 10, [1, 2, 8, 8], constants=rois, output_height=2, output_width=3)
    yield "roialign16", single("RoiAlign", 16, [1, 2, 8, 8], constants=rois, output_height=2, output_width=3)
    index = constant("i", np.array([[1, 0, 2]]))
    update = constant("u", np.array([[1, 2, 3]], np.float32))
    yield "scatter9", single("Scatter", 9, [3, 3], constants=[index, update])
    yield "dft17", single("DFT", 17, [1, 8, 2, 1], axis=1)
    pair = [constant("s", np.array([1, 2], np.float32)), constant("b", np.array([0.5, -1], np.float32))]
    yield "groupnorm18", single("GroupNormalization", 18, [2, 4, 3, 3], constants=pair, num_groups=2)
    yield "cast9", single("Cast", 9, [2, 3], to=INT64)
    yield "averagepool11", single("AveragePool", 11, [1, 2, 7, 7], kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    yield "maxpool8", single("MaxPool", 8, [1, 2, 7, 7], kernel_shape=[3, 3], strides=[2, 2])
    yield "argmax11", single("ArgMax", 11, [3, 4], axis=1)
    yield "flatten9", single("Flatten", 9, [3, 4, 2], axis=2)
    yield "subgraphs", (branches(), 11)
    yield "loop", (loop(), 13)


def branches():
    """An If whose branches read outer values, an outer constant, and each other's names."""
    weight = constant("w", np.arange(400, dtype=np.float32).reshape(4, 100))
    then = helper.make_graph(
        [helper.make_node("MatMul", ["twice", "w"], ["m"]), helper.make_node("Softmax", ["m"], ["t"], axis=1)],
        "then", [], [value("t", None)])
    other = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["m2"]), helper.make_node("ReduceMax", ["m2"], ["t2"], axes=[0]),
         helper.make_node("Add", ["t2", "one"], ["e"])],
        "else", [], [value("e", None)], [constant("one", np.float32(1))])
    nodes = [
        helper.make_node("Add", ["x", "x"], ["twice"]),
        helper.make_node("If", ["c"], ["y"], then_branch=then, else_branch=other),
    ]
    return helper.make_graph(
        nodes, "branches", [value("x", [2, 4]), value("c", [1], BOOL)], [value("y", [2, 100])], [weight])


def loop():
    body = helper.make_graph(
        [helper.make_node("Add", ["state", "x"], ["next"]),
         helper.make_node("Identity", ["go"], ["go_on"]),
         helper.make_node("ReduceMax", ["next"], ["peak"], axes=[1], keepdims=0)],
        "body", [value("i", [], INT64), value("go", [], BOOL), value("state", [2, 3])],
        [value("go_on", [], BOOL), value("next", [2, 3]), value("peak", [2])])
    nodes = [helper.make_node("Loop", ["n", "", "x"], ["last", "peaks"], body=body)]
    count = constant("n", np.array(3))
    return helper.make_graph(
        nodes, "loop", [value("x", [2, 3])], [value("last", [2, 3]), value("peaks", [None, 2])], [count])


def refer(node, name, target, kind):
    node.attribute.append(onnx.AttributeProto(name=name, ref_attr_name=target, type=kind))


def functions():
    """A function that calls a function, with attributes that refer to the call's."""
    domain = "test.functions"
    scale = helper.make_node("Constant", [], ["k"])
    refer(scale, "value_float", "factor", onnx.AttributeProto.FLOAT)
    inner = helper.make_function(
        domain, "Scale", ["a"], ["b"], [scale, helper.make_node("Mul", ["a", "k"], ["b"])],
        [helper.make_opsetid("", 13)], attributes=["factor"])
    call = helper.make_node("Scale", ["p"], ["q"], domain=domain, factor=2.5)
    soft = helper.make_node("Softmax", ["q"], ["r"])
    refer(soft, "axis", "axis", onnx.AttributeProto.INT)
    outer = helper.make_function(
        domain, "Scaled", ["p"], ["r"], [call, soft], [helper.make_opsetid("", 13), helper.make_opsetid(domain, 1)],
        attribute_protos=[helper.make_attribute("axis", 0)])
    nodes = [
        helper.make_node("Scaled", ["x"], ["h"], domain=domain, axis=1),
        helper.make_node("Scaled", ["h"], ["y"], domain=domain, name="second"),
    ]
    graph = helper.make_graph(nodes, "functions", [value("x", [3, 4])], [value("y", [3, 4])])
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 13), helper.make_opsetid(domain, 1)], ir_version=8,
        functions=[inner, outer])


def declare_outputs(model):
    """Gives the outputs the types that ONNX Runtime finds; the checker wants them."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    results = session.run(None, feeds(session.get_inputs(), 1))
    for output, result in zip(model.graph.output, results):
        kind = helper.np_dtype_to_tensor_dtype(result.dtype)
        output.CopyFrom(value(output.name, [None] * result.ndim, kind))


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    for name, (graph, opset) in models():
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
        declare_outputs(model)
        onnx.save(model, os.path.join(folder, name + ".onnx"))
    onnx.save(functions(), os.path.join(folder, "functions.onnx"))


if __name__ == "__main__":
    main()
