"""Records the cases of BatchNormalization, LayerNormalization, InstanceNormalization, Softmax and LogSoftmax."""
import numpy as np

from recorder import Recorder

random = np.random.default_rng(3)
recorder = Recorder("Normalization")


def values(*shape):
    return (random.integers(-1000, 1001, shape) / 500).astype(np.float32)


for shape in ((2, 5, 7, 9), (3, 4), (1, 3, 40)):
    c = shape[1]
    recorder.case(f"batch {list(shape)}", "BatchNormalization",
                  [values(*shape), values(c), values(c), values(c), np.abs(values(c)) + 0.1], {"epsilon": 1e-3},
                  constants=(1, 2, 3, 4), tolerance=3e-6)
for axis, shape in ((-1, (3, 40)), (-1, (2, 3, 120)), (1, (2, 3, 4, 5)), (-2, (2, 3, 7, 5)), (0, (6, 3))):
    tail = shape[axis:]
    recorder.case(f"layer {list(shape)} from {axis}", "LayerNormalization",
                  [values(*shape) + 3, values(*tail), values(*tail)], {"axis": axis, "epsilon": 1e-5}, tolerance=1e-5)
recorder.case("layer without bias, with statistics", "LayerNormalization", [values(4, 50), values(50)], outputs=3,
              tolerance=1e-5)
recorder.case("instance", "InstanceNormalization", [values(2, 3, 5, 9) + 5, values(3), values(3)], {"epsilon": 1e-4},
              tolerance=1e-5)
for op in ("Softmax", "LogSoftmax"):
    for axis, shape in ((-1, (3, 40)), (1, (2, 7, 19)), (0, (5, 3)), (2, (2, 3, 5, 4)), (1, (2, 6625)), (-1, (4, 1))):
        recorder.case(f"{list(shape)} along {axis}", op, [values(*shape) * 5], {"axis": axis}, tolerance=4e-6)
recorder.case("large values", "Softmax", [np.array([[1000, 999, -1000, 0, -np.inf]], np.float32)], tolerance=1e-6)
recorder.save()
