#!/usr/bin/env python3
"""Takes the small cases of parity bundles (numbers that MMOCR 0.6.3 gives) that the tests of Models read.

Usage: cut.py FOLDER_OF_BUNDLES, here. Standard library only.
"""
import json
import pathlib
import struct
import sys

SOURCE = pathlib.Path(sys.argv[1])
TARGET = pathlib.Path(__file__).parent


def read(path):
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + size])
    header.pop("__metadata__", None)
    return {
        name: (entry["dtype"], entry["shape"], data[8 + size + entry["data_offsets"][0] : 8 + size + entry["data_offsets"][1]])
        for name, entry in header.items()
    }


def write(path, tensors):
    header, offset = {}, 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(data for _, _, data in tensors.values()))


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")


def without(value, *keys):
    return {key: item for key, item in value.items() if key not in keys}


def dbnet(name):
    """All cases but those on the large map and canvas."""
    post = json.loads((SOURCE / name / "post.json").read_text())
    cases = [without(case, "clipper") for case in post["cases"] if case["map"] != "main"]
    write_json(TARGET / name / "post.json", {"cases": cases})
    maps = read(SOURCE / name / "post.safetensors")
    write(TARGET / name / "post.safetensors", without(maps, "main"))
    targets = json.loads((SOURCE / name / "targets.json").read_text())
    cases = [without(case, "clipper", "outputs") for case in targets["cases"] if case["name"] != "main"]
    write_json(TARGET / name / "targets.json", {"cases": cases})
    maps = read(SOURCE / name / "targets.safetensors")
    write(TARGET / name / "targets.safetensors", {key: maps[key] for key in maps if not key.startswith("main.")})


dbnet("dbnet_r18")
