"""Checks that what Ligature writes is what it read: onnx.checker accepts it, ONNX Runtime computes the same.

Usage: roundtrip.py ORIGINAL_FOLDER WRITTEN_FOLDER

WRITTEN_FOLDER holds, for each model NAME.onnx of ORIGINAL_FOLDER, NAME.onnx and external-NAME.onnx (weights in
external-NAME.onnx.data), as the test RoundTripFiles makes them. Prints one line a model; exit 1 on any difference.
"""

import os
import sys

import numpy as np
import onnx
import onnxruntime as ort

# Sizes for dimensions that a model leaves open, tried in order until the model takes them.
SIZES = (64, 1, 48, 32, 8, 3)
# Upgraded operators may be computed by another kernel: relative to the output's scale. Most outputs are bit-identical.
TOLERANCE = 2e-6
NUMPY = {
    "tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16,
    "tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(int8)": np.int8, "tensor(uint8)": np.uint8,
    "tensor(bool)": np.bool_,
}


def session(path):
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def feeds(inputs, size):
    random = np.random.default_rng(7)
    result = {}
    for item in inputs:
        shape = [d if isinstance(d, int) and d > 0 else (1 if axis == 0 else size) for axis, d in enumerate(item.shape)]
        scalar = NUMPY[item.type]
        if np.issubdtype(scalar, np.floating):
            result[item.name] = random.standard_normal(shape).astype(scalar)
        else:
            result[item.name] = random.integers(0, 2, shape).astype(scalar)
    return result


def compare(original, written):
    onnx.checker.check_model(written, full_check=False)
    first, second = session(original), session(written)
    if [i.name for i in first.get_inputs()] != [i.name for i in second.get_inputs()]:
        return "the inputs differ"
    if [o.name for o in first.get_outputs()] != [o.name for o in second.get_outputs()]:
        return "the outputs differ"
    problem = None
    for size in SIZES:
        given = feeds(first.get_inputs(), size)
        try:
            expected = first.run(None, given)
        except Exception as error:  # this size is not one that the model takes
            problem = error
            continue
        for output, a, b in zip(first.get_outputs(), expected, second.run(None, given)):
            if isinstance(a, np.ndarray):
                if a.dtype != b.dtype or a.shape != b.shape:
                    return f"output {output.name} is {b.dtype}{b.shape} instead of {a.dtype}{a.shape}"
                if not np.allclose(a, b, rtol=TOLERANCE, atol=TOLERANCE * np.abs(a).max(initial=0), equal_nan=True):
                    return f"output {output.name} differs by {np.abs(a.astype(np.float64) - b).max()}"
            elif repr(a) != repr(b):
                return f"output {output.name} differs"
        return None
    return f"no input size ran: {problem}"


def main():
    originals, written = sys.argv[1], sys.argv[2]
    failed = 0
    names = sorted(n for n in os.listdir(originals) if n.endswith(".onnx"))
    if not names:
        sys.exit(f"no models in {originals}")
    for name in names:
        for copy in (name, "external-" + name):
            try:
                problem = compare(os.path.join(originals, name), os.path.join(written, copy))
            except Exception as error:
                problem = f"{type(error).__name__}: {str(error)[:300]}"
            print(f"{copy}: {problem or 'same'}", flush=True)
            failed += problem is not None
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
