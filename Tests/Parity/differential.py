"""ONNX Runtime's side of `make differential`: a line names a model, its inputs and a folder; the answer names outputs.

A process that lives as long as the run: starting one takes a hundred times as long as a small graph.
"""

import json
import os
import sys

import numpy
import onnxruntime

# What libraries print must not come between the answers.
channel = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
onnxruntime.set_default_logger_severity(3)


def settings(level):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.graph_optimization_level = level
    return options


every = settings(onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL)
# Its fusions of Gelu remove a product that others read as well, or refuse a scalar; it then calls the model or the
# input invalid. Where one really is, it says so without fusions too.
basic = settings(onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC)
# It moves a transposition through a linear Resize, which then is none that it has a kernel for.
plain = settings(onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL)


def answer(task):
    try:
        return results(task, every)
    except onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument:
        return results(task, basic)
    except onnxruntime.capi.onnxruntime_pybind11_state.Fail:
        return results(task, plain)


def results(task, options):
    session = onnxruntime.InferenceSession(task["model"], options, providers=["CPUExecutionProvider"])
    outputs = []
    for number, given in enumerate(task["inputs"]):
        feed = {
            item["name"]: numpy.fromfile(item["file"], dtype=item["element"]).reshape(item["shape"]) for item in given
        }
        names = [output.name for output in session.get_outputs()]
        for index, (name, array) in enumerate(zip(names, session.run(names, feed))):
            path = os.path.join(task["folder"], f"{number}-{index}")
            numpy.ascontiguousarray(array).tofile(path)
            outputs.append(dict(name=name, element=str(array.dtype), shape=list(array.shape), file=path))
    return dict(outputs=outputs)


for line in sys.stdin:
    try:
        reply = answer(json.loads(line))
    except Exception as error:
        reply = dict(error=f"{type(error).__name__}: {error}"[:500])
    channel.write(json.dumps(reply) + "\n")
    channel.flush()
