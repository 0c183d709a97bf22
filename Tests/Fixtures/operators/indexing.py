"""Access by index, and selection: results whose places follow from values."""

import numpy as np
from recorder import Recorder

rng = np.random.default_rng(3)
r = Recorder("Indexing")


def normal(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def i64(*values):
    return np.array(values, np.int64)


x = normal(4, 5, 6)
for axis in [0, 1, -1]:
    r.case(f"axis {axis}", "Gather", [x, np.array([[0, -1], [2, 3]])], {"axis": axis}, tolerance=0)
r.case("scalar", "Gather", [i64(10, 20, 30), np.int64(-2)], constants={1}, tolerance=0)
r.case("int32 indices", "Gather", [x, np.array([1, 1, 0], np.int32)], tolerance=0)
r.case("embedding", "Gather", [normal(50, 16), rng.integers(0, 50, (3, 7))], constants={0}, tolerance=0)
r.case("bytes", "Gather", [rng.integers(0, 9, (5, 3)).astype(np.uint8), i64(4, 0)], tolerance=0)
for axis in [0, 1, 2]:
    shape = [3, 4, 5]
    shape[axis] = 7
    r.case(f"axis {axis}", "GatherElements", [x, rng.integers(-4, 4, shape)], {"axis": axis}, tolerance=0)
r.case("int64 data", "GatherElements", [rng.integers(0, 99, (3, 4)), rng.integers(0, 3, (2, 4)).astype(np.int32)],
       tolerance=0)
r.case("elements", "GatherND", [x, np.stack([rng.integers(-4, 4, 6), rng.integers(0, 5, 6), rng.integers(0, 6, 6)], 1)],
       tolerance=0)
r.case("slices", "GatherND", [x, rng.integers(0, 4, (2, 3, 2))], tolerance=0)
r.case("batches", "GatherND", [x, rng.integers(0, 5, (4, 2, 1))], {"batch_dims": 1}, tolerance=0)

LAST = np.iinfo(np.int64).max
FIRST = np.iinfo(np.int64).min
slices = {
    "plain": (i64(1, 0), i64(3, 4), None, None), "axes": (i64(1), i64(-1), i64(1), None),
    "steps": (i64(0, 1), i64(LAST, LAST), i64(0, 2), i64(2, 3)),
    "backwards": (i64(-1), i64(FIRST), i64(2), i64(-1)), "backwards by two": (i64(4), i64(0), i64(1), i64(-2)),
    "beyond": (i64(-99), i64(99), i64(0), None), "nothing": (i64(3), i64(1), i64(1), None),
    "all backwards": (i64(-1, -1, -1), i64(-99, -99, -99), i64(0, 1, 2), i64(-1, -1, -1)),
    "negative axis": (i64(2), i64(5), i64(-1), i64(1)),
}
for name, parts in slices.items():
    arrays = list(parts)
    while arrays[-1] is None:
        arrays.pop()
    given = {place + 1 for place, array in enumerate(arrays) if array is not None}
    r.case(name, "Slice", [x, *arrays], constants=given, tolerance=0)
r.case("at run time", "Slice", [x, i64(1), i64(3), i64(1)], tolerance=0)
r.case("focus", "Slice", [normal(1, 3, 8, 8), i64(1), i64(LAST), i64(3), i64(2)], constants={1, 2, 3, 4}, tolerance=0)
r.case("int32", "Slice", [x, np.int32([1]), np.int32([2**31 - 1]), np.int32([0])], constants={1, 2, 3}, tolerance=0)

for axis in [0, 1]:
    indices = np.stack([rng.permutation(4)[:3] for _ in range(3)], axis=axis)
    r.case(f"axis {axis}", "ScatterElements", [normal(5, 5), indices, normal(3, 3)], {"axis": axis}, tolerance=0)
for reduction in ["add", "mul", "max", "min"]:
    r.case(reduction, "ScatterElements", [normal(4, 3), rng.integers(-4, 4, (6, 3)), normal(6, 3)],
           {"reduction": reduction}, tolerance=1e-6)
    r.case(reduction, "ScatterND", [normal(4, 3), rng.integers(0, 4, (5, 1)), normal(5, 3)], {"reduction": reduction},
           tolerance=1e-6)
r.case("elements", "ScatterND", [normal(4, 3), i64(0, 1, 3, 2).reshape(2, 2), normal(2)], tolerance=0)
r.case("slices", "ScatterND", [normal(4, 3, 2), i64(2, -4).reshape(2, 1), normal(2, 3, 2)], tolerance=0)
r.case("int64", "ScatterND", [i64(1, 2, 3), i64(1).reshape(1, 1), i64(9)], tolerance=0)
r.case("last axis", "OneHot", [i64(0, 2, -1, 5), np.int64(4), np.float32([0, 1])], constants={1}, tolerance=0)
r.case("first axis", "OneHot", [np.array([[0, 1], [2, 9]]), np.int64(3), np.float32([-1, 2])], {"axis": 0},
       constants={1}, tolerance=0)
r.case("int64 values", "OneHot", [i64(1, 0), np.int64(3), i64(5, 7)], {"axis": 1}, constants={1}, tolerance=0)
for upper in [0, 1]:
    for k in [-1, 0, 2, 40, -40]:
        r.case(f"upper {upper} k {k}", "Trilu", [normal(2, 4, 5), np.int64(k)], {"upper": upper}, tolerance=0)

# ── Selection ───────────────────────────────────────────────────────────────
scores = rng.permutation(60).reshape(3, 20).astype(np.float32)
for k in [1, 3, 20]:
    r.case(f"{k} largest", "TopK", [scores, i64(k)], outputs=2, constants={1}, tolerance=0)
r.case("smallest", "TopK", [scores, i64(4)], {"largest": 0}, outputs=2, constants={1}, tolerance=0)
r.case("axis", "TopK", [rng.permutation(60).reshape(5, 4, 3).astype(np.float32), i64(2)], {"axis": 1}, outputs=2,
       constants={1}, tolerance=0)
r.case("int64", "TopK", [rng.permutation(30), i64(5)], outputs=2, constants={1}, tolerance=0)
r.case("ties", "TopK", [np.float32([1, 3, 3, 2, 3, 1]), i64(4)], outputs=2, constants={1}, tolerance=0)
r.case("at run time", "TopK", [scores, i64(2)], outputs=2, tolerance=0)
r.case("floats", "NonZero", [np.float32([[0, 1.5, -0.0], [2, 0, -3]])], tolerance=0)
r.case("bool", "NonZero", [rng.integers(0, 2, (3, 4, 2)).astype(bool)], tolerance=0)
r.case("none", "NonZero", [np.zeros((2, 2), np.int64)], tolerance=0)
corners = rng.uniform(0, 8, (2, 24, 2)).astype(np.float32)
boxes = np.concatenate([corners, corners + rng.uniform(1, 5, (2, 24, 2)).astype(np.float32)], 2)
confidence = rng.permutation(2 * 3 * 24).reshape(2, 3, 24).astype(np.float32) / 144
for name, limits in {"strict": (24, 0.1, 0.2), "lenient": (24, 0.7, 0.5), "few": (3, 0.3, 0.0)}.items():
    limit, iou, threshold = limits
    r.case(name, "NonMaxSuppression", [boxes, confidence, i64(limit), np.float32([iou]), np.float32([threshold])],
           tolerance=0)
r.case("flipped corners", "NonMaxSuppression",
       [boxes[..., [2, 3, 0, 1]], confidence, i64(9), np.float32([0.3]), np.float32([0.1])], tolerance=0)
r.case("centres", "NonMaxSuppression", [boxes, confidence, i64(9), np.float32([0.3]), np.float32([0.1])],
       {"center_point_box": 1}, tolerance=0)
r.case("axis", "Compress", [normal(3, 4), np.array([True, False, True, False])], {"axis": 1}, tolerance=0)
r.case("flat", "Compress", [normal(3, 4), np.array([False, True, True, False, True])], tolerance=0)
repeated = rng.integers(0, 4, (5, 3)).astype(np.float32)
r.case("flat", "Unique", [repeated], outputs=4, tolerance=0)
r.case("unsorted", "Unique", [repeated], {"sorted": 0}, outputs=4, tolerance=0)
rows = np.float32([[1, 2], [0, 3], [1, 2], [0, 2], [0, 3]])
for axis in [0, 1]:
    r.case(f"axis {axis}", "Unique", [rows], {"axis": axis}, outputs=4, tolerance=0)
r.case("int64", "Unique", [rng.integers(-3, 3, 12)], outputs=4, tolerance=0)
r.save()
