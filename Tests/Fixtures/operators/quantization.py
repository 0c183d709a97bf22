"""Quantisation, and the matrix products, convolutions and LSTM on 8-bit numbers."""

import numpy as np
import onnxruntime

from recorder import Recorder


class ThreadsForEveryRow(onnxruntime.SessionOptions):
    """ONNX Runtime's DynamicQuantizeLSTM gives all rows that one thread computes one scale: its result depends on the
    number of threads. With enough of them each row has its own, which is what we do."""

    def __init__(self):
        super().__init__()
        self.intra_op_num_threads = 16


onnxruntime.SessionOptions = ThreadsForEveryRow
recorder = Recorder("Quantization")
random = np.random.default_rng(11)


def floats(*shape, scale=1.0):
    return (random.standard_normal(shape) * scale).astype(np.float32)


def integers(kind, *shape):
    limits = np.iinfo(kind)
    return random.integers(limits.min, limits.max + 1, shape).astype(kind)


def extremes(kind, *shape):
    """Only the ends of the range: sums that saturate 16 bits."""
    limits = np.iinfo(kind)
    return random.choice(np.array([limits.min, limits.max], kind), shape)


def exact(name, op, operands, constants=(), **attributes):
    recorder.case(name, op, operands, attributes, constants=constants, tolerance=0)


# ── Between floats and integers ──────────────────────────────────────────────
for name, x in {
    "both signs": floats(3, 50), "positive": abs(floats(40)) + 1, "negative": -abs(floats(40)) - 1,
    "zeros": np.zeros((2, 3), np.float32), "scalar": np.float32(3.5), "large": floats(5, 7000, scale=1e20)[:, ::500],
}.items():
    recorder.case(name, "DynamicQuantizeLinear", [x], outputs=3, tolerance=0)

for kind in ("uint8", "int8", "uint16", "int16"):
    zero = np.array(np.iinfo(kind).max // 3, kind)
    scale = np.float32(0.03 if kind.endswith("8") else 0.0004)
    x = np.concatenate([floats(30, scale=6), np.arange(-20, 20, dtype=np.float32) * scale / 2]).reshape(2, 5, 7)
    exact(f"to {kind}", "QuantizeLinear", [x, scale, zero])
    exact(f"to {kind} along an axis", "QuantizeLinear", [x, scale * (1 + np.arange(5, dtype=np.float32)), integers(kind, 5)])
    exact(f"from {kind}", "DequantizeLinear", [integers(kind, 3, 4), np.float32(0.3), zero])
    exact(f"from {kind} along the last axis", "DequantizeLinear",
          [integers(kind, 3, 4), abs(floats(4)), integers(kind, 4)], constants=(1, 2), axis=-1)
exact("without a zero point", "QuantizeLinear", [floats(4, 5, scale=3), np.float32(0.02)])
exact("one scale in a list", "QuantizeLinear", [floats(4, 5, scale=3), np.array([0.02], np.float32), np.array([3], np.int8)])
exact("first axis", "QuantizeLinear", [floats(4, 5), abs(floats(4)) / 50, integers("uint8", 4)], axis=0)
exact("output type without a zero point", "QuantizeLinear", [floats(4, 5), np.float32(0.02)], output_dtype=3)
exact("blocks", "QuantizeLinear", [floats(2, 6, 5), abs(floats(2, 3, 5)) / 20, integers("int8", 2, 3, 5)], block_size=2)
exact("blocks", "DequantizeLinear", [integers("uint8", 6, 4), abs(floats(2, 4)), integers("uint8", 2, 4)],
      axis=0, block_size=3)
exact("from int32", "DequantizeLinear", [integers("int32", 3, 4), np.float32(0.001)])
exact("from int32 along an axis", "DequantizeLinear", [integers("int32", 3, 4), abs(floats(3))], axis=0)

# ── Matrix products ──────────────────────────────────────────────────────────
for a_kind, b_kind in (("uint8", "uint8"), ("uint8", "int8"), ("int8", "int8"), ("int8", "uint8")):
    a, b = integers(a_kind, 13, 37), integers(b_kind, 37, 21)
    zeros = [np.array(7, a_kind), np.array(100, b_kind)]
    exact(f"{a_kind} {b_kind}", "MatMulInteger", [a, b, *zeros], constants=(1, 3))
    exact(f"{a_kind} {b_kind} extremes", "MatMulInteger", [extremes(a_kind, 3, 70), extremes(b_kind, 70, 5), *zeros])
exact("no zero points", "MatMulInteger", [integers("uint8", 2, 5), integers("int8", 5, 70)], constants=(1,))
exact("a zero point a column", "MatMulInteger",
      [integers("uint8", 5, 9), integers("int8", 9, 40), np.array(99, np.uint8), integers("int8", 40)])
exact("batch of a", "MatMulInteger", [integers("uint8", 2, 3, 5, 8), integers("int8", 8, 6), np.array(3, np.uint8)])
exact("batch of both", "MatMulInteger",
      [integers("uint8", 2, 1, 5, 8), integers("uint8", 3, 8, 6), np.array(3, np.uint8), np.array(77, np.uint8)])
exact("vectors", "MatMulInteger", [integers("uint8", 8), integers("int8", 8, 6)])

# ── Convolution ──────────────────────────────────────────────────────────────
for x_kind, w_kind in (("uint8", "uint8"), ("uint8", "int8"), ("int8", "int8"), ("int8", "uint8")):
    exact(f"{x_kind} {w_kind}", "ConvInteger",
          [integers(x_kind, 1, 3, 9, 11), integers(w_kind, 5, 3, 3, 3), np.array(20, x_kind), np.array(100, w_kind)],
          constants=(1, 3), pads=[1, 1, 1, 1])
x, w, zeros = integers("uint8", 2, 4, 10, 13), integers("uint8", 6, 4, 3, 3), [np.array(131, np.uint8), np.array(122, np.uint8)]
exact("stride 2", "ConvInteger", [x, w, *zeros], constants=(1,), strides=[2, 2], pads=[1, 1, 1, 1])
exact("stride 3, odd pads", "ConvInteger", [x, w, *zeros], strides=[2, 3], pads=[0, 2, 1, 0])
exact("dilation", "ConvInteger", [x, w, *zeros], dilations=[2, 3], pads=[2, 2, 2, 2])
exact("groups", "ConvInteger", [x, integers("uint8", 6, 2, 3, 3), *zeros], constants=(1,), group=2)
exact("depthwise", "ConvInteger", [x, integers("int8", 4, 1, 3, 3), zeros[0], np.array(-3, np.int8)], group=4, pads=[1, 1, 1, 1])
exact("pointwise", "ConvInteger", [x, integers("uint8", 9, 4, 1, 1), *zeros], constants=(1,))
exact("same upper", "ConvInteger", [x, w, *zeros], auto_pad="SAME_UPPER", strides=[2, 2])
exact("one axis", "ConvInteger", [integers("uint8", 2, 3, 17), integers("int8", 4, 3, 5), zeros[0]], pads=[2, 2])
exact("no zero points", "ConvInteger", [x, integers("int8", 3, 4, 2, 2)])
exact("extremes", "ConvInteger", [extremes("uint8", 1, 8, 5, 5), extremes("int8", 3, 8, 3, 3)])
exact("many pixels", "ConvInteger", [integers("uint8", 1, 1, 24, 45), integers("uint8", 2, 1, 3, 3), *zeros],
      constants=(1,), pads=[1, 1, 1, 1])

# ── LSTM ─────────────────────────────────────────────────────────────────────
def lstm(name, kind, steps, batch, inputs, hidden, direction="forward", per_column=False, zero=0, states=True,
         lengths=None, peepholes=False, outputs=3, constants=(1, 2), tolerance=2e-6, **attributes):
    count = 2 if direction == "bidirectional" else 1

    def weights(*shape):
        return integers(kind, *shape), np.full(quantities, 0.008, np.float32) * (1 + random.random(quantities)).astype(np.float32), \
            np.full(quantities, zero, kind)

    quantities = (count, 4 * hidden) if per_column else (count,)
    w, w_scale, w_zero = weights(count, inputs, 4 * hidden)
    r, r_scale, r_zero = weights(count, hidden, 4 * hidden)
    recorder.case(name, "DynamicQuantizeLSTM", [
        floats(steps, batch, inputs), w, r, floats(count, 8 * hidden),
        None if lengths is None else np.array(lengths, np.int32),
        floats(count, batch, hidden) if states else None, floats(count, batch, hidden) if states else None,
        floats(count, 3 * hidden) if peepholes else None, w_scale, w_zero, r_scale, r_zero,
    ], dict(attributes, direction=direction, hidden_size=hidden), outputs=outputs, constants=constants,
        domain="com.microsoft", tolerance=tolerance)


for direction in ("forward", "reverse", "bidirectional"):
    lstm(f"{direction}", "int8", 5, 1, 6, 9, direction)
lstm("unsigned", "uint8", 4, 1, 7, 5, "bidirectional", zero=128)
lstm("unsigned, other zero point", "uint8", 4, 1, 7, 5, zero=120)
lstm("signed, other zero point", "int8", 4, 1, 7, 18, zero=-5)
lstm("scale a column", "int8", 4, 1, 6, 5, "bidirectional", per_column=True)
lstm("weights are inputs", "int8", 3, 1, 6, 5, "bidirectional", constants=())
lstm("batch", "int8", 4, 3, 6, 5, "bidirectional")
lstm("batch with lengths", "int8", 5, 3, 6, 5, "bidirectional", lengths=[5, 2, 4])
lstm("many rows", "int8", 2, 14, 4, 5)
lstm("no states", "int8", 4, 1, 6, 5, states=False, outputs=[True])
lstm("peepholes", "int8", 4, 1, 6, 5, peepholes=True)
recorder.save()
