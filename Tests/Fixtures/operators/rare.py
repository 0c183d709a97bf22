"""Records the cases of operators that are seldom asked for, and of volumes."""
import numpy as np

from recorder import Recorder

random = np.random.default_rng(21)
recorder = Recorder("Rare")


def values(*shape, kind=np.float32):
    return (random.integers(-1000, 1001, shape) / 1000).astype(kind)


def integers(low, high, *shape, kind=np.int64):
    return random.integers(low, high, shape).astype(kind)


def number(value, kind=np.int64):
    return np.array(value, kind)


# ── Normalisation ───────────────────────────────────────────────────────────
recorder.case("5 of 7 channels", "LRN", [values(2, 7, 3, 4)], {"size": 5, "alpha": 0.01, "beta": 0.6, "bias": 1.5})
recorder.case("over the usual axes", "MeanVarianceNormalization", [values(2, 3, 4, 5)])
recorder.case("over the last axes", "MeanVarianceNormalization", [values(2, 3, 4, 5)], {"axes": [2, 3]})
recorder.case("3 groups", "GroupNormalization", [values(2, 6, 3, 5), values(6), values(6)], {"num_groups": 3})
for p in (1, 2):
    recorder.case(f"norm {p}", "LpNormalization", [values(3, 4, 5)], {"axis": 1, "p": p})
recorder.case("along the middle", "Hardmax", [values(3, 4, 5)], {"axis": 1})
recorder.case("equal ones", "Hardmax", [np.array([[1, 3, 3], [2, 2, 2]], np.float32)])

# ── Signals ─────────────────────────────────────────────────────────────────
for window in ("HannWindow", "HammingWindow", "BlackmanWindow"):
    # A single place of Blackman's is nothing but the error of adding its terms.
    for size in (8, 9) if window == "BlackmanWindow" else (1, 8, 9):
        recorder.case(f"{size}", window, [number(size)])
    recorder.case("symmetric", window, [number(10)], {"periodic": 0})
for length in (1, 2, 7, 8, 12, 31):
    recorder.case(f"real {length}", "DFT", [values(2, length, 1)], constants=())
    recorder.case(f"complex {length}", "DFT", [values(2, length, 2), None, number(1)], constants=(2,))
    recorder.case(f"inverse {length}", "DFT", [values(2, length, 2), None, number(1)], {"inverse": 1}, constants=(2,))
recorder.case("one-sided", "DFT", [values(3, 10, 1), None, number(1)], {"onesided": 1}, constants=(2,))
recorder.case("longer", "DFT", [values(2, 6, 1), number(9), number(1)], constants=(1, 2))
recorder.case("shorter", "DFT", [values(2, 6, 2), number(5), number(1)], constants=(1, 2))
recorder.case("first axis", "DFT", [values(6, 3, 1), None, number(0)], constants=(2,))
recorder.case("double", "DFT", [values(2, 9, 1, kind=np.float64), None, number(1)], constants=(2,))
recorder.case("window", "STFT", [values(2, 40, 1), number(5), values(16)], constants=(1,))
recorder.case("frames of 12", "STFT", [values(1, 40, 1), number(7), None, number(12)], {"onesided": 0},
              constants=(1, 3))
recorder.case("8 filters", "MelWeightMatrix",
              [number(8), number(64), number(8000), number(100, np.float32), number(3500, np.float32)],
              constants=(0, 1, 2, 3, 4))

# ── Elsewhere ───────────────────────────────────────────────────────────────
recorder.case("time first", "ReverseSequence", [values(4, 3, 2), number([1, 4, 0])], tolerance=0)
recorder.case("batch first", "ReverseSequence", [integers(0, 99, 3, 4, kind=np.int32), number([2, 4, 3])],
              {"batch_axis": 0, "time_axis": 1}, tolerance=0)
recorder.case("crop and pad", "CenterCropPad", [values(7, 4, 6), number([4, 9, 6])], constants=(1,), tolerance=0)
recorder.case("chosen axes", "CenterCropPad", [values(7, 4, 6), number([5, 3])], {"axes": [-1, 0]}, tolerance=0)
recorder.case("2x2 of 5x5", "Col2Im", [values(1, 8, 16), number([5, 5]), number([2, 2])], constants=(1, 2))
recorder.case("strides, pads", "Col2Im", [values(2, 9, 9), number([5, 5]), number([3, 3])],
              {"strides": [2, 2], "pads": [1, 1, 1, 1]}, constants=(1, 2))
recorder.case("2x2", "MaxUnpool", [values(1, 1, 2, 2), number([[[[5, 7], [8, 15]]]])],
              {"kernel_shape": [2, 2], "strides": [2, 2]}, tolerance=0)
for align in (0, 1):
    recorder.case(f"plane {align}", "AffineGrid", [values(2, 2, 3), number([2, 3, 4, 5])], {"align_corners": align},
                  constants=(1,))
    recorder.case(f"volume {align}", "AffineGrid", [values(1, 3, 4), number([1, 3, 2, 3, 4])],
                  {"align_corners": align}, constants=(1,))
recorder.case("batch", "Det", [values(3, 4, 4)])
recorder.case("singular", "Det", [np.ones((2, 3, 3), np.float32)])
recorder.case("regions", "MaxRoiPool",
              [values(2, 3, 8, 9), np.array([[0, 0, 0, 8, 7], [1, 2, 1, 5, 6], [1, 4, 4, 4, 4]], np.float32)],
              {"pooled_shape": [2, 3], "spatial_scale": 0.9})

# ── Quantised products ──────────────────────────────────────────────────────
def point(value, kind=np.uint8):
    return np.array(value, kind)


def scale(value):
    return np.array(value, np.float32)


recorder.case("matrices", "QLinearMatMul",
              [integers(0, 256, 2, 5, 7, kind=np.uint8), scale(0.02), point(120), integers(0, 256, 7, 6, kind=np.uint8),
               scale(0.03), point(131), scale(0.05), point(118)], constants=(3, 4, 5), tolerance=0)
recorder.case("signed columns", "QLinearMatMul",
              [integers(0, 256, 5, 9, kind=np.uint8), scale(0.02), point(120),
               integers(-128, 128, 9, 4, kind=np.int8), scale([0.01, 0.02, 0.03, 0.015]), point([0, 0, 0, 0], np.int8),
               scale(0.04), point(118)], constants=(3, 4, 5), tolerance=0)
for name, attributes, groups in (("3x3", {"pads": [1, 1, 1, 1]}, 1), ("groups", {"strides": [2, 1]}, 2)):
    recorder.case(name, "QLinearConv",
                  [integers(0, 256, 2, 4, 6, 7, kind=np.uint8), scale(0.02), point(125),
                   integers(-128, 128, 6, 4 // groups, 3, 3, kind=np.int8), scale([0.01, 0.02, 0.03, 0.01, 0.04, 0.02]),
                   point([0] * 6, np.int8), scale(0.2), point(121), integers(-900, 900, 6, kind=np.int32)],
                  attributes | ({"group": groups} if groups > 1 else {}), constants=(3, 4, 5, 8), tolerance=0)

# ── Losses ──────────────────────────────────────────────────────────────────
labels = integers(0, 5, 3, 4)
for reduction in ("none", "sum", "mean"):
    recorder.case(f"{reduction}", "NegativeLogLikelihoodLoss", [values(3, 5, 4), labels, np.abs(values(5))],
                  {"reduction": reduction})
    recorder.case(f"{reduction}", "SoftmaxCrossEntropyLoss", [values(3, 5, 4), labels],
                  {"reduction": reduction, "ignore_index": 2}, outputs=2)

# ── Volumes ─────────────────────────────────────────────────────────────────
recorder.case("volume", "Conv", [values(2, 3, 4, 5, 6), values(4, 3, 2, 3, 3), values(4)], {"pads": [1, 1, 0, 0, 1, 2]},
              constants=(1, 2))
recorder.case("volume, groups", "Conv", [values(1, 4, 5, 6, 7), values(6, 2, 3, 2, 3)],
              {"group": 2, "strides": [2, 1, 2], "dilations": [1, 2, 1]}, constants=(1,))
recorder.case("volume, automatic", "Conv", [values(1, 2, 5, 4, 5), values(2, 2, 3, 3, 3)],
              {"auto_pad": "SAME_LOWER", "strides": [2, 2, 2]})
recorder.case("volume", "ConvTranspose", [values(2, 3, 2, 3, 4), values(3, 4, 2, 3, 2), values(4)],
              {"strides": [2, 1, 2], "pads": [0, 1, 1, 1, 0, 0]})
recorder.case("volume, groups", "ConvTranspose", [values(1, 4, 2, 3, 3), values(4, 2, 3, 2, 2)],
              {"group": 2, "strides": [2, 3, 1], "dilations": [1, 1, 2], "output_padding": [1, 0, 0]})
for mode in ("linear", "nearest"):
    for padding in ("zeros", "border", "reflection"):
        recorder.case(f"volume, {mode}, {padding}", "GridSample",
                      [values(2, 2, 3, 4, 5), values(2, 2, 3, 4, 3) * np.float32(1.4)],
                      {"mode": mode, "padding_mode": padding, "align_corners": int(padding == "border")})

# ── Products of other types ─────────────────────────────────────────────────
recorder.case("double", "Einsum", [values(2, 3, 4, kind=np.float64), values(2, 4, 5, kind=np.float64)],
              {"equation": "bij,bjk->bik"})
recorder.case("integers", "Einsum", [integers(-9, 9, 3, 4, kind=np.int32), integers(-9, 9, 4, kind=np.int32)],
              {"equation": "ij,j->i"}, tolerance=0)
recorder.case("double diagonal", "Einsum", [values(3, 3, 2, kind=np.float64)], {"equation": "iij->ij"})
recorder.case("columns", "ArrayFeatureExtractor", [values(3, 4), number([2, 0])], domain="ai.onnx.ml", tolerance=0)
recorder.case("threshold", "Binarizer", [values(3, 4)], {"threshold": 0.25}, domain="ai.onnx.ml", tolerance=0)
recorder.save()
