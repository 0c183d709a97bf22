"""Runs the six models that Models/fetch obtains through ONNX Runtime and through `ligature verify`, at several sizes
and batch sizes, and compares every output.

usage: Tests/Parity/model_parity [MODEL…]      ppocrv4-det ppocrv4-rec ppocrv4-cls ddddocr-common ddddocr-det ddddocr-old

Inputs are cut from the sample page, so that they look like what the models were made for, plus one of noise each
(for ppocrv4-det, of a noisy page: of noise alone it makes nothing but values below 1e-5, where ONNX Runtime's own
results at different optimisation levels differ by a tenth). Errors are relative to the largest magnitude of the
output; float models must agree within 1e-4.

ddddocr-old quantises its activations to 8 bits 23 times while it runs, with scales that it takes from the values. A
difference in the last bit of a float puts some value on the other side of a rounding, and grows from layer to layer:
ONNX Runtime's own output moves by up to 5 % when its input is changed by 1e-7. It is therefore compared piece by
piece: each stretch from one quantisation to the next gets what ONNX Runtime has there, and must give what it gives
within one step of the quantisation that follows (the worst input of each piece is printed). The whole model may
differ by one step of its output's 8-bit quantisation, or by twice what ONNX Runtime's output moves so.

Inputs and ONNX Runtime's outputs are kept in .build/parity/models, in ONNX's test-data layout. Exit code 1 when an
output differs by more, or when a model is missing.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import numpy_helper
from PIL import Image

from ligature_program import RAW_MODELS, ROOT, WORK, ligature

SAMPLE = ROOT / "Tests/Fixtures/sample/page.jpg"
FLOAT_TOLERANCE = 1e-4

# Corners of lines on the sample page, (left, top, right, bottom).
LINES = [
    (66, 108, 760, 200), (70, 236, 790, 292), (78, 314, 500, 352), (66, 440, 710, 490), (66, 510, 690, 548),
    (66, 720, 180, 760), (464, 780, 560, 812), (66, 880, 330, 916), (66, 1070, 720, 1130), (680, 1370, 1056, 1410),
]


def page(left, top, right, bottom, width, height):
    """Part of the sample page, BGR, scaled, as float32 `[3, H, W]` in -1…1."""
    part = Image.open(SAMPLE).convert("RGB").crop((left, top, right, bottom)).resize((width, height), Image.BICUBIC)
    pixels = np.asarray(part, np.float32)[..., ::-1] / np.float32(255)
    return np.ascontiguousarray(((pixels - np.float32(0.5)) / np.float32(0.5)).transpose(2, 0, 1))


def lines(count, width):
    """Lines 48 pixels high, `[N, 3, 48, width]`, padded with zeros on the right as recognisers are fed."""
    batch = np.zeros((count, 3, 48, width), np.float32)
    for index in range(count):
        box = LINES[index % len(LINES)]
        scaled = min(max(round(48 * (box[2] - box[0]) / (box[3] - box[1])), 1), width)
        batch[index, :, :, :scaled] = page(*box, scaled, 48)
    return batch


def grey_line(index, width):
    """One grey line 64 pixels high, `[1, 1, 64, width]`, as ddddocr's recognisers are fed."""
    return page(*LINES[index], width, 64).mean(axis=0, dtype=np.float32)[None, None]


def pixels(left, top, right, bottom):
    """Part of the page as ddddocr's detector takes it: 416 x 416, 0…255."""
    return (page(left, top, right, bottom, 416, 416)[None] + 1) * np.float32(127.5)


def noise(*shape, scale=1.0):
    return (np.random.default_rng(11).standard_normal(shape) * scale).astype(np.float32)


# Name -> input tensors.
CASES = {
    "ppocrv4-det": lambda: [
        page(0, 0, 1120, 1440, 576, 736)[None],
        page(0, 400, 1120, 1120, 320, 224)[None],
        np.stack([page(0, 0, 640, 480, 256, 192), page(400, 700, 1040, 1180, 256, 192)]),
        np.stack([page(0, 90 * i, 300, 90 * i + 150, 64, 32) for i in range(5)]),
        page(40, 90, 780, 534, 160, 96)[None] + noise(1, 3, 96, 160, scale=0.1),
    ],
    "ppocrv4-rec": lambda: [
        lines(1, 320), lines(6, 320), lines(3, 517), lines(2, 1003), lines(10, 41), noise(2, 3, 48, 200),
    ],
    "ppocrv4-cls": lambda: [
        lines(1, 192), lines(6, 192), lines(10, 192), lines(3, 192)[:, :, ::-1, ::-1], noise(4, 3, 48, 192),
    ],
    # These three declare a batch of one.
    "ddddocr-common": lambda: [
        grey_line(0, 160), grey_line(5, 97), grey_line(8, 416), grey_line(6, 8), noise(1, 1, 64, 130),
    ],
    "ddddocr-det": lambda: [
        pixels(0, 400, 1120, 1440), pixels(560, 740, 1060, 1060), noise(1, 3, 416, 416, scale=60),
    ],
    "ddddocr-old": lambda: [
        grey_line(0, 160), grey_line(5, 97), grey_line(8, 416), grey_line(6, 8), noise(1, 1, 64, 130),
    ],
}
QUANTISED = {"ddddocr-old"}


def session(model):
    options = ort.SessionOptions()
    options.log_severity_level = 3
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def record(name, model, folder):
    """Writes the model, inputs and ONNX Runtime's outputs to `folder`, unless they are there."""
    stamp_text = json.dumps([
        hashlib.sha256(Path(part).read_bytes()).hexdigest() for part in (__file__, SAMPLE, model)
    ] + [metadata.version("onnxruntime"), metadata.version("pillow")])
    stamp = folder / "complete.json"
    if stamp.exists() and stamp.read_text() == stamp_text:
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.symlink(model, folder / "model.onnx")
    inputs = [np.ascontiguousarray(tensor) for tensor in CASES[name]()]
    whole = session(str(model))
    for index, tensor in enumerate(inputs):
        outputs = whole.run(None, {whole.get_inputs()[0].name: tensor})
        write_case(folder / f"test_data_set_{index}", [tensor], outputs)
    if name in QUANTISED:
        record_pieces(onnx.load(str(model)), inputs, folder / "pieces")
        moves = [own_move(whole, tensor) for tensor in inputs]
        (folder / "moves.json").write_text(json.dumps(moves))
    stamp.write_text(stamp_text)


def own_move(runner, tensor):
    """How far ONNX Runtime's output moves at most when its input is changed in the last digits."""
    name = runner.get_inputs()[0].name
    expected = runner.run(None, {name: tensor})[0]
    random = np.random.default_rng(13)
    changes = (random.standard_normal(tensor.shape).astype(np.float32) * np.float32(1e-7) for _ in range(16))
    return max(float(np.abs(runner.run(None, {name: tensor + change})[0] - expected).max()) for change in changes)


def write_case(case, inputs, outputs):
    case.mkdir(parents=True)
    for kind, tensors in (("input", inputs), ("output", outputs)):
        for index, tensor in enumerate(tensors):
            write(case / f"{kind}_{index}.pb", tensor)


def record_pieces(model, inputs, folder):
    """Cuts a model before everything that quantises, and records each piece with ONNX Runtime's values around it."""
    graph = model.graph
    makers = {output: node for node in graph.node for output in node.output}
    constants = {tensor.name: tensor for tensor in graph.initializer}
    cuts = [node.input[0] for node in graph.node if node.op_type in ("DynamicQuantizeLinear", "DynamicQuantizeLSTM")]
    source = graph.input[0].name
    ends = [name for name in dict.fromkeys(cuts) if name != source] + [graph.output[0].name]

    exposed = onnx.ModelProto()
    exposed.CopyFrom(model)
    for name in ends[:-1]:
        exposed.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    runner = session(exposed.SerializeToString())
    names = [output.name for output in runner.get_outputs()]
    values = [dict(zip(names, runner.run(None, {source: tensor}))) | {source: tensor} for tensor in inputs]

    for number, end in enumerate(ends):
        nodes, starts = upstream(end, makers, constants, {source, *ends})
        used = {name for node in nodes for name in node.input}
        piece = onnx.helper.make_model(
            onnx.helper.make_graph(
                [node for node in graph.node if node.name in {n.name for n in nodes}], f"piece {number}",
                [typed(name, values[0][name]) for name in starts], [typed(end, values[0][end])],
                [tensor for name, tensor in constants.items() if name in used]),
            opset_imports=[onnx.helper.make_opsetid(o.domain, o.version) for o in model.opset_import],
            ir_version=model.ir_version)
        place = folder / f"{number:02d}"
        for index, known in enumerate(values):
            write_case(place / f"test_data_set_{index}", [known[name] for name in starts], [known[end]])
        onnx.save(piece, str(place / "model.onnx"))


def upstream(end, makers, constants, cuts):
    """The nodes that `end` is computed with from the cuts above it, and those cuts."""
    nodes, starts, pending, seen = [], [], [end], set()
    while pending:
        name = pending.pop()
        if not name or name in constants or name in seen:
            continue
        seen.add(name)
        if name in cuts and name != end:
            starts.append(name)
            continue
        nodes.append(makers[name])
        pending += list(makers[name].input)
    return nodes, sorted(starts)


def typed(name, value):
    sizes = [f"{name}.{axis}" for axis in range(value.ndim)]
    return onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, sizes)


def write(path, tensor):
    path.write_bytes(numpy_helper.from_array(tensor, path.stem).SerializeToString())


def read(path):
    tensor = onnx.TensorProto()
    tensor.ParseFromString(path.read_bytes())
    return numpy_helper.to_array(tensor)


def verify(folder):
    """Rows of `ligature verify`; none when the program failed."""
    command = [ligature(), "verify", str(folder), "--json", "--tolerance", str(FLOAT_TOLERANCE)]
    run = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    return json.loads(run.stdout) if run.returncode in (0, 1) else []


class Report:
    def __init__(self):
        self.checked = self.failures = 0
        print(f"reference: onnxruntime {metadata.version('onnxruntime')}")
        print(f"{'model':<17} {'input':<18} {'output':<24} {'abs. error':>11} {'rel. error':>11} {'allowed':>11}")

    def fail(self, name, text):
        self.failures += 1
        print(f"{name:<17} FAILED: {text}", flush=True)

    def row(self, name, folder, row, allowed):
        """One output; `allowed` is absolute."""
        self.checked += 1
        passed = not row.get("problem") and row["maximalAbsoluteError"] <= allowed
        self.failures += not passed
        shape = "x".join(map(str, read(folder / row["dataSet"] / "input_0.pb").shape))
        verdict = "" if passed else "  FAILED " + (row.get("problem") or "")
        print(f"{name:<17} {shape:<18} {row['type']:<24} {row['maximalAbsoluteError']:>11.3g} "
              f"{row['maximalRelativeError']:>11.3g} {allowed:>11.3g}{verdict}", flush=True)


def compare_floats(name, folder, report):
    rows = verify(folder)
    if not rows:
        report.fail(name, "the program did not run it")
    for row in rows:
        # Every model here has one output.
        scale = np.abs(read(folder / row["dataSet"] / "output_0.pb")).max()
        report.row(name, folder, row, FLOAT_TOLERANCE * scale)


def compare_quantised(name, folder, report):
    for piece in sorted((folder / "pieces").iterdir()):
        rows = [(row, one_step(piece, row)) for row in verify(piece)]
        if not rows:
            report.fail(f"{name} {piece.name}", "the program did not run this piece")
            continue
        broken = [pair for pair in rows if pair[0].get("problem")]
        worst = broken[0] if broken else max(rows, key=lambda pair: pair[0]["maximalAbsoluteError"] / pair[1])
        report.row(f"{name} {piece.name}", piece, *worst)
    rows = verify(folder)
    if not rows:
        report.fail(name, "the program did not run it")
    moves = json.loads((folder / "moves.json").read_text())
    for row in rows:
        move = moves[int(row["dataSet"].rsplit("_", 1)[1])]
        report.row(name, folder, row, max(one_step(folder, row), 2 * move))


def one_step(folder, row):
    """One step of the 8-bit quantisation of an output, by what ONNX Runtime gave."""
    values = read(folder / row["dataSet"] / "output_0.pb").astype(np.float64)
    return max((max(values.max(), 0) - min(values.min(), 0)) / 255, np.finfo(np.float32).tiny)


def main():
    names = sys.argv[1:] or list(CASES)
    unknown = [name for name in names if name not in CASES]
    if unknown:
        sys.exit(__doc__)
    missing = [name for name in names if not (RAW_MODELS / f"{name}.onnx").exists()]
    if missing:
        sys.exit(f"{', '.join(missing)} not in {RAW_MODELS}; fetch them with: Models/fetch --raw --ddddocr")

    report = Report()
    for name in names:
        folder = WORK / "models" / name
        record(name, (RAW_MODELS / f"{name}.onnx").resolve(), folder)
        (compare_quantised if name in QUANTISED else compare_floats)(name, folder, report)
    print(f"{report.checked} outputs of {len(names)} models compared, {report.failures} failures")
    sys.exit(1 if report.failures or not report.checked else 0)


if __name__ == "__main__":
    main()
