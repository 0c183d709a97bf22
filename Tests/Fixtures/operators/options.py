"""Records options in combination: of recurrent layers, resampling, boxes, selections and Einsum."""
import itertools

import numpy as np

from recorder import Recorder

random = np.random.default_rng(30)
recorder = Recorder("Options")


def normal(*shape):
    return random.standard_normal(shape).astype(np.float32)


def i64(*values):
    return np.array(values, np.int64)


def f32(*values):
    return np.array(values, np.float32)


# ── Recurrent layers ────────────────────────────────────────────────────────
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
KINDS = {"LSTM": 3, "GRU": 2, "RNN": 1}
ACTIVATIONS = ["Sigmoid", "Tanh", "HardSigmoid", "Softsign", "ScaledTanh", "Sigmoid"]


def layer(number, op, direction):
    count = 2 if direction == "bidirectional" else 1
    steps, batch, inputs, hidden = 4, 3, 3, 2 + number % 4
    with_bias, with_lengths, with_state, clips, chosen, special, peeps = random.integers(0, 2, 7)
    operands = [
        normal(steps, batch, inputs), normal(count, GATES[op] * hidden, inputs), normal(count, GATES[op] * hidden, hidden),
        normal(count, 2 * GATES[op] * hidden) if with_bias else None,
        random.permutation([4, 1, int(random.integers(0, 5))]).astype(np.int32) if with_lengths else None,
        normal(count, batch, hidden) if with_state else None]
    if op == "LSTM":
        operands += [normal(count, batch, hidden) if with_state else None,
                     normal(count, 3 * hidden) if peeps else None]
    while operands[-1] is None:
        operands.pop()
    attributes = {"direction": direction, "hidden_size": hidden}
    if clips:
        attributes["clip"] = 0.7
    if chosen:
        names = [str(random.choice(ACTIVATIONS)) for _ in range(count * KINDS[op])]
        attributes["activations"] = names
        alphas = [0.3 + 0.1 * at for at, name in enumerate(names) if name in ("HardSigmoid", "ScaledTanh")]
        if alphas:
            attributes["activation_alpha"] = alphas
            attributes["activation_beta"] = [0.4 + 0.05 * at for at in range(len(alphas))]
    if special and op != "RNN":
        attributes["linear_before_reset" if op == "GRU" else "input_forget"] = 1
    recorder.case(f"{number} {direction}", op, operands, attributes, outputs=3 if op == "LSTM" else 2,
                  constants=(1, 2) if number % 2 else ())


number = 0
for op in GATES:
    for direction in ("forward", "reverse", "bidirectional"):
        for _ in range(4):
            layer(number, op, direction)
            number += 1

# ── Resize ──────────────────────────────────────────────────────────────────
image = normal(1, 2, 5, 6)
TRANSFORMS = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric"]
for mode, transform, antialias, exclude in itertools.product(("linear", "cubic"), TRANSFORMS, (0, 1), (0, 1)):
    if exclude and mode == "linear" and not antialias:
        continue
    for name, scales in (("mixed", f32(1, 1, 1.7, 0.6)), ("small", f32(1, 1, 0.5, 0.4))):
        recorder.case(f"{mode} {transform} {antialias}{exclude} {name}", "Resize", [image, None, scales],
                      {"mode": mode, "coordinate_transformation_mode": transform, "antialias": antialias,
                       "exclude_outside": exclude}, constants=(2,))
# Not with scales of 1 alone: ONNX Runtime then copies what it is given, whatever the region.
scales = f32(1, 1, 1.7, 0.6)
for mode in ("nearest", "linear", "cubic"):
    recorder.case(f"{mode} region {scales[2]}", "Resize", [image, f32(0, 0, 0.1, -0.2, 1, 1, 0.9, 1.1), scales],
                  {"mode": mode, "coordinate_transformation_mode": "tf_crop_and_resize", "extrapolation_value": 7.0},
                  constants=(1, 2))
for axes, policy, sizes in itertools.product(([3, 2], [2]), ("not_larger", "not_smaller"), ((4, 20), (14, 5))):
    recorder.case(f"{axes} {policy} {sizes}", "Resize", [image, None, None, i64(*sizes[:len(axes)])],
                  {"mode": "linear", "axes": axes, "keep_aspect_ratio_policy": policy}, constants=(3,))

# ── Places in images ────────────────────────────────────────────────────────
volume, places = normal(1, 2, 3, 4, 5), random.uniform(-1.4, 1.4, (1, 2, 3, 2, 3)).astype(np.float32)
for mode, padding, align in itertools.product(("linear", "nearest"), ("zeros", "border", "reflection"), (0, 1)):
    for name, factor in (("near", 1), ("far", 7)):
        recorder.case(f"volume {mode} {padding} {align} {name}", "GridSample", [volume, places * np.float32(factor)],
                      {"mode": mode, "padding_mode": padding, "align_corners": align})
boxes = f32([0.5, 1, 6.3, 5.2], [-3, -2, 4, 3.5], [4, 4, 4.4, 4.3], [6, 5, 2, 1])
for mode, coordinates, ratio in itertools.product(("avg", "max"), ("half_pixel", "output_half_pixel"), (0, 3)):
    recorder.case(f"{mode} {coordinates} {ratio}", "RoiAlign", [normal(2, 2, 6, 7), boxes, i64(0, 1, 1, 0)],
                  {"mode": mode, "sampling_ratio": ratio, "spatial_scale": 0.5, "output_height": 3, "output_width": 1,
                   "coordinate_transformation_mode": coordinates})
for group, offsets, mask in itertools.product((1, 2, 4), (1, 2, 4), (False, True)):
    recorder.case(f"{group} groups, {offsets} of offsets, mask {mask}", "DeformConv",
                  [normal(1, 4, 4, 5), normal(4, 4 // group, 2, 2), normal(1, 8 * offsets, 3, 4), normal(4),
                   normal(1, 4 * offsets, 3, 4) if mask else None],
                  {"group": group, "offset_group": offsets}, constants=(1, 3))

# ── Selections ──────────────────────────────────────────────────────────────
for centred, overlap, threshold, limit in itertools.product((0, 1), (0.0, 0.4, 1.0), (None, 0.4), (None, 0, 2, 50)):
    corners = np.round(random.uniform(0, 4, (2, 9, 4)) * 2).astype(np.float32) / 2
    corners[:, 1] = corners[:, 0]
    scores = np.round(random.uniform(0, 1, (2, 2, 9)) * 4).astype(np.float32) / 4
    inputs = [corners, scores, None if limit is None else i64(limit), f32(overlap)]
    recorder.case(f"{centred} {overlap} {threshold} {limit}", "NonMaxSuppression",
                  inputs + ([] if threshold is None else [f32(threshold)]), {"center_point_box": centred}, tolerance=0)
numbers = random.integers(-3, 4, (3, 4, 5))
for kind, axis, largest, k in itertools.product((np.float32, np.int64), (0, -1), (0, 1), (0, 3)):
    recorder.case(f"{kind.__name__} {axis} {largest} {k}", "TopK", [numbers.astype(kind), i64(k)],
                  {"axis": axis, "largest": largest}, outputs=2, constants=(1,), tolerance=0)
recorder.case("infinite", "TopK", [f32(1, -np.inf, np.inf, np.inf, -0.0, 0.0, -np.inf), i64(7)], outputs=2,
              constants=(1,), tolerance=0)
for ordered, axis in itertools.product((0, 1), (None, 0, 2, -2)):
    recorder.case(f"{ordered} {axis}", "Unique", [random.integers(-1, 1, (4, 2, 2)).astype(np.float32)],
                  {"sorted": ordered} | ({} if axis is None else {"axis": axis}), outputs=4, tolerance=0)
recorder.case("zeros of both signs", "Unique", [f32(0.0, -0.0, 0.0, -0.0)], outputs=4, tolerance=0)
for shape in ((1,), (0,), (2, 0, 3), (2, 3, 2, 2)):
    recorder.case(f"{shape}", "NonZero", [random.integers(0, 2, shape).astype(np.float32)], tolerance=0)
recorder.case("not a number", "NonZero", [f32(0, np.nan, -0.0, np.inf)], tolerance=0)
for axis, count in ((None, 0), (None, 5), (0, 1), (1, 4), (-1, 2)):
    recorder.case(f"{axis} {count}", "Compress", [normal(3, 4, 5), random.integers(0, 2, count).astype(bool)],
                  {} if axis is None else {"axis": axis}, tolerance=0)

# ── Einsum ──────────────────────────────────────────────────────────────────
for equation, *shapes in (
    ("...ii->...i", (2, 3, 4, 4)), ("ii...->i...", (3, 3, 2, 4)), ("iij->j", (3, 3, 2)), ("ijij->", (2, 3, 2, 3)),
    ("...ij,jk->...ik", (2, 1, 3, 4), (4, 5)), ("ij,...jk->...ik", (3, 4), (2, 5, 4, 2)),
    ("i...,i...->...", (3, 2, 4), (3, 1, 4)), ("...,ij->...ij", (2,), (3, 4)), ("b...->...b", (2, 3, 4)),
    ("...->...", (2, 3)), ("ij,jk,kl,lm->im", (2, 3), (3, 4), (4, 5), (5, 2)), ("abc,abd,bcd->ad", (2, 3, 4), (2, 3, 5), (3, 4, 5)),
    ("i,j,k->kji", (2,), (3,), (4,)), ("ij,jk", (2, 1), (5, 3)), ("Aa,aB->AB", (2, 3), (3, 4)), ("ba,cb", (2, 3), (4, 2)),
    ("ij,jj->i", (2, 3), (3, 3)), ("ij,ji->", (3, 4), (4, 3)), ("i,i,i", (3,), (3,), (3,)), ("ij,jk->ik", (2, 0), (0, 3)),
    ("abcde,edcba->", (2, 3, 2, 3, 2), (2, 3, 2, 3, 2)), ("...ij,...jk->ik...", (2, 3, 4), (2, 4, 5)),
):
    recorder.case(f"{equation} {shapes}", "Einsum", [normal(*shape) for shape in shapes], {"equation": equation})
recorder.save()
