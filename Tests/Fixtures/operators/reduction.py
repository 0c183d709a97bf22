"""Reductions and pooling."""

import numpy as np
from recorder import Recorder

rng = np.random.default_rng(4)
r = Recorder("Reduction")


def normal(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def i64(*values):
    return np.array(values, np.int64)


OPS = ["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare",
       "ReduceLogSum", "ReduceLogSumExp"]
for op in OPS:
    x = normal(3, 4, 5)
    if op == "ReduceLogSum":
        x = np.abs(x) + np.float32(0.1)
    for axes in [(-1,), (0,), (1,), (0, 2), (1, 2), (0, 1, 2)]:
        r.case(f"axes {axes}", op, [x, i64(*axes)], constants={1}, tolerance=2e-6)
    r.case("all", op, [x], tolerance=3e-6)
    r.case("dropped", op, [x, i64(1)], {"keepdims": 0}, constants={1}, tolerance=2e-6)
    r.case("none", op, [x], {"noop_with_empty_axes": 1}, tolerance=2e-6)
r.case("tall", "ReduceSum", [rng.integers(0, 9, (300, 7)).astype(np.float32), i64(0)],
       constants={1}, tolerance=1e-6)
r.case("layer norm", "ReduceMean", [normal(1, 6, 120), i64(-1)], constants={1}, tolerance=1e-6)
r.case("large values", "ReduceLogSumExp", [normal(3, 40) * np.float32(100), i64(1)], constants={1}, tolerance=1e-6)
for dtype in [np.int32, np.int64, np.float64]:
    values = rng.integers(-4, 5, (3, 4, 2)).astype(dtype)
    for op in ["ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd"]:
        r.case(np.dtype(dtype).name, op, [values, i64(0, 2)], constants={1}, tolerance=0)
r.case("uint8", "ReduceMax", [rng.integers(0, 255, (5, 6)).astype(np.uint8), i64(1)], constants={1}, tolerance=0)
r.case("int8", "ReduceMin", [rng.integers(-99, 99, (5, 6)).astype(np.int8), i64(0)], constants={1}, tolerance=0)
r.case("axis at run time", "CumSum", [normal(3, 4), np.int32(-2)], tolerance=1e-6)

for op in ["ArgMax", "ArgMin"]:
    for axis in [0, 1, -1]:
        r.case(f"axis {axis}", op, [normal(3, 4, 5)], {"axis": axis}, tolerance=0)
    ties = rng.integers(0, 3, (4, 9)).astype(np.float32)
    r.case("first of ties", op, [ties], {"axis": 1, "keepdims": 0}, tolerance=0)
    r.case("last of ties", op, [ties], {"axis": 1, "select_last_index": 1}, tolerance=0)
    r.case("int32", op, [rng.permutation(24).reshape(4, 6).astype(np.int32)], {"axis": 1}, tolerance=0)
for attributes in [{}, {"exclusive": 1}, {"reverse": 1}, {"exclusive": 1, "reverse": 1}]:
    name = " ".join(attributes) or "plain"
    r.case(name, "CumSum", [normal(3, 7), np.int64(1)], attributes, constants={1}, tolerance=1e-6)
    r.case(name + " int64", "CumSum", [rng.integers(-9, 9, (4, 3)), np.int64(0)], attributes, constants={1}, tolerance=0)

# ── Pooling ─────────────────────────────────────────────────────────────────
image = normal(1, 2, 9, 11)
windows = {
    "2x2 by 2": {"kernel_shape": [2, 2], "strides": [2, 2]},
    "3x3 by 2 padded": {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]},
    "5x5 by 1": {"kernel_shape": [5, 5], "pads": [2, 2, 2, 2]},
    "3x2 by 3x2": {"kernel_shape": [3, 2], "strides": [3, 2]},
    "uneven pads": {"kernel_shape": [4, 3], "strides": [1, 3], "pads": [0, 2, 3, 1]},
    "ceil": {"kernel_shape": [3, 3], "strides": [2, 4], "ceil_mode": 1},
    "ceil padded": {"kernel_shape": [3, 3], "strides": [3, 3], "pads": [1, 1, 1, 1], "ceil_mode": 1},
    "same upper": {"kernel_shape": [4, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"},
    "same lower": {"kernel_shape": [4, 2], "strides": [3, 1], "auto_pad": "SAME_LOWER"},
    "valid": {"kernel_shape": [4, 3], "strides": [2, 3], "auto_pad": "VALID"},
    "dilated": {"kernel_shape": [3, 3], "dilations": [2, 3], "pads": [1, 2, 2, 1]},
}
for name, attributes in windows.items():
    r.case(name, "MaxPool", [image], attributes, tolerance=0)
    r.case(name, "AveragePool", [image], attributes, tolerance=1e-6)
    if "pads" in attributes or "ceil_mode" in attributes:
        r.case(name + " counting", "AveragePool", [image], {**attributes, "count_include_pad": 1}, tolerance=1e-6)
    r.case(name + " indexed", "MaxPool", [image], attributes, outputs=2, tolerance=0)
r.case("13x13", "MaxPool", [normal(1, 2, 13, 13)], {"kernel_shape": [13, 13], "pads": [6, 6, 6, 6]}, tolerance=0)
r.case("tall bands", "MaxPool", [normal(1, 1, 70, 5)], {"kernel_shape": [9, 3], "pads": [4, 1, 4, 1]}, tolerance=0)
line, volume = normal(2, 3, 17), normal(1, 2, 5, 6, 7)
r.case("1-D", "MaxPool", [line], {"kernel_shape": [3], "strides": [2], "pads": [1, 1]}, tolerance=0)
r.case("1-D", "AveragePool", [line], {"kernel_shape": [4], "strides": [3]}, tolerance=1e-6)
r.case("3-D", "MaxPool", [volume], {"kernel_shape": [2, 3, 2], "strides": [2, 1, 3], "pads": [1, 1, 0, 0, 1, 1]}, tolerance=0)
r.case("3-D", "AveragePool", [volume], {"kernel_shape": [3, 2, 2], "pads": [1, 0, 1, 1, 1, 0]}, tolerance=1e-6)
r.case("3-D indexed", "MaxPool", [volume], {"kernel_shape": [2, 2, 2]}, outputs=2, tolerance=0)
r.case("column major", "MaxPool", [image], {"kernel_shape": [3, 3], "storage_order": 1}, outputs=2, tolerance=0)
r.case("uint8", "MaxPool", [rng.integers(0, 255, (1, 2, 6, 6)).astype(np.uint8)], {"kernel_shape": [2, 2]}, tolerance=0)
r.case("int8", "MaxPool", [rng.integers(-99, 99, (1, 2, 6, 6)).astype(np.int8)], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}, tolerance=0)
for p in [1, 2, 3]:
    r.case(f"p {p}", "LpPool", [image], {"kernel_shape": [3, 2], "strides": [2, 2], "p": p}, tolerance=2e-6)
for op in ["GlobalAveragePool", "GlobalMaxPool"]:
    r.case("image", op, [image], tolerance=1e-6)
    r.case("line", op, [line], tolerance=1e-6)
r.save()
