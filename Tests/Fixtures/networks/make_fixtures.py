"""Cuts what the network tests need out of parity bundles: python make_fixtures.py BUNDLES

For each bundle NAME writes NAME.json (state dict, how parameters are filled, losses, numbers to compare with) and,
where tensors are compared, NAME.safetensors.
"""
import json
import pathlib
import struct
import sys

import numpy as np

DTYPES = {"F32": "<f4", "F64": "<f8", "I64": "<i8", "I32": "<i4", "U8": "u1", "BOOL": "?"}
HERE = pathlib.Path(__file__).parent


def load(path):
    data = path.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + length])
    header.pop("__metadata__", None)
    result = {}
    for name, entry in header.items():
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        result[name] = np.frombuffer(data[begin:end], DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return result


def save(path, tensors):
    names = {np.dtype(value): key for key, value in DTYPES.items()}
    header, parts, offset = {}, [], 0
    for name in sorted(tensors):
        data = np.ascontiguousarray(tensors[name]).tobytes()
        header[name] = {"dtype": names[tensors[name].dtype], "shape": list(tensors[name].shape),
                        "data_offsets": [offset, offset + len(data)]}
        parts.append(data)
        offset += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(parts))


def bundle(root, name, output, stride):
    folder = root / name
    model = json.loads((folder / "model.json").read_text())
    forward, loss = load(folder / "forward.safetensors"), load(folder / "loss.safetensors")
    stored = load(folder / "params.safetensors") if (folder / "params.safetensors").exists() else {}
    statistics = {key[5:]: [float(x) for x in value.ravel()] for key, value in loss.items() if key.startswith("stat.")}
    kept = dict(list(statistics.items())[:2] + list(statistics.items())[-2:])
    norms = {key[5:]: float(value.ravel()[0]) for key, value in loss.items() if key.startswith("norm.")}
    text = {
        "seed": model["seed"], "convGain": model["conv_gain"], "linearGain": model["linear_gain"],
        "exceptions": {key: [value["scale"], value["offset"]]
                       for key, value in model.get("fill_exceptions", {}).items()},
        "state": [[entry["name"], entry["shape"], entry["dtype"]] for entry in model["state_dict"]],
        "input": model["inputs"]["in.image"]["shape"],
        "lossInput": model.get("loss_inputs", model["inputs"])["in.image"]["shape"],
        "losses": {key[5:]: float(value) for key, value in loss.items() if key.startswith("loss.")},
        "statistics": kept, "norms": norms, "stride": stride,
    }
    (HERE / f"{name}.json").write_text(json.dumps(text, separators=(",", ":")) + "\n")
    tensors = {output: forward["out." + output].ravel()[::stride]}
    tensors.update(stored)
    tensors.update({key: value for key, value in loss.items() if key.startswith("in.")})
    save(HERE / f"{name}.safetensors", tensors)


def main():
    root = pathlib.Path(sys.argv[1])
    bundle(root, "crnn", "decoder", 1)
    bundle(root, "dbnet_r18", "preds", 23)
    bundle(root, "dbnet_r50dcnv2", "preds", 17)
    folder = root / "dbnet_r18"
    cases = json.loads((folder / "loss_cases.json").read_text())
    (HERE / "db_loss.json").write_text(json.dumps(cases, separators=(",", ":")) + "\n")
    save(HERE / "db_loss.safetensors", load(folder / "loss_cases.safetensors"))


main()
