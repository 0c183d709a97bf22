"""Records gradients that PyTorch computes, as one line of JSON a case: `python recorder.py` (torch and numpy) writes
`PyTorch.jsonl` beside this file.

A line names one operator of the graph format with its attributes, the inputs, the gradients that are given for some
outputs ("cotangents"), the outputs that PyTorch makes, and the gradients that it gives for some inputs. Tests/
AutodiffTests compares.
"""

import base64
import json
import pathlib

import numpy as np
import torch
import torch.nn.functional as F

torch.manual_seed(0)
LINES = []


def tensor(value):
    if value is None:
        return None
    array = np.asarray(value.detach().numpy() if isinstance(value, torch.Tensor) else value)
    return {"element": array.dtype.name, "shape": list(array.shape), "data": base64.b64encode(array.tobytes()).decode()}


def attribute(value):
    if isinstance(value, str):
        return {"string": value}
    if isinstance(value, float):
        return {"float": value}
    if isinstance(value, int):
        return {"int": value}
    return {"ints": [int(v) for v in value]}


def case(name, op, inputs, outputs, gradients, attributes=None, domain="", constants=(), given=None, tolerance=1e-5):
    """inputs: what the operator takes (None: left out). outputs: what PyTorch makes, in the operator's layout (None: not
    wanted). gradients: position of an input -> the tensor in PyTorch that its gradient is read from, or (tensor,
    function) to bring that into the operator's layout. given: cotangents of some outputs; random ones by default."""
    given = given or [torch.randn_like(y) if y is not None else None for y in outputs]
    pairs = [(y, g) for y, g in zip(outputs, given) if g is not None]
    leaves = {key: value if isinstance(value, tuple) else (value, lambda g: g) for key, value in gradients.items()}
    names = list(leaves)
    found = torch.autograd.grad([y for y, _ in pairs], [leaves[key][0] for key in names], [g for _, g in pairs])
    LINES.append({
        "name": name, "op": op, "domain": domain,
        "attributes": {key: attribute(value) for key, value in (attributes or {}).items()},
        "inputs": [tensor(value) for value in inputs], "constants": list(constants),
        "outputs": [tensor(value) for value in outputs], "cotangents": [tensor(value) for value in given],
        "gradients": {str(key): tensor(leaves[key][1](g)) for key, g in zip(names, found)}, "tolerance": tolerance,
    })


def leaf(*shape, low=-1.0, high=1.0):
    return (torch.rand(*shape) * (high - low) + low).requires_grad_()


def convolutions():
    x, w, b = leaf(2, 6, 9, 8), leaf(4, 3, 3, 3), leaf(4)
    y = F.conv2d(x, w, b, stride=(2, 1), padding=(2, 1), dilation=(2, 1), groups=2)
    case("groups, dilation, stride", "Conv", [x, w, b], [y], {0: x, 1: w, 2: b},
         {"strides": [2, 1], "pads": [2, 1, 2, 1], "dilations": [2, 1], "group": 2})
    x, w, b = leaf(2, 4, 4, 5), leaf(4, 3, 3, 2), leaf(6)
    y = F.conv_transpose2d(x, w, b, stride=(2, 3), padding=(1, 0), output_padding=(1, 2), groups=2)
    case("output padding, groups", "ConvTranspose", [x, w, b], [y], {0: x, 1: w, 2: b},
         {"strides": [2, 3], "pads": [1, 0, 1, 0], "output_padding": [1, 2], "group": 2})


def ties():
    x = torch.tensor([[1.0, 3, 3, 2], [3, 3, 0, 2], [5, 5, 5, 5]]).requires_grad_()
    case("ties share", "ReduceMax", [x, np.array([1])], [torch.amax(x, 1, keepdim=True)], {0: x}, constants=[1])
    case("ties share", "ReduceMin", [x, np.array([0])], [torch.amin(x, 0)], {0: x}, {"keepdims": 0}, constants=[1])
    other = torch.tensor([[2.0, 3, 1, 2], [1, 3, 5, 4], [5, 6, 5, 4]]).requires_grad_()
    case("ties share", "Max", [x, other], [torch.maximum(x, other)], {0: x, 1: other})
    image = torch.tensor([[0.0, 1, 1, 0], [1, 1, 2, 2], [0, 0, 2, 2], [0, 0, 1, 3]]).reshape(1, 1, 4, 4).requires_grad_()
    case("ties go to the first", "MaxPool", [image], [F.max_pool2d(image, 2, 2)], {0: image},
         {"kernel_shape": [2, 2], "strides": [2, 2]})
    case("ties go to the first", "MaxPool", [image], [F.max_pool2d(image, 3, 1, 1)], {0: image},
         {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]})
    kink = torch.tensor([-2.0, -1, 0, 1, 2, 3]).requires_grad_()
    case("at the kink", "Relu", [kink], [F.relu(kink)], {0: kink})
    case("at the kink", "LeakyRelu", [kink], [F.leaky_relu(kink, 0.1)], {0: kink}, {"alpha": 0.1})
    case("at the kink", "Abs", [kink], [kink.abs()], {0: kink})
    case("at the bounds", "Clip", [kink, np.float32(-1), np.float32(2)], [kink.clamp(-1, 2)], {0: kink})
    case("at 0", "ReduceL2", [kink.detach() * 0], [zero_norm()[1]], {0: ZERO}, {"keepdims": 0})


ZERO = torch.zeros(6).requires_grad_()


def zero_norm():
    return ZERO, torch.linalg.vector_norm(ZERO)


def normalisation():
    x, w, b = leaf(3, 4, 5, 2, low=-2, high=3), leaf(4), leaf(4)
    mean, variance = torch.rand(4), torch.rand(4) + 0.5
    # ONNX averages the variance of the batch as it is; PyTorch that over n - 1.
    population = x.detach().var((0, 2, 3), unbiased=False)
    running = (0.9 * mean + 0.1 * x.detach().mean((0, 2, 3)), 0.9 * variance + 0.1 * population)
    y = F.batch_norm(x, None, None, w, b, training=True, eps=1e-5)
    case("training", "BatchNormalization", [x, w, b, mean, variance], [y, *running], {0: x, 1: w, 2: b},
         {"training_mode": 1, "momentum": 0.9}, given=[torch.randn_like(y), None, None], tolerance=5e-5)
    x, w, b = leaf(3, 2, 10, low=-2, high=3), leaf(10), leaf(10)
    case("last axis", "LayerNormalization", [x, w, b], [F.layer_norm(x, (10,), w, b)], {0: x, 1: w, 2: b}, tolerance=5e-5)
    x, w, b = leaf(2, 3, 4, 5), leaf(3), leaf(3)
    case("", "InstanceNormalization", [x, w, b], [F.instance_norm(x, weight=w, bias=b)], {0: x, 1: w, 2: b}, tolerance=5e-5)
    x = leaf(3, 7, low=-4, high=4)
    case("", "LogSoftmax", [x], [F.log_softmax(x, 1)], {0: x}, {"axis": 1})
    case("", "Gelu", [x], [F.gelu(x)], {0: x})
    case("", "HardSwish", [x], [F.hardswish(x)], {0: x})


def onnx_gates(weight, hidden, order):
    return torch.cat([weight[g * hidden:(g + 1) * hidden] for g in order])


def recurrent():
    # PyTorch has LSTM gates i, f, g, o and GRU gates r, z, n; ONNX i, o, f, c and z, r, h.
    for cell, module, order, back in (
        ("LSTM", torch.nn.LSTM, (0, 3, 1, 2), (0, 2, 3, 1)), ("GRU", torch.nn.GRU, (1, 0, 2), (1, 0, 2)),
    ):
        size, hidden, steps, batch = 5, 4, 6, 3
        layer = module(size, hidden, bidirectional=True)
        weights = [[], [], []]
        for suffix in ("", "_reverse"):
            for kind, names in enumerate((("weight_ih",), ("weight_hh",), ("bias_ih", "bias_hh"))):
                parts = [onnx_gates(getattr(layer, f"{n}_l0{suffix}").detach(), hidden, order) for n in names]
                weights[kind].append(torch.cat(parts))
        w, r, b = (torch.stack(parts).requires_grad_() for parts in weights)
        x, h0, c0 = leaf(steps, batch, size), leaf(2, batch, hidden), leaf(2, batch, hidden)

        def put(values, d):
            suffix = ("", "_reverse")[d]
            gates = len(order)
            pieces = {"weight_ih": values[0][d], "weight_hh": values[1][d],
                      "bias_ih": values[2][d][:gates * hidden], "bias_hh": values[2][d][gates * hidden:]}
            return {f"{n}_l0{suffix}": onnx_gates(v, hidden, back) for n, v in pieces.items()}

        parameters = {**put((w, r, b), 0), **put((w, r, b), 1)}
        state = (h0, c0) if cell == "LSTM" else h0
        y, last = torch.func.functional_call(layer, parameters, (x, state))
        y = y.reshape(steps, batch, 2, hidden).permute(0, 2, 1, 3)
        inputs = [x, w, r, b, None, h0] + ([c0] if cell == "LSTM" else [])
        outputs = [y] + (list(last) if cell == "LSTM" else [last])
        gradients = {0: x, 1: w, 2: r, 3: b, 5: h0, **({6: c0} if cell == "LSTM" else {})}
        attributes = {"hidden_size": hidden, "direction": "bidirectional"}
        if cell == "GRU":
            attributes["linear_before_reset"] = 1
        case("bidirectional", cell, inputs, outputs, gradients, attributes, tolerance=2e-5)


def ctc():
    steps, batch, classes = 9, 4, 6
    logits = leaf(steps, batch, classes, low=-3, high=3)
    targets = torch.tensor([[1, 2, 2, 5], [3, 0, 0, 0], [4, 4, 4, 4], [1, 1, 1, 0]])
    lengths, inputs = torch.tensor([4, 1, 4, 3]), torch.tensor([9, 5, 4, 9])
    # The third has too few steps for its repeated labels: its loss is infinite, and counts as 0. PyTorch's gradient is
    # that of the logits, whatever is in between: the comparison goes through LogSoftmax.
    losses = F.ctc_loss(F.log_softmax(logits, 2), targets, inputs, lengths, blank=0, reduction="none", zero_infinity=True)
    case("through log-softmax", "CTCLoss", [logits, targets, inputs, lengths], [losses], {0: logits},
         {"zero_infinity": 1}, domain="ligature", constants=[1, 2, 3], tolerance=2e-5)


def sampling():
    x = leaf(1, 2, 5, 6)
    for align in (False, True):
        y = F.interpolate(x, size=(9, 4), mode="bilinear", align_corners=align)
        mode = "align_corners" if align else "pytorch_half_pixel"
        case(f"bilinear {mode}", "Resize", [x, None, None, np.array([1, 2, 9, 4])], [y], {0: x},
             {"mode": "linear", "coordinate_transformation_mode": mode}, constants=[3])
    y = F.interpolate(x, scale_factor=2, mode="nearest")
    case("nearest", "Resize", [x, None, np.array([1, 1, 2, 2], np.float32)], [y], {0: x},
         {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}, constants=[2])
    for padding in ("zeros", "border", "reflection"):
        grid = leaf(1, 3, 4, 2, low=-1.6, high=1.6)
        y = F.grid_sample(x, grid, mode="bilinear", padding_mode=padding, align_corners=False)
        case(padding, "GridSample", [x, grid], [y], {0: x, 1: grid}, {"padding_mode": padding}, tolerance=3e-5)


def products():
    x = torch.tensor([[2.0, -1.5, 0.5, 3], [2, 0, -1, 0.25], [0, 1.5, 0, 2], [0.5, -0.5, 1.25, 4]]).requires_grad_()
    case("zeros", "ReduceProd", [x, np.array([1])], [x.prod(1)], {0: x}, {"keepdims": 0}, constants=[1])
    case("zeros", "ReduceProd", [x, np.array([0])], [x.prod(0, keepdim=True)], {0: x}, constants=[1])
    places = torch.tensor([[0, 2, 0, 0], [1, 1, 2, 3], [3, 3, 3, 3]])
    for reduction, name in (("prod", "mul"), ("amax", "max"), ("amin", "min")):
        data = torch.tensor([[2.0, -1.5, 0, 3], [2, 0, -1, 0.25], [0.5, 1, 2, 3]]).requires_grad_()
        updates = torch.tensor([[1.5, -2, 2, 0.5], [3, 0, 0, 0.25], [1, 3, 3, -2]]).requires_grad_()
        y = data.scatter_reduce(1, places, updates, reduction, include_self=True)
        case("zeros and ties", "ScatterElements", [data, places, updates], [y], {0: data, 2: updates},
             {"axis": 1, "reduction": name}, constants=[1])


def joining():
    x = leaf(2, 3, 5, 6)
    # Pads from the last axis on, begin before end; ONNX: all begins, then all ends.
    for mode, name in (("reflect", "reflect"), ("replicate", "edge"), ("circular", "wrap")):
        y = F.pad(x, (2, 3, 1, 4), mode=mode)
        case(name, "Pad", [x, np.array([0, 0, 1, 2, 0, 0, 4, 3])], [y], {0: x}, {"mode": name}, constants=[1])
    first, _, last = x.split([2, 1, 3], 3)
    case("a piece left out", "Split", [x, np.array([2, 1, 3])], [first, None, last], {0: x}, {"axis": 3}, constants=[1])
    x, places = leaf(3, 4, 5), torch.tensor([[[1], [3]], [[0], [0]], [[2], [-1]]])
    y = torch.stack([x[b, places[b, :, 0]] for b in range(3)])
    case("a batch", "GatherND", [x, places], [y], {0: x}, {"batch_dims": 1}, constants=[1])


def transposed():
    for name, crop in (("SAME_UPPER", slice(0, -1)), ("SAME_LOWER", slice(1, None))):
        x, w, b = leaf(2, 2, 4, 3), leaf(2, 3, 3, 3), leaf(3)
        y = F.conv_transpose2d(x, w, b, stride=2)[:, :, crop, crop]
        case(name, "ConvTranspose", [x, w, b], [y], {0: x, 1: w, 2: b}, {"auto_pad": name, "strides": [2, 2]})


def reset_first():
    """A GRU whose reset gate scales the state before the product (linear_before_reset = 0), in both directions."""
    size, hidden, steps, batch = 5, 4, 6, 3
    x, h0 = leaf(steps, batch, size), leaf(2, batch, hidden)
    w, r, b = leaf(2, 3 * hidden, size), leaf(2, 3 * hidden, hidden), leaf(2, 6 * hidden)
    both, last = [], []
    for d in range(2):
        h, made = h0[d], [None] * steps
        wz, wr, wh = w[d].split(hidden)
        rz, rr, rh = r[d].split(hidden)
        bz, br, bh, cz, cr, ch = b[d].split(hidden)
        for t in range(steps) if d == 0 else reversed(range(steps)):
            z = torch.sigmoid(x[t] @ wz.T + h @ rz.T + bz + cz)
            gate = torch.sigmoid(x[t] @ wr.T + h @ rr.T + br + cr)
            h = (1 - z) * torch.tanh(x[t] @ wh.T + (gate * h) @ rh.T + bh + ch) + z * h
            made[t] = h
        both.append(torch.stack(made))
        last.append(h)
    case("reset before the product", "GRU", [x, w, r, b, None, h0], [torch.stack(both, 1), torch.stack(last)],
         {0: x, 1: w, 2: r, 3: b, 5: h0}, {"hidden_size": hidden, "direction": "bidirectional"}, tolerance=2e-5)


def boxes():
    """RoiAlign's means, sample by sample: PyTorch itself has no such function."""
    def samples(low, high, bins, ratio):
        size = (high - low) / bins
        count = ratio or int(np.ceil(size))
        return [[low + b * size + (i + 0.5) * size / count for i in range(count)] for b in range(bins)]

    def value(plane, y, x):
        height, width = plane.shape[-2:]
        if not (-1 <= y <= height and -1 <= x <= width):
            return plane[..., 0, 0] * 0
        y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
        top, left = int(y), int(x)
        bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
        above = plane[..., top, left] * (1 - x + left) + plane[..., top, right] * (x - left)
        below = plane[..., bottom, left] * (1 - x + left) + plane[..., bottom, right] * (x - left)
        return above * (1 - y + top) + below * (y - top)

    found = np.array([[1, 2, 17, 13.5], [-6, 3, 9, 30], [4, 4, 6, 5], [10, 1, 30, 9], [8, 8, 8, 8]], np.float32)
    images = np.array([0, 1, 1, 0, 0])
    for ratio in (0, 2):
        x = leaf(2, 3, 7, 9)
        rows = []
        for box, image in zip(found.astype(np.float64) * 0.5 - 0.5, images):
            if not ratio and box[0] == box[2]:
                rows.append(x[0, :, :2, :3] * 0)
                continue
            ys, xs = samples(box[1], box[3], 2, ratio), samples(box[0], box[2], 3, ratio)
            bins = [torch.stack([value(x[image], v, u) for v in down for u in across]).mean(0)
                    for down in ys for across in xs]
            rows.append(torch.stack(bins, -1).reshape(3, 2, 3))
        case(f"{ratio} samples", "RoiAlign", [x, found, images], [torch.stack(rows)], {0: x},
             {"output_height": 2, "output_width": 3, "sampling_ratio": ratio, "spatial_scale": 0.5})


def cubic_grids():
    x = leaf(1, 2, 5, 6)
    for padding in ("zeros", "border", "reflection"):
        grid = leaf(1, 3, 4, 2, low=-1.6, high=1.6)
        y = F.grid_sample(x, grid, mode="bicubic", padding_mode=padding, align_corners=padding == "border")
        case(f"cubic, {padding}", "GridSample", [x, grid], [y], {0: x, 1: grid},
             {"mode": "cubic", "padding_mode": padding, "align_corners": int(padding == "border")}, tolerance=3e-5)


for family in (
    convolutions, ties, normalisation, recurrent, ctc, sampling, products, joining, transposed, reset_first, boxes,
    cubic_grids,
):
    family()
path = pathlib.Path(__file__).with_name("PyTorch.jsonl")
path.write_text("".join(json.dumps(line) + "\n" for line in LINES))
print(f"{len(LINES)} cases, {path.stat().st_size} bytes")
