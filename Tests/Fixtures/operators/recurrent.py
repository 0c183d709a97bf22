"""LSTM, GRU and RNN."""

import json

import numpy as np

from recorder import Recorder, _tensor

recorder = Recorder("Recurrent")
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}


def layer(name, op, steps, batch, inputs, hidden, direction="forward", bias=True, lengths=None, states=False,
          peepholes=False, outputs=None, constants=(1, 2), tolerance=1e-5, scale=1.0, **attributes):
    random = np.random.default_rng(sum(map(ord, name)))
    count = 2 if direction == "bidirectional" else 1
    gates = GATES[op]

    def values(*shape):
        return (random.standard_normal(shape) * scale).astype(np.float32)

    operands = [
        values(steps, batch, inputs), values(count, gates * hidden, inputs) / np.float32(np.sqrt(inputs)),
        values(count, gates * hidden, hidden) / np.float32(np.sqrt(hidden)),
        values(count, 2 * gates * hidden) if bias else None,
        None if lengths is None else np.array(lengths, np.int32),
        values(count, batch, hidden) if states else None,
    ]
    if op == "LSTM":
        operands.append(values(count, batch, hidden) if states else None)
        operands.append(values(count, 3 * hidden) if peepholes else None)
    batch_first = attributes.pop("layout", 0)
    most = 3 if op == "LSTM" else 2
    recorder.case(
        name, op, operands, dict(attributes, direction=direction, hidden_size=hidden),
        outputs=most if outputs is None else outputs, constants=constants, tolerance=tolerance)
    while operands and operands[-1] is None:
        operands.pop()
    recorder_line = json.loads(recorder.lines[-1])
    recorder_line["inputs"] = recorder_line["inputs"][:len(operands)]
    if batch_first:
        transpose(recorder_line)
    recorder.lines[-1] = json.dumps(recorder_line)


def transpose(line):
    """ONNX Runtime does not run layout 1: the same numbers, with the batch in front."""
    import base64

    def moved(tensor, axes):
        if tensor is None:
            return None
        array = np.frombuffer(base64.b64decode(tensor["data"]), tensor["element"]).reshape(tensor["shape"])
        return _tensor(array.transpose(axes))

    line["attributes"]["layout"] = {"int": 1}
    for index in (0, 5, 6):
        if index < len(line["inputs"]):
            line["inputs"][index] = moved(line["inputs"][index], (1, 0, 2))
    line["outputs"] = [moved(out, (2, 0, 1, 3) if index == 0 else (1, 0, 2)) for index, out in enumerate(line["outputs"])]


for op in GATES:
    for direction in ("forward", "reverse", "bidirectional"):
        layer(f"{direction} one sequence", op, 7, 1, 5, 6, direction)
        layer(f"{direction} batch with lengths and states", op, 5, 4, 7, 9, direction, lengths=[5, 2, 1, 4], states=True)
    layer("without bias", op, 4, 2, 3, 5, "bidirectional", bias=False)
    layer("weights are inputs", op, 3, 2, 4, 5, "bidirectional", constants=())
    layer("clip", op, 6, 2, 4, 5, "bidirectional", states=True, clip=0.4, scale=2.0)
    layer("hidden of more than a panel", op, 3, 1, 3, 65 if op == "RNN" else 18)
    layer("batch first", op, 4, 3, 5, 6, "bidirectional", lengths=[4, 2, 3], states=True, layout=1)
    layer("many rows", op, 2, 15, 4, 9, "bidirectional", states=True, constants=())
    layer("a sequence of nothing", op, 3, 3, 4, 5, "bidirectional", lengths=[3, 0, 2], states=True)
    layer("states only", op, 3, 2, 4, 5, outputs=[False, True, True][:3 if op == "LSTM" else 2])
    layer("all steps only", op, 3, 2, 4, 5, outputs=[True])

functions = ["Sigmoid", "Tanh", "Relu", "Affine", "LeakyRelu", "ThresholdedRelu", "ScaledTanh", "HardSigmoid", "Elu",
             "Softsign", "Softplus"]
alphas = {"Affine": 0.7, "LeakyRelu": 0.1, "ThresholdedRelu": 0.3, "ScaledTanh": 1.3, "HardSigmoid": 0.3, "Elu": 0.8}
betas = {"Affine": 0.2, "ScaledTanh": 0.6, "HardSigmoid": 0.4}
for index, function in enumerate(functions):
    names = [function, functions[(index + 1) % len(functions)]]
    given = {"activations": names}
    if any(f in alphas for f in names):
        given["activation_alpha"] = [alphas[f] for f in names if f in alphas]
    if any(f in betas for f in names):
        given["activation_beta"] = [betas[f] for f in names if f in betas]
    layer(f"activation {function}", "RNN", 4, 2, 3, 5, "bidirectional", **given)
layer("default alphas", "RNN", 4, 2, 3, 5, "bidirectional", activations=["LeakyRelu", "HardSigmoid"])
layer("activations", "LSTM", 4, 2, 3, 5, activations=["HardSigmoid", "Softsign", "Relu"],
      activation_alpha=[0.3], activation_beta=[0.45])
layer("activations", "GRU", 4, 2, 3, 5, activations=["HardSigmoid", "LeakyRelu"], activation_alpha=[0.3, 0.2],
      activation_beta=[0.45])
layer("peepholes", "LSTM", 5, 3, 4, 6, "bidirectional", peepholes=True, states=True, lengths=[5, 3, 4])
layer("peepholes and clip", "LSTM", 5, 2, 4, 6, peepholes=True, clip=0.5, scale=2.0)
layer("input and forget", "LSTM", 5, 2, 4, 6, input_forget=1)
for direction in ("forward", "bidirectional"):
    layer(f"linear before reset {direction}", "GRU", 5, 3, 4, 21, direction, linear_before_reset=1, states=True,
          lengths=[5, 2, 4])
layer("linear before reset without bias", "GRU", 5, 1, 4, 6, bias=False, linear_before_reset=1)
layer("linear before reset and clip", "GRU", 5, 1, 4, 6, linear_before_reset=1, clip=0.5, scale=2.0)
recorder.save()
