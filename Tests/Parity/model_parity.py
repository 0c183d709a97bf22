"""Runs the six models that Models/fetch obtains through ONNX Runtime and through `ligature verify`, at several sizes
and batch sizes, and compares every output.

usage: Tests/Parity/model_parity [MODEL…]      ppocrv4-det ppocrv4-rec ppocrv4-cls ddddocr-common ddddocr-det ddddocr-old

Inputs are cut from the sample page, so that they look like what the models were made for, plus one of noise each
(for ppocrv4-det, of a noisy page: of noise alone it makes nothing but values below 1e-5, where ONNX Runtime's own
results at different optimisation levels differ by a tenth). Errors are relative to the largest magnitude of the output. Float models must agree within 1e-4. ddddocr-old quantises
its activations to 8 bits again and again while it runs: where two runtimes differ in the last bit (both round their
sigmoids by up to one), a value falls on the other side of a rounding, and 21 layers make more of it. What is allowed
is therefore half as much again as ONNX Runtime itself does to such a bit: the most that its output moves when the
results of each sigmoid layer move by about their last bit, up or down, in any of 16 draws. (That is 1 to 7 steps of
the output's own 8-bit quantisation; one step is allowed in any case.)

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
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    for index, tensor in enumerate(CASES[name]()):
        case = folder / f"test_data_set_{index}"
        case.mkdir()
        tensor = np.ascontiguousarray(tensor)
        write(case / "input_0.pb", tensor)
        outputs = session.run(None, {session.get_inputs()[0].name: tensor})
        for output, value in enumerate(outputs):
            write(case / f"output_{output}.pb", value)
        if name in QUANTISED:
            feed = {session.get_inputs()[0].name: tensor}
            moves = [[float(np.abs(a - b).max()) for a, b in zip(moved.run(None, feed), outputs)]
                     for moved in moved_sessions(str(model), options)]
            (case / "moves.json").write_text(json.dumps(np.max(moves, axis=0).tolist()))
    stamp.write_text(stamp_text)


def moved_sessions(model, options):
    """The model with the results of each sigmoid layer moved by about their last bit."""
    for draw in range(16):
        random = np.random.default_rng(draw)
        moved = onnx.load(model)
        nodes = []
        for node in moved.graph.node:
            nodes.append(node)
            if node.op_type == "Sigmoid":
                name = node.output[0]
                node.output[0] = f"{name}.exact"
                factor = np.array(1 + random.choice([-1, 1]) * 2.0**-23, np.float32)
                moved.graph.initializer.append(numpy_helper.from_array(factor, f"{name}.factor"))
                nodes.append(onnx.helper.make_node("Mul", [f"{name}.exact", f"{name}.factor"], [name]))
        del moved.graph.node[:]
        moved.graph.node.extend(nodes)
        yield ort.InferenceSession(moved.SerializeToString(), options, providers=["CPUExecutionProvider"])


def write(path, tensor):
    path.write_bytes(numpy_helper.from_array(tensor, path.stem).SerializeToString())


def read(path):
    tensor = onnx.TensorProto()
    tensor.ParseFromString(path.read_bytes())
    return numpy_helper.to_array(tensor)


def allowed(name, folder, row, index):
    """The absolute error that an output may have, by what ONNX Runtime gave."""
    expected = read(folder / row["dataSet"] / f"output_{index}.pb").astype(np.float64)
    if name in QUANTISED:
        step = (max(expected.max(), 0) - min(expected.min(), 0)) / 255
        return max(step, 1.5 * json.loads((folder / row["dataSet"] / "moves.json").read_text())[index])
    return FLOAT_TOLERANCE * np.abs(expected).max()


def verify(name, folder):
    """Rows of `ligature verify`, judged here; None when the program failed."""
    command = [ligature(), "verify", str(folder), "--json", "--tolerance", str(FLOAT_TOLERANCE)]
    run = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if run.returncode not in (0, 1):
        return None
    rows = json.loads(run.stdout)
    position = {}
    for row in rows:
        index = position[row["dataSet"]] = position.get(row["dataSet"], -1) + 1
        row["allowed"] = allowed(name, folder, row, index)
        row["passed"] = row.get("problem") is None and row["maximalAbsoluteError"] <= row["allowed"]
    return rows


def main():
    names = sys.argv[1:] or list(CASES)
    unknown = [name for name in names if name not in CASES]
    if unknown:
        sys.exit(__doc__)
    missing = [name for name in names if not (RAW_MODELS / f"{name}.onnx").exists()]
    if missing:
        sys.exit(f"{', '.join(missing)} not in {RAW_MODELS}; fetch them with: Models/fetch --raw --ddddocr")

    failures = checked = 0
    print(f"reference: onnxruntime {metadata.version('onnxruntime')}")
    print(f"{'model':<15} {'input':<18} {'output':<24} {'abs. error':>11} {'rel. error':>11} {'allowed':>11}")
    for name in names:
        folder = WORK / "models" / name
        record(name, (RAW_MODELS / f"{name}.onnx").resolve(), folder)
        rows = verify(name, folder)
        if not rows:
            print(f"{name:<15} FAILED: the program did not run it")
            failures += 1
            continue
        for row in rows:
            checked += 1
            shape = "x".join(map(str, read(folder / row["dataSet"] / "input_0.pb").shape))
            verdict = "" if row["passed"] else "  FAILED " + (row.get("problem") or "")
            print(f"{name:<15} {shape:<18} {row['type']:<24} {row['maximalAbsoluteError']:>11.3g} "
                  f"{row['maximalRelativeError']:>11.3g} {row['allowed']:>11.3g}{verdict}", flush=True)
            failures += not row["passed"]
    print(f"{checked} outputs of {len(names)} models compared, {failures} failures")
    sys.exit(1 if failures or not checked else 0)


if __name__ == "__main__":
    main()
