"""Records operator cases: what ONNX Runtime computes for one node, as one line of JSON a case.

A family's script (`convolution.py`, …) calls `Recorder.case(...)` for each of its cases and `save()` at the end.
The Swift side (`Tests/TestSupport`, `OperatorCase`) reads the lines and applies every law of the house to each.
"""

import base64
import json
import pathlib

import numpy as np
import onnx
import onnxruntime
from onnx import helper
from onnx.reference import ReferenceEvaluator

OPSET = 21
ELEMENT_NAMES = {
    "float32": "float32", "float64": "float64", "float16": "float16", "int64": "int64", "int32": "int32",
    "int16": "int16", "int8": "int8", "uint8": "uint8", "uint16": "uint16", "uint32": "uint32", "uint64": "uint64",
    "bool": "bool",
}


def _tensor(array):
    array = np.asarray(array)
    return {
        "element": ELEMENT_NAMES[array.dtype.name],
        "shape": list(array.shape),
        "data": base64.b64encode(np.ascontiguousarray(array).tobytes()).decode(),
    }


def _attribute(value):
    if isinstance(value, np.ndarray):
        return {"tensor": _tensor(value)}
    if isinstance(value, str):
        return {"string": value}
    if isinstance(value, float):
        return {"float": value}
    if isinstance(value, (bool, int)):
        return {"int": int(value)}
    if value and isinstance(value[0], str):
        return {"strings": list(value)}
    if value and isinstance(value[0], float):
        return {"floats": list(value)}
    return {"ints": [int(v) for v in value]}


class Recorder:
    def __init__(self, family):
        self.family = family
        self.lines = []

    def case(self, name, op, inputs, attributes=None, outputs=1, constants=(), domain="", tolerance=1e-5,
             reference=False):
        """Runs one node and records it.

        inputs: arrays, None where an optional input is left out. outputs: how many, or a list of booleans that says
        which are wanted. constants: positions of inputs that are initialisers. tolerance: relative to the largest
        expected magnitude; 0 asks for equality. reference: computes with ONNX's reference
        evaluator, for operators that ONNX Runtime lacks.
        """
        attributes = attributes or {}
        wanted = [True] * outputs if isinstance(outputs, int) else list(outputs)
        input_names = ["" if array is None else f"i{index}" for index, array in enumerate(inputs)]
        while input_names and not input_names[-1]:
            input_names.pop()
        output_names = [f"o{index}" if want else "" for index, want in enumerate(wanted)]
        node_attributes = {
            key: onnx.numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value
            for key, value in attributes.items()
        }
        node = helper.make_node(op, input_names, output_names, domain=domain, **node_attributes)
        graph_inputs, initializers = [], []
        for index, array in enumerate(inputs):
            if array is None:
                continue
            array = np.asarray(array)
            if index in constants:
                initializers.append(onnx.numpy_helper.from_array(array, f"i{index}"))
            else:
                kind = helper.np_dtype_to_tensor_dtype(array.dtype)
                graph_inputs.append(helper.make_tensor_value_info(f"i{index}", kind, array.shape))
        graph_outputs = [onnx.ValueInfoProto(name=name) for name in output_names if name]
        opsets = [helper.make_opsetid("", OPSET)] + ([helper.make_opsetid(domain, 1)] if domain else [])
        model = helper.make_model(
            helper.make_graph([node], "case", graph_inputs, graph_outputs, initializers),
            opset_imports=opsets, ir_version=10)
        feeds = {
            f"i{index}": np.asarray(array)
            for index, array in enumerate(inputs) if array is not None and index not in constants
        }
        if reference:
            session = ReferenceEvaluator(model)
        else:
            options = onnxruntime.SessionOptions()
            options.log_severity_level = 3
            session = onnxruntime.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        produced = iter(session.run(None, feeds))
        expected = [_tensor(next(produced)) if want else None for want in wanted]
        self.lines.append(json.dumps({
            "name": name, "op": op, "domain": domain,
            "attributes": {key: _attribute(value) for key, value in attributes.items()},
            "inputs": [None if array is None else _tensor(array) for array in inputs],
            "constants": sorted(constants), "outputs": expected, "tolerance": tolerance,
        }))

    def save(self):
        path = pathlib.Path(__file__).parent / f"{self.family}.jsonl"
        path.write_text("\n".join(self.lines) + "\n")
        print(f"{path.name}: {len(self.lines)} cases")
