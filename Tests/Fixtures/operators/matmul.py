"""Records the cases of MatMul and Gemm."""
import itertools

import numpy as np

from recorder import Recorder

random = np.random.default_rng(2)
recorder = Recorder("MatMul")


def values(*shape):
    return (random.integers(-1000, 1001, shape) / 1000).astype(np.float32)


SHAPES = [
    ((7, 5), (5, 9)), ((1, 64), (64, 33)), ((40, 33), (33, 1)), ((2, 3, 4, 5), (5, 6)), ((2, 3, 4, 5), (2, 3, 5, 6)),
    ((3, 1, 4, 5), (2, 5, 6)), ((4, 5), (3, 5, 6)), ((5,), (5,)), ((5,), (5, 4)), ((3, 4, 5), (5,)),
    ((5,), (2, 5, 4)), ((2, 1, 1, 4, 5), (1, 3, 2, 5, 6)), ((25, 700), (700, 20)), ((1, 4, 5), (1, 1, 5, 3)),
]
for a, b in SHAPES:
    for constants in ((), (1,)):
        name = f"{list(a)} by {list(b)}" + (", constant" if constants else "")
        recorder.case(name, "MatMul", [values(*a), values(*b)], constants=constants, tolerance=3e-6)

for (ta, tb), c in itertools.product([(0, 0), (1, 0), (0, 1), (1, 1)], [None, (6,), (4, 6), (4, 1), (1, 6), ()]):
    for alpha, beta in ((1.0, 1.0), (0.5, 2.0)):
        a, b = values(*((5, 4) if ta else (4, 5))), values(*((6, 5) if tb else (5, 6)))
        recorder.case(
            f"transposed {ta}{tb}, c {c}, {alpha}, {beta}", "Gemm", [a, b, None if c is None else values(*c)],
            {"transA": ta, "transB": tb, "alpha": alpha, "beta": beta}, constants=(1,), tolerance=3e-6)
recorder.case("classifier", "Gemm", [values(12, 50), values(70, 50), values(70)], {"transB": 1}, constants=(1, 2),
              tolerance=3e-6)
recorder.save()
