"""Element-wise functions of one, two and several tensors, and casts."""

import numpy as np
from recorder import Recorder

rng = np.random.default_rng(1)
r = Recorder("Elementwise")


def normal(*shape, scale=1.0):
    return (rng.standard_normal(shape) * scale).astype(np.float32)


# ── One tensor ──────────────────────────────────────────────────────────────
wide = np.concatenate([normal(25, scale=6), np.float32([0, -0.0, 1e-8, -1e-8, 30, -30, 88, -88])])
plain = ["Relu", "Sigmoid", "Tanh", "Neg", "Abs", "Floor", "Ceil", "Round", "Sign", "Erf", "Softplus", "Softsign",
         "HardSigmoid", "HardSwish", "LeakyRelu", "Elu", "Selu", "Celu", "Gelu", "Mish", "ThresholdedRelu", "Shrink",
         "Sin", "Cos", "Atan"]
for op in plain:
    r.case("wide", op, [wide], tolerance=3e-6)
    r.case("matrix", op, [normal(3, 17)], tolerance=3e-6)
r.case("all magnitudes", "Exp", [np.float32([-200, -104, -90, -87, -10, -1, -0.0, 0, 1e-7, 1, 10, 80, 88.7])], tolerance=1e-6)
r.case("near zero", "Exp", [normal(99)], tolerance=3e-7)
r.case("special", "Exp", [np.float32([np.inf, -np.inf, np.nan])])
r.case("positive", "Log", [np.exp(normal(100, scale=5))], tolerance=3e-7)
r.case("special", "Log", [np.float32([0, -0.0, -1, np.inf, np.nan, 1])])
r.case("positive", "Sqrt", [np.exp(normal(50, scale=5))], tolerance=3e-7)
r.case("special", "Sqrt", [np.float32([0, -1, np.inf, np.nan])])
r.case("values", "Reciprocal", [normal(50) + np.float32(3)], tolerance=3e-7)
r.case("special", "Tanh", [np.float32([np.inf, -np.inf, np.nan])])
r.case("special", "Sigmoid", [np.float32([np.inf, -np.inf, np.nan, 200, -200])])
r.case("special", "Erf", [np.float32([np.inf, -np.inf, np.nan, 7, -7])])
r.case("special", "Softplus", [np.float32([np.inf, -np.inf, np.nan, 100, -100])])
r.case("ties", "Round", [np.float32([0.5, 1.5, 2.5, -0.5, -1.5, 2.4999998])], tolerance=0)
unit = np.clip(normal(40), -0.99, 0.99)
for op in ["Asin", "Acos", "Atanh"]:
    r.case("unit", op, [unit], tolerance=3e-6)
for op in ["Tan", "Sinh", "Cosh", "Asinh"]:
    r.case("values", op, [unit], tolerance=3e-6)
r.case("values", "Acosh", [unit + np.float32(2.5)], tolerance=3e-6)
for op, attributes in [("LeakyRelu", {"alpha": 0.3}), ("Elu", {"alpha": 2.5}), ("Selu", {"alpha": 1.5, "gamma": 0.7}),
                       ("Celu", {"alpha": 0.5}), ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.4}),
                       ("ThresholdedRelu", {"alpha": 0.5}), ("Shrink", {"lambd": 0.3, "bias": 0.1}),
                       ("Gelu", {"approximate": "tanh"})]:
    r.case("attributes", op, [normal(7, 9, scale=2)], attributes, tolerance=3e-6)
r.case("half", "Relu", [normal(3, 5).astype(np.float16)], tolerance=0)
r.case("double", "Exp", [normal(20).astype(np.float64)], tolerance=1e-6)
r.case("double", "Floor", [normal(20, scale=3).astype(np.float64)], tolerance=0)
for dtype in [np.int32, np.int8, np.int64]:
    whole = rng.integers(-100, 100, 40).astype(dtype)
    r.case(np.dtype(dtype).name, "Abs", [whole], tolerance=0)
    r.case(np.dtype(dtype).name, "Neg", [whole], tolerance=0)
    r.case(np.dtype(dtype).name, "Sign", [whole], tolerance=0)
r.case("int32", "Relu", [rng.integers(-9, 9, 40).astype(np.int32)], tolerance=0)

x = normal(4, 21, scale=3)
r.case("both bounds", "Clip", [x, np.float32(-1), np.float32(2)], constants={1, 2}, tolerance=0)
r.case("bounds at run time", "Clip", [x, np.float32(-1), np.float32(2)], tolerance=0)
r.case("low", "Clip", [x, np.float32(0)], constants={1}, tolerance=0)
r.case("high", "Clip", [x, None, np.float32(1)], constants={2}, tolerance=0)
r.case("none", "Clip", [x], tolerance=0)
r.case("crossed", "Clip", [x, np.float32(2), np.float32(-1)], tolerance=0)
r.case("int64", "Clip", [rng.integers(-99, 99, 30), np.int64(-10), np.int64(20)], tolerance=0)
r.case("uint8", "Clip", [rng.integers(0, 255, 30).astype(np.uint8), np.uint8(10), np.uint8(200)], tolerance=0)
r.case("double", "Clip", [x.astype(np.float64), np.float64(-1), np.float64(2)], tolerance=0)
r.case("values", "Not", [rng.integers(0, 2, 37).astype(bool)], tolerance=0)
special = np.float32([1, np.nan, np.inf, -np.inf, 0, -np.nan])
r.case("values", "IsNaN", [special], tolerance=0)
r.case("half", "IsNaN", [special.astype(np.float16)], tolerance=0)
r.case("values", "IsInf", [special], tolerance=0)
r.case("negative", "IsInf", [special], {"detect_positive": 0}, tolerance=0)
r.case("positive", "IsInf", [special.astype(np.float64)], {"detect_negative": 0}, tolerance=0)
r.case("values", "Identity", [x], tolerance=0)
r.case("inference", "Dropout", [x], tolerance=0)
r.case("with mask", "Dropout", [x, np.float32(0.5)], outputs=2, constants={1}, tolerance=0)

# ── Casts ───────────────────────────────────────────────────────────────────
CODES = {"float32": 1, "uint8": 2, "int8": 3, "uint16": 4, "int16": 5, "int32": 6, "int64": 7, "bool": 9,
         "float16": 10, "float64": 11, "uint32": 12, "uint64": 13}
for source in CODES:
    for target, code in CODES.items():
        # Values that both types have: what is out of range differs from runtime to runtime.
        values = np.array([0, 1, 2, 7, 100, 127, 3, 5])
        if source.startswith(("float", "int")) and target.startswith(("float", "int")):
            values = np.concatenate([values, [-1, -3, -128]])
        array = values.astype(source)
        if source.startswith("float"):
            array = (array + np.array(0.25, source)).astype(source)
        r.case(f"{source} to {target}", "Cast", [array], {"to": code}, tolerance=0)
halves = np.float32([1, 1.0009765, 1.00048828125, 1.0014648, 65504, 65519, 65520, 1e6, 6e-8, 2.9e-8, 3e-8, 6.1e-5, -0.0,
                     np.inf, -np.inf, np.nan, 1e-10])
r.case("rounding to float16", "Cast", [halves], {"to": 10}, tolerance=0)
r.case("all of float16", "Cast", [np.arange(0, 0x7C00, 37, dtype=np.uint16).view(np.float16)], {"to": 1}, tolerance=0)
r.case("wrapping", "Cast", [np.array([300, -1, 70000], np.int64)], {"to": 2}, tolerance=0)
r.case("like", "CastLike", [x, np.int32([1])], tolerance=0)

# ── Two tensors ─────────────────────────────────────────────────────────────
shapes = {
    "same": ((3, 4, 5), (3, 4, 5)), "scalar": ((3, 4, 5), ()), "scalar first": ((), (3, 4, 5)),
    "row": ((3, 4, 5), (5,)), "channel": ((2, 3, 4, 5), (3, 1, 1)), "column": ((4, 5), (4, 1)),
    "both": ((4, 1, 3), (1, 5, 1)), "middle": ((2, 3, 4, 5), (2, 1, 4, 1)), "long": ((2, 300), (1, 300)),
    "outer": ((7, 1), (1, 9)), "rank": ((1, 1, 5), (2, 1, 1, 5)), "empty": ((0, 3), (1, 3)),
}
for name, (a, b) in shapes.items():
    r.case(name, "Add", [normal(*a), normal(*b)], tolerance=0)
    r.case(name, "Sub", [normal(*a), normal(*b)], tolerance=0)
    r.case(name, "Div", [normal(*a), np.abs(normal(*b)) + np.float32(0.5)], tolerance=3e-7)
r.case("same", "Mul", [normal(6, 7), normal(6, 7)], tolerance=0)
r.case("channel", "Mul", [normal(2, 8, 9), normal(1, 8, 1)], tolerance=0)
for power in [2.0, 3.0, 0.5, 1.0, 1.7, -1.0]:
    r.case(f"to {power}", "Pow", [np.abs(normal(30)), np.float32(power)], constants={1}, tolerance=1e-6)
r.case("tensor", "Pow", [np.abs(normal(5, 6)), normal(6)], tolerance=1e-6)
r.case("integer exponent", "Pow", [normal(30), np.int64(3)], tolerance=1e-6)
r.case("integers", "Pow", [rng.integers(-5, 6, 20), rng.integers(0, 5, 20)], tolerance=0)
for dtype in [np.int32, np.int64, np.uint8, np.int8, np.float64]:
    a, b = rng.integers(0, 100, (4, 6)).astype(dtype), rng.integers(1, 9, (6,)).astype(dtype)
    for op in ["Add", "Sub", "Mul", "Div"]:
        try:
            r.case(np.dtype(dtype).name, op, [a, b], tolerance=1e-12)
        except Exception as error:
            print("skipped:", op, dtype, str(error)[:60])
signed = rng.integers(-30, 30, 24)
divisor = np.where(rng.integers(0, 2, 24) == 0, -7, 7)
r.case("towards zero", "Div", [signed, divisor], tolerance=0)
r.case("sign of divisor", "Mod", [signed, divisor], tolerance=0)
r.case("sign of dividend", "Mod", [signed, divisor], {"fmod": 1}, tolerance=0)
r.case("floats", "Mod", [normal(24, scale=9), normal(24, scale=3)], {"fmod": 1}, tolerance=1e-6)
r.case("slopes", "PRelu", [normal(2, 3, 4), normal(3, 1)], tolerance=0)
r.case("one slope", "PRelu", [normal(2, 3, 4), normal(1)], tolerance=0)
a, b = rng.integers(0, 4, (5, 6)), rng.integers(0, 4, (6,))
for op in ["Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"]:
    r.case("float32", op, [a.astype(np.float32), b.astype(np.float32)], tolerance=0)
    r.case("int64", op, [a, b], tolerance=0)
    r.case("scalar", op, [a.astype(np.float32), np.float32(2)], tolerance=0)
r.case("bool", "Equal", [a > 1, b > 1], tolerance=0)
r.case("NaN", "Equal", [special, special], tolerance=0)
for op in ["And", "Or", "Xor"]:
    r.case("values", op, [a > 1, b > 2], tolerance=0)
bits = rng.integers(0, 255, 20).astype(np.uint8)
r.case("left", "BitShift", [bits, (bits % 9).astype(np.uint8)], {"direction": "LEFT"}, tolerance=0)
r.case("right", "BitShift", [bits, (bits % 8).astype(np.uint8)], {"direction": "RIGHT"}, tolerance=0)
for op in ["BitwiseAnd", "BitwiseOr", "BitwiseXor"]:
    r.case("values", op, [bits.astype(np.int32), bits[::-1].astype(np.int32)], tolerance=0)

r.case("values", "BitwiseNot", [bits.astype(np.int32)], tolerance=0)

# ── Several tensors ─────────────────────────────────────────────────────────
for op in ["Min", "Max", "Sum", "Mean"]:
    r.case("one", op, [normal(3, 4)], tolerance=1e-6)
    r.case("three", op, [normal(3, 4), normal(4), normal(3, 1)], tolerance=1e-6)
    r.case("growing", op, [normal(4), normal(3, 1), normal(2, 1, 1)], tolerance=1e-6)
r.case("int64", "Max", [rng.integers(-9, 9, 12), np.int64([0])], tolerance=0)
r.case("int32", "Min", [rng.integers(-9, 9, 12).astype(np.int32), rng.integers(-9, 9, 12).astype(np.int32)], tolerance=0)
r.case("half", "Sum", [normal(9).astype(np.float16), normal(9).astype(np.float16)], tolerance=1e-3)
for dtype in [np.float32, np.int64, np.int32, np.uint8]:
    r.case(np.dtype(dtype).name, "Where", [a > 1, a.astype(dtype), (b + 10).astype(dtype)], tolerance=0)
r.case("scalars", "Where", [a > 1, np.float32(1), np.float32(-1)], tolerance=0)
r.case("broadcast condition", "Where", [(b > 1), normal(5, 6), normal(5, 1)], tolerance=0)
r.save()
