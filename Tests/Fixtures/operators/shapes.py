"""Shapes, views, joining, padding, generators: everything that moves elements without computing."""

import numpy as np
from recorder import Recorder

rng = np.random.default_rng(2)
r = Recorder("Shapes")


def normal(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def i64(*values):
    return np.array(values, np.int64)


# ── Shapes and views ────────────────────────────────────────────────────────
x = normal(2, 3, 4, 5)
r.case("all", "Shape", [x], tolerance=0)
r.case("scalar", "Shape", [np.float32(1)], tolerance=0)
for start, end in [(1, 3), (-2, -1), (-9, 9), (3, 1)]:
    r.case(f"{start} to {end}", "Shape", [x], {"start": start, "end": end}, tolerance=0)
r.case("all", "Size", [x], tolerance=0)
for target in [(6, 20), (0, -1), (-1,), (2, 0, 4, 5, 1), (1, 120)]:
    r.case(f"to {target}", "Reshape", [x, i64(*target)], constants={1}, tolerance=0)
r.case("at run time", "Reshape", [x, i64(4, -1, 5)], tolerance=0)
r.case("empty", "Reshape", [np.zeros((0, 3), np.float32), i64(3, 0, 7)], {"allowzero": 1}, constants={1}, tolerance=0)
one = normal(1, 3, 1, 5)
r.case("all", "Squeeze", [one], tolerance=0)
r.case("some", "Squeeze", [one, i64(-2)], constants={1}, tolerance=0)
r.case("two", "Squeeze", [one, i64(0, 2)], constants={1}, tolerance=0)
r.case("ends", "Unsqueeze", [normal(3, 4), i64(0, -1)], constants={1}, tolerance=0)
r.case("unordered", "Unsqueeze", [normal(3, 4), i64(3, 1)], constants={1}, tolerance=0)
r.case("scalar", "Unsqueeze", [np.float32(2), i64(0)], constants={1}, tolerance=0)
for axis in [0, 1, 3, 4, -1]:
    r.case(f"axis {axis}", "Flatten", [x], {"axis": axis}, tolerance=0)
for target in [(2, 3, 4), (1, 1), (4,), (5, 1, 3, 1)]:
    r.case(f"to {target}", "Expand", [normal(3, 1), i64(*target)], constants={1}, tolerance=0)
r.case("bool", "Expand", [np.array([[True], [False]]), i64(2, 3)], constants={1}, tolerance=0)
for perm in [(3, 0, 1, 2), (0, 2, 1, 3), (0, 3, 1, 2), (0, 2, 3, 1), (0, 1, 3, 2), (3, 2, 1, 0), (1, 0, 2, 3)]:
    r.case(f"{perm}", "Transpose", [x], {"perm": list(perm)}, tolerance=0)
r.case("default", "Transpose", [normal(7, 5)], tolerance=0)
r.case("attention", "Transpose", [normal(1, 9, 3, 2, 8)], {"perm": [2, 0, 3, 1, 4]}, tolerance=0)
r.case("sequence", "Transpose", [normal(1, 6, 1, 11)], {"perm": [3, 0, 1, 2]}, tolerance=0)
for dtype in [np.uint8, np.float16, np.int64, np.bool_]:
    r.case(np.dtype(dtype).name, "Transpose", [rng.integers(0, 2, (19, 67)).astype(dtype)], tolerance=0)
r.case("tiles", "Transpose", [rng.integers(0, 99, (131, 70)).astype(np.int32)], tolerance=0)
r.case("pairs", "Transpose", [normal(33, 9, 2)], {"perm": [1, 0, 2]}, tolerance=0)
r.case("bytes in threes", "Transpose", [rng.integers(0, 99, (3, 40, 33)).astype(np.uint8)], {"perm": [1, 2, 0]}, tolerance=0)

# ── Joining ─────────────────────────────────────────────────────────────────
r.case("channels", "Concat", [normal(2, 3, 4), normal(2, 1, 4), normal(2, 5, 4)], {"axis": 1}, tolerance=0)
r.case("last", "Concat", [normal(3, 2), normal(3, 5)], {"axis": -1}, tolerance=0)
r.case("first", "Concat", [normal(3, 2), normal(1, 2)], {"axis": 0}, tolerance=0)
r.case("one", "Concat", [normal(3, 2)], {"axis": 0}, tolerance=0)
r.case("empty", "Concat", [normal(3, 2), np.zeros((3, 0), np.float32)], {"axis": 1}, tolerance=0)
r.case("int64", "Concat", [i64(1, 2), i64(3)], {"axis": 0}, tolerance=0)
r.case("equal", "Split", [normal(4, 6)], {"axis": 1, "num_outputs": 3}, outputs=3, tolerance=0)
r.case("uneven", "Split", [normal(7, 2)], {"num_outputs": 3}, outputs=3, tolerance=0)
r.case("sizes", "Split", [normal(2, 9), i64(2, 4, 3)], {"axis": -1}, outputs=3, constants={1}, tolerance=0)
for repeats in [(1, 2), (3, 1), (2, 3), (1, 1), (0, 2)]:
    r.case(f"{repeats}", "Tile", [normal(3, 4), i64(*repeats)], constants={1}, tolerance=0)
r.case("three axes", "Tile", [normal(2, 1, 3), i64(2, 4, 2)], constants={1}, tolerance=0)
image = normal(1, 2, 4, 5)
for mode in ["constant", "reflect", "edge", "wrap"]:
    r.case(mode, "Pad", [image, i64(0, 0, 1, 2, 0, 0, 2, 3)], {"mode": mode}, constants={1}, tolerance=0)
r.case("value", "Pad", [image, i64(0, 1, 1, 0, 1, 0, 0, 2), np.float32(7)], constants={1, 2}, tolerance=0)
r.case("cropping", "Pad", [image, i64(0, 0, -1, 2, 0, 0, 1, -3)], constants={1}, tolerance=0)
r.case("axes", "Pad", [image, i64(1, 2, 3, 0), np.float32(1), i64(-1, 2)], constants={1, 2, 3}, tolerance=0)
r.case("int64", "Pad", [rng.integers(0, 9, (2, 3)), i64(1, 0, 0, 1), np.int64(5)], constants={1, 2}, tolerance=0)
for mode in ["DCR", "CRD"]:
    r.case(mode, "DepthToSpace", [normal(2, 12, 3, 5)], {"blocksize": 2, "mode": mode}, tolerance=0)
r.case("two", "SpaceToDepth", [normal(2, 3, 4, 6)], {"blocksize": 2}, tolerance=0)

# ── Generators ──────────────────────────────────────────────────────────────
r.case("float", "Constant", [], {"value_float": 2.5}, tolerance=0)
r.case("ints", "Constant", [], {"value_ints": [1, -2, 3]}, tolerance=0)
r.case("tensor", "Constant", [], {"value": normal(2, 3)}, tolerance=0)
r.case("default", "ConstantOfShape", [i64(2, 3)], constants={0}, tolerance=0)
r.case("int64", "ConstantOfShape", [i64(4)], {"value": i64(7)}, constants={0}, tolerance=0)
r.case("at run time", "ConstantOfShape", [i64(2, 0, 3)], tolerance=0)
r.case("up", "Range", [np.int64(2), np.int64(11), np.int64(3)], constants={0, 1, 2}, tolerance=0)
r.case("down", "Range", [np.int32(5), np.int32(-4), np.int32(-2)], tolerance=0)
r.case("none", "Range", [np.int64(5), np.int64(5), np.int64(1)], tolerance=0)
r.case("floats", "Range", [np.float32(0), np.float32(1.05), np.float32(0.25)], tolerance=1e-6)
for k in [-1, 0, 2, 9]:
    r.case(f"diagonal {k}", "EyeLike", [normal(3, 5)], {"k": k}, tolerance=0)
r.case("int64", "EyeLike", [normal(3, 3)], {"dtype": 7}, tolerance=0)
r.save()
